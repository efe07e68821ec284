"""One event of an actor in a funnel with options: to its counted unit, at its floored time.

In:  what is kept of the actor in that funnel, and an event that matters there.
Out: the same with the event, its verdict, and what changed.

Most options only change the fold. Two need more: with a granularity, identity goes by the event's own time and
everything else by the floored one; and where sessions or held values are counted, an actor has a state for each of
these units (`engine.units`), in which events that belong to no single one happen too.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from stream.engine.advance import Change, advance, has_hit, judge, progress
from stream.engine.fold import advance_fold
from stream.engine.match import CompiledFunnel
from stream.engine.roles import Hit
from stream.engine.state import (
    EMPTY_BASE,
    PERIODS,
    TIME,
    Entry,
    FunnelState,
    expires_ms,
    fold_away,
    fold_of,
    forget_periods,
    refold,
    seal_entries,
    time_of,
    undecided_in,
)
from stream.engine.units import Unit, UnitRule
from stream.model.event import AdmittedEvent
from stream.model.verdict import Verdict

# Hits that happen for every unit of a session, by time; () for those of every unit
Shared: TypeAlias = list[tuple[Unit, Hit]]

_time_of_shared = itemgetter(1)


class UnitStates:
    """An actor's states by unit, and the events that units yet to come need to know of."""

    __slots__ = ("entries", "shared")

    def __init__(self, entries: dict[Unit, list[Entry]] | None = None, shared: Shared | None = None) -> None:
        self.entries = {} if entries is None else entries
        self.shared = [] if shared is None else shared


def floored(time_ms: int, event_id: str, granularity_ms: int) -> tuple[int, str]:
    """Return time and id of the hit an event is: its own time goes on in the id, since both are its identity."""
    rest = time_ms % granularity_ms
    return time_ms - rest, event_id if granularity_ms == 1 else f"{event_id}\0{rest}"


def take_event(
    record: list[Any], funnel: CompiledFunnel, roles: tuple[int, ...], event: AdmittedEvent, bot_cap: int
) -> tuple[Verdict, Sequence[Change], int]:
    """Take an event into an actor's record, in place; the clear form, for a funnel with options or without.

    Returns its verdict, what changed, and the position from which on the funnel's entries are new; 0 where it was put
    between others, or the actor is written as a whole anyway.
    """
    _, time_ms, event_id, _, properties, limit_ms = event
    if funnel.options is not None and funnel.options.granularity_ms != 1:
        time_ms, event_id = floored(time_ms, event_id, funnel.options.granularity_ms)
        limit_ms -= limit_ms % funnel.options.granularity_ms
    hit = (time_ms, event_id, roles, funnel.touch(roles, properties) if funnel.has_touch else None, 0)
    if funnel.units is not None:
        states = record[funnel.slot]
        if states is None:
            states = record[funnel.slot] = UnitStates()
        verdict, changes = _take_by_unit(funnel, funnel.units, states, hit, properties, bot_cap, limit_ms)
        return verdict, changes, 0
    entries: list[Entry] = record[funnel.slot] or [EMPTY_BASE]
    verdict = judge(funnel, entries, hit, bot_cap, (limit_ms,))
    if verdict is not Verdict.ACCEPTED:
        record[funnel.slot] = entries
        return verdict, (), 0
    before, position = entries[-1], len(entries)
    record[funnel.slot], changes = _with_hit(funnel, entries, hit)
    if funnel.definition.counts_units:
        changes += _actor_change(_counted_in(before), _counted_in(record[funnel.slot][-1]))
    return verdict, changes, position if time_ms > before[TIME] else 0


def _with_hit(funnel: CompiledFunnel, entries: list[Entry], hit: Hit) -> tuple[list[Entry], list[Change]]:
    """Return the entries with a hit that they take, and what that changed."""
    last = entries[-1]
    if hit[0] > last[TIME]:
        # In order, as most events are: what was there stays as it is.
        fold, closed = advance_fold(funnel, fold_of(last), hit[0], (hit,))
        entries.append((*hit[:4], *fold, closed))
        change = progress(last, closed, *fold[1:])
    else:
        state = FunnelState(entries)
        change = advance(funnel, state, (hit,), [])
        entries = state.entries
    return entries, [] if change is None else [change]


def _counted_in(*tips: Entry) -> set[int]:
    """Return the starts of the entry periods in which an actor counts with any of its units, by their last entries."""
    return {start_ms for tip in tips for start_ms, _, _, best, _ in tip[PERIODS] if best}


def _actor_change(before: set[int], after: set[int]) -> list[Change]:
    if before == after:
        return []
    return [Change(actors=[(start, 1) for start in after - before] + [(start, -1) for start in before - after])]


def _take_by_unit(  # noqa: PLR0913, PLR0917
    funnel: CompiledFunnel,
    rule: UnitRule,
    states: UnitStates,
    hit: Hit,
    properties: Sequence[Any],
    bot_cap: int,
    limit_ms: int,
) -> tuple[Verdict, list[Change]]:
    """Take in an event of a funnel that counts units; returns its verdict and what changed."""
    verdict = _judge(funnel, states, hit, bot_cap, limit_ms)
    if verdict is not Verdict.ACCEPTED:
        return verdict, []
    session = rule.session_of(properties)
    if session is None:
        return verdict, []
    values = rule.held_of(properties)
    happened = hit if values is None else (*hit[:2], (), None, 0)
    own = None if values is None else (*session, *values)
    if own is not None and own not in states.entries:
        states.entries[own] = _begun(funnel, [shared for of, shared in states.shared if of == session])
    before = _counted_in(*[entries[-1] for entries in states.entries.values()])
    changes: list[Change] = []
    for unit, entries in states.entries.items():
        if unit == own or ((rule.is_shared or values is None) and unit[: len(session)] == session):
            states.entries[unit], changed = _with_hit(funnel, entries, hit if unit == own else happened)
            changes += changed
    if rule.is_shared or values is None:
        insort(states.shared, (session, happened), key=_time_of_shared)
    after = _counted_in(*[entries[-1] for entries in states.entries.values()])
    return verdict, [*changes, *_actor_change(before, after)]


def _judge(funnel: CompiledFunnel, states: UnitStates, hit: Hit, bot_cap: int, limit_ms: int) -> Verdict:
    time_ms, event_id = hit[0], hit[1]
    if any(has_hit(entries, time_ms, event_id) for entries in states.entries.values()):
        return Verdict.DUPLICATE
    if any(shared[0] == time_ms and shared[1] == event_id for _, shared in states.shared):
        return Verdict.DUPLICATE
    options: Any = funnel.options
    if sum(map(len, states.entries.values())) + len(states.shared) <= bot_cap and not options.may_hold_more:
        return Verdict.ACCEPTED
    # An event that happened in several units is one; a unit that is sealed stands for one as long as it matters.
    ids = {shared[:2] for _, shared in states.shared if shared[0] >= limit_ms}
    kept = 0
    for entries in states.entries.values():
        first_open = bisect_left(entries, limit_ms, 1, key=time_of)
        base = fold_of(entries[first_open - 1])
        ids |= {entry[:2] for entry in entries[first_open:]}
        kept += options.held(base, limit_ms)
        kept += first_open == len(entries) and options.matters(base, limit_ms)
    return Verdict.BOT if len(ids) + kept > bot_cap else Verdict.ACCEPTED


def _begun(funnel: CompiledFunnel, hits: Sequence[Hit]) -> list[Entry]:
    """Return the entries of a unit that begins, with what has happened for all of them."""
    entries = [EMPTY_BASE, *[(*hit[:4], *EMPTY_BASE[4:7], ()) for hit in hits]]
    refold(funnel, entries, 1, changed=len(entries))
    return entries


def seal_units(funnel: CompiledFunnel, states: UnitStates, limit_ms: int) -> None:
    """Fold for good everything strictly below `limit_ms`, in place, and forget units that say nothing any more."""
    options: Any = funnel.options
    floored_ms = limit_ms - limit_ms % options.granularity_ms
    for entries in states.entries.values():
        fold_away(entries, floored_ms)
    # The actor counts in a period by all its units.
    undecided = {start for own in states.entries.values() for start in undecided_in(funnel, own, floored_ms)}
    for unit, entries in list(states.entries.items()):
        forget_periods(entries, undecided)
        end_ms = expires_ms(funnel, FunnelState(entries))
        if end_ms is not None and end_ms < limit_ms and undecided.isdisjoint(_counted_in(entries[-1])):
            del states.entries[unit]
    states.shared = [(unit, hit) for unit, hit in states.shared if hit[0] >= floored_ms]


def seal_in_record(record: list[Any], funnel: CompiledFunnel, limit_ms: int) -> None:
    """Fold for good everything of an actor in a funnel strictly below `limit_ms`, in place."""
    if funnel.units is not None:
        seal_units(funnel, record[funnel.slot], limit_ms)
    else:
        seal_entries(funnel, record[funnel.slot], limit_ms)


def says_nothing(funnel: CompiledFunnel, state: FunnelState | UnitStates, limit_ms: int) -> bool:
    """Tell whether a state, which is sealed below `limit_ms`, can be forgotten."""
    if isinstance(state, UnitStates):
        seal_units(funnel, state, limit_ms)
        return not state.entries and not state.shared
    seal_entries(funnel, state.entries, limit_ms)
    end_ms = expires_ms(funnel, state)
    return end_ms is not None and end_ms < limit_ms
