"""From a source's settings to the mapping that its decoder is built from.

In:  preset and changes as plain values.
Out: `stream.ingest.mapping.Mapping`.
"""

from dataclasses import fields
from typing import Any

from stream.ingest.mapping import Mapping
from stream.settings.tracker import SourceSettings


def mapping_of(source: SourceSettings) -> Mapping:
    """Return the source's preset with its own paths and time unit."""
    changes: dict[str, Any] = {field.name: getattr(source.fields, field.name) for field in fields(source.fields)}
    changes = {name: paths for name, paths in changes.items() if paths}
    if source.time_unit is not None:
        changes["unit"] = source.time_unit
    return Mapping.preset(source.preset, **changes, format=source.format)
