"""Bring the records of all sources into one topic keyed by actor: the log that a funnel reads.

In:  the sources' topics, read in a consumer group of their own (`<group>-repartition`), committed records only.
Out: envelopes (`stream.worker.envelope`) in the repartition topic, with the record times of their sources.

Every source record gets there at least once, and an actor's records of one source partition in their order.
Offsets are committed to the group only after all their envelopes were acknowledged: what is written again after
a crash has the same actor, id and time, so event identity makes it a duplicate.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from aiokafka.errors import KafkaError
from mode import Service

from stream.errors import KafkaUnavailable
from stream.ingest.mapping import Mapping as FieldMapping
from stream.metrics.process import RepartitionStats
from stream.settings.sources import mapping_of
from stream.settings.tracker import TrackerSettings
from stream.worker import envelope
from stream.worker.log_topic import LogTopic, ensure_log_topic, meaning_of, topic_partitions
from stream.worker.reading import SILENT_S
from stream.worker.repartition_session import Link, Session, SourceTopics
from stream.worker.takeover import FIRST_PAUSE_S, LONGEST_PAUSE_S, Outage

STOP_S = 15.0


def log_mapping(settings: TrackerSettings) -> FieldMapping:
    """Return the mapping with which the repartition topic of these sources is read."""
    return envelope.log_mapping(mapping_of(source) for source in settings.sources)


class Repartitioner:
    """Runs sessions until it is told to stop: each connects, and ends with the first thing that goes wrong.

    `connection` holds aiokafka's arguments for servers and security. `partitions`: of the repartition topic, if it
    has to be made; by default as many as the source topic with the most. `instance_id` makes membership static.
    """

    def __init__(
        self,
        settings: TrackerSettings,
        connection: Mapping[str, Any],
        *,
        partitions: int | None = None,
        instance_id: str = "",
    ) -> None:
        self._settings, self._partitions = settings, partitions
        group = f"{settings.kafka.group}-repartition"
        topic, gather_ms = settings.repartition_topic, settings.worker.gather_ms
        self._link = Link(dict(connection), group, topic, instance_id, gather_ms)
        self._topics = SourceTopics(settings.sources)
        self._outage = Outage()
        self._records = self._invalid = 0
        self._session: Session | None = None

    def log_mapping(self) -> FieldMapping:
        """Return the mapping with which the repartition topic is read."""
        return log_mapping(self._settings)

    def figures(self) -> RepartitionStats:
        """Return plain numbers for metrics."""
        lag = None if self._session is None else self._session.lag()
        records, seconds = (None, None) if lag is None else (lag.records, lag.seconds)
        return RepartitionStats(self._records, self._invalid, records, seconds, self.group_lag())

    def group_lag(self) -> int | None:
        """Return how many records no worker of the group has brought into the log yet; None while that is not known."""
        return None if self._session is None else self._session.group_lag.records()

    def is_ready(self) -> tuple[bool, str]:
        """Whether records reach the log, and if not, why."""
        if self._outage.reason:
            return False, f"repartitioning: {self._outage.reason}"
        if self._session is None:
            return False, "repartitioning: connecting"
        silence_s = self._session.silence_s()
        if silence_s > SILENT_S:
            return False, f"repartitioning: Kafka has not answered for {silence_s:.0f} s"
        if self._topics.missing:
            return False, f"repartitioning: {self._topics.missing_text()}"
        return True, ""

    async def prepare(self) -> LogTopic:
        """Make the repartition topic if it is missing, and check it.

        Raises `KafkaUnavailable` (try again), also while a source's topic does not exist and the partition count
        hangs on it; and `KafkaRefused`.
        """
        existing = await topic_partitions(self._link.connection)
        topic, topics = self._link.log_topic, self._topics.find(existing)
        if topic not in existing and self._partitions is None and (self._topics.missing or not topics):
            reason = self._topics.missing_text() or "no topic fits the sources' patterns yet"
            raise KafkaUnavailable(
                f"repartition topic {topic} gets as many partitions as the sources' topics have, but {reason}"
            )
        partitions = self._partitions or max((existing[each] for each in topics), default=1)
        return await ensure_log_topic(self._link.connection, topic, partitions, existing)

    def _count(self, records: int, invalid: int) -> None:
        """Count envelopes that Kafka has acknowledged."""
        self._records += records
        self._invalid += invalid

    async def run(self, stop: asyncio.Event) -> None:
        """Repartition until `stop` is set; Kafka being away only takes longer. Raises `KafkaRefused`."""
        pause = FIRST_PAUSE_S
        while not stop.is_set():
            before = self._records
            try:
                await self._run_session(stop)
            except KafkaUnavailable as error:
                self._outage.begin(str(error))
                pause = FIRST_PAUSE_S if self._records > before else pause
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await stop.wait()
                pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _run_session(self, stop: asyncio.Event) -> None:
        session = Session(self._link, self._topics, await self.prepare(), self._count)
        try:
            await session.start()
            self._session = session
            self._outage.end()
            await session.run(stop)
        except (KafkaError, OSError, TimeoutError, KafkaUnavailable) as error:
            failure = meaning_of(error, f"repartitioning into {self._link.log_topic}")
            if isinstance(failure, KafkaUnavailable):
                self._outage.begin(str(failure))  # before closing, which may take seconds
            raise failure from error
        finally:
            self._session = None
            await session.close()


class RepartitionService(Service):
    """A `Repartitioner` as a Faust service; what only an operator can put right ends the worker."""

    def __init__(self, repartitioner: Repartitioner, **kwargs: Any) -> None:
        self.repartitioner = repartitioner
        self._stop = asyncio.Event()
        self._running: asyncio.Future[Any] | None = None
        super().__init__(**kwargs)

    async def on_start(self) -> None:
        """Begin; Kafka need not be there."""
        self._stop.clear()
        self._running = asyncio.ensure_future(self._run())

    async def on_stop(self) -> None:
        """Write and commit what was read, then disconnect."""
        self._stop.set()
        if self._running is not None:
            _, pending = await asyncio.wait([self._running], timeout=STOP_S)
            if pending:  # the group is in the middle of a rebalance, or Kafka does not answer
                self._running.cancel()
                await asyncio.wait(pending)

    async def _run(self) -> None:
        try:
            await self.repartitioner.run(self._stop)
        except Exception as error:  # noqa: BLE001 (the worker must end with it, whatever it is)
            await self.crash(error)
