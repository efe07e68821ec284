"""Chains whose steps come in any order (SPEC section 4, `order: any`): the widest set of events within the window.

In:  the events kept of one actor, and the hits of one instant.
Out: the chains that arrive with it, and the events to be kept after it.

Sets of events that can serve as many distinct steps are the independent sets of a matroid (a transversal one).
So a set that takes the latest events first, each that still finds a step, has for every instant s as many events from
s on as any set has, and its k latest events are the chain of length k with the latest start. These events, at
most one per step, are all that is kept; a chain that must start before some instant needs the last event
before it too. With `strict_time` the events of an instant count as one, which serves whatever one of them serves.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

from stream.engine.chains import Chain, level_of, start_of
from stream.engine.roles import Hit, Touch
from stream.engine.ties import Instant
from stream.model.funnel import Funnel

# hits of which at most one is in a chain: one hit, or with strict_time those of an instant
_Node: TypeAlias = tuple[Hit, ...]

_time_of = itemgetter(0)


class AnyOrder:
    """How chains of one funnel in any order are made and compared."""

    is_shared = False
    changes_alone = True

    def __init__(self, funnel: Funnel) -> None:
        self.window_ms = funnel.window_ms
        self.step_count = len(funnel.steps)
        self._strict_time = funnel.strict_time

    # Alive

    def goes_on(self, chain: Chain, now_ms: int) -> bool:
        """Tell whether an event at `now_ms` or later could still extend the chain."""
        return level_of(chain) < self.step_count and now_ms <= start_of(chain) + self.window_ms

    def last_ms(self, chain: Chain) -> int:
        """Return the last instant at which the chain goes on."""
        return start_of(chain) + self.window_ms

    def candidates(self, kept: Sequence[Hit], until_ms: int | None = None) -> Sequence[Chain]:
        """Return of each level the chain with the latest start, before `until_ms` if given."""
        return list(self._widest(kept, until_ms))

    # Made

    def openers(self, kept: Sequence[Hit], instant: Instant) -> Mapping[int, Sequence[Hit]]:
        """Return the hits that may be the first of a chain: all that serve a step."""
        return {0: instant.serving} if instant.serving else {}

    def arriving(
        self,
        kept: Sequence[Hit],
        instant: Instant,
        openers: Mapping[int, Sequence[Hit]],
        until_ms: int | None = None,
    ) -> list[Chain]:
        """Return of each level the chain with the latest start that has an event of this instant."""
        now_ms = instant.time_ms
        living = [hit for hit in kept if now_ms <= hit[0] + self.window_ms]
        return [chain for chain in self._widest([*living, *instant.serving], until_ms) if chain[-2] == now_ms]

    # Kept

    def starts(self, kept: Iterable[Hit]) -> set[int]:
        """Return when chains of what is kept begin: any of the events may be the first."""
        return {hit[0] for hit in kept}

    def clearing(self, chain: Chain, now_ms: int, excluding: Collection[int]) -> Collection[int]:
        """Return which of the exclusions of an instant clear the chain: all, if it began before."""
        return excluding if start_of(chain) < now_ms else ()

    def is_broken(self, chain: Chain, instant: Instant) -> bool:
        """Tell whether an event of the instant breaks the chain; none does."""
        return False

    def remaining(
        self,
        kept: Sequence[Hit],
        instant: Instant,
        arriving: Sequence[Chain],
        excluding: Collection[int],
    ) -> Sequence[Hit]:
        """Return the events that can go on after the instant: after an exclusion, its own."""
        return instant.serving if excluding else [*kept, *instant.serving]

    def kept(self, hits: Sequence[Hit], now_ms: int, until_ms: int | None = None) -> tuple[Hit, ...]:
        """Return what is to be kept after `now_ms`, in order of time and id."""
        nodes = self._nodes([hit for hit in hits if now_ms <= hit[0] + self.window_ms])
        chosen = _latest(nodes)
        if until_ms is not None:
            entries = [node for node in nodes if node[0][0] < until_ms]
            if not entries:
                return ()
            last_ms = entries[0][0][0]
            chosen += [node for node in entries if node[0][0] == last_ms and node not in chosen]
        return tuple(sorted([hit for node in chosen for hit in node], key=lambda hit: hit[:2]))

    def foremost(self, chains: Iterable[Chain], now_ms: int) -> Sequence[Chain]:
        """Return the chains that count for an attempt's entry: per level the one with the latest start."""
        by_level: dict[int, list[Chain]] = {}
        for chain in chains:
            by_level.setdefault(level_of(chain), []).append(chain)
        return [self.preferred(level) for level in by_level.values()]

    def preferred(self, chains: Iterable[Chain]) -> Chain:
        """Return which of chains of one level is reported: that with the latest start, then the latest events."""
        return max(chains, key=lambda chain: (start_of(chain), chain[-2::-2]))

    opening = preferred

    def worth(self, chain: Chain, now_ms: int) -> tuple[int, ...]:
        """Return what decides how far a chain can come: its start."""
        return (start_of(chain), 0)

    def _nodes(self, hits: Iterable[Hit]) -> list[_Node]:
        """Return what can be in a chain, latest first, of one instant by id."""
        ordered = sorted(hits, key=lambda hit: (-hit[0], hit[1]))
        if self._strict_time:
            return [tuple(group) for _, group in groupby(ordered, key=_time_of)]
        return [(hit,) for hit in ordered]

    def _widest(self, hits: Iterable[Hit], until_ms: int | None) -> Iterator[Chain]:
        """Yield by level the chain with the latest start, then the latest events, then the smallest ids."""
        nodes = self._nodes(hits)
        if until_ms is None:
            chosen = _latest(nodes)
            yield from (_chain(_chosen(chosen[:count])) for count in range(1, len(chosen) + 1))
            return
        level = 0
        for start_ms in sorted({node[0][0] for node in nodes if node[0][0] < until_ms}, reverse=True):
            later = [node for node in nodes if node[0][0] >= start_ms]
            options = [_latest([entry, *later]) for entry in later if entry[0][0] == start_ms]
            deepest = max(len(chosen) for chosen in options)
            for count in range(level + 1, deepest + 1):
                yield _chain(min((_chosen(chosen[:count]) for chosen in options if len(chosen) >= count), key=_order))
            level = max(level, deepest)


def _latest(nodes: Iterable[_Node]) -> list[_Node]:
    """Return the nodes, each taken in its turn if all taken so far can have a step of their own with it."""
    chosen: list[_Node] = []
    holder: dict[int, _Node] = {}
    for node in nodes:
        if node not in chosen and _place(node, holder, set()):
            chosen.append(node)
    return chosen


def _place(node: _Node, holder: dict[int, _Node], tried: set[int]) -> bool:
    """Give the node a step, moving others if need be (augmenting paths); nothing changes if there is none."""
    for hit in node:
        for step in hit[2]:
            if step in tried:
                continue
            tried.add(step)
            if step not in holder or _place(holder[step], holder, tried):
                holder[step] = node
                return True
    return False


def _chosen(nodes: Sequence[_Node]) -> list[Hit]:
    """Return a hit of each node, latest first and of the smallest ids, that can all have a step of their own."""
    ordered = sorted(nodes, key=lambda node: (-node[0][0], node[0][1]))
    for place, node in enumerate(ordered):
        if len(node) > 1:
            choices = ([*ordered[:place], (hit,), *ordered[place + 1 :]] for hit in node)
            ordered = next(choice for choice in choices if len(_latest(choice)) == len(choice))
    return [hit for (hit,) in ordered]


def _order(hits: Iterable[Hit]) -> tuple[list[int], list[str]]:
    """Return the order in which sets with one start are reported."""
    hits = list(hits)
    return [-hit[0] for hit in hits], [hit[1] for hit in hits]


def _chain(hits: Iterable[Hit]) -> Chain:
    """Return the chain of hits: its levels say how many there are, so a value is that of the place it has."""
    ordered = sorted(hits, key=lambda hit: hit[:2])
    return tuple([item for level, hit in enumerate(ordered, start=1) for item in (hit[0], _at_level(hit[3], level))])


def _at_level(touch: Touch | None, level: int) -> Touch | None:
    if touch is None or not touch[1]:
        return touch
    _, currency, amount = touch[1][0]
    at_level: Touch = (touch[0], ((level, currency, amount),), *touch[2:])
    return at_level
