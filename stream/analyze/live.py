"""What live has counted, straight from the store, at one instant for all partitions.

In:  a store, the funnels of the settings.
Out: heads and counts of every partition; rolled up at any `as_of` that is not before the largest watermark. And a count
     of the same log that must come to the same.

Only reads. A worker's own rollups are each as old as its last write; here all partitions are
worked out anew at the same instant, so that their sum is exact.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from stream.aggregate.rollup import merge, roll_up
from stream.aggregate.totals import PartitionTotals
from stream.analyze.count import LogCount
from stream.engine.match import FunnelSet
from stream.errors import ReportError, StoreUnavailable
from stream.ingest.admission import Limits
from stream.ingest.mapping import Mapping as FieldMapping
from stream.model.funnel import Funnel
from stream.model.result import Rollup
from stream.settings.sources import mapping_of
from stream.settings.tracker import TrackerSettings
from stream.store.connect import RedisOptions
from stream.store.contract import PartitionHead, Store
from stream.store.redis_store import RedisStore
from stream.worker.activation import ActiveSet, funnel_set_id
from stream.worker.partition import SINCE_KEY, latest_counted_ms
from stream.worker.pointer import Live, what_is_live
from stream.worker.runs import read_runs

MAX_PARTITIONS_ASKED = 256
"""Heads that are asked for before it is said that there are none: partitions of a log get theirs all at once."""
STEADY_WITHIN_S = 10.0
STEADY_PAUSE_S = 0.02  # a busy worker commits a partition about ten times a second; its cells are read in between

_Loaded = TypeVar("_Loaded")

_decode_since = msgspec.msgpack.Decoder(dict[str, int]).decode


@dataclass(frozen=True, slots=True)
class LivePartition:
    """One partition as the store has it; `since`: record time in ms from which on each funnel (name@version) counts."""

    head: PartitionHead
    totals: PartitionTotals
    since: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LiveView:
    """All partitions that have a head. `missing`: numbers of those that nobody has taken over yet."""

    partitions: Mapping[int, LivePartition]
    missing: tuple[int, ...] = ()

    @property
    def watermark_ms(self) -> int | None:
        """The largest watermark, None before the first valid record."""
        marks = [each.head.watermark_ms for each in self.partitions.values() if each.head.watermark_ms is not None]
        return max(marks, default=None)

    def roll_up(self, as_of_ms: int | None = None) -> Rollup | None:
        """Return the sum over partitions at `as_of_ms` (default: the largest watermark); None if nothing is counted.

        Raises `ReportError` for an instant before the largest watermark.
        """
        mark_ms = self.watermark_ms
        if mark_ms is None:
            return None
        if as_of_ms is not None and as_of_ms < mark_ms:
            raise ReportError(
                f"--as-of lies {mark_ms - as_of_ms} ms before what is counted already (watermark {mark_ms} ms UTC): "
                "live numbers only go forward; `funnel analyze --topic ... --as-of ...` shows an earlier instant"
            )
        when = mark_ms if as_of_ms is None else as_of_ms
        return merge([_partition_rollup(partition, when) for _, partition in sorted(self.partitions.items())])


def _partition_rollup(partition: LivePartition, as_of_ms: int) -> Rollup:
    head = partition.head
    return Rollup(
        as_of_ms=as_of_ms,
        watermark_ms=head.watermark_ms,
        next_offset=head.next_offset,
        verdicts=list(head.verdicts),
        corrections=head.corrections,
        written_ms=0,
        funnels=[
            roll_up(totals, as_of_ms, {}, partition.since.get(totals.funnel.definition.key))
            for totals in partition.totals.by_number.values()
        ],
        gaps=head.gaps,
    )


async def read_live(store: Store, funnels: Sequence[Funnel], settings: TrackerSettings) -> LiveView:
    """Read everything that is counted. Raises `ReportError` if live counts other funnels than these."""
    document = await store.active_funnel_set()
    if document is None:
        return LiveView({})
    active = msgspec.json.decode(document, type=ActiveSet)
    own = funnel_set_id(funnels)
    if active.id != own:
        counted = ", ".join(sorted(active.numbers))
        raise ReportError(
            f"live counts funnel set {active.id} ({counted}), the funnel files define {own} "
            f"({', '.join(sorted(funnel.key for funnel in funnels))}): use the files that the workers run with"
        )
    count = await partition_count(store)
    read = {number: await _read_partition(store, number, funnels, active, settings) for number in range(count)}
    found = {number: partition for number, partition in read.items() if partition is not None}
    return LiveView(found, tuple(number for number in read if number not in found))


async def partition_count(store: Store) -> int:
    """Return how many partitions the log had when it was counted; 0 if nothing was ever counted."""
    for number in range(MAX_PARTITIONS_ASKED):
        head = await store.load_head(number)
        if head is not None:
            return max(head.partition_count, number + 1)
    return 0


async def _read_partition(
    store: Store, number: int, funnels: Sequence[Funnel], active: ActiveSet, settings: TrackerSettings
) -> LivePartition | None:
    read = await steady(store, number, lambda: store.load_cells(number))
    if read is None:
        return None
    head, cells = read
    since = _decode_since(cells.pop(SINCE_KEY)) if SINCE_KEY in cells else {}
    totals = PartitionTotals(FunnelSet(funnels, active.numbers).funnels, settings.rolling, settings.age_matched)
    totals.restore(cells.items(), latest_counted_ms(head, settings.max_future_skew_ms))
    if head.watermark_ms is not None:
        totals.move_on(head.watermark_ms, head.watermark_ms - settings.allowed_lateness_ms)
    return LivePartition(head, totals, since)


async def steady(
    store: Store, number: int, load: Callable[[], Awaitable[_Loaded]]
) -> tuple[PartitionHead, _Loaded] | None:
    """Return a partition's head and what is loaded that belongs to it: no commit came in between."""
    deadline = time.monotonic() + STEADY_WITHIN_S
    head = await store.load_head(number)
    while head is not None:
        loaded = await load()
        after = await store.load_head(number)
        if after is not None and after.position == head.position:
            return after, loaded
        if time.monotonic() > deadline:
            raise StoreUnavailable("report", (number,), f"it was written all the time for {STEADY_WITHIN_S:.0f} s")
        await asyncio.sleep(STEADY_PAUSE_S)
        head = await store.load_head(number)
    return None


def count_as_live(settings: TrackerSettings, funnels: Sequence[Funnel]) -> LogCount:
    """Return a count that admits, caps and sums up what it takes as live does with the log of these settings."""
    return LogCount(
        funnels,
        log_mapping_of(settings),
        Limits(settings.allowed_lateness_ms, settings.max_future_skew_ms),
        settings.rolling,
        bot_cap=settings.worker.bot_cap,
        ages=settings.age_matched,
    )


def log_mapping_of(settings: TrackerSettings) -> FieldMapping:
    """Return how live reads its log."""
    if not settings.needs_repartition:
        return mapping_of(settings.sources[0])
    from stream.worker.repartition import log_mapping  # noqa: PLC0415 (with it comes all of the Kafka worker)

    return log_mapping(settings)


@asynccontextmanager
async def open_live(settings: TrackerSettings, funnels: Sequence[Funnel] = ()) -> AsyncIterator[tuple[Store, Live]]:
    """Open the store of what is live: the configured namespace or a promoted run's; with what to go by.

    Raises `StoreUnavailable` or `StoreRefused`.
    """
    store = open_store(settings)
    try:
        live = what_is_live(settings, funnels, (await read_runs(store)).runs)
        if live.run is not None:
            base, store = store, open_store(live.settings)
            await base.close()
        yield store, live
    finally:
        await store.close()


def open_store(settings: TrackerSettings) -> RedisStore:
    """Return the store of the namespace in these settings; it connects with its first command."""
    redis = settings.redis
    options = RedisOptions(
        url=redis.url,
        cluster=redis.is_cluster,
        username=redis.user,
        password=redis.password,
        tls_ca_file=None if redis.ca_file is None else str(redis.ca_file),
        tls_cert_file=None if redis.cert_file is None else str(redis.cert_file),
        tls_key_file=None if redis.key_file is None else str(redis.key_file),
    )
    return RedisStore(options, redis.namespace, settings.worker.shards)
