"""Documents as tables for a person, made for 80 columns.

In:  documents of `analyze.forms`.
Out: lines and tables on a console.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import UNSET, UnsetType
from rich.console import Console
from rich.table import Table

from stream.analyze.forms import (
    ActorsDoc,
    AnalysisDoc,
    BreakdownDoc,
    DurationDoc,
    FunnelDoc,
    LiveFunnelDoc,
    NextActionsDoc,
    OutcomeDoc,
    PercentilesDoc,
    PeriodDoc,
    PreviousDoc,
    RecordsDoc,
    ReportDoc,
    StepDoc,
)
from stream.model.funnel import PeriodUnit
from stream.model.result import DURATION_BOUNDS_S

MAX_ROWS = 20
"""Segments and periods that are shown; --json has all."""
NAME_WIDTH = 24
BAR_WIDTH = 24
_SCALES = ((3_600.0, "h"), (60.0, "m"), (1.0, "s"))
_DAY_S, _YEAR_S = 86_400, 31_536_000


def console(*, stderr: bool = False) -> Console:
    """Return a console that takes names from outside as they are: no markup, no emoji."""
    return Console(markup=False, highlight=False, emoji=False, stderr=stderr)


def show_analysis(document: AnalysisDoc, out: Console, *, times: bool = False) -> None:
    """Print an analysis. times: with percentiles and the histogram of the time to convert."""
    out.print(f"{safe(document.source.name)} as of {document.as_of or 'never: it holds no valid record'}")
    _show_records(document.records, out)
    if document.ahead_of_as_of:
        out.print(f"{document.ahead_of_as_of} events after that instant are left out")
    for funnel in document.funnels:
        _show_funnel(funnel, out, times=times)


def _show_funnel(funnel: FunnelDoc, out: Console, *, times: bool = False) -> None:
    out.print()
    title = f" · {safe(funnel.title)}" if funnel.title else ""
    out.print(f"{funnel.funnel}@{funnel.version}{title} · window {round_duration(funnel.window_seconds)}")
    actors = funnel.actors
    _show_outcome(funnel.attempts, out)
    whose = f"actors   {actors.entered} unique"
    if actors.distinct is not UNSET:
        whose = f"units    {actors.entered} of {actors.distinct} actors"
    out.print(f"{whose}, {actors.converted} converted ({percent(actors.conversion)})")
    _show_steps(funnel.attempts, out, actors)
    _show_times(funnel.attempts, out)
    if times:
        _show_percentiles(funnel.attempts, out)
        _show_histogram(funnel.attempts.time_to_convert, out)
    if funnel.next_actions is not UNSET:
        _show_next_actions(funnel.next_actions, out)
    _show_values(funnel.attempts, out)
    for breakdown in funnel.breakdowns:
        _show_breakdown(breakdown, out)
    _show_trend(funnel, out)


def _show_records(records: RecordsDoc, out: Console) -> None:
    names = [name for name in records.__struct_fields__ if name != "consumed"]
    counts = ", ".join(f"{getattr(records, name)} {name}" for name in names if getattr(records, name))
    out.print(f"{records.consumed} records: {counts or 'none'}")


def _show_outcome(outcome: OutcomeDoc, out: Console) -> None:
    excluded = f", {outcome.excluded} excluded" if outcome.excluded else ""
    out.print(
        f"attempts {outcome.entered} entered: {outcome.converted} converted ({percent(outcome.conversion)}), "
        f"{outcome.dropped} dropped ({percent(outcome.dropoff)}){excluded}, {outcome.pending} pending"
    )


def _show_steps(outcome: OutcomeDoc, out: Console, actors: ActorsDoc | None = None) -> None:
    is_open = outcome.steps[0].entered_at is not UNSET
    entered = ["entered"] if is_open else []
    excluded = ["excluded"] if outcome.excluded else []
    columns = ["step", *entered, "reached", "of all", "goes on", "drop-off", "dropped", *excluded, "pending"]
    if actors is not None:
        columns.append("actors" if actors.distinct is UNSET else "units")
    table = _table("", *columns)
    for step in outcome.steps:
        is_optional = step.optional is True
        row = [f"{step.step} {_step_name(step)}"]
        if is_open:
            row.append("-" if step.entered_at is UNSET else str(step.entered_at))
        row += [str(step.reached), percent(step.reached_share), percent(step.conversion), percent(step.dropoff)]
        stopped = [step.dropped, *([step.excluded] if excluded else []), step.pending]
        row += ["-" if is_optional else str(count) for count in stopped]
        if actors is not None:
            row.append(str(actors.steps[step.step - 1].reached))
        table.add_row(*row)
    out.print(table)


def _show_times(outcome: OutcomeDoc, out: Console) -> None:
    timed = [step for step in outcome.steps if step.from_previous is not None]
    if not timed:
        return
    has_entry = any(step.from_entry is not UNSET for step in timed)
    entry_columns = ["from entry: median", "mean"] if has_entry else []
    table = _table("Time to step", "step", "from previous: median", "mean", *entry_columns)
    for step in timed:
        row = [f"{step.step} {_step_name(step)}", *_times(step.from_previous)]
        table.add_row(*row, *(_times(step.from_entry) if has_entry else []))
    out.print(table)


def _times(times: DurationDoc | UnsetType | None) -> list[str]:
    if times is None or times is UNSET:
        return ["-", "-"]
    median = times.median_seconds
    if median is UNSET:
        bucketed = times.median_seconds_from_buckets
        return ["-" if bucketed is UNSET else f"~{duration(bucketed)}", duration(times.mean_seconds)]
    return [duration(median), duration(times.mean_seconds)]


def _show_percentiles(outcome: OutcomeDoc, out: Console) -> None:
    names = PercentilesDoc.__struct_fields__
    table = _table("Time to convert, and from the previous step: percentiles", "", "timed", *names)
    rows = [("all steps", outcome.time_to_convert)]
    rows += [(f"{step.step} {_step_name(step)}", step.from_previous) for step in outcome.steps]
    for label, times in rows:
        if times is not None and times.percentiles_seconds is not UNSET:
            found = times.percentiles_seconds
            table.add_row(label, str(times.timed), *[duration(getattr(found, name)) for name in names])
    if table.row_count:
        out.print(table)


def _show_histogram(times: DurationDoc | None, out: Console) -> None:
    """Show the buckets from the first that holds any time to the last."""
    if times is None or times.histogram is UNSET:
        return
    bounds = (*DURATION_BOUNDS_S, None)
    counts = {bucket.at_most_seconds: bucket.timed for bucket in times.histogram}
    places = [place for place, bound in enumerate(bounds) if bound in counts]
    most = max(counts.values())
    table = _table("Time to convert", "at most", "converted", "share", "")
    table.columns[-1].justify = "left"
    for bound in bounds[places[0] : places[-1] + 1]:
        count = counts.get(bound, 0)
        bar = "█" * (count * BAR_WIDTH // most) or ("▏" if count else "")
        label = f"over {round_duration(DURATION_BOUNDS_S[-1])}" if bound is None else round_duration(bound)
        table.add_row(label, str(count), percent(count / times.timed), bar)
    out.print(table)


def _show_next_actions(steps: Sequence[NextActionsDoc], out: Console) -> None:
    table = _table("Next after a drop", "dropped at", "next event", "attempts", "share")
    table.columns[1].justify = "left"
    for step in steps:
        rows = [(_name(event.event), event.attempts) for event in step.events]
        rows += [("(nothing in the window)", step.nothing)] if step.nothing else []
        for number, (name, count) in enumerate(rows):
            label = "" if number else f"{step.step} {_name(step.name)}"
            table.add_row(label, name, str(count), percent(count / step.dropped))
    if table.row_count:
        out.print(table)


def _show_values(outcome: OutcomeDoc, out: Console) -> None:
    table = _table("Value", "step", "currency", "total", "events", "average")
    for step in outcome.steps:
        for value in step.values:
            average = f"{float(value.average):.2f}"
            table.add_row(
                f"{step.step} {_step_name(step)}", safe(value.currency) or "-", value.total, str(value.events), average
            )
    if table.row_count:
        out.print(table)


def _show_breakdown(breakdown: BreakdownDoc, out: Console) -> None:
    table = _table(f"By {safe(breakdown.name)}", "segment", "entered", "converted", "conversion", "pending", "actors")
    for segment in breakdown.segments[:MAX_ROWS]:
        attempts, actors = segment.attempts, segment.actors
        table.add_row(
            _name(segment.segment),
            str(attempts.entered),
            str(attempts.converted),
            percent(attempts.conversion),
            str(attempts.pending),
            "-" if actors is UNSET else str(actors.entered),
        )
    if table.row_count:
        out.print(table)
    _say_more(len(breakdown.segments), "segments", out)


def _show_trend(funnel: FunnelDoc, out: Console) -> None:
    zone = "" if funnel.period_zone == "UTC" else f", {funnel.period_zone}"
    table = _table(f"Trend by {funnel.period_unit}{zone}", *_TREND)
    shown = [(local_start(period.start, funnel), period) for period in funnel.trend[-MAX_ROWS:]]
    for start, period in shown:
        table.add_row(start, *_trend_row(period))
    if table.row_count:
        out.print(table)
    _say_more(len(funnel.trend), "periods, the last are shown", out)
    _show_changes(funnel.period_unit, [(start, row, row.previous) for start, row in shown if row.previous], out)


_TREND = ("entered from", "entered", "converted", "conversion", "pending", "actors")


def local_start(start: str, funnel: FunnelDoc) -> str:
    """Return when a period begins by the clocks of its zone; hours say which offset, as clocks that go back repeat."""
    if funnel.period_zone == "UTC":
        return start[:16].replace("T", " ")
    local = datetime.fromisoformat(start).astimezone(ZoneInfo(funnel.period_zone))
    return local.strftime("%Y-%m-%d %H:%M%z" if funnel.period_unit == PeriodUnit.HOUR else "%Y-%m-%d %H:%M")


def _trend_row(period: PeriodDoc) -> list[str]:
    attempts = period.attempts
    return [
        str(attempts.entered),
        str(attempts.converted),
        percent(attempts.conversion),
        str(attempts.pending),
        str(period.actors.entered),
    ]


def _show_changes(unit: str, rows: Sequence[tuple[str, PeriodDoc, PreviousDoc]], out: Console) -> None:
    """Show attempts beside those of the period before; what is not matured is said to be so far."""
    columns = ("entered from", "entered", "before", "change", "conversion", "before", "change")
    table = _table(f"Against the {unit} before", *columns)
    for start, period, previous in rows:
        now, before, change = period.attempts, previous.attempts, previous.attempts_change
        table.add_row(
            start,
            str(now.entered),
            str(before.entered),
            growth(change.entered),
            percent(now.conversion),
            percent(before.conversion),
            "-" if change.conversion is None else f"{change.conversion * 100:+.1f} pp",
        )
    if table.row_count:
        out.print(table)
    so_far = [(start, previous) for start, period, previous in rows if not period.is_matured]
    if so_far:
        out.print(
            f"so far, from {so_far[0][0]} on: some may still enter or convert; the {unit} before is counted as it "
            f"stood when it was as old (for the last row as of {so_far[-1][1].as_of})"
        )


def _say_more(count: int, what: str, out: Console) -> None:
    if count > MAX_ROWS:
        out.print(f"  {count} {what} (--json has all)")


# --- live


def show_report(document: ReportDoc, out: Console) -> None:
    """Print live numbers."""
    out.print(f"live as of {document.as_of or 'never: no valid record was counted'}")
    _show_records(document.records, out)
    table = _table("Partitions", "partition", "next offset", "lag", "watermark", "consumed", "gaps")
    for head in document.partitions:
        table.add_row(
            str(head.partition),
            str(head.next_offset),
            "?" if head.lag is None else str(head.lag),
            head.watermark or "-",
            str(head.records.consumed),
            str(head.gaps),
        )
    out.print(table)
    if document.without_head:
        out.print(f"not taken over yet: partitions {', '.join(map(str, document.without_head))}")
    for funnel in document.funnels:
        _show_live_funnel(funnel, out)
    _show_lines("conservation laws", document.broken_laws, out)
    if document.differences is not UNSET:
        _show_lines("equality with the analysis", document.differences, out)


def _show_live_funnel(funnel: LiveFunnelDoc, out: Console) -> None:
    out.print()
    out.print(f"{funnel.key}{f' · {safe(funnel.title)}' if funnel.title else ''} · since {funnel.since or '-'}")
    for split in funnel.total:
        if not split.breakdown:
            _show_outcome(split.attempts, out)
            _show_steps(split.attempts, out)
            _show_times(split.attempts, out)
            _show_values(split.attempts, out)
    rows = [
        (f"{row.window}{' matured' if row.matured else ''}", row.breakdown, row.segment, row.attempts)
        for row in funnel.windows
    ]
    _show_rows("Rolling windows", "window", rows, out)
    periods = [(row.start[:16].replace("T", " "), row.breakdown, row.segment, row.actors) for row in funnel.periods]
    _show_rows("Unique actors", "entered from", periods, out)
    units = [
        f"{row.start[:16].replace('T', ' ')} {row.distinct}" for row in funnel.periods if row.distinct is not UNSET
    ]
    if units:
        out.print(f"Counted are units; they are of so many actors: {', '.join(units)}")
    _show_rows("Segments", "", [("", row.breakdown, row.segment, row.attempts) for row in funnel.total], out)
    for standing in funnel.occupancy:
        if not standing.breakdown:
            stages = enumerate(zip(funnel.steps, standing.standing, strict=True), start=1)
            optional = [] if funnel.optional_steps is UNSET else funnel.optional_steps
            places = [f"{name} {count}" for step, (name, count) in stages if step not in optional]
            out.print(f"standing at each stage: {', '.join(places)}", soft_wrap=True)


def _show_rows(title: str, first: str, rows: Iterable[tuple[str, str, str, OutcomeDoc]], out: Console) -> None:
    """Show the whole funnel's rows, or where there is no first column those of segments."""
    table = _table(title, first or "segment", "entered", "converted", "conversion", "drop-off", "pending")
    for label, breakdown, segment, outcome in rows:
        if bool(breakdown) == bool(first) or table.row_count >= MAX_ROWS or not outcome.entered:
            continue
        table.add_row(
            label if first else _name(f"{breakdown}={segment}"),
            str(outcome.entered),
            str(outcome.converted),
            percent(outcome.conversion),
            percent(outcome.dropoff),
            str(outcome.pending),
        )
    if table.row_count:
        out.print(table)


def _show_lines(what: str, lines: Sequence[str], out: Console) -> None:
    out.print(f"{what}: {'hold' if not lines else f'{len(lines)} broken'}")
    for line in lines[:MAX_ROWS]:
        out.print(f"  {safe(line)}", soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        is_first = number == 0
        table.add_column(column, justify="left" if is_first else "right", no_wrap=is_first, overflow="ellipsis")
    return table


def _step_name(step: StepDoc) -> str:
    """Return a step's name; that of an optional one stands in brackets."""
    return f"[{_name(step.name)}]" if step.optional is True else _name(step.name)


def _name(text: str) -> str:
    own = safe(text)
    return own if len(own) <= NAME_WIDTH else f"{own[: NAME_WIDTH - 1]}…"


def percent(share: float | None) -> str:
    """Return a share for people; what is not all, or not none, never reads as if it were."""
    if share is None:
        return "-"
    text = f"{share:.1%}"
    return ">99.9%" if text == "100.0%" and share < 1 else "<0.1%" if text == "0.0%" and share > 0 else text


def growth(change: float | None) -> str:
    """Return a change in percent for people; what is not all gone never reads as if it were."""
    if change is None:
        return "-"
    return f"{max(change, -0.999) if change > -1 else change:+.1%}"


def duration(seconds: float) -> str:
    """Return seconds in the unit that fits, to three digits; from a day on in two (`3 w 2 d`; a year is 365 d)."""
    if seconds < _DAY_S:
        scale, unit = next(((scale, unit) for scale, unit in _SCALES if seconds >= scale), (0.001, "ms"))
        return f"{seconds / scale:.0f} {unit}" if seconds / scale >= 100 else f"{seconds / scale:.3g} {unit}"
    hours, days = round(seconds / 3_600), round(seconds / _DAY_S)
    if hours < 7 * 24:
        return _in_two(hours, 24, "d", "h")
    return _in_two(days, 7, "w", "d") if days < 365 else _in_two(days, 365, "y", "d")


def _in_two(number: int, per: int, large: str, small: str) -> str:
    whole, rest = divmod(number, per)
    return f"{whole} {large} {rest} {small}" if rest else f"{whole} {large}"


def round_duration(seconds: float) -> str:
    """Return a limit that somebody chose: whole days as days, whole years as years, others as `duration` does."""
    if seconds >= _DAY_S and not seconds % _DAY_S:
        return f"{seconds / _DAY_S:.0f} d" if seconds % _YEAR_S else f"{seconds / _YEAR_S:.0f} y"
    return duration(seconds)


def safe(text: str) -> str:
    """Names from outside must not steer the terminal."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)
