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
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
JudgedEvents = Mapping[int, list[AdmittedEvent]]


class Ordered(NamedTuple):
    """A log's events in order of time.

    busy: those of busy actors, each in a list of its own. judged: those of the actors that were judged in log order,
    already accepted, by funnel; verdicts: duplicate, bot and accepted records among those.
    """

    events: list[AdmittedEvent]
    busy: list[list[AdmittedEvent]]
    judged: JudgedEvents
    verdicts: Counter[Verdict]

    def cut(self, instants: Iterable[int]) -> Iterator["Ordered"]:
        """Yield what lies at or before the first instant, then up to each further one, and the rest; ascending.

        Only the first piece holds verdicts.
        """
        columns = [self.events, *self.busy, *self.judged.values()]
        starts = [0] * len(columns)
        verdicts = self.verdicts
        for until_ms in (*instants, None):
            ends = [
                len(column) if until_ms is None else bisect_right(column, until_ms, start, key=_time_of)
                for column, start in zip(columns, starts, strict=True)
            ]
            events, *apart = [column[start:end] for column, start, end in zip(columns, starts, ends, strict=True)]
            busy, judged = apart[: len(self.busy)], apart[len(self.busy) :]
            by_number = {number: own for number, own in zip(self.judged, judged, strict=True) if own}
            yield Ordered(events, [own for own in busy if own], by_number, verdicts)
            starts, verdicts = ends, Counter()


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


class _ServingSome(dict[Kind, Served]):
    """What events are to some funnels of a set."""

    def __init__(self, funnels: FunnelSet, numbers: Collection[int]) -> None:
        super().__init__()
        self._serving = funnels.serving
        self._numbers = numbers

    def __missing__(self, kind: Kind) -> Served:
        served = tuple((funnel, roles) for funnel, roles in self._serving[kind] if funnel.number in self._numbers)
        self[kind] = served
        return served


class TimeFold:
    """Folds ordered events once, with these funnels' entry periods. What is taken later must lie later in time.

    numbers: of the funnels they are folded for; None for all of the set.
    """

    def __init__(self, funnels: FunnelSet, numbers: Collection[int] | None = None) -> None:
        self._funnels = funnels
        self._numbers = funnels.by_number.keys() if numbers is None else numbers
        self._serving = None if numbers is None else _ServingSome(funnels, numbers)
        self._table = ActorTable(funnels, lambda _: b"", is_complete=True)

    def take(self, ordered: Ordered, after_ms: int | None = None) -> Iterator[Part]:
        """Yield what the events do, stretch by stretch; only those after the last busy actor follow in time.

        after_ms: nothing that is taken later lies before it, if that is known.
        """
        for number, own in ordered.judged.items():
            if number in self._numbers:
                for part in self._take_stretches(own, BUSY_STRETCH, after_ms, _ServingSome(self._funnels, (number,))):
                    yield part._replace(verdicts=(0, 0, 0), next_ms=None)
        for own in ordered.busy:
            for part in self._take_stretches(own, BUSY_STRETCH, after_ms, self._serving):
                yield part._replace(next_ms=None)
        yield from self._take_stretches(ordered.events, STRETCH, after_ms, self._serving)

    def _take_stretches(
        self,
        events: Sequence[AdmittedEvent],
        length: int,
        after_ms: int | None,
        serving: Mapping[Kind, Served] | None,
    ) -> Iterator[Part]:
        for start in range(0, len(events), length):
            stretch = events[start : start + length]
            next_ms = events[start + length][1] if start + length < len(events) else after_ms
            batch = by_actor(stretch)
            self._table.missing(batch)  # none: nothing is stored, so that it makes those it does not know
            applied = self._table.apply(batch, next_ms, write=False, serving=serving)
            yield Part(applied.changes, applied.verdicts, len(stretch), next_ms)
