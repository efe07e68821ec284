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

from stream.errors import KafkaRefused, StoreUnavailable
from stream.replay.progress import Progress, progress_of
from stream.store.contract import PartitionHead, Store
from stream.worker.contract import BatchSink, Lag, LogState, PartitionBatch
from stream.worker.runs import Run, read_runs

LOOK_EVERY_S = 1.0
LAST_LOOK_S = 0.5
"""From seeing that all is counted to ending: the rollups, which are written four times a second, come to say so too."""


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
        self._look_s = 0.0
        self._completed_s: float | None = None
        self.ending: Ending | None = None
        self.progress: Progress | None = None

    async def start(self) -> None:
        """Connect and check."""
        await self._sink.start()

    async def stop(self) -> None:
        """Let go of the connections."""
        await self._sink.stop()
        await self._base.close()

    async def assign(self, partitions: Mapping[int, LogState]) -> Mapping[int, int]:
        """Take these partitions over, unless the run has ended: then they may be somebody else's already.

        Raises `KafkaRefused` if the topic has got more partitions.
        """
        if await self._has_ended():
            raise self._refused("assign", partitions)
        count = max((state.partition_count for state in partitions.values()), default=0)
        if count > len(self._run.starts):
            raise KafkaRefused(
                f"topic {self._run.topic} has {count} partitions now, run {self._run.name} was planned for "
                f"{len(self._run.starts)}: drop the run and start it anew"
            )
        offsets = await self._sink.assign(partitions)
        # Whoever was held up in between has taken them from the workers of a run that is live: these take them back.
        if await self._has_ended():
            raise self._refused("assign", partitions)
        return offsets

    async def revoke(self, partitions: Collection[int]) -> None:
        """Forget these partitions."""
        await self._sink.revoke(partitions)

    async def count(self, batches: Sequence[PartitionBatch]) -> asyncio.Future[Mapping[int, int]]:
        """Count the batches, at the run's pace; none once the run has ended."""
        if self._pace is not None:
            await asyncio.sleep(self._pace.pause_s(sum(len(batch.values) for batch in batches), time.monotonic()))
        if self.ending is not None:
            raise self._refused("process", [batch.partition for batch in batches])
        return await self._sink.count(batches)

    async def tick(self, lag: Mapping[int, Lag]) -> None:
        """Look at what became of the run, and do what time alone calls for."""
        now_s = time.monotonic()
        if now_s >= self._look_s:
            self._look_s = now_s + LOOK_EVERY_S
            await self._has_ended(lag)
        if self.ending is None:  # else the namespace may be gone, or somebody else's
            await self._sink.tick(lag)

    def is_ready(self) -> tuple[bool, str]:
        """Whether the run goes on, and if not, why."""
        return (False, f"run {self._run.name} is {self.ending}") if self.ending else self._sink.is_ready()

    def _refused(self, operation: str, partitions: Collection[int]) -> StoreUnavailable:
        error = StoreUnavailable(operation, tuple(partitions), f"run {self._run.name} is {self.ending}")
        error.args = (error.reason,)  # the store is at no fault
        return error

    async def _has_ended(self, lag: Mapping[int, Lag] | None = None) -> bool:
        """Look at the document and the heads; tell how far the run is. What has ended stays so."""
        if self.ending is None:
            ending = await ending_of(self._base, self._run) or await self._complete(lag)
            if ending is not None and self.ending is None:
                self.ending = ending
                self._end()
        return self.ending is not None

    async def _complete(self, lag: Mapping[int, Lag] | None) -> Ending | None:
        heads = await read_heads(self._store, self._run)
        ends = None
        if lag is not None and lag.keys() == heads.keys() == self._run.starts.keys():
            ends = {number: each.end_offset for number, each in lag.items()}
        now_s = time.monotonic()
        progress = progress_of(self._run, heads, now_s, ends)
        self.progress = progress
        self._told(progress)
        if not progress.is_complete:
            self._completed_s = None
        elif self._completed_s is None:
            self._completed_s, self._look_s = now_s, now_s + LAST_LOOK_S
        elif now_s >= self._completed_s + LAST_LOOK_S:
            return Ending.COMPLETE
        return None


async def ending_of(base: Store, run: Run) -> Ending | None:
    """Return why a process of the run must end, as the document of the runs says; None while it need not."""
    runs = (await read_runs(base)).runs
    known = runs.runs.get(run.name)
    if known is None or known.is_dropped or known.made_ms != run.made_ms:
        return Ending.DROPPED
    if any(promotion.run == known.name for promotion in runs.promotions):
        return Ending.PROMOTED
    # With another end it is counted by processes that were told so when they began.
    return Ending.STOPPED if known.is_stopped or known.until != run.until else None


async def read_heads(store: Store, run: Run) -> dict[int, PartitionHead]:
    """Return the heads of a run's partitions that it has begun to read; one whose files come first is not yet in it."""
    heads = {number: await store.load_head(number) for number in sorted(run.starts)}
    return {number: head for number, head in heads.items() if head is not None and head.first_offset is not None}
