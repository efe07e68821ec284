"""Read the log for whose attempts are unsynced: from the record on at which the later of two counts began.

In:  two sides at the same offsets, what both cover, the log.
Out: what is unsynced by funnel.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from stream.aggregate.totals import FunnelTotals
from stream.analyze.live import partition_count
from stream.analyze.read_topic import Log, Span, first_record_time
from stream.replay.coverage import Both, Coverage, known_from
from stream.replay.sides import Side, as_stored
from stream.replay.unsynced import Bounds, Unsynced, Watch
from stream.store.contract import PartitionHead
from stream.worker.partition import Counting, Partition


async def began_times(sides: Iterable[Side], numbers: Sequence[int], log: Log) -> dict[int, int]:
    """Return the record time of a run's first record, for partitions on which its warm-up may not be whole."""
    found: dict[int, int] = {}
    with_gaps = [side for side in sides if side.namespace.gaps]
    spans = await log.spans() if with_gaps else {}
    for side in with_gaps:
        starts = side.namespace.starts or {}
        for number in numbers:
            kept = spans[number]
            time_ms = await first_record_time(log, number, Span(max(starts[number].offset, kept.first), kept.end))
            if time_ms is not None:
                found[number] = max(time_ms, found.get(number, time_ms))
    return found


async def unsynced_actors(side: Side, both: Both, covers: Mapping[str, Coverage], log: Log) -> dict[str, Unsynced]:
    """Return what is unsynced by funnel, of two sides at the same offsets; nothing where both read the same records."""
    found = {key: Unsynced() for key, cover in covers.items() if cover.sure_ms}
    for number, counted in both.items():
        bounds = {
            key: Bounds(cover.sure_ms[number], cover.since_ms)
            for key, cover in covers.items()
            if number in cover.sure_ms and cover.since_ms is not None
        }
        if not bounds:
            continue
        begin = max(own.first_offset for own in counted)
        own = counted[1].partition
        totals = list(own.totals.by_number.values())
        span = Span(begin, own.head.next_offset)
        for key, each in (await unsynced_in(side.counting, totals, bounds, log, number, span)).items():
            found[key].add(each)
    return found


async def unsynced_of_run(run: Side, log: Log) -> dict[str, Unsynced]:
    """Return what is unsynced of a run that has a start, by funnel, whatever live has: for `funnel replay status`."""
    numbers = range(await partition_count(run.store))
    began_ms = await began_times([run], numbers, log)
    found = {funnel.key: Unsynced() for funnel in run.namespace.rules.funnels}
    for number in numbers:
        since_ms = run.since_ms(number)
        own = await as_stored(run, number)
        if since_ms is None or not own.first_offset:  # it has read all there is
            continue
        known = {
            funnel.key: known_from(funnel, run, number, since_ms, began_ms.get(number))
            for funnel in run.namespace.rules.funnels
        }
        bounds = {key: Bounds(each.sure_ms, each.since_ms) for key, each in known.items()}
        span = Span(own.first_offset, own.partition.head.next_offset)
        totals = own.partition.totals.by_number.values()
        for key, each in (await unsynced_in(run.counting, totals, bounds, log, number, span)).items():
            found[key].add(each)
    return found


async def unsynced_in(  # noqa: PLR0913, PLR0917
    counting: Counting,
    totals: Iterable[FunnelTotals],
    bounds: Mapping[str, Bounds],
    log: Log,
    number: int,
    span: Span,
) -> dict[str, Unsynced]:
    """Return what is unsynced of one partition's records in `span`, by funnel; reads until nobody is any more."""
    reader = Partition(number, PartitionHead(span.first), counting)
    watch = Watch(totals, bounds, counting.funnels.serving)
    kept = (await log.spans())[number]
    async with aclosing(log.batches({number: Span(max(span.first, kept.first), span.end)})) as batches:
        async for batch in batches:
            admitted = reader.admit(batch).admitted
            mark_ms = admitted.watermark_ms
            reader.head = replace(reader.head, next_offset=batch.next_offset, watermark_ms=mark_ms)
            watch.take(admitted.events, None if mark_ms is None else mark_ms - counting.limits.allowed_lateness_ms)
            if watch.is_done:
                break
    return watch.finish()
