"""How long the chaos is: a short form in every run, `FUNNEL_CHAOS=long` for the rest."""

import os

import pytest

from support.workers import Site


@pytest.fixture
def is_long():
    return os.environ.get("FUNNEL_CHAOS") == "long"


@pytest.fixture
def site(stack, tmp_path):
    place = Site(tmp_path, stack.kafka, stack.redis_url, options=True)
    yield place
    place.close()
