"""Funnels with options: who counts as what, when, and in no case twice."""

import random

import msgspec
import pytest

from stream.aggregate.cells import Cell, OptionCounts, add_cell, count_any, count_result, counts_of, empty_cell
from stream.aggregate.outcomes import by_required, outcomes_of
from stream.aggregate.report import Tally, whole_range
from stream.aggregate.rings import WHOLE
from stream.aggregate.rollup import roll_up
from stream.aggregate.totals import PartitionTotals
from stream.engine.advance import Change
from stream.engine.match import FunnelSet
from stream.model.funnel import Breakdown, Exclusion, Funnel, Period, PeriodUnit, Step
from stream.model.result import TOTAL_STEP, Counts
from stream.model.window import Age, RollingWindow
from support.kept import keep

HOUR_MS = 3_600_000
WINDOW_MS = 30_000
STEPS = (Step("view", ("view",)), Step("ask", ("ask",), optional=True), Step("buy", ("buy",)), Step("pay", ("pay",)))
LEAVING, CLEARED = (True, None), (False, None)


def closed(time_ms: int) -> tuple[bool, int]:
    return False, time_ms


def shop(**options) -> Funnel:
    breakdowns = (Breakdown("device", ("device",)),)
    return Funnel("shop", 1, STEPS, WINDOW_MS, breakdowns=breakdowns, period=Period(PeriodUnit.HOUR), **options)


EXCLUDING = shop(exclusions=(Exclusion(("X",), 1, 4),))
OPEN = shop(is_open=True)
WINDOWS = (RollingWindow("1m", 60_000),)
AGES = (Age("10s", 10_000),)


def attempt(*times: int | None, fate: tuple | None = None, device: str = "phone") -> tuple:
    touch = ((device,), ())
    chain = tuple(item for time_ms in times for item in (time_ms, None if time_ms is None else touch))
    return next(each for each in times if each is not None), len(times), chain, touch, None, fate


def period(hour: int, *times: int | None) -> tuple:
    return hour * HOUR_MS, (hour + 1) * HOUR_MS, True, len(times), attempt(*times)[2] if times else ()


def new_totals(funnel: Funnel) -> PartitionTotals:
    return PartitionTotals(FunnelSet([funnel]).funnels, WINDOWS, AGES)


def take(totals: PartitionTotals, *changes: Change) -> PartitionTotals:
    (own,) = totals.by_number.values()
    for device in ("phone", "desk"):
        own.note((device,))
    totals.take([(own.funnel, change) for change in changes])
    return totals


def given(funnel: Funnel, *attempts: tuple, periods: tuple = ()) -> PartitionTotals:
    return take(new_totals(funnel), Change((), attempts, (), periods))


def total_of(totals: PartitionTotals, as_of_ms: int, kind: str = "total") -> Counts | None:
    rows = getattr(roll_up(totals.by_number[0], as_of_ms, {}, None), kind)
    return next((row.counts for row in rows if not row.breakdown and not getattr(row, "matured", False)), None)


def stopped(counts: Counts | None) -> tuple[list[int], ...] | None:
    return None if counts is None else (counts.pending, counts.dropped, counts.excluded)


NOBODY = [0, 0, 0]


# Cells


def test_a_plain_cell_is_one_byte_longer_for_having_no_options_and_one_for_having_no_values():
    written = msgspec.msgpack.encode(Cell([1, 0, 0]))
    assert written[-2:] == msgspec.msgpack.encode(None) + msgspec.msgpack.encode({})
    assert len(written) == 1 + 4 + 5 + 1 + 1
    for fewer in (1, 2):
        before = bytes([written[0] - fewer]) + written[1:-fewer]
        assert msgspec.msgpack.decode(before, type=Cell) == Cell([1, 0, 0]), "from before there were any"


def test_a_hole_has_no_time_and_the_next_step_counts_from_the_event_before_it():
    cell = empty_cell(4)
    count_any(cell, 4, attempt(0, None, 3_000, 8_000)[2], None, 1)
    assert cell.duration_ms == {3: 3_000, 4: 5_000, TOTAL_STEP: 8_000}
    assert cell.options == OptionCounts([0, 1, 0])


def test_a_chain_that_starts_further_on_has_no_time_to_its_first_event():
    cell = empty_cell(4)
    count_any(cell, 4, attempt(None, None, 3_000, 8_000)[2], None, 1)
    count_any(cell, 4, attempt(None, None, None, 8_000)[2], None, 1)
    assert cell.duration_ms == {4: 5_000, TOTAL_STEP: 5_000}
    assert sum(cell.durations.values()) == 3
    assert counts_of(cell, decided=True).reached == [0, 0, 1, 2]


def test_without_holes_and_fates_both_ways_count_alike():
    one, other = empty_cell(4), empty_cell(4)
    for times in ((0,), (0, 5), (0, 5, 5), (0, 1, 2, 30_000)):
        count_result(one, len(times), attempt(*times)[2], 1)
        count_any(other, len(times), attempt(*times)[2], None, 1)
    assert one == other


def random_results(rng: random.Random, count: int) -> list[tuple]:
    results = []
    for _ in range(count):
        times = sorted(rng.randrange(20_000) for _ in range(4))[: rng.randrange(1, 5)]
        chain = [None if 0 < place < len(times) - 1 and rng.random() < 0.4 else at for place, at in enumerate(times)]
        fate = None if len(times) == 4 else rng.choice([None, LEAVING, CLEARED, closed(times[-1])])
        results.append(attempt(*chain, fate=fate))
    return results


def test_adding_cells_is_adding_their_attempts_and_taking_them_away_leaves_nothing():
    rng = random.Random("cells")
    results = random_results(rng, 60)
    total, parts = empty_cell(4), []
    for start in range(0, 60, 7):
        part = empty_cell(4)
        for _, best, chain, _, _, fate in results[start : start + 7]:
            count_any(part, best, chain, fate, 1)
        parts.append(part)
        add_cell(total, part)
    whole = empty_cell(4)
    for _, best, chain, _, _, fate in results:
        count_any(whole, best, chain, fate, 1)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(total), type=Cell) == total
    assert all(counts_of(total, decided=each) == counts_of(whole, decided=each) for each in (True, False))
    for part in parts:
        add_cell(total, part, -1)
    assert (total.is_empty, total.options) == (True, None)


# Fates


@pytest.mark.parametrize(
    ("fate", "before", "after"),
    [
        pytest.param(None, ([0, 0, 1], NOBODY, NOBODY), (NOBODY, [0, 0, 1], NOBODY), id="dropped"),
        pytest.param(CLEARED, ([0, 0, 1], NOBODY, NOBODY), (NOBODY, NOBODY, [0, 0, 1]), id="cleared"),
        pytest.param(closed(6_000), (NOBODY, NOBODY, [0, 0, 1]), (NOBODY, NOBODY, [0, 0, 1]), id="closed"),
        pytest.param(LEAVING, ([0, 0, 1], NOBODY, NOBODY), None, id="leaving"),
    ],
)
def test_what_becomes_of_an_attempt_once_its_window_is_over(fate, before, after):
    each = attempt(2_500, None, 5_000, fate=fate)
    totals = given(EXCLUDING, each)
    gone = after is None
    for kind in ("total", "windows"):
        assert stopped(total_of(totals, 33_000, kind)) == before
        found = total_of(totals, 33_001, kind)
        assert (found is None or found.entered == 0) if gone else stopped(found) == after
    tally = Tally(totals.by_number[0].funnel, whole_range, 32_501)
    tally.take(Change((), [each]))
    counts = tally.report().attempts[None, WHOLE]
    assert stopped(counts) == (after or (NOBODY, NOBODY, NOBODY))
    assert counts.reached == ([0] * 4 if gone else [1, 0, 1, 0])
    assert bool(counts.durations) is not gone


def test_who_leaves_takes_along_its_segment():
    totals = given(EXCLUDING, attempt(0, fate=LEAVING, device="desk"), attempt(0))
    segments = [{row.segment for row in roll_up(totals.by_number[0], at, {}, None).windows} for at in (9_000, 59_000)]
    assert segments == [{"", "desk", "phone"}, {"", "phone"}]


def test_the_closed_settle_with_the_event_that_closed_them_and_the_cleared_with_their_window():
    totals = given(
        EXCLUDING, attempt(500, fate=closed(2_500)), attempt(500, 900, fate=CLEARED), attempt(500, fate=LEAVING)
    )
    totals.move_on(2_999, 2_999)
    assert total_of(totals, 40_000, "settled") is None
    totals.move_on(3_000, 3_000)
    assert stopped(total_of(totals, 40_000, "settled")) == (NOBODY, NOBODY, [1, 0, 0])
    totals.move_on(40_000, 40_000)
    assert stopped(total_of(totals, 40_000, "settled")) == (NOBODY, NOBODY, [1, 1, 0])
    assert totals.by_number[0].settled[WHOLE].options is None
    assert total_of(totals, 40_000).entered == 2


def test_who_stands_at_an_optional_step_stands_at_the_one_before_and_the_excluded_nowhere():
    totals = given(
        EXCLUDING,
        attempt(0, 1),
        attempt(0, fate=CLEARED),
        attempt(0, None, 1, fate=LEAVING),
        attempt(0, fate=closed(1)),
        attempt(0, None, 1, 2),
    )
    (row,) = [row for row in roll_up(totals.by_number[0], 9_000, {}, None).occupancy if not row.breakdown]
    assert row.standing == [2, 0, 1, 1]
    assert by_required([1, 2, 3, 4], [2, 3]) == [6, 0, 0, 4]


def test_an_actor_that_was_taken_out_counts_in_no_period():
    totals = given(EXCLUDING, periods=(period(0), period(0, 5, None, 6)))
    (row,) = [row for row in roll_up(totals.by_number[0], 9_000, {}, None).periods if not row.breakdown]
    assert row.counts.reached == [1, 0, 1, 0]
    tally = Tally(totals.by_number[0].funnel, whole_range, 0)
    change = Change((), (), (), (period(0), period(0, 5)))
    tally.take_periods(change)
    tally.take_range(change)
    assert {start: counts.entered for (start, split), counts in tally.report().actors.items() if split == WHOLE} == {
        0: 1,
        None: 1,
    }


def test_an_actors_segment_is_that_of_the_first_event_of_its_chain():
    totals = given(OPEN, periods=(period(0, None, None, 5),))
    rows = roll_up(totals.by_number[0], 9_000, {}, None).periods
    assert {row.segment: row.counts.reached for row in rows} == {"": [0, 0, 1, 0], "phone": [0, 0, 1, 0]}


def random_change(rng: random.Random, now_ms: int) -> Change:
    moved = []
    for entry_ms, best, chain, touch, firsts, fate in random_results(rng, rng.randrange(4)):
        later = tuple(
            item + now_ms if place % 2 == 0 and item is not None else item for place, item in enumerate(chain)
        )
        until = fate if fate is None or fate[1] is None else closed(fate[1] + now_ms)
        moved.append((entry_ms + now_ms, best, later, touch, firsts, until))
    return Change((), moved)


def test_what_the_store_holds_is_what_memory_holds_at_any_moment():
    rng = random.Random("round trip")
    totals, stored, now_ms = new_totals(EXCLUDING), {}, 0
    for step in range(200):
        now_ms += rng.choice([1_000, 7_000, 60_000])
        take(totals, random_change(rng, now_ms))
        totals.move_on(now_ms, now_ms - 20_000)
        keep(stored, totals)
        if step % 20 == 0:
            restored = new_totals(EXCLUDING)
            assert restored.restore(stored.items()) == []
            restored.move_on(now_ms, now_ms - 20_000)
            for as_of_ms in (now_ms, now_ms + 35_000):
                for kind in ("total", "settled", "windows"):
                    assert total_of(restored, as_of_ms, kind) == total_of(totals, as_of_ms, kind)
            totals = restored
    assert all(cell.leaving is None for cell in totals.by_number[0].settled.values())


# Steps


def test_of_an_open_funnel_who_entered_at_a_step_did_not_come_from_the_one_before():
    counts = total_of(given(OPEN, attempt(0, None, 1), attempt(0, 1), attempt(None, None, 2, 3), attempt(0)), 9_000)
    found = outcomes_of(counts, [2])
    assert found.reached == [3, 1, 2, 1]
    assert found.entered_at == [3, 0, 1, 0]
    assert found.went_on == [1, 0, 1]
    assert found.pending == [2, 0, 1]


def test_an_event_that_may_enter_further_on_brings_its_segment():
    totals = new_totals(OPEN)
    (compiled,) = (own.funnel for own in totals.by_number.values())
    compiled.touch = lambda _, properties: ((properties[0],), ())
    serving = {"buy": ((compiled, (2,)),), "view": ((compiled, (0,)),)}
    totals.note([("u", 0, "i", "buy", ("desk",), 0)], serving)
    assert list(totals.by_number[0].counted[0].known) == ["desk"]


@pytest.mark.parametrize(
    ("funnel", "attempts", "expected"),
    [
        pytest.param(OPEN, [attempt(None, None, 0, 9_000)], [(0, 0), (0, 0), (1, 1)], id="from-its-entry-step-on"),
        pytest.param(OPEN, [attempt(None, None, None, 0)], None, id="nothing-is-asked-about-the-last-step"),
        pytest.param(OPEN, [attempt(0, None, 9_000)], [(1, 1), (0, 0), (1, 0)], id="over-a-step-it-skipped"),
        pytest.param(
            OPEN, [attempt(0, 6_000, 12_000)], [(1, 0), (0, 0), (1, 0)], id="from-one-required-step-to-the-next"
        ),
        pytest.param(OPEN, [attempt(0, 6_000)], [(1, 0), (0, 0), (0, 0)], id="an-optional-step-is-no-going-on"),
        pytest.param(EXCLUDING, [attempt(0, None, 1, fate=LEAVING)], None, id="who-leaves-does-not-count"),
        pytest.param(EXCLUDING, [attempt(0, None, 1, fate=CLEARED)], [(1, 1), (0, 0), (1, 0)], id="the-cleared-do"),
        pytest.param(EXCLUDING, [attempt(0, fate=closed(5))], [(1, 0), (0, 0), (0, 0)], id="the-closed-do"),
    ],
)
def test_age_matched_conversion(funnel, attempts, expected):
    rows = roll_up(given(funnel, *attempts).by_number[0], 50_000, {}, None).ages
    found = [
        list(zip(row.reached, row.went_on, strict=True)) for row in rows if (row.window, row.segment) == ("1m", "")
    ]
    assert found == ([] if expected is None else [expected])
    gone = take(given(funnel, *attempts), Change(attempts, ()))
    assert roll_up(gone.by_number[0], 50_000, {}, None).ages == []
