"""A week of the simulated shop: the page that a worker would have shown at every instant that somebody looks at.

The log is counted once, in order of time, and rolled up on the way.
"""

from dataclasses import replace

from stream.aggregate.rollup import merge, roll_up
from stream.aggregate.totals import PartitionTotals
from stream.analyze.fold import TimeFold, in_time_order
from stream.analyze.live import count_as_live
from stream.engine.advance import NO_CAP
from stream.metrics.collector import FunnelCollector, PageLimits
from stream.model.result import Rollup
from stream.simulate.shop import bounded, shop_records
from stream.simulate.traffic import ShopTraffic

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
RATE = 0.5
INCIDENT_MS = 25 * MINUTE_MS
"""How long ago the check-out began to break."""


def instants(now_ms):
    """Return those of the last hour, of the same hour a day and a week ago, and each full hour of the week."""
    fine = {now_ms - at * MINUTE_MS for at in range(70)}
    fine |= {now_ms - ago - 3 * at * MINUTE_MS for ago in (DAY_MS, 7 * DAY_MS) for at in range(22)}
    full = now_ms - now_ms % HOUR_MS
    return sorted(fine | {full - at * HOUR_MS for at in range(7 * 24)})


def pages(settings, funnels, now_ms):
    """(instant in ms, page) of each instant."""
    start_ms = now_ms - 8 * DAY_MS - 2 * HOUR_MS
    traffic = ShopTraffic(seed=11, start_ms=start_ms, events_per_second=RATE, drop_step="purchase",
                          drop_from_ms=now_ms - INCIDENT_MS, drop_factor=0.4)  # fmt: skip
    every = bounded(shop_records(traffic), int(RATE * 9 * DAY_MS / 1000), None)
    records = [record for record in every if record.record_ms <= now_ms]
    settings = replace(settings, rolling=tuple(each for each in settings.rolling if each.name == "1h"))
    count = count_as_live(settings, funnels)
    count.take(0, [each.value for each in records], [each.record_ms for each in records], range(len(records)), "shop")
    log = count._logs[0]
    ordered = in_time_order(log.events, count._funnels, NO_CAP)
    totals = PartitionTotals(count._funnels.funnels, settings.rolling, settings.age_matched)
    totals.note(log.events, count._funnels.serving)
    fold = TimeFold(count._funnels)
    collector = FunnelCollector(funnels, PageLimits(100_000), windows=settings.rolling)
    moments = instants(now_ms)
    for at_ms, piece in zip(moments, ordered.cut(moments), strict=False):
        for part in fold.take(piece):
            totals.take(part.changes)
        totals.move_on(at_ms, at_ms - traffic.allowed_lateness_ms)
        found = Rollup(
            as_of_ms=at_ms, watermark_ms=at_ms, next_offset=len(records), verdicts=log.verdicts, corrections=0,
            written_ms=at_ms, funnels=[roll_up(each, at_ms, {}, start_ms) for each in totals.by_number.values()],
        )  # fmt: skip
        collector.update(merge([found]), at_ms)
        yield at_ms, collector.render(at_ms)
