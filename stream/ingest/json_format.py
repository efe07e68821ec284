"""JSON records: bytes to core fields and properties.

In:  the bytes of one record.
Out: `Core` or `Invalid`; then, only for events that some funnel takes, the property values.

Two readers that agree. The quick one decodes the mapped paths alone, with msgspec. What it refuses goes to
the patient one, which reads the whole document and decides: invalid UTF-8 or a lone surrogate outside the core
fields costs that value, not the event. Neither raises on data, and both are linear in its length.
"""

import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import accumulate
from typing import Any, NoReturn

import msgspec

from stream.ingest.json_tree import Columns, Path, Slots, Tree, walk
from stream.ingest.mapping import Mapping, split_path
from stream.ingest.outcome import INVALID, UNREADABLE, Core, Invalid, Reason, core_of
from stream.model.times import MAX_MS, MIN_MS, TimeUnit, time_reader

# Deeper records are invalid. Parsers recurse, and where they give up depends on the caller's stack: live and
# replay could differ. 256 levels leave room on any stack, and no known event format comes near.
MAX_DEPTH = 256
_DEEP_LENGTH = 2 * MAX_DEPTH  # a complete record nested deeper is longer than this

_BOM = b"\xef\xbb\xbf"
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_AS_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # as signed bytes: one level in, one level out
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_INT_DIGITS = 4300  # msgspec's limit and Python's: a longer integer would take quadratic time
_NO_NUMBER = Decimal("NaN")

CoreReader = Callable[[bytes | None], Core | Invalid]
PropertiesReader = Callable[[Any], tuple[Any, ...]]


def json_readers(mapping: Mapping, properties: tuple[str, ...]) -> tuple[CoreReader, PropertiesReader]:
    """Return the reader of core fields and the reader of `properties` from what the first one parsed."""
    core = tuple(
        tuple(split_path(path) for path in paths) for paths in (mapping.actor, mapping.time, mapping.name, mapping.id)
    )
    roots = tuple(split_path(root) for root in mapping.properties)
    wanted = tuple(tuple(root + split_path(path) for root in roots) for path in properties)
    slots = _slots(core)
    tree = Tree([path for paths in core + wanted for path in paths], slots)
    return _core_reader(tree, core, slots, mapping.unit), _properties_reader(tree, wanted)


def json_actor(mapping: Mapping) -> Callable[[bytes | None], str | None]:
    """Return what reads the actor alone, also of a record that is invalid for another reason."""
    paths = tuple(split_path(path) for path in mapping.actor)

    def read(value: bytes | None) -> str | None:
        document = _document(value)
        actor = None if isinstance(document, Invalid) else _first_value(document, paths)
        return str(actor) if type(actor) is str or type(actor) is int else None

    return read


def _slots(core: Columns) -> dict[str, str]:
    """JSON key to attribute, for the first paths that are plain keys: the hot loop reads these directly."""
    slots: dict[str, str] = {}
    for slot, paths in zip(("actor", "time", "name", "id"), core, strict=True):
        if paths and len(paths[0]) == 1:
            slots.setdefault(paths[0][0], slot)
    return slots


def _core_reader(tree: Tree, core: Columns, slots: dict[str, str], unit: TimeUnit) -> CoreReader:
    """Build the reader; 0.7 us for a flat record of 200 bytes with a time in ms (`tests/bench/bench_ingest.py`)."""
    parse: Callable[[Any], Slots] = msgspec.json.Decoder(tree.type, float_hook=Decimal).decode
    to_ms = time_reader(unit)
    candidates = tree.reader(core, empty_text_counts=False)
    # An empty range where numbers need scaling, so that the loop has one test for both.
    lowest, highest = (MIN_MS, MAX_MS) if unit == TimeUnit.MS else (1, 0)
    # Only then does an empty id slot mean that the record has no id.
    id_is_in_slot = core[3] in ((), *(((key,),) for key, slot in slots.items() if slot == "id"))

    def read(value: bytes | None) -> Core | Invalid:
        try:
            parsed = parse(value)
        except (ValueError, ArithmeticError, RecursionError, TypeError):
            return _read_patiently(value, core, to_ms)
        if len(value) > _DEEP_LENGTH and _is_too_deep(value):  # type: ignore[arg-type]
            return INVALID[Reason.TOO_DEEP]
        actor = parsed.actor
        name = parsed.name
        event_id = parsed.id
        if (
            type(actor) is str
            and actor
            and type(name) is str
            and name
            and ((type(event_id) is str and event_id) or (event_id is None and id_is_in_slot))
        ):
            time = parsed.time
            if type(time) is int and lowest <= time <= highest:
                return actor, time, name, event_id, parsed
            time_ms = to_ms(time)
            if time_ms is not None:
                return actor, time_ms, name, event_id, parsed
        return core_of(candidates(parsed), to_ms, parsed)

    return read


def _read_patiently(value: bytes | None, core: Columns, to_ms: Callable[[Any], int | None]) -> Core | Invalid:
    document = _document(value)
    if isinstance(document, Invalid):
        return document
    return core_of([_first_value(document, paths) for paths in core], to_ms, document)


def _first_value(document: dict[str, Any], paths: tuple[Path, ...]) -> Any:
    """Return the first value that is neither null nor empty text; text that UTF-8 cannot hold is unreadable."""
    for path in paths:
        value = walk(document, path)
        if value is not None and value != "":
            return UNREADABLE if type(value) is str and _SURROGATE.search(value) else value
    return None


def _document(value: bytes | None) -> dict[str, Any] | Invalid:
    """Read the whole record; bytes that are no UTF-8 become lone surrogates, and stay in their place."""
    if value is None:
        return INVALID[Reason.NULL]
    value = value.removeprefix(_BOM)
    if not value.strip(b" \t\r\n"):
        return INVALID[Reason.EMPTY]
    if _is_too_deep(value):
        return INVALID[Reason.TOO_DEEP]
    try:
        document = _PATIENT.decode(value.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return INVALID[Reason.MALFORMED]
    return document if type(document) is dict else INVALID[Reason.NOT_AN_OBJECT]


def _properties_reader(tree: Tree, wanted: Columns) -> PropertiesReader:
    values_of = tree.reader(wanted, empty_text_counts=True)
    if not wanted:
        return values_of
    # One path at a time, for records whose first path holds an object or an array, which is no value.
    each = tuple(tree.reader(tuple((path,) for path in paths), empty_text_counts=True) for paths in wanted)

    def read(parsed: Any) -> tuple[Any, ...]:
        if type(parsed) is dict:
            return tuple([_first_scalar([walk(parsed, path) for path in paths]) for paths in wanted])
        values = values_of(parsed)
        try:
            hash(values)  # one call in C tells scalars from objects and arrays
        except TypeError:
            return tuple([_first_scalar(candidates(parsed)) for candidates in each])
        return values

    return read


def _first_scalar(values: Iterable[Any]) -> Any:
    """Text, number or truth value; text that UTF-8 cannot hold gets U+FFFD where it is broken."""
    for value in values:
        if type(value) is str:
            return _SURROGATE.sub("\ufffd", value)
        if value is not None and type(value) is not dict and type(value) is not list and value == value:  # noqa: PLR0124
            return value
    return None


def _is_too_deep(value: bytes) -> bool:
    """Tell whether brackets outside strings nest deeper than `MAX_DEPTH`."""
    if value.count(b"[") + value.count(b"{") <= MAX_DEPTH:
        return False
    steps = _STRING.sub(b"", value).translate(_AS_STEPS, _ALL_BUT_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0) > MAX_DEPTH


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:  # an exponent of 19 digits
        return _NO_NUMBER


def _int(text: str) -> int | Decimal:
    return int(text) if len(text.lstrip("-")) <= _MAX_INT_DIGITS else _NO_NUMBER


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are not JSON


_PATIENT = json.JSONDecoder(parse_float=_decimal, parse_int=_int, parse_constant=_refuse)
