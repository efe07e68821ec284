"""Entry periods are local calendar periods: their borders are midnights, whatever the clocks do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.engine.periods import DAY_MS, HOUR_MS, MAX_KNOWN_BORDERS, period_of
from stream.model.funnel import Period, PeriodUnit

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_1_MS, YEAR_9999_MS = -62_135_596_800_000, 253_402_300_799_999
ZONES = ["UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
         "America/St_Johns", "America/Sao_Paulo", "Pacific/Apia", "Africa/Casablanca"]  # fmt: skip


def ms(text: str, zone: str = "UTC") -> int:
    """Read a local time, e.g. "2026-03-29 12:00"."""
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return (local - EPOCH) // timedelta(milliseconds=1)


def hours(unit: PeriodUnit, zone: str, at: str) -> float:
    start, end = period_of(Period(unit, zone))(ms(at, zone))
    return (end - start) / HOUR_MS


@pytest.mark.parametrize(
    ("unit", "zone", "at", "expected"),
    [
        pytest.param(PeriodUnit.DAY, "UTC", "2026-03-29 12:00", 24, id="a-day-of-utc"),
        pytest.param(PeriodUnit.DAY, "Europe/Paris", "2026-03-28 12:00", 24, id="a-plain-day"),
        pytest.param(PeriodUnit.DAY, "Europe/Paris", "2026-03-29 12:00", 23, id="clocks-go-forward"),
        pytest.param(PeriodUnit.DAY, "Europe/Paris", "2026-10-25 12:00", 25, id="clocks-go-back"),
        pytest.param(PeriodUnit.DAY, "Australia/Lord_Howe", "2026-04-05 12:00", 24.5, id="clocks-go-back-half-an-hour"),
        pytest.param(PeriodUnit.DAY, "America/Sao_Paulo", "2018-11-04 12:00", 23, id="a-day-without-midnight"),
        pytest.param(PeriodUnit.WEEK, "Europe/Paris", "2026-03-25 12:00", 7 * 24 - 1, id="a-week-with-a-short-day"),
        pytest.param(PeriodUnit.WEEK, "Europe/Paris", "2026-10-25 23:59", 7 * 24 + 1, id="a-week-with-a-long-day"),
        pytest.param(PeriodUnit.MONTH, "UTC", "2028-02-29 12:00", 29 * 24, id="february-of-a-leap-year"),
        pytest.param(PeriodUnit.MONTH, "Europe/Paris", "2026-10-01 00:00", 31 * 24 + 1, id="a-month-with-a-long-day"),
        pytest.param(PeriodUnit.HOUR, "Europe/Paris", "2026-10-25 02:30", 1, id="an-hour-is-an-hour"),
    ],
)
def test_length_in_hours(unit, zone, at, expected):
    assert hours(unit, zone, at) == expected


@pytest.mark.parametrize(
    ("unit", "zone", "at", "start"),
    [
        pytest.param(PeriodUnit.DAY, "Asia/Kolkata", "2026-01-01 00:00", "2026-01-01 00:00", id="half-hour-offsets"),
        pytest.param(PeriodUnit.DAY, "Asia/Kathmandu", "2026-01-01 23:59", "2026-01-01 00:00", id="quarter-hours"),
        pytest.param(PeriodUnit.WEEK, "UTC", "2026-11-24 10:00", "2026-11-23 00:00", id="weeks-begin-on-monday"),
        pytest.param(PeriodUnit.WEEK, "UTC", "2026-11-23 00:00", "2026-11-23 00:00", id="monday-midnight-is-inside"),
        pytest.param(PeriodUnit.MONTH, "America/New_York", "2026-12-31 23:59", "2026-12-01 00:00", id="months"),
        pytest.param(PeriodUnit.HOUR, "UTC", "2026-01-01 10:59", "2026-01-01 10:00", id="hours"),
    ],
)
def test_start(unit, zone, at, start):
    assert period_of(Period(unit, zone))(ms(at, zone))[0] == ms(start, zone)


def test_hours_follow_one_grid_in_every_zone():
    assert period_of(Period(PeriodUnit.HOUR, "Asia/Kolkata"))(1_800_000) == (0, HOUR_MS)


def test_time_before_the_epoch_has_a_period_too():
    assert period_of(Period())(-1) == (-DAY_MS, 0)


def test_when_clocks_go_back_over_midnight_the_day_that_had_begun_goes_on():
    zone = "America/St_Johns"
    second_pass = ms("2006-10-29 02:31")  # 23:01 on the 28th for the second time
    start, end = period_of(Period(PeriodUnit.DAY, zone))(second_pass)
    assert start == ms("2006-10-29 00:00", zone)
    assert start <= second_pass < end


@pytest.mark.parametrize("time_ms", [YEAR_1_MS, YEAR_9999_MS])
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", PeriodUnit)
def test_the_first_and_last_times_that_are_read_have_a_period(unit, zone, time_ms):
    start, end = period_of(Period(unit, zone))(time_ms)
    assert start <= time_ms < end


@given(st.integers(ms("1990-01-01 00:00"), ms("2030-01-01 00:00")), st.sampled_from(ZONES), st.sampled_from(PeriodUnit))
def test_periods_tile_time_without_gap_or_overlap(time_ms, zone, unit):
    period = period_of(Period(unit, zone))
    start, end = period(time_ms)
    assert start <= time_ms < end
    assert period(start) == period(end - 1) == (start, end)
    assert period(end)[0] == end
    assert period(start - 1)[1] == start


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris"])
def test_what_is_remembered_is_bounded_and_forgetting_changes_nothing(zone):
    period = period_of(Period(PeriodUnit.DAY, zone))
    first = period(0)
    for day in range(MAX_KNOWN_BORDERS + 5):
        start, end = period(day * DAY_MS)
        assert start <= day * DAY_MS < end
    assert period(0) == first


def test_equal_periods_are_one_object():
    period = period_of(Period())
    assert period(0) is period(DAY_MS - 1)
