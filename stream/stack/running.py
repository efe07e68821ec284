"""Start, find, change and stop a local stack: a real Kafka, Redis and Prometheus on loopback ports.

In:  a name, the services wanted, and the environment.
Out: a `Stack` with the addresses of services that are ready, not merely started.

Every stack has free ports, a folder and a supervisor of its own, so that several run side by
side. It ends with the process that started it, unless it was started to outlive it
(`outlives=True`, for `funnel stack up`). A service named in the environment
(KAFKA_BOOTSTRAP_SERVERS, REDIS_URL, PROMETHEUS_URL, ALERTMANAGER_URL) is used as it is.
"""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import msgspec

from stream.errors import StackError
from stream.stack import services as known
from stream.stack.launch import READY_SECONDS, STOP_SECONDS, Launch, collect, wait_ready
from stream.stack.processes import POLL_SECONDS, ProcessMark, is_running, send, wait_gone
from stream.stack.programs import Backend, prepare
from stream.stack.state import (
    DETACH,
    ServiceState,
    StackState,
    cache_folder,
    control_socket,
    locked,
    read_state,
    running_states,
    state_path,
    sweep_stale,
)


class ServiceStatus(msgspec.Struct, frozen=True):
    """One service of a stack, as `funnel stack status` shows it."""

    name: str
    address: str
    is_ready: bool
    is_external: bool  # named in the environment: neither started nor stopped by us
    pid: int | None = None
    exit_code: int | None = None


class StackStatus(msgspec.Struct, frozen=True):
    """A stack as `funnel stack status` shows it; `owner_pid` is None if it lives until it is stopped."""

    name: str
    is_running: bool
    directory: str | None
    owner_pid: int | None
    services: list[ServiceStatus]


class Stack:
    """A set of running services. Made by `Stack.start`, `Stack.running` or `Stack.find`."""

    def __init__(self, name: str, external: Mapping[str, str], state: StackState | None, lifeline: int | None) -> None:
        self.name = name
        self._external = dict(external)
        self._first = state
        self._lifeline = lifeline

    # -- making one ---------------------------------------------------------------------------

    @classmethod
    def start(  # noqa: PLR0913 - each is one independent choice, all but the name have a default
        cls,
        name: str,
        *,
        services: Sequence[str] = known.DEFAULT_SERVICES,
        scrape_targets: Sequence[str] = (),
        rule_files: Sequence[Path] = (),
        alertmanager_config: Path | None = None,
        scrape_seconds: int = known.SCRAPE_SECONDS,
        directory: Path | None = None,
        outlives: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """Start a stack and return when all its services are ready.

        `scrape_targets` and later `set_targets` are `host:port` that Prometheus reads every `scrape_seconds`; as often
        it evaluates `rule_files`. `alertmanager_config` is for the program; a container has the project's own.
        Data lies in a temporary folder that goes with the stack, or stays in `directory`.
        Raises `StackError` if a stack of that name runs, if programs are missing, or if a service
        does not become ready; then nothing is left running.
        """
        external, own = _split(services, os.environ if environ is None else environ)
        path = state_path(name)
        if not own:
            return cls(name, external, None, None)
        with locked(path.with_suffix(".lock")):
            sweep_stale()
            if read_state(name) is not None:
                raise StackError(
                    f"a stack named {name!r} is already running: stop it (funnel stack down --name {name}) "
                    "or choose another name"
                )
            backend, programs = prepare(own, cache_folder())
            launch = Launch(
                name=name,
                path=path,
                own=own,
                external=external,
                backend=backend,
                programs=programs,
                directory=directory,
                rule_files=list(rule_files),
                alertmanager_config=alertmanager_config,
                scrape_seconds=scrape_seconds,
                targets=list(scrape_targets),
            )
            state, lifeline = launch.run()
        stack = cls(name, external, state, lifeline)
        if outlives:
            stack.detach()
        return stack

    @classmethod
    @contextlib.contextmanager
    def running(  # noqa: PLR0913 - the choices of `start`
        cls,
        name: str,
        *,
        services: Sequence[str] = known.DEFAULT_SERVICES,
        scrape_targets: Sequence[str] = (),
        rule_files: Sequence[Path] = (),
        alertmanager_config: Path | None = None,
        scrape_seconds: int = known.SCRAPE_SECONDS,
        directory: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Iterator[Self]:
        """Start a stack for the length of a `with` block; takes the arguments of `start`."""
        stack = cls.start(
            name,
            services=services,
            scrape_targets=scrape_targets,
            rule_files=rule_files,
            alertmanager_config=alertmanager_config,
            scrape_seconds=scrape_seconds,
            directory=directory,
            environ=environ,
        )
        try:
            yield stack
        finally:
            stack.stop()

    @classmethod
    def find(cls, name: str) -> Self | None:
        """Return the running stack of that name, whoever started it; None if there is none."""
        state = read_state(name)
        return None if state is None else cls(name, state.external, state, None)

    @classmethod
    def find_all(cls) -> list[Self]:
        """Return all running stacks of this cache folder, by name."""
        return [cls(state.name, state.external, state, None) for state in running_states()]

    # -- where things are ---------------------------------------------------------------------

    @property
    def kafka(self) -> str:
        """Kafka's bootstrap servers, `host:port`. Raises `StackError` if the stack has no Kafka."""
        return self._address("kafka")

    @property
    def redis_url(self) -> str:
        """URL of Redis. Raises `StackError` if the stack has no Redis."""
        return self._address("redis")

    @property
    def prometheus_url(self) -> str | None:
        """URL of Prometheus, None if the stack has none."""
        return self.addresses.get("prometheus")

    @property
    def alertmanager_url(self) -> str | None:
        """URL of Alertmanager, None if the stack has none."""
        return self.addresses.get("alertmanager")

    @property
    def addresses(self) -> dict[str, str]:
        """Address of every service, by name."""
        own = {} if self._first is None else {name: it.address for name, it in self._first.services.items()}
        return {**own, **self._external}

    @property
    def environ(self) -> dict[str, str]:
        """The variables that point other programs at this stack."""
        return {known.ENVIRONMENT[name]: address for name, address in self.addresses.items()}

    @property
    def directory(self) -> Path | None:
        """Folder of the data, configuration and logs; None if every service is external."""
        return None if self._first is None else Path(self._first.directory)

    @property
    def state_file(self) -> Path:
        """The file that describes the stack while it runs."""
        return state_path(self.name)

    def owns(self, service: str) -> bool:
        """Whether this stack started `service`, rather than taking it from the environment."""
        return self._first is not None and service in self._first.services

    # -- changing it --------------------------------------------------------------------------

    def pid(self, service: str) -> int:
        """Return the process id of `service`. Raises `StackError` if it is not ours or does not run."""
        return self._process(service).pid

    def kill(self, service: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to `service`; after SIGKILL, return once it is gone.

        SIGSTOP and SIGCONT freeze it and let it go on. Raises `StackError` if it does not run, or
        runs in a container, where signals do not reach it.
        """
        if self._state().backend == Backend.DOCKER.value:
            raise StackError(f"{service} runs in a container: killing one service needs the programs installed locally")
        process = self._process(service)
        send(process, number)
        if number == signal.SIGKILL:
            self._wait_ended(service, process)

    def restart(self, service: str) -> None:
        """End `service` if it runs, start it again on the same port and data, return when it is ready."""
        state = self._state()
        if service not in state.services:
            raise StackError(self._not_ours(service))
        answer = _order(state, f"restart {service}")
        if answer != "ok":
            raise StackError(f"the supervisor of stack {self.name!r} did not restart {service}: {answer}")
        wait_ready(self.name, [service], READY_SECONDS[Backend(state.backend)])

    def set_targets(self, targets: Sequence[str]) -> None:
        """Make Prometheus scrape these `host:port` from now on; it takes a new list up every 5 s."""
        if not self.owns("prometheus"):
            raise StackError(self._not_ours("prometheus"))
        known.write_targets(Path(self._state().directory), targets)

    def detach(self) -> None:
        """Let the stack outlive this process, until somebody stops it."""
        if self._lifeline is not None:
            os.write(self._lifeline, DETACH)
            os.close(self._lifeline)
            self._lifeline = None

    def stop(self) -> None:
        """End all services of this stack; harmless if it has ended already."""
        if self._first is None:
            return
        supervisor = self._first.supervisor
        send(supervisor, signal.SIGTERM)
        if not wait_gone(supervisor, STOP_SECONDS):
            send(supervisor, signal.SIGKILL)
            raise StackError(f"the supervisor of stack {self.name!r} did not end in {STOP_SECONDS:g} s and was killed")
        self._let_go()
        sweep_stale()  # in case the supervisor had been killed and could not tidy up

    # -- looking at it ------------------------------------------------------------------------

    def status(self) -> StackStatus:
        """Ask every service now."""
        state = None if self._first is None else read_state(self.name)
        own = {} if state is None else state.services
        shown = [
            ServiceStatus(
                name=name,
                address=address,
                is_ready=(name in self._external or name in own) and known.PROBES[name](address),
                is_external=name in self._external,
                pid=_running_pid(own.get(name)),
                exit_code=own[name].exit_code if name in own else None,
            )
            for name, address in self.addresses.items()
        ]
        owner = None if state is None or state.owner is None else state.owner.pid
        is_alive = state is not None or self._first is None
        return StackStatus(self.name, is_alive, None if state is None else state.directory, owner, shown)

    def _address(self, service: str) -> str:
        try:
            return self.addresses[service]
        except KeyError:
            raise StackError(f"stack {self.name!r} was started without {service}: add it to its services") from None

    def _state(self) -> StackState:
        state = None if self._first is None else read_state(self.name)
        if state is None:
            raise StackError(f"stack {self.name!r} runs nothing of its own any more")
        return state

    def _process(self, service: str) -> ProcessMark:
        found = self._state().services.get(service)
        if found is None:
            raise StackError(self._not_ours(service))
        if found.process is None or not is_running(found.process):
            raise StackError(f"{service} of stack {self.name!r} does not run (its log: {found.log})")
        return found.process

    def _wait_ended(self, service: str, process: ProcessMark) -> None:
        """Wait until the supervisor, too, has seen the end of `process`."""
        deadline = time.monotonic() + STOP_SECONDS
        while self._state().services[service].process == process:
            if time.monotonic() > deadline:
                raise StackError(f"{service} (pid {process.pid}) is still there {STOP_SECONDS:g} s after SIGKILL")
            time.sleep(POLL_SECONDS)

    def _not_ours(self, service: str) -> str:
        if service in self._external:
            return f"{service} at {self._external[service]} comes from the environment: it is not ours to change"
        return f"stack {self.name!r} has no {service}; it has {', '.join(self.addresses) or 'nothing'}"

    def _let_go(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if self._first is not None:
            collect(self._first.supervisor.pid)


def _running_pid(service: ServiceState | None) -> int | None:
    process = None if service is None else service.process
    return process.pid if process is not None and is_running(process) else None


def _split(services: Sequence[str], environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the services that the environment names, with their addresses, and those to be started."""
    unknown = [service for service in services if service not in known.PORTS_NEEDED]
    if unknown:
        raise StackError(f"no service is called {', '.join(unknown)}: there are {', '.join(known.PORTS_NEEDED)}")
    external = {name: found for name in services if (found := environ.get(known.ENVIRONMENT[name], "").strip())}
    return external, [service for service in dict.fromkeys(services) if service not in external]


def _order(state: StackState, order: str) -> str:
    """Give the supervisor an order and return its answer."""
    with (
        control_socket(state.directory) as path,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
    ):
        connection.settimeout(STOP_SECONDS)
        try:
            connection.connect(path)
            connection.sendall(f"{order}\n".encode())
            return connection.recv(4096).decode() or "it closed the connection"
        except OSError as error:
            return f"it does not answer on its socket in {state.directory} ({error})"
