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
    chosen: list[Hit] = []
    left = hits
    for place in range(count - 1, -1, -1):
        for index, hit in enumerate(left):
            others = [*left[:index], *left[index + 1 :]]
            if steps[place] in hit[2] and is_matchable(others, steps[:place]):
                chosen.append(hit)
                left = others
                break
        else:
            return ()
    chosen.reverse()
    return chosen


def is_matchable(hits: Sequence[Hit], steps: Sequence[int]) -> bool:
    """Whether each step can have a hit of its own (augmenting paths)."""
    holder: dict[int, int] = {}

    def place(step: int, tried: set[int]) -> bool:
        for index, hit in enumerate(hits):
            if index in tried or step not in hit[2]:
                continue
            tried.add(index)
            if index not in holder or place(holder[index], tried):
                holder[index] = step
                return True
        return False

    return all(place(step, set()) for step in steps)
