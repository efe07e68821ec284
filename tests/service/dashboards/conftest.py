"""A real Prometheus with a week of history that scrapes real /metrics pages with known numbers."""

import time

import pytest

from support.boards import RATE_INTERVAL
from support.known_workers import Worker, past_pages
from support.large import large_page
from support.prometheus import openmetrics, served
from support.prometheus import prometheus as running

LASTS_S = 600
"""History is there for instants up to this long after the tests begin."""
LARGE_AGO_S = 200
"""When large funnels were there: before the workers of the tests, whose page would hide in so many series."""


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory):
    now = int(time.time())
    past = [
        line
        for ago, page in past_pages()
        for line in openmetrics(page, range(now - ago - 60, min(now - ago + LASTS_S, now - 360), 60))
    ]
    past += openmetrics(large_page(), [now - LARGE_AGO_S])
    with running("dashboards", tmp_path_factory.mktemp("dashboards"), past) as server:
        server.large_s = now - LARGE_AGO_S + 1
        yield server


@pytest.fixture(scope="session")
def workers(prometheus):
    """Addresses of two workers that are scraped, and whose counters Prometheus has seen move."""
    with served(prometheus) as serve:
        addresses = serve(Worker(), Worker())
        for address in addresses:
            prometheus.wait_for(f'rate(funnel_worker_records_total{{instance="{address}"}}[{RATE_INTERVAL}]) > 0')
        yield addresses
