"""A real Prometheus that scrapes real /metrics pages with known numbers."""

import pytest

from support.prometheus import prometheus as running
from support.prometheus import served


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory):
    with running("metrics", tmp_path_factory.mktemp("metrics")) as server:
        yield server


@pytest.fixture
def serve(prometheus):
    with served(prometheus) as start:
        yield start
