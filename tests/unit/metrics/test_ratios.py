"""Percentiles answer as PromQL's histogram_quantile does over the same buckets."""

import pytest

from stream.metrics.ratios import percentile
from support.rollups import make_counts, nothing


@pytest.mark.parametrize(
    ("seconds", "share", "expected"),
    [
        pytest.param([], 0.5, None, id="no-durations-no-percentile"),
        pytest.param([0], 0.5, 0.5, id="the-first-bucket-begins-at-zero"),
        pytest.param([2] * 4, 0.5, 1.5, id="half-of-a-bucket-is-its-middle"),
        pytest.param([2] * 4, 1.0, 2.0, id="all-of-a-bucket-is-its-bound"),
        pytest.param([2] * 5 + [60] * 5, 0.5, 2.0, id="a-border-belongs-to-the-lower-bucket"),
        pytest.param([99_999_999], 0.5, 31_536_000.0, id="the-open-bucket-answers-with-its-lower-bound"),
    ],
)
def test_percentile(seconds, share, expected):
    assert percentile(make_counts([0], [0], 1, seconds={0: seconds}), 0, share) == expected


def test_each_step_has_its_own_durations():
    counts = make_counts([0], [0], 1, seconds={0: [300], 2: [2]})
    assert percentile(counts, 2, 1.0) == 2.0
    assert percentile(nothing(2), 2, 0.5) is None
