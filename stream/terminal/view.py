"""The live view: funnels by step, and how the numbers are kept up.

In:  what a server says (`Looked`), now and a moment before.
Out: something rich can draw; and one plain line for output that is no terminal.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stream.analyze.forms import DurationDoc, OutcomeDoc, StepDoc
from stream.analyze.show import duration, percent, safe
from stream.terminal.client import Looked
from stream.terminal.picks import KEYS
from stream.web.forms import BottleneckDoc, Form, FunnelInfoDoc, HealthDoc, State, Unit, ViewDoc

BAR = 16
LINES_AROUND = 4
"""Of a funnel's table beside its steps: title, heads, overall, and the empty line below."""
MOST_SEGMENTS = 8
MOST_STEPS_ACROSS = 8
"""Steps whose conversions stand beside one another on 80 columns."""

Row = tuple[str, str | Text]

_WHOLE = {
    Form.ROLLING: "entered in the last {window}, so far",
    Form.MATURED: "entered in {window}, all decided",
    Form.CURRENT: "entered in this {window}, so far",
    Form.PREVIOUS: "entered in the {window} before",
}
_MISSING = {
    State.LIVE: "the funnel did not count yet then",
    State.WAITING: "nothing is counted yet",
    State.STALE: "the numbers are too old to show",
    State.NOT_COUNTED: "no worker counts this funnel yet",
}


def live_view(looked: Looked, rows: Sequence[Row], height: int | None = None) -> RenderableType:
    """Return funnels above rows of names and texts; with a height (lines), as many as fit, the first one always."""
    below = grid(rows)
    shown = looked.views if height is None else fitting(looked.views, height - below.row_count - 2)
    if len(shown) < len(looked.views):
        below.add_row("", Text(f"{len(looked.views) - len(shown)} more funnels in a higher terminal", style="dim"))
    return Group(*(part for info, view in shown for part in funnel_parts(info, view)), below)


def fitting(views: Sequence[tuple[FunnelInfoDoc, ViewDoc]], lines: int) -> list[tuple[FunnelInfoDoc, ViewDoc]]:
    """Return the funnels, from the first on, that fit into so many lines; the first always, if need be unsplit."""
    shown: list[tuple[FunnelInfoDoc, ViewDoc]] = []
    for info, view in views:
        needed = _lines(info, view)
        if shown and needed > lines:
            break
        shown.append((info, view if needed <= lines else msgspec.structs.replace(view, segments=None)))
        lines -= needed
    return shown


def _lines(info: FunnelInfoDoc, view: ViewDoc) -> int:
    segments = min(len(view.segments or ()), MOST_SEGMENTS)
    return len(info.steps) + LINES_AROUND + (view.bottleneck is not None) + (segments + 2 if segments else 0)


def funnel_parts(info: FunnelInfoDoc, view: ViewDoc) -> list[RenderableType]:
    """Return one funnel: its steps, its segments, and an empty line."""
    title = Text(title_of(info, view), style="bold", no_wrap=True, overflow="ellipsis")
    if view.outcome is None:
        return [title, Text(f" {_MISSING[view.state]}", style="dim"), Text()]
    parts: list[RenderableType] = [title, _steps(info, view.outcome)]
    if view.bottleneck is not None:
        parts.append(_bottleneck(view.bottleneck))
    if view.segments:
        parts += [Text(), _segments(info, view)]
    return [*parts, Text()]


def title_of(info: FunnelInfoDoc, view: ViewDoc) -> str:
    """Return whose numbers these are, what they count, and from when, if that is not now."""
    counted = "attempts" if view.choice.counts is Unit.ATTEMPTS else "units" if info.counts_units else "people"
    entered = _WHOLE[view.choice.form].format(window=view.choice.window)
    of_actors = "" if view.distinct is None else f" (of {view.distinct:,} people)"
    old = f"NOT LIVE, as of {view.as_of} - " if view.state is State.STALE else ""
    return f"{old}{safe(info.title) or info.funnel}: {counted} that {entered}{of_actors}"


def _steps(info: FunnelInfoDoc, outcome: OutcomeDoc) -> Table:
    table = _table()
    table.add_column("step", no_wrap=True, overflow="ellipsis", max_width=30)
    table.add_column("", min_width=BAR, no_wrap=True)
    for name in ("reached", "conv.", "drop", "pending", "median"):
        table.add_column(name, justify="right", no_wrap=True, min_width=7)
    for step, about in zip(outcome.steps, info.steps, strict=True):
        is_last = step.step == len(outcome.steps)
        table.add_row(
            _name(f"[{step.name}]" if about.optional else step.name),
            _bar(step),
            f"{step.reached:,}",
            *(["", "", ""] if is_last or about.optional else [*_shares(step), f"{step.pending:,}"]),
            _median(step.from_previous),
        )
    table.add_row(
        "overall", "", f"{outcome.converted:,}", percent(outcome.conversion), percent(outcome.dropoff),
        f"{outcome.pending:,}", _median(outcome.time_to_convert), style="bold",
    )  # fmt: skip
    return table


def _shares(step: StepDoc) -> list[str]:
    return [percent(step.conversion), percent(step.dropoff)]


def _bar(step: StepDoc) -> Text:
    filled = round(BAR * (step.reached_share or 0))
    return Text("█" * filled + "·" * (BAR - filled), style="cyan")


def _median(times: DurationDoc | UnsetType | None) -> str:
    if times is None or times is UNSET or times.median_seconds_from_buckets is UNSET:
        return ""
    return duration(times.median_seconds_from_buckets)


def _bottleneck(found: BottleneckDoc) -> Text:
    lost = f": {found.lost:,} lost ({percent(found.share)})"
    return Text.assemble(" most are lost from ", _name(found.name), " to ", _name(found.next_name), lost)


def _segments(info: FunnelInfoDoc, view: ViewDoc) -> Table:
    """Return the segments side by side: how many entered, and the share that went on from each step."""
    table = _table()
    table.add_column(_name(f"by {view.choice.breakdown}"), no_wrap=True, overflow="ellipsis", max_width=24)
    steps = range(1, len(info.steps)) if len(info.steps) <= MOST_STEPS_ACROSS else range(0)
    for name in ("entered", *[f"{step}→{step + 1}" for step in steps], "overall"):
        table.add_column(name, justify="right", no_wrap=True)
    sides = view.segments or []
    for side in sides[:MOST_SEGMENTS]:
        went_on = [percent(side.step_conversion[step - 1]) for step in steps]
        table.add_row(_name(side.segment), f"{side.entered:,}", *went_on, percent(side.conversion))
    if len(sides) > MOST_SEGMENTS:
        table.add_row(Text(f"and {len(sides) - MOST_SEGMENTS} more", style="dim"))
    return table


def _table() -> Table:
    return Table(box=None, padding=(0, 1))


def _name(text: str) -> Text:
    """Return a name from outside, which is neither markup nor steers the terminal."""
    return Text(safe(text))


def grid(rows: Iterable[Row]) -> Table:
    """Return names with what is to be said of each."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(name, text if isinstance(text, Text) else Text(text))
    return table


def health_rows(looked: Looked, before: Looked | None) -> list[Row]:
    """Return records by verdict, and how fast and how far they are counted."""
    records = looked.health.records
    counts = {name: getattr(records, name) for name in reversed(records.__struct_fields__) if name != "consumed"}
    parts = " + ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    now = f"{speed(looked, before)}{lag(looked.health)}, {watermark_age(looked.health)}"
    return [("records", f"{records.consumed:,}{' = ' if parts else ''}{parts}"), ("now", now)]


def keys_row() -> Row:
    """Return what the keys do."""
    return "", Text("  ".join(f"{key} {does}" for key, does in KEYS.items()), style="dim")


def speed(looked: Looked, before: Looked | None) -> str:
    """Return records per second between two looks, nothing if there is only one."""
    if before is None or looked.at_s <= before.at_s:
        return ""
    counted = looked.health.records.consumed - before.health.records.consumed
    return f"{max(0.0, counted / (looked.at_s - before.at_s)):,.0f} events/s, "


def lag(health: HealthDoc) -> str:
    """Return how many records wait to be counted."""
    known = [partition.lag for partition in health.partitions if partition.lag is not None]
    return f"lag {sum(known):,} records" if known else "lag unknown"


def watermark_age(health: HealthDoc) -> str:
    """Return how far the newest event that was counted lay back when the server read its numbers."""
    marks = [partition.watermark for partition in health.partitions if partition.watermark is not None]
    if not marks or health.read is None:
        return "no watermark yet"
    age = datetime.fromisoformat(health.read) - max(map(datetime.fromisoformat, marks))
    return f"watermark {max(0.0, age.total_seconds()):.1f} s old"


def plain_line(looked: Looked, before: Looked | None) -> str:
    """Return one line about the first funnel."""
    info, view = looked.views[0]
    if view.outcome is None:
        return f"{info.funnel}: {_MISSING[view.state]}"
    steps = " > ".join(f"{safe(step.name)} {step.reached:,}" for step in view.outcome.steps)
    old = "" if view.state is State.LIVE else f"NOT LIVE as of {view.as_of} | "
    return (
        f"{info.funnel}: {steps} | conversion {percent(view.outcome.conversion)} | {old}"
        f"{speed(looked, before)}{lag(looked.health)}"
    )
