"""The live view: funnels by step, what the pipeline does, where to look further.

In:  what the workers show (`Seen`), now and a moment before.
Out: something rich can draw; and one plain line for output that is no terminal.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stream.demo.scrape import READY, Seen
from stream.metrics import names
from stream.model.funnel import Funnel
from stream.model.verdict import Verdict

WINDOW = "1h"
BAR = 16
LINES_AROUND = 4
"""Of a funnel's table beside its steps: title, heads, overall, and the empty line below."""


class Link(NamedTuple):
    """Where to look further. `extra`: a word that leads to `url` in a terminal that knows links; `text` is shown."""

    name: str
    text: str
    extra: str = ""
    url: str = ""


def live_view(
    funnels: Sequence[Funnel], seen: Seen, before: Seen | None, links: Sequence[Link], height: int | None = None
) -> RenderableType:
    """Return the whole picture; with a height (lines), as many funnels as fit, the first one always."""
    below = about(seen, before, links)
    shown = funnels if height is None else fitting(funnels, height - below.row_count - 2)
    if len(shown) < len(funnels):
        below.add_row("", Text(f"{len(funnels) - len(shown)} more funnels in a higher terminal", style="dim"))
    tables = [part for funnel in shown for part in (funnel_table(funnel, seen), Text())]
    return Group(*tables, below)


def fitting(funnels: Sequence[Funnel], lines: int) -> list[Funnel]:
    """Return the funnels, from the first on, whose tables fit into so many lines; at least one."""
    shown: list[Funnel] = []
    for funnel in funnels:
        lines -= len(funnel.steps) + LINES_AROUND
        if shown and lines < 0:
            break
        shown.append(funnel)
    return shown


def funnel_table(funnel: Funnel, seen: Seen) -> Table:
    """Return one funnel's steps over the last hour by entry time."""
    labels = _labels(funnel)
    table = Table(
        title=Text(f"{funnel.title or funnel.name}, entered in the last {WINDOW}{_people(funnel, seen)}"),
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 1),
    )
    table.add_column("step", no_wrap=True, min_width=max(map(len, funnel.labels[:20])))
    table.add_column("", min_width=BAR, no_wrap=True)
    for name in ("reached", "conv.", "drop", "pending", "median"):
        table.add_column(name, justify="right", no_wrap=True, min_width=7)
    entered = seen.value(names.ENTERED, **labels) or 0
    for number, label in enumerate(funnel.labels, start=1):
        at = labels | {"step": str(number)}
        reached = seen.value(names.REACHED, **at) or 0
        filled = round(BAR * reached / entered) if entered else 0
        table.add_row(
            label,
            Text("█" * filled + "·" * (BAR - filled), style="cyan"),
            count(reached),
            percent(seen.value(names.STEP_CONVERSION, **at)),
            percent(seen.value(names.STEP_DROPOFF, **at)),
            count(seen.value(names.PENDING, **at)),
            duration(seen.value(names.WINDOW_STEP_TIME, **at, quantile="0.5")),
        )
    table.add_row(
        "overall",
        "",
        count(seen.value(names.CONVERTED, **labels)),
        percent(seen.value(names.CONVERSION, **labels)),
        percent(seen.value(names.DROPOFF, **labels)),
        "",
        duration(seen.value(names.WINDOW_CONVERT_TIME, **labels, quantile="0.5")),
        style="bold",
    )
    return table


def _labels(funnel: Funnel) -> dict[str, str]:
    return {
        "funnel": funnel.name,
        "version": str(funnel.version),
        "counts": "attempts",
        "window": WINDOW,
        "form": "rolling",
        "breakdown": "",
        "segment": "",
    }


def _people(funnel: Funnel, seen: Seen) -> str:
    """Return how many different actors entered in the current period, if the workers say so."""
    own = {"funnel": funnel.name, "version": str(funnel.version), "counts": "people", "form": "current"}
    people = seen.largest(names.ENTERED, **own, breakdown="", segment="")
    return "" if people is None else f" ({people:,.0f} people)"


def about(seen: Seen, before: Seen | None, links: Sequence[Link]) -> Table:
    """Return records by verdict, rate, lag, age and readiness, and where to look further."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    by_verdict = {verdict: seen.value(names.RECORDS, verdict=verdict.label) or 0 for verdict in reversed(Verdict)}
    parts = " + ".join(f"{number:,.0f} {verdict.label}" for verdict, number in by_verdict.items() if number)
    grid.add_row("records", f"{sum(by_verdict.values()):,.0f}{' = ' if parts else ''}{parts}")
    grid.add_row("now", f"{rate(seen, before):,.0f} events/s, {lag(seen)}, {watermark_age(seen, time.time())}")
    for link in links:
        text = Text(link.text)
        if link.extra:
            text.append(" ").append(link.extra, style=f"underline link {link.url}")
        grid.add_row(link.name, text)
        if link.name in (workers := worker_lines(seen)):
            text.append(f" {workers[link.name]}")
    grid.add_row("", Text("Ctrl-C stops everything", style="dim"))
    return grid


def worker_lines(seen: Seen) -> dict[str, str]:
    """Return what each worker says of itself: whether it is ready, and for how many partitions."""
    lines = {}
    for number, (page, said) in enumerate(zip(seen.own, seen.readiness, strict=False), start=1):
        partitions = (page or {}).get((names.WORKER_PARTITIONS.name, ()), 0)
        lines[f"worker {number}"] = f"ready, {partitions:.0f} partitions" if said == READY else said
    return lines


def rate(seen: Seen, before: Seen | None) -> float:
    """Return records per second between two looks."""
    if before is None or seen.at_s <= before.at_s:
        return 0.0
    counted = seen.total(names.WORKER_RECORDS) - before.total(names.WORKER_RECORDS)
    return max(0.0, counted / (seen.at_s - before.at_s))


def lag(seen: Seen) -> str:
    """Return how many records wait, in the log and, where they are repartitioned, in the sources."""
    waiting = seen.total(names.LAG_RECORDS) + seen.total(names.REPARTITION_LAG_RECORDS)
    return f"lag {waiting:,.0f} records"


def watermark_age(seen: Seen, now_s: float) -> str:
    """Return how far the newest event that was counted lies back; `now_s` is Unix time in seconds."""
    mark_s = seen.largest(names.WATERMARK)
    return "no watermark yet" if mark_s is None else f"watermark {max(0.0, now_s - mark_s):.1f} s old"


def plain_line(funnel: Funnel, seen: Seen, before: Seen | None) -> str:
    """Return one line about one funnel; before its first number, what the workers wait for."""
    labels = _labels(funnel)
    if seen.value(names.ENTERED, **labels) is None:
        waits = [f"{name} {said}" for name, said in worker_lines(seen).items()]
        return f"no numbers yet: {'; '.join(waits)}"
    steps = " > ".join(
        f"{label} {seen.value(names.REACHED, **labels, step=str(number)) or 0:,.0f}"
        for number, label in enumerate(funnel.labels, start=1)
    )
    overall = percent(seen.value(names.CONVERSION, **labels))
    return f"{funnel.name}: {steps} | conversion {overall or '-'} | {rate(seen, before):,.0f} events/s, {lag(seen)}"


def percent(share: float | None) -> str:
    """Return a share as text, nothing if it is absent."""
    return "" if share is None else f"{100 * share:.1f} %"


def count(number: float | None) -> str:
    """Return a count as text, nothing if it is absent."""
    return "" if number is None else f"{number:,.0f}"


def duration(seconds: float | None) -> str:
    """Return a time as text, nothing if it is absent."""
    if seconds is None:
        return ""
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:,.0f} min"
