"""One funnel's rollup as sample lines, in blocks that are shown whole or not at all.

In:  the definition, its merged `FunnelRollup`, and the floor below which no counter may go.
Out: blocks of lines; the first holds the funnel's totals and everything that has no segment.

All segments of a breakdown in one window are one block, because they add up to the
total: half of them would not.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from stream.aggregate.outcomes import optional_steps, outcomes_of, values_by_required
from stream.aggregate.rollup import people_by_form
from stream.engine.periods import period_of
from stream.metrics import names
from stream.metrics.exposition import Lines, amount, histogram_samples, labels, per_step, seconds
from stream.metrics.ratios import (
    age_matched,
    buckets,
    conversion,
    dropoff,
    optional_share,
    percentile,
    step_ratios,
)
from stream.model.funnel import Funnel
from stream.model.result import TOTAL_STEP, AgeRow, Counts, FunnelRollup, OccupancyRow, PeriodRow, SplitRow, WindowRow
from stream.model.window import RollingWindow

SHARES = (0.5, 0.9)


class Floor:
    """Remembers the last value shown of every counter, so that none is ever shown below it.

    After a rollback of the store counts come back lower until replay passes them;
    a counter that went back would look to Prometheus like a restart, and count twice.
    Counters of a promoted run, which has counted the same records anew, are series of their own: `run` is a label.
    """

    def __init__(self, run: str = "", shown: dict[str, int] | None = None) -> None:
        self._shown: dict[str, int] = {} if shown is None else shown
        self.labels = labels(run=run) if run else ""

    def of(self, run: str) -> "Floor":
        """Return the same memory for the counters of a run; "" for those of the configured namespace."""
        return Floor(run, self._shown)

    def sample(self, name: str, **values: str) -> str:
        """Return a counter's name with its labels."""
        pairs = ",".join(filter(None, (labels(**values), self.labels)))
        return f"{name}{{{pairs}}}" if pairs else name

    def hold(self, sample: str, value: int) -> int:
        """Return `value`, or the last one shown under `sample` if that was larger."""
        shown = self._shown.get(sample)
        if shown is not None and shown > value:
            return shown
        self._shown[sample] = value
        return value


class Block(NamedTuple):
    """Lines of a `breakdown` ("" is the total) in a `window` ("": what has no window), matured or not."""

    breakdown: str
    window: str
    is_matured: bool
    lines: Lines


class _Blocks:
    """Finds the lines that a row's samples belong to."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, bool], Block] = {}
        self.total = self.of("")

    def of(self, breakdown: str, window: str = "", *, is_matured: bool = False) -> Lines:
        key = (breakdown, window, is_matured) if breakdown else ("", "", False)
        block = self._found.get(key)
        if block is None:
            block = self._found[key] = Block(*key, defaultdict(list))
        return block.lines

    def listed(self) -> list[Block]:
        return list(self._found.values())


def shown_windows(funnel: Funnel, windows: Iterable[RollingWindow]) -> list[tuple[str, bool]]:
    """Return (name, is matured) of each form of a window that is shown of a funnel."""
    return [
        (window.name, is_matured)
        for window in windows
        for is_matured in (False, True)
        if not is_matured or window.has_matured(funnel.window_ms)
    ]


def with_zeros(rollup: FunnelRollup, windows: Iterable[tuple[str, bool]]) -> FunnelRollup:
    """Add the rows of totals that nothing has been counted in, as rollups hold only what was counted.

    `windows`: (name, is matured) of each that is shown. A quiet hour is a 0, not a gap in
    the graph, and a counter that is there from 0 on lets Prometheus see its first step.
    """
    nobody = [0] * (rollup.steps - 1)
    known = {(row.window, row.matured) for row in rollup.windows if row.breakdown == ""}
    empty = [WindowRow(*window, "", "", Counts(nobody, nobody, nobody)) for window in windows if window not in known]
    has_standing = any(row.breakdown == "" for row in rollup.occupancy)
    has_settled = any(row.breakdown == "" for row in rollup.settled)
    return msgspec.structs.replace(
        rollup,
        windows=rollup.windows + empty,
        occupancy=rollup.occupancy + [OccupancyRow("", "", [0] * rollup.steps)] * (not has_standing),
        settled=rollup.settled + [SplitRow("", "", Counts(nobody, nobody, nobody))] * (not has_settled),
    )


def blocks(
    funnel: Funnel, rollup: FunnelRollup, as_of_ms: int | None, floor: Floor, windows: Sequence[RollingWindow] = ()
) -> list[Block]:
    """All lines of one funnel; the block of totals comes first. `windows`: which of its rows are of alert windows."""
    identity = labels(funnel=funnel.name, version=str(funnel.version))
    optional = optional_steps(funnel)
    found = _Blocks()
    _definition(found.total, funnel, rollup, identity)
    _targets(found.total, funnel, identity)
    for window in rollup.windows:
        lines = found.of(window.breakdown, window.window, is_matured=window.matured)
        place = labels(counts="attempts", window=window.window, form="matured" if window.matured else "rolling")
        _entrants(lines, funnel, window, f"{identity},{place}")
    rolling = {window.name for window in windows}
    alerts = {alert.name: alert for window in windows for alert in window.alerts}
    for age in rollup.ages:
        alert = alerts.get(age.window)
        if not age.breakdown and (alert is None or age.window in rolling):
            _age_ratios(found.total, age, identity)
        if alert is not None and (not age.breakdown or age.age == alert.segment_age):
            _age_counts(found.of(age.breakdown, age.window), age, identity, optional)
    for standing in rollup.occupancy:
        base = f"{identity},{labels(breakdown=standing.breakdown, segment=standing.segment)}"
        per_step(found.of(standing.breakdown), names.STAGE_ACTORS.name, base, standing.standing, optional)
    if as_of_ms is not None:
        _periods(found, funnel, rollup, as_of_ms, identity)
    for settled in rollup.settled:
        _settled(found.of(settled.breakdown), settled, identity, floor, optional)
    return found.listed()


def _definition(lines: Lines, funnel: Funnel, rollup: FunnelRollup, identity: str) -> None:
    name = names.STEP_INFO.name
    for number, (step, label) in enumerate(zip(funnel.steps, funnel.labels, strict=True), start=1):
        about = labels(step=str(number), step_name=label, stage=step.stage, group=step.group)
        lines[name].append(f"{name}{{{identity},{about}}} 1")
    name = names.CONVERSION_WINDOW.name
    lines[name].append(f"{name}{{{identity}}} {seconds(funnel.window_ms)}")
    if rollup.since_ms is not None:
        name = names.SINCE.name
        lines[name].append(f"{name}{{{identity}}} {seconds(rollup.since_ms)}")


def _targets(lines: Lines, funnel: Funnel, identity: str) -> None:
    _one(lines, names.TARGET.name, identity, funnel.target)
    for number, step in enumerate(funnel.steps, start=1):
        shares = [("", step.target), *[(age.name, share) for age, share in step.target_within]]
        for age, share in shares:
            _one(lines, names.STEP_TARGET.name, f"{identity},{labels(step=str(number), age=age)}", share)
    for benchmark, share in funnel.benchmarks:
        _one(lines, names.BENCHMARK.name, f"{identity},{labels(benchmark=benchmark)}", share)


def _entrants(lines: Lines, funnel: Funnel, row: WindowRow | PeriodRow, place: str) -> None:
    """Add everything about those that entered in a window or period; `place` says which, and what is counted."""
    base = f"{place},{labels(breakdown=row.breakdown, segment=row.segment)}"
    optional = optional_steps(funnel)
    counts = row.counts
    outcomes = outcomes_of(counts, optional)
    reached = outcomes.reached
    _one(lines, names.ENTERED.name, base, counts.entered)
    _one(lines, names.CONVERTED.name, base, counts.converted)
    per_step(lines, names.REACHED.name, base, reached)
    if funnel.is_open:
        per_step(lines, names.ENTERED_AT.name, base, outcomes.entered_at, optional)
    per_step(lines, names.DROPPED.name, base, outcomes.dropped, optional)
    if funnel.exclusions:
        per_step(lines, names.EXCLUDED.name, base, outcomes.excluded, optional)
    per_step(lines, names.PENDING.name, base, outcomes.pending, optional)
    _one(lines, names.CONVERSION.name, base, conversion(counts))
    _one(lines, names.DROPOFF.name, base, dropoff(counts))
    for step in optional:
        _one(lines, names.OPTIONAL_SHARE.name, f'{base},step="{step}"', optional_share(counts, reached[step - 1]))
    for step, converted, dropped in step_ratios(outcomes, optional):
        _one(lines, names.STEP_CONVERSION.name, f'{base},step="{step}"', converted)
        _one(lines, names.STEP_DROPOFF.name, f'{base},step="{step}"', dropped)
    if counts.values:
        _values(lines, base, counts, optional)
    if row.breakdown == "":
        _percentiles(lines, base, counts, len(reached))


def _age_ratios(lines: Lines, row: AgeRow, identity: str) -> None:
    base = f"{identity},{_age_labels(row)}"
    for step, share in enumerate(age_matched(row), start=1):
        _one(lines, names.AGE_MATCHED.name, f'{base},step="{step}"', share)


def _age_counts(lines: Lines, row: AgeRow, identity: str, optional: Collection[int]) -> None:
    base = f"{identity},{_age_labels(row)}"
    per_step(lines, names.AGE_REACHED.name, base, row.reached, optional)
    per_step(lines, names.AGE_WENT_ON.name, base, row.went_on, optional)


def _age_labels(row: AgeRow) -> str:
    return labels(window=row.window, age=row.age, breakdown=row.breakdown, segment=row.segment)


def _values(lines: Lines, base: str, counts: Counts, optional: Collection[int]) -> None:
    for step, sums in sorted(counts.values.items()):
        for currency, money in sorted(sums.items()):
            at = f"{base},{labels(step=str(step), currency=currency)}"
            _one(lines, names.VALUE.name, at, amount(money.total))
            _one(lines, names.VALUE_EVENTS.name, at, money.count)
    lost, at_stake = (values_by_required(each, optional) for each in (counts.lost, counts.at_stake))
    for step in sorted(lost.keys() | at_stake.keys()):
        gone, waiting = lost.get(step, {}), at_stake.get(step, {})
        # Both, so that what was at stake falls to 0 once it is lost.
        for currency in sorted(gone.keys() | waiting.keys()):
            at = f"{base},{labels(step=str(step), currency=currency)}"
            for series, found in ((names.VALUE_LOST, gone), (names.VALUE_AT_STAKE, waiting)):
                _one(lines, series.name, at, amount(found[currency].total) if currency in found else 0)


def _percentiles(lines: Lines, base: str, counts: Counts, steps: int) -> None:
    for share in SHARES:
        at = f'{base},quantile="{share}"'
        _one(lines, names.WINDOW_CONVERT_TIME.name, at, percentile(counts, TOTAL_STEP, share))
        for step in range(2, steps + 1):
            _one(lines, names.WINDOW_STEP_TIME.name, f'{at},step="{step}"', percentile(counts, step, share))


def _periods(found: _Blocks, funnel: Funnel, rollup: FunnelRollup, as_of_ms: int, identity: str) -> None:
    """Add the people of the current and the previous entry period; of the previous one no segments."""
    for form, (start_ms, rows) in people_by_form(rollup, period_of(funnel.period), as_of_ms).items():
        if not rows:
            continue
        unit = str(funnel.period.unit)
        at = f"{identity},{labels(window=unit, form=form)}"
        _one(found.total, names.PERIOD_START.name, at, seconds(start_ms))
        place = f"{identity},{labels(counts='people', window=unit, form=form)}"
        for row in rows:
            if row.breakdown == "" or form == "current":
                _entrants(found.of(row.breakdown, unit), funnel, row, place)
            if funnel.counts_units and not row.breakdown:
                _one(found.total, names.DISTINCT_ACTORS.name, at, row.counts.actors)


def _settled(lines: Lines, row: SplitRow, identity: str, floor: Floor, optional: Collection[int]) -> None:
    name = names.SETTLED.name
    counts = row.counts
    found = outcomes_of(counts, optional)
    if floor.labels:
        identity = f"{identity},{floor.labels}"
    base = f"{identity},{labels(breakdown=row.breakdown, segment=row.segment)}"
    last = len(counts.dropped) + 1
    outcomes: list[tuple[str, int, int]] = [("converted", last, counts.converted)]
    for outcome, column in (("dropped", found.dropped), ("excluded", found.excluded)):
        outcomes += [(outcome, step, count) for step, count in enumerate(column, start=1) if step not in optional]
    counters(lines, name, [(f'{name}{{{base},outcome="{o}",step="{step}"}}', n) for o, step, n in outcomes], floor)
    if row.breakdown == "":
        histograms = [(names.CONVERT_TIME.name, identity, TOTAL_STEP)]
        histograms += [(names.STEP_TIME.name, f'{identity},step="{step}"', step) for step in range(2, last + 1)]
        for histogram, at, step in histograms:
            samples = histogram_samples(histogram, at, buckets(counts, step), counts.duration_ms.get(step, 0))
            total, sum_ms = samples.pop()
            counters(lines, histogram, samples, floor)
            lines[histogram].append(f"{total} {seconds(floor.hold(total, sum_ms))}")


def counters(lines: Lines, name: str, samples: Iterable[tuple[str, int]], floor: Floor) -> None:
    """Add (sample, value) pairs of the series `name`, none below what was shown before."""
    lines[name] += [f"{sample} {floor.hold(sample, value)}" for sample, value in samples]


def _one(lines: Lines, name: str, base: str, value: float | str | None) -> None:
    if value is not None:
        lines[name].append(f"{name}{{{base}}} {value}")
