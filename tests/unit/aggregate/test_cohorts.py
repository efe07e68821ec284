"""Entry cohorts add up to the window they are made of, at any instant and over all partitions."""

import random

import pytest

from stream.aggregate.cells import add_counts, empty_counts
from stream.aggregate.cohorts import entry_cohorts
from stream.aggregate.rings import WHOLE
from stream.aggregate.rollup import window_counts
from stream.aggregate.totals import PartitionTotals
from stream.engine.advance import Change
from stream.engine.match import FunnelSet
from stream.model.funnel import Breakdown, Funnel, Step
from stream.model.window import RollingWindow

FUNNEL = Funnel(
    "shop", 1, (Step("view", ("view",)), Step("buy", ("buy",))), 30_000, breakdowns=(Breakdown("device", ("device",)),)
)
ROLLING = (RollingWindow("1m", 60_000), RollingWindow("10m", 600_000))
(COMPILED,) = FunnelSet([FUNNEL]).funnels


def attempt(entry_ms, device, converted):
    touch = ((device,), ())
    chain = (entry_ms, touch, entry_ms + 500, None) if converted else (entry_ms, touch)
    return entry_ms, 2 if converted else 1, chain, touch, None, None


def partition(seed):
    """Return totals of 200 attempts over twelve minutes, and their fields as the store has them."""
    draw = random.Random(seed)
    totals = PartitionTotals([COMPILED], ROLLING)
    own = totals.by_number[COMPILED.number]
    attempts = tuple(
        attempt(draw.randrange(720_000), draw.choice(["phone", "desk"]), draw.random() < 0.3) for _ in range(200)
    )
    for each in attempts:
        own.note(each[3][0])
    totals.take([(COMPILED, Change((), attempts, (), ()))])
    return own, totals.fields()[0]


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("as_of_ms", [30_000, 59_999, 60_000, 300_000, 719_000, 900_000, 10_000_000])
def test_cohorts_add_up_to_their_window(index, as_of_ms):
    parts = [partition(seed) for seed in (1, 2, 3)]
    cohorts = entry_cohorts(COMPILED, ROLLING, index, [fields for _, fields in parts], as_of_ms)
    assert list(cohorts) == sorted(cohorts)
    total, expected = empty_counts(2), empty_counts(2)
    for counts in cohorts.values():
        add_counts(total, counts)
    for own, _ in parts:
        add_counts(expected, window_counts(own, index, as_of_ms, matured=False, shown={}).get(WHOLE, empty_counts(2)))
    assert total == expected


def test_a_cohort_is_pending_until_its_slot_has_run_out():
    totals = PartitionTotals([COMPILED], ROLLING)
    totals.by_number[0].note(("phone",))
    totals.take([(COMPILED, Change((), (attempt(1_500, "phone", converted=False),), (), ()))])
    fields = [totals.fields()[0]]
    for as_of_ms, pending in ((32_000, [1]), (32_001, [0])):  # the slot from 1 s ends at 2 s, the window 30 s later
        assert entry_cohorts(COMPILED, ROLLING, 0, fields, as_of_ms)[1_000].pending == pending
