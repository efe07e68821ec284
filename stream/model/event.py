"""A record as Kafka delivers it, the event it means after mapping, and that event once it is admitted."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias


class Record(NamedTuple):
    """What Kafka (or a line of a file) delivers.

    `record_ms` is the broker's stamp in ms UTC; None in a bare file.
    """

    value: bytes | None
    offset: int
    record_ms: int | None = None
    key: bytes | None = None


class Event(NamedTuple):
    """An event after mapping: what happened, to whom, when (ms UTC, 0 is valid).

    `event_id` is None where the record carried none: the caller then uses the
    record's coordinates. `properties` holds the values of the paths the decoder
    was built for, in that order; None where the record has none.
    """

    actor: str
    time_ms: int
    name: str
    event_id: str | None
    properties: tuple[Any, ...]


# What an event is to funnels: its name; where steps of that name have conditions, the name and which of them it meets.
# Names that no funnel names are one there: None, which no event is called.
Kind: TypeAlias = str | tuple[str | None, int]
# Tells an event's kind by its properties, None if it serves nothing.
KindOf: TypeAlias = Callable[[Sequence[Any]], Kind | None]

# (actor, time_ms, event id, kind, properties in the order of FunnelSet.property_paths, limit_ms), where
# limit_ms is watermark - allowed lateness at its record; `ingest.admission` makes these
AdmittedEvent: TypeAlias = tuple[str, int, str, Kind, Sequence[Any], int]
