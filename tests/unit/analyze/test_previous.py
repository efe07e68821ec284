"""Which instant a period's predecessor is counted at, and what a change says."""

from datetime import UTC, datetime, timedelta

import pytest

from stream.analyze.document import iso
from stream.analyze.forms import ActorsDoc, ActorStepDoc
from stream.analyze.previous import change, compared_starts, earlier_instants, is_matured, previous
from stream.engine.periods import DAY_MS, HOUR_MS, period_of
from stream.model.funnel import Funnel, Period, PeriodUnit, Step
from stream.model.times import MIN_MS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY, WEEK, MONTH, HOUR = PeriodUnit.DAY, PeriodUnit.WEEK, PeriodUnit.MONTH, PeriodUnit.HOUR


def funnel(window_ms: int = HOUR_MS, period: Period | None = None, granularity_ms: int = 1) -> Funnel:
    steps = (Step("a", ("A",)), Step("b", ("B",)))
    return Funnel("f", 1, steps, window_ms, period=period or Period(), granularity_ms=granularity_ms)


def ms(text: str) -> int:
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)


def text(time_ms: int) -> str:
    return iso(time_ms).removesuffix("Z").removesuffix(":00.000")


def compared(unit: PeriodUnit, zone: str, as_of: str, inside: str, window_ms: int = HOUR_MS) -> tuple[str, str]:
    """Return when the period before that of `inside` began, and when it is counted."""
    periods = period_of(Period(unit, zone))
    found = previous(funnel(window_ms), periods, periods(ms(inside))[0], ms(as_of))
    return text(found.start_ms), text(found.as_of_ms)


@pytest.mark.parametrize(
    ("unit", "zone", "as_of", "inside", "expected"),
    [
        pytest.param(WEEK, "UTC", "2026-03-11T14:00", "2026-03-11", ("2026-03-02T00:00", "2026-03-04T14:00"),
                     id="a-running-week-with-the-same-part-of-the-one-before"),
        pytest.param(WEEK, "UTC", "2026-03-09T00:00", "2026-03-09", ("2026-03-02T00:00", "2026-03-02T00:00"),
                     id="a-week-that-has-just-begun-with-the-first-instant-of-the-one-before"),
        pytest.param(WEEK, "UTC", "2026-03-09T00:30", "2026-03-02", ("2026-02-23T00:00", "2026-03-02T00:30"),
                     id="a-week-that-has-ended-and-is-not-matured-at-the-same-time-after-the-end"),
        pytest.param(WEEK, "UTC", "2026-03-09T00:59:59.999", "2026-03-02",
                     ("2026-02-23T00:00", "2026-03-02T00:59:59.999"), id="somebody-may-still-be-pending"),
        pytest.param(WEEK, "UTC", "2026-03-09T01:00", "2026-03-02", ("2026-02-23T00:00", "2026-03-09T01:00"),
                     id="matured-periods-are-both-counted-at-as-of"),
        pytest.param(MONTH, "UTC", "2026-03-20T06:00", "2026-03-01", ("2026-02-01T00:00", "2026-02-20T06:00"),
                     id="a-running-month"),
        pytest.param(MONTH, "UTC", "2026-03-30T06:00", "2026-03-01", ("2026-02-01T00:00", "2026-02-28T23:59:59.999"),
                     id="a-running-month-with-at-most-all-of-a-shorter-one"),
        pytest.param(MONTH, "UTC", "2026-03-01T00:10", "2026-02-01", ("2026-01-01T00:00", "2026-02-01T00:10"),
                     id="a-month-that-has-ended-with-all-of-a-longer-one"),
        pytest.param(MONTH, "UTC", "2026-02-28T23:59:59.999", "2026-02-01",
                     ("2026-01-01T00:00", "2026-01-31T23:59:59.999"), id="at-its-last-instant-a-period-is-whole"),
        pytest.param(DAY, "Europe/Berlin", "2026-03-29T20:00", "2026-03-29",
                     ("2026-03-27T23:00", "2026-03-28T20:00"), id="a-day-of-23-hours-while-it-runs"),
        pytest.param(DAY, "Europe/Berlin", "2026-03-29T22:30", "2026-03-29",
                     ("2026-03-27T23:00", "2026-03-28T23:30"), id="a-day-of-23-hours-half-an-hour-after-its-end"),
        pytest.param(DAY, "Europe/Berlin", "2026-03-30T21:45", "2026-03-30",
                     ("2026-03-28T23:00", "2026-03-29T21:59:59.999"),
                     id="the-last-hour-of-the-day-after-it-with-all-of-the-23"),
        pytest.param(DAY, "Europe/Berlin", "2026-10-25T22:30", "2026-10-25",
                     ("2026-10-23T22:00", "2026-10-24T21:59:59.999"),
                     id="the-25th-hour-of-a-day-with-all-of-the-24-before"),
        pytest.param(DAY, "Europe/Berlin", "2026-10-25T23:30", "2026-10-25",
                     ("2026-10-23T22:00", "2026-10-24T22:30"), id="a-day-of-25-hours-half-an-hour-after-its-end"),
        pytest.param(DAY, "America/Sao_Paulo", "2017-10-15T12:00", "2017-10-15T12:00",
                     ("2017-10-14T03:00", "2017-10-14T12:00"), id="a-day-without-midnight"),
        pytest.param(DAY, "Asia/Kolkata", "2026-03-01T19:00", "2026-03-01T18:30",
                     ("2026-02-28T18:30", "2026-02-28T19:00"), id="days-of-a-half-hour-zone"),
        pytest.param(HOUR, "UTC", "2026-03-01T10:20", "2026-03-01T10:00",
                     ("2026-03-01T09:00", "2026-03-01T09:20"), id="hours"),
    ],
)  # fmt: skip
def test_the_period_before_is_counted_as_it_stood_at_equal_age(unit, zone, as_of, inside, expected):
    assert compared(unit, zone, as_of, inside) == expected


def test_nothing_is_before_the_first_year():
    assert previous(funnel(), period_of(Period()), MIN_MS, MIN_MS) is None
    assert earlier_instants([funnel()], None, MIN_MS) == set()


def test_a_period_is_matured_once_the_last_that_could_enter_it_is_decided():
    assert not is_matured(funnel(1_000), DAY_MS, DAY_MS + 999)
    assert is_matured(funnel(1_000), DAY_MS, DAY_MS + 1_000)
    # As `as_of` is floored like all times.
    assert not is_matured(funnel(1_000, granularity_ms=600), DAY_MS, DAY_MS + 1_000)


@pytest.mark.parametrize(
    ("period", "window_ms", "as_of", "expected"),
    [
        pytest.param(Period(HOUR), 100 * HOUR_MS, "2026-03-01T10:20", ["2026-03-01T09:20"], id="one-of-any-many-hours"),
        pytest.param(Period(), 100 * HOUR_MS, "2026-03-01T10:20", ["2026-02-28T10:20"], id="one-of-any-many-days"),
        pytest.param(Period(DAY, "Europe/Berlin"), 100 * HOUR_MS, "2026-03-30T10:00",
                     ["2026-03-29T10:00", "2026-03-29T11:00"], id="two-where-clocks-went-forward"),
        pytest.param(Period(MONTH), 62 * DAY_MS, "2026-03-20T00:00", ["2026-02-17T00:00", "2026-02-20T00:00"],
                     id="one-of-each-length-of-a-month"),
    ],
)  # fmt: skip
def test_few_other_instants_have_to_be_counted(period, window_ms, as_of, expected):
    found = earlier_instants([funnel(window_ms, period)], None, ms(as_of))
    assert [text(instant) for instant in sorted(found)] == expected
    assert earlier_instants([funnel(window_ms)], period_of(period), ms(as_of)) == found


def test_funnels_share_the_instants_at_which_they_are_counted():
    funnels = [funnel(), funnel(2 * HOUR_MS), funnel(period=Period(WEEK))]
    assert earlier_instants(funnels, None, 100 * DAY_MS) == {99 * DAY_MS, 93 * DAY_MS}


def test_a_period_after_one_that_somebody_entered_is_compared_too_once_it_has_begun():
    days = period_of(Period())
    assert compared_starts([0, 3 * DAY_MS], days, 4 * DAY_MS - 1) == [0, DAY_MS, 3 * DAY_MS]
    assert compared_starts([0, 3 * DAY_MS], days, 4 * DAY_MS) == [0, DAY_MS, 3 * DAY_MS, 4 * DAY_MS]


def actors(entered: int, converted: int) -> ActorsDoc:
    share = converted / entered if entered else None
    steps = [ActorStepDoc(step=1, name="a", reached=entered, conversion=share),
             ActorStepDoc(step=2, name="b", reached=converted, conversion=None)]  # fmt: skip
    return ActorsDoc(entered=entered, converted=converted, conversion=share, steps=steps)


@pytest.mark.parametrize(
    ("now", "before", "entered", "conversion"),
    [
        pytest.param((30, 15), (20, 5), 0.5, 0.25, id="entered-as-a-share-conversion-as-a-difference"),
        pytest.param((10, 0), (20, 5), -0.5, -0.25, id="a-conversion-of-0-is-one"),
        pytest.param((10, 5), (0, 0), None, None, id="after-a-gap-both-are-absent-and-not-0"),
        pytest.param((0, 0), (20, 5), -1, None, id="a-gap-has-no-conversion-to-compare"),
        pytest.param((0, 0), (0, 0), None, None, id="nothing-at-all"),
    ],
)
def test_change(now, before, entered, conversion):
    found = change(actors(*now), actors(*before))
    assert (found.entered, found.conversion) == (entered, conversion)
    assert [(step.name, step.conversion) for step in found.steps] == [("a", conversion), ("b", None)]
