"""A child that ends too early is named with the end of its log; the others end when they are told to."""

import signal
import time
from pathlib import Path

import pytest

from stream.demo.children import Child, stop_all
from stream.errors import DemoError

DEADLINE_S = 30.0


def wait_until(is_so):
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline


def endless(tmp_path, name="simulator"):
    """Start a simulator that writes until it is told to stop."""
    out = tmp_path / f"{name}.jsonl"
    child = Child(name, tmp_path, ["simulate", "--to", str(out), "--realtime", "--rate", "2000"])
    wait_until(lambda: out.exists() and out.stat().st_size > 0)
    return child


def fails(child):
    try:
        child.check()
    except DemoError:
        return True
    return False


def test_a_child_that_ended_by_itself_is_named_with_status_and_log(tmp_path):
    child = Child("worker-1", tmp_path, ["simulate", "--nonsense"])
    wait_until(lambda: fails(child))
    with pytest.raises(DemoError, match=r"(?s)worker-1 \(pid \d+\) ended with status 2.*--to --topic is required"):
        child.check()


def test_a_child_that_was_killed_is_named_with_the_signal(tmp_path):
    child = endless(tmp_path)
    child.check()
    child.ask(signal.SIGKILL)
    wait_until(lambda: fails(child))
    with pytest.raises(DemoError, match="was killed by SIGKILL"):
        child.check()


def test_all_children_are_gone_after_stopping_also_one_that_was_gone_before(tmp_path):
    children = [endless(tmp_path, "one"), Child("two", tmp_path, ["simulate", "--nonsense"])]
    stop_all(children)
    assert all(fails(child) for child in children)
    stop_all(children)


def test_a_child_whose_work_is_complete_finishes_without_complaint(tmp_path):
    child = endless(tmp_path)
    child.finish(signal.SIGINT)
    assert "records written" in child.log.read_text()


def test_a_child_that_finishes_badly_is_an_error(tmp_path):
    child = endless(tmp_path)
    with pytest.raises(DemoError, match=r"simulator .* was killed by SIGKILL"):
        child.finish(signal.SIGKILL)


@pytest.mark.parametrize("name", ["FUNNEL_INSTANCE_ID", "FUNNEL_WEB_TOKEN"])
def test_what_is_meant_for_the_users_own_worker_is_not_given_to_children(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "mine")
    child = endless(tmp_path)
    try:
        environ = Path(f"/proc/{child.pid}/environ").read_bytes()
    finally:
        stop_all([child])
    assert f"{name}=".encode() not in environ
    assert b"PATH=" in environ
