"""What is written down about a stack: the plan its supervisor follows, and the state it keeps on disk.

The state file of the stack `demo` is `<cache>/stacks/demo.json`. It is written by the stack's
supervisor alone, replaced in one step, and removed when the stack ends. A file whose supervisor
no longer runs is stale and means: no such stack.
"""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from stream.errors import StackError
from stream.stack.processes import ProcessMark, is_running

DETACH = b"detach\n"  # what an owner writes into the supervisor's pipe to let the stack live on
LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes on Linux, 103 on macOS
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")


class ServicePlan(msgspec.Struct, frozen=True):
    """How one service is started: its command, where it listens, where its output goes."""

    name: str
    argv: list[str]
    address: str  # what clients use: host:port for Kafka, a URL for the others
    ports: list[int]
    log: str
    grace_seconds: float = 10.0  # between asking it to end and killing it, when its data is kept
    after: list[str] = []  # run once after the service has ended for good (cleaning up containers)


class Plan(msgspec.Struct, frozen=True):
    """What a supervisor is told; `owner` is the process whose end ends the stack."""

    name: str
    directory: str
    removes_directory: bool
    state_path: str
    owner: ProcessMark
    backend: str
    services: list[ServicePlan]
    external: dict[str, str]


class ServiceState(msgspec.Struct, frozen=True):
    """One service now: `process` is None while it does not run, `exit_code` says how it ended (-9: killed)."""

    name: str
    address: str
    ports: list[int]
    log: str
    process: ProcessMark | None = None
    exit_code: int | None = None


class StackState(msgspec.Struct, frozen=True):
    """A stack now. `owner` is None once it was detached and lives until it is told to stop."""

    name: str
    directory: str
    removes_directory: bool
    backend: str
    supervisor: ProcessMark
    owner: ProcessMark | None
    services: dict[str, ServiceState]
    external: dict[str, str]

    @property
    def is_alive(self) -> bool:
        """Whether the supervisor still runs; without it no service does."""
        return is_running(self.supervisor)


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Folder for downloads and state files: FUNNEL_CACHE, else ~/.cache/funnel-tracker."""
    values = os.environ if environ is None else environ
    chosen = values.get("FUNNEL_CACHE")
    if chosen:
        return Path(chosen).expanduser().resolve()
    base = values.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "funnel-tracker"


def state_path(name: str) -> Path:
    """Path of the state file of stack `name`. Raises `StackError` for a name that is no plain word."""
    if not NAME_PATTERN.fullmatch(name):
        raise StackError(
            f"{name!r} cannot name a stack: use lower-case letters, digits and '-', at most 41 (such as demo-2)"
        )
    return cache_folder() / "stacks" / f"{name}.json"


def write_state(path: Path, state: StackState) -> None:
    """Replace the state file in one step."""
    new = path.with_suffix(f".{os.getpid()}.new")
    new.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=2))
    new.replace(path)


def read_state(name: str) -> StackState | None:
    """Return the state of a running stack; None if there is none, a stale file included."""
    return _read(state_path(name))


def running_states() -> list[StackState]:
    """Return the states of all running stacks, by name."""
    found = (_read(path) for path in sorted((cache_folder() / "stacks").glob("*.json")))
    return [state for state in found if state is not None]


def sweep_stale() -> None:
    """Remove what stacks left whose supervisor was killed: the state file, and the folder if it was temporary."""
    for path in (cache_folder() / "stacks").glob("*.json"):
        state = _decode(path)
        if state is not None and not state.is_alive:
            if state.removes_directory:
                shutil.rmtree(state.directory, ignore_errors=True)
            path.unlink(missing_ok=True)


def _read(path: Path) -> StackState | None:
    state = _decode(path)
    return state if state is not None and state.is_alive else None


def _decode(path: Path) -> StackState | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=StackState)
    except (FileNotFoundError, msgspec.DecodeError):
        # A file of another release or cut off by a full disk: no supervisor of ours stands behind it.
        return None


@contextmanager
def control_socket(directory: str) -> Iterator[str]:
    """Give a name for the socket in `directory` on which the supervisor takes orders, however deep that lies."""
    path = Path(directory) / "control.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH or not Path("/proc/self/fd").exists():
        yield str(path)
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{handle}/{path.name}"
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file at `path`, which exists for that long; waits for other processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _lock(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _lock(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        # The holder before us has removed the file: a third process may have made and locked a new one.
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)
