"""How many series a page can come to: its funnels are rendered once with something in every place.

In:  funnels, windows, ages, how many values of each breakdown are exported.
Out: the largest number of series by funnel; it holds for values in one currency a step.

One segment of each breakdown is rendered and counted for all of its kind, so that nothing here knows how many series
a step has.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from stream.aggregate.outcomes import optional_steps
from stream.engine.periods import period_of
from stream.metrics.samples import Block, Floor, blocks
from stream.model.funnel import Breakdown, Funnel
from stream.model.result import (
    BUCKETS,
    AgeRow,
    Counts,
    FunnelRollup,
    Money,
    OccupancyRow,
    PeriodRow,
    SplitRow,
    WindowRow,
)
from stream.model.verdict import Verdict
from stream.model.window import Age, RollingWindow

LOG_WIDE = len(Verdict) + 5
"""Series of no funnel: records by verdict, the instant, corrections, gaps, and the two about the page itself."""
UNNAMED = 2
"""Segments besides those exported by name: `__none__` and `__other__`."""


def most_series(
    funnels: Sequence[Funnel],
    rolling: Sequence[RollingWindow],
    ages: Sequence[Age],
    exported: Callable[[Breakdown], int],
) -> Mapping[str, int]:
    """Return how many series each funnel has at most, by its key; `exported`: values of a breakdown shown by name."""
    return {funnel.key: _most_of(funnel, rolling, ages, exported) for funnel in funnels}


def _most_of(
    funnel: Funnel, rolling: Sequence[RollingWindow], ages: Sequence[Age], exported: Callable[[Breakdown], int]
) -> int:
    segments = {"": 1} | {each.name: exported(each) + UNNAMED for each in funnel.breakdowns}
    full = _full(funnel, rolling, ages, list(segments))
    return sum(segments[block.breakdown] * _size(block) for block in blocks(funnel, full, 0, Floor(), rolling))


def _size(block: Block) -> int:
    return sum(map(len, block.lines.values()))


def _full(
    funnel: Funnel, rolling: Sequence[RollingWindow], ages: Sequence[Age], breakdowns: Sequence[str]
) -> FunnelRollup:
    """Return a rollup as of 0 in which each series has a sample, with one segment of each breakdown."""
    steps = len(funnel.steps)
    ones = [1] * (steps - 1)
    worth = {number: {"": Money(Decimal(1), 1)} for number in range(1, steps + 1)}
    valued = [number for number, step in enumerate(funnel.steps, start=1) if step.value is not None]
    stopped = {number: each for number, each in worth.items() if min(valued, default=steps) <= number < steps}
    counts = Counts(
        pending=ones,
        dropped=ones,
        excluded=ones,
        converted=1,
        durations={number * BUCKETS: 1 for number in range(steps + 1)},
        values={number: worth[number] for number in valued},
        lost=stopped,
        at_stake=stopped,
    )
    calendar = period_of(funnel.period)
    current_ms = calendar(0)[0]
    starts = (current_ms, calendar(current_ms - 1)[0])
    windows = [(each, form) for each in rolling for form in (False, True)]
    windows = [(each, form) for each, form in windows if not form or each.has_matured(funnel.window_ms)]
    return FunnelRollup(
        key=funnel.key,
        steps=steps,
        since_ms=min(starts) - 1,
        windows=[WindowRow(window.name, form, name, "", counts) for window, form in windows for name in breakdowns],
        occupancy=[OccupancyRow(name, "", [1] * steps) for name in breakdowns],
        periods=[PeriodRow(start_ms, name, "", counts) for start_ms in starts for name in breakdowns],
        settled=[SplitRow(name, "", counts) for name in breakdowns],
        ages=[
            AgeRow(span, age.name, name, "", ones, ones)
            for window in rolling
            for span in {window.name, *(alert.name for alert in window.alerts)}
            for age in ages
            if window.has_age(age)
            for name in breakdowns
        ],
        optional=optional_steps(funnel),
        is_open=funnel.is_open,
    )
