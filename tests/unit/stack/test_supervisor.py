"""A supervisor ends its services when it should, and only then. The services here are sleeping processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from stream.stack.processes import is_running, mark, wait_gone
from stream.stack.state import DETACH, Plan, ServicePlan, StackState, control_socket
from stream.stack.supervisor import Supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
# Ends in order when asked to, and leaves a file behind.
POLITE = """
import atexit, pathlib, signal, sys
atexit.register(pathlib.Path(sys.argv[1]).touch)
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
print("ready", flush=True)
signal.pause()
"""
SECONDS = 30


class Supervised:
    """A supervisor started by this test, its pipe and its state file."""

    def __init__(self, folder: Path, owner, services, *, removes=True, below="data"):
        self.folder = folder / below
        self.folder.mkdir()
        self.state_path = folder / "demo.json"
        plan = Plan("demo", str(self.folder), removes, str(self.state_path), owner, "local", services, {})
        (folder / "plan.json").write_bytes(msgspec.json.encode(plan))
        hold, self.lifeline = os.pipe()
        command = [sys.executable, "-m", "stream.stack.supervisor", str(folder / "plan.json")]
        self.process = subprocess.Popen(command, stdin=hold)
        os.close(hold)
        wait_for(self.state_path.exists)

    @property
    def state(self) -> StackState:
        return msgspec.json.decode(self.state_path.read_bytes(), type=StackState)

    def order(self, text: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection, control_socket(str(self.folder)) as path:
            connection.connect(path)
            connection.sendall(text.encode())
            return connection.recv(4096).decode()

    def close(self):
        if self.lifeline is not None:
            os.close(self.lifeline)
            self.lifeline = None


def wait_for(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def service(folder, name="redis", argv=SLEEP, after=()):
    return ServicePlan(name, argv, "redis://127.0.0.1:1", [1], str(folder / f"{name}.log"), 5.0, list(after))


@pytest.fixture
def supervise(tmp_path):
    started = []

    def start(*services, owner=None, **more):
        wanted = list(services) or [service(tmp_path)]
        started.append(Supervised(tmp_path, owner or mark(os.getpid()), wanted, **more))
        return started[-1]

    yield start
    for supervised in started:
        supervised.close()
        supervised.process.terminate()
        supervised.process.wait(SECONDS)


@pytest.mark.parametrize("how", ["pipe", "term"])
def test_the_end_of_the_owner_or_a_request_ends_everything(supervise, how):
    supervised = supervise()
    redis = supervised.state.services["redis"].process
    assert is_running(redis)
    if how == "pipe":
        supervised.close()
    else:
        supervised.process.terminate()
    supervised.process.wait(SECONDS)
    assert not is_running(redis)
    assert not supervised.folder.exists()
    assert not supervised.state_path.exists()


def test_an_owner_whose_pipe_a_forked_process_holds_still_counts_as_gone(supervise):
    owner = subprocess.Popen(SLEEP)
    supervised = supervise(owner=mark(owner.pid))
    owner.kill()  # the pipe stays open: it is this test's
    owner.wait()
    supervised.process.wait(SECONDS)


def test_an_owner_that_was_gone_before_the_start_ends_everything(tmp_path):
    owner = msgspec.structs.replace(mark(os.getpid()), started="1")
    plan = Plan("demo", str(tmp_path), False, str(tmp_path / "s.json"), owner, "local", [service(tmp_path)], {})
    (tmp_path / "plan.json").write_bytes(msgspec.json.encode(plan))
    command = [sys.executable, "-m", "stream.stack.supervisor", str(tmp_path / "plan.json")]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as supervisor:
        assert supervisor.wait(SECONDS) == 0


def test_a_detached_stack_outlives_its_owner_until_it_is_told_to_stop(supervise):
    owner = subprocess.Popen(SLEEP)
    supervised = supervise(owner=mark(owner.pid))
    os.write(supervised.lifeline, DETACH)
    supervised.close()
    owner.kill()
    owner.wait()
    wait_for(lambda: supervised.state.owner is None)
    assert is_running(supervised.state.services["redis"].process)
    supervised.process.terminate()
    assert supervised.process.wait(SECONDS) == 0


def test_ctrl_c_in_the_owners_terminal_is_not_for_the_services(supervise):
    supervised = supervise()
    supervised.process.send_signal(signal.SIGINT)
    assert supervised.order("restart redis") == "ok"  # it still works
    assert os.getsid(supervised.process.pid) == supervised.process.pid


def test_a_service_that_ends_is_shown_as_ended_and_comes_back_on_order_only(supervise):
    supervised = supervise()
    first = supervised.state.services["redis"].process
    os.kill(first.pid, signal.SIGKILL)
    wait_for(lambda: supervised.state.services["redis"].exit_code == -signal.SIGKILL)
    assert supervised.state.services["redis"].process is None
    assert supervised.order("restart redis") == "ok"
    second = supervised.state.services["redis"]
    assert is_running(second.process)
    assert second.process != first
    assert second.exit_code is None


def test_a_service_that_cannot_be_started_again_is_said(supervise, tmp_path):
    program = tmp_path / "program"
    program.symlink_to(sys.executable)
    supervised = supervise(service(tmp_path, argv=[str(program), *SLEEP[1:]]))
    program.unlink()
    supervised.order("restart redis")
    wait_for(lambda: supervised.state.services["redis"].process is None)


@pytest.mark.parametrize("order", ["restart kafka", "dance", ""])
def test_an_order_that_makes_no_sense_changes_nothing(supervise, order):
    supervised = supervise()
    before = supervised.state
    assert supervised.order(f"{order}\n").startswith("unknown order")
    assert supervised.state == before


def test_orders_arrive_in_a_folder_whose_path_is_too_long_for_a_socket(supervise):
    assert supervise(below="x" * 150).order("restart redis") == "ok"


def test_a_frozen_service_may_end_in_order_too(supervise, tmp_path):
    left = tmp_path / "data" / "left"
    supervised = supervise(service(tmp_path, argv=[sys.executable, "-c", POLITE, str(left)]), removes=False)
    wait_for(lambda: (tmp_path / "redis.log").read_text() == "ready\n")
    redis = supervised.state.services["redis"].process
    os.kill(redis.pid, signal.SIGSTOP)
    supervised.close()
    supervised.process.wait(SECONDS)
    assert not is_running(redis)
    assert left.exists()


def test_kept_data_is_kept_and_the_service_may_end_in_order(supervise, tmp_path):
    left = tmp_path / "data" / "left"
    supervised = supervise(service(tmp_path, argv=[sys.executable, "-c", POLITE, str(left)]), removes=False)
    wait_for(lambda: (tmp_path / "redis.log").read_text() == "ready\n")
    supervised.close()
    supervised.process.wait(SECONDS)
    assert left.exists()


def test_what_is_to_run_after_a_service_runs_once_it_has_ended(supervise, tmp_path):
    after = [sys.executable, "-c", f"open({str(tmp_path / 'after')!r}, 'a').write('x')"]
    supervised = supervise(service(tmp_path, after=after))
    assert supervised.order("restart redis") == "ok"
    supervised.close()
    supervised.process.wait(SECONDS)
    assert (tmp_path / "after").read_text() == "x"


def test_services_die_with_a_supervisor_that_is_killed(supervise):
    supervised = supervise()
    redis = supervised.state.services["redis"].process
    supervised.process.kill()
    assert wait_gone(redis, SECONDS)


def test_a_service_that_ended_is_on_record_until_its_exit_code_is(tmp_path):
    service = ServicePlan("sleeper", SLEEP, "nowhere", [], str(tmp_path / "log"))
    plan = Plan("demo", str(tmp_path), False, str(tmp_path / "demo.json"), mark(os.getpid()), "local", [service], {})
    supervisor = Supervisor(plan, lifeline=-1)
    supervisor._spawn(service)
    started = supervisor._state_of(service).process
    os.kill(started.pid, signal.SIGKILL)
    os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)
    assert (supervisor._state_of(service).process, supervisor._state_of(service).exit_code) == (started, None)
    assert supervisor._reap()
    assert (supervisor._state_of(service).process, supervisor._state_of(service).exit_code) == (None, -signal.SIGKILL)
