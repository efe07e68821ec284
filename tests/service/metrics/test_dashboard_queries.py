"""Every query of the dashboard, asked of a real Prometheus that scrapes two workers, has the right answer."""

import json
import re
import time
from pathlib import Path

import msgspec
import pytest

from stream.metrics.collector import FunnelCollector
from stream.metrics.process import PartitionStats, ProcessStats, RepartitionStats
from stream.model.result import OccupancyRow, PeriodRow, SplitRow, WindowRow
from stream.model.verdict import Verdict
from support.rollups import SHOP, make_counts, shop_rollup, shop_source

pytestmark = pytest.mark.service

FOLDER = Path(__file__).parents[3] / "grafana" / "dashboards"
DASHBOARD = json.loads((FOLDER / "funnel.json").read_text(encoding="utf-8"))
RATE_INTERVAL = "10s"
ODD_SEGMENT = "paid (a+b) \\ [x]"
WATERMARK_AGE_S = 90


class Worker:
    """Shows the known rollup; each time it is scraped, counters have moved on."""

    def __init__(self):
        self._stats = ProcessStats(cache_actors=77)
        self._collector = FunnelCollector([SHOP], process=self._stats)
        self._scrapes = 0

    def __call__(self):
        now_ms = time.time_ns() // 1_000_000
        self._scrapes += 1
        self._work(now_ms)
        self._collector.update(moved_on(self._scrapes), now_ms - 500)
        return self._collector.render(now_ms)

    def _work(self, now_ms):
        stats = self._stats
        for verdict in Verdict:
            stats.verdicts[verdict] += 10
            stats.dead_letters[verdict] += 1
        stats.partitions[0] = PartitionStats(now_ms - WATERMARK_AGE_S * 1000, 30, now_ms - 4_000)
        stats.partitions[1] = PartitionStats(now_ms - WATERMARK_AGE_S * 1000, 12, now_ms - 3_000)
        stats.rollup_written_ms = {0: now_ms - 200, 1: now_ms - 1_250}
        stats.batch_records.observe(1000)
        stats.batch_seconds.observe(0.05)
        stats.commit_seconds.observe(0.005)
        stats.moved += 1
        stats.unknown += 1
        stats.cache_hits += 30
        stats.cache_misses += 10
        before = stats.repartition or RepartitionStats(0, 0, 3, 0.5, 7)
        stats.repartition = before._replace(records=before.records + 20, invalid=before.invalid + 1)


def moved_on(scrapes):
    """Return the known rollup with counters further on, and an awkwardly named segment."""
    rollup = shop_rollup()
    odd = make_counts([1, 1], [2, 2], 4, values={3: {"EUR": ("50", 4)}})
    rollup.windows.append(WindowRow("1h", False, "channel", ODD_SEGMENT, odd))
    rollup.occupancy.append(OccupancyRow("channel", ODD_SEGMENT, [1, 1, 2]))
    rollup.periods += [
        PeriodRow(row.start_ms, "channel", ODD_SEGMENT, make_counts([0, 0], [0, 0], 3)) for row in rollup.periods
    ]
    rollup.settled.append(SplitRow("channel", ODD_SEGMENT, make_counts([0, 0], [0, 0], 0)))
    for counts in (settled.counts for settled in rollup.settled):
        counts.converted += scrapes
        counts.dropped = [count + scrapes for count in counts.dropped]
        counts.excluded = [count + scrapes for count in counts.excluded]
    return msgspec.structs.replace(shop_source(rollup), verdicts=[100 * scrapes] * 7, corrections=scrapes)


CHOICES = {
    "funnel": "shop", "version": "2", "window": "1h", "form": "rolling", "breakdown": "channel", "segment": "$__all",
}  # fmt: skip


def interpolate(text, choices):
    """Replace variables as Grafana's Prometheus data source does.

    A choice with "All" is a pattern, so other values of it are escaped as one.
    """
    models = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}

    def value(match):
        name = match[1]
        if name == "__rate_interval":
            return RATE_INTERVAL
        chosen = choices[name]
        if chosen == "$__all":
            return models[name]["allValue"]
        escaped = chosen.replace("\\", "\\\\")
        if models[name]["includeAll"]:
            return re.sub(r"[$^*{}\[\]+?.()|]", r"\\\\\g<0>", escaped.replace("\\", "\\\\"))
        return escaped

    return re.sub(r"\$(\w+)", value, text)


def queries():
    """(panel's title, reference letter, panel's type, expression) of every target."""
    return [
        (panel["title"], target["refId"], panel["type"], target["expr"])
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", [])
    ]


def steps(*values, first=1):
    """Values by step with its name."""
    names = ("Product seen", "Cart filled", "Paid")
    return {f"{at} {names[at - 1]}": value for at, value in enumerate(values, start=first)}


def numbers(*values):
    return {str(at): value for at, value in enumerate(values, start=1)}


def one(value):
    return {"": value}


SEGMENTS = {"mail": 15 / 40, "ads": 5 / 60, ODD_SEGMENT: 0.4}
OUTCOMES = {"converted", "dropped", "excluded"}
VERDICTS = {verdict.label for verdict in Verdict}
ANY = "any instance"

# Exact values; a set means: these, all above 0 (their rate depends on when Prometheus came by).
EXPECTED = {
    ("Entered", "A"): one(100),
    ("Converted", "A"): one(20),
    ("Conversion", "A"): one(0.2),
    ("Drop-off", "A"): one(0.6),
    ("Pending", "A"): one(15),
    ("Lag", "A"): one(42 + 2 * 3),
    ("Reached", "A"): steps(100, 45, 20),
    ("Outcomes", "A"): steps(100, 45, 20),
    ("Outcomes", "B"): numbers(0.45, 20 / 45),
    ("Outcomes", "C"): numbers(0.4, 20 / 45),
    ("Outcomes", "D"): numbers(40, 20),
    ("Outcomes", "E"): numbers(5, 0),
    ("Outcomes", "F"): numbers(10, 5),
    ("Conversion by step", "A"): steps(0.45, 20 / 45),
    ("Drop-off by step", "A"): steps(0.4, 20 / 45),
    ("Conversion, rolling and matured", "A"): {"rolling": 0.2, "matured": 0.2},
    ("Attempts in the window", "A"): one(100),
    ("Attempts in the window", "B"): one(20),
    ("Attempts in the window", "C"): one(15),
    ("Age-matched conversion by step", "A"): {
        "15m 1 Product seen": 0.25,
        "15m 2 Cart filled": 0.2,
        "1h 1 Product seen": 0.5,
    },
    ("Conversion by segment", "A"): SEGMENTS,
    ("Segments", "A"): {"mail": 40, "ads": 60, ODD_SEGMENT: 10},
    ("Segments", "B"): {"mail": 15, "ads": 5, ODD_SEGMENT: 4},
    ("Segments", "C"): SEGMENTS,
    ("Segments", "D"): {"mail": 15 / 40, "ads": 45 / 60, ODD_SEGMENT: 0.4},
    ("Entry to conversion", "A"): {"0.5": 10 + 5 * 10 / 12, "0.9": 30 + 30 * 6 / 8},
    ("From the step before", "A"): steps(3.5, 7.5, first=2),
    ("Settled, since counting began", "A"): one(10 + 5 * 100 / 120),
    ("Settled, since counting began", "B"): one(30 + 30 * 60 / 80),
    ("Settled, since counting began", "C"): one(30 + 30 * 78 / 80),
    ("Value by step", "A"): {"EUR 3": 1234.5, "USD 3": 10},
    ("Average value by step", "A"): {"EUR 3": 1234.5 / 20, "USD 3": 10},
    ("Settled outcomes per second", "A"): OUTCOMES,
    ("Standing at each stage now", "A"): steps(10, 5, 3),
    ("Unique actors", "A"): steps(64, 26, 12),
    ("Unique actors", "B"): steps(100, 50, 30),
    ("Records by verdict", "A"): VERDICTS,
    ("Records by worker", "A"): {ANY},
    ("Corrections and dead letters", "A"): {""},
    ("Corrections and dead letters", "B"): {"invalid", "future", "late"},
    ("Lag by partition", "A"): {"0": 30, "1": 12},
    ("Lag in time", "A"): {ANY: 4},
    ("Watermark age", "A"): {"0", "1"},
    ("Batch size", "A"): one(650),
    ("Batch size", "B"): one(930),
    ("Batch size", "C"): one(993),
    ("Batch duration", "A"): one(0.035),
    ("Batch duration", "B"): one(0.047),
    ("Batch duration", "C"): one(0.0497),
    ("Commit duration", "A"): one(0.0035),
    ("Commit duration", "B"): one(0.0047),
    ("Commit duration", "C"): one(0.00497),
    ("Commit failures", "A"): {"moved", "unknown"},
    ("Rollup age", "A"): {ANY: 1.25},
    ("Rollup age", "B"): {ANY: 0.5},
    ("Cache hits", "A"): {ANY: 0.75},
    ("Cached actors", "A"): {ANY: 77},
    ("CPU", "A"): {ANY},
    ("Memory", "A"): {ANY},
    ("Series", "A"): {""},
    ("Series", "B"): one(0),
    ("Repartitioned", "A"): {ANY},
    ("Repartitioned", "B"): {""},
    ("Repartition lag", "A"): {ANY: 3},
    ("Repartition lag", "B"): one(7),
}


def for_each_worker(expected, workers):
    """Repeat what is expected of any instance for each of them."""
    if isinstance(expected, set):
        return set(workers) if expected == {ANY} else expected
    return dict.fromkeys(workers, expected[ANY]) if ANY in expected else expected


def test_every_query_of_the_dashboard_has_the_right_answer(prometheus, serve):
    workers = serve(Worker(), Worker())
    for worker in workers:
        prometheus.wait_for(f'rate(funnel_worker_records_total{{instance="{worker}"}}[{RATE_INTERVAL}]) > 0')
    assert {(title, ref) for title, ref, _, _ in queries()} == set(EXPECTED), "a query nobody checks"
    for title, ref, kind, template in queries():
        expression = interpolate(template, CHOICES)
        expected = for_each_worker(EXPECTED[title, ref], workers)
        found = prometheus.wait_for(expression)
        if isinstance(expected, set):
            assert set(found) == expected, f"{title} {ref}: {expression}"
            assert all(value > 0 for value in found.values()), f"{title} {ref}: {found}"
        else:
            assert found == pytest.approx(expected), f"{title} {ref}: {expression}"
        if kind == "timeseries":
            now = time.time()
            series = prometheus.ask("query_range", query=expression, start=now - 5, end=now, step=1)["result"]
            assert series, f"{title} {ref} over time: {expression}"
    age = prometheus.now(interpolate(next(e for t, _, _, e in queries() if t == "Watermark age"), CHOICES))
    assert all(WATERMARK_AGE_S <= value < WATERMARK_AGE_S + 10 for value in age.values())


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        pytest.param("mail", {"Entered": 40, "Converted": 15, "Conversion": 15 / 40, "Pending": 5}, id="a-plain-one"),
        pytest.param(ODD_SEGMENT, {"Entered": 10, "Converted": 4, "Conversion": 0.4, "Pending": 2},
                     id="one-full-of-signs-that-patterns-know"),
    ],
)  # fmt: skip
def test_choosing_a_segment_shows_that_segment(prometheus, serve, segment, expected):
    serve(Worker())
    found = {}
    for title, _, _, template in queries():
        if title in expected:
            found[title] = prometheus.wait_for(interpolate(template, CHOICES | {"segment": segment}))[""]
    assert found == pytest.approx(expected)


def test_every_choice_at_the_top_offers_what_there_is(prometheus, serve):
    serve(Worker())
    prometheus.wait_for("funnel_entered")
    offered = {}
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] != "query":
            continue
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
        match = interpolate(selector, CHOICES)
        start = time.time() - 10
        offered[variable["name"]] = prometheus.ask(f"label/{label}/values", **{"match[]": match, "start": start})
    assert offered == {
        "funnel": ["shop"],
        "version": ["2"],
        "window": ["1h"],
        "breakdown": ["channel"],
        "segment": sorted(["mail", "ads", ODD_SEGMENT]),
    }


def test_prometheus_reads_any_segment_as_it_was(prometheus, serve):
    segments = ["tab\there", "cr\rhere", "new\nline", "\x01\x1b", "漢字 🙂", '"', "\\", "{}=,", " ", "a\0b"]
    rollup = shop_rollup()
    rollup.windows = [WindowRow("5m", False, "odd", text, make_counts([0, 0], [0, 0], at))
                      for at, text in enumerate(segments, start=1)]  # fmt: skip
    collector = FunnelCollector([SHOP])
    collector.update(shop_source(rollup), 0)
    serve(lambda: collector.render(0))
    found = prometheus.wait_for('max by (segment) (funnel_entered{breakdown="odd"})')
    seen = [text.replace("\0", "\\x00") for text in segments]
    assert found == {text: at for at, text in enumerate(seen, start=1)}
