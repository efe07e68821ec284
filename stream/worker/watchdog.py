"""Notice what nobody reports: a worker that stands still, and a source that never matches.

In:  offsets, lags, verdict counts and the time, all passed in; the decisions read no clock.
Out: the partitions that stand still; a sentence about a source that does not fit its settings.

Kafka clients are known to stop fetching without an error after broker trouble. Then records wait, nothing
is known to be wrong, and only a new process helps. A known outage is no such case: it ends by itself.
"""

import asyncio
import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from stream.errors import Stalled
from stream.model.verdict import Verdict
from stream.worker.contract import Lag

log = logging.getLogger(__name__)

LOOK_S = 1.0
STALL_S = 60.0
EXIT_STALLED = 70  # EX_SOFTWARE: a supervisor starts the worker anew


@dataclass(slots=True)
class StallWatch:
    """Which partitions have had records waiting for `limit_s` while their stored offset did not move."""

    limit_s: float = STALL_S
    _since: dict[int, tuple[int, float]] = field(default_factory=dict)

    def look(self, now_s: float, stored: Mapping[int, int], lag: Mapping[int, Lag]) -> list[int]:
        """Return the partitions that stand still at `now_s` (any clock that only goes forward)."""
        since = {}
        for partition, offset in stored.items():
            known = lag.get(partition)
            if known is None or known.records == 0:
                continue
            before = self._since.get(partition)
            since[partition] = before if before is not None and before[0] == offset else (offset, now_s)
        self._since = since
        return sorted(partition for partition, (_, begin) in since.items() if now_s - begin >= self.limit_s)

    def forget(self) -> None:
        """Start anew: what stood still had a known reason."""
        self._since.clear()


@dataclass(slots=True)
class MatchWatch:
    """Whether all records of the last `limit_s` were unmatched or invalid."""

    limit_s: float = 60.0
    _begin: tuple[float, tuple[int, ...]] | None = None

    def look(self, now_s: float, counts: Sequence[int]) -> str:
        """Return a sentence for people if `counts` (in the order of `Verdict`, ever growing) say so, else "".

        A count below the last one (partitions were revoked) begins a new span.
        """
        now = tuple(counts)
        if self._begin is None:
            self._begin = (now_s, now)
            return ""
        begin_s, begin = self._begin
        grown = [after - before for before, after in zip(begin, now, strict=True)]
        useless = grown[Verdict.UNMATCHED] + grown[Verdict.INVALID]
        if min(grown) < 0 or useless < sum(grown):
            self._begin = (now_s, now)
            return ""
        if useless == 0 or now_s - begin_s < self.limit_s:
            return ""
        return (
            f"none of {useless} records in the last {now_s - begin_s:.0f} s serves a step of any funnel "
            f"({grown[Verdict.UNMATCHED]} unmatched, {grown[Verdict.INVALID]} invalid): check the source's preset and "
            "fields and the funnels' event names (funnel probe shows what the records hold)"
        )


class Watchdog:
    """Looks once a second; ends the worker through `crash` when partitions stand still for no known reason."""

    def __init__(
        self,
        stored: Callable[[], Mapping[int, int]],
        lag: Callable[[], Mapping[int, Lag]],
        outage: Callable[[], str],
        verdicts: Callable[[], Sequence[int]] | None = None,
        stall_s: float = STALL_S,
    ) -> None:
        self._stored, self._lag, self._outage, self._verdicts = stored, lag, outage, verdicts
        self._stalls = StallWatch(stall_s)
        self._matches = MatchWatch()
        self.warning = ""
        self._known = ""

    def look(self, now_s: float) -> None:
        """Look once. Raises `Stalled` when the worker must end."""
        outage = self._outage()
        if outage != self._known:
            log.warning("not ready: %s", outage) if outage else log.info("ready")
            self._known = outage
        if outage:
            self._stalls.forget()
        else:
            still = self._stalls.look(now_s, self._stored(), self._lag())
            if still:
                raise Stalled(
                    f"partitions {still} have had records waiting for {self._stalls.limit_s:.0f} s and their stored "
                    "offset does not move, with Kafka and the store both answering: the worker ends, start it anew"
                )
        if self._verdicts is not None:
            warning = self._matches.look(now_s, self._verdicts())
            if warning and not self.warning:
                log.warning("%s", warning)
            self.warning = warning

    async def run(self, crash: Callable[[BaseException], Awaitable[None]]) -> None:
        """Look every second until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                self.look(loop.time())
            except Stalled as error:
                log.critical("%s", error)
                await crash(error)
                return


class LoopGuard:
    """A thread that ends the process when the event loop itself no longer turns.

    It counts its own looks, not seconds, so that a stopped and continued process is not taken for a hung one.
    """

    def __init__(self, limit_s: float = STALL_S, end: Callable[[], None] | None = None) -> None:
        self._limit = max(1, round(limit_s / LOOK_S))
        self._end = end or _end_process
        self._beats = 0
        self._stop = threading.Event()

    async def run(self) -> None:
        """Beat until cancelled; the thread ends with it."""
        thread = threading.Thread(target=self._watch, name="loop-guard", daemon=True)
        thread.start()
        try:
            while True:
                self._beats += 1
                await asyncio.sleep(LOOK_S)
        finally:
            self._stop.set()

    def _watch(self) -> None:
        seen, misses = self._beats, 0
        while not self._stop.wait(LOOK_S):
            misses = misses + 1 if self._beats == seen else 0
            seen = self._beats
            if misses >= self._limit:
                self._end()
                return


def _end_process() -> None:
    sys.stderr.write("the worker's event loop hangs; the process ends, start it anew. It was here:\n")
    faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
    os._exit(EXIT_STALLED)
