"""Runs over a store in memory: one to begin with, and its namespace as a process of it leaves it."""

import time

from stream.model.funnel import Funnel, Step
from stream.model.result import Rollup
from stream.model.verdict import Verdict
from stream.settings.counting import CountingRules, counting_rules
from stream.settings.tracker import SourceSettings, TrackerSettings, WorkerSettings
from stream.store.contract import Commit, PartitionHead
from stream.store.memory import MemoryServer, MemoryStore
from stream.worker.partition import encode_rollup
from stream.worker.runs import Promotion, Run, Runs, Start, change_runs

SHARDS = 4
TOPIC = "shop"
A_TO_B = Funnel("ab", 1, (Step("a", ("A",)), Step("b", ("B",))), 60_000)
SETTINGS = TrackerSettings(
    (SourceSettings("shop", (TOPIC,), is_keyed_by_actor=True),), "unused", worker=WorkerSettings(shards=SHARDS)
)
RULES: CountingRules = counting_rules(SETTINGS, (A_TO_B,))


def now_ms() -> int:
    return int(time.time() * 1000)


def run_named(name: str, until: dict[int, int] | None = None, partitions: int = 2, made_ms: int = 1) -> Run:
    """Return a run from offset 0 of each partition."""
    return Run(name, TOPIC, RULES, {number: Start(0) for number in range(partitions)}, until, made_ms)


class Place:
    """A server, and the stores of the configured namespace and of runs."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.base = MemoryStore(self.server, shards=SHARDS)

    def store(self, run: str) -> MemoryStore:
        return MemoryStore(self.server, f"live.{run}", SHARDS)

    async def has(self, *runs: Run, promotions: tuple[str, ...] = ()) -> None:
        """Write the document: these runs, some of them promoted."""
        made = Runs({run.name: run for run in runs}, tuple(Promotion(name, 1, RULES) for name in promotions))
        await change_runs(self.base, lambda _: made)

    async def counted(self, run: str, *offsets: int, written_ms: int = 0) -> None:
        """Leave a run's namespace as processes do that have counted up to these offsets."""
        store = self.store(run)
        for number, offset in enumerate(offsets):
            await store.create_head(number, PartitionHead(0, epoch=1, partition_count=len(offsets), first_offset=0))
            head = PartitionHead(offset, epoch=1, watermark_ms=5, partition_count=len(offsets), first_offset=0)
            rollup = encode_rollup(Rollup(5, 5, offset, [0] * len(Verdict), 0, written_ms, []))
            await store.commit([Commit(number, (0, 1), head, cells={b"c": b"1"}, rollup=rollup)])

    def held(self) -> str:
        """Return all that is stored, to be compared."""
        return repr({name: held for name, held in self.server.namespaces.items() if held.partitions or held.document})
