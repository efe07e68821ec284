"""The process behind one stack: it starts the services, restarts one on order, and ends them all.

In:  a plan file; a pipe on standard input that its owner holds open; orders on a socket.
Out: the state file, rewritten at every change; each service's output in its log.

It ends the stack when told to (SIGTERM), when the pipe closes or when the owner's process is
gone, whichever comes first: an owner killed with -9 leaves nothing behind. An owner that writes
`detach` into the pipe lets the stack live on. Services die with the supervisor itself by a
kernel signal (Linux), and a service that ends by itself is not started again: tests kill them.

Run as `python -m stream.stack.supervisor PLAN`.
"""

import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from stream.stack.processes import ProcessMark, dying_with_parent, is_running, mark
from stream.stack.state import DETACH, Plan, ServicePlan, ServiceState, StackState, control_socket, write_state

ORDER_SECONDS = 2.0
ORDER_BYTES = 256


class Supervisor:
    """Runs one plan until its end; single-threaded, so that the kernel ties the services to it."""

    def __init__(self, plan: Plan, lifeline: int) -> None:
        self._plan = plan
        self._lifeline: int | None = lifeline
        self._services = {service.name: service for service in plan.services}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._marks: dict[str, ProcessMark | None] = {}
        self._exit_codes: dict[str, int] = {}
        self._owner: ProcessMark | None = plan.owner
        self._owner_fd: int | None = None
        self._is_ending = False
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Start everything, follow orders, end everything."""
        control = self._listen()
        try:
            self._watch_signals()
            self._watch_owner()
            for service in self._plan.services:
                self._spawn(service)
            self._write()
            while not self._is_ending:
                for key, _ in self._selector.select():
                    react: Callable[[], None] = key.data
                    react()
        finally:
            control.close()
            self._end()

    def _listen(self) -> socket.socket:
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with control_socket(self._plan.directory) as path:
            Path(path).unlink(missing_ok=True)
            control.bind(path)
            Path(path).chmod(0o600)
        control.listen()
        self._selector.register(control, selectors.EVENT_READ, lambda: self._take_order(control))
        return control

    def _watch_signals(self) -> None:
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        # Handlers of our own, so that the signals reach the wake-up pipe; what to do is decided in the loop.
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._wakeup = (reader, writer)
        self._selector.register(reader, selectors.EVENT_READ, lambda: self._take_signals(reader))

    def _watch_owner(self) -> None:
        if self._lifeline is not None:
            os.set_blocking(self._lifeline, False)
            self._selector.register(self._lifeline, selectors.EVENT_READ, self._hear_owner)
        # A process forked by the owner may hold the pipe open after the owner's death: watch the owner too.
        if self._owner is not None and hasattr(os, "pidfd_open"):
            try:
                self._owner_fd = os.pidfd_open(self._owner.pid)
            except OSError:
                # Gone already (checked below), or a kernel without pidfd: then the pipe alone must do.
                self._owner_fd = None
            else:
                self._selector.register(self._owner_fd, selectors.EVENT_READ, self._lose_owner)
        if not is_running(self._owner):
            self._is_ending = True

    def _hear_owner(self) -> None:
        if self._lifeline is None:
            return
        try:
            heard = os.read(self._lifeline, len(DETACH))
        except BlockingIOError:
            heard = b""  # the owner is gone, only a process that it forked still holds the pipe
        if heard == DETACH:
            self._owner = None
            self._unwatch_owner()
            self._write()
        else:
            self._is_ending = True

    def _lose_owner(self) -> None:
        # Detaching is the owner's last word: it may stand in the pipe although the owner is gone.
        self._hear_owner()

    def _unwatch_owner(self) -> None:
        for watched in (self._lifeline, self._owner_fd):
            if watched is not None:
                self._selector.unregister(watched)
                os.close(watched)
        self._lifeline = self._owner_fd = None

    def _take_signals(self, reader: socket.socket) -> None:
        if signal.SIGTERM in reader.recv(4096):
            self._is_ending = True
        if self._reap():
            self._write()

    def _take_order(self, control: socket.socket) -> None:
        connection, _ = control.accept()
        with connection:
            connection.settimeout(ORDER_SECONDS)
            try:
                verb, _, name = connection.recv(ORDER_BYTES).decode().strip().partition(" ")
                connection.sendall(self._follow(verb, name).encode())
            except (OSError, UnicodeDecodeError) as error:
                log(f"an order was lost: {error}")

    def _follow(self, verb: str, name: str) -> str:
        service = self._services.get(name)
        if verb != "restart" or service is None:
            return f"unknown order: {verb} {name}"
        self._reap()
        self._end_service(service, is_gentle=True)
        try:
            self._spawn(service)
        except OSError as error:
            return f"{name} could not be started: {error}"
        finally:
            self._write()
        return "ok"

    def _spawn(self, service: ServicePlan) -> None:
        with Path(service.log).open("ab") as output:
            child = self._children[service.name] = subprocess.Popen(  # noqa: S603
                dying_with_parent(service.argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._plan.directory,
                process_group=0,
            )
        # Once, so that a process that ends is on record until its exit code is.
        self._marks[service.name] = mark(child.pid)
        self._exit_codes.pop(service.name, None)

    def _reap(self) -> bool:
        ended = [name for name, child in self._children.items() if child.poll() is not None]
        for name in ended:
            self._exit_codes[name] = self._children.pop(name).returncode
            del self._marks[name]
        return bool(ended)

    def _end_service(self, service: ServicePlan, *, is_gentle: bool) -> None:
        child = self._children.get(service.name)
        if child is None:
            return
        if is_gentle:
            _signal_group(child, signal.SIGTERM)
            _signal_group(child, signal.SIGCONT)  # a stopped process hears nothing but KILL
            try:
                child.wait(service.grace_seconds)
            except subprocess.TimeoutExpired:
                log(f"{service.name} did not end within {service.grace_seconds:g} s and is killed")
        _signal_group(child, signal.SIGKILL)
        child.wait()
        self._reap()

    def _end(self) -> None:
        # Where the data is thrown away anyway there is nothing to wait for.
        is_gentle = not self._plan.removes_directory
        if is_gentle:
            for child in self._children.values():
                _signal_group(child, signal.SIGTERM)
        for service in reversed(self._plan.services):
            self._end_service(service, is_gentle=is_gentle)
            if service.after:
                subprocess.run(service.after, check=False, stdin=subprocess.DEVNULL)  # noqa: S603
        if self._plan.removes_directory:
            shutil.rmtree(self._plan.directory, ignore_errors=True)
        Path(self._plan.state_path).unlink(missing_ok=True)

    def _write(self) -> None:
        me = mark(os.getpid())
        if me is None:
            return
        services = {service.name: self._state_of(service) for service in self._plan.services}
        plan = self._plan
        state = StackState(
            plan.name,
            plan.directory,
            plan.removes_directory,
            plan.backend,
            me,
            self._owner,
            services,
            plan.external,
        )
        write_state(Path(plan.state_path), state)

    def _state_of(self, service: ServicePlan) -> ServiceState:
        process = self._marks.get(service.name)
        code = self._exit_codes.get(service.name)
        return ServiceState(service.name, service.address, service.ports, service.log, process, code)


def log(text: str) -> None:
    """Write a line to the supervisor's log."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def main() -> None:
    """Read the plan named on the command line and run it."""
    if os.getpid() != os.getsid(0):
        os.setsid()  # Ctrl-C in the owner's terminal is for the owner; it then stops the stack in order
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    Supervisor(plan, lifeline=0).run()


if __name__ == "__main__":
    main()
