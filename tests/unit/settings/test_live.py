"""Periods that are too fine for live: how many can be open, and the text of a refusal."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.app import build
from stream.engine.periods import period_of
from stream.errors import SettingsError
from stream.model.funnel import Period, PeriodUnit
from stream.settings.live import OPEN_PERIODS_LIMIT, open_periods
from stream.settings.load import load_funnels

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Antarctica/Troll", "Africa/Casablanca")
YEAR_2026_MS = 1_767_225_600_000
FUNNEL = "funnel: shop\nwindow: {window}\nsteps: [{{event: a}}, {{event: b}}]\n{more}"


@pytest.fixture
def live(tmp_path):
    """Load a funnel as a worker does: what is wrong, without the file's name."""

    def load(window, more="", period=None):
        path = tmp_path / "shop.yaml"
        path.write_text(FUNNEL.format(window=window, more=more))
        load_funnels(path, period)  # what `funnel analyze` does
        try:
            load_funnels(path, period, is_live=True)
        except SettingsError as error:
            return [str(problem).removeprefix(f"{path}:") for problem in error.problems]
        return []

    return load


@pytest.mark.parametrize(
    ("window", "more"),
    [
        pytest.param("30d", "", id="a-month-of-days"),
        pytest.param("31d", "", id="32-days-in-utc"),
        pytest.param("30d", "period: {zone: Europe/Berlin}", id="a-month-of-days-with-a-clock-change"),
        pytest.param("31h", "period: {unit: hour}", id="32-hours"),
        pytest.param("31h", "period: {unit: hour, zone: Europe/Berlin}", id="hours-have-no-clock-change"),
        pytest.param("31w", "period: {unit: week}", id="32-weeks"),
        pytest.param("400d", "period: {unit: month, zone: Europe/Berlin}", id="the-longest-window-by-months"),
    ],
)
def test_what_fits_is_accepted(live, window, more):
    assert live(window, more) == []


@pytest.mark.parametrize(
    ("file", "expected", "count", "right"),
    [
        (("40d", "period: {unit: hour}"), '4: period.unit: "hour" is too fine for the window, 40d', 961, "unit: week"),
        (("32h", "period: {unit: hour}"), '4: period.unit: "hour" is too fine for the window, 32h', 33, "unit: day"),
        (
            ("31d", "period: {zone: Europe/Berlin}"), '4: period: "day" is too fine for the window, 31d', 33,
            "unit: week, zone: Europe/Berlin",
        ),
        (("32w", "period: {unit: week}"), '4: period.unit: "week" is too fine for the window, 32w', 33, "unit: month"),
        (("90d", ""), '2: window: "90d" is too long for the tracker\'s period, day', 91, "unit: week"),
    ],
)  # fmt: skip
def test_a_period_that_is_too_fine_says_why_and_what_would_be_right(live, file, expected, count, right):
    kept = "live keeps 32 open periods per actor"
    assert live(*file) == [f"{expected}: {kept}, and {count} can be open (try period: {{{right}}})"]


def test_the_trackers_period_counts_where_the_file_names_none(live):
    berlin = "Europe/Berlin"
    assert live("90d", period=Period(PeriodUnit.WEEK, berlin)) == []
    assert live("90d", "period: {unit: week}", Period(PeriodUnit.HOUR)) == []
    (found,) = live("90d", period=Period(PeriodUnit.HOUR, berlin))
    assert found.endswith("2161 can be open (try period: {unit: week, zone: Europe/Berlin})")


def test_a_file_with_another_problem_is_not_judged(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text(FUNNEL.format(window="90 days", more=""))
    with pytest.raises(SettingsError) as raised:
        load_funnels(path, is_live=True)
    assert len(raised.value.problems) == 1


def test_a_worker_does_not_start_with_it(tmp_path):
    (tmp_path / "tracker.yaml").write_text(
        "sources: [{topics: [clicks], keyed_by_actor: true}]\nperiod: {unit: hour}\n"
    )
    (tmp_path / "funnels").mkdir()
    (tmp_path / "funnels" / "shop.yaml").write_text(FUNNEL.format(window="40d", more=""))
    with pytest.raises(SettingsError, match=r"shop.yaml:2: window: .* 961 can be open"):
        build(tmp_path / "tracker.yaml", {})


@given(seed=st.integers(0, 2**32))
def test_no_instant_has_more_open_periods_than_are_said(seed):
    rng = random.Random(seed)
    period = Period(rng.choice([PeriodUnit.DAY, PeriodUnit.WEEK, PeriodUnit.HOUR]), rng.choice(ZONES))
    window_ms = rng.randint(1, 40) * HOUR_MS if period.unit is PeriodUnit.HOUR else rng.randint(1, 40 * 24) * HOUR_MS
    first_ms = YEAR_2026_MS + rng.randrange(365 * 24) * HOUR_MS + rng.choice([-1, 0, 1])
    of, count = period_of(period), 1
    _, end_ms = of(first_ms)
    while end_ms <= first_ms + window_ms:
        _, end_ms = of(end_ms)
        count += 1
    assert count <= open_periods(period, window_ms) <= count + 2


def test_days_of_an_hour_less_are_reached():
    # Berlin's 31 days from 2026-03-01 have 743 hours: an entry in the last instant of February, and one 31 days later.
    of = period_of(Period(PeriodUnit.DAY, "Europe/Berlin"))
    time_ms = last_ms = of(1_772_366_400_000)[0] - 1
    starts = set()
    while time_ms <= last_ms + 31 * DAY_MS:
        starts.add(of(time_ms)[0])
        time_ms += HOUR_MS
    assert len(starts) == OPEN_PERIODS_LIMIT + 1
