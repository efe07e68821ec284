"""Every time form a record may carry, to integer ms UTC.

In:  the value a record holds at its time path: JSON number (int or `Decimal`, never a float) or text.
Out: milliseconds since 1970-01-01 UTC, floored toward minus infinity; None if it is no time.

Exact: no step goes through a float. 0 and negative times are valid. The range is the years 1 to 9999.
The forms accepted do not depend on the Python version, so that a replay after an upgrade agrees.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from enum import StrEnum
from typing import Any

MIN_MS = -62_135_596_800_000  # 0001-01-01T00:00:00.000Z
MAX_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z

_DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)  # the default would round to 28 digits
_LARGEST_EXPONENT = 24  # the year 9999 in ns has 21 digits: no larger number is a time in any unit


class TimeUnit(StrEnum):
    """What a bare number means; text in an ISO 8601 form is read as such under every unit."""

    ISO = "iso"
    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"


_POWER_TO_MS = {TimeUnit.S: 3, TimeUnit.MS: 0, TimeUnit.US: -3, TimeUnit.NS: -6}

NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,6})?")
_ISO = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}-W[0-9]{2}(?:-[1-7])?|[0-9]{4}W[0-9]{2}[1-7]?)"
    r"(?:[Tt ](?P<hour>[0-9]{2})(?::?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?)?"
    r" ?(?P<zone>[Zz]|UTC|(?P<sign>[+-])(?P<zone_hour>[0-9]{2})(?::?(?P<zone_minute>[0-9]{2}))?)?)?"
)
# The offsets in use, `+05:30` to ms: whole quarters of an hour.
_OFFSETS_MS = {
    f"{sign}{quarter // 4:02}:{quarter % 4 * 15:02}": factor * quarter * 900_000
    for sign, factor in (("+", 1), ("-", -1))
    for quarter in range(96)
}
# Lengths of YYYY-MM-DDTHH:MM:SS with 0, 3 or 6 fraction digits and a Z: what producers send.
_USUAL_LENGTHS = frozenset({20, 24, 27})


def to_ms(value: Any, unit: TimeUnit | str) -> int | None:
    """Read `value` as a time whose bare numbers count `unit`; None if it is none (bool, NaN, year 0)."""
    return _READERS[TimeUnit(unit)](value)


def time_reader(unit: TimeUnit | str) -> Callable[[Any], int | None]:
    """Return `to_ms` for one unit, for callers that read many."""
    return _READERS[TimeUnit(unit)]


def iso_ms(value: Any) -> int | None:
    """Read ISO 8601 text (no offset means UTC); None if it is none.

    `fromisoformat` alone would be looser (a colon before the fraction, junk for a zone) and differs between
    Python versions: it gets the usual shape only, 0.4 us; other forms take 2 us.
    """
    if type(value) is not str:
        return None
    usual, offset_ms, size = value, 0, len(value)
    if size not in _USUAL_LENGTHS or value[-1] != "Z":
        found = _OFFSETS_MS.get(value[-6:])
        if found is None:
            usual = value + "Z"
        else:
            usual, offset_ms = value[:-6] + "Z", found
        size = len(usual)
        if size not in _USUAL_LENGTHS:
            return _any_iso_ms(value)
    if usual[16] != ":" or usual[10] not in "T " or (size != 20 and usual[19] != "."):
        return _any_iso_ms(value)
    try:
        since = datetime.fromisoformat(usual) - _EPOCH
    except ValueError:
        return _any_iso_ms(value)
    ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    if offset_ms:
        ms -= offset_ms
        return ms if MIN_MS <= ms <= MAX_MS else None
    return ms


def _any_iso_ms(text: str) -> int | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    try:
        days = date.fromisoformat(match["date"]).toordinal() - _EPOCH_DAY
    except ValueError:  # no such day, or the year 0
        return None
    hour, minute, second = int(match["hour"] or 0), int(match["minute"] or 0), int(match["second"] or 0)
    fraction_ms = int((match["fraction"] or "")[:3].ljust(3, "0"))
    inside_day = hour < 24 and minute < 60 and second < 60
    # ISO 8601 lets the end of a day be written 24:00; a fraction of it below 1 ms is floored like any other.
    end_of_day = hour == 24 and minute == second == fraction_ms == 0 and not (match["fraction"] or "").strip("0")
    if not inside_day and not end_of_day:
        return None
    ms = days * _DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + fraction_ms
    if match["sign"]:
        zone_hour, zone_minute = int(match["zone_hour"]), int(match["zone_minute"] or 0)
        if zone_hour > 23 or zone_minute > 59:
            return None
        offset_ms = (zone_hour * 60 + zone_minute) * 60_000
        ms += offset_ms if match["sign"] == "-" else -offset_ms
    return ms if MIN_MS <= ms <= MAX_MS else None


def _decimal_ms(value: Decimal, power: int) -> int | None:
    size = value.adjusted() if value.is_finite() else _LARGEST_EXPONENT + 1
    if not -_LARGEST_EXPONENT <= size <= _LARGEST_EXPONENT:
        # int() of 1e999999999 would fill the memory; of a value this small only the sign is left.
        return None if size > 0 and value else -1 if value < 0 else 0
    exact = _EXACT.scaleb(value, power)
    ms = int(exact)
    if exact < ms:  # int() rounds toward zero
        ms -= 1
    return ms if MIN_MS <= ms <= MAX_MS else None


def _epoch_reader(power: int) -> Callable[[Any], int | None]:
    """Build the reader of numbers whose unit is 10**power ms: 3 for seconds, -6 for ns."""
    up, down = 10 ** max(power, 0), 10 ** max(-power, 0)

    def read(value: Any) -> int | None:
        if type(value) is str:
            if not (len(value) <= _LARGEST_EXPONENT and value.isascii() and value.isdigit()):
                return _decimal_ms(Decimal(value), power) if NUMBER.fullmatch(value) else iso_ms(value)
            value = int(value)
        if type(value) is int:
            ms = value * up // down
            return ms if MIN_MS <= ms <= MAX_MS else None
        return _decimal_ms(value, power) if type(value) is Decimal else None

    return read


_READERS: dict[TimeUnit, Callable[[Any], int | None]] = {
    TimeUnit.ISO: iso_ms,
    **{unit: _epoch_reader(power) for unit, power in _POWER_TO_MS.items()},
}
