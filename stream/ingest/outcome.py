"""What reading a record gives: its core fields, or why it is invalid.

In:  the values found at the core paths, whatever the format of the record.
Out: `Core`, or an `Invalid` with a reason from a short fixed list.

Whether a record is valid depends on its core fields alone (actor, time, name, id), never on a property.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, final


class Reason(StrEnum):
    """Why a record is invalid; the words stand in dead letters and are stable."""

    NULL = "null value"
    EMPTY = "empty value"
    MALFORMED = "malformed"
    NOT_AN_OBJECT = "not an object"
    TOO_DEEP = "nested too deep"
    NO_ACTOR = "missing actor"
    BAD_ACTOR = "bad actor"
    NO_TIME = "missing time"
    BAD_TIME = "bad time"
    NO_NAME = "missing name"
    BAD_NAME = "bad name"
    BAD_ID = "bad id"


@final
@dataclass(frozen=True, slots=True)
class Invalid:
    """A record that means no event, and why."""

    reason: str


# actor, time in ms UTC, name, id (None: the record brought none), the parsed record for its properties
Core = tuple[str, int, str, str | None, Any]

# One object per reason: a flood of broken records allocates nothing.
INVALID = {reason: Invalid(reason.value) for reason in Reason}

# Stands for a value that is there but cannot be text, such as a lone surrogate.
UNREADABLE = object()


def core_of(values: Sequence[Any], to_ms: Callable[[Any], int | None], parsed: Any) -> Core | Invalid:
    """Judge the values of actor, time, name and id; the first problem in that order is the reason.

    Each is the first of its field's paths that holds one; absent, null and empty text are none.
    """
    actor, time, name, event_id = [None if value == "" else value for value in values]
    if type(actor) is not str and type(actor) is not int:
        return INVALID[Reason.NO_ACTOR if actor is None else Reason.BAD_ACTOR]
    time_ms = to_ms(time)
    if time_ms is None:
        return INVALID[Reason.NO_TIME if time is None else Reason.BAD_TIME]
    if type(name) is not str:
        return INVALID[Reason.NO_NAME if name is None else Reason.BAD_NAME]
    if event_id is None:
        return str(actor), time_ms, name, None, parsed
    if type(event_id) is not str and type(event_id) is not int:
        return INVALID[Reason.BAD_ID]
    return str(actor), time_ms, name, str(event_id), parsed
