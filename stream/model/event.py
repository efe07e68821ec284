"""A record as Kafka delivers it, and the event it means after mapping."""

from typing import Any, NamedTuple


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
