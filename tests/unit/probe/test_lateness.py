"""How far events are behind, and what that suggests."""

import pytest

from stream.probe.findings import Percentiles
from stream.probe.lateness import LADDER_MS, Timed, behind_watermark, percentiles, suggested_ms
from stream.settings import durations


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param([(10, 10), (5, 11), (12, 12)], [0, 5, 0], id="behind-the-largest-before"),
        pytest.param([(13, 10), (11, 11)], [0, 0], id="a-fast-clock-counts-as-its-record-time"),
        pytest.param([(10, 10), (99, 11), (12, 12)], [0, 0], id="the-future-moves-nothing"),
        pytest.param([(0, None), (-5, None)], [0, 5], id="zero-is-a-time-like-any-other"),
        pytest.param([(9, None), (99, None), (10, None), (8, None), (12, None)], [0, 0, 2, 0], id="a-leap-in-a-file"),
        pytest.param([(50, None), (40, None), (30, None), (20, None), (10, None)], [0, 10, 20], id="a-file-backwards"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_behind_watermark(times, expected):
    assert behind_watermark([Timed(*each) for each in times], skew_ms=5) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([7], (1, 7, 7, 7, 7, 7), id="one-value-is-all-of-them"),
        pytest.param(list(range(1_000, 0, -1)), (1_000, 500, 900, 990, 999, 1_000), id="nearest-rank"),
        pytest.param([-3, 5], (2, -3, 5, 5, 5, 5), id="negative-where-a-clock-is-fast"),
    ],
)
def test_percentiles(values, expected):
    assert percentiles(values) == Percentiles(*expected)


def test_nothing_has_no_percentiles():
    assert percentiles([]) is None


@pytest.mark.parametrize(
    ("p999", "expected"), [(0, "1m"), (60_000, "1m"), (60_001, "2m"), (3_500_000, "1h"), (10**15, "400d")]
)
def test_the_suggestion_is_rounded_up(p999, expected):
    assert durations.to_text(suggested_ms(Percentiles(1, 0, 0, 0, p999, p999))) == expected


def test_every_step_of_the_ladder_is_a_duration_of_one_number_and_unit():
    assert [durations.to_ms(durations.to_text(step)) for step in LADDER_MS] == sorted(LADDER_MS)
