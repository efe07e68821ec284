"""`funnel top` on a real terminal and without one: it shows, follows keys, waits for a server that is away, ends."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.api import Api
from support.rollups import shop_rollup, shop_source

ROOT = Path(__file__).parents[3]
DEADLINE_S = 30.0


@pytest.fixture
def api(tmp_path):
    api = Api(tmp_path)
    api.publish(shop_source(shop_rollup()))
    yield api
    api.stop()


def top(api, *options, **streams):
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    command = [sys.executable, "-m", "stream", "top", "--url", api.url, *options]
    # A shell's background jobs begin with SIGINT ignored, and hand that on; these are in the foreground.
    with _heard(signal.SIGINT):
        return subprocess.Popen(command, cwd=ROOT, env=environ, **streams)


@contextlib.contextmanager
def _heard(number):
    before = signal.signal(number, signal.default_int_handler)  # what is caught is the default again after exec
    try:
        yield
    finally:
        signal.signal(number, before)


class Terminal:
    """A terminal with `funnel top` in it."""

    def __init__(self, api):
        self._ours, theirs = pty.openpty()
        self.process = top(api, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)

    def wait_for(self, pattern):
        """Read on until the text matches."""
        text, deadline = "", time.monotonic() + DEADLINE_S
        while not re.search(pattern, text):
            assert time.monotonic() < deadline, text
            if select.select([self._ours], [], [], 0.1)[0]:
                text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(self._ours, 65_536).decode(errors="replace"))

    def press(self, key):
        os.write(self._ours, key.encode())

    def end(self):
        """Read on until it has ended; returns its exit status."""
        with contextlib.suppress(OSError):  # nobody holds the other side any more
            while os.read(self._ours, 65_536):
                pass
        return self.process.wait(DEADLINE_S)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(api):
    terminal = Terminal(api)
    yield terminal
    terminal.close()


def test_keys_switch_what_is_shown_until_q(terminal):
    terminal.wait_for("attempts that entered in the last 1h, so far")
    terminal.press("b")
    terminal.wait_for("by channel")
    terminal.press("c")
    terminal.wait_for("people that entered in this day, so far")
    terminal.press("q")
    assert terminal.end() == 0


def test_a_server_that_goes_away_is_waited_for(terminal, api):
    terminal.wait_for("ready")
    api.stop()
    terminal.wait_for("does not answer")
    assert terminal.process.poll() is None


def test_ctrl_c_ends_it(terminal):
    terminal.wait_for("attempts")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0


def test_without_a_terminal_there_are_lines(api):
    running = top(api, "--counts", "people", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert re.match(
            r"shop: Product seen \d+ > Cart filled \d+ > Paid \d+ \| conversion ", running.stdout.readline()
        )
        running.send_signal(signal.SIGINT)
        assert running.wait(DEADLINE_S) == 0
    finally:
        running.kill()
        running.communicate()


def test_nobody_there_ends_it_with_a_reason(api):
    api.stop()
    ended = subprocess.run(
        [sys.executable, "-m", "stream", "top", "--url", api.url], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"funnel: {api.url} does not answer")
