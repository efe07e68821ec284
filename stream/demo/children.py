"""The demo's child processes: workers and simulator, each with a log file, none outliving the demo.

In:  arguments of the `funnel` command.
Out: running children; if one ends too early, an error with the end of its log.
"""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from stream.errors import DemoError
from stream.stack.launch import log_tail
from stream.stack.processes import dying_with_parent

STOP_SECONDS = 15.0


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
                # Ctrl-C in the terminal is for the demo alone: it stops its children in order.
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise `DemoError` if the process has ended."""
        status = self._process.poll()
        if status is not None:
            raise DemoError(f"{self.name} ended with status {status}; the end of its log:\n{log_tail(self.log, 20)}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask the process to end, wait for it, and end it if it does not."""
        if self._process.poll() is not None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
