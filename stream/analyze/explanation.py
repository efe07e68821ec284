"""One actor explained, as documents for JSON and people.

In:  the actor's records, or what is stored of it; compiled funnels; an instant.
Out: the structures of `analyze.explained_forms`.

What every event did says `engine.explain`; here it is put into words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from stream.analyze.actor_log import LoggedRecord
from stream.analyze.document import iso
from stream.analyze.explained_forms import (
    AttemptDoc,
    ChainEventDoc,
    EventDoc,
    FunnelExplanationDoc,
    HeldDoc,
    PartDoc,
    PeriodResultDoc,
    UnitDoc,
)
from stream.analyze.show import duration
from stream.engine.chains import Chain, level_of
from stream.engine.explain import (
    Act,
    HitKey,
    Limit,
    Outcome,
    Story,
    Tried,
    Why,
    entries_of,
    explain,
    explainable,
    is_sealed,
    judge,
    key_of,
    stored_units,
)
from stream.engine.match import CompiledFunnel, FunnelSet
from stream.engine.mismatch import Mismatch, condition_text, mismatches
from stream.engine.optioned import UnitStates, floored
from stream.engine.state import FunnelState
from stream.engine.units import Unit
from stream.model.event import AdmittedEvent
from stream.model.funnel import Effect, Order
from stream.model.verdict import Verdict

_ADMISSION = {
    Verdict.INVALID: Why.INVALID,
    Verdict.FUTURE: Why.FUTURE,
    Verdict.LATE: Why.LATE,
    Verdict.DUPLICATE: Why.DUPLICATE,
    Verdict.BOT: Why.BOT,
}


@dataclass(frozen=True, slots=True)
class _Row:
    """A record or stored event, which event it is to the funnel (None: to be looked up in no story), and why."""

    record: LoggedRecord
    key: HitKey | None
    why: Why | None = None
    text: str = ""
    by: tuple[str, ...] = ()


# From a log


def explain_records(  # noqa: PLR0913, PLR0917
    funnels: FunnelSet,
    funnel: CompiledFunnel,
    records: Sequence[LoggedRecord],
    as_of_ms: int,
    bot_cap: int,
    partition: int | None = None,
) -> FunnelExplanationDoc:
    """Return what became of an actor's records of one partition, given in log order."""
    granularity_ms = funnel.definition.granularity_ms
    matched: list[tuple[int, tuple[AdmittedEvent, tuple[int, ...]]]] = []
    rows: list[_Row] = []
    for place, record in enumerate(records):
        row, roles = _judged_by_admission(funnels, funnel, record)
        rows.append(row)
        if row.why is None and record.time_ms is not None and roles is not None:
            admitted = ("", record.time_ms, record.event_id, "", record.properties, record.limit_ms)
            matched.append((place, (admitted, roles)))
    first_of: dict[HitKey, str] = {}
    accepted: list[tuple[AdmittedEvent, tuple[int, ...]]] = []
    for (place, event), verdict in zip(matched, judge(funnel, [each for _, each in matched], bot_cap), strict=True):
        time_ms, event_id = event[0][1:3]
        key = floored(time_ms, event_id, granularity_ms)
        if verdict is Verdict.DUPLICATE:
            first = first_of.get(key, "")
            rows[place] = _Row(records[place], None, Why.DUPLICATE, f"a copy of record {first}", (first,))
        elif verdict is Verdict.BOT:
            rows[place] = _Row(records[place], None, Why.BOT, "the actor held more events than the bot cap")
        else:
            first_of[key] = records[place].place
            if time_ms > as_of_ms:
                rows[place] = _Row(records[place], None, Why.AHEAD, "after the instant of the explanation")
                continue
            rows[place] = _Row(records[place], key)
            accepted.append(event)
    accepted.sort(key=lambda each: each[0][1])
    own = explainable(funnel)
    stories = explain(own, entries_of(own, accepted), as_of_ms)
    rows.sort(key=lambda row: -(1 << 62) if row.record.time_ms is None else row.record.time_ms)
    return _document(own, stories, rows, as_of_ms, partition, sealed={})


def _judged_by_admission(
    funnels: FunnelSet, funnel: CompiledFunnel, record: LoggedRecord
) -> tuple[_Row, tuple[int, ...] | None]:
    """Return the row of a record, with a reason where it gets no further, and the roles of its event."""
    if record.refused in {Verdict.INVALID, Verdict.FUTURE}:
        return _Row(record, None, _ADMISSION[record.refused], record.reason), None
    name = record.name or ""
    roles = next((roles for own, roles in funnels.served(name, record.properties) if own is funnel), None)
    if roles is None:
        found = list(mismatches(funnel.definition, funnels.property_paths, name, record.properties))
        text = _mismatch_text(found)
        return _Row(record, None, Why.NO_MATCH, text), None
    if record.refused is not None:
        return _Row(record, None, _ADMISSION[record.refused], record.reason), None
    return _Row(record, None), roles


def _mismatch_text(found: Sequence[Mismatch]) -> str:
    if not found:
        return "no step is of this name"
    first = found[0]
    what = f"step {first.step}" if first.step else f"exclusion {first.exclusion}"
    if first.predicate is None:
        text = f"{what} needs the property {first.property}"
    else:
        value = "it is missing" if first.found is None else f"it is {_short(first.found)}"
        text = f"{what} wants {condition_text(first.predicate)}; {value}"
    return text if len(found) == 1 else f"{text} (and {len(found) - 1} more)"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


# From the store


def explain_stored(
    funnel: CompiledFunnel, held: FunnelState | UnitStates, as_of_ms: int, partition: int
) -> FunnelExplanationDoc:
    """Return what is known of an actor whose state is stored."""
    units = stored_units(funnel, held)
    own = explainable(funnel)
    stories = explain(own, units, as_of_ms)
    events: dict[HitKey, tuple[int, ...]] = {}
    for entries in units.values():
        for time_ms, event_id, roles, *_ in entries[1:]:
            events[time_ms, event_id] = max(events.get((time_ms, event_id), ()), roles)
    rows = []
    for key in sorted(events):
        time_ms, event_id = _own_time(key)
        rows.append(_Row(LoggedRecord("", time_ms, None, event_id), key))
    sealed = {unit: is_sealed(entries) for unit, entries in units.items()}
    return _document(own, stories, rows, as_of_ms, partition, sealed)


def _own_time(key: HitKey) -> tuple[int, str]:
    """Return an event's own time and id, where times are floored."""
    event_id, separator, rest = key[1].rpartition("\0")
    return (key[0] + int(rest), event_id) if separator else key


# Documents


class _Words:
    """Says what events did, with the attempts numbered over all units."""

    def __init__(self, funnel: CompiledFunnel, stories: Sequence[Story], rows: Sequence[_Row], as_of_ms: int) -> None:
        self.definition = funnel.definition
        self.stories = stories
        self.as_of_ms = as_of_ms
        counts = accumulate((len(story.tried) for story in stories), initial=1)
        self._first = dict(zip([story.unit for story in stories], counts, strict=False))
        self._record_of = {row.key: row.record for row in rows if row.key is not None}

    def number(self, unit: Unit, place: int) -> int:
        """Return the number of a unit's attempt."""
        return self._first[unit] + place

    def held(self, unit: Unit) -> list[HeldDoc]:
        """Return the properties by which a unit is counted, with their values."""
        session = self.definition.session
        names = [session.property] if session is not None and session.property else []
        return [
            HeldDoc(property=name, value=value)
            for name, value in zip([*names, *self.definition.hold], unit, strict=False)
        ]

    def step(self, number: int) -> str:
        """Return a step as `2 cart`; in any order as `2 (any 2 of 3)`."""
        label = self.definition.labels[number - 1]
        return f"{number} ({label})" if self.definition.order is Order.ANY else f"{number} {label}"

    def event(self, key: HitKey) -> str:
        """Return another event's name and time, as far as they are known."""
        record = self._record_of.get(key)
        name = (record.name if record is not None else None) or "an event"
        time_ms, _ = _own_time(key)
        return f"{name} at {short_time(iso(time_ms))}"

    def text(self, story: Story, act: Act) -> str:  # noqa: C901, PLR0911, PLR0912 (a sentence for each reason)
        """Return what an event did that is in no reported chain."""
        attempt = "" if act.attempt is None else f"attempt {self.number(story.unit, act.attempt)}"
        by = ", ".join(self.event(key) for key in act.by)
        step = self.step(act.step) if act.step else ""
        over = duration(act.over_ms / 1000)
        before = self._before(act)
        match act.why:
            case Why.NO_MATCH:
                return "no step is of this name; it counts for the gap between sessions"
            case Why.REMOVED:
                return f"step {step} of {attempt}, which exclusion {act.exclusion} took out of everything ({by})"
            case Why.EXCLUSION:
                return self._exclusion_text(act, attempt)
            case Why.BROKE:
                return f"no step may lie between: it broke the chain that had come to step {step}"
            case Why.OTHER_CHAIN:
                return f"served step {step}, but {attempt or 'its period'} reports another chain"
            case Why.TOO_SOON if act.limit is Limit.STRICT_TIME:
                return f"step {step} has to be later than the step before it (strict_time)"
            case Why.TOO_SOON:
                return f"step {step} came {over} too soon after {before} (not_before)"
            case Why.EXCLUDED:
                return f"exclusion {act.exclusion} ({by}) had ended {before}"
            case Why.BROKEN:
                return f"{by} had broken {before}"
            case Why.CONSUMED:
                return f"{attempt} had converted and consumed {before}"
            case Why.OUTSIDE_WINDOW:
                if act.limit is Limit.WITHIN:
                    return f"`within` of step {step} was over by {over} after {before}"
                return f"the window of {before} was over by {over}"
            case Why.OTHER_UNIT if act.unit is None:
                return f"{before} is of the session before the gap"
            case Why.OTHER_UNIT:
                held = ", ".join(f"{each.property}={_short(each.value)}" for each in self.held(act.unit or ()))
                return f"{before} is that of {held}"
            case Why.NOT_FIRST:
                return "another event had entered the period before (entry: first)"
            case Why.FOREIGN:
                return "serves no step; there was no chain that it could break"
            case _:
                since = f" since {attempt} converted" if attempt else ""
                return f"for step {step} no chain had come to a step before it{since}"

    def _before(self, act: Act) -> str:
        """Return the chain that an event would have followed."""
        if not act.chain:
            return "the chain"
        return f"the chain that had come to step {self.step(level_of(act.chain))}"

    def _exclusion_text(self, act: Act, attempt: str) -> str:
        exclusion = self.definition.exclusions[act.exclusion - 1]
        text = f"number {act.exclusion}, between steps {exclusion.first} and {exclusion.last}"
        if not act.chain:
            return f"{text}: there was no chain in its range"
        what = "took out" if exclusion.effect is Effect.REMOVE_ACTOR else "ended"
        of = f" of {attempt}" if attempt else ""
        return f"{text} {what} the chain that had come to step {self.step(act.step)}{of}"

    # Attempts, periods, and what they are made of

    def chains(self, key: HitKey) -> list[PartDoc]:
        """Return the reported chains that an event is in."""
        return [
            PartDoc(
                level=part.level,
                attempt=None if part.attempt is None else self.number(story.unit, part.attempt),
                period=None if part.period_ms is None else iso(part.period_ms),
            )
            for story in self.stories
            for part in story.parts.get(key, ())
        ]

    def unit(self, story: Story, *, sealed: bool) -> UnitDoc:
        """Return what came of a unit."""
        stage, until_ms = self._stage(story)
        return UnitDoc(
            unit=self.held(story.unit),
            stage=stage,
            until=None if until_ms is None else iso(until_ms),
            sealed=sealed,
            attempts=[self._attempt(story.unit, place, tried) for place, tried in enumerate(story.tried)],
            periods=[
                PeriodResultDoc(
                    start=iso(each.start_ms), end=iso(each.end_ms), step=each.level, chain=self._chain(each.chain)
                )
                for each in story.periods
            ],
        )

    def _stage(self, story: Story) -> tuple[int, int | None]:
        """Return where the unit stands, as occupancy counts it: of a converted attempt until its window is over."""
        if not story.tried:
            return 0, None
        last = story.tried[-1]
        end_ms = last.attempt[0] + self.definition.window_ms
        stands = last.outcome is Outcome.PENDING or (last.outcome is Outcome.CONVERTED and end_ms >= self.as_of_ms)
        return (last.attempt[1], end_ms) if stands else (0, None)

    def _attempt(self, unit: Unit, place: int, tried: Tried) -> AttemptDoc:
        entry_ms, best, chain, _, _, _ = tried.attempt
        is_pending = tried.outcome is Outcome.PENDING
        return AttemptDoc(
            attempt=self.number(unit, place),
            entered=iso(entry_ms),
            outcome=tried.outcome,
            step=best,
            closed=None if tried.closed_ms is None else iso(tried.closed_ms),
            pending_until=iso(entry_ms + self.definition.window_ms) if is_pending else None,
            exclusion=tried.exclusion or None,
            chain=self._chain(chain),
        )

    def _chain(self, chain: Chain) -> list[ChainEventDoc]:
        has_steps = self.definition.order is not Order.ANY
        documents = []
        for level in range(1, level_of(chain) + 1):
            time_ms, touch = chain[2 * level - 2 : 2 * level]
            if time_ms is None:
                continue
            key = key_of(time_ms, touch)
            time_ms, event_id = (time_ms, None) if key is None else _own_time(key)
            record = None if key is None else self._record_of.get(key)
            name = self.definition.steps[level - 1].name if has_steps else None if record is None else record.name
            documents.append(
                ChainEventDoc(level=level, step=level if has_steps else None, name=name, time=iso(time_ms), id=event_id)
            )
        return documents


def _document(  # noqa: PLR0913, PLR0917
    funnel: CompiledFunnel,
    stories: Sequence[Story],
    rows: Sequence[_Row],
    as_of_ms: int,
    partition: int | None,
    sealed: Mapping[Unit, bool],
) -> FunnelExplanationDoc:
    definition = funnel.definition
    words = _Words(funnel, stories, rows, as_of_ms)
    return FunnelExplanationDoc(
        funnel=definition.name,
        version=definition.version,
        title=definition.title,
        partition=partition,
        window_seconds=definition.window_ms / 1000,
        steps=list(definition.labels),
        units=[words.unit(story, sealed=sealed.get(story.unit, False)) for story in stories],
        events=[_event(words, row) for row in rows],
    )


def _event(words: _Words, row: _Row) -> EventDoc:
    record = row.record
    document = EventDoc(
        place=record.place or None,
        time=None if record.time_ms is None else iso(record.time_ms),
        name=record.name,
        id=record.event_id or None,
        why=row.why or Why.NO_MATCH,
        text=row.text,
        step=None,
        exclusion=None,
        limit=None,
        over_seconds=None,
        by=list(row.by),
        chains=[],
    )
    if row.key is None:
        return document
    key = row.key
    found = [(story, act) for story in words.stories if (act := story.act(key)) is not None]
    if not found:
        document.text = "belongs to no counted unit"
        return document
    story, act = min(found, key=lambda each: (_GIVING.get(each[1].why, 0), -len(each[0].parts.get(key, ()))))
    document.why = act.why
    if act.why is Why.COUNTED:
        document.chains = words.chains(key)
        document.step = document.chains[0].level if words.definition.order is not Order.ANY else None
        document.text = _counted_text(words, document.chains)
        return document
    document.text = words.text(story, act)
    document.step = act.step or None
    document.exclusion = act.exclusion or None
    document.limit = act.limit
    document.over_seconds = act.over_ms / 1000 if act.limit is not None else None
    document.by = [_own_time(key)[1] for key in act.by]
    return document


# An event that happens in several units is told as it was in the one where it did most.
_GIVING = {Why.COUNTED: -2, Why.REMOVED: -1, Why.EXCLUSION: -1, Why.BROKE: -1, Why.FOREIGN: 1, Why.NO_MATCH: 2}


def _counted_text(words: _Words, chains: Sequence[PartDoc]) -> str:
    attempts: dict[str, list[str]] = {}
    periods: dict[str, list[str]] = {}
    for part in chains:
        level = f"event {part.level}" if words.definition.order is Order.ANY else f"step {words.step(part.level)}"
        if part.attempt is not None:
            attempts.setdefault(level, []).append(str(part.attempt))
        elif part.period is not None:
            periods.setdefault(level, []).append(short_time(part.period))
    if attempts:
        return "; ".join(
            f"{level} of attempt{'s' if len(own) > 1 else ''} {' and '.join(own)}" for level, own in attempts.items()
        )
    return "; ".join(f"{level} of the chain of period {' and '.join(own)}" for level, own in periods.items())


def short_time(instant: str) -> str:
    """Return an instant as people write it: a full second without its fraction, a midnight as its date."""
    text = instant.replace("T", " ").removesuffix("Z").removesuffix(".000")
    return text.removesuffix(" 00:00:00")
