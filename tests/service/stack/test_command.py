"""`funnel stack up | down | status` with a real Redis."""

import argparse
import json
import os

import pytest
import redis

from stream.cli import stack as command
from stream.errors import StackError
from stream.stack import Stack

pytestmark = [pytest.mark.service]

NAME = f"test-command-{os.getpid()}"


@pytest.fixture
def funnel(monkeypatch, capsys):
    """Run `funnel stack ...`; returns the exit code and standard output."""
    for variable in ("KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "PROMETHEUS_URL", "ALERTMANAGER_URL"):
        monkeypatch.delenv(variable, raising=False)

    def run(*words):
        parser = argparse.ArgumentParser()
        command.register(parser.add_subparsers())
        args = parser.parse_args(["stack", *words])
        code = args.run(args)
        return code, capsys.readouterr().out

    yield run
    found = Stack.find(NAME)
    if found is not None:
        found.stop()


def test_up_is_harmless_twice_and_lasts_until_down(funnel):
    code, first = funnel("up", "--name", NAME, "--services", "redis")
    assert code == 0
    assert first.startswith("export REDIS_URL=redis://127.0.0.1:")
    assert funnel("up", "--name", NAME, "--services", "redis") == (0, first)
    code, shown = funnel("status", "--name", NAME, "--json")
    [status] = json.loads(shown)
    assert (code, status["name"], status["owner_pid"]) == (0, NAME, None)
    assert [(one["name"], one["is_ready"]) for one in status["services"]] == [("redis", True)]
    code, text = funnel("status", "--name", NAME)
    assert (code, "until stopped" in text, " ready " in text) == (0, True, True)
    assert funnel("down", "--name", NAME)[0] == 0
    assert funnel("status", "--name", NAME, "--json") == (1, "[]\n")
    assert funnel("down", "--name", NAME)[0] == 0


def test_up_says_when_the_running_stack_lacks_a_service(funnel):
    funnel("up", "--name", NAME, "--services", "redis")
    with pytest.raises(StackError, match="without prometheus"):
        funnel("up", "--name", NAME, "--services", "redis,prometheus")


def test_up_says_when_a_service_of_the_running_stack_is_dead(funnel):
    funnel("up", "--name", NAME, "--services", "redis")
    Stack.find(NAME).kill("redis")
    code, text = funnel("status", "--name", NAME)
    assert (code, "exit code -9" in text) == (0, True)
    with pytest.raises(StackError, match="redis does not answer"):
        funnel("up", "--name", NAME, "--services", "redis")


def test_json_of_up_gives_the_addresses(funnel):
    _, shown = funnel("up", "--name", NAME, "--services", "redis", "--json")
    [service] = json.loads(shown)["services"]
    assert redis.Redis.from_url(service["address"]).ping()


def test_a_service_that_does_not_exist_is_refused(funnel, capsys):
    with pytest.raises(SystemExit):
        funnel("up", "--services", "redis,zookeeper")
    assert "choose from kafka, redis, prometheus, alertmanager" in capsys.readouterr().err
