"""Exact times of attempts' steps: from the step before, and from the first event of the reported chain.

In:  the changes of a log's events up to an instant.
Out: median and mean per step and split.

Every time is kept as eight bytes. What the engine takes back is kept apart and struck off
at the end, so that a change costs no search.
"""

from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from stream.aggregate.cells import times_of
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
        key = (split, step, start)
        left = _without(self._given.get(key, ()), self._taken.get(key, ()))
        if not left:
            return None
        middle = len(left) // 2
        median = float(left[middle]) if len(left) % 2 else (left[middle - 1] + left[middle]) / 2
        return Times(len(left), median, sum(left) / len(left))


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
