"""Exact times: what is taken back is struck off, whatever the order."""

from stream.analyze.times import FROM_ENTRY, FROM_PREVIOUS, StepTimes
from stream.engine.advance import Change

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
