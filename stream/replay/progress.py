"""How far a run has come, and what state it is in.

In:  the run, the heads of its namespace, when its partitions were written last; for a run that follows, the log's ends.
Out: `Progress`; records a second and time left between two of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from stream.store.contract import PartitionHead
from stream.worker.runs import Run

WRITTEN_WITHIN_MS = 10_000
"""A process of a run writes each partition at least once a second; one that was not for this long has none."""


class State(StrEnum):
    """What a run is doing."""

    LIVE = "live"
    COMPLETE = "complete"
    STOPPED = "stopped"
    FILES = "files first, not all counted"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    DROPPED = "being dropped"


@dataclass(frozen=True, slots=True)
class Progress:
    """Offsets read of those that are to be read, at `at_s` (any clock that only goes forward).

    total: None while the ends of a log that is followed are not known. is_complete: a run with an
    end has come to it.
    """

    done: int
    total: int | None
    is_complete: bool
    at_s: float

    @property
    def left(self) -> int | None:
        """Offsets still to be read."""
        return None if self.total is None else max(0, self.total - self.done)

    @property
    def share(self) -> float | None:
        """Part that is done, 0..1."""
        if self.total is None:
            return None
        return min(1.0, self.done / self.total) if self.total else 1.0

    def rate(self, earlier: "Progress") -> float | None:
        """Return offsets a second since an earlier look; None where no time has passed.

        A store that lost its last seconds sets a run back: that is no pace, and counts as none.
        """
        seconds = self.at_s - earlier.at_s
        return max(0, self.done - earlier.done) / seconds if seconds > 0 else None

    def left_s(self, earlier: "Progress") -> float | None:
        """Return how long the rest takes at the pace since an earlier look; None if that cannot be told."""
        rate = self.rate(earlier)
        return self.left / rate if rate and self.left is not None else None


def progress_of(
    run: Run, heads: Mapping[int, PartitionHead], at_s: float, ends: Mapping[int, int] | None = None
) -> Progress:
    """Return how far a run is. `ends`: the log's end offsets, used where the run follows it."""
    ends = ends if run.until is None else run.until
    done = 0
    for number, start in run.starts.items():
        if number in heads:
            done += max(0, heads[number].next_offset - start.offset)
    total = (
        None if ends is None else sum(max(0, ends[n] - start.offset) for n, start in run.starts.items() if n in ends)
    )
    is_complete = run.until is not None and all(
        number in heads and heads[number].next_offset >= end for number, end in run.until.items()
    )
    return Progress(done, total, is_complete, at_s)


def state_of(  # noqa: PLR0913
    run: Run, progress: Progress, *, is_live: bool, written_ms: int | None, now_ms: int, has_files_left: bool = False
) -> State:
    """Return a run's state.

    written_ms: when one of its processes wrote last to a partition whose topic is read (wall clock), None for never.
    has_files_left: a partition's files are not all counted.
    """
    if run.is_dropped:
        return State.DROPPED
    if is_live:
        return State.LIVE
    if progress.is_complete:
        return State.COMPLETE
    if run.is_stopped:
        return State.STOPPED
    if has_files_left:
        return State.FILES
    began_ms = run.made_ms if written_ms is None else max(written_ms, run.made_ms)
    return State.RUNNING if now_ms - began_ms < WRITTEN_WITHIN_MS else State.INTERRUPTED
