"""Age-matched conversion of single attempts: who is asked about when, and what counts as going on in time."""

import pytest

from stream.aggregate.rollup import merge, roll_up
from stream.aggregate.totals import PartitionTotals
from stream.engine.advance import Change
from stream.engine.match import FunnelSet
from stream.model.funnel import Breakdown, Funnel, Step
from stream.model.result import Rollup
from stream.model.window import Age, AlertWindow, RollingWindow

WINDOW_MS = 600_000
FUNNEL = Funnel(
    "shop", 1, (Step("view", ("view",)), Step("cart", ("cart",)), Step("buy", ("buy",))), WINDOW_MS,
    breakdowns=(Breakdown("device", ("device",)),),
)  # fmt: skip
MINUTE = RollingWindow("1m", 60_000)
AGE = Age("10s", 10_000)


def attempt(*firsts: int, device: str = "phone", chain: tuple[int, ...] = ()) -> tuple:
    """Return an attempt that first reached its steps at `firsts`, with the reported chain at `chain`, else at them."""
    touch = ((device,), ())
    path = tuple(item for time_ms in chain or firsts for item in (time_ms, touch))
    return firsts[0], len(firsts), path, touch, firsts if chain else None, None


def totals_of(*changes: Change, windows=(MINUTE,), ages=(AGE,)) -> PartitionTotals:
    totals = PartitionTotals(FunnelSet([FUNNEL]).funnels, windows, ages)
    own = totals.by_number[0]
    for change in changes:
        for each in change.given:
            own.note(each[3][0])
        totals.take([(own.funnel, change)])
    return totals


def given(*attempts: tuple) -> Change:
    return Change((), attempts)


def rows_at(totals: PartitionTotals, as_of_ms: int, shown=None) -> dict[tuple[str, str, str], list[tuple[int, int]]]:
    """Return (window, age, segment) -> (reached, went on) of each step but the last."""
    rows = roll_up(totals.by_number[0], as_of_ms, shown or {}, None).ages
    return {(row.window, row.age, row.segment): list(zip(row.reached, row.went_on, strict=True)) for row in rows}


def at(totals: PartitionTotals, as_of_ms: int) -> list[tuple[int, int]] | None:
    return rows_at(totals, as_of_ms).get(("1m", "10s", ""))


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        pytest.param([(0,)], [(1, 0), (0, 0)], id="who-only-entered-did-not-go-on"),
        pytest.param([(0, 10_000)], [(1, 1), (1, 0)], id="going-on-at-the-very-age-counts"),
        pytest.param([(0, 10_001)], [(1, 0), (1, 0)], id="one-ms-later-does-not"),
        pytest.param([(0, 4_000, 9_000)], [(1, 1), (1, 1)], id="the-age-counts-from-the-step-before-not-from-entry"),
        pytest.param([(0, 9_000, 18_000)], [(1, 1), (1, 1)], id="so-that-two-steps-may-take-longer"),
        pytest.param([(0, 0, 0)], [(1, 1), (1, 1)], id="a-tie-goes-on-at-once"),
        pytest.param([(0, 5_000), (1,), (2,)], [(3, 1), (1, 0)], id="the-share-is-of-all-who-reached-the-step"),
    ],
)
def test_who_went_on_within_the_age(attempts, expected):
    assert at(totals_of(given(*[attempt(*each) for each in attempts])), 40_000) == expected


def test_when_a_step_was_first_reached_counts_and_not_the_reported_chain():
    late = attempt(0, 30_000, chain=(29_000, 30_000))
    assert at(totals_of(given(late)), 45_000) == [(1, 0), (1, 0)]


@pytest.mark.parametrize(
    ("as_of_ms", "expected"),
    [
        pytest.param(14_998, None, id="a-slot-is-asked-about-once-its-last-ms-has-had-the-age"),
        pytest.param(10_999 + 4_000, [(1, 0), (0, 0)], id="and-from-that-ms-on"),
        pytest.param(10_998 + 64_000, [(1, 0), (0, 0)], id="for-the-length-of-the-window"),
        pytest.param(10_999 + 64_000, None, id="and-then-no-longer"),
    ],
)
def test_the_window_is_shifted_back_by_the_age(as_of_ms, expected):
    assert at(totals_of(given(attempt(4_321))), as_of_ms) == expected


def test_a_step_counts_when_it_was_reached_whenever_the_attempt_entered():
    totals = totals_of(given(attempt(0, 300_000, 305_000)))
    assert at(totals, 60_000) == [(1, 0), (0, 0)]
    assert at(totals, 320_000) == [(0, 0), (1, 1)]


def test_an_attempt_that_goes_on_counts_as_if_it_had_been_given_at_once():
    steps = [attempt(0), attempt(0, 5_000), attempt(0, 5_000, 30_000, chain=(4_000, 6_000, 30_000))]
    in_turn = [
        Change(tuple(steps[: number and 1]) and (steps[number - 1],), (each,)) for number, each in enumerate(steps)
    ]
    for as_of_ms in (20_000, 50_000, 70_000):
        assert at(totals_of(*in_turn), as_of_ms) == at(totals_of(given(steps[-1])), as_of_ms)


def test_what_is_taken_back_leaves_no_row():
    gone = attempt(0, 5_000, 9_000)
    assert rows_at(totals_of(given(gone), Change((gone,), ())), 40_000) == {}


def test_every_window_and_age_has_a_row_of_its_own():
    windows = (MINUTE, RollingWindow("1h", 3_600_000))
    totals = totals_of(given(attempt(0, 12_000)), windows=windows, ages=(Age("1m", 60_000), AGE))
    found = {key[:2]: counts[0] for key, counts in rows_at(totals, 119_999).items() if not key[2]}
    assert found == {("1m", "1m"): (1, 1), ("1h", "1m"): (1, 1), ("1h", "10s"): (1, 0)}


def test_an_alert_window_is_the_newest_slots_and_has_segments_at_one_age():
    window = RollingWindow("1m", 60_000, alerts=(AlertWindow("10s", 10_000, "10s"), AlertWindow("1m", 60_000)))
    totals = totals_of(
        given(attempt(0, 5_000), attempt(29_000, 39_000)), windows=(window,), ages=(AGE, Age("1m", 60_000))
    )
    rows = rows_at(totals, 40_000)
    assert rows["10s", "10s", ""] == rows["10s", "10s", "phone"] == [(1, 1), (0, 0)]
    assert rows["1m", "10s", "phone"] == [(2, 2), (1, 0)], "it is a rolling window too"
    at_1m = {key for key in rows_at(totals, 90_000) if key[1] == "1m"}
    assert at_1m == {("10s", "1m", ""), ("1m", "1m", ""), ("1m", "1m", "phone")}


def test_segments_add_up_and_those_that_are_not_shown_are_other():
    totals = totals_of(given(attempt(0, 1), attempt(0, device="desk"), attempt(0, 2, device="watch")))
    rows = rows_at(totals, 40_000, {1: frozenset({"phone"})})
    assert rows == {
        ("1m", "10s", ""): [(3, 2), (2, 0)],
        ("1m", "10s", "phone"): [(1, 1), (1, 0)],
        ("1m", "10s", "__other__"): [(2, 1), (1, 0)],
    }


def test_a_segment_in_which_nobody_entered_has_no_row_by_entry():
    totals = totals_of(given(attempt(0, 300_000)))
    rollup = roll_up(totals.by_number[0], 310_000, {}, None)
    assert [row for row in rollup.windows if not row.matured] == []
    assert rollup.largest == {"device": {0: {"phone": 1}}}


def test_an_age_that_needs_too_many_slots_is_not_kept():
    second = RollingWindow("1m", 60_000)
    assert second.age_slots(Age("1d", 86_400_000)) == 86_460
    totals = totals_of(given(attempt(0)), ages=(AGE, Age("1d", 86_400_000)))
    assert [age.name for age in totals.by_number[0].ages] == ["10s"]


def test_partitions_add_up():
    parts = [totals_of(given(attempt(0, 5_000))), totals_of(given(attempt(0), attempt(1, 2, 3)))]
    rollups = [Rollup(40_000, 0, 0, [0], 0, 0, [roll_up(each.by_number[0], 40_000, {}, None)]) for each in parts]
    (row,) = [row for row in merge(rollups).funnels[0].ages if not row.breakdown]
    assert (row.reached, row.went_on) == ([3, 2], [2, 1])
