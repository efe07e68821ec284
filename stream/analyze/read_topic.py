"""A topic's records up to a snapshot of its end offsets. Joins no group and commits nothing.

In:  the cluster's settings, a topic; where to stop, or its end.
Out: columns of records, partition by partition in offset order, as they come.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple, Protocol, Self, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from stream.errors import AnalyzeError, KafkaUnavailable
from stream.settings.clients import kafka_arguments
from stream.settings.texts import closest
from stream.settings.tracker import KafkaSettings
from stream.worker.contract import PartitionBatch
from stream.worker.takeover import kafka_error

ASK_TIMEOUT_S = 20.0
SILENT_S = 30.0
"""A broker that leads a partition answers in milliseconds; this long it may take to find a new leader."""
WAIT_MS = 1_000


class Span(NamedTuple):
    """A partition's offsets: the first retained, and the end of what may be read."""

    first: int
    end: int


class TimedValue(NamedTuple):
    """A record's bytes, and the broker's stamp in ms; -1 and None are none."""

    value: bytes | None
    record_ms: int | None


class Log(Protocol):
    """A log whose records can be read span by span; `Topic` is one."""

    async def spans(self) -> Mapping[int, Span]:
        """Return the offsets of every partition."""

    def batches(self, spans: Mapping[int, Span]) -> AsyncGenerator[PartitionBatch, None]:
        """Yield the records of these spans, each partition's in order."""


# partition, values, record times in ms, offsets, origin of ids, and where its log goes on
TakeRecords: TypeAlias = Callable[[int, list[bytes | None], list[int | None], list[int | str], str, int], Any]


async def topic_spans(kafka: KafkaSettings, topic: str) -> dict[int, Span]:
    """Return the offsets of every partition. Raises as `read_topic` does."""
    async with Topic(kafka, topic) as reader:
        return await reader.spans()


async def read_topic(
    kafka: KafkaSettings,
    topic: str,
    take: TakeRecords,
    until: Mapping[int, int] | None = None,
    told: Callable[[int, int], Any] | None = None,
) -> dict[int, Span]:
    """Read a topic with read_committed and hand its records to `take`; returns what was read of each partition.

    until: where to stop, by partition (others are not read); if absent, the end offsets of now. `told` is called with
    (offsets read, offsets to read). Raises `AnalyzeError` if there is no such topic or it ends before `until`,
    `KafkaUnavailable` or `KafkaRefused` if Kafka does not let us.
    """
    async with Topic(kafka, topic) as reader:
        spans = await reader.spans()
        if until is not None:
            short = [number for number, end in until.items() if number not in spans or spans[number].end < end]
            if short:
                raise AnalyzeError(
                    f"topic {topic} partition {short[0]} ends before offset {until[short[0]]}, up to which it was "
                    "counted: it was made anew, or this is another cluster"
                )
            spans = {number: Span(min(spans[number].first, end), end) for number, end in until.items()}
        await reader.read(spans, take, told)
        return spans


async def record_at(kafka: KafkaSettings, topic: str, partition: int, offset: int) -> list[bytes | None]:
    """Return the value of the record at an offset, alone in a list; an empty one if there is no such record."""
    found: list[bytes | None] = []

    def take(_partition: int, values: list[bytes | None], *_rest: Any) -> None:
        found.extend(values)

    async with Topic(kafka, topic) as reader:
        span = (await reader.spans())[partition]
        if span.first <= offset < span.end:
            await reader.read({partition: Span(offset, offset + 1)}, take, None)
    return found


async def first_records(
    kafka: KafkaSettings, topic: str, starts: Mapping[int, int], count: int
) -> dict[int, list[TimedValue]]:
    """Return the first records from an offset of each partition on: about `count`, none where nothing comes any more.

    Raises as `read_topic` does.
    """
    found: dict[int, list[TimedValue]] = {number: [] for number in starts}

    def take(partition: int, values: list[bytes | None], record_times: list[int | None], *_rest: Any) -> None:
        found[partition] += map(TimedValue, values, record_times)

    async with Topic(kafka, topic) as reader:
        ends = {number: span.end for number, span in (await reader.spans()).items()}
        at = dict(starts)
        # Markers of transactions have offsets too, and so had what was compacted away.
        while spans := {
            number: Span(offset, min(offset + count, ends[number]))
            for number, offset in at.items()
            if not found[number] and offset < ends[number]
        }:
            await reader.read(spans, take, None)
            at = {number: span.end for number, span in spans.items()}
    return found


async def offsets_at(kafka: KafkaSettings, topic: str, times: Mapping[int, int]) -> dict[int, int]:
    """Return by partition the offset of the first record whose record time is at or after an instant in ms.

    Partitions that have none are left out. Raises as `read_topic` does.
    """
    async with Topic(kafka, topic) as reader:
        return await reader.offsets_at(times)


async def first_record_times(kafka: KafkaSettings, topic: str, offsets: Mapping[int, int]) -> dict[int, int]:
    """Return by partition the record time in ms of the first record at or after an offset; left out where none is.

    Raises as `read_topic` does.
    """
    async with Topic(kafka, topic) as reader:
        spans = await reader.spans()
        found = {n: await first_record_time(reader, n, Span(offset, spans[n].end)) for n, offset in offsets.items()}
        return {number: time_ms for number, time_ms in found.items() if time_ms is not None}


async def first_record_time(log: Log, number: int, span: Span) -> int | None:
    """Return the record time in ms of the first record of a partition's span; None if there is none."""
    async with aclosing(log.batches({number: span})) as batches:
        async for batch in batches:
            if batch.record_times:
                return batch.record_times[0]
    return None


class Topic:
    """A consumer without a group on one topic. Its methods raise as `read_topic` does."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._kafka, self._topic = kafka, topic
        self._doing = f"reading topic {topic} at {kafka.bootstrap}"
        self._consumer = AIOKafkaConsumer(
            **kafka_arguments(kafka),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )

    async def __aenter__(self) -> Self:
        """Connect."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                await self._consumer.start()
        except BaseException as error:
            await self._consumer.stop()
            if isinstance(error, KafkaError | TimeoutError):
                raise kafka_error(error, self._doing) from error
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give back the connection."""
        await self._consumer.stop()

    async def spans(self) -> dict[int, Span]:
        """Return the offsets of every partition."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                return await self._spans()
        except (KafkaError, TimeoutError) as error:
            raise kafka_error(error, self._doing) from error

    async def _spans(self) -> dict[int, Span]:
        consumer, topic = self._consumer, self._topic
        # Asked for by name, a missing topic would be created by brokers that are set so.
        topics = await consumer.topics()
        if topic not in topics:
            guess = closest(topic, topics)
            hint = f'did you mean "{guess}"?' if guess else f"there are {len(topics)} topics that this user may see"
            raise AnalyzeError(f'topic "{topic}" does not exist at {self._kafka.bootstrap} ({hint})')
        await consumer._client.add_topic(topic)  # noqa: SLF001 (its partitions are known only then)
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        first, end = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        return {tp.partition: Span(first[tp], end[tp]) for tp in partitions}

    async def offsets_at(self, times: Mapping[int, int]) -> dict[int, int]:
        """Return what the function of that name does."""
        await self.spans()
        asked = {TopicPartition(self._topic, number): max(0, time_ms) for number, time_ms in times.items()}
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                found = await self._consumer.offsets_for_times(asked)
        except (KafkaError, TimeoutError) as error:
            raise kafka_error(error, self._doing) from error
        return {tp.partition: at.offset for tp, at in found.items() if at is not None}

    async def read(self, spans: Mapping[int, Span], take: TakeRecords, told: Callable[[int, int], Any] | None) -> None:
        """Hand over the records of these spans, as `read_topic` does."""
        begins = {number: span.first for number, span in spans.items()}
        total = sum(span.end - span.first for span in spans.values())
        done = dict.fromkeys(spans, 0)
        async with aclosing(self.batches(spans)) as batches:
            async for batch in batches:
                number = batch.partition
                origin = f"{self._topic}/{number}/"
                take(number, batch.values, [*batch.record_times], [*batch.offsets], origin, batch.next_offset)
                done[number] = batch.next_offset - begins[number]
                if told is not None:
                    told(sum(done.values()), total)

    async def batches(self, spans: Mapping[int, Span]) -> AsyncGenerator[PartitionBatch, None]:
        """Yield the records of these spans, each partition's in order up to the end of its span."""
        try:
            async with aclosing(self._batches(spans)) as batches:
                async for batch in batches:
                    yield batch
        except KafkaError as error:
            raise kafka_error(error, self._doing) from error

    async def _batches(self, spans: Mapping[int, Span]) -> AsyncGenerator[PartitionBatch, None]:
        consumer = self._consumer
        left = {TopicPartition(self._topic, number): span for number, span in spans.items() if span.first < span.end}
        if not left:
            return  # a consumer that is assigned nothing does not stop
        read_to = {tp: span.first for tp, span in left.items()}
        consumer.assign(list(left))
        for tp, span in left.items():
            consumer.seek(tp, span.first)
        heard_s = time.monotonic()
        while left:
            fetched = await consumer.getmany(*left, timeout_ms=WAIT_MS)
            for tp in list(left):
                end, begin = left[tp].end, read_to[tp]
                position = min(await consumer.position(tp), end)
                if position == begin:
                    continue
                read_to[tp] = position
                if position == end:
                    del left[tp]
                    consumer.pause(tp)
                yield _batch(tp.partition, begin, position, end, fetched.get(tp, []))
                heard_s = time.monotonic()
            if time.monotonic() - heard_s > SILENT_S:
                raise KafkaUnavailable(f"Kafka gives nothing of {len(left)} partitions any more ({self._doing})")


def _batch(partition: int, begin: int, position: int, end: int, fetched: Sequence[Any]) -> PartitionBatch:
    records = [record for record in fetched if record.offset < end]
    offsets = [record.offset for record in records]
    return PartitionBatch(
        partition=partition,
        from_offset=begin,
        first_offset=offsets[0] if offsets else position,
        next_offset=position,
        values=[record.value for record in records],
        record_times=[record.timestamp for record in records],
        offsets=offsets,
        keys=[record.key for record in records],
        end_offset=end,
    )
