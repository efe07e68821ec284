"""Rollups: windows at an instant, the matured form, occupancy, periods, sums over partitions, the laws."""

import random
from copy import deepcopy
from dataclasses import replace

import pytest

from stream.aggregate.rollup import merge, roll_up
from stream.aggregate.totals import PartitionTotals
from stream.analyze.compare import broken_laws, compare
from stream.engine.advance import Change
from stream.engine.match import FunnelSet
from stream.model.funnel import Breakdown, Funnel, Period, PeriodUnit, Step
from stream.model.result import Rollup
from stream.model.window import RollingWindow

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WINDOW_MS = 30_000
FUNNEL = Funnel(
    "shop", 1, (Step("view", ("view",)), Step("cart", ("cart",)), Step("buy", ("buy",))), WINDOW_MS,
    breakdowns=(Breakdown("device", ("device",)),), period=Period(PeriodUnit.HOUR),
)  # fmt: skip
MINUTE = (RollingWindow("1m", 60_000),)


def attempt(time_ms: int, best: int = 1, device: str = "phone", pace_ms: int = 1_000) -> tuple:
    touch = ((device,), ())
    chain = tuple(item for step in range(best) for item in (time_ms + step * pace_ms, touch if not step else None))
    return time_ms, best, chain, touch, None, None


def totals_of(*attempts: tuple, periods: tuple = (), windows=MINUTE, funnel: Funnel = FUNNEL):
    totals = PartitionTotals(FunnelSet([funnel]).funnels, windows)
    own = totals.by_number[0]
    for each in attempts:
        own.note(each[3][0])
    for each in periods:
        own.note(each[4][1][0])
    totals.take([(own.funnel, Change((), attempts, (), periods))])
    return own


def whole(rows, **wanted):
    return [
        row for row in rows
        if not row.breakdown and all(getattr(row, name) == value for name, value in wanted.items())
    ]  # fmt: skip


def window_of(totals, as_of_ms: int, *, matured: bool = False):
    rows = whole(roll_up(totals, as_of_ms, {}, None).windows, matured=matured)
    return rows[0].counts if rows else None


@pytest.mark.parametrize(
    ("as_of_ms", "reached"),
    [
        (100_000, [1, 0, 0]),
        pytest.param(159_999, [1, 0, 0], id="a-slot-counts-while-its-start-is-inside-the-window"),
        pytest.param(160_000, None, id="and-no-longer-once-its-start-is-the-windows-edge"),
        pytest.param(99_999, None, id="what-enters-later-does-not-count-yet"),
    ],
)
def test_a_window_holds_the_slots_that_started_inside_it(as_of_ms, reached):
    counts = window_of(totals_of(attempt(100_000)), as_of_ms)
    assert (None if counts is None else counts.reached) == reached


def test_a_slots_open_attempts_are_dropped_when_its_end_and_the_funnels_window_are_over():
    totals = totals_of(attempt(100_500))
    assert window_of(totals, 131_000).pending == [1, 0]
    assert window_of(totals, 131_001).dropped == [1, 0]


def test_a_conversion_is_never_pending():
    assert window_of(totals_of(attempt(100_000, 3)), 100_000).converted == 1


def test_the_matured_window_holds_only_what_is_decided():
    totals = totals_of(*[attempt(at * 1_000, 1 + at % 3) for at in range(200)])
    counts = window_of(totals, 199_000, matured=True)
    assert counts.entered == 60
    assert counts.pending == [0, 0]


def test_who_stands_where():
    totals = totals_of(attempt(0), attempt(50_000, 2), attempt(50_000, 3), attempt(51_000))
    (row,) = whole(roll_up(totals, 60_000, {}, None).occupancy)
    assert row.standing == [1, 1, 1]


def test_nobody_stands_anywhere_after_their_window():
    assert roll_up(totals_of(attempt(0, 2)), 50_000, {}, None).occupancy == []


def test_the_current_and_the_previous_period_are_shown():
    def own(hour: int, best: int) -> tuple:
        start_ms = hour * HOUR_MS
        return start_ms, start_ms + HOUR_MS, True, best, attempt(start_ms, best)[2]

    totals = totals_of(periods=(own(0, 1), own(1, 2), own(2, 3)))
    rows = whole(roll_up(totals, 2 * HOUR_MS + 5, {}, None).periods)
    assert [(row.start_ms // HOUR_MS, row.counts.reached) for row in rows] == [(2, [1, 1, 1]), (1, [1, 1, 0])]
    assert rows[1].counts.pending == [0, 1], "their window may run on into this period"
    rows = whole(roll_up(totals, 2 * HOUR_MS + WINDOW_MS + 1, {}, None).periods)
    assert rows[1].counts.dropped == [0, 1]


def test_segments_that_are_not_shown_are_other_and_the_sum_stays():
    totals = totals_of(attempt(0, 1, "phone"), attempt(0, 2, "desk"), attempt(0, 3, "watch"))
    rollup = roll_up(totals, 1_000, {1: frozenset({"phone"})}, None)
    entered = {row.segment: row.counts.entered for row in rollup.total if row.breakdown}
    assert entered == {"phone": 1, "__other__": 2}
    assert rollup.largest == {"device": {0: {"desk": 1, "phone": 1, "watch": 1}}}


def test_the_largest_values_are_those_of_two_utc_days_by_their_entries():
    entries = {-1: "aab", 0: "bbc", 1: "c", 2: "d"}
    attempts = [
        attempt(day * DAY_MS + at, 1 + at, device) for day, own in entries.items() for at, device in enumerate(own)
    ]
    rollup = roll_up(totals_of(*attempts), 2 * DAY_MS - 1, {}, None)
    assert rollup.largest == {"device": {0: {"b": 2, "c": 1}, DAY_MS: {"c": 1}}}
    other = roll_up(totals_of(attempt(5, device="c")), 2 * DAY_MS - 1, {}, None)
    assert merge([rollup_with(rollup), rollup_with(other)]).funnels[0].largest["device"][0] == {"b": 2, "c": 2}


def test_more_values_are_candidates_where_more_are_shown():
    totals = totals_of(*[attempt(0, device=f"{number:03}") for number in range(300)])
    (few,) = roll_up(totals, 0, {}, None).largest["device"].values()
    (many,) = roll_up(totals, 0, {1: frozenset(map(str, range(120)))}, None).largest["device"].values()
    assert (len(few), len(many)) == (100, 240)
    assert [*few] == [f"{number:03}" for number in range(100)], "ties go by value"


def test_what_is_other_in_the_state_is_no_value_to_show(monkeypatch):
    totals = totals_of(attempt(0, device="a"))
    for values in totals.counted:
        monkeypatch.setattr(values, "_limit", 1)
    totals.take([Change((), (attempt(0, device="b"),))])
    rollup = roll_up(totals, 0, {}, None)
    assert {row.segment for row in rollup.total} == {"", "a", "__other__"}
    assert rollup.largest == {"device": {0: {"a": 1}}}


def rollup_with(funnel) -> Rollup:
    return Rollup(2 * DAY_MS - 1, None, 0, [], 0, 0, [funnel])


def random_totals(rng: random.Random, count: int = 150):
    attempts = [
        attempt(rng.randrange(200_000), rng.randrange(1, 4), rng.choice(["phone", "desk"]), rng.randrange(1, 9_000))
        for _ in range(count)
    ]
    totals = totals_of(*attempts, windows=(*MINUTE, RollingWindow("1h", HOUR_MS)))
    if rng.random() < 0.7:
        totals.move_on(200_000, rng.choice([0, 100_000, 190_000]))
    return totals


def rollup_of(totals, as_of_ms: int, offset: int = 10, watermark_ms: int | None = 200_000) -> Rollup:
    verdicts = [0, 0, 0, 0, 0, 0, offset]
    return Rollup(as_of_ms, watermark_ms, offset, verdicts, 1, 5, [roll_up(totals, as_of_ms, {}, 7)], gaps=2)


@pytest.mark.parametrize("seed", range(20))
def test_the_laws_hold_for_partitions_and_for_their_sum_at_any_instant(seed):
    rng = random.Random(seed)
    totals = [random_totals(rng) for _ in range(3)]
    for as_of_ms in (200_000, 215_000, 231_000, 10 * HOUR_MS):
        rollups = [rollup_of(each, as_of_ms) for each in totals]
        for rollup in rollups:
            assert broken_laws(rollup) == []
        assert broken_laws(merge(rollups)) == []


def test_the_sum_over_partitions_does_not_depend_on_their_order():
    rng = random.Random("merge")
    rollups = [rollup_of(random_totals(rng), 200_000, offset) for offset in (3, 4, 5)]
    one, other = merge(deepcopy(rollups)), merge(deepcopy(rollups[::-1]))
    assert compare(one, other) == []
    assert (one.next_offset, one.verdicts[-1], one.corrections, one.gaps) == (12, 12, 3, 6)
    (funnel,) = one.funnels
    assert sum(whole(r.funnels[0].total)[0].counts.entered for r in rollups) == whole(funnel.total)[0].counts.entered


def test_a_sum_takes_the_largest_instant_and_the_oldest_writing():
    totals = totals_of()
    rollups = [rollup_of(totals, 5, watermark_ms=None), rollup_of(totals, 9, watermark_ms=3)]
    rollups[0].written_ms = 1
    merged = merge(rollups)
    assert (merged.as_of_ms, merged.watermark_ms, merged.written_ms) == (9, 3, 1)
    assert merge([]) is None


def test_the_instant_is_floored_to_the_granularity_for_the_funnels_window():
    coarse = replace(FUNNEL, granularity_ms=5_000)
    totals = totals_of(attempt(100_000), funnel=coarse)
    assert window_of(totals, 134_999).pending == [1, 0]
    assert window_of(totals, 135_000).dropped == [1, 0]
    totals.move_on(134_999, 134_999)
    assert roll_up(totals, 134_999, {}, None).settled == []
    totals.move_on(135_000, 135_000)
    assert whole(roll_up(totals, 135_000, {}, None).settled)[0].counts.dropped == [1, 0]
