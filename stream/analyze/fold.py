"""A partition's events through the engine in order of time, a stretch at a time.

In:  admitted events in log order.
Out: what they change in the results.

The engine's result does not depend on the order, and in order of time nothing is ever
corrected and everything before the next event can be sealed: what is held of an actor is
what is still open, however long the log is. Only the bot cap looks at the order of the
log; actors that could reach it are judged in that order first.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from stream.engine.advance import NO_CAP, Change, FunnelState, advance, empty_state, seal
from stream.engine.match import CompiledFunnel, FunnelSet, Hit
from stream.engine.table import ActorTable, by_actor
from stream.model.event import AdmittedEvent
from stream.model.verdict import Verdict

STRETCH = 20_000
"""Events between two seals. Longer ones hold more of each actor, shorter ones seal the same actors more often."""
BUSY = 1_000
"""Events above which an actor is folded by itself."""
BUSY_STRETCH = 200
"""Its stretch: events of equal time go through the engine's clear form, which copies the actor's entries each time."""
SEAL_EVERY = 100
"""Records of an actor between two seals while its bots are looked for."""

_time_of = itemgetter(1)
_hit_time_of = itemgetter(0)

# (actor, funnel number) -> its accepted hits in order of time
JudgedHits = Mapping[tuple[str, int], Sequence[Hit]]


class Ordered(NamedTuple):
    """A log's events in order of time.

    busy: those of busy actors, each in a list of its own. judged: hits of the actors that were judged in log order,
    already accepted; verdicts: duplicate, bot and accepted records among those.
    """

    events: list[AdmittedEvent]
    busy: list[list[AdmittedEvent]]
    judged: JudgedHits
    verdicts: Counter[Verdict]

    def split(self, until_ms: int) -> tuple["Ordered", "Ordered"]:
        """Return what lies at or before an instant, and the rest (which holds no verdicts)."""
        at = bisect_right(self.events, until_ms, key=_time_of)
        ends = [bisect_right(own, until_ms, key=_time_of) for own in self.busy]
        places = {key: bisect_right(hits, until_ms, key=_hit_time_of) for key, hits in self.judged.items()}
        before = Ordered(
            self.events[:at],
            [own[:end] for own, end in zip(self.busy, ends, strict=True)],
            {key: self.judged[key][:place] for key, place in places.items()},
            self.verdicts,
        )
        after = Ordered(
            self.events[at:],
            [own[end:] for own, end in zip(self.busy, ends, strict=True)],
            {key: self.judged[key][place:] for key, place in places.items()},
            Counter(),
        )
        return before, after


class Part(NamedTuple):
    """What a stretch of events did. `verdicts`: duplicate, bot, accepted. `next_ms`: time of the event after it."""

    changes: Sequence[tuple[CompiledFunnel, Change]]
    verdicts: tuple[int, int, int]
    events: int
    next_ms: int | None


def in_time_order(events: list[AdmittedEvent], funnels: FunnelSet, bot_cap: int) -> Ordered:
    """Sort events that are in log order, in place; actors with more than `bot_cap` of them are judged first."""
    least = min(bot_cap, BUSY)
    apart: dict[str, list[AdmittedEvent]] = {}
    if len(events) > least:
        counts = Counter(event[0] for event in events)
        apart = {actor: [] for actor, count in counts.items() if count > least}
    if apart:
        for event in events:
            if event[0] in apart:
                apart[event[0]].append(event)
        events = [event for event in events if event[0] not in apart]
    judged: dict[tuple[str, int], list[Hit]] = {}
    busy: list[list[AdmittedEvent]] = []
    verdicts: Counter[Verdict] = Counter()
    for actor, own in apart.items():
        if len(own) <= bot_cap:
            own.sort(key=_time_of)
            busy.append(own)
            continue
        for number, hits in _accepted(own, funnels, bot_cap, verdicts).items():
            hits.sort(key=_hit_time_of)
            judged[actor, number] = hits
    # Stable: of copies the first in the log stays the first.
    events.sort(key=_time_of)
    return Ordered(events, busy, judged, verdicts)


def _accepted(
    log: Sequence[AdmittedEvent], funnels: FunnelSet, bot_cap: int, counts: Counter[Verdict]
) -> dict[int, list[Hit]]:
    """Return one actor's accepted hits by funnel number, in log order, and count its records' verdicts."""
    states = {funnel.number: empty_state() for funnel in funnels.funnels}
    accepted: dict[int, list[Hit]] = {}
    for place, (_, time_ms, event_id, name, properties, limit_ms) in enumerate(log):
        verdicts: list[Verdict] = []
        for funnel, steps in funnels.serving[name]:
            state = states[funnel.number]
            hit = (time_ms, event_id, steps, funnel.touch(steps, properties) if funnel.has_touch else None, 0)
            advance(funnel, state, (hit,), verdicts, bot_cap, (limit_ms,))
            if verdicts[-1] is Verdict.ACCEPTED:
                accepted.setdefault(funnel.number, []).append(hit)
            if place % SEAL_EVERY == 0 and len(state.entries) > 1:
                seal(funnel, state, limit_ms)
        # A record is accepted if any funnel takes it.
        counts[Verdict.ACCEPTED if Verdict.ACCEPTED in verdicts else min(verdicts)] += 1
    return accepted


class TimeFold:
    """Folds ordered events once, with these funnels' entry periods. What is taken later must lie later in time."""

    def __init__(self, funnels: FunnelSet) -> None:
        self._funnels = funnels
        self._table = ActorTable(funnels, lambda _: b"", is_complete=True)
        self._judged: dict[tuple[str, int], FunnelState] = {}

    def take(self, ordered: Ordered) -> Iterator[Part]:
        """Yield what the events do, stretch by stretch; only those after the last busy actor follow in time."""
        for (actor, number), hits in ordered.judged.items():
            funnel = self._funnels.by_number[number]
            state = self._judged.setdefault((actor, number), empty_state())
            yield Part(_advance_judged(funnel, state, hits), (0, 0, 0), len(hits), None)
        for own in ordered.busy:
            for part in self._take_stretches(own, BUSY_STRETCH):
                yield part._replace(next_ms=None)
        yield from self._take_stretches(ordered.events, STRETCH)

    def _take_stretches(self, events: Sequence[AdmittedEvent], length: int) -> Iterator[Part]:
        for start in range(0, len(events), length):
            stretch = events[start : start + length]
            next_ms = events[start + length][1] if start + length < len(events) else None
            batch = by_actor(stretch)
            self._table.missing(batch)  # none: nothing is stored, so that it makes those it does not know
            applied = self._table.apply(batch, next_ms, write=False)
            yield Part(applied.changes, applied.verdicts, len(stretch), next_ms)


def _advance_judged(
    funnel: CompiledFunnel, state: FunnelState, hits: Sequence[Hit]
) -> list[tuple[CompiledFunnel, Change]]:
    changes = []
    for start in range(0, len(hits), BUSY_STRETCH):
        change = advance(funnel, state, hits[start : start + BUSY_STRETCH], [], NO_CAP)
        if change is not None:
            changes.append((funnel, change))
        if start + BUSY_STRETCH < len(hits):
            seal(funnel, state, hits[start + BUSY_STRETCH][0])
    return changes
