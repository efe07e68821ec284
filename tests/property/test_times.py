"""Laws of times: exact to the millisecond, floored toward minus infinity, for any form of the same instant."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.model.times import MAX_MS, MIN_MS, _any_iso_ms, iso_ms, to_ms

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)
NS_PER_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}

nanoseconds = st.one_of(st.integers(MIN_MS * 1_000_000, MAX_MS * 1_000_000), st.integers(-3_000_000_000, 3_000_000_000))
instants = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31))  # noqa: DTZ001 (zone added)
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def decimal_text(ns, unit):
    """`ns` in `unit`, exactly."""
    sign, size, per_unit = "-" if ns < 0 else "", abs(ns), NS_PER_UNIT[unit]
    whole, rest = divmod(size, per_unit)
    digits = len(str(per_unit)) - 1
    return f"{sign}{whole}.{rest:0{digits}d}" if digits else f"{sign}{whole}"


@pytest.mark.parametrize("unit", NS_PER_UNIT)
@given(ns=nanoseconds)
def test_text_numbers_and_integers_of_one_instant_agree(unit, ns):
    expected = ns // 1_000_000
    text = decimal_text(ns, unit)
    assert to_ms(text, unit) == expected
    assert to_ms(Decimal(text), unit) == expected
    if ns % NS_PER_UNIT[unit] == 0:
        assert to_ms(ns // NS_PER_UNIT[unit], unit) == expected


@given(st.decimals(allow_nan=True, allow_infinity=True), st.sampled_from(["s", "ms", "us", "ns"]))
def test_a_number_is_floored_exactly_or_is_no_time(number, unit):
    found = to_ms(number, unit)
    if not number.is_finite():
        assert found is None
    else:
        exact = floor(Fraction(number) * NS_PER_UNIT[unit] / 1_000_000) if abs(number.adjusted()) < 50 else None
        if exact is not None:
            assert found == (exact if MIN_MS <= exact <= MAX_MS else None)


@given(instants, offsets, st.sampled_from(["T", "t", " "]))
def test_an_iso_time_with_any_offset_is_the_instant(local, zone, separator):
    instant = local.replace(tzinfo=zone)
    expected = (instant - EPOCH) // MS
    assert to_ms(instant.isoformat(separator), "iso") == expected
    assert to_ms(instant.isoformat(separator).replace(".", ","), "ms") == expected
    assert to_ms(local.isoformat(), "iso") == to_ms(local.isoformat() + "Z", "iso") == to_ms(f"{local} UTC", "iso")


@given(instants, st.integers(1, 30))
def test_further_fraction_digits_are_floored_away(local, digits):
    text = local.isoformat(timespec="milliseconds")
    assert iso_ms(f"{text}{'9' * digits}Z") == iso_ms(f"{text}Z")


@given(st.text(max_size=40))
def test_text_that_is_no_time_is_none_and_never_raises(text):
    for unit in ("iso", "s", "ms", "us", "ns"):
        found = to_ms(text, unit)
        assert found is None or MIN_MS <= found <= MAX_MS


USUAL = [
    f"2025-11-24{separator}16:05:07{fraction}{zone}"
    for separator in "T "
    for fraction in ("", ".123", ".123456")
    for zone in ("", "Z", "+00:00", "-05:30")
]
REPLACEMENTS = [chr(code) for code in range(128)] + ["\u0663", "\uff10", "\ud800"]


@pytest.mark.parametrize("usual", USUAL)
def test_the_quick_road_takes_what_the_grammar_takes(usual):
    """Every text one or two characters away from a usual one reads the same by both roads."""
    assert iso_ms(usual) is not None
    for at in range(len(usual)):
        for other in REPLACEMENTS:
            text = usual[:at] + other + usual[at + 1 :]
            assert iso_ms(text) == _any_iso_ms(text), text
            for second in range(at + 1, len(usual)):
                if other in "0Z:.+ -\0":
                    twice = text[:second] + "Z" + text[second + 1 :]
                    assert iso_ms(twice) == _any_iso_ms(twice), twice
