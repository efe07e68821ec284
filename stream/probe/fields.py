"""Which fields the records of a sample have: types, shapes, and what each could be. Shapes give no value away.

In:  records.
Out: per path, `FieldStats`.

Keys that do not look like names may be ids of persons: their paths are collected under `*`, which is no path.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from stream.model.event import Record
from stream.model.times import TimeUnit, iso_ms

MAX_DEPTH = 6
MAX_PATHS = 300  # a record with ids as keys has no end of them
MAX_FIELDS = 500  # looked at in one record
MAX_PARSED_BYTES = 1 << 20  # a larger record counts, but its fields are not looked at
DISTINCT_OF = 1_000  # values among which distinct ones are counted
MAX_SHAPES = 20

_NAME = re.compile(r"(?!(?:.*\d){5}|[0-9a-fA-F-]{8,}$)[^\W\d][\w$.\- ]{0,79}|[$@_][\w$.\- ]{1,79}")
_SHAPES = (
    ("uuid", re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    ("digits", re.compile(r"[0-9]+")),
    ("number as text", re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")),
    ("email", re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")),
    ("URL", re.compile(r"[a-z][a-z0-9+.-]*://\S*", re.IGNORECASE)),
    ("IP address", re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:]*")),
    ("path", re.compile(r"/\S*")),
)
_YEARS_2000_TO_2100_S = (946_684_800, 4_102_444_800)  # times ten to the 3, 6, 9: the ranges of units do not meet
_DIGITS_OF_UNIT = {TimeUnit.S: 0, TimeUnit.MS: 3, TimeUnit.US: 6, TimeUnit.NS: 9}


class FieldStats:
    """What the records hold at one path."""

    __slots__ = ("distinct", "example", "key_matches", "records", "shapes", "types", "units")

    def __init__(self) -> None:
        self.records = 0  # that hold a value here
        self.types: Counter[str] = Counter()
        self.shapes: Counter[str] = Counter()
        self.units: Counter[TimeUnit] = Counter()  # of values that are times of this century
        self.key_matches = 0  # values that are the record's key
        self.distinct: set[int] = set()
        self.example = ""

    def add(self, value: Any, key: str | None) -> None:
        """Count one value that is neither null nor an object."""
        self.records += 1
        kind = type_of(value)
        self.types[kind] += 1
        if kind == "list":
            return
        text = value if isinstance(value, str) else str(value)
        unit = unit_of(value)
        if unit is not None:
            self.units[unit] += 1
        self.key_matches += text == key
        if self.records <= DISTINCT_OF:
            self.distinct.add(hash(text))
        if self.records <= MAX_SHAPES:
            self.shapes["" if kind != "text" else "ISO time" if unit == TimeUnit.ISO else shape_of(text)] += 1
            self.example = self.example or text[:60]

    @property
    def distinct_share(self) -> float:
        """Distinct values among the first `DISTINCT_OF`."""
        return len(self.distinct) / min(self.records, DISTINCT_OF)


class FieldTable:
    """All paths of a sample. `readable`: records that are JSON objects of a size worth looking at."""

    def __init__(self) -> None:
        self.readable = 0
        self.paths: dict[str, FieldStats] = {}
        self.is_cut = False

    def add(self, record: Record) -> None:
        """Look at one record."""
        if record.value is None or len(record.value) > MAX_PARSED_BYTES:
            return
        try:
            document = msgspec.json.decode(record.value)
        except (ValueError, RecursionError):
            return
        if not isinstance(document, dict):
            return
        self.readable += 1
        key = None if record.key is None else record.key.decode("utf-8", "replace").strip('"')
        for count, (path, value) in enumerate(_fields(document, "", 1)):
            stats = self.paths.get(path)
            if stats is None:
                if len(self.paths) >= MAX_PATHS:
                    self.is_cut = True
                    continue
                stats = self.paths[path] = FieldStats()
            stats.add(value, key)
            if count >= MAX_FIELDS:
                break


def type_of(value: Any) -> str:
    """Name the JSON type of a value that is not null."""
    if isinstance(value, bool):
        return "true/false"
    names = ((str, "text"), (int, "integer"), (float, "number"), (list, "list"))
    return next((name for kind, name in names if isinstance(value, kind)), "object")


def shape_of(text: str) -> str:
    """Say what kind of text it is, and nothing of what it says."""
    known = next((name for name, pattern in _SHAPES if pattern.fullmatch(text)), None)
    return f"{len(text)} digits" if known == "digits" else known or f"{len(text)} characters"


def unit_of(value: Any) -> TimeUnit | None:
    """Return the unit in which `value` is a time of the years 2000 to 2100; None if it is none."""
    if isinstance(value, str):
        if "-" in value[4:8]:
            return TimeUnit.ISO if iso_ms(value) is not None else None
        if not (10 <= len(value) <= 30 and value.replace(".", "", 1).isdecimal()):
            return None
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    low, high = _YEARS_2000_TO_2100_S
    return next((unit for unit, zeros in _DIGITS_OF_UNIT.items() if low <= value / 10**zeros < high), None)


def _fields(node: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        path = prefix + (key.replace(".", "\\.") if _NAME.fullmatch(key) else "*")
        if isinstance(value, dict) and depth < MAX_DEPTH:
            yield from _fields(value, f"{path}.", depth + 1)
        elif value is not None:
            yield path, value
