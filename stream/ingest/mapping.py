"""Which fields of a record are the actor, the time, the name, the id and the properties.

In:  a preset's name and what the operator changes in it.
Out: a frozen `Mapping`, valid once constructed; the decoder is built from it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from stream.errors import MappingError
from stream.model.times import TimeUnit

_DOT = re.compile(r"(?<!\\)\.")


def split_path(path: str) -> tuple[str, ...]:
    r"""Split `a.b.c` into its keys; `\.` is a dot inside a key; the empty path is the record itself."""
    return tuple(part.replace("\\.", ".") for part in _DOT.split(path)) if path else ()


def _as_paths(paths: str | Iterable[str]) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else tuple(paths)


@dataclass(frozen=True, slots=True)
class Mapping:
    """Paths into a record; of several paths the first that holds a value counts.

    `properties` are roots: a property path is looked up below each in turn, `""` being the record itself,
    which keeps unknown fields as properties. `unit` says what a bare number at the time path counts.
    Raises `MappingError` on a path that could never hold a value.
    """

    actor: tuple[str, ...] = ("user_id",)
    time: tuple[str, ...] = ("time",)
    name: tuple[str, ...] = ("event",)
    id: tuple[str, ...] = ("id",)
    properties: tuple[str, ...] = ("properties", "")
    unit: TimeUnit = TimeUnit.MS
    format: str = "json"

    def __post_init__(self) -> None:
        """Refuse paths that could never hold a value."""
        for field in ("actor", "time", "name", "id", "properties"):
            paths = getattr(self, field)
            if not paths and field in ("actor", "time", "name"):
                raise MappingError(f'mapping.{field}: no path given (try "{_FLAT_PATHS[field]}")')
            for path in paths:
                if (not path and field != "properties") or "" in split_path(path):
                    raise MappingError(
                        f'mapping.{field}: "{path}" is not a path: an empty key (try "context.user.id" or "user_id")'
                    )

    @classmethod
    def preset(cls, name: str, /, **changes: Any) -> Self:
        """Return the preset `name` with `changes`; a path may be given as one string or as a list of fallbacks.

        Raises `MappingError` on an unknown preset, field, unit or path.
        """
        if name not in PRESETS:
            raise MappingError(f'mapping.preset: "{name}" is unknown (try one of: {", ".join(PRESETS)})')
        known = {field.name for field in fields(cls)}
        for field, value in changes.items():
            if field not in known:
                raise MappingError(f'mapping: "{field}" is no field of it (try one of: {", ".join(sorted(known))})')
            if field == "unit":
                changes[field] = _unit(value)
            elif field != "format":
                changes[field] = _as_paths(value)
        return replace(PRESETS[name], **changes)  # type: ignore[return-value]


def _unit(value: str) -> TimeUnit:
    try:
        return TimeUnit(value)
    except ValueError:
        units = ", ".join(TimeUnit)
        raise MappingError(f'mapping.unit: "{value}" is not a time unit (try one of: {units})') from None


_FLAT_PATHS = {"actor": "user_id", "time": "time", "name": "event"}

PRESETS: dict[str, Mapping] = {
    "flat": Mapping(),
    # `track` calls carry `event`; page, screen, identify and group calls go by their type.
    "segment": Mapping(
        actor=("userId", "anonymousId"),
        time=("timestamp",),
        name=("event", "type"),
        id=("messageId",),
    ),
    "snowplow": Mapping(
        actor=("domain_userid",),
        time=("derived_tstamp",),
        name=("event_name", "event"),
        id=("event_id",),
        properties=("",),
    ),
    "cloudevents": Mapping(actor=("subject",), time=("time",), name=("type",), properties=("data", "")),
    "posthog": Mapping(actor=("distinct_id",), time=("timestamp",), name=("event",), id=("uuid",)),
}
