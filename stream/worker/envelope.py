"""What a record looks like in the repartition topic, and how the worker reads it back.

In:  the bytes and coordinates of a source's record.
Out: a key (the actor) and a JSON envelope: actor, time in ms, event, id, source coordinates, and the record as it
     was. A record that means no event becomes an envelope without an actor, so that the log counts it as invalid.

Read through `log_mapping`, an envelope means the event that the record means at its source: the same properties
under the same paths, untouched down to the digits of a number. Two things differ. An event without an id carries
its source coordinates as one, so that what a crash repeats is a duplicate. And a record may nest one level less deep.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from stream.ingest.decode import EventDecoder, Invalid
from stream.ingest.mapping import PRESETS, Mapping

TOO_LARGE_REASON = "larger than the repartition topic takes"

_BOM = b"\xef\xbb\xbf"  # the decoder accepts it before a record, but inside an envelope it would be no JSON
_USUAL_ROOTS = Mapping().properties
_encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode


class Provenance(NamedTuple):
    """Where an envelope comes from, `topic/partition/offset`, and why its record is invalid (None if it is not)."""

    source: str
    reason: str | None


class _Rejected(msgspec.Struct):
    invalid: str
    source: str


class _Origin(msgspec.Struct):
    source: str
    invalid: str | None = None


class EnvelopeWriter:
    """Puts the records of one source into envelopes; `max_bytes` is the most that key and envelope may have.

    Raises `MappingError` on an unknown format.
    """

    def __init__(self, mapping: Mapping, max_bytes: int) -> None:
        self._core = EventDecoder(mapping).core
        self._max_bytes = max_bytes
        self._envelope: Callable[..., Any] = msgspec.defstruct(
            "Envelope",
            [("actor", str), ("time", int), ("event", str), ("id", str), ("source", str), ("record", msgspec.Raw)],
            rename={"record": record_field(mapping.properties)},
            frozen=True,
            gc=False,
        )

    def write(self, value: bytes | None, source: str) -> tuple[bytes, bytes, bool]:
        """Return key, envelope, and whether the record means an event; never raises on data.

        `source` is `topic/partition/offset`. 2 us for a record of 170 bytes (`tests/bench/bench_repartition.py`).
        """
        found = self._core(value)
        if type(found) is Invalid:
            return *_rejected(found.reason, source), False
        actor, time_ms, name, event_id, _ = found
        record = msgspec.Raw(value[3:] if value[:3] == _BOM else value)  # type: ignore[index,arg-type] # None is invalid
        envelope = _encode(self._envelope(actor, time_ms, name, event_id or source, source, record))
        key = actor.encode()
        if len(key) + len(envelope) > self._max_bytes:
            return *_rejected(f"{TOO_LARGE_REASON} ({self._max_bytes} bytes with key and envelope)", source), False
        return key, envelope, True


def _rejected(reason: str, source: str) -> tuple[bytes, bytes]:
    # Without an actor there is no better key, and these spread the invalid records over all partitions.
    return source.encode(), _encode(_Rejected(reason, source))


def record_field(roots: tuple[str, ...]) -> str:
    """Return the envelope's field for records whose properties lie at `roots`.

    Sources that look for properties in different places share one log: the field's name tells their records
    apart, also when sources come and go later. Usually it is plain `record`. Roots are percent-encoded: msgspec takes
    no quotes and backslashes in a field's name.
    """
    return "record" if roots == _USUAL_ROOTS else f"record({','.join(quote(root, safe='') for root in roots)})"


def log_mapping(mappings: Iterable[Mapping] = ()) -> Mapping:
    """Return the mapping with which the repartition topic is read; `mappings` are those of its sources.

    The presets are always known too, so that the records of a source that was removed stay readable.
    """
    places = dict.fromkeys(mapping.properties for mapping in (*PRESETS.values(), *mappings))
    roots = tuple(_below(record_field(place), root) for place in places for root in place)
    return Mapping(actor=("actor",), time=("time",), name=("event",), id=("id",), properties=roots)


def _below(field: str, root: str) -> str:
    path = field.replace(".", "\\.")
    return f"{path}.{root}" if root else path


def provenance(value: bytes | None) -> Provenance | None:
    """Return where an envelope comes from; None if this is no envelope (somebody else wrote to the topic)."""
    try:
        origin = msgspec.json.decode(value or b"", type=_Origin)
    except (ValueError, RecursionError):
        return None
    return Provenance(origin.source, origin.invalid)


def misplaced_text(topic: str, partition: int, offset: int, source_name: str) -> str:
    """Return what to tell the operator when a source is keyed by something else than the actor."""
    return (
        f"topic {topic}, partition {partition}, offset {offset}: the record's key is not its actor, but source "
        f"{source_name} says keyed_by_actor: true. One actor's records could lie on several partitions and be counted "
        f"apart, so nothing of this batch is counted. Take keyed_by_actor out of source {source_name} in the tracker "
        "file: its records then first go through a topic keyed by actor (docs/sources.md). If the producer's key is "
        "what you mean by actor, correct the source's fields.actor instead"
    )
