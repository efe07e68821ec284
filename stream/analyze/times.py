"""Exact times of attempts' steps: from the step before, and from the first event of the reported chain.

In:  the changes of a log's events up to an instant.
Out: per step and split all the times, and what they come to: median, mean, percentiles, histogram.

Every time is kept as eight bytes. What the engine takes back is kept apart and struck off
at the end, so that a change costs no search.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from stream.aggregate.cells import BOUNDS_MS, times_of
from stream.aggregate.rings import Split
from stream.aggregate.totals import splits_of
from stream.engine.advance import Change
from stream.engine.attempts import Attempt

FROM_PREVIOUS, FROM_ENTRY = 0, 1

# by split, step and where it is counted from; times in ms
Columns: TypeAlias = "dict[tuple[Split, int, int], array[int]]"


class Times(NamedTuple):
    """`timed` times, with median and mean in ms (exact; the median of an even count lies between the middle two)."""

    timed: int
    median_ms: float
    mean_ms: float


class StepTimes:
    """The times of one funnel's attempts, by split, step 2..n and where they are counted from.

    undecided_from_ms: earlier entries are decided; attempts that count only while they are pending count from there on.
    """

    def __init__(self, undecided_from_ms: int = 0) -> None:
        self._undecided_from_ms = undecided_from_ms
        self._given: Columns = {}
        self._taken: Columns = {}

    def take(self, change: Change) -> None:
        """Add one change of the attempts."""
        taken, given = change.taken, change.given
        if taken and given and _goes_on(taken[0], given[0]):
            # Nearly every change: an attempt got further, so that only its new steps are new.
            _add(self._given, given[0], after=taken[0][1])
            taken, given = taken[1:], given[1:]
        for attempt in taken:
            if self._counts(attempt):
                _add(self._taken, attempt)
        for attempt in given:
            if self._counts(attempt):
                _add(self._given, attempt)

    def _counts(self, attempt: Attempt) -> bool:
        fate = attempt[5]
        return fate is None or not fate[0] or attempt[0] >= self._undecided_from_ms

    def of(self, split: Split, step: int, start: int) -> Times | None:
        """Return the times of `step` counted from `start` (`FROM_PREVIOUS`, `FROM_ENTRY`); None if there are none."""
        return summary(self.ordered(split, step, start))

    def ordered(self, split: Split, step: int, start: int) -> list[int]:
        """Return the times of `step` counted from `start`, the shortest first, ms."""
        key = (split, step, start)
        return _without(self._given.get(key, ()), self._taken.get(key, ()))


def summary(ordered: Sequence[int]) -> Times | None:
    """Return what times in order come to; None if there are none."""
    if not ordered:
        return None
    return Times(len(ordered), percentile(ordered, 50), sum(ordered) / len(ordered))


def percentile(ordered: Sequence[int], percent: int) -> float:
    """Return what `percent` of a hundred of some times in order are at most, linear between the two nearest, ms."""
    place, rest = divmod(percent * (len(ordered) - 1), 100)
    if not rest:
        return float(ordered[place])
    return ordered[place] + (ordered[place + 1] - ordered[place]) * rest / 100


def histogram(ordered: Sequence[int]) -> list[int]:
    """Return how many times lie in each of the fixed buckets (`model.result.DURATION_BOUNDS_S`), the open one last."""
    ends = [0, *(bisect_right(ordered, bound_ms) for bound_ms in BOUNDS_MS), len(ordered)]
    return [end - start for start, end in pairwise(ends)]


def _goes_on(old: Attempt, new: Attempt) -> bool:
    are_free = old[5] is None and new[5] is None
    return are_free and old[1] <= new[1] and old[3] == new[3] and old[2] == new[2][: len(old[2])]


def _add(times: Columns, attempt: Attempt, after: int = 1) -> None:
    _, best, chain, entry, _, _ = attempt
    if best <= after:
        return
    splits = splits_of(entry)
    events = times_of(chain)
    for (_, previous), (step, now) in pairwise(events):
        if step <= after:
            continue
        for start, since in ((FROM_PREVIOUS, previous), (FROM_ENTRY, events[0][1])):
            for split in splits:
                known = times.get((split, step, start))
                if known is None:
                    known = times[split, step, start] = array("q")
                known.append(now - since)


def _without(given: Sequence[int], taken: Sequence[int]) -> list[int]:
    """Return `given` in order, less one of each value in `taken`, which are all among them."""
    ordered = sorted(given)
    if not taken:
        return ordered
    gone = iter(sorted(taken))
    next_gone = next(gone, None)
    left = []
    for value in ordered:
        if value == next_gone:
            next_gone = next(gone, None)
        else:
            left.append(value)
    return left
