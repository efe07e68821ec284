"""Faust's Kafka transport with one Faust message per partition batch.

In:  `funnel://host:port` (several: `funnel://a:9092;b:9092`), found through the `faust.transports` entry point.
Out: messages whose value is a `PartitionBatch` and whose offset is the one before the next batch.

Faust's own driver runs aiokafka in a second thread. This one runs it in the app's loop: batches make the
thread's overlap worthless (the two threads fight for the interpreter), and with one thread an epoch, a seek and
a fetch cannot race. Group membership, rebalances, acknowledging and committing stay as Faust has them.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

import aiokafka
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import ConsumerStoppedError, KafkaConnectionError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.exceptions import ConsumerNotStarted
from faust.transport.consumer import Consumer, ensure_TPset
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from stream.errors import FunnelError, KafkaUnavailable
from stream.worker.contract import LogState, PartitionBatch
from stream.worker.epochs import FetchEpochs
from stream.worker.reading import BatchReader
from stream.worker.takeover import kafka_error, log_states, until_available

log = logging.getLogger(__name__)

POLL_S = 1.0  # longest wait for records before looking around again
STOP_COMMIT_S = 2.0


class BatchConsumer(Consumer):
    """Kafka consumer of one topic whose messages are partition batches.

    Its app is a `stream.worker.tracker_app.TrackerApp`: `app.limits` bounds batches, `app.committer` owns partitions.
    """

    if TYPE_CHECKING:
        app: Any  # Faust's type lacks what ours adds

    logger = log
    consumer_stopped_errors: ClassVar[tuple[type[BaseException], ...]] = (ConsumerStoppedError,)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.epochs = FetchEpochs()
        self._kafka: aiokafka.AIOKafkaConsumer | None = None
        self._taking_over: asyncio.Future[Any] | None = None
        self._reader: BatchReader | None = None
        self._committable: dict[TP, int] = {}

    # --- start and stop

    async def on_start(self) -> None:
        """Connect the store first, then Kafka: who cannot store takes no partition from those who can.

        In between the log is prepared, where it is a topic of ours.
        """
        await super().on_start()
        self.add_future(self._start_when_available())

    async def _start_when_available(self) -> None:
        try:
            committer = self.app.committer
            await until_available(lambda: committer.start(self, self.app.crash), self.app.outage)
            if self.app.prepare_log is not None:
                await until_available(self.app.prepare_log, self.app.outage)
            kafka = await until_available(self._connect, self.app.outage)
        except FunnelError as error:
            await self.crash(error)
            return
        app = self.app
        self._reader = BatchReader(kafka, app.topic_name, app.limits, app.committer, self.epochs, app.until)
        self._kafka = kafka

    async def _connect(self) -> aiokafka.AIOKafkaConsumer:
        servers, topic = driver.server_list(self.transport.url, driver.Transport.default_port), self.app.topic_name
        kafka = _new_consumer(self.app, servers)
        try:
            await kafka.start()
            # A subscription to a missing topic would only notice it with the next look at the cluster.
            is_there = topic in await kafka.topics()
        except KafkaError as error:
            await kafka.stop()
            # `topics` raises the bare class if the broker has gone away since the start; a refusal has one of its own.
            reason = KafkaConnectionError(str(error)) if type(error) is KafkaError else error
            raise kafka_error(reason, f"connecting to {', '.join(servers)}") from error
        except BaseException:
            await kafka.stop()
            raise
        if not is_there:
            await kafka.stop()
            raise KafkaUnavailable(f"topic {topic} is not there: create it, or check its name and the rights to it")
        return kafka

    async def on_stop(self) -> None:
        """Let the commit in flight finish, tell the group, leave it."""
        await self._give_up([tp.partition for tp in self.assignment()])
        await self.app.committer.stop()
        kafka, self._kafka = self._kafka, None
        if kafka is not None:
            await self._commit_quietly(kafka)
            await kafka.stop()
        cast("Transport", self.transport)._topic_waiters.clear()  # noqa: SLF001

    def close(self) -> None:
        """Nothing to do: `on_stop` closes."""

    # --- rebalance

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group for these topics once Kafka is there."""
        while self._kafka is None and not self.should_stop:
            await self.sleep(0.05)
        if self._kafka is not None:
            self._kafka.subscribe(topics=set(topics), listener=RebalanceListener(cast("Any", self)))

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Wait for the commit in flight, let go, tell the group how far we are."""
        await self._give_up([tp.partition for tp in revoked])
        if self._kafka is not None and revoked:
            await self._commit_quietly(self._kafka)
        self._committable.clear()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Hold the partitions still, and take them over in the background."""
        kafka = self._ensure_consumer()
        # aiokafka begins to fetch from the group's committed offset; ours is the stored one.
        kafka.pause(*(driver.ensure_aiokafka_TP(tp) for tp in assigned))
        await super().on_partitions_assigned(assigned, generation_id)
        self.take_over()

    def take_over(self) -> None:
        """Begin to take over all assigned partitions (anew); reading goes on once the sink has answered."""
        if self._taking_over is not None:
            self._taking_over.cancel()
        for partition in self._partitions():
            self.epochs.close(partition)
        self._taking_over = self.add_future(self._take_over())

    async def _take_over(self) -> None:
        partitions = self._partitions()
        if not partitions:
            self.app.outage.end()
            return
        try:
            offsets = await until_available(lambda: self._ask_sink(partitions), self.app.outage)
        except FunnelError as error:
            await self.crash(error)
            return
        log.info("taking over %d partitions: %s", len(offsets), dict(sorted(offsets.items())))
        self.rewind(offsets)

    async def _ask_sink(self, partitions: list[int]) -> Mapping[int, int]:
        states: dict[int, LogState] = await log_states(self._ensure_consumer(), self.app.topic_name, partitions)
        return cast("Mapping[int, int]", await self.app.committer.assign(states))

    async def _give_up(self, partitions: list[int]) -> None:
        if self._taking_over is not None:
            self._taking_over.cancel()
            self._taking_over = None
        for partition in partitions:
            self.epochs.close(partition)
        await self.app.committer.revoke(partitions)

    def _partitions(self) -> list[int]:
        return sorted(tp.partition for tp in self.assignment())

    # --- seek

    def rewind(self, offsets: Mapping[int, int]) -> None:
        """Start a new fetch epoch for these partitions, each at its offset."""
        if self._reader is not None:
            self._reader.seek(offsets)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek nowhere: `take_over` has sought, or will, to the stored offsets."""
        return {}

    async def perform_seek(self) -> None:
        """Faust asks for this after a rebalance, and gives up after a while; `take_over` does not."""

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek as `rewind` does."""
        self.rewind({tp.partition: offset for tp, offset in partitions.items()})

    async def _seek(self, partition: TP, offset: int) -> None:
        self.rewind({partition.partition: offset})

    # --- fetch

    async def _drain_messages(self, fetcher: Any) -> None:
        """Hand batches to the agent's stream until `fetcher` stops."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                if not self.flow_active:
                    await self.wait(cast("Any", self.can_resume_flow))
                    continue
                try:
                    async for _tp, message in self.getmany(POLL_S):
                        await self.callback(message)
                except KafkaUnavailable as error:
                    log.warning("%s", error)
                    await self.sleep(POLL_S)
        except FunnelError as error:
            await self.crash(error)
        except (asyncio.CancelledError, ConsumerStoppedError):
            # Faust takes a fetcher that is cancelled during a rebalance for crashed, even at the end.
            if not (self.should_stop or fetcher.should_stop or self.app.should_stop):
                raise

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 (Faust's signature)
        """Yield one message per partition batch that is ready, after at most `timeout` seconds."""
        for tp, batches in (await self._getmany(None, timeout)).items():
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            for batch in batches:
                yield tp, self._to_message(tp, batch)

    async def _getmany(
        self,
        active_partitions: set[TP] | None,  # noqa: ARG002 (the sought ones are)
        timeout: float,  # noqa: ASYNC109
    ) -> Mapping[TP, list[PartitionBatch]]:
        if self._reader is None:
            await self.sleep(timeout)
            return {}
        batches = await self._reader.read(timeout)
        return {TP(self.app.topic_name, partition): read for partition, read in batches.items()}

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        batch: PartitionBatch = record
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            batch.next_offset - 1,
            batch.record_times[-1] / 1000 if batch.record_times else 0.0,
            0,
            None,
            None,
            cast("Any", batch),
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    # --- acknowledge and commit (the group's offsets are only for lag tools)

    def ack(self, message: Any) -> bool:
        """Remember that everything before the batch's next offset is stored."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        self._committable[message.tp] = message.value.next_offset
        return True

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002
        """Tell the group how far each partition is stored; failing is no harm, the next one follows."""
        return self._kafka is not None and await self._commit_quietly(self._kafka)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        self._committable.update(offsets)
        return await self.force_commit()

    async def _commit_quietly(self, kafka: aiokafka.AIOKafkaConsumer) -> bool:
        held = kafka.assignment()
        offsets = {
            aio: OffsetAndMetadata(offset, "")
            for tp, offset in self._committable.items()
            if (aio := driver.ensure_aiokafka_TP(tp)) in held
        }
        if not offsets:
            return False
        self._committable.clear()
        try:
            async with asyncio.timeout(STOP_COMMIT_S):
                await kafka.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            log.info("the group's committed offsets were not written (%r); the stored offsets are not touched", error)
            return False
        return True

    async def wait_empty(self) -> None:
        """Wait for nothing: the committer does, on revocation."""

    # --- look

    def silence_s(self) -> float:
        """Seconds without any answer of a broker to our fetches; 0.0 while nothing is asked."""
        return 0.0 if self._reader is None else self._reader.silence_s()

    def end_offsets(self) -> dict[int, int]:
        """End of what may be read of each partition that is read, where known."""
        return {} if self._reader is None else self._reader.end_offsets()

    def unsettled(self) -> str:
        """Why no records are read now, "" if they are (or no partition is ours)."""
        if self._kafka is None:
            return "connecting"
        if not self._kafka.subscription():
            return "joining the consumer group"
        if not self._kafka.partitions_for_topic(self.app.topic_name):
            return f"topic {self.app.topic_name} is not there any more"
        if not all(self.epochs.is_open(partition) for partition in self._partitions()):
            return "taking over partitions"
        return ""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's livelock log lines do not fit batches; `stream.worker.watchdog` watches instead."""

    def _ensure_consumer(self) -> aiokafka.AIOKafkaConsumer:
        if self._kafka is None:
            raise ConsumerNotStarted("not connected to Kafka yet")
        return self._kafka

    def assignment(self) -> set[TP]:
        """Return the partitions held now."""
        return ensure_TPset(self._kafka.assignment()) if self._kafka is not None else set()

    def highwater(self, tp: TP) -> int:
        """Return the end of what may be read, 0 before the first fetch."""
        return self._ensure_consumer().last_stable_offset(driver.ensure_aiokafka_TP(tp)) or 0

    async def position(self, tp: TP) -> int | None:
        """Return the offset of the next fetch."""
        return cast("int", await self._ensure_consumer().position(driver.ensure_aiokafka_TP(tp)))

    def topic_partitions(self, topic: str) -> int | None:
        """Return how many partitions a topic has."""
        return len(self._ensure_consumer().partitions_for_topic(topic) or ()) or None

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Return where each log begins."""
        return cast("Mapping[TP, int]", await self._ensure_consumer().beginning_offsets(partitions))

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Return where each log ends."""
        return cast("Mapping[TP, int]", await self._ensure_consumer().end_offsets(partitions))

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:  # noqa: ARG002
        """Nothing is sent through this consumer."""
        return partition

    async def create_topic(self, topic: str, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Topics on the user's cluster are the user's."""
        log.warning("topic %s is not created: create it on the cluster", topic)

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)


class RebalanceListener(driver.ConsumerRebalanceListener):
    """Faust's, but for what the group hands out while we leave it: that is the next one's."""

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Take partitions in."""
        if not self._thread.should_stop:
            await super().on_partitions_assigned(assigned)


class Transport(driver.Transport):
    """aiokafka transport for partition batches, `funnel://`."""

    Consumer: ClassVar[Any] = BatchConsumer


def _new_consumer(app: Any, servers: list[str]) -> aiokafka.AIOKafkaConsumer:
    conf, limits = app.conf, app.limits
    return aiokafka.AIOKafkaConsumer(
        bootstrap_servers=servers,
        client_id=conf.broker_client_id,
        group_id=conf.id,
        group_instance_id=conf.consumer_group_instance_id,
        partition_assignment_strategy=[RoundRobinPartitionAssignor],
        enable_auto_commit=False,
        # A stored offset that the log no longer has must stop the worker, not move it silently.
        auto_offset_reset="none",
        isolation_level="read_committed",
        max_partition_fetch_bytes=limits.fetch_partition_bytes,
        fetch_max_bytes=limits.fetch_bytes,
        fetch_max_wait_ms=500,
        check_crcs=conf.broker_check_crcs,
        request_timeout_ms=int(conf.broker_request_timeout * 1000),
        session_timeout_ms=int(conf.broker_session_timeout * 1000),
        heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
        rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
        max_poll_interval_ms=int((conf.broker_max_poll_interval or 0) * 1000),
        metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
        connections_max_idle_ms=conf.consumer_connections_max_idle_ms,
        **app.security,
    )
