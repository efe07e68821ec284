"""What an event is to a funnel: the steps it can serve, and what else it does to chains.

Roles are numbers, ascending: from 0 on the steps that an event can serve; below 0 what it does besides.
An event without roles does nothing but happen, which matters to sessions that end with a gap.
"""

from typing import Final, TypeAlias

# (breakdown values, ((step, currency, amount as plain text), ...))
Touch: TypeAlias = tuple[tuple[str, ...], tuple[tuple[int, str, str], ...]]
# (time_ms, event id, roles, touch, place of its record in the batch)
Hit: TypeAlias = tuple[int, str, tuple[int, ...], Touch | None, int]
# The same without its place: what an entry begins with, and what is written of it.
PlainHit: TypeAlias = tuple[int, str, tuple[int, ...], Touch | None]

BREAKS: Final = -1
"""Role of an event that serves no step and breaks strict chains; one that serves a step breaks those of others."""


def excludes(place: int) -> int:
    """Return the role of an event that the funnel's exclusion at `place` (from 0) means."""
    return BREAKS - 1 - place


def exclusion_of(role: int) -> int:
    """Return the place of the exclusion that a role below `BREAKS` stands for."""
    return BREAKS - 1 - role
