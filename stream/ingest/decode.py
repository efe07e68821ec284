"""A record's bytes to the event it means, for any format.

In:  the bytes of a record.
Out: an `Event`, or `Invalid` with the reason; nothing raises on data.

A format is a function from (mapping, property paths) to two readers: of the core fields, and of the
properties from what the first one parsed. Admission calls them apart, so that the properties of an event
which no funnel takes are never looked at.
"""

from collections.abc import Callable

from stream.errors import MappingError
from stream.ingest.json_format import CoreReader, PropertiesReader, json_readers
from stream.ingest.mapping import Mapping, split_path
from stream.ingest.outcome import Core, Invalid, Reason
from stream.model.event import Event

__all__ = ["FORMATS", "Core", "EventDecoder", "Invalid", "Reason"]

FORMATS: dict[str, Callable[[Mapping, tuple[str, ...]], tuple[CoreReader, PropertiesReader]]] = {
    "json": json_readers,
}


class EventDecoder:
    """Reads the records of one source; build once per source and set of needed property paths.

    `core(value)` gives (actor, time ms, name, id or None, parsed) or `Invalid`; `properties(parsed)` the values
    of `properties` in that order: text, int, `Decimal`, bool, or None where there is none (objects and arrays
    are none). Raises `MappingError` on an unknown format or an empty property path.
    """

    __slots__ = ("core", "properties")

    def __init__(self, mapping: Mapping, properties: tuple[str, ...] = ()) -> None:
        if mapping.format not in FORMATS:
            raise MappingError(f'format: "{mapping.format}" is unknown (try one of: {", ".join(FORMATS)})')
        for path in properties:
            if not path or "" in split_path(path):
                raise MappingError(f'property: "{path}" is not a path: an empty key (try "device" or "cart.total")')
        self.core, self.properties = FORMATS[mapping.format](mapping, properties)

    def decode(self, value: bytes | None) -> Event | Invalid:
        """Return the event that `value` means, or why it means none. Never raises."""
        found = self.core(value)
        if isinstance(found, Invalid):
            return found
        actor, time_ms, name, event_id, parsed = found
        return Event(actor, time_ms, name, event_id, self.properties(parsed))
