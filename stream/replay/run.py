"""One process of a run: counts the log into the run's namespace, and ends when the run does.

In:  assignments and partition batches, as a worker gets them (`worker.contract.BatchSink`).
Out: the run's counts in its own namespace; live series, topics and offsets are not touched.

The road is the worker's own: the same transport, tracker and commits, in a consumer group of the run's. What is
the run's is here: its pace, and looking once a second at what became of it.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum

from stream.errors import StoreUnavailable
from stream.replay.progress import Progress, progress_of
from stream.store.contract import PartitionHead, Store
from stream.worker.contract import BatchSink, Lag, LogState, PartitionBatch
from stream.worker.runs import Run, read_runs

LOOK_EVERY_S = 1.0


class Ending(StrEnum):
    """Why a process of a run ended."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    PROMOTED = "promoted: it is live now, and workers go on with it"
    DROPPED = "dropped"


class Pace:
    """At most so many records a second; what is taken at once may be more, and is paid for before the next."""

    def __init__(self, records_per_s: float) -> None:
        self._rate = records_per_s
        self._free_s = 0.0

    def pause_s(self, records: int, now_s: float) -> float:
        """Return how long to wait at `now_s` before these records may be counted."""
        pause = max(0.0, self._free_s - now_s)
        self._free_s = now_s + pause + records / self._rate
        return pause


class RunSink:
    """The `BatchSink` of a run's process. `base` is the store of the configured namespace, `store` that of the run.

    told: gets the run's progress once a second. end: called once, when there is nothing more to do.
    """

    def __init__(  # noqa: PLR0913
        self,
        sink: BatchSink,
        run: Run,
        base: Store,
        store: Store,
        *,
        pace: Pace | None = None,
        told: Callable[[Progress], None] = lambda _: None,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self._sink, self._run, self._base, self._store = sink, run, base, store
        self._pace, self._told, self._end = pace, told, end
        self._looked_s = 0.0
        self.ending: Ending | None = None

    async def start(self) -> None:
        """Connect and check."""
        await self._sink.start()

    async def stop(self) -> None:
        """Let go of the connections."""
        await self._sink.stop()
        await self._base.close()

    async def assign(self, partitions: Mapping[int, LogState]) -> Mapping[int, int]:
        """Take these partitions over, unless the run has ended: then they may be somebody else's already."""
        if await self._has_ended():
            raise StoreUnavailable("assign", tuple(partitions), f"run {self._run.name} is {self.ending}")
        return await self._sink.assign(partitions)

    async def revoke(self, partitions: Collection[int]) -> None:
        """Forget these partitions."""
        await self._sink.revoke(partitions)

    async def count(self, batches: Sequence[PartitionBatch]) -> asyncio.Future[Mapping[int, int]]:
        """Count the batches, at the run's pace."""
        if self._pace is not None:
            await asyncio.sleep(self._pace.pause_s(sum(len(batch.values) for batch in batches), time.monotonic()))
        return await self._sink.count(batches)

    async def tick(self, lag: Mapping[int, Lag]) -> None:
        """Do what time alone calls for, and look at what became of the run."""
        await self._sink.tick(lag)
        now_s = time.monotonic()
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            await self._has_ended(lag)

    def is_ready(self) -> tuple[bool, str]:
        """Whether the run goes on, and if not, why."""
        return (False, f"run {self._run.name} is {self.ending}") if self.ending else self._sink.is_ready()

    async def _has_ended(self, lag: Mapping[int, Lag] | None = None) -> bool:
        """Look at the document and the heads; tell how far the run is."""
        ending = await ending_of(self._base, self._run)
        if ending is not None:
            return self._ended(ending)
        heads = await read_heads(self._store, self._run)
        ends = None
        if lag is not None and lag.keys() == heads.keys():
            ends = {number: heads[number].next_offset + each.records for number, each in lag.items()}
        progress = progress_of(self._run, heads, time.monotonic(), ends)
        self._told(progress)
        return progress.is_complete and self._ended(Ending.COMPLETE)

    def _ended(self, ending: Ending) -> bool:
        if self.ending is None:
            self.ending = ending
            self._end()
        return True


async def ending_of(base: Store, run: Run) -> Ending | None:
    """Return why a process of the run must end, as the document of the runs says; None while it need not."""
    runs = (await read_runs(base)).runs
    known = runs.runs.get(run.name)
    if known is None or known.made_ms != run.made_ms:
        return Ending.DROPPED
    if any(promotion.run == known.name for promotion in runs.promotions):
        return Ending.PROMOTED
    return Ending.STOPPED if known.is_stopped else None


async def read_heads(store: Store, run: Run) -> dict[int, PartitionHead]:
    """Return the heads of a run's partitions that it has begun to read; one whose files come first is not yet in it."""
    heads = {number: await store.load_head(number) for number in sorted(run.starts)}
    return {number: head for number, head in heads.items() if head is not None and head.first_offset is not None}
