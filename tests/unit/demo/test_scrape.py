"""Two workers' pages are read as one view."""

import pytest

from stream.demo.scrape import combine, parse
from stream.metrics import names

PAGE = """\
# TYPE funnel_records counter
funnel_records_total{{verdict="accepted"}} {records}
# TYPE funnel_worker_lag_records gauge
funnel_worker_lag_records{{partition="0"}} {lag}
"""


def page(records, lag):
    return parse(PAGE.format(records=records, lag=lag))


def test_a_series_that_all_workers_show_counts_once_with_its_largest_value():
    assert combine([page(7, 1), page(9, 2)], 0.0).value(names.RECORDS, verdict="accepted") == 9


def test_a_series_that_each_worker_has_of_its_own_is_added_up():
    assert combine([page(7, 1), page(9, 2)], 0.0).total(names.LAG_RECORDS) == 3


def test_a_worker_that_does_not_answer_is_left_out():
    seen = combine([None, page(9, 2)], 0.0)
    assert seen.value(names.RECORDS, verdict="accepted") == 9
    assert seen.total(names.LAG_RECORDS) == 2


@pytest.mark.parametrize("labels", [{"verdict": "late"}, {}])
def test_a_series_that_nobody_shows_has_no_value(labels):
    assert combine([page(7, 1)], 0.0).value(names.RECORDS, **labels) is None
