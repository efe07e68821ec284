"""Chains of a funnel with options, in order of its steps (SPEC section 4): which are kept, and how they go on.

In:  the chains kept of one actor, and the hits of one instant (a tie group).
Out: the chains that arrive with it, and those to be kept after it.

A chain is a flat tuple (time, touch, time, touch, ...), one pair per level; a level that it skipped, or
that lies below its entry in an open funnel, is the pair (None, None).

With options the latest start of a level is not always the best chain of it: a gap may not be over, a `within`
may end sooner, a chain with more optional steps is to be reported. So all chains are kept of which none is
as good in every way that can still matter (`Chains.kept`). What an instant breaks or clears concerns chains that ended
before it; what it makes is out of reach of its own exclusions and foreign events. That is why chains of
one level are all broken and cleared alike once an instant is over, and none needs to remember when it passed a step.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from stream.engine.roles import Hit
from stream.engine.ties import Instant, assign
from stream.model.funnel import Funnel, Order

FOREVER_MS: Final = 1 << 62
"""The `within` of a step that has none."""

# (time_ms, touch, time_ms, touch, ...), one pair per level, (None, None) for one that it skipped
Chain: TypeAlias = tuple[Any, ...]

# step (from 0) -> the hits of an instant that may be the first of a chain there
Openers: TypeAlias = Mapping[int, Sequence[Hit]]


def level_of(chain: Chain) -> int:
    """Return the deepest step a chain reached, counted from 1."""
    return len(chain) // 2


def entry_of(chain: Chain) -> int:
    """Return the place (from 0) of the first step a chain has."""
    place = 0
    while chain[2 * place] is None:
        place += 1
    return place


def start_of(chain: Chain) -> int:
    """Return the time of a chain's first event, ms."""
    start: int = chain[0] if chain[0] is not None else chain[2 * entry_of(chain)]
    return start


class Chains:
    """How chains of one funnel are made and compared. Steps are counted from 0, levels from 1."""

    def __init__(self, funnel: Funnel) -> None:
        steps = funnel.steps
        self.window_ms = funnel.window_ms
        self.step_count = len(steps)
        self._strict_time = funnel.strict_time
        self._is_strict = funnel.order is Order.STRICT
        self._is_open = funnel.is_open
        self._ranges = tuple((exclusion.first, exclusion.last) for exclusion in funnel.exclusions)
        self._optional = tuple(step.optional for step in steps)
        self._within = tuple(FOREVER_MS if step.within_ms is None else step.within_ms for step in steps)
        self._not_before = tuple(step.not_before_ms for step in steps)
        self.is_shared = not self._is_open
        """Whether a period keeps what attempts keep, as long as both have the same chains."""
        self.changes_alone = self._is_strict
        """Whether an event can change what is kept without a chain that arrives with it, or an exclusion."""
        # Without these the chain of a level with the latest start, then the earliest events, is the best in every way.
        self._has_one_best = not (
            funnel.is_open or any(step.optional or step.within_ms is not None or step.not_before_ms for step in steps)
        )
        # By level, 0 before the first step: the steps to which a chain may go on.
        self.following = tuple(tuple(self._next_steps(level)) for level in range(self.step_count + 1))
        self._preceding = tuple(
            tuple(level for level in range(1, step + 1) if step in self.following[level])
            for step in range(self.step_count)
        )

    def _next_steps(self, level: int) -> Iterator[int]:
        for step in range(level, self.step_count):
            yield step
            if not self._optional[step]:
                return

    # Alive

    def can_follow(self, chain: Chain, step: int, now_ms: int) -> bool:
        """Tell whether `step` at `now_ms`, or once its gap is over, would extend a chain that nothing has broken."""
        last: int = chain[-2]
        limit = min(start_of(chain) + self.window_ms, last + self._within[step])
        return max(now_ms, last + self._not_before[step]) <= limit

    def goes_on(self, chain: Chain, now_ms: int) -> bool:
        """Tell whether an event at `now_ms` or later could still extend the chain."""
        if self._has_one_best:
            return len(chain) < 2 * self.step_count and now_ms <= chain[0] + self.window_ms
        return any(self.can_follow(chain, step, now_ms) for step in self.following[level_of(chain)])

    def last_ms(self, chain: Chain) -> int:
        """Return the last instant at which the chain goes on, or its own if it never does."""
        last: int = chain[-2]
        limits = [
            min(start_of(chain) + self.window_ms, last + self._within[step])
            for step in self.following[level_of(chain)]
            if self.can_follow(chain, step, last)
        ]
        return max(limits, default=last)

    def candidates(self, kept: Iterable[Chain], until_ms: int | None = None) -> Sequence[Chain]:
        """Return the chains that can be the best of their level; here, all that are kept."""
        return tuple(kept)

    # Made

    def openers(self, kept: Sequence[Chain], instant: Instant) -> Openers:
        """Return which hits may be the first of a chain, and where: at step 0, or in an open funnel where none waits.

        An event opens one chain, at the lowest step it serves that no live chain can go to with it.
        """
        first = [hit for hit in instant.serving if 0 in hit[2]]
        openers: dict[int, Sequence[Hit]] = {0: first} if first else {}
        if not self._is_open:
            return openers
        opened = {hit[1] for hit in first}
        for step in range(1, self.step_count):
            if self._optional[step]:
                continue
            free = [
                hit
                for hit in instant.serving
                if step in hit[2] and hit[1] not in opened and not self._waits(kept, openers, instant, step, hit)
            ]
            if free:
                openers[step] = free
                opened |= {hit[1] for hit in free}
        return openers

    def _waits(self, kept: Sequence[Chain], openers: Openers, instant: Instant, step: int, hit: Hit) -> bool:
        """Tell whether a chain without this hit, kept or of this instant, could go to `step`."""
        now_ms, levels = instant.time_ms, self._preceding[step]
        if any(level_of(chain) in levels and self.can_follow(chain, step, now_ms) for chain in kept):
            return True
        if len(instant.serving) == 1:
            return False
        others = Instant(now_ms, tuple(other for other in instant.serving if other is not hit))
        own = {place: [other for other in first if other is not hit] for place, first in openers.items()}
        arriving = self.arriving(kept, others, {place: first for place, first in own.items() if first})
        return any(level_of(chain) in levels and self.can_follow(chain, step, now_ms) for chain in arriving)

    def arriving(
        self,
        kept: Sequence[Chain],
        instant: Instant,
        openers: Openers,
        until_ms: int | None = None,
    ) -> list[Chain]:
        """Return the chains whose last event is of this instant, of equal ones that to be reported."""
        now_ms, hits = instant.time_ms, instant.serving
        found: list[Chain] = []
        for chain in kept:
            last: int = chain[-2]
            gap_ms = now_ms - last
            if now_ms - start_of(chain) > self.window_ms:
                continue
            for step in self.following[level_of(chain)]:
                if self._not_before[step] <= gap_ms <= self._within[step]:
                    found += self._extended(chain, step, now_ms, hits)
        for step, first in openers.items():
            own = hits if len(first) == len(hits) else [hit if hit in first else _without(hit, step) for hit in hits]
            found += self._extended((), step, now_ms, own)
        return found

    def _extended(self, chain: Chain, first: int, now_ms: int, hits: Sequence[Hit]) -> Iterator[Chain]:
        """Yield the chain with `first` and steps behind it, each with a hit of its own, by the step it comes to."""
        head = (*chain, *(None,) * (2 * first - len(chain)))
        if len(hits) == 1:
            if first in hits[0][2]:
                yield (*head, now_ms, hits[0][3])
            return
        required: list[int] = []
        for last in range(first, self.step_count):
            if last > first and (self._strict_time or self._not_before[last]):
                if self._strict_time or not self._optional[last]:
                    return
                continue  # its gap is not over, and it may be skipped
            steps = [*required, last]
            if assign(hits, steps):
                yield (*head, *self._served(self._with_optional(steps, hits), now_ms, hits))
            elif last == first or not self._optional[last]:
                return
            if last == first or not self._optional[last]:
                required.append(last)

    def _with_optional(self, steps: list[int], hits: Sequence[Hit]) -> list[int]:
        """Return the steps and as many optional ones between them as the hits can serve, the later ones first.

        What can be served grows step by step to the most there is (the steps of a matroid).
        """
        for step in range(steps[-1] - 1, steps[0], -1):
            if self._optional[step] and not self._not_before[step]:
                more = sorted([*steps, step])
                steps = more if assign(hits, more) else steps
        return steps

    def _served(self, steps: Sequence[int], now_ms: int, hits: Sequence[Hit]) -> Chain:
        """Return the part of a chain from the first of `steps` to the last."""
        chosen = dict(zip(steps, assign(hits, steps), strict=True))
        return tuple(
            [
                item
                for step in range(steps[0], steps[-1] + 1)
                for item in ((now_ms, chosen[step][3]) if step in chosen else (None, None))
            ]
        )

    # Kept

    def starts(self, kept: Iterable[Chain]) -> set[int]:
        """Return when the kept chains begin."""
        return {start_of(chain) for chain in kept}

    def clearing(self, chain: Chain, now_ms: int, excluding: Collection[int]) -> Collection[int]:
        """Return which of the exclusions of an instant clear the chain: its range has begun before, and not ended."""
        level = level_of(chain)
        return [
            place
            for place in excluding
            for first, last in (self._ranges[place],)
            if first <= level < last and chain[2 * first - 2] < now_ms
        ]

    def is_broken(self, chain: Chain, instant: Instant) -> bool:
        """Tell whether an event of the instant breaks the chain: in strict order, any but one of the step it is at."""
        if not self._is_strict or chain[-2] == instant.time_ms:
            return False
        return any(level_of(chain) - 1 not in steps for steps in instant.breaking)

    def remaining(
        self, kept: Sequence[Chain], instant: Instant, arriving: Sequence[Chain], excluding: Collection[int]
    ) -> Sequence[Chain]:
        """Return the chains that can go on after the instant: neither broken (strict order) nor cleared by it."""
        chains: Sequence[Chain] = [*kept, *arriving]
        if self._is_strict:
            chains = [chain for chain in chains if not self.is_broken(chain, instant)]
        if excluding:
            chains = [chain for chain in chains if not self.clearing(chain, instant.time_ms, excluding)]
        return chains

    def kept(self, chains: Sequence[Chain], now_ms: int, until_ms: int | None = None) -> tuple[Chain, ...]:
        """Return what is to be kept after `now_ms`: no other chain of the level is as good in every way."""
        living = [chain for chain in chains if self.goes_on(chain, now_ms)]
        if len(living) < 2:
            return tuple(living)
        by_level: dict[int, list[Chain]] = {}
        for chain in living:
            by_level.setdefault(level_of(chain), []).append(chain)
        return tuple([chain for _, level in sorted(by_level.items()) for chain in self._best(level, now_ms)])

    def _best(self, chains: Sequence[Chain], now_ms: int) -> Sequence[Chain]:
        if len(chains) == 1:
            return chains
        if self._has_one_best:
            latest_ms = max(chain[0] for chain in chains)
            return [self.preferred([chain for chain in chains if chain[0] == latest_ms])]
        best: list[Chain] = []
        for chain in chains:
            if any(self._replaces(other, chain, now_ms) for other in best):
                continue
            best = [other for other in best if not self._replaces(chain, other, now_ms)]
            best.append(chain)
        # The order in which they were found is an accident of the batch; equal states shall be equal.
        return sorted(best, key=lambda chain: [time_ms or 0 for time_ms in chain[::2]])

    def _replaces(self, other: Chain, chain: Chain, now_ms: int) -> bool:
        """Tell whether `other` does for all that can still be asked about `chain`."""
        theirs, ours = self.worth(other, now_ms), self.worth(chain, now_ms)
        if not at_least(theirs, ours):
            return False
        if other[-2] > chain[-2] and theirs[0] == ours[0] and theirs[1] == ours[1] and theirs[3::2] == ours[3::2]:
            return False  # an attempt that opens on them later reports the one that reached its level first
        return all(
            self._rank(other, self._within[step] != FOREVER_MS) <= self._rank(chain, self._within[step] != FOREVER_MS)
            for step in self.following[level_of(chain)]
        )

    def worth(self, chain: Chain, now_ms: int) -> tuple[int, ...]:
        """Return what decides how far a chain can come, the more the better: start, entry, each next step's chances."""
        last: int = chain[-2]
        start_ms = start_of(chain)
        worth = [start_ms, -entry_of(chain)]
        for step in self.following[level_of(chain)]:
            worth.append(-max(now_ms, last + self._not_before[step]))
            worth.append(min(start_ms + self.window_ms, last + self._within[step]))
        return tuple(worth)

    def foremost(self, chains: Iterable[Chain], now_ms: int) -> list[Chain]:
        """Return the chains that count for an attempt's entry: per level, no other can come as far in every way."""
        chains = list(chains)
        if len(chains) == 1:
            return chains
        valued = [(chain, self.worth(chain, now_ms)) for chain in chains]
        return [
            chain
            for chain, ours in valued
            if not any(
                theirs != ours and len(other) == len(chain) and at_least(theirs, ours) for other, theirs in valued
            )
        ]

    def reported(self, chains: Iterable[Chain]) -> Chain:
        """Return which of chains of one level is reported: the first that reached it, then as `preferred`."""
        chains = list(chains)
        first_ms = min(chain[-2] for chain in chains)
        return self.preferred([chain for chain in chains if chain[-2] == first_ms])

    opening = reported
    """An attempt that opens on older chains reports the one that reached its level first."""

    def preferred(self, chains: Iterable[Chain]) -> Chain:
        """Return the chain with more optional steps, then the latest start, then the steps from the last one on."""
        chains = list(chains)
        return chains[0] if len(chains) == 1 else min(chains, key=self._rank)

    def _rank(self, chain: Chain, is_latest: bool = False) -> tuple[Any, ...]:  # noqa: FBT001, FBT002 (of the last event)
        """Return the order in which chains of a level are reported; `is_latest`: whether the next step has `within`."""
        steps: list[tuple[int, int]] = []
        for place in range(level_of(chain) - 1, -1, -1):
            time_ms = chain[2 * place]
            if time_ms is None:
                steps.append((1, 0))
                continue
            steps.append((0, -time_ms if is_latest else time_ms))
            is_latest = self._within[place] != FOREVER_MS
        optional = sum(self._optional[place] for place, (missing, _) in enumerate(reversed(steps)) if not missing)
        return -optional, -start_of(chain), entry_of(chain), steps


def at_least(other: tuple[int, ...], own: tuple[int, ...]) -> bool:
    """Tell whether a chain of worth `other` is as good as one of `own`; a later start makes up for a later entry."""
    is_later = other[0] > own[0]
    return all(a >= b or (place == 1 and is_later) for place, (a, b) in enumerate(zip(other, own, strict=True)))


def _without(hit: Hit, step: int) -> Hit:
    return (hit[0], hit[1], tuple(each for each in hit[2] if each != step), hit[3], hit[4])
