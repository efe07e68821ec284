"""Every chain of one counted unit, which of them are alive at an instant, and which one is reported.

In:  a `Path`: one unit's events under a funnel (and, for entry: first, the instants that anchor).
Out: all chains of every length; the longest; the alive ones no other makes superfluous; the reported one.

Listing goes step by step and keeps everything: there is no fold, and no event is looked at "so far".
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

from support.options.funnels import OExclusion, OptionFunnel
from support.oracle import OEvent


class Chain(NamedTuple):
    """Events in order of time and the steps they serve; in any order the steps only count: 1, 2, ...

    `level` is the deepest step reached.
    """

    level: int
    steps: tuple[int, ...]
    events: tuple[OEvent, ...]

    @property
    def start(self) -> int:
        """The time of the first event, ms."""
        return self.events[0].time

    @property
    def last(self) -> int:
        """The time of the last event, ms."""
        return self.events[-1].time

    def time_of(self, step: int) -> int:
        """Return the time of the event that serves `step`, which the chain has."""
        return self.events[self.steps.index(step)].time


class Path:
    """One unit's events, earliest first, with what each of them matches looked up once."""

    def __init__(self, events: Iterable[OEvent], funnel: OptionFunnel, anchors: frozenset[int] | None = None) -> None:
        self.funnel = funnel
        self.anchors = anchors
        """The instants at which a chain may start; None: at any."""
        self.events = sorted(events, key=lambda event: (event.time, event.id))
        self.serving = {step: [e for e in self.events if funnel.serves(e, step)] for step in funnel.numbers}
        self.breaking = {step: [e.time for e in self.events if funnel.breaks(e, step)] for step in funnel.numbers}
        self.excluding = [
            (exclusion, *funnel.range_of(exclusion), [e.time for e in self.events if funnel.excludes(e, exclusion)])
            for exclusion in funnel.exclusions
        ]

    def after(self, time: int) -> "Path":
        """Return the path of the events later than `time`."""
        return Path([event for event in self.events if event.time > time], self.funnel, self.anchors)

    def under(self, funnel: OptionFunnel) -> "Path":
        """Return the same events under another funnel."""
        return Path(self.events, funnel, self.anchors)


# Listing


def chains(path: Path) -> list[Chain]:
    """List every chain of every length."""
    if path.funnel.order == "any":
        return _sets(path)
    found: list[Chain] = []
    openers: list[OEvent] = []
    for step in path.funnel.numbers:
        before = [chain for chain in found if chain.level in path.funnel.preceding(step)]
        opening = [event for event in path.serving[step] if _may_open(path, step, event, before, openers)]
        openers += opening
        found += [Chain(step, (step,), (event,)) for event in opening]
        found += [
            Chain(step, (*chain.steps, step), (*chain.events, event))
            for chain in before
            for event in path.serving[step]
            if _may_follow(path, chain, step, event)
        ]
    return [chain for chain in found if not _is_hit(path, chain)]


def _may_open(path: Path, step: int, event: OEvent, before: Sequence[Chain], openers: Sequence[OEvent]) -> bool:
    """Tell whether a chain may start with this event at this step; `before`: the chains it could join instead."""
    if step == 1:
        return path.anchors is None or event.time in path.anchors
    if not path.funnel.is_open or path.funnel.steps[step - 1].optional or _has(openers, event):
        return False
    return not any(
        chain.last <= event.time and not _has(chain.events, event) and can_follow(path, chain, step, event.time)
        for chain in before
    )


def _may_follow(path: Path, chain: Chain, step: int, event: OEvent) -> bool:
    """Tell whether the event can serve `step` next in the chain, exclusions aside."""
    rule, gap = path.funnel.steps[step - 1], event.time - chain.last
    least = max(rule.not_before, 1 if path.funnel.strict_time else 0)
    if not least <= gap <= rule.within or event.time - chain.start > path.funnel.window:
        return False
    return not _has(chain.events, event) and not _any_between(path.breaking[chain.level], chain.last, event.time)


def _is_hit(path: Path, chain: Chain) -> bool:
    """Tell whether an exclusion lies strictly between two steps of the chain that it keeps apart."""
    return any(
        chain.level > first and _any_between(times, chain.time_of(first), chain.time_of(min(last, chain.level)))
        for _, first, last, times in path.excluding
    )


def _sets(path: Path) -> list[Chain]:
    """List, for any order, the sets of events that can serve as many distinct steps."""
    funnel = path.funnel
    usable = [event for event in path.events if any(funnel.serves(event, step) for step in funnel.numbers)]
    return [
        Chain(size, tuple(range(1, size + 1)), chosen)
        for size in funnel.numbers
        for chosen in combinations(usable, size)
        if chosen[-1].time - chosen[0].time <= funnel.window
        and not (funnel.strict_time and len({event.time for event in chosen}) < size)
        and not any(_any_between(times, chosen[0].time, chosen[-1].time) for *_, times in path.excluding)
        and _can_serve(funnel, chosen, frozenset(funnel.numbers))
    ]


def _can_serve(funnel: OptionFunnel, chosen: Sequence[OEvent], steps: frozenset[int]) -> bool:
    """Tell whether each of the events can have a step of its own."""
    return not chosen or any(
        funnel.serves(chosen[0], step) and _can_serve(funnel, chosen[1:], steps - {step}) for step in steps
    )


def _any_between(times: Sequence[int], start: int, end: int) -> bool:
    return any(start < time < end for time in times)


def _has(events: Iterable[OEvent], event: OEvent) -> bool:
    return any(other is event for other in events)


def longest(path: Path) -> int:
    """Return the deepest step reached by any chain, 0 if none."""
    return max((chain.level for chain in chains(path)), default=0)


# Alive


def can_follow(path: Path, chain: Chain, step: int, now: int, *, until: int | None = None) -> bool:
    """Tell whether a `step` event, at `now` or once its gap is over, would extend the chain.

    Known are the events strictly before `until` (None: before `now`, for what shares the instant does not
    break or exclude; `now + 1`: with all of the instant).
    """
    until = now if until is None else until
    rule = path.funnel.steps[step - 1]
    at = max(now, chain.last + rule.not_before)
    if at > min(chain.start + path.funnel.window, chain.last + rule.within):
        return False
    if _any_between(path.breaking[chain.level], chain.last, until):
        return False
    return not any(
        first <= chain.level < last and _any_between(times, _guarded_from(path, chain, first), until)
        for _, first, last, times in path.excluding
    )


def _guarded_from(path: Path, chain: Chain, first: int) -> int:
    """Return the time after which an exclusion from step `first` on hits the chain."""
    return chain.start if path.funnel.order == "any" else chain.time_of(first)


def is_live(path: Path, chain: Chain, now: int) -> bool:
    """Tell whether an event at `now` could still extend the chain, its gap aside, or has just made it."""
    return chain.last == now or any(can_follow(path, chain, step, now) for step in path.funnel.following(chain.level))


def outlives(path: Path, chain: Chain, now: int) -> bool:
    """Tell whether the chain is still to be extended after all that happens at `now`."""
    following = path.funnel.following(chain.level)
    return any(can_follow(path, chain, step, now, until=now + 1) for step in following)


def clearing(path: Path, chain: Chain, now: int) -> list[OExclusion]:
    """Return the exclusions that happen at `now` and clear the chain, if it is alive."""
    return [
        exclusion
        for exclusion, first, last, times in path.excluding
        if first <= chain.level < last and now in times and _guarded_from(path, chain, first) < now
    ]


def kept(path: Path, found: Iterable[Chain], now: int) -> list[Chain]:
    """Return the chains alive at `now` that are worth keeping: per level, no other is better in every way.

    Better is a later start (of equal starts, a lower entry step), a gap over sooner, a `within` over later.
    Without `not_before` one start of each level is left: its latest.
    """
    levels: dict[int, list[tuple[Chain, tuple[int, ...]]]] = {}
    for chain in found:
        if is_live(path, chain, now):
            levels.setdefault(chain.level, []).append((chain, worth(path, chain, now)))
    return [
        chain
        for level in levels.values()
        for chain, own in level
        if not any(other != own and at_least(other, own) for _, other in level)
    ]


def worth(path: Path, chain: Chain, now: int) -> tuple[int, ...]:
    """Return start, entry step and chances of a chain: the more, each by itself, the better."""
    chances = [chain.start, -chain.steps[0]]
    for step in path.funnel.following(chain.level):
        rule = path.funnel.steps[step - 1]
        chances.append(-max(now, chain.last + rule.not_before))
        chances.append(min(chain.start + path.funnel.window, chain.last + rule.within))
    return tuple(chances)


def at_least(other: tuple[int, ...], own: tuple[int, ...]) -> bool:
    """Tell whether a chain is as good as another; a later start makes up for a higher entry step."""
    is_later = other[0] > own[0]
    return all(a >= b or (place == 1 and is_later) for place, (a, b) in enumerate(zip(other, own, strict=True)))


# Reported


def reported(path: Path, candidates: Iterable[Chain]) -> Chain:
    """Pick from chains of one level the one to report: of those that reached it first, the preferred one."""
    candidates = list(candidates)
    first = min(chain.last for chain in candidates)
    return preferred(path, [chain for chain in candidates if chain.last == first])


def preferred(path: Path, candidates: Iterable[Chain]) -> Chain:
    """Pick a chain by everything but the instant it was complete.

    More optional steps; then the latest start, of equal ones the lowest entry step; then, from the last step
    backwards, the earliest event of each step, or the latest where the next step has `within` (a step is
    better had than not); then, backwards again, the smallest ids. In any order: the latest events.
    """
    if path.funnel.order == "any":
        return min(candidates, key=_any_order_key)
    return min(candidates, key=lambda chain: _order_key(path.funnel, chain))


def _order_key(funnel: OptionFunnel, chain: Chain) -> tuple[object, ...]:
    n_optional = sum(funnel.steps[step - 1].optional for step in chain.steps)
    return (
        -n_optional,
        -chain.start,
        chain.steps[0],
        [_step_key(funnel, chain, step) for step in reversed(funnel.numbers)],
        [event.id for event in reversed(chain.events)],
    )


def _step_key(funnel: OptionFunnel, chain: Chain, step: int) -> tuple[int, int]:
    if step not in chain.steps:
        return 1, 0
    place = chain.steps.index(step)
    is_latest = place + 1 < len(chain.steps) and funnel.steps[chain.steps[place + 1] - 1].has_within
    return 0, -chain.events[place].time if is_latest else chain.events[place].time


def _any_order_key(chain: Chain) -> tuple[object, ...]:
    latest_first = sorted(chain.events, key=lambda event: (-event.time, event.id))
    return -chain.start, [-event.time for event in latest_first], [event.id for event in latest_first]
