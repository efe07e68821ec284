"""Bring a stack up: choose ports, write configurations, start the supervisor, wait until all is ready.

In:  what is wanted and the programs found.
Out: the state of a stack whose services answer, and the pipe that holds it; or an exception that
     carries the end of the log concerned, with nothing left running.
"""

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stream.errors import StackError
from stream.stack import services as known
from stream.stack.containers import container_plan
from stream.stack.jars import fetch_jars, jars_folder
from stream.stack.ports import free_ports
from stream.stack.processes import POLL_SECONDS, mark, wait_gone
from stream.stack.programs import Backend, Programs
from stream.stack.state import Plan, ServicePlan, StackState, cache_folder, read_state, running_states

# A start takes seconds; the limit is for machines that are busy with other things, or fetch images first.
READY_SECONDS = {Backend.LOCAL: 120.0, Backend.DOCKER: 240.0}
STOP_SECONDS = 60.0
SUPERVISOR_SECONDS = 20.0
PORT_TRIES = 3
LOG_LINES = 20


class PortTakenError(StackError):
    """A service found its port taken: between choosing and listening somebody else was quicker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One start of a stack: folders, plans, supervisor, readiness; undone if it fails."""

    name: str
    path: Path  # of the state file
    own: list[str]  # the services to be started, by name
    external: dict[str, str]
    backend: Backend
    programs: Programs
    directory: Path | None  # None: a temporary one, which goes with the stack
    rule_files: list[Path]
    alertmanager_config: Path | None
    scrape_seconds: int
    targets: list[str]

    def run(self) -> tuple[StackState, int]:
        """Return the state of the stack, all services ready, and the pipe that keeps it alive while open.

        Tries again with other ports if somebody took one of them meanwhile. Raises `StackError`.
        """
        if "kafka" in self.own and self.backend is Backend.LOCAL:
            fetch_jars(cache_folder(), self.programs.mvn or "mvn")
        for _ in range(PORT_TRIES - 1):
            with contextlib.suppress(PortTakenError):
                return self._try()
        return self._try()

    def _try(self) -> tuple[StackState, int]:
        folder = self._folder()
        started: tuple[int, int] | None = None
        try:
            started = self._spawn(folder, self._plans(folder))
            state = _wait_for_state(self.name, started[0], folder)
            wait_ready(self.name, self.own, READY_SECONDS[self.backend])
        except BaseException:
            # Ctrl-C included: closing the pipe makes the supervisor end everything.
            if started is not None:
                _abandon(*started)
            if self.directory is None:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        return state, started[1]

    def _folder(self) -> Path:
        if self.directory is None:
            return Path(tempfile.mkdtemp(prefix=f"funnel-{self.name}-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        return self.directory.resolve()

    def _plans(self, folder: Path) -> list[ServicePlan]:
        counts = {service: known.PORTS_NEEDED[service] for service in self.own}
        taken = [port for state in running_states() for service in state.services.values() for port in service.ports]
        taken += [int(target.rpartition(":")[2]) for target in self.targets]  # somebody will listen there
        free = iter(free_ports(sum(counts.values()), taken))
        ports = {service: [next(free) for _ in range(count)] for service, count in counts.items()}
        if "prometheus" in self.own:
            alertmanager = self.external.get("alertmanager")
            if "alertmanager" in self.own:
                alertmanager = known.address("alertmanager", ports["alertmanager"])
            known.write_prometheus(folder, alertmanager, self.rule_files, self.scrape_seconds)
            known.write_targets(folder, self.targets)
        return [self._plan(folder, service, ports[service]) for service in self.own]

    def _plan(self, folder: Path, service: str, ports: Sequence[int]) -> ServicePlan:
        if self.backend is Backend.DOCKER:
            return container_plan(folder, self.name, service, ports)
        if service == "kafka":
            return known.kafka_plan(folder, ports, self.programs, jars_folder(cache_folder()))
        if service == "redis":
            return known.redis_plan(folder, ports, self.programs)
        if service == "prometheus":
            return known.prometheus_plan(folder, ports, self.programs)
        return known.alertmanager_plan(folder, ports, self.programs, self.alertmanager_config)

    def _spawn(self, folder: Path, plans: list[ServicePlan]) -> tuple[int, int]:
        """Start the supervisor; returns its pid and the writing end of its pipe."""
        owner = mark(os.getpid())
        if owner is None:
            raise StackError("this process cannot see itself in the process table: is /proc mounted?")
        removes = self.directory is None
        plan = Plan(self.name, str(folder), removes, str(self.path), owner, self.backend.value, plans, self.external)
        plan_file = folder / "plan.json"
        plan_file.write_bytes(msgspec.json.encode(plan))
        log = os.open(folder / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        hold, lifeline = os.pipe()
        try:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-m", "stream.stack.supervisor", str(plan_file)],
                _importing_this_package(),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, hold, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
            )
        except BaseException:
            os.close(lifeline)
            raise
        finally:
            os.close(hold)
            os.close(log)
        return pid, lifeline


def _importing_this_package() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{inherited}" if inherited else root}


def _abandon(pid: int, lifeline: int) -> None:
    os.close(lifeline)
    supervisor = mark(pid)
    if supervisor is not None:
        wait_gone(supervisor, STOP_SECONDS)
    collect(pid)


def _wait_for_state(name: str, pid: int, folder: Path) -> StackState:
    """Wait until the supervisor `pid` has started every service and written so."""
    deadline = time.monotonic() + SUPERVISOR_SECONDS
    while time.monotonic() < deadline and mark(pid) is not None:
        state = read_state(name)
        if state is not None and state.supervisor.pid == pid:
            return state
        time.sleep(POLL_SECONDS)
    raise StackError(f"the supervisor of stack {name!r} did not start:\n{log_tail(folder / 'supervisor.log')}")


def wait_ready(name: str, services: Sequence[str], seconds: float) -> None:
    """Wait until `services` answer; raises `StackError` with the end of the log of one that does not."""
    deadline = time.monotonic() + seconds
    waiting = list(services)
    while True:
        waiting = [service for service in waiting if not _is_ready(name, service)]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise StackError(f"{waiting[0]} was not ready within {seconds:g} s; {_end_of_log(name, waiting[0])}")
        time.sleep(POLL_SECONDS)


def _is_ready(name: str, service: str) -> bool:
    state = read_state(name)
    if state is None:
        raise StackError(f"stack {name!r} ended while it was starting")
    found = state.services[service]
    # A process of our own must be there: the answer could come from a stranger on that port.
    if found.process is None:
        tail = log_tail(Path(found.log))
        kind = PortTakenError if "already in use" in tail.lower() else StackError
        raise kind(f"{service} ended at once (exit code {found.exit_code}); the end of its log:\n{tail}")
    return known.PROBES[service](found.address)


def _end_of_log(name: str, service: str) -> str:
    state = read_state(name)
    if state is None:
        return "its supervisor has ended"
    return f"the end of its log:\n{log_tail(Path(state.services[service].log))}"


def log_tail(path: Path, lines: int = LOG_LINES) -> str:
    """Return the last lines of a log; says so if there are none."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"({path}: {error.strerror})"
    return "\n".join(text.splitlines()[-lines:]) or f"({path} is empty)"


def collect(pid: int) -> None:
    """Take the exit status of a supervisor that this process started, so that it leaves no zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
