"""The attempts of one actor: a walk over the instants at which something happened.

In:  an actor's events, a funnel, an instant; the periods, for entry: first.
Out: the attempts in order of opening, per counted unit; whether one is settled.

At each instant all chains of the events not yet consumed are at hand; which of them arrive now, are alive,
or are cleared is asked anew of that list. What is carried on is the open attempt alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from support.options.chains import Chain, Path, chains, clearing, is_live, kept, outlives, preferred, reported
from support.options.funnels import Effect, OptionFunnel
from support.options.units import Unit, units
from support.oracle import OEvent

Outcome = Literal["converted", "dropped", "excluded", "pending"]
Period = tuple[int, int]
"""[start, end) in ms."""


@dataclass(frozen=True)
class Attempt:
    """One try: entered at `entry_ms`, reached step `best`; `closed_ms` is None while pending.

    `chain` is the reported one. `cleared`: the effect of what cleared the best level, which was not reached
    again; of an excluded attempt, the effect that counts. `entry` is the first event of the chain reported at
    opening, `entry_segment` its segment.
    """

    entry_ms: int
    best: int
    outcome: Outcome
    chain: Chain
    closed_ms: int | None
    entry_segment: str | None
    cleared: Effect | None = None
    unit: Unit = ()
    entry: OEvent | None = None

    @property
    def entry_step(self) -> int:
        """The step the reported chain starts at; above 1 only in an open funnel."""
        return self.chain.steps[0]


def attempts(
    events: Sequence[OEvent], funnel: OptionFunnel, as_of: int, periods: Sequence[Period] = ()
) -> list[Attempt]:
    """List the actor's attempts, unit by unit in order of opening, without those an exclusion takes out."""
    every = every_attempt(events, funnel, as_of, periods)
    return [a for a in every if not (a.outcome == "excluded" and a.cleared == "remove_actor")]


def every_attempt(
    events: Sequence[OEvent], funnel: OptionFunnel, as_of: int, periods: Sequence[Period] = ()
) -> list[Attempt]:
    """List the actor's attempts with those that an exclusion takes out."""
    return [
        replace(attempt, unit=unit)
        for unit, own in units(events, funnel, as_of).items()
        for attempt in _attempts(Path(own, funnel, anchors(own, funnel, periods)), funnel.floor(as_of))
    ]


def anchors(events: Sequence[OEvent], funnel: OptionFunnel, periods: Sequence[Period]) -> frozenset[int] | None:
    """Return, for entry: first, the instant of each period's first step-1 event; else None."""
    if not funnel.entry_first:
        return None
    times = sorted(event.time for event in events if funnel.serves(event, 1))
    firsts = [next((time for time in times if start <= time < end), None) for start, end in periods]
    return frozenset(time for time in firsts if time is not None)


def is_settled(attempt: Attempt, funnel: OptionFunnel, watermark: int | None, allowed_lateness: int) -> bool:
    """Tell whether no event that still counts can change the attempt."""
    if attempt.closed_ms is None or watermark is None:
        return False
    return attempt.closed_ms < funnel.floor(watermark - allowed_lateness)


def _attempts(path: Path, as_of: int) -> list[Attempt]:
    """Walk over one unit's instants; `as_of` only decides whether the last attempt's window is over."""
    closed: list[Attempt] = []
    current: Attempt | None = None
    every_chain = chains(path)
    for now in sorted({event.time for event in path.events}):
        if current is not None and now > current.entry_ms + path.funnel.window:
            closed.append(_expire(path, current))
            current = None
        usable = [chain for chain in every_chain if chain.last <= now]
        arriving = [chain for chain in usable if chain.last == now]
        if arriving:
            current = _open(path, usable, now) if current is None else _deepen(path, current, arriving)
        if current is None:
            continue
        if current.best == len(path.funnel.steps):
            closed.append(replace(current, outcome="converted", closed_ms=now))
            path = path.after(now)  # consumed: from here on as if what happened up to now never had
            current, every_chain = None, chains(path)
            continue
        current = _clear(path, current, usable, now)
        if current.outcome == "excluded":
            closed.append(current)
            current = None
    if current is None:
        return closed
    return [*closed, _expire(path, current) if current.entry_ms + path.funnel.window < as_of else current]


def _open(path: Path, usable: Sequence[Chain], now: int) -> Attempt:
    """Open an attempt: `usable` holds the chains up to `now`, some of which end at `now`."""
    alive = kept(path, usable, now)
    deepest = max(chain.level for chain in alive)
    candidates = [chain for chain in alive if chain.level == deepest]
    pick = preferred if path.funnel.order == "any" else reported
    chain = pick(path, candidates)
    entry_ms = min(chain.start for chain in alive)
    entry = chain.events[0]
    return Attempt(entry_ms, deepest, "pending", chain, None, entry.segment, entry=entry)


def _deepen(path: Path, attempt: Attempt, arriving: Sequence[Chain]) -> Attempt:
    """Take in the chains that end now: a deeper level is reported by the best of those that reach it now.

    A chain that starts before the attempt is none of its own.
    """
    own = [chain for chain in arriving if chain.start >= attempt.entry_ms]
    deepest = max((chain.level for chain in own), default=0)
    if deepest < attempt.best:
        return attempt
    again = replace(attempt, cleared=None)
    if deepest == attempt.best:
        return again
    return replace(again, best=deepest, chain=reported(path, [chain for chain in own if chain.level == deepest]))


def _clear(path: Path, attempt: Attempt, usable: Sequence[Chain], now: int) -> Attempt:
    """Apply the exclusions that happen now: first the instant's events extend chains, then these clear them."""
    alive = [chain for chain in usable if is_live(path, chain, now)]
    cleared = [(chain.level, exclusion.effect) for chain in alive for exclusion in clearing(path, chain, now)]
    if not cleared:
        return attempt
    at_best = [chain for chain in alive if chain.level == attempt.best]
    if at_best and all(clearing(path, chain, now) for chain in at_best):
        effect = _strongest([effect for level, effect in cleared if level == attempt.best])
        attempt = replace(attempt, cleared=effect)
    if any(outlives(path, chain, now) for chain in alive):
        return attempt
    effect = _strongest([attempt.cleared, *(effect for _, effect in cleared)])
    return replace(attempt, outcome="excluded", closed_ms=now, cleared=effect)


def _strongest(effects: Sequence[Effect | None]) -> Effect:
    return "remove_actor" if "remove_actor" in effects else "end_attempt"


def _expire(path: Path, attempt: Attempt) -> Attempt:
    """Close an attempt whose window is over."""
    outcome: Outcome = "dropped" if attempt.cleared is None else "excluded"
    return replace(attempt, outcome=outcome, closed_ms=attempt.entry_ms + path.funnel.window)
