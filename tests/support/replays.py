"""A log in a list that live and runs count over one store in memory, with the worker's own trackers."""

import json
import random
from contextlib import asynccontextmanager
from dataclasses import replace

from stream.analyze.live import log_mapping_of
from stream.analyze.read_topic import Span
from stream.model.funnel import Breakdown, Funnel, Step
from stream.model.window import Age, AlertWindow, RollingWindow
from stream.replay.compare import Comparison, compare_run
from stream.settings.counting import counting_rules
from stream.settings.tracker import RedisSettings, SourceSettings, TrackerSettings, WorkerSettings
from stream.store.memory import MemoryServer, MemoryStore
from stream.worker.contract import LogState, PartitionBatch
from stream.worker.runs import Run, Start, change_runs, namespace_of
from stream.worker.tracker import Tracker

TOPIC = "shop"
START_MS = 1_700_000_000_000
SHARDS = 4
SHOP = Funnel(
    "shop", 1, (Step("view", ("A",)), Step("cart", ("B",)), Step("buy", ("C",))), 10_000,
    breakdowns=(Breakdown("device", ("device",)),),
)  # fmt: skip
WINDOWS = (RollingWindow("1m", 60_000, alerts=(AlertWindow("5s", 5_000, "5s"),)), RollingWindow("10m", 600_000))


def settings_of(lateness_ms=20_000, skew_ms=5_000, **changes) -> TrackerSettings:
    source = SourceSettings(
        TOPIC, (TOPIC,), is_keyed_by_actor=True, allowed_lateness_ms=lateness_ms, max_future_skew_ms=skew_ms
    )
    changes = {
        "rolling": WINDOWS,
        "age_matched": (Age("5s", 5_000), Age("1m", 60_000)),
        "redis": RedisSettings("unused", namespace="live"),
        "worker": WorkerSettings(shards=SHARDS),
        **changes,
    }
    return TrackerSettings((source,), "unused", **changes)


class ListLog:
    """The log as `compare` reads it. first: offsets below are gone; reads: how many batches were read."""

    def __init__(self, logs, most=7):
        self.logs, self.most, self.first, self.reads = logs, most, dict.fromkeys(logs, 0), 0

    async def spans(self):
        return {number: Span(self.first[number], len(log)) for number, log in self.logs.items()}

    async def batches(self, spans):
        for number, (start, end) in spans.items():
            assert start >= self.first[number]
            for begin in range(start, end, self.most):
                self.reads += 1
                yield batch_of(self.logs, number, begin, min(end, begin + self.most))


def batch_of(logs, number, start, end) -> PartitionBatch:
    rows = logs[number][start:end]
    return PartitionBatch(
        number, start, start, end, [row[0] for row in rows], [row[1] for row in rows], range(start, end),
        [row[2] for row in rows], len(logs[number]),
    )  # fmt: skip


class World:
    """One log, its live namespace and its runs."""

    def __init__(self, funnels=(SHOP,), partitions=1, **changes):
        self.settings, self.funnels = settings_of(**changes), tuple(funnels)
        self.server = MemoryServer()
        self.logs = {number: [] for number in range(partitions)}
        self.log = ListLog(self.logs)

    def write(self, actor, name, time, *, recorded=None, id=None, **properties):  # noqa: A002 (as the field is called)
        """Write an event; times are relative to the start."""
        number = int(actor[1:]) % len(self.logs) if actor[1:].isdigit() else 0
        log = self.logs[number]
        record = {"user_id": actor, "event": name, "time": START_MS + time, "id": id or f"{number}-{len(log)}"}
        value = json.dumps(record | properties).encode() if name else b"{"
        log.append((value, START_MS + (time if recorded is None else recorded), actor.encode()))

    def open_store(self, settings) -> MemoryStore:
        return MemoryStore(self.server, settings.redis.namespace, SHARDS)

    @property
    def base(self) -> MemoryStore:
        return self.open_store(self.settings)

    async def add_run(self, name, starts=None, *, rules=None, until=None, **changes):
        starts = starts or dict.fromkeys(self.logs, Start(0))
        changes = {"topic": TOPIC, "rules": rules or counting_rules(self.settings, self.funnels), **changes}
        run = Run(name=name, starts=starts, until=until, made_ms=0, **changes)
        await change_runs(self.base, lambda runs: runs.with_run(run))

    async def count(self, name=None, until=None, *, rng=None, trackers=1, starts=None, funnels=None):
        """Let live, or a run, count on up to these offsets, in random batches; every now and then a tracker is lost."""
        rng = rng or random.Random(0)
        until = until or {number: len(log) for number, log in self.logs.items()}
        for tracker in range(trackers):
            own = [number for number in self.logs if number % trackers == tracker]
            await self._count(name, {number: until[number] for number in own}, rng, starts, funnels)

    async def _count(self, name, until, rng, starts, funnels):
        tracker = None
        positions = {}
        for _ in range(10_000):
            if tracker is None or rng.random() < 0.03:
                tracker = await self.tracker(name, starts, funnels)
                state = {n: LogState(0, len(self.logs[n]), None, len(self.logs)) for n in until}
                positions = dict(await tracker.assign(state))
            batches = []
            for number, offset in positions.items():
                end = min(until[number], offset + rng.choice([1, 2, 10, 100, 10_000]))
                if offset < end:
                    batches.append(batch_of(self.logs, number, offset, end))
            if not batches:
                return
            assert await (await tracker.count(batches)) == {}
            positions |= {batch.partition: batch.next_offset for batch in batches}
        raise AssertionError("it does not come to an end")

    async def tracker(self, name=None, starts=None, funnels=None) -> Tracker:
        settings = self.settings
        if name is not None:
            settings = replace(settings, redis=replace(settings.redis, namespace=namespace_of("live", name)))
        funnels = funnels or self.funnels
        tracker = Tracker(settings, funnels, log_mapping_of(settings), self.open_store(settings), None, starts=starts)
        await tracker.start()
        return tracker

    @asynccontextmanager
    async def open_log(self, topic):
        assert topic == TOPIC
        yield self.log

    def open_store_of_compare(self, settings) -> MemoryStore:
        return self.open_store(settings)

    async def compare(self, name="again") -> Comparison:
        return await compare_run(self.settings, self.funnels, name, self.open_log, self.open_store_of_compare)
