"""Exact times: what is taken back is struck off, whatever the order."""

import pytest

from stream.analyze.show import duration, round_duration
from stream.analyze.times import FROM_ENTRY, FROM_PREVIOUS, StepTimes, histogram, percentile
from stream.engine.advance import Change
from stream.model.result import BUCKETS

WHOLE = (0, "")


def attempt(*times: int) -> tuple:
    path = tuple(item for time in times for item in (time, None))
    return times[0], len(times), path, None, None, None


def test_an_attempt_that_goes_on_adds_only_its_new_steps():
    times = StepTimes()
    times.take(Change((), (attempt(0, 5),)))
    times.take(Change((attempt(0, 5),), (attempt(0, 5, 12),)))
    assert times.of(WHOLE, 2, FROM_PREVIOUS) == (1, 5.0, 5.0)
    assert times.of(WHOLE, 3, FROM_PREVIOUS) == (1, 7.0, 7.0)
    assert times.of(WHOLE, 3, FROM_ENTRY) == (1, 12.0, 12.0)


def test_an_attempt_that_was_taken_back_leaves_no_time():
    times = StepTimes()
    times.take(Change((), (attempt(0, 5), attempt(0, 5))))
    times.take(Change((attempt(0, 5),), (attempt(2, 5),)))
    assert times.of(WHOLE, 2, FROM_PREVIOUS) == (2, 4.0, 4.0)
    times.take(Change((attempt(0, 5), attempt(2, 5)), ()))
    assert times.of(WHOLE, 2, FROM_PREVIOUS) is None


def test_the_median_of_an_odd_count_is_the_middle_one():
    times = StepTimes()
    times.take(Change((), (attempt(0, 1), attempt(0, 2), attempt(0, 90))))
    assert times.of(WHOLE, 2, FROM_PREVIOUS) == (3, 2.0, 31.0)
    assert times.of(WHOLE, 3, FROM_PREVIOUS) is None


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 0.0), (25, 2.5), (50, 5.0), (75, 12.5), (90, 17.0), (99, 19.7), (100, 20.0)]
)
def test_a_percentile_lies_between_the_two_nearest_times(percent, expected):
    assert percentile([0, 5, 20], percent) == expected


def test_of_one_time_every_percentile_is_that():
    assert {percentile([7], percent) for percent in range(101)} == {7.0}


def test_a_bucket_holds_its_bound():
    found = histogram([0, 1_000, 1_001, 31_536_000_000, 31_536_000_001])
    assert {place: count for place, count in enumerate(found) if count} == {0: 2, 1: 1, BUCKETS - 2: 1, BUCKETS - 1: 1}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.004, "4 ms"),
        (3.25, "3.25 s"),
        (5_400, "1.5 h"),
        (86_399, "24 h"),
        (86_400, "1 d"),
        (129_600, "1 d 12 h"),
        (6.99 * 86_400, "1 w"),
        (23 * 86_400, "3 w 2 d"),
        (23.4 * 86_400, "3 w 2 d"),
        (364.6 * 86_400, "1 y"),
        (405 * 86_400, "1 y 40 d"),
        (730 * 86_400, "2 y"),
    ],
)
def test_a_time_reads_well_from_milliseconds_to_years(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3_600, "1 h"), (2_592_000, "30 d"), (1_209_600, "14 d"), (31_536_000, "1 y"), (90_000, "1 d 1 h")],
)
def test_a_limit_is_shown_as_it_was_chosen(seconds, text):
    assert round_duration(seconds) == text
