"""What a server of the API says of small funnels, as the live view in a terminal takes it."""

from dataclasses import replace

from stream.analyze.document import outcome, records
from stream.model.funnel import Funnel, Order, Step
from stream.model.result import Counts
from stream.model.verdict import Verdict
from stream.terminal.client import Looked
from stream.web.forms import (
    ChoiceDoc,
    Form,
    FunnelInfoDoc,
    HealthDoc,
    PartitionDoc,
    PeriodChoiceDoc,
    SideDoc,
    State,
    StepInfoDoc,
    Unit,
    ViewDoc,
    WindowChoiceDoc,
)

SHOP = Funnel("shop", 1, (Step("view", ("view",)), Step("buy", ("buy",))), 60_000, title="The shop")
ANY_ORDER = replace(SHOP, order=Order.ANY)
COUNTS = Counts([33], [100], [17], converted=50)  # 200 entered
READ = "2026-01-01T00:00:10.000Z"
NOTHING = {
    "as_of": READ,
    "since": None,
    "period_start": None,
    "distinct": None,
    "standing": None,
    "age_matched": [],
    "bottleneck": None,
}


def info(funnel=SHOP, **more):
    """Return the definition as the API lists it."""
    steps = [
        StepInfoDoc(step=number, name=name, stage="", group="", optional=step.optional, target=None, target_within=[])
        for number, (name, step) in enumerate(zip(funnel.labels, funnel.steps, strict=True), start=1)
    ]
    forms = [Form.ROLLING, Form.MATURED]
    known = {
        "funnel": funnel.name,
        "version": funnel.version,
        "title": funnel.title,
        "window_seconds": 60.0,
        "steps": steps,
        "breakdowns": ["device"],
        "attempts": [WindowChoiceDoc(window="5m", forms=forms), WindowChoiceDoc(window="1h", forms=[Form.ROLLING])],
        "people": PeriodChoiceDoc(unit="day", zone="UTC", forms=[Form.CURRENT, Form.PREVIOUS]),
        "counts_units": False,
        "target": None,
        "benchmarks": [],
    }
    return FunnelInfoDoc(**(known | more))


def view(funnel=SHOP, counts=COUNTS, choice=(), segments=None, **more):
    """Return a view; `counts` None is one without numbers."""
    own = {"counts": Unit.ATTEMPTS, "window": "1h", "form": Form.ROLLING, "breakdown": "", "segment": None}
    numbers = None if counts is None else outcome(counts, funnel)
    known = {"funnel": funnel.name, "version": funnel.version, "state": State.LIVE, "outcome": numbers}
    asked = ChoiceDoc(**(own | dict(choice)))
    return ViewDoc(**(known | NOTHING | {"choice": asked, "segments": segments} | more))


def side(segment, entered, shares):
    """Return a segment that goes on from its steps in these shares."""
    return SideDoc(
        segment=segment,
        entered=entered,
        converted=0,
        pending=0,
        conversion=shares[-1],
        reached=[],
        step_conversion=shares,
    )


def health(accepted=0, late=0, lags=(12,), marks=("2026-01-01T00:00:07.500Z",), reason=""):
    """Return how it is kept up: a partition for each lag and watermark."""
    verdicts = [{Verdict.ACCEPTED: accepted, Verdict.LATE: late}.get(verdict, 0) for verdict in Verdict]
    partitions = [
        PartitionDoc(partition=number, next_offset=1, watermark=mark, lag=lag, written=READ, age_seconds=0.1)
        for number, (lag, mark) in enumerate(zip(lags, marks, strict=True))
    ]
    return HealthDoc(
        state=State.LIVE, as_of=READ, ready=not reason, reason=reason, read=READ, records=records(verdicts),
        corrections=0, gaps=0, partitions=partitions, without_rollup=[], not_counted=[],
    )  # fmt: skip


def looked(*views, at_s=0.0, **of_health):
    """Return a look at these (definition, view) pairs, by default at the shop."""
    shown = list(views) or [(info(), view())]
    return Looked(at_s, [about for about, _ in shown], shown, health(**of_health))
