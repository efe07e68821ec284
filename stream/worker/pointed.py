"""The sink of a worker that follows what is live: one tracker at a time, another one after a switch.

In:  what the Kafka side hands to a sink; the document of the runs, looked at twice a second.
Out: the calls, passed on to the tracker of what is live now.

A switch happens at a batch boundary, without a restart: where partitions are held, it is said that they are to be
assigned anew, as after an outage, and only then, with nothing on its way, does the other tracker take the place.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from stream.errors import StoreUnavailable
from stream.metrics.collector import FunnelCollector
from stream.metrics.process import ProcessStats
from stream.metrics.samples import Floor
from stream.model.funnel import Funnel
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Store
from stream.worker.contract import Lag, LogState, PartitionBatch
from stream.worker.pointer import Live, what_is_live
from stream.worker.runs import Promotion, read_runs
from stream.worker.tracker import Tracker

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
"""A switch is to be followed within 1 s, and a group of batches that is being counted can take some of it."""

MakeTracker = Callable[[Live, ProcessStats, Floor], Tracker]


class LiveMoved(StoreUnavailable):
    """Something else is live now: what is held is to be assigned anew."""

    def __init__(self, live: Live) -> None:
        super().__init__("counting", (), f"{live.title} is live now")
        self.args = (f"{live.title} is live now: taking its partitions over",)  # no outage, so none is spoken of


class Pointed:
    """The `BatchSink` of a worker. `base`: the store of the configured namespace.

    `make` returns the tracker of what is live, with the process' figures and the counters' last values to go on with.
    `insists`: at the start, go by these funnels although a switch has put their rules out of force.
    """

    def __init__(
        self,
        settings: TrackerSettings,
        funnels: Sequence[Funnel],
        base: Store,
        make: MakeTracker,
        *,
        insists: bool = False,
    ) -> None:
        self._settings, self._funnels, self._base, self._make = settings, tuple(funnels), base, make
        self._insists = insists
        self._insisted: tuple[Promotion, ...] | None = None
        self.stats, self._floor = ProcessStats(), Floor()
        self._newest: Live | None = None
        self._followed: Live | None = None
        self._tracker: Tracker | None = None
        self._collector = FunnelCollector((), process=self.stats)
        self._held: set[int] = set()
        self._partition_count = 0
        self._looked_s = 0.0

    @property
    def collector(self) -> FunnelCollector:
        """What renders /metrics: until a new tracker has read anything, the one before goes on showing its last."""
        if self._tracker is not None and self._tracker.merged is not None:
            self._collector = self._tracker.collector
        return self._collector

    # --- life

    async def start(self) -> None:
        """Find out what is live, and start its tracker."""
        await self._look()
        await self._follow()

    async def stop(self) -> None:
        """Let go of the connections."""
        if self._tracker is not None:
            await self._tracker.stop()
        await self._base.close()

    def is_ready(self) -> tuple[bool, str]:
        """Whether numbers are being kept up, and if not, why."""
        return (False, "not started") if self._tracker is None else self._tracker.is_ready()

    async def _look(self) -> Live:
        runs = (await read_runs(self._base)).runs
        self._looked_s = time.monotonic()
        if self._insisted is None:
            self._insisted = runs.promotions
        self._insists &= runs.promotions == self._insisted  # what is said at the start must not fight a later switch
        self._newest = what_is_live(self._settings, self._funnels, runs, insists=self._insists)
        return self._newest

    def _has_moved(self) -> bool:
        newest, followed = self._newest, self._followed
        return newest is not None and (followed is None or not followed.is_as(newest))

    async def _follow(self) -> Tracker:
        """Return the tracker of what is live, started; nothing of the one before may be on its way."""
        newest, before = self._newest, self._tracker
        if before is not None and not self._has_moved():
            return before
        assert newest is not None  # noqa: S101 - looked at first
        self._followed = None
        if before is not None:
            await before.stop()
        self._tracker = tracker = self._make(newest, self.stats, self._floor)
        tracker.watch(self._partition_count)
        await tracker.start()
        self._followed = newest
        _tell(newest)
        return tracker

    # --- what the Kafka side asks for

    async def assign(self, partitions: Mapping[int, LogState]) -> Mapping[int, int]:
        """Take these partitions over in what is live now."""
        self._held |= partitions.keys()
        self._partition_count = max(
            (each.partition_count for each in partitions.values()), default=self._partition_count
        )
        await self._look()
        tracker = await self._follow()
        return await tracker.assign(partitions)

    async def revoke(self, partitions: Collection[int]) -> None:
        """Forget these partitions."""
        self._held -= set(partitions)
        if self._tracker is not None:
            await self._tracker.revoke(partitions)

    async def count(self, batches: Sequence[PartitionBatch]) -> asyncio.Future[Mapping[int, int]]:
        """Count the batches and begin to store them."""
        assert self._tracker is not None  # noqa: S101 - partitions were assigned
        return await self._tracker.count(batches)

    async def tick(self, lag: Mapping[int, Lag]) -> None:
        """Follow what is live, and do what time alone calls for. Raises `LiveMoved` while partitions are held."""
        if self._followed is None and self._held:
            return  # the tracker could not begin: `assign` is asked again, and has to come first
        if self._followed is None or time.monotonic() - self._looked_s >= LOOK_EVERY_S:
            newest = await self._look()
            if self._held and self._has_moved():
                raise LiveMoved(newest)
        tracker = await self._follow()
        await tracker.tick(lag)


def _tell(live: Live) -> None:
    log.info("%s is live", live.title)
    if live.is_overruled:
        log.warning(
            "the files of this worker say what `funnel replay promote` or `rollback` has replaced: it counts by the "
            "rules of what is live (%s) instead; give it files that say so",
            ", ".join(funnel.key for funnel in live.funnels),
        )
