"""Write simulated records to a Kafka topic, keyed by actor, with the delivery time as the record's timestamp.

In:  `SimRecord`s in delivery order.
Out: the same records in Kafka, each once and in order, and how many were acknowledged.

Failures of Kafka end the run with `SimulateError`: a simulation with holes would be mistaken for lost events.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.partitioner import DefaultPartitioner

from stream.errors import SimulateError
from stream.simulate.pace import Pace
from stream.simulate.shop import SimRecord

BATCH_BYTES = 131_072
"""Some 400 records: large enough to compress well, far below the broker's limit of 1 MB."""

GATHER_SECONDS = 0.005
"""In real time, records due within this go out together."""

MAX_CACHED_KEYS = 100_000
BROKER_DEFAULT = -1
"""Replication factor: as the broker is configured."""


@dataclass(frozen=True, slots=True)
class TopicTarget:
    """Where to write; `partitions` creates the topic if it is missing, `None` requires that it exists."""

    bootstrap: str
    topic: str
    partitions: int | None = None


async def produce(
    records: Iterable[SimRecord], target: TopicTarget, *, stop: asyncio.Event, pace: Pace | None = None
) -> int:
    """Send records until they end or `stop` is set, wait for the acknowledgements, return how many there were.

    Raises `SimulateError` if Kafka is not there, the topic is missing, or a record is refused.
    """
    try:
        await _require_topic(target)
        producer = AIOKafkaProducer(
            bootstrap_servers=target.bootstrap,
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            linger_ms=0,  # batches are gathered below
            max_batch_size=BATCH_BYTES,
        )
        await producer.start()
        try:
            return await _send_all(producer, records, target.topic, stop, pace)
        finally:
            await producer.stop()
    except (KafkaError, OSError) as error:
        raise SimulateError(
            f"Kafka at {target.bootstrap}, topic {target.topic}: {error}; is it running, and is the address right?"
        ) from error


class _Sender:
    """Fills one batch per partition and hands it over whole: three times as fast as record by record."""

    def __init__(self, producer: Any, topic: str, partitions: list[int]) -> None:
        self.acknowledged = 0
        self.failure: BaseException | None = None
        self._producer = producer
        self._topic = topic
        self._partitions = partitions
        self._choose = DefaultPartitioner()
        self._partition_of: dict[bytes, int] = {}
        self._batches: dict[int, Any] = {}
        self._unanswered: set[asyncio.Future[Any]] = set()

    async def add(self, record: SimRecord) -> None:
        """Put the record behind the others of its partition, sending these first if the batch is full."""
        partition = self._partition(record.key)
        if partition in self._batches and self._append(partition, record):
            return
        await self._send(partition)
        self._batches[partition] = self._producer.create_batch()
        self._append(partition, record)  # the first record of a batch always fits

    async def send_all(self) -> None:
        """Hand over every batch, full or not."""
        for partition in list(self._batches):
            await self._send(partition)

    async def settle(self) -> None:
        """Wait until Kafka has answered for everything handed over."""
        await asyncio.gather(*self._unanswered, return_exceptions=True)

    def _append(self, partition: int, record: SimRecord) -> bool:
        batch = self._batches[partition]
        return batch.append(timestamp=record.record_ms, key=record.key, value=record.value) is not None

    async def _send(self, partition: int) -> None:
        batch = self._batches.pop(partition, None)
        if batch is None:
            return
        batch.close()
        count = batch.record_count()
        sent = await self._producer.send_batch(batch, self._topic, partition=partition)
        self._unanswered.add(sent)
        sent.add_done_callback(lambda done: self._take(done, count))

    def _take(self, sent: "asyncio.Future[Any]", count: int) -> None:
        """Count what Kafka took and keep the first failure."""
        self._unanswered.discard(sent)
        error = sent.exception()
        if error is None:
            self.acknowledged += count
        elif self.failure is None:
            self.failure = error

    def _partition(self, key: bytes | None) -> int:
        if key is None:
            return int(self._choose(None, self._partitions, self._partitions))
        partition = self._partition_of.get(key)
        if partition is None:
            if len(self._partition_of) >= MAX_CACHED_KEYS:
                self._partition_of.clear()
            partition = self._partition_of[key] = int(self._choose(key, self._partitions, self._partitions))
        return partition


async def _send_all(
    producer: Any, records: Iterable[SimRecord], topic: str, stop: asyncio.Event, pace: Pace | None
) -> int:
    sender = _Sender(producer, topic, sorted(await producer.partitions_for(topic)))
    for record in records:
        if pace is not None and (ahead := pace.ahead_seconds(record.record_ms)) > 0:
            await sender.send_all()
            await _wait(stop, max(ahead, GATHER_SECONDS))
        if stop.is_set() or sender.failure is not None:
            break
        await sender.add(record)
    await sender.send_all()
    await sender.settle()
    if sender.failure is not None:
        raise sender.failure
    return sender.acknowledged


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def _require_topic(target: TopicTarget) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=target.bootstrap)
    await admin.start()
    try:
        if target.topic in await admin.list_topics():
            return
        if target.partitions is None:
            raise SimulateError(
                f"topic {target.topic} does not exist at {target.bootstrap}; give --partitions N to create it"
            )
        # An empty assignment, not a missing one: only then aiokafka lets the broker choose the replication factor.
        wanted = NewTopic(
            target.topic,
            target.partitions,
            BROKER_DEFAULT,
            replica_assignments={},
            topic_configs={"message.timestamp.type": "CreateTime"},
        )
        answer = await admin.create_topics([wanted])
        for _, code, *_ in answer.topic_errors:
            failure = for_code(code)
            if code and failure is not TopicAlreadyExistsError:
                raise failure(target.topic)
    finally:
        await admin.close()
