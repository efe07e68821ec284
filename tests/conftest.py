"""Fixtures that every kind of test may use: the real servers, and how deep properties are searched."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler.loadscope import LoadScopeScheduling

from stream.stack import Stack

WITH_SERVERS = ("tests/service/", "tests/chaos/", "tests/browser/", "tests/property/test_store_contract.py")

SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("quick", deadline=None, max_examples=100, suppress_health_check=SLOW_IS_FINE)
settings.register_profile("ci", deadline=None, max_examples=200, suppress_health_check=SLOW_IS_FINE, print_blob=True)
settings.register_profile("deep", deadline=None, max_examples=10_000, suppress_health_check=SLOW_IS_FINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "quick"))


class ServersTogether(LoadScopeScheduling):
    """Gives what needs the servers to one process, so that they are started once; all else to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        return "servers" if nodeid.startswith(WITH_SERVERS) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ServersTogether:
    """Choose how `make test` spreads the tests over processes."""
    return ServersTogether(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test of real servers that would not run with the others of its kind."""
    for item in items:
        if item.get_closest_marker("service") and not item.nodeid.startswith(WITH_SERVERS):
            raise pytest.UsageError(f"{item.nodeid} needs servers: add its place to WITH_SERVERS in tests/conftest.py")


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
