"""Whose attempts a count that began in the middle of a log cannot know (SPEC section 8).

In:  the events of a partition in log order from the record on at which the later of two counts began; from which
     instant on every event is among them.
Out: how many attempts of how many actors are unsynced, and in which slots and segments such attempts can lie.

Where an attempt is open depends on all that its actor did without a pause. So an actor is *unsynced* until its
first pause longer than the window: whatever stood before it has run out then. A pause counts from the instant on from
which every event is known. In a funnel whose entry periods are opened by their first event alone (`entry: first`), the
period must have begun after that instant, too.

Held are the actors whose first pause has not come yet; there are none but those with an event within one window behind
that instant. Their events wait until no late one can come before them, and are folded in order of time.
"""

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from stream.aggregate.rings import WHOLE
from stream.aggregate.totals import FunnelTotals
from stream.engine.advance import NO_CAP
from stream.engine.match import CompiledFunnel, Served
from stream.engine.optioned import seal_in_record, take_event
from stream.engine.state import BEFORE_ALL_TIME
from stream.engine.touches import NO_VALUE
from stream.model.event import AdmittedEvent, Kind
from stream.model.verdict import Verdict
from stream.replay.rows import Row

Where = tuple[int, str, str]
"""Start of a slot, breakdown, segment; of the whole funnel both are empty."""

_time_of = itemgetter(1)
_SEAL_EVERY = 64
"""Events of an actor between two seals of its state."""


@dataclass(slots=True)
class Unsynced:
    """What is unsynced of one funnel. events: by slot and segment, how many events could enter an attempt there.

    slot_ms: length of those slots.
    """

    slot_ms: int = 1
    attempts: int = 0
    actors: int = 0
    events: Counter[Where] = field(default_factory=Counter)

    def within(self, row: Row) -> int:
        """Return how many unsynced attempts could have part in a row, at most."""
        if row.is_people:
            return 0
        return sum(
            count
            for (start_ms, breakdown, segment), count in self.events.items()
            if (breakdown, segment) == (row.breakdown, row.segment)
            and start_ms < row.until_ms
            and start_ms + self.slot_ms > row.from_ms
        )

    def add(self, other: "Unsynced") -> None:
        """Add those of another partition."""
        self.slot_ms = other.slot_ms
        self.attempts += other.attempts
        self.actors += other.actors
        self.events.update(other.events)


class Bounds(NamedTuple):
    """sure_ms: from here on every event is known. since_ms: entries from here on are of interest."""

    sure_ms: int
    since_ms: int


@dataclass(slots=True)
class _Actor:
    """One that has made no pause yet. newest_ms: its newest event, or the instant from which on all are known."""

    newest_ms: int
    record: list[Any]
    taken: int = 0
    attempts: int = 0
    slots: Counter[int] = field(default_factory=Counter)
    segments: set[tuple[str, ...]] = field(default_factory=set)


class Watch:
    """Follows the unsynced actors of one partition. bounds: by funnel key; the others are not looked at."""

    def __init__(
        self, totals: Iterable[FunnelTotals], bounds: Mapping[str, Bounds], serving: Mapping[Kind, Served]
    ) -> None:
        self._serving = serving
        self._waiting: list[AdmittedEvent] = []
        self._watched = {
            own.funnel.number: _FunnelWatch(own, bounds[own.funnel.definition.key])
            for own in totals
            if own.funnel.definition.key in bounds
        }

    def take(self, events: Iterable[AdmittedEvent], limit_ms: int | None) -> None:
        """Take in admitted events. limit_ms: no event before it can still come (watermark - allowed lateness)."""
        for event in events:
            watched = [self._watched.get(funnel.number) for funnel, _ in self._serving[event[3]]]
            if any(each is not None and each.asks_about(event[0]) for each in watched):
                insort(self._waiting, event, key=_time_of)
        if limit_ms is not None:
            self._fold(limit_ms)

    @property
    def is_done(self) -> bool:
        """Whether nobody is unsynced any more, nor will be."""
        return all(watched.is_done for watched in self._watched.values())

    def finish(self) -> dict[str, Unsynced]:
        """Return what is unsynced by funnel key, now that nothing comes any more."""
        self._fold(None)
        return {watched.key: watched.finish() for watched in self._watched.values()}

    def _fold(self, limit_ms: int | None) -> None:
        done = 0
        for event in self._waiting:
            if limit_ms is not None and event[1] >= limit_ms:
                break
            done += 1
            for funnel, roles in self._serving[event[3]]:
                watched = self._watched.get(funnel.number)
                if watched is not None:
                    watched.take(event, roles)
        del self._waiting[:done]
        if limit_ms is not None:
            for watched in self._watched.values():
                watched.forget(limit_ms)


class _FunnelWatch:
    """The unsynced actors of one funnel, whose events come in order of time."""

    def __init__(self, totals: FunnelTotals, bounds: Bounds) -> None:
        self._totals = totals
        self._funnel: CompiledFunnel = totals.funnel
        definition = totals.funnel.definition
        self.number, self.key = totals.funnel.number, definition.key
        self._floor = definition.floor
        self._since_ms = bounds.since_ms
        self._sure_ms = definition.floor(bounds.sure_ms)
        self._anchors = totals.funnel.options.anchor_of if totals.funnel.options is not None else None
        self._actors: dict[str, _Actor] = {}
        self._found = Unsynced(totals.fine_ms)
        self._known_ms = self._sure_ms + self._funnel.window_ms
        if self._anchors is not None:
            self._known_ms = max(self._known_ms, self._anchors(self._sure_ms)[1])
        self._limit_ms = BEFORE_ALL_TIME
        self._forgets_ms = self._known_ms

    def asks_about(self, actor_id: str) -> bool:
        """Whether an actor may be unsynced: nobody who is not known to be, once all that could be have come."""
        return actor_id in self._actors or self._limit_ms <= self._known_ms

    @property
    def is_done(self) -> bool:
        """Whether nobody is unsynced any more, nor will be."""
        return not self._actors and self._limit_ms > self._known_ms

    def take(self, event: AdmittedEvent, roles: tuple[int, ...]) -> None:
        """Take in an event of an actor who may be unsynced."""
        actor_id, own_ms, _, _, properties, _ = event
        time_ms = self._floor(own_ms)
        actor = self._actors.get(actor_id)
        newest_ms = self._sure_ms if actor is None else actor.newest_ms
        if time_ms - newest_ms > self._funnel.window_ms and self._begins_known(time_ms):
            if actor is not None:
                self._end(self._actors.pop(actor_id))
            return
        if actor is None:
            actor = self._actors[actor_id] = _Actor(newest_ms, [None] * (self._funnel.slot + 1))
        actor.newest_ms = max(newest_ms, time_ms)
        verdict, changes, _ = take_event(actor.record, self._funnel, roles, event, NO_CAP)
        if verdict is not Verdict.ACCEPTED:
            return
        for change in changes:
            actor.attempts += sum(attempt[0] >= self._since_ms for attempt in change.given)
            actor.attempts -= sum(attempt[0] >= self._since_ms for attempt in change.taken)
        actor.taken += 1
        if actor.taken % _SEAL_EVERY == 0:
            seal_in_record(actor.record, self._funnel, own_ms)
        if time_ms >= self._since_ms:
            actor.slots[time_ms - time_ms % self._totals.fine_ms] += 1
            touch = self._funnel.touch(roles, properties) if self._funnel.has_touch else None
            if touch is not None and touch[0]:
                actor.segments.add(touch[0])

    def _begins_known(self, time_ms: int) -> bool:
        """Whether all is known that can decide if an event after a pause may enter."""
        return self._anchors is None or self._anchors(time_ms)[0] >= self._sure_ms

    def forget(self, limit_ms: int) -> None:
        """Let go of the actors whose next event, if one comes, is behind a pause."""
        self._limit_ms = self._floor(limit_ms)
        if self._limit_ms <= self._forgets_ms:
            return
        self._forgets_ms = limit_ms + self._funnel.window_ms // 2
        for actor_id, actor in list(self._actors.items()):
            if self._limit_ms - actor.newest_ms > self._funnel.window_ms and self._begins_known(self._limit_ms):
                self._end(self._actors.pop(actor_id))

    def finish(self) -> Unsynced:
        """Return what is unsynced."""
        while self._actors:
            self._end(self._actors.popitem()[1])
        return self._found

    def _end(self, actor: _Actor) -> None:
        """Count an actor whose time is over: any of its events may be where an attempt entered, or got further."""
        if not actor.slots:
            return
        found, definition = self._found, self._funnel.definition
        found.attempts += actor.attempts
        found.actors += 1
        splits = {WHOLE} | {split for segments in actor.segments for split in self._totals.splits(segments)}
        for number, breakdown in enumerate(definition.breakdowns, start=1):
            if not breakdown.is_by_entry:  # an attempt has none before the event comes that brings one
                splits.add((number, NO_VALUE))
        names = ["", *[breakdown.name for breakdown in definition.breakdowns]]
        for start_ms, count in actor.slots.items():
            for number, segment in splits:
                found.events[start_ms, names[number], segment] += count
