"""A run in the simulator: its processes count the log up to its end offsets, beside a live namespace.

In:  a case.
Out: a world whose workers are processes of the run; what the run has counted is judged, and that live was left alone.
"""

import random
from typing import NamedTuple

from stream.metrics.process import ProcessStats
from stream.replay.run import RunSink
from stream.settings.counting import counting_rules
from stream.settings.sources import mapping_of
from stream.store.contract import Commit, PartitionHead
from stream.store.memory import MemoryStore
from stream.worker.contract import BatchSink
from stream.worker.runs import Run, Runs, Start, change_runs, namespace_of
from stream.worker.tracker import Tracker
from stream.worker.tracker_app import WorkerOptions
from support.sim.judge import Judge
from support.sim.log import PartitionLog, Row
from support.sim.loop import START_S, within
from support.sim.traffic import SHARDS, TOPIC, Case
from support.sim.worker import Worker
from support.sim.world import World, do

NAME = "again"
NAMESPACE = namespace_of("live", NAME)


class UpTo(NamedTuple):
    """A log as it was when it had so many offsets."""

    log: PartitionLog
    end: int

    def rows(self) -> list[Row]:
        """Return the committed records before the end."""
        return [row for row in self.log.rows() if row.offset < self.end]


def run_of(case: Case) -> tuple[Run, Judge]:
    """Return a run over the first part of a case's log, cut anywhere, and what it must come to."""
    logs = {number: PartitionLog() for number in range(case.partitions)}
    for deed in case.deeds:
        do(logs[deed.partition], deed)
    draw = random.Random(f"run {case.seed}")
    until = {number: draw.choice([log.end, draw.randint(log.begin, log.end)]) for number, log in logs.items()}
    starts = {number: Start(log.begin) for number, log in logs.items()}
    rules = counting_rules(case.settings, case.funnels)
    run = Run(NAME, TOPIC, rules, starts, until, int(START_S))
    return run, Judge(case, {number: UpTo(log, until[number]) for number, log in logs.items()})


class RunProcess(Worker):
    """A process of a run; once the run has ended it ends by itself."""

    run: Run

    def _new_sink(self) -> BatchSink:
        case, store = self._case, self._store(NAMESPACE)
        mapping = mapping_of(case.settings.sources[0])
        self._counting = self._make(case.settings, case.funnels, mapping, store, None, starts=self.run.starts)
        return RunSink(self._counting, self.run, self._store("live"), self._store(NAMESPACE), end=self._end)

    def _stats(self) -> ProcessStats:
        return self._counting.stats

    def _options(self) -> WorkerOptions:
        options = super()._options()
        return WorkerOptions(
            "group", options.servers, TOPIC, limits=options.limits, until=self.run.until,
            session_timeout_s=options.session_timeout_s, heartbeat_s=options.heartbeat_s,
        )  # fmt: skip

    def _end(self) -> None:
        with within(None):
            self._loop.create_task(self.stop())


class RunWorld(World):
    """Processes of a run, a store with the run's document and live's counts in it."""

    def __init__(self, case: Case) -> None:
        self._run, judge = run_of(case)
        super().__init__(case, judge, MemoryStore, Tracker)
        self.loop.run(self._prepare())
        self._live = repr(self.server.namespaces["live"])

    async def _prepare(self) -> None:
        store = MemoryStore(self.server, shards=SHARDS)
        await store.set_active_funnel_set(b"live's", None)
        for number in self._run.starts:
            await store.create_head(number, PartitionHead(5, epoch=9))
            commit = Commit(number, (5, 9), PartitionHead(7, epoch=9), [(b"key", b"state")], cells={b"c": b"1"})
            await store.commit([commit])
        await change_runs(store, lambda _: Runs({NAME: self._run}))

    def _worker(self, name: str) -> Worker:
        worker = RunProcess(name, self.case, self.loop, self.server, self.letters, kind=self._kind, make=self._make)
        worker.run = self._run
        return worker

    def _unsettled(self) -> list[str]:
        if self.troubles:
            return ["what a fault has broken is to be put right"]  # faults that were to come later come no more
        return [f"{worker.name} has not ended" for worker in self.workers if worker.is_running]

    async def differences(self) -> list[str]:
        """Return where the run is not what its part of the log comes to, and whether live was touched."""
        lines = await self.judge.differences(self.server, None, NAMESPACE)
        if repr(self.server.namespaces["live"]) != self._live:
            lines.append("live's namespace is not what it was")
        if self.letters.sent:
            lines.append(f"a run has sent {len(self.letters.sent)} dead letters")
        return lines
