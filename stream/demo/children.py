"""The demo's child processes: workers and simulator, each with a log file, none outliving the demo.

In:  arguments of the `funnel` command.
Out: running children; if one ends too early, an error with the end of its log.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from stream.errors import DemoError
from stream.stack.launch import log_tail
from stream.stack.processes import dying_with_parent

STOP_SECONDS = 15.0
NOT_FOR_CHILDREN = ("FUNNEL_INSTANCE_ID", "FUNNEL_TRACKER", "FUNNEL_WEB_TOKEN")
"""Meant for a worker of the user's: two under one instance id would shut each other out, a token would shut us out."""


class Child:
    """One `funnel ...` process; the kernel ends it if the demo itself is killed."""

    def __init__(self, name: str, folder: Path, arguments: Sequence[str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                dying_with_parent([sys.executable, "-m", "stream", *arguments]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={name: value for name, value in os.environ.items() if name not in NOT_FOR_CHILDREN},
                # Ctrl-C in the terminal is for the demo alone: it stops its children in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    def check(self) -> None:
        """Raise `DemoError` if the process has ended."""
        status = self._process.poll()
        if status is not None:
            raise self._ended(status)

    def finish(self, number: signal.Signals) -> None:
        """Ask a process to end whose work must be complete; raises `DemoError` if its exit status is not 0."""
        stop_all([self], number)
        if self._process.returncode != 0:
            raise self._ended(self._process.returncode)

    def ask(self, number: signal.Signals) -> None:
        """Send a signal, if the process still runs."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, seconds: float) -> None:
        """Wait until the process has ended; kill it if that takes longer."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ended(self, status: int) -> DemoError:
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return DemoError(f"{self.name} (pid {self.pid}) {how}; the end of its log:\n{log_tail(self.log)}")


def stop_all(children: Sequence[Child], number: signal.Signals = signal.SIGTERM) -> None:
    """Ask all of them to end at once, then wait; whoever takes longer than 15 s is killed."""
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        child.ask(number)
    for child in children:
        child.wait(max(0.0, deadline - time.monotonic()))
