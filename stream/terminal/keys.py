"""Read single keys from a terminal, without waiting for Enter.

In:  the terminal on standard input.
Out: one key at a time; the terminal is as before afterwards.
"""

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def keys() -> Iterator[Callable[[float], str]]:
    """Give a function that returns the next key, "" if none comes within so many seconds."""
    if not sys.stdin.isatty():
        yield _no_key
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    try:
        yield lambda seconds: _key(number, seconds)
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _key(number: int, seconds: float) -> str:
    ready, _, _ = select.select([number], [], [], seconds)
    # At its end a terminal is always ready and gives nothing: then the view ends too.
    return (os.read(number, 1) or b"q").decode("ascii", "replace") if ready else ""


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""
