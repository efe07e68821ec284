"""The state file tells what runs, and a stale one tells that nothing does."""

import os
import subprocess
import sys

import msgspec
import pytest

from stream.errors import StackError
from stream.stack.processes import mark
from stream.stack.state import (
    ServiceState,
    StackState,
    cache_folder,
    read_state,
    running_states,
    state_path,
    sweep_stale,
    write_state,
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FUNNEL_CACHE", str(tmp_path))
    (tmp_path / "stacks").mkdir()
    return tmp_path


def a_state(name="demo", supervisor=None, folder="folder", *, removes=True):
    redis = ServiceState("redis", "redis://127.0.0.1:20001", [20001], "redis.log", mark(os.getpid()))
    return StackState(name, str(folder), removes, "local", supervisor or mark(os.getpid()), None, {"redis": redis}, {})


def test_what_was_written_is_read_back():
    write_state(state_path("demo"), a_state())
    assert read_state("demo") == a_state()


def test_a_file_whose_supervisor_is_gone_means_no_such_stack():
    reused = msgspec.structs.replace(mark(os.getpid()), started="1")
    write_state(state_path("demo"), a_state(supervisor=reused))
    assert read_state("demo") is None
    assert running_states() == []


@pytest.mark.parametrize("removes", [True, False])
def test_what_a_killed_supervisor_left_is_swept_but_not_data_that_is_to_be_kept(tmp_path, removes):
    gone = msgspec.structs.replace(mark(os.getpid()), started="1")
    for name, supervisor in (("gone", gone), ("alive", None)):
        (tmp_path / name).mkdir()
        write_state(state_path(name), a_state(name, supervisor, tmp_path / name, removes=removes))
    sweep_stale()
    assert (tmp_path / "gone").exists() is not removes
    assert (tmp_path / "alive").exists()
    assert [path.name for path in state_path("alive").parent.iterdir()] == ["alive.json"]


def test_only_one_process_at_a_time_holds_a_lock_and_no_file_stays(tmp_path):
    code = (
        "import pathlib, sys\n"
        "from stream.stack.state import locked\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "for _ in range(200):\n"
        "    with locked(folder / 'lock'):\n"
        "        (folder / 'held').mkdir()\n"  # fails if somebody else is inside
        "        (folder / 'held').rmdir()\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [run.wait(60) for run in runs] == [0, 0, 0]
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"name": "demo"', id="cut-off"),
        pytest.param(b'{"name": "demo"}', id="of-another-release"),
    ],
)
def test_a_file_that_cannot_be_understood_means_no_such_stack(content):
    state_path("demo").write_bytes(content)
    assert read_state("demo") is None


def test_running_stacks_are_listed_by_name():
    for name in ("b", "a"):
        write_state(state_path(name), a_state(name))
    assert [state.name for state in running_states()] == ["a", "b"]


@pytest.mark.parametrize("name", ["", "../up", "A", "-x", "a b", "a" * 42])
def test_a_name_that_is_no_plain_word_is_refused(name):
    with pytest.raises(StackError, match="cannot name a stack"):
        state_path(name)


def test_the_cache_folder_comes_from_the_environment_or_lies_at_home(tmp_path):
    assert cache_folder({"FUNNEL_CACHE": str(tmp_path)}) == tmp_path
    assert cache_folder({"XDG_CACHE_HOME": "/x"}).as_posix() == "/x/funnel-tracker"
    assert cache_folder({}).parts[-2:] == (".cache", "funnel-tracker")
