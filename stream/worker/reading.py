"""Read partition batches with an aiokafka consumer: what it has fetched, as columns, within bounds.

In:  a started consumer of one topic; seeks.
Out: partition batches in order, each marked with the fetch epoch in which it was read.

At low rates a few milliseconds pass between two fetches, so that batches are larger and fewer; while the
broker has more than it could send, no time passes. Records are taken from aiokafka only while there is room for them.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchError, FetchResult
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from stream.errors import KafkaRefused
from stream.worker.columns import Columns, take_columns
from stream.worker.contract import Limits, PartitionBatch
from stream.worker.epochs import FetchEpochs
from stream.worker.takeover import kafka_error

log = logging.getLogger(__name__)

SILENT_S = 5.0  # a broker answers a fetch within half a second, records or not; ten times that is silence


class Room(Protocol):
    """How many records may be on their way, and who counts them."""

    @property
    def room(self) -> int:
        """How many more records may be taken."""

    async def wait_for_room(self) -> None:
        """Wait until records may be taken again."""

    def expect(self, batch: PartitionBatch) -> None:
        """Count a batch that was taken."""


class BatchReader:
    """Takes batches out of `kafka`; `seek` starts a new epoch of a partition, and only sought ones are read.

    until: offsets at which reading ends, by partition; the others are read for ever.
    """

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        kafka: AIOKafkaConsumer,
        topic: str,
        limits: Limits,
        room: Room,
        epochs: FetchEpochs,
        until: Mapping[int, int] | None = None,
    ) -> None:
        self._kafka, self._topic, self._limits, self._room, self._epochs = kafka, topic, limits, room, epochs
        self._until = until or {}
        self._finished: set[int] = set()
        self._held: list[tuple[TopicPartition, FetchResult]] = []
        self._drained_at = 0.0
        self._asking_since = time.time()

    def seek(self, offsets: Mapping[int, int]) -> None:
        """Start a new fetch epoch at the offset of each of these partitions that is still held."""
        held = self._kafka.assignment()
        for partition, offset in offsets.items():
            tp = TopicPartition(self._topic, partition)
            if tp in held:
                self._epochs.seek(partition, offset)
                self._kafka.seek(tp, offset)
                self._finished.discard(partition)
                if not self._finishes(tp, offset):
                    self._kafka.resume(tp)
        self._asking_since = time.time()

    def _finishes(self, tp: TopicPartition, offset: int) -> bool:
        """Read no further where a partition has come to its end."""
        until = self._until.get(tp.partition)
        if until is None or offset < until:
            return False
        self._finished.add(tp.partition)
        self._kafka.pause(tp)
        return True

    async def read(self, seconds: float) -> dict[int, list[PartitionBatch]]:
        """Return what is ready, after at most `seconds` (longer while there is no room).

        Raises `KafkaUnavailable`, and `KafkaRefused` if the log lacks the offset or rights are missing.
        """
        if self._room.room <= 0:
            await self._room.wait_for_room()
            self._asking_since = time.time()
        await self._gather()
        self._check_alive()
        fetcher = self._kafka._fetcher  # noqa: SLF001 (pinned to aiokafka 0.14, here and below)
        with fetcher._subscriptions.fetch_context():  # noqa: SLF001
            batches = self._drain()
            if not batches:
                waiter = fetcher._create_fetch_waiter()  # noqa: SLF001
                await asyncio.wait([waiter], timeout=seconds)
                if not waiter.done():
                    waiter.cancel()
                elif waiter.exception() is not None:
                    raise kafka_error(waiter.exception(), f"reading topic {self._topic}")
                batches = self._drain()
        if batches:
            self._asking_since = time.time()
        return batches

    def silence_s(self) -> float:
        """Seconds without any answer to our fetches; 0.0 while we do not ask for records."""
        held = self._open()
        if not held or self._room.room <= 0:
            return 0.0
        answered_ms = max(self._kafka.last_poll_timestamp(tp) or 0 for tp in held)
        return max(0.0, time.time() - max(answered_ms / 1000, self._asking_since))

    def end_offsets(self) -> dict[int, int]:
        """End of what may be read of each partition that is read, where a broker said so lately."""
        if self.silence_s() > SILENT_S:
            return {}
        ends = {tp.partition: self._kafka.last_stable_offset(tp) for tp in self._open()}
        return {partition: end for partition, end in ends.items() if end is not None}

    def _open(self) -> list[TopicPartition]:
        return [tp for tp in self._kafka.assignment() if self._is_read(tp.partition)]

    def _is_read(self, partition: int) -> bool:
        return self._epochs.is_open(partition) and partition not in self._finished

    async def _gather(self) -> None:
        if not self._held:
            return
        pause = self._drained_at + self._limits.gather_ms / 1000 - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        held, self._held = self._held, []
        self._release(held)

    def _release(self, results: Iterable[tuple[TopicPartition, Any]]) -> None:
        """Let aiokafka fetch these partitions again: it does not while a result of theirs lies there."""
        fetcher = self._kafka._fetcher  # noqa: SLF001
        for tp, result in results:
            if fetcher._records.get(tp) is result:  # noqa: SLF001
                del fetcher._records[tp]  # noqa: SLF001
        fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001

    def _drain(self) -> dict[int, list[PartitionBatch]]:
        fetcher = self._kafka._fetcher  # noqa: SLF001
        batches: dict[int, list[PartitionBatch]] = {}
        if fetcher._subscriptions.reassignment_in_progress:  # noqa: SLF001
            return batches
        finished: list[tuple[TopicPartition, FetchResult]] = []
        is_behind = False
        for tp, result in self._ready():
            if self._room.room <= 0:
                is_behind = True
                break
            if isinstance(result, FetchError):
                if not batches:  # else what has been taken goes first, and this comes up again
                    self._release([(tp, result)])
                    _raise_fetch_error(result, tp)
                continue
            taken, is_empty = self._take(tp, result)
            if taken:
                batches[tp.partition] = taken
            if is_empty:
                finished.append((tp, result))
            else:
                fetcher._records.move_to_end(tp)  # noqa: SLF001 (the others first, next time)
                result._backoff = 0.0  # noqa: SLF001 (what is left of it must not keep the others from being fetched)
            state = result._assignment.state_value(tp)  # noqa: SLF001
            is_behind = is_behind or not is_empty or (state.lso or 0) > state.position
        self._drained_at = time.monotonic()
        if is_behind:
            self._release(finished)
        else:
            self._held += finished
        return batches

    def _ready(self) -> Iterator[tuple[TopicPartition, Any]]:
        """Yield what aiokafka has fetched of open partitions, and throw away what is out of place."""
        for tp, result in list(self._kafka._fetcher._records.items()):  # noqa: SLF001
            if not self._epochs.is_open(tp.partition) or any(result is held for _, held in self._held):
                continue
            if tp.partition in self._finished:
                self._release([(tp, result)])
                continue
            if isinstance(result, FetchError) or (result.has_more() and result.check_assignment(tp)):
                yield tp, result
            else:
                self._release([(tp, result)])

    def _take(self, tp: TopicPartition, result: FetchResult) -> tuple[list[PartitionBatch], bool]:
        source = result._partition_records  # noqa: SLF001
        began = source.next_fetch_offset
        most = min(self._limits.max_records, self._room.room)
        try:
            columns, is_empty = take_columns(source, most, self._limits.max_bytes)
        except CorruptRecordException as error:
            # Nothing of it was handed on; fetched again it may be whole. If it never is, the watchdog ends the worker.
            log.error("topic %s, partition %d: %s; it is fetched again", tp.topic, tp.partition, error)  # noqa: TRY400
            source.next_fetch_offset = began
            return [], True
        result._update_position()  # noqa: SLF001
        until = self._until.get(tp.partition)
        if until is not None and columns.next_offset >= until:
            columns.end_at(until)
            is_empty = self._finishes(tp, until)  # what is behind it is thrown away
        if columns.next_offset == began:
            return [], is_empty
        batches = list(self._split(tp, began, columns))
        for batch in batches:
            self._room.expect(batch)
        return batches, is_empty

    def _split(self, tp: TopicPartition, began: int, columns: Columns) -> Iterator[PartitionBatch]:
        """Cut columns into batches of at most `max_records` (one record batch of a producer can hold more)."""
        size, total = self._limits.max_records, len(columns.values)
        epoch, end_offset = self._epochs.current(tp.partition), self._kafka.last_stable_offset(tp)
        for start in range(0, max(total, 1), size):
            end = start + size
            next_offset = columns.next_offset if end >= total else columns.offsets[end]
            offsets = columns.offsets[start:end]
            yield PartitionBatch(
                partition=tp.partition,
                from_offset=began,
                first_offset=offsets[0] if offsets else next_offset,
                next_offset=next_offset,
                values=columns.values[start:end],
                record_times=columns.record_times[start:end],
                offsets=offsets,
                keys=columns.keys[start:end],
                end_offset=end_offset,
                epoch=epoch,
                size_bytes=columns.size_bytes * len(offsets) // max(total, 1),
            )
            began = next_offset

    def _check_alive(self) -> None:
        """End loudly if aiokafka's own tasks have ended: nothing would ever arrive again, and nobody would notice."""
        fetcher = self._kafka._fetcher  # noqa: SLF001
        if self._kafka._closed or fetcher._closed:  # noqa: SLF001
            raise ConsumerStoppedError
        for task in (fetcher._fetch_task, self._kafka._coordinator._coordination_task):  # noqa: SLF001
            if task.done():
                raise KafkaRefused(f"the Kafka client stopped by itself ({_outcome(task)}): start the worker anew")


def _raise_fetch_error(result: FetchError, tp: TopicPartition) -> None:
    error = result._error  # noqa: SLF001
    if isinstance(error, NoOffsetForPartitionError):
        return  # of before the seek
    if isinstance(error, OffsetOutOfRangeError):
        raise KafkaRefused(
            f"topic {tp.topic}, partition {tp.partition}: the log has no offset {dict(error.args[0]).get(tp)}; "
            "records were deleted before they were counted (make retention longer), or the topic was made anew"
        )
    raise kafka_error(error, f"reading topic {tp.topic}, partition {tp.partition}")


def _outcome(task: "asyncio.Task[Any]") -> str:
    if task.cancelled():
        return "cancelled"
    return repr(task.exception()) if task.exception() else "ended"
