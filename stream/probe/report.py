"""Findings for a person to read in a terminal.

In:  findings.
Out: lines and tables on a console.
"""

from rich.console import Console
from rich.table import Table

from stream.probe.findings import Findings, Percentiles, Reading

MAX_ROWS = 40
_SCALES = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms"))


def show(findings: Findings) -> None:
    """Print the findings on standard output."""
    # No markup: names of events come from outside. Lines are left to the terminal to wrap.
    console = Console(markup=False, highlight=False, emoji=False, soft_wrap=True)
    total = "" if findings.total_records is None else f" of {findings.total_records}"
    kind = f"topic, {findings.partitions} partitions" if findings.is_topic else "file"
    console.print(f"{_safe(findings.origin)} ({kind}): {findings.records} records{total} read")
    if findings.records:
        _show_mapping(findings, console)
        _show_fields(findings, console)
    if findings.mapped:
        _show_events(findings, console)
        _show_log(findings, console)
    for note in findings.notes:
        console.print(f"note: {_safe(note)}")
    if findings.mapped:
        console.print("\nTo paste into config/tracker.yaml:\n")
        console.print(findings.config)


def _show_mapping(findings: Findings, console: Console) -> None:
    console.print(f"\nMapping: {_mapping(findings.reading)} reads {_percent(findings.mapped / findings.records)}")
    for reason, count in findings.invalid.items():
        console.print(f"  {_percent(count / findings.records)} are no events: {reason}")
    others = [f"{_mapping(each)} {_percent(each.share)}" for each in findings.readings[1:] if each.share > 0]
    if others:
        console.print("  also tried: " + "; ".join(others[:5]))


def _show_fields(findings: Findings, console: Console) -> None:
    table = _table("Fields", "path", "in", "type", "looks like", "read as")
    for field in findings.fields[:MAX_ROWS]:
        looks = _safe(field.example) or ", ".join(field.shapes)
        table.add_row(_safe(field.path), _percent(field.share), ", ".join(field.types), looks, field.role)
    console.print(table)
    if len(findings.fields) > MAX_ROWS:
        console.print(f"  and {len(findings.fields) - MAX_ROWS} more (--json lists them)")


def _show_events(findings: Findings, console: Console) -> None:
    table = _table("Events", "name", "count", "share")
    for name, count in list(findings.names.items())[:MAX_ROWS]:
        table.add_row(_safe(name), str(count), _percent(count / findings.mapped))
    console.print(table)
    for funnel in findings.funnels:
        table = _table(f"Funnel {funnel.key}", "step", "events", "matches", "")
        for step in funnel.steps:
            hint = f"did you mean {', '.join(step.did_you_mean)}?" if step.did_you_mean else "not in the sample"
            matches = str(step.matches) if step.matches else "none"
            table.add_row(step.name, ", ".join(step.events), matches, "" if step.matches else _safe(hint))
        console.print(table)


def _show_log(findings: Findings, console: Console) -> None:
    console.print()
    if findings.key_is_actor_share is not None:
        console.print(f"Record key is the actor: {_percent(findings.key_is_actor_share)}")
    if findings.duplicate_share is not None:
        console.print(f"Duplicates (same actor, id, time): {_percent(findings.duplicate_share)}")
    if findings.future_share is not None:
        console.print(f"Future (beyond max_future_skew): {_percent(findings.future_share)}")
    if findings.delay is not None:
        console.print(f"Delay (record time - event time): {_percentiles(findings.delay)}")
    if findings.behind is not None and findings.late_share is not None:
        console.print(f"Behind the watermark: {_percentiles(findings.behind)}")
        console.print(
            f"Suggested allowed_lateness: {findings.allowed_lateness} ({_percent(findings.late_share)} would be late)"
        )


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in {"in", "count", "share", "matches"} else "left")
    return table


def _mapping(reading: Reading) -> str:
    changes = [f"{role} {' or '.join(paths)}" for role, paths in reading.fields.items()]
    if reading.time_unit != "ms":
        changes.append(f"time in {reading.time_unit}")
    text = reading.preset + (f" with {', '.join(changes)}" if changes else "")
    return _safe(f"{text} (as configured)" if reading.is_configured else text)


def _percent(share: float) -> str:
    text = f"{share:.1%}"
    # What is not all, or not none, must not read as if it were.
    return "> 99.9%" if text == "100.0%" and share < 1 else "< 0.1%" if text == "0.0%" and share > 0 else text


def _percentiles(found: Percentiles) -> str:
    named = (("p50", found.p50), ("p90", found.p90), ("p99", found.p99), ("p99.9", found.p999), ("max", found.max))
    return "  ".join(f"{name} {_duration(ms)}" for name, ms in named)


def _duration(ms: int) -> str:
    scale, unit = next(((scale, unit) for scale, unit in _SCALES if abs(ms) >= scale), (1, "ms"))
    return f"{ms / scale:.3g} {unit}" if scale > 1 else f"{ms} {unit}"


def _safe(text: str) -> str:
    """Names from outside must not steer the terminal."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)
