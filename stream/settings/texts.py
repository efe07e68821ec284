"""Words for problems: what a value is, what it should be, and a guess at what was meant.

In:  a value and its schema.
Out: text; nothing here decides whether a value is right.
"""

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any

from stream.settings import durations
from stream.settings.schema_words import Schema

_SHOWN_CHARACTERS = 60  # a problem stays one line of a terminal

_TYPE_NOUNS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "object": "a mapping",
    "array": "a list",
    "boolean": "true or false",
    "null": "nothing",
}
_KIND_NOUNS = {
    "duration": "a duration",
    "share": "a share",
    "path": "a property path",
    "topic": "a topic name",
    "name": "a name",
    "servers": "a list of servers",
    "redis": "a Redis URL",
    "regex": "a regular expression",
    "token": "a token",
    "header": "a header's name",
}
_BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_EXAMPLES = {
    "duration": 'such as "15m"',
    "share": 'above 0 % and at most 100 %, such as "2.35%"',
    "path": "keys joined by dots, no quotes, as in page.url",
    "topic": 'letters, digits, ".", "_", "-"',
    "name": 'letters, digits, "_", ".", "-", at most 64',
    "servers": 'try "host:9092" or "host1:9092,host2:9092"',
    "token": "at least 16 visible ASCII characters, no spaces",
    "header": 'letters, digits, "-", as in X-Forwarded-User',
    "redis": 'try "redis://host:6379/0" or "rediss://host:6379/0"',
}


def type_of(value: object) -> str:
    """Name the JSON type of `value`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    kinds = ((str, "string"), (int, "integer"), (float, "number"), (list, "array"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "object")


def type_noun(value: object) -> str:
    """Say what `value` is: `text`, `a list`, ..."""
    return "a number" if type_of(value) == "integer" else _TYPE_NOUNS[type_of(value)]


def noun(schema: Schema) -> str:
    """Say what `schema` wants: `a duration`, `text`, ..."""
    kind: str = schema.get("x-kind", "")
    return _KIND_NOUNS.get(kind) or _TYPE_NOUNS[schema["type"]]


def shown(value: object) -> str:
    """Write `value` as it could stand in a file, cut to a readable length."""
    if isinstance(value, dict):
        return "this"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def closest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word that `word` is most likely a slip of."""
    by_lower = {name.lower(): name for name in sorted(known)}  # sorted: a set must not make the guess vary
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.65)
    return by_lower[found[0]] if found else None


def repeated(values: list[Any]) -> Any:
    """Return the first value that stands in `values` a second time."""
    return next((value for index, value in enumerate(values) if value in values[:index]), None)


def later(word: str) -> str:
    """Say that `word` belongs to a later version."""
    return f'not supported yet in version 0.1: "{word}"'


def unknown_key(key: str, schema: Schema) -> str:
    """Say that `key` is not one of the schema's."""
    if key in schema.get("x-later", ()):
        return f"{later(key)} (remove it)"
    known = list(schema["properties"])
    guess = closest(key, known)
    hint = f'did you mean "{guess}"?' if guess else "known here: " + ", ".join(known)
    return f'"{key}" is not a known key ({hint})'


def wrong_type(written: str, value: Any, schema: Schema) -> str:
    """Say that `value` has the wrong type."""
    if value is None:
        return f"is empty, not {noun(schema)} (give a value, or remove the key)"
    hint = _type_hint(value, schema)
    tail = f" (try {hint})" if hint else ""
    if schema.get("x-kind") == "duration":
        return f"{written} is not a duration{tail}"
    wanted = noun(schema)
    if schema["type"] == "object" and "properties" in schema:
        wanted = "a mapping with " + ", ".join(schema["properties"])
    return f"{written} is {type_noun(value)}, not {wanted}{tail}"


def not_one_of(written: str, value: Any, schema: Schema) -> str:
    """Say that `value` is none of the words that are allowed."""
    words: list[str] = schema["enum"]
    if value in schema.get("x-later", ()):
        return f"{later(value)} (use {words[0]})"
    guess = closest(str(value), words)
    hint = f' (try "{guess}")' if guess else ""
    return f"{written} is not one of {', '.join(words)}{hint}"


def wrong_pattern(written: str, value: str, schema: Schema) -> str:
    """Say that the text `value` does not have the form that its kind needs."""
    kind: str = schema["x-kind"]
    hint = _EXAMPLES[kind]
    # A hint made from a value that is not shown would give it away.
    if written == shown(value):
        if kind == "duration":
            hint = f'try "{durations.suggest(value)}"'
        elif kind in {"topic", "name"}:
            hint += f'; try "{_plain(value)}"'
    return f"{written} is not {noun(schema)} ({hint})"


def out_of_bounds(written: str, value: str, schema: Schema) -> str:
    """Say that a duration is shorter or longer than allowed."""
    least, most = schema["x-bounds"]["least"], schema["x-bounds"]["most"]
    if durations.to_ms(value) < durations.to_ms(least):
        return f'{written} is too short, at least {least} (try "{least}")'
    return f'{written} is too long, at most {most} (try "{most}")'


def _type_hint(value: Any, schema: Schema) -> str:
    """Guess what `value` would be in the wanted type; empty if there is no good guess."""
    wanted: str = schema["type"]
    hint = ""
    if schema.get("x-secret"):
        hint = "quotes around it" if isinstance(value, int | float) else ""
    elif schema.get("x-kind") == "duration":
        hint = f'"{durations.suggest(value)}"'
    elif schema.get("x-kind") == "share" and isinstance(value, int | float):
        hint = f'"{100 * value if value <= 1 else value:g}%"'
    elif wanted == "string" and isinstance(value, int | float):
        hint = f'"{shown(value)}"'
    elif wanted == "integer" and re.fullmatch(r"[+-]?[0-9_]*[0-9]", str(value)):
        hint = str(int(str(value).replace("_", "")))
    elif wanted == "array" and isinstance(value, str | int):
        hint = f"[{value}]"
    elif wanted == "boolean":
        hint = _BOOLEANS.get(str(value).lower(), "")
    return hint


def _plain(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", value).strip("-.")[:64] or "funnel"
