"""A log, and who counts it over one store in memory: workers that follow what is live, and a run's process."""

import json
from dataclasses import replace

import msgspec

from stream.analyze.read_topic import Span
from stream.ingest.mapping import Mapping
from stream.model.funnel import Funnel, Step
from stream.model.window import RollingWindow
from stream.replay.promote import Place, promote, roll_back
from stream.settings.counting import counting_rules, following
from stream.settings.tracker import SourceSettings, TrackerSettings, WorkerSettings
from stream.store.memory import MemoryServer, MemoryStore
from stream.worker.contract import Lag, LogState, PartitionBatch
from stream.worker.pointed import Pointed
from stream.worker.runs import Run, Start, change_runs, namespace_of, read_runs
from stream.worker.tracker import Tracker

TOPIC = "shop"
NOW_MS = 1_700_000_000_000
SHARDS = 4
FIRST = Funnel("ab", 1, (Step("a", ("A",)), Step("b", ("B",))), 60_000)
SECOND = replace(FIRST, version=2, steps=(Step("a", ("A",)), Step("c", ("C",))))
THIRD = replace(FIRST, version=3)
OTHER = replace(FIRST, name="other")
PLAIN = TrackerSettings(
    (SourceSettings("shop", (TOPIC,), is_keyed_by_actor=True),),
    "unused",
    rolling=(RollingWindow("1m", 60_000),),
    worker=WorkerSettings(shards=SHARDS),
)


def rules(*funnels, settings=PLAIN):
    """Return the counting rules of these funnels."""
    return counting_rules(settings, funnels)


class Letters:
    """Stands in for the dead-letter topic."""

    def __init__(self):
        self.sent = []

    async def send(self, letters):
        self.sent += letters

    async def close(self):
        pass


class Site:
    """One topic and one store."""

    def __init__(self, partitions=2):
        self.server = MemoryServer()
        self.logs = {number: [] for number in range(partitions)}
        self.begin = 0

    def write(self, partition, *names, actor="ann"):
        """Append records; a name of "" is one that cannot be read."""
        log = self.logs[partition]
        for name in names:
            at_ms = NOW_MS + 1_000 * len(log)
            record = {"user_id": actor, "event": name, "time": at_ms, "id": f"{partition}-{len(log)}"}
            log.append((json.dumps(record).encode() if name else b"{", at_ms, actor.encode()))

    def opened(self, name=""):
        """Return a store of a run's namespace, or of the configured one."""
        return MemoryStore(self.server, namespace_of("live", name) if name else "live", SHARDS)

    def place(self):
        """Return where a switch happens."""
        spans = {number: Span(self.begin, len(log)) for number, log in self.logs.items()}
        return Place(self.opened, TOPIC, spans, patience_s=0.0)

    async def promote(self, name, *files, max_lag=10, settings=PLAIN):
        """Make a run live, from files that define these funnels."""
        return await promote(self.place(), name, rules(*files, settings=settings), max_lag, NOW_MS)

    async def roll_back(self):
        """Take back the newest promotion."""
        return await roll_back(self.place())

    async def runs(self):
        """Return the document of the runs."""
        return (await read_runs(self.opened())).runs

    async def head(self, partition, name=""):
        """Return a partition's head in a run's namespace, or in the configured one."""
        return await self.opened(name).load_head(partition)

    async def run(self, name, *funnels, made_ms=NOW_MS, since_ms=None, settings=PLAIN, **changes):
        """Make a run of these funnels and let it count all there is; returns its process."""
        starts = {number: Start(0, since_ms) for number in self.logs}
        run = Run(name, TOPIC, rules(*funnels, settings=settings), starts, None, made_ms)
        run = msgspec.structs.replace(run, **changes)
        await change_runs(self.opened(), lambda runs: runs.with_run(run))
        chosen = following(settings, run.rules, namespace_of("live", name))
        tracker = Tracker(chosen, funnels, Mapping(), self.opened(name), None, starts=run.starts)
        await tracker.start()
        await self.count(tracker)
        return tracker

    async def worker(self, *funnels, insists=False, settings=PLAIN):
        """Return a live worker that has started; `made` of it lists what it has followed, `letters` what it sent."""
        made, letters = [], Letters()

        def make(live, stats, floor):
            made.append(live)
            return Tracker(
                live.settings, live.funnels, Mapping(), self.opened(live.run_name), letters, activate=live.insists,
                starts=None if live.run is None else live.run.starts, stats=stats, floor=floor, run=live.run_name,
            )  # fmt: skip

        worker = Pointed(settings, funnels, self.opened(), make, insists=insists)
        worker.made, worker.letters = made, letters
        await worker.start()
        return worker

    async def count(self, sink, *partitions):
        """Assign partitions (all of them) and let the sink count and show all there is."""
        chosen = partitions or tuple(self.logs)
        count = len(self.logs)
        states = {number: LogState(self.begin, len(self.logs[number]), None, count) for number in chosen}
        offsets = await sink.assign(states)
        assert await (await sink.count([self.batch(n, offset) for n, offset in offsets.items()])) == {}
        await sink.tick(dict.fromkeys(chosen, Lag(0, 0.0)))

    def batch(self, partition, start):
        """Return a partition's records from an offset on."""
        rows = self.logs[partition][start:]
        end = len(self.logs[partition])
        return PartitionBatch(
            partition, start, start, end, [row[0] for row in rows], [row[1] for row in rows],
            range(start, end), [row[2] for row in rows], end,
        )  # fmt: skip
