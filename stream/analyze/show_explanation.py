"""An explanation as text for a person, made for 80 columns.

In:  the document of `analyze.explained_forms`.
Out: lines and tables on a console.
"""

from rich.console import Console
from rich.table import Table

from stream.analyze.explained_forms import AttemptDoc, ChainEventDoc, ExplanationDoc, FunnelExplanationDoc, UnitDoc
from stream.analyze.explanation import short_time
from stream.analyze.show import duration, safe

NAME_WIDTH = 18


def show_explanation(document: ExplanationDoc, out: Console) -> None:
    """Print an explanation."""
    out.print(f"actor {safe(document.actor)} in {safe(document.source.name)}")
    out.print(f"as of {document.as_of or 'never: nothing is counted'}")
    for funnel in document.funnels:
        _show_funnel(funnel, out)


def _show_funnel(funnel: FunnelExplanationDoc, out: Console) -> None:
    out.print()
    title = f" · {safe(funnel.title)}" if funnel.title else ""
    where = "" if funnel.partition is None else f" · partition {funnel.partition}"
    out.print(f"{funnel.funnel}@{funnel.version}{title} · window {duration(funnel.window_seconds)}{where}")
    if not funnel.units:
        out.print("no event of the actor has a part in this funnel")
    for unit in funnel.units:
        _show_unit(funnel, unit, out)
    _show_events(funnel, out)


def _show_unit(funnel: FunnelExplanationDoc, unit: UnitDoc, out: Console) -> None:
    if unit.unit:
        out.print("for " + ", ".join(f"{each.property} = {safe(each.value)}" for each in unit.unit))
    if unit.sealed:
        out.print("what is older than the allowed lateness is folded: its events are not known, only what they came to")
    if unit.stage:
        kind = "standing" if unit.stage == len(funnel.steps) else "pending"
        out.print(f"now at step {_step(funnel, unit.stage)}, {kind} until {short_time(unit.until or '')}")
    else:
        out.print("now at no step")
    for attempt in unit.attempts:
        _show_attempt(funnel, attempt, out)
    for period in unit.periods:
        reached = f"reached step {_step(funnel, period.step)}" if period.step else "counts nowhere: removed"
        out.print(f"period {short_time(period.start)}: {reached}")
        if all(period.chain != attempt.chain for attempt in unit.attempts):
            _show_chain(period.chain, out)


def _show_attempt(funnel: FunnelExplanationDoc, attempt: AttemptDoc, out: Console) -> None:
    why = "" if attempt.exclusion is None else f" by exclusion {attempt.exclusion}"
    out.print(f"attempt {attempt.attempt}: {attempt.outcome}{why} at step {_step(funnel, attempt.step)}")
    end = attempt.pending_until or attempt.closed or ""
    word = "pending until" if attempt.closed is None else "closed"
    out.print(f"  entered {short_time(attempt.entered)}, {word} {short_time(end)}")
    _show_chain(attempt.chain, out)


def _show_chain(chain: list[ChainEventDoc], out: Console) -> None:
    for each in chain:
        name = "" if each.name is None else f" {_cut(each.name)}"
        event = "an event that is folded" if each.id is None else safe(each.id)
        out.print(f"  {each.level}{name}, {short_time(each.time)}, {event}")


def _show_events(funnel: FunnelExplanationDoc, out: Console) -> None:
    if not funnel.events:
        return
    has_places = any(event.place for event in funnel.events)
    table = Table(title="Events", title_justify="left", title_style="bold", box=None, pad_edge=False)
    if has_places:
        table.add_column("record", justify="right", overflow="fold")
    table.add_column("time", no_wrap=True)
    table.add_column("event", max_width=NAME_WIDTH, overflow="fold")
    table.add_column("what it did", overflow="fold")
    for event in funnel.events:
        time = "-" if event.time is None else short_time(event.time)
        name = event.name if event.name is not None else event.id
        did = event.text if event.why == "counted" else f"{event.why.replace('_', ' ')}: {event.text}"
        row = [time, "-" if name is None else _cut(name), safe(did)]
        table.add_row(*([event.place or ""] if has_places else []), *row)
    out.print(table)


def _step(funnel: FunnelExplanationDoc, number: int) -> str:
    return f"{number} {_cut(funnel.steps[number - 1])}"


def _cut(text: str) -> str:
    own = safe(text)
    return own if len(own) <= NAME_WIDTH else f"{own[: NAME_WIDTH - 1]}…"
