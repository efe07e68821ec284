"""The demo says what it is about to do, and does not wait for ever."""

import pytest

from stream.demo import run
from stream.demo.scrape import Seen
from stream.errors import DemoError
from stream.stack.programs import Programs

EVERYTHING = Programs(java="java", mvn="mvn", redis_server="redis", prometheus="prometheus", alertmanager="am")
VARIABLES = ("KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "PROMETHEUS_URL")


@pytest.fixture
def first(monkeypatch):
    """Return what is said on a machine with these programs and this environment, with or without Kafka's jars."""

    def said(programs, environ=(), *, has_jars=True):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name in environ:
            monkeypatch.setenv(name, "127.0.0.1:9")
        monkeypatch.setattr(run, "find_programs", lambda: programs)
        monkeypatch.setattr(run, "have_jars", lambda _cache: has_jars)
        return list(run._what_is_done_first())

    return said


def test_where_everything_is_there_nothing_is_said(first):
    assert first(EVERYTHING) == []


def test_what_is_missing_is_named_before_it_is_installed(first):
    (line,) = first(Programs(prometheus="prometheus"))
    assert line.startswith("missing here: java, redis-server; installing")


def test_the_download_of_kafka_is_announced(first):
    (line,) = first(EVERYTHING, has_jars=False)
    assert line.startswith("getting Kafka ")


def test_for_servers_that_run_already_nothing_is_installed(first):
    assert first(Programs(), VARIABLES, has_jars=False) == []


@pytest.mark.parametrize(
    ("at_s", "started", "expected"),
    [
        pytest.param(109.9, 100.0, False, id="before"),
        pytest.param(110.0, 100.0, True, id="after"),
        pytest.param(119.0, None, False, id="no-number-yet"),
    ],
)
def test_the_time_asked_for_begins_with_the_first_number(at_s, started, expected):
    assert run._is_over(Seen(at_s), 0.0, started, 10.0) is expected


def test_without_any_number_it_ends_and_says_what_the_workers_wait_for():
    with pytest.raises(DemoError, match=r"no number within 120 s \(worker 1: Redis is away\)"):
        run._is_over(Seen(121.0, readiness=["Redis is away"]), 0.0, None, 10.0)
