"""What attempts are worth that stop at a step: at stake while they are pending, then lost; nothing else ever is."""

import random
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest

from stream.aggregate.cells import (
    Cell,
    add_cell,
    count_any,
    count_progress,
    count_result,
    counts_of,
    decided,
    empty_cell,
    unconverted,
)
from stream.aggregate.gather import gather, gather_any
from stream.aggregate.outcomes import values_by_required
from stream.aggregate.report import Tally, whole_range
from stream.aggregate.rings import WHOLE
from stream.aggregate.rollup import roll_up
from stream.aggregate.totals import PartitionTotals
from stream.analyze.compare import broken_laws
from stream.engine.advance import Change
from stream.engine.match import FunnelSet
from stream.model.funnel import Breakdown, Exclusion, Funnel, Step, ValueRule
from stream.model.result import Counts, Rollup, Values
from stream.model.window import RollingWindow
from support.kept import keep

WINDOW_MS = 30_000
WINDOWS = (RollingWindow("1m", 60_000),)
STEPS = tuple(Step(name, (name,), value=ValueRule("total", currency="EUR")) for name in ("view", "cart", "ask", "pay"))
PLAIN = Funnel("shop", 1, STEPS, WINDOW_MS, breakdowns=(Breakdown("device", ("device",)),))
OPTIONAL = replace(PLAIN, steps=(*STEPS[:2], replace(STEPS[2], optional=True), STEPS[3]))
EXCLUDING = replace(PLAIN, exclusions=(Exclusion(("X",), 1, 4),))
LEAVING, CLEARED = (True, None), (False, None)

EUR_5, EUR_7, USD_9 = ("EUR", "5.00"), ("EUR", "7.25"), ("USD", "9")
NO_VALUE = ()
HOLE = None


def attempt(at_ms: int, *values: tuple | None, fate: tuple | None = None, device: str = "phone") -> tuple:
    """Return an attempt that takes a second for each step; per step the value it has, or that it has no event."""
    chain = []
    for step, value in enumerate(values, start=1):
        touch = ((device,), ((step, *value),) if value else ())
        chain += [None, None] if value is HOLE else [at_ms + 1_000 * (step - 1), touch]
    return at_ms, len(values), tuple(chain), chain[1], None, fate


def cell_of(*attempts: tuple) -> Cell:
    cell = empty_cell(4)
    for _, best, chain, _, _, fate in attempts:
        count_any(cell, best, chain, fate, 1)
    return cell


def money(values: Values) -> dict[int, dict[str, tuple[Decimal, int]]]:
    return {step: {name: (each.total, each.count) for name, each in sums.items()} for step, sums in values.items()}


def worth(step: int, amount: str, currency: str = "EUR", attempts: int = 1) -> dict:
    return {step: {currency: (Decimal(amount), attempts)}}


def lost(counts: Counts) -> dict:
    return money(counts.lost)


def at_stake(counts: Counts) -> dict:
    return money(counts.at_stake)


# One attempt


@pytest.mark.parametrize(
    ("stopped", "expected"),
    [
        pytest.param(attempt(0, EUR_5), worth(1, "5"), id="the-first-steps"),
        pytest.param(attempt(0, EUR_5, EUR_7), worth(2, "7.25"), id="the-last-value-counts-and-no-other"),
        pytest.param(attempt(0, EUR_5, NO_VALUE), worth(2, "5"), id="a-step-without-value-changes-nothing"),
        pytest.param(attempt(0, EUR_5, USD_9), worth(2, "9", "USD"), id="in-the-currency-of-the-last-value"),
        pytest.param(attempt(0, EUR_5, NO_VALUE, NO_VALUE), worth(3, "5"), id="lost-where-the-attempt-stopped"),
        pytest.param(attempt(0, EUR_5, HOLE, EUR_7), worth(3, "7.25"), id="a-hole-is-passed-over"),
        pytest.param(attempt(0, EUR_5, HOLE, NO_VALUE), worth(3, "5"), id="a-hole-and-a-step-without-value-too"),
        pytest.param(attempt(0, ("EUR", "0")), worth(1, "0"), id="zero-is-a-value"),
        pytest.param(attempt(0, ("EUR", "-3")), worth(1, "-3"), id="a-refund-is-below-zero"),
        pytest.param(attempt(0, NO_VALUE, NO_VALUE), {}, id="who-has-no-value-loses-nothing"),
        pytest.param(attempt(0, EUR_5, EUR_7, USD_9, EUR_5), {}, id="the-converted-lose-nothing"),
    ],
)  # fmt: skip
def test_an_attempt_is_worth_the_last_value_of_its_chain(stopped, expected):
    cell = cell_of(stopped)
    pending, over = counts_of(cell, decided=False), counts_of(cell, decided=True)
    assert (at_stake(pending), lost(pending)) == (expected, {})
    assert (at_stake(over), lost(over)) == ({}, expected)
    if HOLE not in stopped[2][::2]:
        plain = empty_cell(4)
        count_result(plain, stopped[1], stopped[2], 1)
        assert plain == cell
    assert decided(unconverted(cell)).stakes == cell.stakes


@pytest.mark.parametrize(
    ("fate", "before", "after"),
    [
        pytest.param(None, (worth(2, "5"), {}), ({}, worth(2, "5")), id="dropped"),
        pytest.param(CLEARED, (worth(2, "5"), {}), ({}, worth(2, "5")), id="cleared-is-excluded-with-its-window"),
        pytest.param((False, 900), ({}, worth(2, "5")), ({}, worth(2, "5")), id="excluded-at-once"),
        pytest.param(LEAVING, (worth(2, "5"), {}), ({}, {}), id="who-leaves-loses-nothing"),
    ],
)  # fmt: skip
def test_an_exclusion_ends_what_is_at_stake(fate, before, after):
    cell = cell_of(attempt(0, EUR_5, NO_VALUE, fate=fate))
    pending, over = counts_of(cell, decided=False), counts_of(cell, decided=True)
    assert (at_stake(pending), lost(pending)) == before
    assert (at_stake(over), lost(over)) == after
    assert lost(counts_of(decided(cell), decided=True)) == after[1]


def test_an_attempt_that_goes_on_takes_its_value_along():
    whole = attempt(0, EUR_5, NO_VALUE, USD_9)
    cell = empty_cell(4)
    count_result(cell, 1, whole[2][:2], 1)
    for known, best, expected in ((1, 2, worth(2, "5")), (2, 3, worth(3, "9", "USD"))):
        count_progress(cell, known, best, whole[2][: 2 * best], has_values=True)
        assert at_stake(counts_of(cell, decided=False)) == expected
        assert cell == cell_of(attempt(0, *(EUR_5, NO_VALUE, USD_9)[:best]))
    count_result(cell, 3, whole[2], -1)
    assert cell.is_empty


def test_a_cell_in_which_only_stakes_have_moved_is_not_empty():
    cell = cell_of(attempt(0, EUR_5))
    count_any(cell, 1, attempt(0, NO_VALUE)[2], None, -1)
    cell.values.clear()
    assert (cell.has_attempts, cell.is_empty) == (False, False)


def random_attempt(rng: random.Random, at_ms: int, *, plain: bool = False) -> tuple:
    amounts = [NO_VALUE, EUR_5, EUR_7, USD_9, ("EUR", "0.000000001"), ("EUR", "999999999999999.999999999")]
    values = [rng.choice(amounts) for _ in range(rng.randrange(1, 5))]
    fate = None if plain or len(values) == 4 else rng.choice([None, CLEARED, LEAVING, (False, at_ms + 3_000)])
    return attempt(at_ms, *values, fate=fate, device=rng.choice(["phone", "desk"]))


def test_adding_cells_is_adding_their_attempts_and_taking_them_away_leaves_nothing():
    rng = random.Random("stakes")
    parts = [[random_attempt(rng, at) for at in range(9)] for _ in range(7)]
    total = empty_cell(4)
    for part in parts:
        add_cell(total, cell_of(*part))
    whole = cell_of(*[each for part in parts for each in part])
    assert all(counts_of(total, decided=each) == counts_of(whole, decided=each) for each in (True, False))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(total), type=Cell) == total
    for part in parts:
        add_cell(total, cell_of(*part), -1)
    assert (total.is_empty, total.stakes, total.options) == (True, {}, None)


def test_both_ways_of_gathering_move_the_values_of_attempts_that_go_on():
    rng = random.Random("gather")
    longest = [random_attempt(rng, 500 * at, plain=True) for at in range(60)]
    changes = []
    for entry_ms, best, chain, entry, firsts, fate in longest:
        steps = [(entry_ms, known, chain[: 2 * known], entry, firsts, fate) for known in range(1, best + 1)]
        changes.append(Change((), (steps[0],)))
        changes += [Change((before,), (after,)) for before, after in pairwise(steps)]
    gone_on, at_once = gather(changes, 4, 1_000), gather([Change((), longest)], 4, 1_000)
    for found in (gone_on, gather_any(changes, 4, 1_000)):
        assert found.closed.keys() == at_once.closed.keys()
        for place, cell in at_once.open.items():
            own = found.open[place]
            assert (own.at, own.values, own.stakes) == (cell.at, cell.values, cell.stakes)
    assert any(cell.stakes for cell in gone_on.open.values())


def test_where_no_step_has_a_value_none_is_looked_for():
    changes = [Change((), (attempt(0, NO_VALUE),)), Change((attempt(0, NO_VALUE),), (attempt(0, NO_VALUE, NO_VALUE),))]
    assert gather(changes, 4, 1_000, has_values=False) == gather(changes, 4, 1_000)


def test_who_stops_at_an_optional_step_loses_at_the_required_one_before():
    counts = counts_of(cell_of(attempt(0, EUR_5, NO_VALUE), attempt(0, EUR_5, NO_VALUE, EUR_7)), decided=True)
    assert money(values_by_required(counts.lost, [3])) == worth(2, "12.25", attempts=2)
    assert money(values_by_required(counts.lost, [2, 3])) == worth(1, "12.25", attempts=2)
    assert lost(counts) == worth(2, "5") | worth(3, "7.25"), "the sums themselves stay by step"


# Windows, settled, totals


def new_totals(funnel: Funnel) -> PartitionTotals:
    totals = PartitionTotals(FunnelSet([funnel]).funnels, WINDOWS, ())
    for device in ("phone", "desk"):
        totals.by_number[0].note((device,))
    return totals


def take(totals: PartitionTotals, *changes: Change) -> PartitionTotals:
    totals.take([(totals.by_number[0].funnel, change) for change in changes])
    return totals


def row(
    totals: PartitionTotals, as_of_ms: int, kind: str, segment: str = "", *, matured: bool = False
) -> Counts | None:
    rollup = roll_up(totals.by_number[0], as_of_ms, {}, None)
    assert broken_laws(Rollup(as_of_ms, None, 0, [], 0, 0, [rollup])) == []
    rows = (each for each in getattr(rollup, kind) if getattr(each, "matured", False) == matured)
    return next((each.counts for each in rows if each.segment == segment), None)


def test_what_is_at_stake_in_a_rolling_window_is_lost_once_its_slot_is_decided():
    # The slot of 2000..2999 is decided when 3000 + 30000 < T.
    totals = take(new_totals(PLAIN), Change((), (attempt(2_500, EUR_5, NO_VALUE), attempt(2_600, USD_9))))
    both = worth(2, "5") | worth(1, "9", "USD")
    for kind in ("windows", "total"):
        at_border, behind = (row(totals, as_of_ms, kind) for as_of_ms in (33_000, 33_001))
        assert (at_stake(at_border), lost(at_border)) == (both, {})
        assert (at_stake(behind), lost(behind)) == ({}, both)
    matured = row(totals, 33_001, "windows", matured=True)
    assert (at_stake(matured), lost(matured)) == ({}, both)


def test_an_analysis_decides_by_entry():
    totals = new_totals(PLAIN)
    for as_of_ms, expected in ((32_500, (worth(1, "5"), {})), (32_501, ({}, worth(1, "5")))):
        tally = Tally(totals.by_number[0].funnel, whole_range, as_of_ms)
        tally.take(Change((), (attempt(2_500, EUR_5),)))
        counts = tally.report().attempts[None, WHOLE]
        assert (at_stake(counts), lost(counts)) == expected


def test_what_an_exclusion_ended_is_lost_while_the_rest_of_the_slot_is_at_stake():
    closed, waiting = attempt(2_500, EUR_5, fate=(False, 4_000)), attempt(2_500, EUR_7)
    cleared, leaving = (attempt(2_500, USD_9, fate=fate) for fate in (CLEARED, LEAVING))
    totals = take(new_totals(EXCLUDING), Change((), (closed, waiting, cleared, leaving)))
    now = row(totals, 33_000, "windows")
    assert lost(now) == worth(1, "5")
    assert at_stake(now) == {1: {"EUR": (Decimal("7.25"), 1), "USD": (Decimal(18), 2)}}
    later = row(totals, 33_001, "windows")
    assert (lost(later), at_stake(later)) == ({1: {"EUR": (Decimal("12.25"), 2), "USD": (Decimal(9), 1)}}, {})
    totals.move_on(5_000, 5_000)
    assert lost(row(totals, 40_000, "settled")) == worth(1, "5")
    totals.move_on(40_000, 40_000)
    assert lost(row(totals, 40_000, "settled")) == lost(row(totals, 40_000, "total")) == lost(later)


def test_what_is_taken_back_was_never_lost():
    wrong, right = attempt(2_500, EUR_5, EUR_7), attempt(2_500, EUR_5, USD_9, EUR_7, EUR_7)
    totals = take(new_totals(PLAIN), Change((), (wrong,)), Change((wrong,), (right,)))
    for kind in ("windows", "total"):
        counts = row(totals, 40_000, kind)
        assert (counts.converted, counts.lost, counts.at_stake) == (1, {}, {})


def test_segments_lose_their_own():
    totals = take(new_totals(PLAIN), Change((), (attempt(0, EUR_5), attempt(0, EUR_7, device="desk"))))
    found = {segment: lost(row(totals, 40_000, "total", segment)) for segment in ("", "phone", "desk")}
    assert found == {"": worth(1, "12.25", attempts=2), "phone": worth(1, "5"), "desk": worth(1, "7.25")}


@pytest.mark.parametrize("funnel", [PLAIN, OPTIONAL, EXCLUDING], ids=["plain", "optional", "excluding"])
def test_what_the_store_holds_is_what_memory_holds_at_any_moment(funnel):
    rng = random.Random("round trip")
    totals, stored, now_ms = new_totals(funnel), {}, 0
    for step in range(100):
        now_ms += rng.choice([1_000, 7_000, 60_000])
        own = [random_attempt(rng, now_ms, plain=funnel is not EXCLUDING) for _ in range(rng.randrange(4))]
        take(totals, Change((), own))
        totals.move_on(now_ms, now_ms - 20_000)
        keep(stored, totals)
        if step % 20 == 0:
            restored = new_totals(funnel)
            assert restored.restore(stored.items()) == []
            restored.move_on(now_ms, now_ms - 20_000)
            for as_of_ms in (now_ms, now_ms + 35_000):
                for kind in ("total", "settled", "windows"):
                    assert row(restored, as_of_ms, kind) == row(totals, as_of_ms, kind)
            totals = restored
