"""The Faust app of a worker: its services, in the order in which they must come and go.

In:  where Kafka is, the topic, the sink, bounds.
Out: a `faust.App` that `faust -A ... worker` and `funnel worker` run.

Started first and stopped last is the HTTP server, so that readiness says what the others wait for.
Kafka or the store being away keeps the worker waiting, never ends it.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, cast

import faust
from aiohttp import web
from faust.app.base import BootStrategy
from faust.serializers.schemas import Schema
from mode import ServiceT

from stream.worker.agent import Committer, register_agent
from stream.worker.contract import BatchSink, Limits
from stream.worker.http import HealthServer
from stream.worker.reading import SILENT_S
from stream.worker.takeover import Outage
from stream.worker.watchdog import STALL_S, LoopGuard, Watchdog

REBALANCE_TIMEOUT_S = 60.0
REQUEST_TIMEOUT_S = 40.0


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker runs. `servers`: host:port each. `security`: aiokafka's arguments for TLS and SASL.

    until: offsets at which reading ends, by partition; the others are read for ever.
    """

    group: str
    servers: tuple[str, ...]
    topic: str
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    security: Mapping[str, Any] = field(default_factory=dict)
    instance_id: str = ""
    session_timeout_s: float = 6.0
    heartbeat_s: float = 2.0
    stall_s: float = STALL_S
    limits: Limits = field(default_factory=Limits)
    until: Mapping[int, int] = field(default_factory=dict)


class RepeatFilter(logging.Filter):
    """Lets one of aiokafka's equal messages through in 30 s: while a broker is away it says them 100 times a second."""

    def __init__(self, pause_s: float = 30.0) -> None:
        super().__init__()
        self._pause_s = pause_s
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log `record`."""
        if not record.name.startswith("aiokafka"):
            return True
        key = record.name, str(record.msg)
        said = self._said.get(key)
        if said is not None and record.created - said < self._pause_s:
            return False
        self._said[key] = record.created
        return True


class BatchSchema(Schema[Any, Any]):
    """Hands partition batches through as they are."""

    def compile(self, app: Any, **_kwargs: Any) -> Any:
        """Return the function that makes an event of a message."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:  # noqa: ARG001 (Faust's signature)
            return create_event(None, message.value, None, message)

        return decode


class _Boot(BootStrategy):
    """No producer of Faust's: dead letters have their own, connected when the first is sent."""

    def kafka_producer(self) -> Iterable[ServiceT]:
        return []

    def web_server(self) -> Iterable[ServiceT]:
        return []


class TrackerApp(faust.App):
    """Faust app over partition batches of one topic; `committer` owns the partitions this worker holds.

    `prepare_log` is awaited before the topic is subscribed to; it raises `KafkaUnavailable` (tried again with pauses,
    and readiness says why) or what only an operator can put right. `add_routes` adds to what the HTTP server serves.
    """

    BootStrategy = _Boot

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        options: WorkerOptions,
        sink: BatchSink,
        metrics: Callable[[], Awaitable[bytes]],
        verdicts: Callable[[], Sequence[int]] | None = None,
        prepare_log: Callable[[], Awaitable[object]] | None = None,
        add_routes: Callable[[web.Application], None] = lambda _: None,
    ) -> None:
        super().__init__(
            options.group,
            broker=[f"funnel://{server}" for server in options.servers],
            broker_session_timeout=options.session_timeout_s,
            broker_heartbeat_interval=options.heartbeat_s,
            broker_request_timeout=REQUEST_TIMEOUT_S,
            broker_rebalance_timeout=REBALANCE_TIMEOUT_S,
            consumer_group_instance_id=options.instance_id or None,
            consumer_metadata_max_age_ms=30_000,
            processing_guarantee="at_least_once",
            stream_wait_empty=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            autodiscover=False,
            store="memory://",
        )
        self.limits = options.limits
        self.until = options.until
        self.security = options.security
        self.outage = Outage()
        self.topic_name = options.topic
        self.batch_topic = self.topic(options.topic, schema=BatchSchema(), internal=False)
        self.prepare_log = prepare_log
        self.committer = Committer(sink, options.limits, self.outage)
        self.watchdog = Watchdog(
            self.committer.stored_offsets, self.committer.lag, self._known_trouble, verdicts, options.stall_s
        )
        self._guard = LoopGuard(options.stall_s)
        self.health = HealthServer(options.metrics_host, options.metrics_port, metrics, self.is_ready, add_routes)
        self._services: list[tuple[ServiceT, Callable[[], tuple[bool, str]]]] = []
        register_agent(self, self.committer)

    def add_service(self, service: ServiceT, is_ready: Callable[[], tuple[bool, str]]) -> None:
        """Run another service beside the tracker; readiness waits for it too."""
        self._services.append((service, is_ready))

    def _create_directories(self) -> None:
        """Faust would make a data folder for tables; there are none."""

    async def on_start(self) -> None:
        """Serve readiness before anything can keep us waiting."""
        await super().on_start()
        await self.add_runtime_dependency(self.health)
        for service, _ in self._services:
            await self.add_runtime_dependency(service)
        self.add_future(self.watchdog.run(self.crash))
        self.add_future(self._guard.run())

    def is_ready(self) -> tuple[bool, str]:
        """Whether this worker keeps the numbers up, and if not, why."""
        trouble = self._known_trouble()
        if trouble:
            return False, trouble
        if self.watchdog.warning:
            return False, self.watchdog.warning
        for _, service_is_ready in self._services:
            is_ready, reason = service_is_ready()
            if not is_ready:
                return False, reason
        return self.committer.sink.is_ready()

    def _known_trouble(self) -> str:
        if self.outage.reason:
            return self.outage.reason
        consumer: Any = self.consumer
        reason: str = consumer.unsettled()
        if reason:
            return reason
        return f"Kafka has not answered for {SILENT_S:.0f} s" if consumer.silence_s() > SILENT_S else ""


def run_worker(app: TrackerApp, loglevel: str = "INFO") -> int:
    """Run the app on uvloop (where there is one) until it is told to stop; return the exit status."""
    logging.basicConfig(level=loglevel, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for name in ("faust", "mode", "aiokafka"):  # their INFO tells of every inner step
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(loglevel)))
    for handler in logging.getLogger().handlers:
        handler.addFilter(RepeatFilter())
    loop = _new_loop()
    asyncio.set_event_loop(loop)
    worker = faust.Worker(app, loop=loop, loglevel=None, quiet=True, redirect_stdouts=False, override_logging=False)
    worker.spinner = None
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        uvloop = import_module("uvloop")
    except ImportError:
        return asyncio.new_event_loop()
    return cast("asyncio.AbstractEventLoop", uvloop.new_event_loop())
