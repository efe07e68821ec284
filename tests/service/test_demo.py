"""The demo ends by itself with equal numbers, and leaves nothing running."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.service

ROOT = Path(__file__).parents[2]
DEADLINE_S = 90.0


def start(stack, *arguments):
    environ = {**os.environ, **stack.environ}
    command = [sys.executable, "-m", "stream", "demo", "--rate", "300", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def processes_with(text):
    """Ids of processes whose command line holds `text`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if text.encode() in line:
                found.append(int(folder.name))
    return found


def folder_of(process):
    """Read the demo's output until it names its folder."""
    for line in process.stdout:
        found = re.match(r"logs +(\S+)", line)
        if found:
            return found.group(1)
    raise AssertionError("the demo ended without naming its folder")


def wait_gone(text):
    deadline = time.monotonic() + DEADLINE_S
    while processes_with(text):
        assert time.monotonic() < deadline, f"still running: {processes_with(text)}"


def test_it_ends_by_itself_and_its_numbers_are_equal(stack):
    process = start(stack, "--seconds", "8")
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, output
    assert output.count("holds") == 4
    assert output.rstrip().endswith("equal")
    assert "NOT EQUAL" not in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_nothing_is_left_running_after(stack, number):
    process = start(stack)
    folder = folder_of(process)
    assert processes_with(folder)
    process.send_signal(number)
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == (0 if number is signal.SIGINT else -signal.SIGKILL), output
    wait_gone(folder)
