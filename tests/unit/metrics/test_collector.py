"""The page says what the rollup says, and nothing it cannot know."""

import logging
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream.metrics import names
from stream.metrics.collector import FunnelCollector, PageLimits
from stream.metrics.exposition import page
from stream.metrics.process import ProcessStats
from stream.model.funnel import Breakdown, Funnel, Period, PeriodUnit
from stream.model.result import FunnelRollup, Money, PeriodRow, Rollup, SplitRow, WindowRow
from stream.model.window import AlertWindow, RollingWindow
from support.rollups import (
    AS_OF_MS,
    DAY_MS,
    SHOP,
    TODAY_MS,
    TOUR,
    make_counts,
    nothing,
    shop_rollup,
    shop_source,
    tour_rollup,
)

FUNNEL = {"funnel": "shop", "version": "2"}
SEGMENT = FUNNEL | {"breakdown": "", "segment": ""}
WINDOW = SEGMENT | {"counts": "attempts", "window": "1h", "form": "rolling"}
TODAY = {"window": "day", "form": "current"}
PEOPLE = SEGMENT | TODAY | {"counts": "people"}
YESTERDAY = PEOPLE | {"form": "previous"}
HOUR = RollingWindow("1h", 3_600_000, alerts=(AlertWindow("1h", 3_600_000, "15m"), AlertWindow("30m", 1_800_000)))


def read(page: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of a page by name and labels; fails if two samples are the same series."""
    found = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


class Shown:
    """What one rollup shows."""

    def __init__(self, merged: Rollup, *definitions: Funnel, limits=None, windows=()) -> None:
        self.collector = FunnelCollector(definitions or [SHOP], limits, windows=windows)
        self.next(merged)

    def next(self, merged: Rollup) -> None:
        self.collector.update(merged, refreshed_ms=AS_OF_MS)
        self.samples = read(self.collector.render(AS_OF_MS))

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.samples.get((name, frozenset(labels.items())))

    def steps(self, name: str, **labels: str) -> list[float]:
        found = []
        while (value := self(name, **labels, step=str(len(found) + 1))) is not None:
            found.append(value)
        return found


@pytest.fixture
def shown():
    return Shown(shop_source(), windows=[HOUR])


@pytest.fixture
def all_shown():
    """Show a plain funnel, and an open one with an optional step."""
    return Shown(shop_source(shop_rollup(), tour_rollup()), SHOP, TOUR, windows=[HOUR])


def with_total(counts) -> FunnelRollup:
    return msgspec.structs.replace(shop_rollup(), windows=[WindowRow("1h", False, "", "", counts)])


def test_a_window_shows_its_attempts(shown):
    assert shown("funnel_entered", **WINDOW) == 100
    assert shown("funnel_converted", **WINDOW) == 20
    assert shown.steps("funnel_reached", **WINDOW) == [100, 45, 20]
    assert shown.steps("funnel_dropped", **WINDOW) == [40, 20]
    assert shown.steps("funnel_excluded", **WINDOW) == [5, 0]
    assert shown.steps("funnel_pending", **WINDOW) == [10, 5]


def test_a_window_shows_its_rates(shown):
    assert shown("funnel_conversion_ratio", **WINDOW) == 0.2
    assert shown("funnel_dropoff_ratio", **WINDOW) == 0.6
    assert shown.steps("funnel_step_conversion_ratio", **WINDOW) == [0.45, 20 / 45]
    assert shown.steps("funnel_step_dropoff_ratio", **WINDOW) == [0.4, 20 / 45]


def by_step(shown, name: str, **labels: str) -> dict[int, float]:
    """Return the samples of a series by step; a step without one is left out."""
    found = {step: shown(name, **labels, step=str(step)) for step in range(1, 5)}
    return {step: value for step, value in found.items() if value is not None}


def test_an_optional_step_has_how_many_reached_it_and_their_share_and_no_outcome(all_shown):
    tour = WINDOW | {"funnel": "tour", "version": "1"}
    assert by_step(all_shown, "funnel_reached", **tour) == {1: 12, 2: 4, 3: 11, 4: 9}
    assert by_step(all_shown, "funnel_optional_step_ratio", **tour) == {2: pytest.approx(4 / 17)}
    assert by_step(all_shown, "funnel_dropped", **tour) == {1: 2, 3: 2}
    assert by_step(all_shown, "funnel_pending", **tour) == {1: 3, 3: 1}
    assert by_step(all_shown, "funnel_step_dropoff_ratio", **tour) == pytest.approx({1: 2 / 12, 3: 2 / 11})
    own = {"funnel": "tour", "version": "1", "breakdown": "", "segment": ""}
    assert by_step(all_shown, "funnel_stage_actors", **own) == {1: 3, 3: 1, 4: 9}
    assert by_step(all_shown, "funnel_settled_attempts_total", outcome="dropped", **own) == {1: 2, 3: 2}


def test_of_an_open_funnel_those_that_entered_at_a_step_did_not_go_on_to_it(all_shown):
    tour = WINDOW | {"funnel": "tour", "version": "1"}
    assert all_shown("funnel_entered", **tour) == 17
    assert by_step(all_shown, "funnel_entered_at", **tour) == {1: 12, 3: 4, 4: 1}
    assert by_step(all_shown, "funnel_step_conversion_ratio", **tour) == pytest.approx({1: 7 / 12, 3: 8 / 11})
    ages = {"funnel": "tour", "version": "1", "window": "1h", "age": "15m", "breakdown": "", "segment": ""}
    assert by_step(all_shown, "funnel_age_matched_conversion_ratio", **ages) == {1: 0.5, 3: 0.75}


def test_where_visits_are_counted_the_actors_stand_beside(all_shown):
    tour = {"funnel": "tour", "version": "1"}
    assert all_shown("funnel_distinct_actors", **tour | TODAY) == 6
    assert by_step(all_shown, "funnel_reached", **PEOPLE | tour) == {1: 12, 2: 4, 3: 11, 4: 9}
    assert all_shown("funnel_distinct_actors", **FUNNEL | TODAY) is None


def test_a_funnel_has_only_the_series_of_its_options(all_shown):
    assert not by_step(all_shown, "funnel_entered_at", **WINDOW)
    assert not by_step(all_shown, "funnel_optional_step_ratio", **WINDOW)
    assert not by_step(all_shown, "funnel_excluded", **WINDOW | {"funnel": "tour", "version": "1"})


def test_the_matured_form_is_a_series_of_its_own(shown):
    assert shown("funnel_entered", **WINDOW | {"form": "matured"}) == 50
    assert shown("funnel_conversion_ratio", **WINDOW | {"form": "matured"}) == 0.2


def test_segments_stand_beside_the_total_and_add_up(shown):
    by_segment = [
        shown.steps("funnel_reached", **WINDOW | {"breakdown": "channel", "segment": name}) for name in ("mail", "ads")
    ]
    assert by_segment == [[40, 21, 15], [60, 24, 5]]
    assert [sum(both) for both in zip(*by_segment, strict=True)] == shown.steps("funnel_reached", **WINDOW)


def test_what_entered_is_converted_dropped_excluded_or_pending(shown):
    for name, labels in shown.samples:
        if name == "funnel_entered":
            at = dict(labels)
            parts = [shown.steps(f"funnel_{outcome}", **at) for outcome in ("dropped", "excluded", "pending")]
            assert shown(name, **at) == shown("funnel_converted", **at) + sum(map(sum, parts))


@pytest.mark.parametrize(
    ("counts", "ratios"),
    [
        pytest.param(nothing(), {}, id="nobody-entered"),
        pytest.param(make_counts([9, 0], [0, 0], 0), {}, id="all-who-entered-are-pending"),
        pytest.param(make_counts([1, 0], [0, 0], 9), {"conversion": [0.9, 1.0], "overall": [0.9, None]},
                     id="nobody-failed-and-one-may-is-no-drop-off"),
        pytest.param(make_counts([1, 0], [1, 0], 8), {"conversion": [0.8, 1.0], "dropoff": [0.1, 0.0],
                                                      "overall": [0.8, 0.1]}, id="one-failed-and-one-may-is-some"),
        pytest.param(make_counts([0, 9], [0, 0], 0), {"conversion": [1.0], "dropoff": [0.0]},
                     id="going-on-decides-the-step-but-no-outcome"),
        pytest.param(make_counts([0, 0], [9, 0], 0), {"conversion": [0.0], "dropoff": [1.0], "overall": [0.0, 1.0]},
                     id="all-dropped-is-zero-not-absent"),
        pytest.param(make_counts([0, 0], [0, 0], 0, excluded=[9, 0]),
                     {"conversion": [0.0], "dropoff": [0.0], "overall": [0.0, 0.0]}, id="excluded-is-decided"),
    ],
)  # fmt: skip
def test_a_ratio_is_absent_while_nothing_is_decided(counts, ratios):
    shown = Shown(shop_source(with_total(counts)))
    assert shown.steps("funnel_step_conversion_ratio", **WINDOW) == ratios.get("conversion", [])
    assert shown.steps("funnel_step_dropoff_ratio", **WINDOW) == ratios.get("dropoff", [])
    overall = [shown(f"funnel_{name}_ratio", **WINDOW) for name in ("conversion", "dropoff")]
    assert overall == ratios.get("overall", [None, None])


def test_age_matched_conversion_is_a_share_of_those_that_reached_the_step(shown):
    at = SEGMENT | {"window": "1h"}
    name = "funnel_age_matched_conversion_ratio"
    assert shown.steps(name, **at, age="15m") == [0.25, 0.2]
    assert shown.steps(name, **at, age="1h") == [0.5], "absent where nobody reached the step"
    assert not shown.steps(name, **at | {"breakdown": "channel", "segment": "mail"}, age="15m"), "segments have counts"


def test_alert_windows_have_counts_of_segments_only_at_their_shortest_age():
    rollup = shop_rollup()
    rollup.ages += [msgspec.structs.replace(row, window="30m") for row in rollup.ages]
    shown = Shown(shop_source(rollup), windows=[HOUR])
    total, mail = FUNNEL | {"breakdown": "", "segment": ""}, FUNNEL | {"breakdown": "channel", "segment": "mail"}
    found = {
        (window, age, at["segment"]): [shown.steps(f"funnel_age_matched_{name}", **at, window=window, age=age)
                                       for name in ("reached", "went_on")]
        for window in ("1h", "30m") for age in ("15m", "1h") for at in (total, mail)
    }  # fmt: skip
    whole = {"15m": [[80, 25], [20, 5]], "1h": [[60, 0], [30, 0]]}
    assert {key: counts for key, counts in found.items() if any(counts)} == {
        **{(window, age, ""): counts for window in ("1h", "30m") for age, counts in whole.items()},
        ("1h", "15m", "mail"): [[30, 10], [15, 4]],
    }
    assert not shown.steps("funnel_age_matched_conversion_ratio", **total, window="30m", age="15m"), "no rolling window"


def test_age_matched_conversion_is_shown_although_nobody_entered_the_window():
    rollup = msgspec.structs.replace(shop_rollup(), windows=[])
    at = {label: value for label, value in WINDOW.items() if label not in {"counts", "form"}}
    shown = Shown(shop_source(rollup))
    assert shown("funnel_age_matched_conversion_ratio", **at, age="15m", step="1") == 0.25


def test_values_are_shown_by_step_and_currency(shown):
    assert shown("funnel_value", **WINDOW, step="3", currency="EUR") == 1234.5
    assert shown("funnel_value_events", **WINDOW, step="3", currency="EUR") == 20
    assert shown("funnel_value", **WINDOW, step="3", currency="USD") == 10


def test_value_lost_and_at_stake_are_shown_together_by_the_step_where_the_attempts_stopped(shown):
    found = {
        (dict(labels)["step"], dict(labels)["currency"], name.removeprefix("funnel_value_")): value
        for (name, labels), value in shown.samples.items()
        if name in {"funnel_value_lost", "funnel_value_at_stake"} and WINDOW.items() <= dict(labels).items()
    }
    assert found == {
        ("1", "EUR", "lost"): 400.1, ("1", "EUR", "at_stake"): 0,
        ("2", "EUR", "lost"): 99.5, ("2", "EUR", "at_stake"): 12,
        ("2", "USD", "lost"): 7, ("2", "USD", "at_stake"): 0,
    }  # fmt: skip


def test_value_lost_at_an_optional_step_is_shown_at_the_required_one_before(all_shown):
    tour = tour_rollup()
    tour.windows[0].counts.values = {1: {"EUR": Money(Decimal(9), 3)}, 2: {"EUR": Money(Decimal("0.5"), 1)}}
    tour.windows[0].counts.lost = {1: {"EUR": Money(Decimal(3), 1)}, 2: {"EUR": Money(Decimal("0.5"), 1)}}
    all_shown.next(shop_source(tour))
    at = WINDOW | {"funnel": "tour", "version": "1"}
    assert by_step(all_shown, "funnel_value_lost", **at, currency="EUR") == {1: 3.5}


def test_a_sum_no_float_can_hold_is_left_out():
    counts = make_counts([0, 0], [1, 0], 1, values={3: {"EUR": ("1e400", 1), "USD": ("-2.5", 1)}},
                         lost={1: {"EUR": ("1e400", 1)}})  # fmt: skip
    shown = Shown(shop_source(with_total(counts)))
    assert shown("funnel_value_lost", **WINDOW, step="1", currency="EUR") is None
    assert shown("funnel_value", **WINDOW, step="3", currency="EUR") is None
    assert shown("funnel_value", **WINDOW, step="3", currency="USD") == -2.5


def test_percentiles_lie_inside_their_bucket(shown):
    # 12 of 20 in (10, 15], 8 in (30, 60]: the 10th is 10/12 of the way, the 18th 6/8.
    assert shown("funnel_window_time_to_convert_seconds", **WINDOW, quantile="0.5") == pytest.approx(10 + 5 * 10 / 12)
    assert shown("funnel_window_time_to_convert_seconds", **WINDOW, quantile="0.9") == pytest.approx(30 + 30 * 6 / 8)
    assert shown("funnel_window_time_to_step_seconds", **WINDOW, step="2", quantile="0.5") == 3.5
    assert shown("funnel_window_time_to_step_seconds", **WINDOW | {"form": "matured"}, step="2", quantile="0.5") is None


def test_settled_outcomes_are_counters_by_outcome_and_furthest_step(shown):
    name = "funnel_settled_attempts_total"
    assert shown(name, **SEGMENT, outcome="converted", step="3") == 200
    assert [shown(name, **SEGMENT, outcome="dropped", step=step) for step in "12"] == [400, 200]
    assert [shown(name, **SEGMENT, outcome="excluded", step=step) for step in "12"] == [7, 1]
    assert shown(name, **SEGMENT | {"breakdown": "channel", "segment": "mail"}, outcome="converted", step="3") == 150


def test_settled_times_are_a_prometheus_histogram(shown):
    name = "funnel_time_to_convert_seconds"
    at = {bound: shown(f"{name}_bucket", **FUNNEL, le=bound) for bound in ("10.0", "15.0", "30.0", "60.0", "+Inf")}
    assert at == {"10.0": 0, "15.0": 120, "30.0": 120, "60.0": 200, "+Inf": 200}
    assert shown(f"{name}_count", **FUNNEL) == 200
    assert shown(f"{name}_sum", **FUNNEL) == 120 * 15 + 80 * 60
    assert shown("funnel_time_to_step_seconds_sum", **FUNNEL, step="2") == 2000
    assert shown("funnel_time_to_step_seconds_count", **FUNNEL, step="1") is None


def test_stages_people_and_times_of_the_funnel(shown):
    assert shown.steps("funnel_stage_actors", **SEGMENT) == [10, 5, 3]
    assert shown("funnel_step_info", **FUNNEL, step="2", step_name="Cart filled", stage="intent", group="middle") == 1
    assert shown("funnel_conversion_window_seconds", **FUNNEL) == 1800
    assert shown("funnel_as_of_seconds") == AS_OF_MS / 1000
    assert shown("funnel_since_seconds", **FUNNEL) == AS_OF_MS / 1000 - 10 * 86400


def test_actors_of_this_period_and_the_one_before(shown):
    assert shown.steps("funnel_reached", **PEOPLE) == [64, 26, 12]
    assert shown.steps("funnel_reached", **YESTERDAY) == [100, 50, 30]
    assert shown("funnel_period_start_seconds", **FUNNEL | TODAY) == TODAY_MS / 1000
    assert shown("funnel_period_start_seconds", **FUNNEL, window="day", form="previous") == TODAY_MS / 1000 - 86400


def test_people_have_all_that_attempts_have(shown):
    assert shown("funnel_entered", **PEOPLE) == 64
    assert shown("funnel_converted", **PEOPLE) == 12
    assert shown.steps("funnel_pending", **PEOPLE) == [8, 4]
    assert shown.steps("funnel_dropped", **PEOPLE) == [30, 10]
    assert shown("funnel_conversion_ratio", **YESTERDAY) == 0.3
    assert shown.steps("funnel_step_dropoff_ratio", **YESTERDAY) == [0.5, 0.4]


def test_segments_of_people_are_shown_for_the_current_period_only():
    rollup = shop_rollup()
    mail = make_counts([0, 0], [1, 0], 1)
    rollup.periods += [PeriodRow(start, "channel", "mail", mail) for start in (TODAY_MS, TODAY_MS - DAY_MS)]
    shown = Shown(shop_source(rollup))
    at = {"breakdown": "channel", "segment": "mail"}
    assert shown.steps("funnel_reached", **PEOPLE | at) == [2, 1, 1]
    assert shown.steps("funnel_reached", **YESTERDAY | at) == []


def test_targets_and_benchmarks_are_as_configured(shown):
    assert shown("funnel_target_ratio", **FUNNEL) == 0.25
    assert shown("funnel_step_target_ratio", **FUNNEL, step="1", age="") == 0.5
    assert shown("funnel_step_target_ratio", **FUNNEL, step="1", age="15m") == 0.3
    assert shown("funnel_step_target_ratio", **FUNNEL, step="2", age="") is None
    found = {name: shown("funnel_benchmark_ratio", **FUNNEL, benchmark=name) for name in ("average", "top quarter")}
    assert found == {"average": 0.0235, "top quarter": 0.0531}


def test_a_period_nobody_entered_is_zero_and_not_the_one_before():
    rollup = msgspec.structs.replace(
        shop_rollup(), periods=[PeriodRow(TODAY_MS - DAY_MS, "", "", make_counts([0, 0], [1, 0], 1))]
    )
    shown = Shown(shop_source(rollup, as_of_ms=TODAY_MS + DAY_MS))
    assert shown.steps("funnel_reached", **PEOPLE) == [0, 0, 0]
    assert shown.steps("funnel_reached", **YESTERDAY) == [0, 0, 0]


def test_a_funnel_that_began_in_this_period_has_no_previous_one():
    rollup = msgspec.structs.replace(shop_rollup(), since_ms=TODAY_MS + 1, periods=[])
    shown = Shown(shop_source(rollup))
    assert shown.steps("funnel_reached", **PEOPLE) == [0, 0, 0]
    assert shown.steps("funnel_reached", **YESTERDAY) == []


def test_periods_follow_the_time_zone_of_the_definition():
    # 2023-11-14T22:13:20Z is the 15th in Helsinki (UTC+2) already.
    helsinki = msgspec.structs.replace(
        shop_rollup(), periods=[PeriodRow(TODAY_MS + DAY_MS - 7_200_000, "", "", make_counts([0, 0], [0, 0], 7))]
    )
    funnel = Funnel(
        SHOP.name, SHOP.version, SHOP.steps, SHOP.window_ms, period=Period(PeriodUnit.DAY, "Europe/Helsinki")
    )
    shown = Shown(shop_source(helsinki), funnel)
    assert shown.steps("funnel_reached", **PEOPLE) == [7, 7, 7]


def test_records_are_counted_by_verdict_for_the_whole_log(shown):
    verdicts = ("invalid", "future", "unmatched", "late", "duplicate", "bot", "accepted")
    assert [shown("funnel_records_total", verdict=verdict) for verdict in verdicts] == [1, 2, 3, 4, 5, 6, 900]
    assert shown("funnel_corrections_total") == 11
    assert shown("funnel_gaps_total") == 1


def test_no_counter_goes_back_and_each_goes_on_once_passed():
    shown = Shown(shop_source(accepted=900))
    back = shop_rollup()
    back.settled = [SplitRow("", "", make_counts([0, 0], [300, 250], 100, seconds={0: [15] * 100, 2: [], 3: []}))]
    shown.next(shop_source(back, accepted=100))
    assert shown("funnel_records_total", verdict="accepted") == 900
    settled = {outcome: shown("funnel_settled_attempts_total", **SEGMENT, outcome=outcome, step=step)
               for outcome, step in (("converted", "3"), ("dropped", "1"), ("excluded", "2"))}  # fmt: skip
    assert settled == {"converted": 200, "dropped": 400, "excluded": 1}
    assert shown("funnel_settled_attempts_total", **SEGMENT, outcome="dropped", step="2") == 250
    assert shown("funnel_time_to_convert_seconds_bucket", **FUNNEL, le="+Inf") == 200
    assert shown("funnel_time_to_convert_seconds_sum", **FUNNEL) == 120 * 15 + 80 * 60
    shown.next(shop_source(accepted=901))
    assert shown("funnel_records_total", verdict="accepted") == 901


def test_gauges_do_go_back():
    shown = Shown(shop_source())
    shown.next(shop_source(with_total(make_counts([1, 0], [0, 0], 0))))
    assert shown("funnel_entered", **WINDOW) == 1


def test_ten_seconds_without_a_refresh_are_too_many():
    collector = FunnelCollector([SHOP], process=ProcessStats())
    collector.update(shop_source(), refreshed_ms=AS_OF_MS)
    assert b"funnel_entered{" in collector.render(AS_OF_MS + 10_000)
    stale = {name for name, _ in read(collector.render(AS_OF_MS + 10_001))}
    assert stale <= {name for series in names.ABOUT_PROCESS for name in series.sample_names}
    assert "funnel_worker_partitions" in stale
    collector.update(shop_source(), refreshed_ms=AS_OF_MS + 10_002)
    assert b"funnel_entered{" in collector.render(AS_OF_MS + 10_002)


def test_before_the_first_rollup_only_the_process_is_shown():
    page = FunnelCollector([SHOP], process=ProcessStats()).render(AS_OF_MS)
    assert b"funnel_worker_partitions 0" in page
    assert b"funnel_step_info" not in page
    assert FunnelCollector([SHOP]).render(AS_OF_MS) == b""


def test_the_text_is_made_once_per_refresh():
    collector = FunnelCollector([SHOP])
    collector.update(shop_source(), refreshed_ms=AS_OF_MS)
    assert collector.render(AS_OF_MS) != b""
    assert collector.render(AS_OF_MS + 1) is collector.render(AS_OF_MS + 2)


def test_who_asks_while_the_text_is_made_waits_for_that_text(monkeypatch):
    collector, made, begun, go_on = FunnelCollector([SHOP]), [], threading.Event(), threading.Event()

    def slowly(table, lines):
        made.append(page(table, lines))
        begun.set()
        assert go_on.wait(10)
        return made[-1]

    monkeypatch.setattr("stream.metrics.collector.page", slowly)
    collector.update(shop_source(accepted=1), AS_OF_MS)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(collector.funnel_text, AS_OF_MS)
        assert begun.wait(10)
        second = pool.submit(collector.funnel_text, AS_OF_MS)
        collector.update(shop_source(accepted=2), AS_OF_MS)
        go_on.set()
        assert first.result(10) == made[0]
        assert second.result(10) in made
    assert collector.funnel_text(AS_OF_MS) == made[1], "never an older text for newer numbers"
    assert len(made) == 2


def test_a_window_in_which_nothing_happened_is_zero_and_not_absent():
    rollup = FunnelRollup(SHOP.key, 3, 0, [], [], [], [])
    shown = Shown(shop_source(rollup), windows=[RollingWindow("1h", 3_600_000), RollingWindow("24h", 86_400_000)])
    for at in (WINDOW, WINDOW | {"form": "matured"}, WINDOW | {"window": "24h"}):
        assert shown("funnel_entered", **at) == 0
        assert shown.steps("funnel_reached", **at) == [0, 0, 0]
        assert shown("funnel_conversion_ratio", **at) is None
    assert shown.steps("funnel_stage_actors", **SEGMENT) == [0, 0, 0]
    assert shown("funnel_settled_attempts_total", **SEGMENT, outcome="converted", step="3") == 0
    assert shown("funnel_time_to_convert_seconds_count", **FUNNEL) == 0


def test_zeros_stand_only_where_nothing_else_does():
    windows = [RollingWindow("1h", 3_600_000)]
    assert Shown(shop_source(), windows=windows).samples == Shown(shop_source()).samples


def test_a_matured_form_that_is_not_kept_is_not_shown_as_zero():
    long = Funnel(SHOP.name, SHOP.version, SHOP.steps, window_ms=366 * DAY_MS)
    empty = shop_source(FunnelRollup(SHOP.key, 3, 0, [], [], [], []))
    shown = Shown(empty, long, windows=[RollingWindow("1h", 3_600_000)])
    assert shown("funnel_entered", **WINDOW) == 0
    assert shown("funnel_entered", **WINDOW | {"form": "matured"}) is None


def test_an_empty_log_shows_zeros_and_no_instant():
    rollup = FunnelRollup(SHOP.key, 3, None, [WindowRow("1h", False, "", "", nothing())], [], [], [])
    shown = Shown(shop_source(rollup, as_of_ms=None))
    assert shown("funnel_entered", **WINDOW) == 0
    assert shown("funnel_as_of_seconds") is None
    assert shown("funnel_since_seconds", **FUNNEL) is None


def test_a_funnel_without_a_definition_here_is_left_to_others(shown):
    stranger = msgspec.structs.replace(shop_rollup(), key="stranger@1")
    assert Shown(shop_source(shop_rollup(), stranger), windows=[HOUR]).samples == shown.samples


@pytest.mark.parametrize(
    ("segment", "seen"),
    [
        pytest.param('a "quoted" \\ back\nline', 'a "quoted" \\ back\nline', id="quotes-backslash-and-newline"),
        pytest.param("Größe 漢字 🙂", "Größe 漢字 🙂", id="any-script"),
        pytest.param("\udc80", "\\udc80", id="a-lone-surrogate-becomes-text"),
        pytest.param("a\0b", "a\\x00b", id="nul-becomes-text"),
        pytest.param('},evil="1"', '},evil="1"', id="nothing-breaks-out-of-a-label"),
    ],
)
def test_any_segment_is_a_safe_label(segment, seen):
    rollup = msgspec.structs.replace(
        shop_rollup(), windows=[WindowRow("1h", False, "channel", segment, make_counts([0, 0], [0, 0], 3))]
    )
    shown = Shown(shop_source(rollup))
    assert shown("funnel_entered", **WINDOW | {"breakdown": "channel", "segment": seen}) == 3


def test_every_sample_is_described_finite_and_labelled_as_the_table_says(all_shown):
    described = {name: series for series in names.ABOUT_FUNNELS for name in series.sample_names}
    for (name, labels), value in all_shown.samples.items():
        assert math.isfinite(value)
        assert {label for label, _ in labels} - {"le"} == set(described[name].labels), name
    shown_names = {name for name, _ in all_shown.samples}
    assert shown_names == set(described), "the full rollups show every funnel series of the table"


def test_help_and_type_stand_once_before_their_samples(all_shown):
    page = all_shown.collector.render(AS_OF_MS).decode()
    families = {family.name: family for family in text_string_to_metric_families(page)}
    for series in names.ABOUT_FUNNELS:
        family = families[series.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (series.kind, series.meaning)


def many_segments(count: int) -> FunnelRollup:
    counts = make_counts([1, 0], [1, 0], 1)
    rows = [WindowRow(window, is_matured, "channel", f"s{number}", counts)
            for window in ("5m", "1h") for is_matured in (True, False) for number in range(count)]  # fmt: skip
    totals = [WindowRow(window, False, "", "", counts) for window in ("5m", "1h")]
    return msgspec.structs.replace(shop_rollup(), windows=totals + rows)


def test_beyond_the_limit_whole_breakdowns_are_left_out_matured_ones_first(caplog):
    full = Shown(shop_source(many_segments(10)))
    everything = full("funnel_series")
    assert everything == len(full.samples)
    assert full("funnel_series_dropped") == 0
    with caplog.at_level(logging.WARNING):
        limited = Shown(shop_source(many_segments(10)), limits=PageLimits(max_series=int(everything) - 1))
        limited.next(shop_source(many_segments(10)))
    assert [record.name for record in caplog.records] == ["stream.metrics.collector"], "told once"
    assert "shop@2 by channel 1h" in caplog.text
    assert limited("funnel_series") == len(limited.samples)
    assert limited("funnel_series") + limited("funnel_series_dropped") == everything
    missing = {tuple(dict(labels).get(name) for name in ("window", "form", "breakdown"))
               for name, labels in full.samples.keys() - limited.samples.keys()}  # fmt: skip
    assert missing == {("1h", "matured", "channel")}


def test_totals_of_every_funnel_come_before_any_segment():
    other = Funnel("other", 1, SHOP.steps, SHOP.window_ms, breakdowns=(Breakdown("channel", ("channel",)),))
    second = msgspec.structs.replace(many_segments(50), key=other.key)
    shown = Shown(shop_source(many_segments(50), second), SHOP, other, limits=PageLimits(max_series=700))
    assert shown("funnel_entered", **WINDOW) == 3
    assert shown("funnel_entered", **WINDOW | {"funnel": "other", "version": "1"}) == 3
    assert len(shown.samples) <= 700
