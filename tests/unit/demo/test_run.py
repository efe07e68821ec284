"""The demo says what it is about to do, and does not wait for ever."""

import io

import pytest
from rich.console import Console

from stream.demo import run
from stream.demo.alerts import Alert
from stream.demo.incident import Incident
from stream.demo.look import Seen
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


def test_it_looks_until_it_is_so(monkeypatch):
    monkeypatch.setattr(run, "LOOK_S", 0)
    looks = iter(Seen(at_s, 0) for at_s in (100.0, 109.9, 110.0, 111.0))
    assert run._look_until(lambda: next(looks), lambda seen: seen.at_s >= 110).at_s == 110


def test_without_any_number_it_ends_and_says_what_the_workers_wait_for(monkeypatch):
    monkeypatch.setattr(run, "LOOK_S", 0)
    looks = iter(Seen(at_s, 0, workers=("Redis is away",)) for at_s in (0.0, 120.0, 121.0))
    with pytest.raises(DemoError, match=r"no number within 120 s \(worker 1: Redis is away\)"):
        run._look_until(lambda: next(looks), lambda _seen: False, 120)


def test_what_begins_is_told_once():
    paper = Console(file=io.StringIO(), width=80)
    tell = run._Teller(paper)
    fires = Alert({"alertname": "FunnelDropOffSpike"}, {"summary": "fewer go on"}, "firing")
    waits = Alert({"alertname": "FunnelStale"}, {}, "pending")
    for now_ms, alerts in ((9_000, []), (10_000, [waits]), (61_000, [waits, fires]), (62_000, [fires])):
        tell.what_is_new(Seen(0.0, now_ms, alerts=tuple(alerts)), Incident(10_000))
    incident, alert = paper.file.getvalue().splitlines()
    assert incident.startswith("incident   since ")
    assert alert == "alert      FunnelDropOffSpike: fewer go on, 51 s after the incident began"
