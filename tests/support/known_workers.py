"""Workers that show the known rollups, now and in the past, and whose counters move on with each scrape."""

import time
from dataclasses import replace

import msgspec

from stream.metrics.collector import FunnelCollector
from stream.metrics.process import PartitionStats, ProcessStats, RepartitionStats
from stream.metrics.runs import run_page
from stream.model.result import OccupancyRow, PeriodRow, SplitRow, WindowRow
from stream.model.verdict import Verdict
from support.rollups import AS_OF_MS, SHOP, TODAY_MS, TOUR, make_counts, shop_rollup, shop_source, tour_rollup

ODD_SEGMENT = "paid (a+b) \\ [x]"
WATERMARK_AGE_S = 90
FIRST = replace(SHOP, version=1)
"""The version of the shop's funnel before the one that is chosen."""


class Worker:
    """Shows the known rollups; each time it is scraped, counters have moved on."""

    def __init__(self):
        self._stats = ProcessStats(cache_actors=77)
        self._collector = FunnelCollector([SHOP, FIRST, TOUR], process=self._stats)
        self._scrapes = 0

    def __call__(self):
        now_ms = time.time_ns() // 1_000_000
        self._scrapes += 1
        self._work(now_ms)
        self._collector.update(moved_on(self._scrapes), now_ms - 500)
        run = run_page("march", 1_000 * self._scrapes, 4_000, 0.75)
        return self._collector.render(now_ms) + run

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
    """Return the known rollups with counters further on, an awkwardly named segment, and an earlier version."""
    rollup = shop_rollup()
    odd = make_counts([1, 1], [2, 2], 4, values={3: {"EUR": ("50", 4)}}, lost={2: {"EUR": ("5", 2)}})
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
        counts.durations = {bucket: count + scrapes for bucket, count in counts.durations.items()}
    first = msgspec.structs.replace(shop_rollup(), key=FIRST.key)
    first.windows = [WindowRow("1h", False, "", "", make_counts([0, 0], [40, 40], 20))]
    source = shop_source(rollup, first, tour_rollup())
    return msgspec.structs.replace(source, verdicts=[100 * scrapes] * 7, corrections=scrapes)


# What was so an hour, a day and a week ago: of 200 entered, by step.
PAST = {
    3_600: make_counts([0, 0], [120, 50], 30, values={3: {"EUR": ("900", 15), "USD": ("20", 2)}}),
    86_400: make_counts([0, 0], [110, 40], 50, values={3: {"EUR": ("1000", 20)}}),
    7 * 86_400: make_counts([0, 0], [100, 40], 60, values={3: {"EUR": ("987.60", 20), "USD": ("40", 2)}}),
}


def past_pages():
    """(seconds ago, page) of each instant of the past, the earliest first."""
    for ago, counts in sorted(PAST.items(), reverse=True):
        rollup = shop_rollup()
        rollup.windows = [WindowRow("1h", matured, "", "", counts) for matured in (False, True)]
        rollup.periods = [PeriodRow(TODAY_MS, "", "", counts)]
        collector = FunnelCollector([SHOP])
        collector.update(shop_source(rollup, as_of_ms=AS_OF_MS), 0)
        yield ago, collector.render(0)
