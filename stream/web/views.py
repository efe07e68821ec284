"""What is counted, as documents: pure functions of the last reading of the rollups.

In:  the catalog of funnels, a `Refreshed` reading (None: there was none yet), the wall clock.
Out: the structures of `web.forms`.

Rates, outcomes by required step and percentiles come from where `funnel report` has them.
"""

from stream.aggregate.cells import empty_counts
from stream.aggregate.outcomes import optional_steps, outcomes_of
from stream.aggregate.rollup import people_by_form
from stream.analyze.document import age_matched, iso, outcome, records
from stream.metrics import ratios
from stream.model.funnel import Funnel
from stream.model.result import Counts, FunnelRollup, PeriodRow, Rollup, WindowRow
from stream.model.verdict import Verdict
from stream.web.choices import Catalog, Choice
from stream.web.forms import (
    BenchmarkDoc,
    BottleneckDoc,
    ChoiceDoc,
    CohortDoc,
    CohortsDoc,
    Form,
    FunnelInfoDoc,
    FunnelsDoc,
    HealthDoc,
    PartitionDoc,
    PeriodChoiceDoc,
    SideDoc,
    State,
    StepInfoDoc,
    Unit,
    ViewDoc,
    WindowChoiceDoc,
    WithinDoc,
)
from stream.worker.refreshed import Refreshed

STALE_AFTER_MS = 10_000
"""Idle workers write each rollup once a second; what is older is not live (as in `metrics.collector`)."""


def state_of(refreshed: Refreshed | None, now_ms: int) -> State:
    """Tell whether the numbers of a reading are live at `now_ms`: lately read, and all of them lately written."""
    if refreshed is None or refreshed.merged is None:
        return State.WAITING
    oldest_ms = min(refreshed.read_ms, refreshed.merged.written_ms)
    return State.STALE if now_ms - oldest_ms > STALE_AFTER_MS else State.LIVE


def funnels_document(catalog: Catalog, refreshed: Refreshed | None, now_ms: int) -> FunnelsDoc:
    """Return the funnels and what can be chosen of each."""
    return FunnelsDoc(
        as_of=_as_of(refreshed),
        state=state_of(refreshed, now_ms),
        funnels=[_info(catalog, funnel) for funnel in catalog.funnels.values()],
    )


def _info(catalog: Catalog, funnel: Funnel) -> FunnelInfoDoc:
    steps = zip(funnel.steps, funnel.labels, strict=True)
    return FunnelInfoDoc(
        funnel=funnel.name,
        version=funnel.version,
        title=funnel.title,
        window_seconds=funnel.window_ms / 1000,
        steps=[
            StepInfoDoc(
                step=number,
                name=label,
                stage=step.stage,
                group=step.group,
                optional=step.optional,
                target=step.target,
                target_within=[WithinDoc(age=age.name, share=share) for age, share in step.target_within],
            )
            for number, (step, label) in enumerate(steps, start=1)
        ],
        breakdowns=[breakdown.name for breakdown in funnel.breakdowns],
        attempts=[WindowChoiceDoc(window=name, forms=forms) for name, forms in catalog.forms(funnel).items()],
        people=PeriodChoiceDoc(
            unit=funnel.period.unit.value, zone=funnel.period.zone, forms=[Form.CURRENT, Form.PREVIOUS]
        ),
        counts_units=funnel.counts_units,
        target=funnel.target,
        benchmarks=[BenchmarkDoc(name=name, share=share) for name, share in funnel.benchmarks],
    )


# One choice


def view_document(catalog: Catalog, choice: Choice, refreshed: Refreshed | None, now_ms: int) -> ViewDoc:
    """Return the numbers of a choice."""
    funnel = catalog.funnels[choice.key]
    document = ViewDoc(
        funnel=funnel.name,
        version=funnel.version,
        as_of=_as_of(refreshed),
        state=state_of(refreshed, now_ms),
        choice=ChoiceDoc(
            counts=choice.counts,
            window=choice.window,
            form=choice.form,
            breakdown=choice.breakdown,
            segment=choice.segment,
        ),
        since=None,
        period_start=None,
        outcome=None,
        distinct=None,
        standing=None,
        age_matched=[],
        bottleneck=None,
        segments=None,
    )
    merged = None if refreshed is None else refreshed.merged
    rollup = _rollup_of(merged, choice.key)
    if merged is None or rollup is None:
        if merged is not None and document.state is State.LIVE:
            document.state = State.NOT_COUNTED
        return document
    document.since = None if rollup.since_ms is None else iso(rollup.since_ms)
    document.standing = _standing(rollup, choice)
    if choice.counts is Unit.PEOPLE:
        _people(document, catalog, funnel, choice, merged, rollup)
    else:
        rows = [row for row in rollup.windows if _is_of(row, choice)]
        _numbers(document, funnel, choice, rows)
        if choice.form is Form.ROLLING:
            document.age_matched = [
                age_matched(row, funnel.labels, rollup.optional)
                for row in rollup.ages
                if row.window == choice.window and (row.breakdown, row.segment) == _split(choice)
            ]
    return document


def _split(choice: Choice) -> tuple[str, str]:
    """Return the breakdown and segment whose numbers are asked for; both are empty for the whole."""
    return ("", "") if choice.segment is None else (choice.breakdown, choice.segment)


def _is_of(row: WindowRow, choice: Choice) -> bool:
    return row.window == choice.window and row.matured == (choice.form is Form.MATURED)


def _people(  # noqa: PLR0913, PLR0917
    document: ViewDoc, catalog: Catalog, funnel: Funnel, choice: Choice, merged: Rollup, rollup: FunnelRollup
) -> None:
    if merged.as_of_ms is None:
        return
    start_ms, rows = people_by_form(rollup, catalog.period(choice.key), merged.as_of_ms)[choice.form]
    document.period_start = iso(start_ms)
    if not rows:
        return  # the funnel did not count then
    _numbers(document, funnel, choice, rows)
    if funnel.counts_units and not choice.breakdown:
        document.distinct = sum(row.counts.actors for row in rows if not row.breakdown)


def _numbers(document: ViewDoc, funnel: Funnel, choice: Choice, rows: list[WindowRow] | list[PeriodRow]) -> None:
    """Fill in the numbers of the chosen segment, or of the whole; nobody entered where there is no row of it."""
    counts = next((row.counts for row in rows if (row.breakdown, row.segment) == _split(choice)), None)
    counts = empty_counts(len(funnel.steps)) if counts is None else counts
    document.outcome = outcome(counts, funnel)
    document.bottleneck = bottleneck(counts, funnel)
    if choice.breakdown:
        sides = [_side(row.segment, row.counts, funnel) for row in rows if row.breakdown == choice.breakdown]
        document.segments = sorted(sides, key=lambda side: (-side.entered, side.segment))


def bottleneck(counts: Counts, funnel: Funnel) -> BottleneckDoc | None:
    """Return the required step at which most were dropped or excluded, the first of equals; None if nobody was."""
    optional = optional_steps(funnel)
    found = outcomes_of(counts, optional)
    required = [step for step in range(1, len(funnel.steps) + 1) if step not in optional]
    lost = {step: found.dropped[step - 1] + found.excluded[step - 1] for step in required[:-1]}
    step = max(lost, key=lambda each: (lost[each], -each))
    if lost[step] <= 0:
        return None
    following = required[required.index(step) + 1]
    return BottleneckDoc(
        step=step,
        name=funnel.labels[step - 1],
        next_step=following,
        next_name=funnel.labels[following - 1],
        lost=lost[step],
        share=lost[step] / found.reached[step - 1],
    )


def _side(segment: str, counts: Counts, funnel: Funnel) -> SideDoc:
    optional = optional_steps(funnel)
    found = outcomes_of(counts, optional)
    went_on = {step: share for step, share, _ in ratios.step_ratios(found, optional)}
    return SideDoc(
        segment=segment,
        entered=counts.entered,
        converted=counts.converted,
        pending=sum(counts.pending),
        conversion=ratios.conversion(counts),
        reached=found.reached,
        step_conversion=[went_on.get(step) for step in range(1, len(found.reached))],
    )


def _standing(rollup: FunnelRollup, choice: Choice) -> list[int]:
    rows = (row.standing for row in rollup.occupancy if (row.breakdown, row.segment) == _split(choice))
    return next(rows, [0] * rollup.steps)


# Cohorts


def cohorts_document(
    catalog: Catalog, funnel: Funnel, index: int, as_of_ms: int | None, found: dict[int, Counts]
) -> CohortsDoc:
    """Return the cohorts of window number `index`, whose outcomes were `found` by slot."""
    window = catalog.windows[index]
    optional = optional_steps(funnel)
    return CohortsDoc(
        funnel=funnel.name,
        version=funnel.version,
        as_of=None if as_of_ms is None else iso(as_of_ms),
        window=window.name,
        slot_seconds=window.slot_ms / 1000,
        steps=list(funnel.labels),
        cohorts=[
            CohortDoc(
                start=iso(start_ms),
                entered=counts.entered,
                converted=counts.converted,
                pending=sum(counts.pending),
                dropped=sum(counts.dropped),
                excluded=sum(counts.excluded),
                conversion=ratios.conversion(counts),
                reached=outcomes_of(counts, optional).reached,
            )
            for start_ms, counts in sorted(found.items(), reverse=True)
        ],
    )


# Health


def health_document(catalog: Catalog, refreshed: Refreshed | None, now_ms: int, ready: tuple[bool, str]) -> HealthDoc:
    """Return how the numbers are kept up; `ready`: whether the process that answers is, and why not."""
    merged = None if refreshed is None else refreshed.merged
    known = {} if refreshed is None else dict(refreshed.partitions)
    count = 0 if refreshed is None else refreshed.partition_count
    counted = set() if merged is None else {funnel.key for funnel in merged.funnels}
    is_ready, reason = ready
    return HealthDoc(
        state=state_of(refreshed, now_ms),
        as_of=_as_of(refreshed),
        ready=is_ready,
        reason="" if is_ready else reason,
        read=None if refreshed is None else iso(refreshed.read_ms),
        records=records([0] * len(Verdict) if merged is None else merged.verdicts),
        corrections=0 if merged is None else merged.corrections,
        gaps=0 if merged is None else merged.gaps,
        partitions=[_partition(number, rollup, now_ms) for number, rollup in sorted(known.items())],
        without_rollup=[number for number in range(count) if number not in known],
        not_counted=[key for key in catalog.funnels if key not in counted],
    )


def _partition(number: int, rollup: Rollup, now_ms: int) -> PartitionDoc:
    return PartitionDoc(
        partition=number,
        next_offset=rollup.next_offset,
        watermark=None if rollup.watermark_ms is None else iso(rollup.watermark_ms),
        lag=None if rollup.lag_records < 0 else rollup.lag_records,
        written=iso(rollup.written_ms),
        age_seconds=max(0, now_ms - rollup.written_ms) / 1000,
    )


def _as_of(refreshed: Refreshed | None) -> str | None:
    merged = None if refreshed is None else refreshed.merged
    return None if merged is None or merged.as_of_ms is None else iso(merged.as_of_ms)


def _rollup_of(merged: Rollup | None, key: str) -> FunnelRollup | None:
    return next((funnel for funnel in merged.funnels if funnel.key == key), None) if merged is not None else None
