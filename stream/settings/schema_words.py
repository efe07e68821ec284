"""The words that schemas are written in: text, durations, topics, lists, mappings.

In:  a meaning (one line, for people) and limits.
Out: parts of a JSON Schema. Besides its own words a setting carries `x-` words for texts
to people: `x-kind` (what a text means), `x-bounds` (least and most of a duration),
`x-later` (keys or values of later versions), `x-secret` (never shown).
"""

from typing import Any, TypeAlias

from stream.settings import durations

Schema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Keys joined by dots; a backslash before a dot makes it part of a key. No other character that JSON escapes.
_PATH = r'^(|([^."\\\u0000-\u001f]|\\\.)+(\.([^."\\\u0000-\u001f]|\\\.)+)*)$'
_TOPIC = r"^[A-Za-z0-9._-]{1,249}$"  # Kafka's own rule
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
_SHARE = r"^(?!0+(\.0+)?%)([0-9]{1,2}(\.[0-9]+)?|100)%$"  # above 0 %


def setting(kind: str, meaning: str, later: tuple[str, ...] = (), **more: Any) -> Schema:
    """Describe a setting of the JSON type `kind`; the keys or values in `later` are refused as not supported yet."""
    refused = {"x-later": list(later)} if later else {}
    return {"type": kind, "description": meaning, **more, **refused}


def text(meaning: str, **more: Any) -> Schema:
    """Describe a text that is not empty unless `more` says so."""
    return setting("string", meaning, **{"minLength": 1, **more})


def path_text(meaning: str, **more: Any) -> Schema:
    """Describe a path into a record or its properties."""
    return text(meaning, **{"pattern": _PATH, "x-kind": "path", **more})


def topic(meaning: str, **more: Any) -> Schema:
    """Describe a Kafka topic's name."""
    return text(meaning, **{"pattern": _TOPIC, "x-kind": "topic", **more})


def name(meaning: str, **more: Any) -> Schema:
    """Describe a name that goes into keys and series."""
    return text(meaning, **{"pattern": _NAME, "x-kind": "name", **more})


def duration(meaning: str, least: str, most: str, **more: Any) -> Schema:
    """Describe a duration between `least` and `most`, both allowed."""
    bounds = {"least": least, "most": most}
    return setting(
        "string", meaning, **{"pattern": durations.PATTERN, "x-kind": "duration", "x-bounds": bounds, **more}
    )


def share(meaning: str, **more: Any) -> Schema:
    """Describe a share of all, as text in percent."""
    return setting("string", meaning, **{"pattern": _SHARE, "x-kind": "share", **more})


def list_of(meaning: str, items: Schema, least: int = 1, **more: Any) -> Schema:
    """Describe a list of at least `least` `items`."""
    return setting("array", meaning, items=items, minItems=least, **more)


def mapping(
    meaning: str, properties: dict[str, Schema], required: tuple[str, ...] = (), later: tuple[str, ...] = ()
) -> Schema:
    """Describe a mapping of `properties` and no other keys."""
    must: Schema = {"required": list(required)} if required else {}
    return setting("object", meaning, later, additionalProperties=False, properties=properties, **must)


def period(meaning: str) -> Schema:
    """Describe an entry period."""
    return mapping(
        meaning,
        {
            "unit": text("length of a period", enum=["hour", "day", "week", "month"], default="day"),
            "zone": text("IANA time zone whose midnight starts a period", default="UTC"),
        },
    )
