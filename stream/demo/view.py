"""The live view: funnels by step, what the pipeline does, where to look further.

In:  what the workers show (`Seen`), now and a moment before.
Out: something rich can draw; and one plain line for output that is no terminal.
"""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stream.demo.scrape import Seen
from stream.metrics import names
from stream.model.funnel import Funnel
from stream.model.verdict import Verdict

WINDOW = "1h"
BAR = 16


def live_view(
    funnels: Sequence[Funnel], seen: Seen, before: Seen | None, links: Sequence[tuple[str, str]]
) -> RenderableType:
    """Return the whole picture."""
    parts: list[RenderableType] = []
    for funnel in funnels:
        parts += [funnel_table(funnel, seen), Text()]
    return Group(*parts, pipeline_text(seen, before), Text(), links_text(links))


def funnel_table(funnel: Funnel, seen: Seen) -> Table:
    """Return one funnel's steps over the last hour by entry time."""
    labels = {
        "funnel": funnel.name,
        "version": str(funnel.version),
        "window": WINDOW,
        "form": "rolling",
        "breakdown": "",
        "segment": "",
    }
    table = Table(
        title=f"{funnel.title or funnel.name} · entered in the last {WINDOW}",
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 1),
    )
    table.add_column("step", no_wrap=True, min_width=max(len(step.name) for step in funnel.steps[:20]))
    table.add_column("", min_width=BAR, no_wrap=True)
    for name in ("reached", "conv.", "drop", "pending", "p50"):
        table.add_column(name, justify="right", no_wrap=True, min_width=7)
    entered = seen.value(names.ENTERED, **labels) or 0
    for number, step in enumerate(funnel.steps, start=1):
        at = labels | {"step": str(number)}
        reached = seen.value(names.REACHED, **at) or 0
        filled = round(BAR * reached / entered) if entered else 0
        time_s = seen.value(names.WINDOW_STEP_TIME, **at, quantile="0.5") if number > 1 else None
        table.add_row(
            step.name,
            Text("█" * filled + "·" * (BAR - filled), style="cyan"),
            f"{reached:,.0f}",
            percent(seen.value(names.STEP_CONVERSION, **at)),
            percent(seen.value(names.STEP_DROPOFF, **at)),
            count(seen.value(names.PENDING, **at)),
            "" if time_s is None else f"{time_s:.0f} s",
        )
    table.add_row(
        Text("overall", style="bold"),
        "",
        count(seen.value(names.CONVERTED, **labels)),
        percent(seen.value(names.CONVERSION, **labels)),
        percent(seen.value(names.DROPOFF, **labels)),
        "",
        "",
        style="bold",
    )
    return table


def pipeline_text(seen: Seen, before: Seen | None) -> Text:
    """Return records by verdict, rate, lag and readiness."""
    verdicts = "  ".join(
        f"{verdict.label} {seen.value(names.RECORDS, verdict=verdict.label) or 0:,.0f}" for verdict in reversed(Verdict)
    )
    lag = seen.total(names.LAG_RECORDS)
    answering = sum(page is not None for page in seen.own)
    return Text(
        f"records  {verdicts}\n"
        f"pipeline {rate(seen, before):,.0f} events/s  lag {lag:,.0f} records  workers {answering} of {len(seen.own)}  "
        f"dead letters {seen.total(names.DEAD_LETTERS):,.0f}"
    )


def rate(seen: Seen, before: Seen | None) -> float:
    """Return records per second between two looks."""
    if before is None or seen.at_s <= before.at_s:
        return 0.0
    counted = seen.total(names.WORKER_RECORDS) - before.total(names.WORKER_RECORDS)
    return max(0.0, counted / (seen.at_s - before.at_s))


def links_text(links: Sequence[tuple[str, str]]) -> Text:
    """Return where to look further."""
    lines = [f"{name:<10} {link}" for name, link in links]
    return Text("\n".join([*lines, "Ctrl-C stops everything"]), style="dim", no_wrap=True)


def plain_line(funnel: Funnel, seen: Seen, before: Seen | None) -> str:
    """Return one line about one funnel."""
    labels = {
        "funnel": funnel.name,
        "version": str(funnel.version),
        "window": WINDOW,
        "form": "rolling",
        "breakdown": "",
        "segment": "",
    }
    steps = " > ".join(
        f"{step.name} {seen.value(names.REACHED, **labels, step=str(number)) or 0:,.0f}"
        for number, step in enumerate(funnel.steps, start=1)
    )
    overall = percent(seen.value(names.CONVERSION, **labels))
    return f"{funnel.name}: {steps} | conversion {overall or '-'} | {rate(seen, before):,.0f} events/s"


def percent(share: float | None) -> str:
    """Return a share as text, nothing if it is absent."""
    return "" if share is None else f"{100 * share:.1f} %"


def count(number: float | None) -> str:
    """Return a count as text, nothing if it is absent."""
    return "" if number is None else f"{number:,.0f}"
