"""A worker process: the real app, consumer, committer and tracker, and the supervisor that starts it anew.

In:  the simulated broker and store.
Out: incarnations of one worker, each a `Process`; why any of them ended by itself.

Left out of the real app are its HTTP server and the thread that watches the loop; dead letters go to a list.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from mode import Service

from stream.errors import KafkaUnavailable
from stream.metrics.process import ProcessStats
from stream.metrics.samples import Floor
from stream.settings.sources import mapping_of
from stream.store.memory import MemoryStore
from stream.worker.contract import BatchSink, Limits
from stream.worker.outbox import DeadLetter
from stream.worker.pointed import Pointed
from stream.worker.pointer import Live
from stream.worker.tracker import Tracker
from stream.worker.tracker_app import TrackerApp, WorkerOptions
from support.sim.broker import HOST, PORT
from support.sim.judge import Judge
from support.sim.loop import Process, VirtualLoop, within
from support.sim.store import SimServer, SimStore
from support.sim.traffic import SHARDS, TOPIC, Case

SESSION_S, HEARTBEAT_S = 3.0, 0.8
RESTART_S = 0.3
STOP_S = 20.0
MOST_IN_FLIGHT = 40


async def no_page() -> bytes:
    return b""


class Letters:
    """The dead-letter topic, as `stream.worker.outbox.Outbox` sees it."""

    def __init__(self, server: SimServer) -> None:
        self.sent: set[tuple[int, int, str]] = set()
        self.is_away = False
        self._server = server

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Take letters. Raises `KafkaUnavailable` while it is away, after some were taken."""
        if not letters:
            return
        await asyncio.sleep(self._server.pause())
        is_away = self.is_away
        kept = len(letters) // 2 if is_away else len(letters)
        self.sent.update((letter.partition, letter.offset, letter.verdict.label) for letter in letters[:kept])
        await asyncio.sleep(self._server.pause())
        if is_away:
            raise KafkaUnavailable("the simulated Kafka does not take dead letters")

    async def close(self) -> None:
        """Nothing is held."""


class _NoServer(Service):
    """Stands in for the HTTP server."""


class _NoGuard:
    """Stands in for the thread that watches the loop."""

    async def run(self) -> None:
        """Do nothing: the simulator itself notices a loop that hangs."""


class Worker:
    """One worker and its supervisor.

    crashes: why it ended by itself, each time. is_stillborn: whether it was killed before it had started.
    """

    def __init__(
        self,
        name: str,
        case: Case,
        loop: VirtualLoop,
        server: SimServer,
        letters: Letters,
        *,
        kind: type[MemoryStore] = MemoryStore,
        make: Callable[..., Tracker] = Tracker,
    ) -> None:
        self.name, self.crashes = name, []
        self._case, self._loop, self._server, self._letters = case, loop, server, letters
        self._kind, self._make = kind, make
        self.process = Process(name)
        self.process.end()
        self.app: TrackerApp | None = None
        self.sink: BatchSink | None = None
        self.is_stillborn = False
        self._starting: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether there is a process, be it frozen."""
        return not self.process.is_dead

    def start(self) -> None:
        """Start a process and watch it; one that is there already goes on."""
        if self.is_running:
            return
        process = self.process = Process(self.name)
        with within(process):
            self.sink = self._new_sink()
            self.app = TrackerApp(self._options(), self.sink, metrics=no_page, verdicts=lambda: self._stats().verdicts)
            self.app.health, self.app._guard = _NoServer(), _NoGuard()
            self._starting = self._loop.create_task(self.app.start())
        with within(None):
            self._loop.create_task(self._watch(process, self.app, self._starting))

    def _new_sink(self) -> BatchSink:
        return Pointed(self._case.settings, self._case.funnels, self._store("live"), self._tracker_of)

    def _stats(self) -> ProcessStats:
        return self.sink.stats

    def _options(self) -> WorkerOptions:
        case = self._case
        return WorkerOptions(
            "group",
            (f"{HOST}:{PORT}",),
            TOPIC,
            instance_id=self.name if case.is_static else "",
            session_timeout_s=SESSION_S,
            heartbeat_s=HEARTBEAT_S,
            limits=Limits(case.max_records, max_in_flight=max(MOST_IN_FLIGHT, 4 * case.max_records)),
        )

    def _store(self, namespace: str) -> SimStore:
        return SimStore(self._server, SHARDS, self._kind, namespace)

    def _tracker_of(self, live: Live, stats: ProcessStats, floor: Floor) -> Tracker:
        settings = live.settings
        store = self._store(settings.redis.namespace)
        mapping = mapping_of(settings.sources[0])
        return self._make(settings, live.funnels, mapping, store, self._letters, stats=stats, floor=floor)

    @property
    def tracker(self) -> Tracker | None:
        """The tracker of what is live, as far as this process knows."""
        return None if self.sink is None else self.sink._tracker

    def unsettled(self, judge: Judge) -> list[str]:
        """Return what is still wrong with a worker that has partitions: what it shows, or that it is not ready."""
        if self.process.is_frozen:
            return [f"{self.name} sleeps"]
        if not self.is_running or self.app is None or self.tracker is None or not self.tracker._partitions:
            return []
        is_ready, reason = self.app.is_ready()
        return judge.page_differences(self.name, self.tracker.merged) + (
            [] if is_ready else [f"{self.name} is not ready: {reason}"]
        )

    def kill(self) -> None:
        """End the process at once."""
        self.is_stillborn |= self.is_running and self._starting is not None and not self._starting.done()
        self.process.kill()

    def freeze(self, seconds: float) -> None:
        """Stop the process for a while."""
        process = self.process
        process.freeze()
        with within(None):
            self._loop.call_later(seconds, self._loop.thaw, process)

    async def stop(self) -> None:
        """End the process as SIGTERM does; if it does not end, kill it."""
        process = self.process
        if self.app is not None and self.is_running:
            await self._stop(process, self.app)

    async def _stop(self, process: Process, app: TrackerApp) -> None:
        with within(process):
            stopping = self._loop.create_task(app.stop())
        await asyncio.wait([stopping], timeout=STOP_S)
        if not stopping.done() and not process.is_dead and not process.is_frozen:
            self.crashes.append(TimeoutError("it did not stop"))
        process.end()

    async def _watch(self, process: Process, app: TrackerApp, starting: "asyncio.Task[None]") -> None:
        """Do what a supervisor does: a process that ended by itself is started anew."""
        while not process.is_dead:
            await asyncio.sleep(0.1)
            if app._crashed.is_set() or (starting.done() and starting.exception() is not None):
                with suppress(Exception):
                    self.crashes.append(app.crash_reason or starting.exception())
                await self._stop(process, app)
                self._loop.call_later(RESTART_S, self.start)
                return
