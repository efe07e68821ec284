"""The demo's live view: what `funnel top` shows, the incident, the alerts, where to look further.

In:  what was seen.
Out: something rich can draw; one plain line; a picture for the docs.
"""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, RenderableType
from rich.text import Text

from stream.demo.alerts import firing
from stream.demo.incident import Incident
from stream.demo.look import Seen
from stream.terminal.view import Row, grid, health_rows, live_view, plain_line

PICTURE_COLUMNS = 88
SHOWN_ALERTS = 4


class Link(NamedTuple):
    """Where to look further. `extra`: a word that leads to `url` in a terminal that knows links; `text` is shown."""

    name: str
    text: str
    extra: str = ""
    url: str = ""


class Frame(NamedTuple):
    """What stands around the numbers. `page`: the live page's URL."""

    page: str
    links: Sequence[Link]
    incident: Incident | None = None


def picture(seen: Seen, frame: Frame, height: int | None = None) -> RenderableType:
    """Return the whole picture; with a height (lines), as many funnels as fit."""
    rows = list(_rows(seen, frame))
    return grid(rows) if seen.looked is None else live_view(seen.looked, rows, height)


def _rows(seen: Seen, frame: Frame) -> Iterator[Row]:
    if seen.looked is not None:
        yield from health_rows(seen.looked, seen.before)
    if frame.incident is not None:
        begun = frame.incident.has_begun(seen.now_ms)
        yield "incident", Text(frame.incident.text(seen.now_ms), style="yellow" if begun else "dim")
    yield from _alerts(seen)
    for link in frame.links:
        yield link.name, _linked(link, seen)
    yield "live page", Text.assemble((frame.page, f"underline link {frame.page}"), ("  Ctrl-C stops everything", "dim"))


def _alerts(seen: Seen) -> Iterator[Row]:
    texts = firing(seen.alerts)
    for text in texts[:SHOWN_ALERTS]:
        yield "ALERT", Text(text, style="bold red")
    if len(texts) > SHOWN_ALERTS:
        yield "", Text(f"and {len(texts) - SHOWN_ALERTS} more", style="red")


def _linked(link: Link, seen: Seen) -> Text:
    text = Text(link.text)
    if link.extra:
        text.append(" ").append(link.extra, style=f"underline link {link.url}")
    if link.name in (workers := _said(seen)):
        text.append(f" {workers[link.name]}")
    return text


def _said(seen: Seen) -> dict[str, str]:
    """Return what each worker says of itself, by its link's name."""
    return {f"worker {number}": said for number, said in enumerate(seen.workers, start=1)}


def line(seen: Seen) -> str:
    """Return one line about the first funnel; before its first number, what the workers wait for."""
    if seen.looked is None or not seen.is_counting:
        return f"no numbers yet: {'; '.join(f'{name} {said}' for name, said in _said(seen).items())}"
    return plain_line(seen.looked, seen.before)


def draw(path: Path, seen: Seen, frame: Frame) -> None:
    """Write the live view of the first funnel to an SVG file."""
    paper = Console(record=True, width=PICTURE_COLUMNS, file=io.StringIO(), force_terminal=True)
    if seen.looked is not None:
        seen = replace(seen, looked=replace(seen.looked, views=seen.looked.views[:1]))
    paper.print(picture(seen, frame))
    # Without rich's web fonts: a picture loads nothing from elsewhere.
    form = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    paper.save_svg(str(path), title="make demo", code_format=form)
