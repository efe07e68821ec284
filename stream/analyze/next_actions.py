"""What came next for those who did not convert: per funnel and step, the names of the events after a drop.

In:  a log's records by partition, and its events in order of time.
Out: per step, how many dropped attempts each event name came next for, and for how many nothing did.

Events that no funnel knows count too, so names are admitted apart from what is counted: by the same admission, of
the same records, with every name served. What is kept of a record is a row of columns: 32 bytes and its id.

The next event is the actor's first one at a later instant than the last event of the attempt's reported chain, and
within its window; at that instant, the one with the smallest id. What happened at the instant of the chain's own
event is neither before nor after it (as for exclusions and strict order).
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from stream.aggregate.totals import undecided_from_ms
from stream.analyze.fold import Ordered, Part, TimeFold
from stream.engine.attempts import Attempt
from stream.engine.match import CompiledFunnel, FunnelSet
from stream.engine.predicates import same_text
from stream.engine.table import by_actor
from stream.ingest.admission import EVERY_KIND, Limits, admit_batch
from stream.ingest.decode import EventDecoder
from stream.ingest.mapping import Mapping
from stream.model.event import AdmittedEvent
from stream.model.funnel import Funnel

NOTHING = None
"""Stands among the names for those after whom nothing came."""
NO_SESSION = -1

# per step 1..n-1: event name, or `NOTHING` -> attempts
StepActions: TypeAlias = "tuple[Counter[str | None], ...]"


class _Scope(NamedTuple):
    """Where an attempt's next event is looked for: later than and up to these times (ms, floored), and in a session.

    column: place of the session's property; None for any session.
    """

    after_ms: int
    until_ms: int
    granularity_ms: int
    column: int | None
    session: int


class NameLog:
    """One partition's admitted records: whose, when, which event, in log order; found by actor and time."""

    def __init__(self, session_count: int) -> None:
        self._actors: dict[str, int] = {}
        self._names: dict[str, int] = {}
        self._texts: dict[str, int] = {}
        self._actor_of, self._name_of = array("I"), array("I")
        self._time_of = array("q")
        self._ids, self._id_ends = bytearray(), array("Q", [0])
        self._session_of = [array("i") for _ in range(session_count)]
        self._order: Sequence[int] = ()
        self._firsts = array("Q")
        self._name_texts: list[str] = []

    def take(self, events: Iterable[AdmittedEvent]) -> None:
        """Add events whose properties are their session ids."""
        actors, names, texts = self._actors, self._names, self._texts
        for actor, time_ms, event_id, name, sessions, _ in events:
            self._actor_of.append(actors.setdefault(actor, len(actors)))
            self._time_of.append(time_ms)
            self._name_of.append(names.setdefault(str(name), len(names)))
            self._ids += _bytes_of(event_id)
            self._id_ends.append(len(self._ids))
            for column, value in zip(self._session_of, sessions, strict=True):
                text = same_text(value)
                column.append(NO_SESSION if text is None else texts.setdefault(text, len(texts)))

    def index(self) -> None:
        """Make it searchable: by actor, then in order of time; of equal ones the first in the log stays the first."""
        order = sorted(range(len(self._time_of)), key=self._time_of.__getitem__)
        order.sort(key=self._actor_of.__getitem__)
        self._order = array("Q", order)
        counts = Counter(self._actor_of)
        self._firsts = array("Q", [0])
        for actor in range(len(self._actors)):
            self._firsts.append(self._firsts[-1] + counts[actor])
        self._name_texts = list(self._names)

    def session(self, text: str) -> int:
        """Return the number of a session id."""
        return self._texts.get(text, NO_SESSION)

    def next_name(self, actor: str, scope: _Scope) -> str | None:
        """Return the name of the actor's first event in the scope, of one instant that with the smallest id."""
        number = self._actors.get(actor)
        if number is None:
            return NOTHING
        times, order, granularity_ms = self._time_of, self._order, scope.granularity_ms
        first, end = self._firsts[number], self._firsts[number + 1]
        # Strictly later by floored times, of which `after_ms` is one.
        at = bisect_left(order, scope.after_ms + granularity_ms, first, end, key=times.__getitem__)
        found: int | None = None
        for place in range(at, end):
            row = order[place]
            time_ms = times[row]
            if time_ms - time_ms % granularity_ms > scope.until_ms or (found is not None and time_ms != times[found]):
                break
            if scope.column is not None and self._session_of[scope.column][row] != scope.session:
                continue
            if found is None or self._id(row) < self._id(found):
                found = row
        return NOTHING if found is None else self._name_texts[self._name_of[found]]

    def _id(self, row: int) -> bytes:
        return bytes(self._ids[self._id_ends[row] : self._id_ends[row + 1]])


def _bytes_of(text: str) -> bytes:
    """Return a text's bytes, which are ordered as texts are; a file's name may hold what is no UTF-8."""
    return text.encode("utf-8", "surrogatepass")


class NextActions:
    """Counts what came next after the drops of all funnels, partition after partition."""

    def __init__(self, funnels: FunnelSet, mapping: Mapping, limits: Limits) -> None:
        self._funnels = funnels
        self._limits = limits
        paths = {_session_path(funnel) for funnel in funnels.funnels} - {""}
        self._columns = {path: column for column, path in enumerate(sorted(paths))}
        self._decoder = EventDecoder(mapping, tuple(self._columns))
        self._logs: dict[int, NameLog] = {}
        self._counts: dict[int, StepActions] = {
            funnel.number: tuple(Counter() for _ in range(funnel.step_count - 1)) for funnel in funnels.funnels
        }

    def take(  # noqa: PLR0913, PLR0917
        self,
        partition: int,
        values: Sequence[bytes | None],
        record_times: Sequence[int | None],
        offsets: Sequence[int | str],
        origin: str,
        watermark_ms: int | None,
    ) -> None:
        """Take in the next records of a partition; the columns, and the watermark before them, as in `admit_batch`."""
        log = self._logs.get(partition)
        if log is None:
            log = self._logs[partition] = NameLog(len(self._columns))
        columns = values, record_times, offsets
        log.take(admit_batch(*columns, self._decoder, EVERY_KIND, self._limits, watermark_ms, origin).events)

    def count(self, partition: int, before: Ordered, as_of_ms: int, told: Callable[[int], Any]) -> None:
        """Count a partition, whose events up to `as_of_ms` are `before`. Ends it."""
        log = self._logs.pop(partition)
        log.index()
        for actor, own in _by_actor(before):
            for funnel, session, attempt, number in self._attempts(own, told):
                step = _dropped_at(funnel.definition, attempt, as_of_ms)
                if step is not None:
                    name = log.next_name(actor, self._scope(funnel.definition, session, attempt, log))
                    self._counts[funnel.number][step - 1][name] += number

    def counts(self) -> tuple[StepActions, ...]:
        """Return what was counted, in the order of the funnels."""
        return tuple(self._counts[funnel.number] for funnel in self._funnels.funnels)

    def _attempts(
        self, own: Ordered, told: Callable[[int], Any]
    ) -> Iterator[tuple[CompiledFunnel, str | None, Attempt, int]]:
        """Yield one actor's attempts, with the session id where the funnel has such and how often there is one."""
        yield from self._fold([f for f in self._funnels.funnels if not _session_path(f)], None, own, told)
        for funnel in self._funnels.funnels:
            if not _session_path(funnel) or funnel.units is None:
                continue
            # What its sessions come to, each by itself, is what they come to together.
            sessions: dict[str, list[AdmittedEvent]] = {}
            for event in chain(own.events, *own.busy, own.judged.get(funnel.number, ())):
                session = funnel.units.session_of(event[4])
                if session:
                    sessions.setdefault(session[0], []).append(event)
            for text, events in sessions.items():
                yield from self._fold([funnel], text, _like(own, funnel, events), _not_told)

    def _fold(
        self, funnels: Sequence[CompiledFunnel], session: str | None, own: Ordered, told: Callable[[int], Any]
    ) -> Iterator[tuple[CompiledFunnel, str | None, Attempt, int]]:
        if not funnels:
            return
        attempts: dict[CompiledFunnel, Counter[Attempt]] = {funnel: Counter() for funnel in funnels}
        for part in TimeFold(self._funnels).take(own):
            _add(attempts, part)
            told(part.events)
        for funnel, found in attempts.items():
            for attempt, number in found.items():
                if number:
                    yield funnel, session, attempt, number

    def _scope(self, funnel: Funnel, session: str | None, attempt: Attempt, log: NameLog) -> _Scope:
        after_ms = max(time_ms for time_ms in attempt[2][::2] if time_ms is not None)
        until_ms = attempt[0] + funnel.window_ms
        if funnel.session is not None and funnel.session.gap_ms is not None:
            # What comes later is of another session.
            until_ms = min(until_ms, after_ms + funnel.session.gap_ms)
        if session is None or funnel.session is None:
            return _Scope(after_ms, until_ms, funnel.granularity_ms, None, NO_SESSION)
        column = self._columns[funnel.session.property]
        return _Scope(after_ms, until_ms, funnel.granularity_ms, column, log.session(session))


def _not_told(_events: int) -> None:
    """Say nothing: these events are told already."""


def _session_path(funnel: CompiledFunnel) -> str:
    session = funnel.definition.session
    return "" if session is None else session.property


def _add(attempts: dict[CompiledFunnel, Counter[Attempt]], part: Part) -> None:
    for funnel, change in part.changes:
        if funnel in attempts:
            attempts[funnel].subtract(change.taken)
            attempts[funnel].update(change.given)


def _dropped_at(funnel: Funnel, attempt: Attempt, as_of_ms: int) -> int | None:
    """Return the required step at which an attempt was dropped; None if it converted, is pending or was excluded."""
    entry_ms, step, _, _, _, fate = attempt
    if step == len(funnel.steps) or fate is not None or entry_ms >= undecided_from_ms(funnel, as_of_ms):
        return None
    while funnel.steps[step - 1].optional:
        step -= 1
    return step


def _like(own: Ordered, funnel: CompiledFunnel, events: list[AdmittedEvent]) -> Ordered:
    """Return some of an actor's events of one funnel, to be folded as all of them are."""
    if own.judged:
        return own._replace(judged={funnel.number: events})
    return own._replace(busy=[events]) if own.busy else own._replace(events=events)


def _by_actor(ordered: Ordered) -> Iterator[tuple[str, Ordered]]:
    """Yield each actor's events: they lie together in one of the three."""
    nothing = ordered._replace(events=[], busy=[], judged={})
    for actor, events in by_actor(ordered.events).items():
        yield actor, nothing._replace(events=list(events))
    for own in ordered.busy:
        if own:
            yield own[0][0], nothing._replace(busy=[own])
    judged: dict[str, dict[int, list[AdmittedEvent]]] = {}
    for number, accepted in ordered.judged.items():
        for actor, events in by_actor(accepted).items():
            judged.setdefault(actor, {})[number] = list(events)
    for actor, by_funnel in judged.items():
        yield actor, nothing._replace(judged=by_funnel)
