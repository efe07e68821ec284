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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from stream.engine.advance import Change
from stream.engine.match import CompiledFunnel, FunnelSet, Served
from stream.engine.optioned import seal_in_record, take_event
from stream.engine.table import ActorTable, by_actor
from stream.model.event import AdmittedEvent, Kind
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

# funnel number -> the events it accepted of actors that were judged, in order of time
JudgedEvents = Mapping[int, Sequence[AdmittedEvent]]


class Ordered(NamedTuple):
    """A log's events in order of time.

    busy: those of busy actors, each in a list of its own. judged: those of the actors that were judged in log order,
    already accepted, by funnel; verdicts: duplicate, bot and accepted records among those.
    """

    events: list[AdmittedEvent]
    busy: list[list[AdmittedEvent]]
    judged: JudgedEvents
    verdicts: Counter[Verdict]

    def cut(self, instants: Iterable[int]) -> list["Ordered"]:
        """Return what lies at or before the first instant, then up to each further one, and the rest; ascending."""
        pieces = []
        rest = self
        for until_ms in instants:
            piece, rest = rest.split(until_ms)
            pieces.append(piece)
        return [*pieces, rest]

    def split(self, until_ms: int) -> tuple["Ordered", "Ordered"]:
        """Return what lies at or before an instant, and the rest (which holds no verdicts)."""
        at = bisect_right(self.events, until_ms, key=_time_of)
        ends = [bisect_right(own, until_ms, key=_time_of) for own in self.busy]
        places = {number: bisect_right(own, until_ms, key=_time_of) for number, own in self.judged.items()}
        before = Ordered(
            self.events[:at],
            [own[:end] for own, end in zip(self.busy, ends, strict=True)],
            {number: self.judged[number][:place] for number, place in places.items()},
            self.verdicts,
        )
        after = Ordered(
            self.events[at:],
            [own[end:] for own, end in zip(self.busy, ends, strict=True)],
            {number: self.judged[number][place:] for number, place in places.items()},
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
    judged: dict[int, list[AdmittedEvent]] = {}
    busy: list[list[AdmittedEvent]] = []
    verdicts: Counter[Verdict] = Counter()
    for own in apart.values():
        if len(own) <= bot_cap:
            own.sort(key=_time_of)
            busy.append(own)
            continue
        for number, accepted in _accepted(own, funnels, bot_cap, verdicts).items():
            judged.setdefault(number, []).extend(accepted)
    for accepted in judged.values():
        accepted.sort(key=_time_of)
    # Stable: of copies the first in the log stays the first.
    events.sort(key=_time_of)
    return Ordered(events, busy, judged, verdicts)


def _accepted(
    log: Sequence[AdmittedEvent], funnels: FunnelSet, bot_cap: int, counts: Counter[Verdict]
) -> dict[int, list[AdmittedEvent]]:
    """Return one actor's accepted events by funnel number, in log order, and count its records' verdicts."""
    record: list[Any] = [None] * (len(funnels.funnels) + 1)
    accepted: dict[int, list[AdmittedEvent]] = {}
    for place, event in enumerate(log):
        _, _, _, kind, _, limit_ms = event
        verdicts: list[Verdict] = []
        for funnel, roles in funnels.serving[kind]:
            verdict, _, _ = take_event(record, funnel, roles, event, bot_cap)
            verdicts.append(verdict)
            if verdict is Verdict.ACCEPTED:
                accepted.setdefault(funnel.number, []).append(event)
            if place % SEAL_EVERY == 0:
                seal_in_record(record, funnel, limit_ms)
        # A record is accepted if any funnel takes it.
        counts[Verdict.ACCEPTED if Verdict.ACCEPTED in verdicts else min(verdicts)] += 1
    return accepted


class _ServingOne(dict[Kind, Served]):
    """What events are to one funnel of a set."""

    def __init__(self, funnels: FunnelSet, number: int) -> None:
        super().__init__()
        self._serving = funnels.serving
        self._funnel = funnels.by_number[number]

    def __missing__(self, kind: Kind) -> Served:
        return tuple((funnel, roles) for funnel, roles in self._serving[kind] if funnel is self._funnel)


class TimeFold:
    """Folds ordered events once, with these funnels' entry periods. What is taken later must lie later in time."""

    def __init__(self, funnels: FunnelSet) -> None:
        self._funnels = funnels
        self._table = ActorTable(funnels, lambda _: b"", is_complete=True)

    def take(self, ordered: Ordered) -> Iterator[Part]:
        """Yield what the events do, stretch by stretch; only those after the last busy actor follow in time."""
        for number, own in ordered.judged.items():
            for part in self._take_stretches(own, BUSY_STRETCH, _ServingOne(self._funnels, number)):
                yield part._replace(verdicts=(0, 0, 0), next_ms=None)
        for own in ordered.busy:
            for part in self._take_stretches(own, BUSY_STRETCH):
                yield part._replace(next_ms=None)
        yield from self._take_stretches(ordered.events, STRETCH)

    def _take_stretches(
        self, events: Sequence[AdmittedEvent], length: int, serving: Mapping[Kind, Served] | None = None
    ) -> Iterator[Part]:
        for start in range(0, len(events), length):
            stretch = events[start : start + length]
            next_ms = events[start + length][1] if start + length < len(events) else None
            batch = by_actor(stretch)
            self._table.missing(batch)  # none: nothing is stored, so that it makes those it does not know
            applied = self._table.apply(batch, next_ms, write=False, serving=serving)
            yield Part(applied.changes, applied.verdicts, len(stretch), next_ms)
