"""The events of one instant: which of them serves which step, each at most one, and what they do besides.

In:  the hits of a tie group.
Out: a hit for each of some steps, the smallest ids from the last step backwards.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from stream.engine.roles import BREAKS, Hit, exclusion_of


class Instant(NamedTuple):
    """What happened at `time_ms`, of which the order says nothing.

    serving: hits with the steps they can serve alone, by id, of equal ones no more than a chain could use.
    breaking: for each event that breaks strict chains, the steps at which it does not. excluding: the places of the
    exclusions it holds.
    """

    time_ms: int
    serving: Sequence[Hit]
    breaking: Sequence[tuple[int, ...]] = ()
    excluding: frozenset[int] = frozenset()


def instant_of(time_ms: int, hits: Sequence[Hit], step_count: int) -> Instant:
    """Sort the hits of an instant by what they do."""
    if len(hits) == 1 and hits[0][2] and hits[0][2][0] >= 0:  # most are
        return Instant(time_ms, hits, (hits[0][2],))
    serving: list[Hit] = []
    breaking: list[tuple[int, ...]] = []
    excluding: set[int] = set()
    for hit in hits:
        roles = hit[2]
        if not roles:
            continue
        if roles[0] < 0:
            excluding |= {exclusion_of(role) for role in roles if role < BREAKS}
            steps = tuple([role for role in roles if role >= 0])
        else:
            steps = roles
        if steps:
            serving.append((time_ms, hit[1], steps, hit[3], hit[4]))
        if steps or BREAKS in roles:
            breaking.append(steps)
    if len(serving) > 1:
        serving = useful(serving, step_count)
    return Instant(time_ms, serving, breaking, frozenset(excluding))


def useful(hits: Iterable[Hit], step_count: int) -> list[Hit]:
    """Return the hits by id, of those that serve the same steps only as many as a chain could use."""
    chosen: list[Hit] = []
    seen: dict[tuple[int, ...], int] = {}
    for hit in sorted(hits, key=lambda hit: hit[1]):
        count = seen[hit[2]] = seen.get(hit[2], 0) + 1
        if count <= step_count:
            chosen.append(hit)
    return chosen


def assign(hits: Sequence[Hit], steps: Sequence[int]) -> Sequence[Hit]:
    """Give each of `steps` (from 0, ascending) a hit of its own, smallest ids from the last step backwards.

    `hits` are in order of id. Returns them in step order, or nothing if there is no such assignment.
    """
    count = len(steps)
    if count > len(hits):
        return ()
    if all(len(hit[2]) >= count and set(hit[2]).issuperset(steps) for hit in hits):
        return hits[count - 1 :: -1]  # whichever: they serve all of these steps
    if all(len(hit[2]) == 1 for hit in hits):
        first: dict[int, Hit] = {}
        for hit in hits:
            first.setdefault(hit[2][0], hit)
        found = [first[step] for step in steps if step in first]
        return found if len(found) == count else ()
    matching = _Matching(hits, steps)
    return matching.smallest() if matching.is_perfect else ()


class _Matching:
    """Gives each step a hit of its own, if there is a way: `is_perfect` (augmenting paths)."""

    def __init__(self, hits: Sequence[Hit], steps: Sequence[int]) -> None:
        self._hits = hits
        self._serving = [[index for index, hit in enumerate(hits) if step in hit[2]] for step in steps]
        self._holder: dict[int, int] = {}
        self._own: dict[int, int] = {}
        self._fixed: set[int] = set()
        self.is_perfect = all(self._place(place, set()) for place in range(len(steps)))

    def _place(self, place: int, tried: set[int]) -> bool:
        for index in self._serving[place]:
            if index in tried or index in self._fixed:
                continue
            tried.add(index)
            if index not in self._holder or self._place(self._holder[index], tried):
                self._holder[index] = place
                self._own[place] = index
                return True
        return False

    def smallest(self) -> list[Hit]:
        """Return the hits by step, smallest ids from the last step backwards."""
        for place in reversed(range(len(self._serving))):
            index = next(index for index in self._serving[place] if self._can_have(place, index))
            self._fixed.add(index)
        return [self._hits[self._own[place]] for place in range(len(self._serving))]

    def _can_have(self, place: int, index: int) -> bool:
        """Give the step this hit, if the earlier steps can then still have one each."""
        own, holder = self._own[place], self._holder.get(index)
        if index == own:
            return True
        if index in self._fixed:
            return False
        del self._holder[own]
        self._holder[index], self._own[place] = place, index
        if holder is None:
            return True
        self._fixed.add(index)
        found = self._place(holder, set())
        self._fixed.discard(index)
        if not found:
            self._holder[index], self._holder[own] = holder, place
            self._own[place], self._own[holder] = own, index
        return found
