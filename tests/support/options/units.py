"""Whose events are counted together: per actor, per session, per values of held properties.

In:  one actor's events, a funnel, an instant.
Out: the events of each counted unit, floored to the granularity.

An event that lacks a held property is given to every unit (it serves nothing there, but it breaks a
strict chain); one without a session id belongs to no session. A gap counts over all the actor's events.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, zip_longest

from support.options.funnels import OptionFunnel
from support.oracle import OEvent

Unit = tuple[str, ...]
"""The session id (of a gap rule: the time of the session's first event), then the values that stay constant."""


def units(events: Sequence[OEvent], funnel: OptionFunnel, as_of: int) -> dict[Unit, list[OEvent]]:
    """Return the events up to `as_of` (ms) of each counted unit; a unit has at least one event of its own."""
    floored = [_floored(event, funnel) for event in events]
    known = [event for event in floored if event.time <= as_of]
    found: dict[Unit, list[OEvent]] = {}
    for session, together in _sessions(known, funnel).items():
        for values in sorted({values for event in together if (values := _values(event, funnel)) is not None}):
            found[(*session, *values)] = [event for event in together if _values(event, funnel) in {values, None}]
    return found


def _floored(event: OEvent, funnel: OptionFunnel) -> OEvent:
    return event if funnel.granularity == 1 else replace(event, time=funnel.floor(event.time))


def _values(event: OEvent, funnel: OptionFunnel) -> Unit | None:
    """Return the event's held values, None if it lacks one."""
    if all(name in event.properties for name in funnel.hold):
        return tuple(event.properties[name] for name in funnel.hold)
    return None


def _sessions(events: Sequence[OEvent], funnel: OptionFunnel) -> dict[Unit, list[OEvent]]:
    if funnel.session is not None:
        ids = {event.properties[funnel.session] for event in events if funnel.session in event.properties}
        return {
            (own,): [event for event in events if event.properties.get(funnel.session) == own] for own in sorted(ids)
        }
    if funnel.session_gap is not None:
        return _gap_sessions(events, funnel.session_gap)
    return {(): list(events)} if events else {}


def _gap_sessions(events: Sequence[OEvent], gap: int) -> dict[Unit, list[OEvent]]:
    times = sorted({event.time for event in events})
    starts = times[:1] + [after for before, after in pairwise(times) if after - before > gap]
    return {
        (str(start),): [event for event in events if start <= event.time and (end is None or event.time < end)]
        for start, end in zip_longest(starts, starts[1:])
    }
