"""A real Prometheus with a week of history that scrapes real /metrics pages with known numbers."""

import time

import pytest

from support.boards import RATE_INTERVAL
from support.known_workers import Worker, past_pages
from support.prometheus import openmetrics, served
from support.prometheus import prometheus as running

LASTS_S = 600
"""History is there for instants up to this long after the tests begin."""


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory):
    now = int(time.time())
    past = [
        line
        for ago, page in past_pages()
        for line in openmetrics(page, range(now - ago - 60, min(now - ago + LASTS_S, now - 360), 60))
    ]
    with running("dashboards", tmp_path_factory.mktemp("dashboards"), past) as server:
        yield server


@pytest.fixture(scope="session")
def workers(prometheus):
    """Addresses of two workers that are scraped, and whose counters Prometheus has seen move."""
    with served(prometheus) as serve:
        addresses = serve(Worker(), Worker())
        for address in addresses:
            prometheus.wait_for(f'rate(funnel_worker_records_total{{instance="{address}"}}[{RATE_INTERVAL}]) > 0')
        yield addresses
