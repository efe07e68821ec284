"""Tell whether a process recorded earlier is still the same one, and end processes with their parent.

In:  process ids.
Out: marks that survive pid reuse and reboots, and command lines that die with whoever starts them.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path

import msgspec

POLL_SECONDS = 0.02  # short beside the start of any service, long beside one look into /proc


class ProcessMark(msgspec.Struct, frozen=True):
    """One process for all time: its pid, when it started, and the boot it belongs to."""

    pid: int
    started: str
    boot: str


def mark(pid: int) -> ProcessMark | None:
    """Mark the process `pid`; None if there is none (a zombie counts as none)."""
    started = _started(pid)
    return None if started is None else ProcessMark(pid, started, _boot())


def is_running(process: ProcessMark | None) -> bool:
    """Tell whether the marked process still runs; another one under the same pid does not count."""
    return process is not None and mark(process.pid) == process


def send(process: ProcessMark, number: signal.Signals) -> bool:
    """Send a signal if the marked process still runs; tell whether it did."""
    if not is_running(process):
        return False
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def wait_gone(process: ProcessMark, seconds: float) -> bool:
    """Wait until the marked process has ended; False if it still runs after `seconds`."""
    deadline = time.monotonic() + seconds
    while is_running(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def dying_with_parent(argv: list[str]) -> list[str]:
    """Wrap a command so that the kernel kills it when the thread that starts it ends (Linux).

    Elsewhere the command is returned as it is: there the supervisor alone looks after its end.
    """
    setpriv = _setpriv()
    return argv if setpriv is None else [setpriv, "--pdeathsig", "KILL", "--", *argv]


@lru_cache(maxsize=1)
def _setpriv() -> str | None:
    if sys.platform != "linux":
        return None
    found = shutil.which("setpriv")
    if found is None:
        return None
    # Busybox has a setpriv without this option.
    probe = [found, "--pdeathsig", "KILL", "--", sys.executable, "-c", ""]
    return found if subprocess.run(probe, check=False, capture_output=True).returncode == 0 else None  # noqa: S603


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    if not Path("/proc/self/stat").exists():
        return _started_by_ps(pid)
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command in brackets may hold spaces and brackets itself: fields count from the last one.
    fields = text.rpartition(")")[2].split()
    state, started = fields[0], fields[19]
    return None if state in "ZX" else started


def _started_by_ps(pid: int) -> str | None:
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()  # noqa: S603
    state, _, started = answer.partition(" ")
    return None if not started or state.startswith("Z") else started.strip()
