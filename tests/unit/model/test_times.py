"""Every time form, as facts."""

from decimal import Decimal

import pytest

from stream.model.times import MAX_MS, MIN_MS, TimeUnit, time_reader, to_ms

NOON = 1_764_000_000_123  # 2025-11-24T16:00:00.123Z


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        pytest.param(NOON, "ms", NOON, id="a-whole-number-of-ms"),
        pytest.param(1_764_000_000, "s", 1_764_000_000_000, id="seconds"),
        pytest.param(1_764_000_000_123_999, "us", NOON, id="microseconds-are-floored"),
        pytest.param(1_764_000_000_123_999_999, "ns", NOON, id="nanoseconds-are-floored"),
        pytest.param(0, "s", 0, id="zero-is-a-time-like-any-other"),
        pytest.param(-1, "ns", -1, id="floored-toward-minus-infinity-not-toward-zero"),
        pytest.param(Decimal("1764000000.123"), "s", NOON, id="seconds-with-a-fraction-are-exact"),
        pytest.param(Decimal("1764000000.1239999999999999999999999"), "s", NOON, id="more-digits-than-a-float-holds"),
        pytest.param(Decimal("-0.0001"), "s", -1, id="a-negative-fraction-is-floored"),
        pytest.param(Decimal("-0.0"), "s", 0, id="minus-zero-is-zero"),
        pytest.param(Decimal("0E+999999"), "s", 0, id="zero-with-an-exponent-is-zero"),
        pytest.param(Decimal("1e-999999"), "s", 0, id="a-tiny-positive-number-is-zero"),
        pytest.param(Decimal("-1e-999999"), "s", -1, id="a-tiny-negative-number-is-floored"),
        pytest.param(Decimal("1.764000000123E+12"), "ms", NOON, id="a-number-with-an-exponent"),
        pytest.param("1764000000123", "ms", NOON, id="a-number-in-text"),
        pytest.param("1764000000.1239", "s", NOON, id="a-fraction-in-text"),
        pytest.param("-1.5", "ms", -2, id="a-negative-number-in-text"),
        pytest.param("2025-11-24T16:00:00.123Z", "iso", NOON, id="iso"),
        pytest.param("2025-11-24T16:00:00.123Z", "ms", NOON, id="iso-text-is-iso-under-every-unit"),
        pytest.param("2025-11-24T16:00:00.123", "iso", NOON, id="no-offset-means-utc"),
        pytest.param("2025-11-24t16:00:00.123z", "iso", NOON, id="lower-case"),
        pytest.param("2025-11-24 16:00:00.123 UTC", "iso", NOON, id="as-bigquery-exports-it"),
        pytest.param("2025-11-24T16:00:00,123456789Z", "iso", NOON, id="comma-and-nine-digits"),
        pytest.param("2025-11-24T18:00:00.123+02:00", "iso", NOON, id="an-offset-is-taken-off"),
        pytest.param("2025-11-24T14:30:00.123-0130", "iso", NOON, id="an-offset-without-colon"),
        pytest.param("2025-11-24T18:00:00.123456+02", "iso", NOON, id="an-offset-of-hours"),
        pytest.param("2025-11-24T16:00:00.123456+00:00", "iso", NOON, id="as-python-writes-it"),
        pytest.param("20251124T160000.123Z", "iso", NOON, id="the-basic-form"),
        pytest.param("2025-W48-1T16:00:00.123Z", "iso", NOON, id="a-week-date"),
        pytest.param("2025-11-24", "iso", 1_763_942_400_000, id="a-date-is-its-midnight"),
        pytest.param("2025-11-23T24:00", "iso", 1_763_942_400_000, id="the-end-of-a-day-is-the-next-midnight"),
        pytest.param("20251124", "ms", 20_251_124, id="digits-are-a-number-where-numbers-have-a-unit"),
        pytest.param("1969-12-31T23:59:59.9999Z", "iso", -1, id="before-1970-floored"),
        pytest.param("0001-01-01T00:00:00Z", "iso", MIN_MS, id="the-first-instant"),
        pytest.param("9999-12-31T23:59:59.999999999Z", "iso", MAX_MS, id="the-last-instant"),
        pytest.param(MAX_MS, "ms", MAX_MS, id="the-last-instant-as-a-number"),
    ],
)
def test_a_time_is(value, unit, expected):
    assert to_ms(value, unit) == expected
    assert time_reader(unit)(value) == expected


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        pytest.param("0000-12-31T23:59:59Z", "iso", id="the-year-0"),
        pytest.param(MIN_MS - 1, "ms", id="before-the-year-1"),
        pytest.param(MAX_MS + 1, "ms", id="after-the-year-9999"),
        pytest.param("9999-12-31T23:59:59-05:00", "iso", id="after-the-year-9999-by-its-offset"),
        pytest.param("0001-01-01T00:00:00+05:00", "iso", id="before-the-year-1-by-its-offset"),
        pytest.param(True, "ms", id="a-truth-value"),
        pytest.param(None, "ms", id="nothing"),
        pytest.param(1.5, "s", id="a-float-never-gets-here"),
        pytest.param([1], "ms", id="a-list"),
        pytest.param({}, "iso", id="an-object"),
        pytest.param(NOON, "iso", id="a-number-without-a-unit"),
        pytest.param(Decimal("NaN"), "s", id="nan"),
        pytest.param(Decimal("Infinity"), "s", id="infinity"),
        pytest.param(Decimal("1e999999"), "s", id="a-huge-exponent"),
        pytest.param(10**4000, "ns", id="a-huge-integer"),
        pytest.param("", "ms", id="empty-text"),
        pytest.param("now", "ms", id="a-word"),
        pytest.param("NaN", "ms", id="nan-in-text"),
        pytest.param("1_000", "ms", id="digits-with-underscores"),
        pytest.param(" 1000", "ms", id="a-number-with-a-space"),
        pytest.param("\u0661\u0662", "ms", id="digits-of-another-script"),
        pytest.param("9" * 1000, "ms", id="a-huge-number-in-text"),
        pytest.param("2025-02-29T00:00:00Z", "iso", id="no-such-day"),
        pytest.param("2025-11-24T24:00:01Z", "iso", id="past-the-end-of-the-day"),
        pytest.param("2025-11-24T24:00:00.0001Z", "iso", id="past-the-end-of-the-day-by-less-than-a-ms"),
        pytest.param("2025-11-24T16:00:60Z", "iso", id="a-leap-second"),
        pytest.param("2025-11-24T16:60:00Z", "iso", id="minute-60"),
        pytest.param("2025-11-24T16:00:00+24:00", "iso", id="an-offset-of-a-day"),
        pytest.param("2025-11-24T16:00:00+01:60", "iso", id="an-offset-with-minute-60"),
        pytest.param("2025-11-24T16:00:00:123Z", "iso", id="a-colon-before-the-fraction"),
        pytest.param("2025-11-24T16:00:00\0Z", "iso", id="a-nul"),
        pytest.param("2025-11-24T16:00:00.Z", "iso", id="a-dot-without-digits"),
        pytest.param("2025-11-24T16:00:00 CET", "iso", id="a-zone-by-name"),
        pytest.param("2025-11-24T16:00:00Z\n", "iso", id="a-line-end"),
        pytest.param("24/11/2025", "iso", id="another-order"),
    ],
)
def test_no_time_is(value, unit):
    assert to_ms(value, unit) is None


def test_an_unknown_unit_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="minutes"):
        to_ms(0, "minutes")


def test_every_unit_has_a_reader():
    assert all(callable(time_reader(unit)) for unit in TimeUnit)
