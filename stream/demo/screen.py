"""Show the demo on a terminal, as plain lines elsewhere, or as a picture.

In:  what the workers show, again and again.
Out: a picture of the moment that replaces the last one; or one line every few seconds.
"""

import io
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.live import Live

from stream.demo.scrape import Seen
from stream.demo.view import Link, live_view, plain_line
from stream.model.funnel import Funnel

PLAIN_LINE_S = 2.0
RATE_OVER_LOOKS = 6  # events/s over a few seconds: from one look to the next it jumps with every batch
PICTURE_COLUMNS = 88

Draw = Callable[[Seen], None]


@contextmanager
def screen(console: Console, funnels: Sequence[Funnel], links: Sequence[Link]) -> Iterator[Draw]:
    """Give a function that draws; what it drew last stays on the screen."""
    looks: deque[Seen] = deque(maxlen=RATE_OVER_LOOKS)
    drawing = _on_terminal if console.is_terminal and not console.is_dumb_terminal else _as_lines
    with drawing(console, funnels, links, looks) as draw:

        def take(seen: Seen) -> None:
            draw(seen)
            looks.append(seen)

        yield take


@contextmanager
def _on_terminal(
    console: Console, funnels: Sequence[Funnel], links: Sequence[Link], looks: Sequence[Seen]
) -> Iterator[Draw]:
    with Live(console=console, auto_refresh=False) as live:

        def draw(seen: Seen) -> None:
            before = looks[0] if looks else None
            live.update(live_view(funnels, seen, before, links, console.height), refresh=True)

        yield draw


@contextmanager
def _as_lines(
    console: Console, funnels: Sequence[Funnel], _links: Sequence[Link], looks: Sequence[Seen]
) -> Iterator[Draw]:
    due = time.monotonic()

    def draw(seen: Seen) -> None:
        nonlocal due
        if seen.at_s >= due:
            due = seen.at_s + PLAIN_LINE_S
            say(console, plain_line(funnels[0], seen, looks[0] if looks else None))

    yield draw


def say(console: Console, text: str, style: str = "") -> None:
    """Print a line as it is: not wrapped, nothing in it taken for markup, and at once (rich flushes)."""
    console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)


def draw_picture(path: Path, funnels: Sequence[Funnel], seen: Seen, before: Seen, links: Sequence[Link]) -> None:
    """Write the live view of the first funnel to an SVG file."""
    paper = Console(record=True, width=PICTURE_COLUMNS, file=io.StringIO(), force_terminal=True)
    paper.print(live_view(funnels[:1], seen, before, links))
    # Without rich's web fonts: a picture loads nothing from elsewhere.
    form = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    paper.save_svg(str(path), title="make demo", code_format=form)
