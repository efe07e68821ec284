"""The agent and what it feeds: partitions that are ready share one call of the sink.

In:  partition batches as Faust events, in order within a partition.
Out: calls of the sink, one at a time; events acknowledged in order once their batch is stored.

While one group of batches is being stored, the next is fetched and, if it is large, counted; how many records may
be fetched and not counted is bounded. Batches of a partition that pile up meanwhile are joined: under load the
commits grow, not the queue.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from stream.errors import KafkaUnavailable, StoreUnavailable
from stream.worker.contract import BatchSink, Lag, Limits, LogState, PartitionBatch
from stream.worker.epochs import Admission, FetchEpochs
from stream.worker.takeover import Outage

log = logging.getLogger(__name__)

TICK_S = 0.2
FEW = 16  # less than this fraction of what may be in flight is no room
AHEAD = (
    5_000  # records that are worth counting while the group before is being stored; fewer are joined with what follows
)
GATHER_S = 0.1  # from one group to the next while few records come: a group costs much more than a record
ON_THE_WAY_S = 0.01  # Faust's stream takes 50 us a batch; one it has dropped must not hold up the others for long


class Source(Protocol):
    """The consumer, as the committer sees it."""

    epochs: FetchEpochs

    def rewind(self, offsets: Mapping[int, int]) -> None:
        """Seek in a new fetch epoch."""

    def take_over(self) -> None:
        """Ask the sink anew where to go on, for all partitions."""

    def end_offsets(self) -> dict[int, int]:
        """End of each partition, where known."""


class _Nobody:
    """Stands in until the consumer is there: nothing can arrive before."""

    epochs = FetchEpochs()

    def rewind(self, offsets: Mapping[int, int]) -> None:
        """There is nothing to seek."""

    def take_over(self) -> None:
        """There is nothing to take over."""

    def end_offsets(self) -> dict[int, int]:
        """Nothing is read."""
        return {}


class _Waiting(NamedTuple):
    batch: PartitionBatch
    event: Any


class _Counted(NamedTuple):
    """A group whose commits are on their way: (partition, next offset, time of its last record) of each, its events."""

    positions: list[tuple[int, int, int | None]]
    events: dict[int, list[Any]]
    stored: asyncio.Future[Mapping[int, int]]


class Committer:
    """Calls the sink, never twice at once, and keeps count of what is fetched; at most one group is being stored."""

    def __init__(self, sink: BatchSink, limits: Limits, outage: Outage) -> None:
        self.sink = sink
        self._limits = limits
        self._outage = outage
        self._is_lost = False  # the sink failed; what it remembers is void until it has assigned anew
        self._turn = asyncio.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._storing: deque[_Counted] = deque()  # at most one while no other is being counted
        self._counted_s = 0.0  # when counting the last group began
        self._news = asyncio.Event()  # a batch has arrived, or a group is stored
        self._has_room = asyncio.Event()
        self._in_flight: dict[tuple[int, int, int], tuple[int, int]] = {}  # records and bytes of a batch
        self._records = 0
        self._bytes = 0
        self._stored: dict[int, tuple[int, int | None]] = {}
        self._source: Source = _Nobody()
        self._loop: asyncio.Task[None] | None = None

    async def start(self, source: Source, crash: Callable[[BaseException], Awaitable[None]]) -> None:
        """Start the sink, then wait for batches of `source`; an error that ends the worker goes to `crash`.

        Raises what `BatchSink.start` raises.
        """
        await self.sink.start()
        self._source = source
        self._loop = asyncio.create_task(self._run(crash), name="committer")

    async def stop(self) -> None:
        """Let what is in flight be stored, then stop the sink."""
        if self._loop is None:
            return
        async with self._turn:
            self._loop.cancel()
            await self._finish()
        self._loop = None
        self._forget()
        await self.sink.stop()

    # --- what is in flight

    @property
    def room(self) -> int:
        """How many more records may be fetched; none rather than a few, since each take becomes a commit."""
        free = self._limits.max_in_flight - self._records
        is_full = free * FEW < self._limits.max_in_flight or self._bytes >= self._limits.max_in_flight_bytes
        return 0 if is_full else free

    async def wait_for_room(self) -> None:
        """Wait until records may be fetched again."""
        while self.room <= 0:
            self._has_room.clear()
            await self._has_room.wait()

    def expect(self, batch: PartitionBatch) -> None:
        """Count a batch that was fetched and is on its way here."""
        size = len(batch.values) or 1
        self._in_flight[batch.partition, batch.epoch, batch.from_offset] = (size, batch.size_bytes)
        self._records += size
        self._bytes += batch.size_bytes

    def _done(self, batch: PartitionBatch) -> None:
        records, size_bytes = self._in_flight.pop((batch.partition, batch.epoch, batch.from_offset), (0, 0))
        self._records -= records
        self._bytes -= size_bytes
        self._has_room.set()

    def _forget(self) -> None:
        """Nothing is waiting any more: what still arrives is of an older epoch."""
        self._waiting.clear()
        self._in_flight.clear()
        self._records = self._bytes = 0
        self._has_room.set()

    # --- the agent's side

    def add(self, event: Any) -> None:
        """Take the next batch of a partition; what is out of place is dropped and, if need be, sought again."""
        batch: PartitionBatch = event.value
        admission = self._source.epochs.admit(batch)
        if admission is Admission.NEXT:
            self._waiting.append(_Waiting(batch, event))
            self._news.set()
            return
        self._done(batch)
        if admission is Admission.HOLE:
            expected = self._source.epochs.expected(batch.partition)
            log.info(
                "partition %d: a batch from offset %d came where %d was due; reading again from there",
                batch.partition, batch.from_offset, expected,
            )  # fmt: skip
            self._source.rewind({batch.partition: expected})

    # --- the consumer's side

    async def assign(self, states: Mapping[int, LogState]) -> Mapping[int, int]:
        """Ask the sink where to go on. Raises what `BatchSink.assign` raises."""
        async with self._turn:
            await self._finish()
            self._forget()
            offsets = await self.sink.assign(states)
            self._is_lost = False
        self._stored = {partition: (offset, None) for partition, offset in offsets.items()}
        return offsets

    async def revoke(self, partitions: Collection[int]) -> None:
        """Wait until what is in flight is stored, then let the sink forget these partitions."""
        async with self._turn:
            await self._finish()
            self._forget()
            self._is_lost = False
            for partition in partitions:
                self._stored.pop(partition, None)
            if self._loop is None or not partitions:
                return
            try:
                await self.sink.revoke(partitions)
            except StoreUnavailable as error:
                log.warning("letting go of partitions %s: %s", sorted(partitions), error)

    def stored_offsets(self) -> dict[int, int]:
        """Next offset as last stored, of each partition held."""
        return {partition: offset for partition, (offset, _) in self._stored.items()}

    def lag(self) -> dict[int, Lag]:
        """Lag of the partitions whose end is known."""
        now_ms = time.time() * 1000
        lags = {}
        for partition, end in self._source.end_offsets().items():
            if partition in self._stored:
                offset, recorded_ms = self._stored[partition]
                records = max(0, end - offset)
                behind_ms = now_ms - recorded_ms if records and recorded_ms is not None else 0.0
                lags[partition] = Lag(records, max(0.0, behind_ms / 1000), end)
        return lags

    # --- the loop

    async def _run(self, crash: Callable[[BaseException], Awaitable[None]]) -> None:
        due = time.monotonic()
        try:
            while True:
                pause = due - time.monotonic()
                if not self._waiting and not self._is_stored() and pause > 0:
                    self._news.clear()
                    await _first(self._news, pause)
                await self._gather()
                await self._let_arrive()
                async with self._turn:
                    await self._go_on()
                    if time.monotonic() >= due:
                        due = time.monotonic() + TICK_S
                        await self._tick()
        except Exception as error:  # noqa: BLE001 (whatever it is, the worker must not go on without its committer)
            await crash(error)

    def _is_stored(self) -> bool:
        return bool(self._storing) and self._storing[0].stored.done()

    async def _go_on(self) -> None:
        """Count the next group and take in the one before it; only a large one is counted before that is stored."""
        try:
            if self._is_stored() or 0 < self._waiting_records() < AHEAD:
                await self._settle(0)
            await self._count_next()
            await self._settle(1)
        except (StoreUnavailable, KafkaUnavailable) as error:
            await self._lose(error)

    async def _gather(self) -> None:
        """Wait for more records if only few are there and others have just been counted."""
        while self._waiting and self._waiting_records() < AHEAD:
            pause = self._counted_s + GATHER_S - time.monotonic()
            if pause <= 0:
                return
            self._news.clear()
            await _first(self._news, pause)

    def _waiting_records(self) -> int:
        return sum(len(item.batch.values) for item in self._waiting)

    async def _let_arrive(self) -> None:
        """Wait for what was read together with the first batch: it is on its way through Faust's stream."""
        deadline = time.monotonic() + ON_THE_WAY_S
        while self._waiting and len(self._waiting) < len(self._in_flight):
            pause = deadline - time.monotonic()
            if pause <= 0:
                return
            self._news.clear()
            await _first(self._news, pause)

    async def _count_next(self) -> None:
        group = self._next_group()
        if not group:
            return
        self._counted_s = time.monotonic()
        batches = [_joined([item.batch for item in items]) for items in group.values()]
        stored = await self.sink.count(batches)
        stored.add_done_callback(lambda _: self._news.set())
        for items in group.values():
            for item in items:
                self._done(item.batch)
        positions = [
            (batch.partition, batch.next_offset, batch.record_times[-1] if batch.record_times else None)
            for batch in batches
        ]
        events = {partition: [item.event for item in items] for partition, items in group.items()}
        self._storing.append(_Counted(positions, events, stored))

    async def _settle(self, left: int) -> None:
        """Take in groups until only `left` are on their way; all, if anything was refused."""
        moved: dict[int, int] = {}
        while self._storing and (moved or len(self._storing) > left):
            moved.update(await self._take_in(self._storing.popleft()))
        if moved:
            log.warning("the store was ahead or behind: reading again from %s", dict(sorted(moved.items())))
            self._stored.update({partition: (offset, None) for partition, offset in moved.items()})
            self._source.rewind(moved)

    async def _take_in(self, group: _Counted) -> Mapping[int, int]:
        """Wait until a group is stored and acknowledge it; returns what was refused, and where to read on."""
        moved = await group.stored
        for partition, next_offset, recorded_ms in group.positions:
            if partition not in moved:
                self._stored[partition] = (
                    next_offset,
                    self._stored_time(partition) if recorded_ms is None else recorded_ms,
                )
                for event in group.events[partition]:
                    event.ack()
        return moved

    async def _finish(self) -> None:
        """Wait until nothing is on its way to the store; where that leaves it is for the next assignment to read."""
        while self._storing:
            try:
                await self._take_in(self._storing.popleft())
            except (StoreUnavailable, KafkaUnavailable) as error:
                log.warning("a commit was left without a clear answer: %s", error)

    def _stored_time(self, partition: int) -> int | None:
        return self._stored.get(partition, (0, None))[1]

    def _next_group(self) -> dict[int, list[_Waiting]]:
        """Take what waits, up to the most of one commit; drop what was sought away meanwhile."""
        group: dict[int, list[_Waiting]] = {}
        sizes: dict[int, int] = {}
        total = 0
        most = self._limits.max_in_flight // 2  # the other half is read while this one is stored
        while self._waiting and total < most:
            item = self._waiting[0]
            partition, size = item.batch.partition, len(item.batch.values)
            if not self._source.epochs.is_current(item.batch):
                self._done(item.batch)
            elif partition in group and sizes[partition] + size > self._limits.max_records:
                break
            else:
                group.setdefault(partition, []).append(item)
                sizes[partition] = sizes.get(partition, 0) + size
                total += size
            self._waiting.popleft()
        return group

    async def _tick(self) -> None:
        if self._is_lost:
            return
        try:
            await self.sink.tick(self.lag())
        except (StoreUnavailable, KafkaUnavailable) as error:
            await self._lose(error)
        else:
            self._outage.end("tick")

    async def _lose(self, error: Exception) -> None:
        """Whether the sink stored anything is unknown: have it assign all anew, with pauses until it can."""
        await self._finish()
        self._forget()
        if not self._stored:  # nothing to take over: the next tick tries again
            self._outage.begin(str(error), "tick")
            return
        self._outage.begin(str(error))
        self._is_lost = True
        self._source.take_over()


def _joined(batches: Sequence[PartitionBatch]) -> PartitionBatch:
    """One batch of a partition's consecutive ones."""
    first, last = batches[0], batches[-1]
    if first is last:
        return first
    values, times, offsets, keys = list(first.values), list(first.record_times), list(first.offsets), list(first.keys)
    for batch in batches[1:]:
        values += batch.values
        times += batch.record_times
        offsets += batch.offsets
        keys += batch.keys
    return first._replace(
        first_offset=offsets[0] if offsets else last.next_offset,
        next_offset=last.next_offset,
        values=values,
        record_times=times,
        offsets=offsets,
        keys=keys,
        end_offset=last.end_offset,
        size_bytes=sum(batch.size_bytes for batch in batches),
    )


async def _first(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def register_agent(app: Any, committer: Committer) -> None:
    """Add the agent that hands every batch to `committer`; it acknowledges, in order, what is stored."""

    async def track(batches: Any) -> None:
        async for event in batches.noack().events():
            committer.add(event)

    app.agent(app.batch_topic, name="stream.worker.agent.track")(track)
