"""What is measured: our worker (one or several processes), the idiomatic agent, and the floors.

In:  a place, a topic that is filled.
Out: running processes that say how far they are; and whether what they counted is right.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from stream.analyze.compare import broken_laws, compare
from stream.analyze.count import Analysis
from stream.analyze.live import open_store, read_live
from stream.model.funnel import Funnel
from stream.settings.load import load_funnels, load_tracker
from stream.settings.tracker import TrackerSettings
from stream.stack.ports import free_ports
from stream.store.journal import Journal, Mark
from stream.worker.runs import namespace_of

from . import progress
from .place import STANDARD, BenchError, Child, Place, page, sample
from .progress import NOT_YET, Progress
from .standard import PARTITIONS, STEPS, analyzed, plainly_reached

RUN = "again"
LIVE_SECONDS, LOOK_SECONDS = 120.0, 0.1
PAGES = 50
"""Live pages that are open in the bench of their cost."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A filled topic, and how many of the standard events are in it."""

    name: str
    events: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What a system left in Redis: actors with a state, bytes of these, and what it counted wrongly, in words."""

    actors: int
    state_bytes: int
    wrong: Sequence[str]


class System(Protocol):
    """One contender of a bench, ready to run once."""

    children: Sequence[Child]
    name: str

    def counted(self) -> int | None:
        """Return how many events are counted (for ours: stored), None before reading has begun."""

    def kept(self) -> Kept | None:
        """Look at what is stored, after the end; None for a floor, which stores nothing."""

    def notes(self) -> dict[str, float]:
        """Return what else it says about itself while it runs."""


class Expected:
    """The right numbers of a topic, each worked out once and only if it is asked for."""

    def __init__(self, place: Place, topic: Topic, funnels: Mapping[str, str] = STANDARD) -> None:
        self.topic = topic
        self.texts = funnels
        tracker = place.tracker(place.new_name(), topic.name, funnels)
        self.settings: TrackerSettings = load_tracker(tracker, {})
        self.funnels: tuple[Funnel, ...] = load_funnels(self.settings.funnels, self.settings.period)
        self._analysis: Analysis | None = None
        self._plain: list[int] | None = None

    @property
    def analysis(self) -> Analysis:
        """What `funnel analyze` says of the topic."""
        if self._analysis is None:
            self._analysis = analyzed(self.settings, self.funnels)
        return self._analysis

    @property
    def plain(self) -> list[int]:
        """Actors that reached each step by the plain rule in order of arrival."""
        if self._plain is None:
            self._plain = plainly_reached(self.topic.events)
        return self._plain


class Worker:
    """Our worker, in as many processes as asked for."""

    def __init__(self, place: Place, expected: Expected, name: str, processes: int = 1) -> None:
        self._place, self._expected, self.name = place, expected, name
        self._namespace = name
        tracker = place.tracker(name, expected.topic.name, expected.texts)
        self._settings = load_tracker(tracker, {})
        self._ports = free_ports(processes)
        self._pending = set(self._ports)
        self.children = start_workers(place, tracker, name, self._ports)

    def counted(self) -> int | None:
        """Sum up the stored offsets, once every process has taken its partitions over."""
        self._pending -= {port for port in self._pending if sample(page(port), "funnel_worker_partitions")}
        return None if self._pending else stored_offsets(self._place, self._namespace)

    def kept(self) -> Kept:
        """Compare every number in the store with the analysis of the topic."""
        expected = self._expected
        analysis = expected.analysis
        assert analysis.rollup is not None  # there are events
        rollup = asyncio.run(self._read())
        wrong = ["nothing is stored"]
        if rollup is not None:
            wrong = [*compare(rollup, analysis.rollup), *broken_laws(rollup)]
            if sum(rollup.verdicts) != expected.topic.events:
                wrong.append(f"{sum(rollup.verdicts)} records counted of {expected.topic.events}")
        shards, in_shards = self._place.measure(f"{{{self._namespace}:*}}:a:*")
        journals, in_journals = self._place.measure(f"{{{self._namespace}:*}}:journal")
        actors = {actor for shard in shards for actor in shard}
        for entries in journals:
            journal = Journal(Mark(0, 0), {int(number): entry for number, entry in entries.items()})
            actors |= journal.states.keys() | journal.additions.keys()
        return Kept(len(actors), in_shards + in_journals, wrong)

    async def _read(self):
        store = open_store(self._settings)
        try:
            view = await read_live(store, self._expected.funnels, self._settings)
        finally:
            await store.close()
        return view.roll_up()

    def notes(self) -> dict[str, float]:
        """Return records in a partition batch, and milliseconds of one commit's round trip, on average."""
        pages = [page(port) for port in self._ports]
        notes = {}
        for label, series, unit in (
            ("records_per_batch", "funnel_worker_batch_records", 1),
            ("commit_ms", "funnel_worker_commit_duration_seconds", 1e3),
        ):
            total = sum(sample(text, f"{series}_sum") or 0 for text in pages)
            number = sum(sample(text, f"{series}_count") or 0 for text in pages)
            notes[label] = round(total / number * unit, 1) if number else 0.0
        return notes


class Replay(Worker):
    """A run over the whole topic, in one process; it follows the topic, so that it is there until it is stopped."""

    def __init__(self, place: Place, expected: Expected, name: str) -> None:
        self._place, self._expected, self.name = place, expected, name
        self._tracker = place.tracker(name, expected.topic.name, expected.texts)
        configured = load_tracker(self._tracker, {})
        self._namespace = namespace_of(name, RUN)
        self._settings = replace(configured, redis=replace(configured.redis, namespace=self._namespace))
        self.children = [start_run(self._tracker, "--to", "follow")]

    def counted(self) -> int | None:
        """Sum up the stored offsets, once all partitions were begun."""
        heads = [self._place.redis.exists(f"{{{self._namespace}:{number}}}:head") for number in range(PARTITIONS)]
        return stored_offsets(self._place, self._namespace) if all(heads) else None

    def kept(self) -> Kept:
        """Compare with the analysis, and let `funnel replay compare` do it with a worker that counts the same topic."""
        kept = super().kept()
        (port,) = free_ports(1)
        (worker,) = start_workers(self._place, self._tracker, self.name, [port])
        deadline = time.monotonic() + LIVE_SECONDS
        try:
            while stored_offsets(self._place, self.name) < self._expected.topic.events:
                worker.check()
                if time.monotonic() > deadline:
                    raise BenchError(f"live has not counted the topic within {LIVE_SECONDS:g} s")
                time.sleep(LOOK_SECONDS)
        finally:
            worker.stop()
        log = self._tracker.parent / "compare.log"
        Child(["-m", "stream", "replay", "compare", "--config", str(self._tracker), "--name", RUN], log, {}).wait(
            LIVE_SECONDS
        )
        is_equal = ": equal" in log.read_text(encoding="utf-8")
        return kept if is_equal else replace(kept, wrong=[*kept.wrong, f"compare: {log.read_text(encoding='utf-8')}"])

    def notes(self) -> dict[str, float]:
        """Say nothing else."""
        return {}


def start_run(tracker: Path, *options: str) -> Child:
    """Start a run over the tracker's topic, from its beginning."""
    argv = ["-m", "stream", "replay", "start", "--config", str(tracker), "--name", RUN, *options]
    return Child(argv, tracker.parent / "run.log", {})


class Watched(Worker):
    """Our worker with many live pages open; they end with it."""

    def __init__(self, place: Place, expected: Expected, name: str) -> None:
        super().__init__(place, expected, name)
        self._received = place.folder / name / "received"
        self._viewers = open_pages(self._ports[0], PAGES, self._received)

    def counted(self) -> int | None:
        """Return what is counted, once all pages are open."""
        self._viewers.check()
        return super().counted() if self._received.exists() else None

    def notes(self) -> dict[str, float]:
        """Return, too, how many KiB have come over all pages."""
        return {**super().notes(), "pages_kib": round(int(self._received.read_text(encoding="ascii")) / 1024, 1)}


def start_workers(place: Place, tracker, name: str, ports: Sequence[int]) -> list[Child]:
    """Start a worker of ours on each port."""
    log = place.folder / name
    return [
        Child(
            ["-m", "stream", "worker", "--config", str(tracker), "--metrics-port", str(port)],
            log / f"worker-{port}.log",
            {"FUNNEL_INSTANCE_ID": f"bench-{port}"},
        )
        for port in ports
    ]


def open_pages(port: int, pages: int, received: Path) -> Child:
    """Open live pages of the standard funnel; `received` is there once all are open, with the bytes that have come."""
    argv = ["-m", "tests.bench.viewers", str(port), str(pages), "standard", str(received)]
    return Child(argv, received.with_suffix(".log"), {})


def stored_offsets(place: Place, name: str) -> int:
    """Return the sum of the next offsets that are stored; on a topic without gaps this many are counted."""
    with place.redis.pipeline(transaction=False) as questions:
        for partition in range(PARTITIONS):
            questions.hget(f"{{{name}:{partition}}}:head", "next_offset")
        return sum(int(offset or 0) for offset in questions.execute())


class Agent:
    """The idiomatic Faust agent."""

    def __init__(self, place: Place, expected: Expected, name: str) -> None:
        self._place, self._expected, self.name = place, expected, name
        home = place.folder / name
        home.mkdir()
        file = home / "progress"
        progress.create(file)
        self._progress = Progress(file)
        environ = {
            "BENCH_KAFKA": place.kafka,
            "BENCH_REDIS": place.redis_url,
            "BENCH_TOPIC": expected.topic.name,
            "BENCH_NAME": name,
            "BENCH_FOLDER": str(home),
            progress.VARIABLE: str(file),
        }
        argv = ["-m", "faust", "--loop", "uvloop", "-A", "tests.bench.idiomatic_agent", "worker", "-l", "warn"]
        self.children = [Child([*argv, "--without-web"], home / "agent.log", environ)]

    def counted(self) -> int | None:
        """Ask the agent's own counter."""
        events = self._progress.events
        return None if events == NOT_YET else events

    def kept(self) -> Kept:
        """Compare the counts in Redis with the plain rule's."""
        stored = self._place.redis.hgetall(f"{self.name}:reached")
        found = [int(stored.get(b"%d" % step, 0)) for step in range(len(STEPS))]
        expected = self._expected.plain
        wrong = [] if found == expected else [f"actors that reached each step: {found} instead of {expected}"]
        states, state_bytes = self._place.measure(f"{self.name}:states")
        return Kept(sum(map(len, states)), state_bytes, wrong)

    def notes(self) -> dict[str, float]:
        """Say nothing else."""
        return {}


class Floor:
    """A consumer that counts nothing."""

    def __init__(self, place: Place, topic: Topic, name: str, *, decodes: bool) -> None:
        self.name = name
        home = place.folder / name
        home.mkdir()
        file = home / "progress"
        progress.create(file)
        self._progress = Progress(file)
        argv = ["-m", "tests.bench.floor", place.kafka, topic.name, str(PARTITIONS), "decode" if decodes else "read"]
        self.children = [Child(argv, home / "floor.log", {progress.VARIABLE: str(file)})]

    def counted(self) -> int | None:
        """Ask the consumer's own counter."""
        events = self._progress.events
        return None if events == NOT_YET else events

    def kept(self) -> None:
        """Nothing is kept."""

    def notes(self) -> dict[str, float]:
        """Say nothing else."""
        return {}
