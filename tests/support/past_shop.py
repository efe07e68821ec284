"""A week of the simulated shop as two workers would have shown it: their pages at every instant that somebody looks at.

The log is counted once, in order of time, and rolled up on the way; the workers' own numbers are made up, since nothing
ran. It is for pictures, not for proofs.
"""

import math
from dataclasses import replace

from stream.aggregate.rollup import merge, roll_up
from stream.aggregate.totals import PartitionTotals
from stream.analyze.fold import TimeFold, in_time_order
from stream.analyze.live import count_as_live
from stream.engine.advance import NO_CAP
from stream.metrics.collector import FunnelCollector, PageLimits
from stream.metrics.process import PartitionStats, ProcessStats
from stream.model.result import Rollup
from stream.model.verdict import Verdict
from stream.simulate.shop import bounded, shop_records
from stream.simulate.traffic import ShopTraffic

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
RATE = 0.5
INCIDENT_MS = 25 * MINUTE_MS
"""How long ago the check-out began to break."""


def instants(now_ms):
    """The last hour, the same hour a day and a week ago, and each full hour of the week."""
    starts = (now_ms - ago - HOUR_MS - 5 * MINUTE_MS for ago in (0, DAY_MS, 7 * DAY_MS))
    fine = {start + at * MINUTE_MS for start in starts for at in range(66)}
    full = now_ms - now_ms % HOUR_MS
    return sorted(fine | {full - at * HOUR_MS for at in range(7 * 24)} | {now_ms})


def pages(settings, funnels, now_ms):
    """(instant in ms, instance, page) of each instant."""
    start_ms = now_ms - 8 * DAY_MS - 2 * HOUR_MS
    traffic = ShopTraffic(seed=11, start_ms=start_ms, events_per_second=RATE, drop_step="purchase",
                          drop_from_ms=now_ms - INCIDENT_MS, drop_factor=0.4)  # fmt: skip
    records = [
        each for each in bounded(shop_records(traffic), int(RATE * 9 * 86_400), None) if each.record_ms <= now_ms
    ]
    own = replace(settings, funnels=settings.funnels)
    count = count_as_live(own, funnels)
    count.take(0, [each.value for each in records], [each.record_ms for each in records], range(len(records)), "shop")
    log = count._logs[0]
    ordered = in_time_order(log.events, count._funnels, NO_CAP)
    totals = PartitionTotals(count._funnels.funnels, settings.rolling, settings.age_matched)
    totals.note(log.events, count._funnels.serving)
    fold = TimeFold(count._funnels)
    workers = [_Worker(funnels, settings, number) for number in range(2)]
    moments = instants(now_ms)
    for at_ms, piece in zip(moments, ordered.cut(moments), strict=False):
        for part in fold.take(piece):
            totals.take(part.changes)
        totals.move_on(at_ms, at_ms - DAY_MS // 144)
        done = sum(each.record_ms <= at_ms for each in records)
        found = Rollup(
            as_of_ms=at_ms, watermark_ms=at_ms, next_offset=done, verdicts=_verdicts(done), corrections=done // 90,
            written_ms=at_ms, funnels=[roll_up(each, at_ms, {}, start_ms) for each in totals.by_number.values()],
        )  # fmt: skip
        for worker in workers:
            yield at_ms, worker.name, worker.page(merge([found]), at_ms, done)


def _verdicts(done):
    shares = {Verdict.INVALID: 0.005, Verdict.FUTURE: 0.001, Verdict.UNMATCHED: 0.3, Verdict.LATE: 0.002,
              Verdict.DUPLICATE: 0.02}  # fmt: skip
    counts = {verdict: int(share * done) for verdict, share in shares.items()}
    return [
        counts.get(verdict, done - sum(counts.values()) if verdict is Verdict.ACCEPTED else 0) for verdict in Verdict
    ]


class _Worker:
    """One of two workers that share the partitions."""

    def __init__(self, funnels, settings, number):
        self.name = f"worker-{number + 1}:9108"
        self._stats = ProcessStats(cache_actors=9_000 + 800 * number)
        self._collector = FunnelCollector(funnels, PageLimits(100_000), self._stats, settings.rolling)
        self._number, self._done = number, 0

    def page(self, merged, at_ms, done):
        wave = 1 + 0.3 * math.sin(at_ms / 300_000 + self._number)
        stats, new = self._stats, (done - self._done) // 2
        self._done = done
        for verdict, count in zip(Verdict, _verdicts(done // 2), strict=True):
            stats.verdicts[verdict] = count
            stats.dead_letters[verdict] = count
        for partition in (self._number, self._number + 2):
            stats.partitions[partition] = PartitionStats(at_ms - int(900 * wave), int(2 * wave), at_ms - int(40 * wave))
        stats.rollup_written_ms = {number: at_ms - int(180 * wave) for number in range(4)}
        for _ in range(20):
            stats.batch_records.observe(int(12 * wave))
            stats.batch_seconds.observe(0.018 * wave)
            stats.commit_seconds.observe(0.002 * wave)
        stats.cache_hits += int(9 * new * wave)
        stats.cache_misses += new
        self._collector.update(merged, at_ms - 200)
        return self._collector.render(at_ms)
