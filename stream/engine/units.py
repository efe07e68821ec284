"""What is counted: an actor, or each of its sessions, or each of the values that a chain holds constant.

In:  an event's properties.
Out: the counted unit it belongs to.

An actor's state in such a funnel is one state per unit. An event that belongs to no single unit may still matter
to all of them: one without a held property breaks strict chains, and every event counts for the gap between
sessions. Such events are kept apart too, for the units that are yet to come.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from stream.engine.predicates import same_text
from stream.model.funnel import Funnel

# the session's id, if there are sessions with one, then the values that are held constant
Unit: TypeAlias = tuple[str, ...]


class UnitRule:
    """How events of one funnel fall to counted units."""

    def __init__(self, session: int | None, held: Sequence[int], *, is_shared: bool) -> None:
        self._session = session
        self._held = tuple(held)
        self.is_shared = is_shared
        """Whether each event happens for all units of the actor (a gap rule)."""

    def session_of(self, properties: Sequence[Any]) -> Unit | None:
        """Return the session's id, () without such sessions; None for an event without one."""
        if self._session is None:
            return ()
        text = same_text(properties[self._session])
        return None if text is None else (text,)

    def held_of(self, properties: Sequence[Any]) -> Unit | None:
        """Return the values held constant; None for an event that lacks one."""
        values = [same_text(properties[column]) for column in self._held]
        return None if None in values else tuple(values)  # type: ignore[arg-type] # no None among them


def unit_rule_of(funnel: Funnel, column: Mapping[str, int]) -> UnitRule | None:
    """Return how a funnel's events fall to units; None if all of an actor are of one."""
    session = funnel.session.property if funnel.session is not None else ""
    if not session and not funnel.hold:
        return None
    has_gap = funnel.session is not None and funnel.session.gap_ms is not None
    return UnitRule(column[session] if session else None, [column[path] for path in funnel.hold], is_shared=has_gap)
