"""One session of repartitioning: a consumer of the sources and a sender to the log, until something goes wrong.

In:  the sources' topics, read in a consumer group, committed records only.
Out: envelopes in the log; then, and only then, the group's offsets behind them.

Nothing is kept from one session to the next but those offsets, so that a new one is right after any failure.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, NoOffsetForPartitionError

from stream.errors import KafkaUnavailable
from stream.settings.sources import mapping_of
from stream.settings.tracker import SourceSettings
from stream.worker.batch_sender import ANSWER_S, BatchSender
from stream.worker.contract import Lag
from stream.worker.envelope import EnvelopeWriter
from stream.worker.group_lag import GroupLag
from stream.worker.log_topic import LogTopic, topic_partitions

log = logging.getLogger(__name__)

BATCH_RECORDS = 4_000  # some 30 ms of work: the worker's event loop serves heartbeats and metrics in between
POLL_MS = 500
COMMIT_S = 1.0  # what a crash may write again
CLOSE_S = 5.0
GIVE_UP_S = 30.0  # brokers answer a fetch within half a second, records or not; but clients can stop without an error
LOOK_FOR_TOPICS_S = 30.0
SESSION_MS = 6_000
HEARTBEAT_MS = 2_000


class SourceTopics:
    """Which topics the sources have on the cluster; `missing` are those named in settings that are not there."""

    def __init__(self, sources: Iterable[SourceSettings]) -> None:
        self._sources = tuple(sources)
        self.missing: tuple[str, ...] = ()

    def find(self, existing: Iterable[str]) -> dict[str, SourceSettings]:
        """Return the sources' topics among `existing`, each with its source; remember those that are missing."""
        found = {topic: source for topic in existing if (source := self.source_of(topic)) is not None}
        named = [topic for source in self._sources for topic in source.topics]
        self.missing = tuple(topic for topic in named if topic not in found)
        return found

    def source_of(self, topic: str) -> SourceSettings | None:
        """Return the source that `topic` belongs to: the one that names it, else the first whose pattern fits."""
        for source in self._sources:
            if topic in source.topics:
                return source
        for source in self._sources:
            if source.pattern is not None and re.fullmatch(source.pattern, topic):
                return source
        return None

    def missing_text(self) -> str:
        """Say what is missing, "" if nothing is."""
        if not self.missing:
            return ""
        return (
            f"no topic {', '.join(self.missing)} is there: create it, or check its name and the rights to describe it"
        )


class Link(NamedTuple):
    """How a session reaches Kafka; `connection` holds aiokafka's arguments for servers and security."""

    connection: Mapping[str, Any]
    group: str
    log_topic: str
    instance_id: str
    gather_ms: int


class Session:
    """One consumer and one producer, from connecting to the first failure."""

    def __init__(
        self, link: Link, topics: SourceTopics, log_topic: LogTopic, count: Callable[[int, int], None]
    ) -> None:
        self._link, self._topics, self._log_topic = link, topics, log_topic
        self._writers: dict[str, EnvelopeWriter] = {}
        self._sources: dict[str, SourceSettings] = {}
        self._consumer = AIOKafkaConsumer(
            **link.connection,
            group_id=link.group,
            group_instance_id=link.instance_id or None,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",  # a log that lost records before they were read must not go on silently
            partition_assignment_strategy=(RoundRobinPartitionAssignor,),
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            metadata_max_age_ms=int(LOOK_FOR_TOPICS_S * 1000),
        )
        self._sender = BatchSender(link.connection, link.log_topic, log_topic, count)
        self.group_lag = GroupLag(self._consumer)
        self._asking: asyncio.Future[None] | None = None
        self._committed: dict[TopicPartition, int] = {}
        self._done_ms: dict[TopicPartition, int] = {}
        self._fed_at = 0.0
        self._idle = asyncio.Event()
        self._idle.set()
        self.failure: Exception | None = None

    async def start(self) -> None:
        """Connect and join the group. Raises `KafkaUnavailable` also while there is no topic to read."""
        self._sources = await self._find_topics()
        if not self._sources:
            raise KafkaUnavailable(self._topics.missing_text() or "no topic fits the sources' patterns")
        limit = self._log_topic.max_record_bytes
        self._writers = {topic: EnvelopeWriter(mapping_of(source), limit) for topic, source in self._sources.items()}
        await self._sender.start()
        await self._consumer.start()
        self._consumer.subscribe(topics=sorted(self._sources), listener=_Rebalance(self))
        # Beside the reading: a broker that does not say where its partitions end must not hold up those of others.
        self._asking = asyncio.ensure_future(self.group_lag.run(sorted(self._sources)))
        log.info("repartitioning %s into %s", ", ".join(sorted(self._sources)), self._link.log_topic)

    async def run(self, stop: asyncio.Event) -> None:
        """Read, write, commit until `stop` is set or the sources have other topics. Raises what went wrong."""
        gather_s = self._link.gather_ms / 1000
        now = asyncio.get_running_loop().time
        look_at, commit_at = now() + LOOK_FOR_TOPICS_S, now() + COMMIT_S
        while not stop.is_set():
            fetched = await self._fetch()
            self._idle.clear()  # nothing was awaited since the fetch: a rebalance now waits for this batch
            try:
                self._check_failures()
                await self._write(fetched)
                if now() >= commit_at:
                    await self.commit()
                    commit_at = now() + COMMIT_S
            except BaseException as error:
                # No rebalance may now commit what was read but not written.
                self.failure = error if isinstance(error, Exception) else KafkaUnavailable("the session was cancelled")
                raise
            finally:
                self._idle.set()
            if now() >= look_at:
                if (await self._find_topics()).keys() != self._sources.keys():
                    break
                look_at = now() + LOOK_FOR_TOPICS_S
            self._check_alive()
            if sum(map(len, fetched.values())) < BATCH_RECORDS // 4:
                await asyncio.sleep(gather_s)  # fewer and larger batches while little arrives
        await self.commit()

    async def _fetch(self) -> Mapping[TopicPartition, list[Any]]:
        try:
            fetched: Mapping[TopicPartition, list[Any]] = await self._consumer.getmany(
                timeout_ms=POLL_MS, max_records=BATCH_RECORDS
            )
        except NoOffsetForPartitionError:
            return {}  # of before `take_over` has sought the partition
        return fetched

    async def close(self) -> None:
        """Disconnect; if Kafka is away, what takes longer than a few seconds ends by itself later."""
        if self._asking is not None:
            self._asking.cancel()
        stopping = [asyncio.ensure_future(stop()) for stop in (self._consumer.stop, self._sender.stop)]
        await asyncio.wait(stopping, timeout=CLOSE_S)
        for each in stopping:
            each.add_done_callback(_ignore_failure)

    async def _write(self, fetched: Mapping[TopicPartition, list[Any]]) -> None:
        for tp, records in fetched.items():
            self._sender.add(self._writers[tp.topic], f"{tp.topic}/{tp.partition}/", records)
            if (records[-1].timestamp or -1) >= 0:
                self._done_ms[tp] = records[-1].timestamp
        await self._sender.send()
        if fetched:
            self._fed_at = time.time()  # nothing need be asked for while there is something left to write

    async def commit(self) -> None:
        """Wait until Kafka has everything written so far, then commit the positions behind it."""
        self._check_failures()
        positions = {tp: at for tp, at in self._positions().items() if self._committed.get(tp) != at}
        async with asyncio.timeout(ANSWER_S):
            await self._sender.settle()
            if not positions:
                return
            try:
                await self._consumer.commit(positions)
            except (CommitFailedError, IllegalStateError) as error:
                log.warning("the group moved on before a commit (%s): its records are written again", error)
                return
        self._committed.update(positions)

    def _positions(self) -> dict[TopicPartition, int]:
        """Where the next fetch of each held partition begins; markers of transactions are behind us there."""
        subscription = self._consumer._subscription.subscription  # noqa: SLF001 (pinned to aiokafka 0.14)
        assignment = None if subscription is None else subscription.assignment
        if assignment is None:
            return {}
        states = {tp: assignment.state_value(tp) for tp in assignment.tps}
        return {tp: state.position for tp, state in states.items() if state.has_valid_position}

    def lag(self) -> Lag | None:
        """Return the records not yet read and the age of the last one read; None while an end is not known."""
        positions, held = self._positions(), self._consumer.assignment()
        ends = {tp: self._consumer.last_stable_offset(tp) for tp in held}
        if not held or None in ends.values() or positions.keys() != ends.keys():
            return None
        behind = {tp: max(0, ends[tp] - at) for tp, at in positions.items()}
        times = [self._done_ms[tp] for tp, records in behind.items() if records and tp in self._done_ms]
        seconds = max(0.0, time.time() - min(times) / 1000) if times else 0.0
        return Lag(sum(behind.values()), seconds)

    # --- topics and partitions

    async def _find_topics(self) -> dict[str, SourceSettings]:
        return self._topics.find(await topic_partitions(self._link.connection))

    async def let_go(self) -> None:
        """Finish the batch in hand and commit it, before the partitions go to somebody else."""
        await self._idle.wait()
        await self.commit()

    async def take_over(self, held: Iterable[TopicPartition]) -> None:
        """Begin partitions that the group has never read where their source says, and commit that at once."""
        self._committed.clear()
        self._done_ms.clear()
        async with asyncio.timeout(ANSWER_S):
            new = [tp for tp in held if await self._consumer.committed(tp) is None]
            latest = [tp for tp in new if self._sources[tp.topic].start_from == "latest"]
            earliest = [tp for tp in new if tp not in latest]
            offsets = {
                **(await self._consumer.beginning_offsets(earliest) if earliest else {}),
                **(await self._consumer.end_offsets(latest) if latest else {}),
            }
            for tp, offset in offsets.items():
                self._consumer.seek(tp, offset)
            if offsets:
                await self._consumer.commit(offsets)

    # --- what went wrong

    def _check_failures(self) -> None:
        for failure in (self.failure, self._sender.failure):
            if failure is not None:
                raise failure

    def silence_s(self) -> float:
        """Return the seconds without an answer to any fetch; 0.0 before the first one."""
        answered = [at / 1000 for tp in self._consumer.assignment() if (at := self._consumer.last_poll_timestamp(tp))]
        return max(0.0, time.time() - max(*answered, self._fed_at)) if answered else 0.0

    def _check_alive(self) -> None:
        if self.silence_s() > GIVE_UP_S:
            raise KafkaUnavailable(f"no answer to any fetch of the sources' topics for {GIVE_UP_S:.0f} s")


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """Passes a rebalance on; aiokafka swallows what listeners raise, so failures are kept for the session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish and commit."""
        if revoked:
            await self._keep_failure(self._session.let_go())

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Begin where the group was, or where the source says."""
        await self._keep_failure(self._session.take_over(assigned))

    async def _keep_failure(self, done: Any) -> None:
        try:
            await done
        except (CommitFailedError, IllegalStateError) as error:
            log.info("the group moved on during a rebalance: %s", error)
        except (KafkaError, OSError, TimeoutError, KafkaUnavailable) as error:
            self._session.failure = self._session.failure or error


def _ignore_failure(done: "asyncio.Future[Any]") -> None:
    if not done.cancelled() and done.exception() is not None:
        log.info("disconnecting: %r", done.exception())
