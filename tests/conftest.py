"""Fixtures that every kind of test may use: the real servers, and how deep properties are searched."""

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings

from stream.stack import Stack

SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("quick", deadline=None, max_examples=100, suppress_health_check=SLOW_IS_FINE)
settings.register_profile("ci", deadline=None, max_examples=200, suppress_health_check=SLOW_IS_FINE, print_blob=True)
settings.register_profile("deep", deadline=None, max_examples=10_000, suppress_health_check=SLOW_IS_FINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "quick"))


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what needs the servers in one process, one test after the other, so that they are started once."""
    for item in items:
        if item.get_closest_marker("service"):
            item.add_marker(pytest.mark.xdist_group("servers"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the tests that run beside the servers wait for these, not these for them: their deadlines are real."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        with suppress(PermissionError):  # only root may take it back
            os.setpriority(os.PRIO_PROCESS, 0, 0 if item.get_closest_marker("service") else 10)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Start a real Kafka, Redis and Prometheus for the whole run; they end with it."""
    with Stack.running(f"tests-{os.getpid()}") as running:
        yield running
