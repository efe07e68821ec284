"""Differences and broken laws, in words."""

from copy import deepcopy
from decimal import Decimal

import pytest

from stream.analyze.compare import broken_laws, compare
from stream.model.result import BUCKETS, AgeRow, Counts, Money, OccupancyRow, PeriodRow, SplitRow, WindowRow
from support.rollups import make_counts, nothing, shop_rollup, shop_source


def test_a_rollup_equals_itself():
    assert compare(shop_source(), shop_source()) == []


def edited(edit):
    other = deepcopy(shop_source())
    edit(other.funnels[0])
    return other


def set_money(funnel):
    funnel.windows[0].counts.values[3]["EUR"] = Money(Decimal("1234.51"), 20)


def set_lost(funnel):
    funnel.windows[0].counts.lost[1]["EUR"] = Money(Decimal("400.10"), 31)


def set_at_stake(funnel):
    del funnel.windows[0].counts.at_stake[2]


def set_pending(funnel):
    funnel.windows[0].counts.pending[1] += 1


def set_excluded(funnel):
    funnel.settled[0].counts.excluded[0] += 1


def set_bucket(funnel):
    funnel.windows[0].counts.durations[2 * BUCKETS] = 1


def set_time(funnel):
    funnel.windows[0].counts.duration_ms[2] += 1


def set_standing(funnel):
    funnel.occupancy[0].standing[2] += 1


def set_period(funnel):
    funnel.periods[0].counts.converted += 1


def set_total(funnel):
    funnel.total.append(SplitRow("channel", "new", make_counts([1, 0], [0, 0], 0)))


def set_age(funnel):
    funnel.ages[0].went_on[1] += 1


def drop_age(funnel):
    del funnel.ages[1]


def drop_matured(funnel):
    funnel.windows = [row for row in funnel.windows if not row.matured]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (set_money, "window 1h: value of step 3 in EUR: live 1234.50, analysis 1234.51"),
        (set_lost, "window 1h: values lost at step 1 in EUR: live 30, analysis 31"),
        (set_at_stake, "window 1h: value at stake at step 2 in EUR: live 12, analysis 0"),
        (set_pending, "window 1h: pending at step 2: live 5, analysis 6"),
        (set_excluded, "settled: excluded at step 1: live 7, analysis 8"),
        (set_bucket, f"window 1h: durations[{2 * BUCKETS}]: live 0, analysis 1"),
        (set_time, "window 1h: duration_ms of step 2: live 100000, analysis 100001"),
        (set_standing, "occupancy: standing at step 3: live 3, analysis 4"),
        (set_period, "converted: live 12, analysis 13"),
        (set_total, "total channel=new: pending at step 1: live 0, analysis 1"),
        (set_age, "window 1h age 15m: went on from step 2: live 5, analysis 6"),
        (drop_age, "window 1h age 1h: reached step 1: live 60, analysis 0"),
        (drop_matured, "window 1h matured: converted: live 10, analysis 0"),
    ],
)
def test_every_number_is_compared(edit, words):
    lines = compare(shop_source(), edited(edit))
    assert any(words in line for line in lines), lines
    assert compare(edited(edit), shop_source()) != []


def test_rows_of_zeros_may_be_missing():
    def add_zeros(funnel):
        zeros = nothing()
        zeros.duration_ms[2] = 0
        funnel.windows.append(WindowRow("1h", False, "channel", "gone", zeros))
        funnel.periods.append(PeriodRow(7, "", "", nothing()))
        funnel.settled.append(SplitRow("channel", "gone", nothing()))
        funnel.occupancy.append(OccupancyRow("channel", "gone", [0, 0, 0]))

    assert compare(shop_source(), edited(add_zeros)) == []
    assert compare(edited(add_zeros), shop_source()) == []


def test_amounts_are_compared_as_numbers():
    def rewrite(funnel):
        funnel.windows[0].counts.values[3]["EUR"].total = Decimal("1234.5")

    assert compare(shop_source(), edited(rewrite)) == []


def test_only_equal_instants_can_be_compared():
    (line,) = compare(shop_source(as_of_ms=5), shop_source(as_of_ms=6))
    assert "as_of: live 5, analysis 6" in line


def test_a_funnel_that_one_side_lacks_is_named():
    other = shop_rollup()
    other.key = "other@1"
    assert compare(shop_source(shop_rollup(), other), shop_source()) == ["other@1: only live counts it"]
    assert compare(shop_source(), shop_source(shop_rollup(), other)) == ["other@1: only the analysis counts it"]


def laws_of(counts: Counts, *segments: tuple[str, Counts]) -> list[str]:
    rollup = shop_source()
    funnel = rollup.funnels[0]
    funnel.windows, funnel.occupancy, funnel.periods, funnel.settled, funnel.ages = [], [], [], [], []
    funnel.total = [SplitRow("", "", counts), *[SplitRow("channel", name, own) for name, own in segments]]
    return broken_laws(rollup)


GOOD = make_counts([1, 2], [3, 4], 5, seconds={0: [9] * 5, 2: [1] * 11, 3: [2] * 5})


def test_counts_that_obey_break_no_law():
    assert laws_of(GOOD) == []
    assert laws_of(nothing()) == []


def test_a_negative_count_is_named():
    lines = laws_of(make_counts([-1, 0], [1, 0], 0))
    assert "shop@2 total: pending at step 1 is -1" in lines


def test_a_step_has_one_time_for_each_that_reached_it():
    counts = deepcopy(GOOD)
    counts.durations[2 * BUCKETS] += 1
    assert laws_of(counts) == ["shop@2 total: step 2 has 12 times for 11 that reached it"]


def test_more_values_than_events_are_named():
    counts = deepcopy(GOOD)
    counts.values[3] = {"EUR": Money(Decimal(1), 6)}
    assert laws_of(counts) == ["shop@2 total: step 3 has 6 values for 5 that reached it"]


def test_values_lost_by_others_than_the_dropped_and_excluded_are_named():
    counts = deepcopy(GOOD)
    counts.lost = {2: {"EUR": Money(Decimal(9), 4)}}
    counts.at_stake = {2: {"EUR": Money(Decimal(-1), 2)}}
    assert laws_of(counts) == []
    counts.lost[2]["USD"] = Money(Decimal(1), 1)
    counts.at_stake = {1: {"EUR": Money(Decimal(1), -1)}, 3: {"": Money(Decimal(1), 1)}}
    assert laws_of(counts) == [
        "shop@2 total: 5 values are lost at step 2, by 4 attempts",
        "shop@2 total: -1 values are at stake at step 1, by 1 attempts",
        "shop@2 total: 1 values are at stake at step 3, by 0 attempts",
    ]


def test_segments_lose_together_what_the_whole_loses():
    counts = deepcopy(GOOD)
    counts.lost = {1: {"EUR": Money(Decimal("0.30"), 2)}}
    lines = laws_of(counts, ("mail", GOOD))
    assert lines == [
        "shop@2 total: value lost at step 1 in EUR: segments of channel sum up to 0, the whole has 0.30",
        "shop@2 total: values lost at step 1 in EUR: segments of channel sum up to 0, the whole has 2",
    ]


def test_segments_add_up_to_the_whole():
    assert laws_of(GOOD, ("mail", GOOD)) == []
    lines = laws_of(GOOD, ("mail", GOOD), ("ads", make_counts([1, 0], [0, 0], 0)))
    assert lines == ["shop@2 total: pending at step 1: segments of channel sum up to 2, the whole has 1"]


def test_no_more_go_on_than_reached_the_step():
    rollup = shop_source()
    (funnel,) = rollup.funnels
    funnel.windows, funnel.periods, funnel.settled, funnel.occupancy = [], [], [], []
    assert broken_laws(rollup) == []
    funnel.ages = [AgeRow("1h", "15m", "", "", [3, 1], [4, -1])]
    assert broken_laws(rollup) == [
        "shop@2 window 1h age 15m: 4 of 3 that reached step 1 went on",
        "shop@2 window 1h age 15m: -1 of 1 that reached step 2 went on",
    ]


def test_a_standing_is_never_negative():
    rollup = shop_source()
    rollup.funnels[0].windows, rollup.funnels[0].periods, rollup.funnels[0].settled = [], [], []
    rollup.funnels[0].occupancy = [OccupancyRow("", "", [0, -2, 0])]
    assert broken_laws(rollup) == ["shop@2 occupancy: -2 actors stand at step 2"]
