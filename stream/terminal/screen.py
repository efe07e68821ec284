"""Show something that changes on a terminal, or as plain lines elsewhere.

In:  the same kind of thing again and again, how to draw it, how to say it in a line.
Out: a picture of the moment that replaces the last one; or one line every few seconds.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.live import Live

PLAIN_LINE_S = 2.0

Thing = TypeVar("Thing")


@contextmanager
def screen(
    console: Console,
    picture: Callable[[Thing], RenderableType],
    line: Callable[[Thing], str],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[Thing], None]]:
    """Give a function that shows; what it showed last stays on the screen."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield _lines(console, line, clock)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda thing: live.update(picture(thing), refresh=True)


def _lines(console: Console, line: Callable[[Thing], str], clock: Callable[[], float]) -> Callable[[Thing], None]:
    due = clock()

    def show(thing: Thing) -> None:
        nonlocal due
        if clock() >= due:
            due = clock() + PLAIN_LINE_S
            say(console, line(thing))

    return show


def say(console: Console, text: str, style: str = "") -> None:
    """Print a line as it is: not wrapped, nothing in it taken for markup, and at once (rich flushes)."""
    console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)
