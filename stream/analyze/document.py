"""An analysis, or what live shows, as documents for JSON.

In:  an analysis, or a rollup; the funnels' definitions.
Out: the structures of `analyze.forms`.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec import UNSET, UnsetType

from stream.aggregate.cells import empty_counts
from stream.aggregate.outcomes import Outcomes, optional_steps, outcomes_of
from stream.aggregate.report import FunnelReport
from stream.aggregate.rings import WHOLE, Split
from stream.analyze.count import Analysis
from stream.analyze.forms import (
    VERSION,
    ActorsDoc,
    ActorStepDoc,
    AgeDoc,
    AgeStepDoc,
    AnalysisDoc,
    BreakdownDoc,
    DurationDoc,
    FunnelDoc,
    LiveFunnelDoc,
    LivePeriodDoc,
    OutcomeDoc,
    PeriodDoc,
    RecordsDoc,
    SegmentDoc,
    SourceDoc,
    SplitDoc,
    StandingDoc,
    StepDoc,
    ValueDoc,
    WindowDoc,
)
from stream.analyze.times import FROM_ENTRY, FROM_PREVIOUS, StepTimes, Times
from stream.metrics import ratios
from stream.model.funnel import Funnel, Period
from stream.model.result import TOTAL_STEP, AgeRow, Counts, FunnelRollup, Rollup
from stream.model.verdict import Verdict

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def analysis_document(
    analysis: Analysis, definitions: Sequence[Funnel], source: SourceDoc, trend: Period | None = None
) -> AnalysisDoc:
    """Return the document of an analysis of these funnels; `trend`: the periods it was made with, if not their own."""
    funnels = [
        _funnel(definition, report, times, trend or definition.period)
        for definition, report, times in zip(definitions, analysis.reports, analysis.times, strict=True)
    ]
    return AnalysisDoc(
        format="funnel-analysis",
        version=VERSION,
        source=source,
        as_of=None if analysis.as_of_ms is None else iso(analysis.as_of_ms),
        records=records(analysis.verdicts),
        ahead_of_as_of=analysis.ahead,
        funnels=funnels,
    )


def iso(time_ms: int) -> str:
    """Return an instant as text, to the millisecond."""
    return (EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def records(verdicts: Sequence[int]) -> RecordsDoc:
    """Return verdict counts by name."""
    return RecordsDoc(consumed=sum(verdicts), **{verdict.label: verdicts[verdict] for verdict in Verdict})


def _funnel(definition: Funnel, report: FunnelReport, times: StepTimes, period: Period) -> FunnelDoc:
    def attempts(start: int | None, split: Split) -> OutcomeDoc:
        counts = report.attempts.get((start, split))
        exact = None if start is not None else lambda step, since: times.of(split, step, since)
        return outcome(counts, definition, exact)

    def actors(start: int | None, split: Split) -> ActorsDoc:
        return _actors(report.actors.get((start, split)), definition)

    splits = [split for split in report.splits() if split != WHOLE and report.attempts[None, split].entered]
    return FunnelDoc(
        funnel=definition.name,
        version=definition.version,
        title=definition.title,
        window_seconds=definition.window_ms / 1000,
        attempts=attempts(None, WHOLE),
        actors=actors(None, WHOLE),
        breakdowns=[
            BreakdownDoc(
                name=breakdown.name,
                segments=[
                    SegmentDoc(segment=split[1], attempts=attempts(None, split), actors=actors(None, split))
                    for split in splits
                    if split[0] == number
                ],
            )
            for number, breakdown in enumerate(definition.breakdowns, start=1)
        ],
        period_unit=period.unit.value,
        period_zone=period.zone,
        trend=[
            PeriodDoc(start=iso(start), attempts=attempts(start, WHOLE), actors=actors(start, WHOLE))
            for start in report.periods()
            if attempts(start, WHOLE).entered or actors(start, WHOLE).entered
        ],
    )


def outcome(
    counts: Counts | None, definition: Funnel, exact: Callable[[int, int], Times | None] | None = None
) -> OutcomeDoc:
    """Return outcomes for people; `exact` gives the times of a step where they were kept one by one."""
    last = len(definition.steps)
    if counts is None:
        counts = empty_counts(last)
    optional = optional_steps(definition)
    outcomes = outcomes_of(counts, optional)
    rates = {step: (went_on, dropped) for step, went_on, dropped in ratios.step_ratios(outcomes, optional)}
    return OutcomeDoc(
        entered=counts.entered,
        converted=counts.converted,
        dropped=sum(counts.dropped),
        excluded=sum(counts.excluded),
        pending=sum(counts.pending),
        conversion=ratios.conversion(counts),
        dropoff=ratios.dropoff(counts),
        time_to_convert=_duration(counts, TOTAL_STEP, None if exact is None else exact(last, FROM_ENTRY)),
        steps=[_step(counts, outcomes, rates, definition, number, exact) for number in range(1, last + 1)],
    )


def _step(  # noqa: PLR0913, PLR0917
    counts: Counts,
    outcomes: Outcomes,
    rates: dict[int, tuple[float, float]],
    definition: Funnel,
    number: int,
    exact: Callable[[int, int], Times | None] | None,
) -> StepDoc:
    step, reached, entered = definition.steps[number - 1], outcomes.reached[number - 1], counts.entered
    is_last = number == len(outcomes.reached)
    went_on, dropped = rates.get(number, (None, None))
    document = StepDoc(
        step=number,
        name=step.name,
        reached=reached,
        reached_share=reached / entered if entered else None,
        conversion=went_on,
        dropoff=dropped,
        dropped=0 if is_last else outcomes.dropped[number - 1],
        excluded=0 if is_last else outcomes.excluded[number - 1],
        pending=0 if is_last else outcomes.pending[number - 1],
        optional=step.optional or UNSET,
        entered_at=_entered_at(outcomes, definition, number),
        values=_values(counts, number),
    )
    if number > 1:
        document.from_previous = _duration(counts, number, None if exact is None else exact(number, FROM_PREVIOUS))
        if exact is not None:
            document.from_entry = _exact_duration(exact(number, FROM_ENTRY))
    return document


def _entered_at(outcomes: Outcomes, definition: Funnel, number: int) -> int | UnsetType:
    is_shown = definition.is_open and not definition.steps[number - 1].optional
    return outcomes.entered_at[number - 1] if is_shown else UNSET


def _duration(counts: Counts, step: int, exact: Times | None) -> DurationDoc | None:
    if exact is not None:
        return _exact_duration(exact)
    timed = sum(ratios.buckets(counts, step))
    if not timed:
        return None
    median = ratios.percentile(counts, step, 0.5)
    return DurationDoc(
        timed=timed,
        mean_seconds=counts.duration_ms.get(step, 0) / timed / 1000,
        median_seconds_from_buckets=UNSET if median is None else median,
    )


def _exact_duration(times: Times | None) -> DurationDoc | None:
    if times is None:
        return None
    return DurationDoc(timed=times.timed, mean_seconds=times.mean_ms / 1000, median_seconds=times.median_ms / 1000)


def _values(counts: Counts, step: int) -> list[ValueDoc]:
    return [
        ValueDoc(
            currency=currency,
            total=format(money.total, "f"),
            events=money.count,
            average=format((money.total / money.count).quantize(Decimal("1e-9")).normalize(), "f"),
        )
        for currency, money in sorted(counts.values.get(step, {}).items())
        if money.count
    ]


def _actors(counts: Counts | None, definition: Funnel) -> ActorsDoc:
    counts = empty_counts(len(definition.steps)) if counts is None else counts
    outcomes = outcomes_of(counts, optional_steps(definition))
    reached, entered = outcomes.reached, counts.entered
    shares = [went_on / here if here else None for here, went_on in zip(reached, outcomes.went_on, strict=False)]
    return ActorsDoc(
        entered=entered,
        converted=counts.converted,
        conversion=counts.converted / entered if entered else None,
        steps=[
            ActorStepDoc(
                step=number,
                name=step.name,
                reached=reached[number - 1],
                conversion=None if step.optional or number > len(shares) else shares[number - 1],
                entered_at=_entered_at(outcomes, definition, number),
            )
            for number, step in enumerate(definition.steps, start=1)
        ],
    )


def live_funnels(rollup: Rollup, definitions: Sequence[Funnel]) -> list[LiveFunnelDoc]:
    """Return the documents of a rollup's funnels in the order of the definitions."""
    by_key = {funnel.key: funnel for funnel in rollup.funnels}
    return [_live_funnel(by_key[funnel.key], funnel) for funnel in definitions if funnel.key in by_key]


def _live_funnel(rollup: FunnelRollup, definition: Funnel) -> LiveFunnelDoc:
    names = [step.name for step in definition.steps]
    optional = optional_steps(definition)

    def splits(rows: Iterable[Any]) -> list[SplitDoc]:
        return [
            SplitDoc(breakdown=row.breakdown, segment=row.segment, attempts=outcome(row.counts, definition))
            for row in sorted(rows, key=lambda row: (row.breakdown, -row.counts.entered, row.segment))
        ]

    return LiveFunnelDoc(
        key=rollup.key,
        title=definition.title,
        steps=names,
        since=None if rollup.since_ms is None else iso(rollup.since_ms),
        total=splits(rollup.total),
        settled=splits(rollup.settled),
        windows=[
            WindowDoc(
                window=row.window,
                matured=row.matured,
                breakdown=row.breakdown,
                segment=row.segment,
                attempts=outcome(row.counts, definition),
            )
            for row in rollup.windows
        ],
        age_matched=[_age_matched(row, names, optional) for row in rollup.ages],
        periods=[
            LivePeriodDoc(
                start=iso(row.start_ms),
                breakdown=row.breakdown,
                segment=row.segment,
                actors=outcome(row.counts, definition),
            )
            for row in rollup.periods
        ],
        occupancy=[
            StandingDoc(breakdown=row.breakdown, segment=row.segment, standing=row.standing) for row in rollup.occupancy
        ],
        optional_steps=optional or UNSET,
    )


def _age_matched(row: AgeRow, names: Sequence[str], optional: Collection[int]) -> AgeDoc:
    steps = enumerate(zip(names, row.reached, row.went_on, ratios.age_matched(row), strict=False), start=1)
    return AgeDoc(
        window=row.window,
        age=row.age,
        breakdown=row.breakdown,
        segment=row.segment,
        steps=[
            AgeStepDoc(step=step, name=name, reached=reached, went_on=went_on, conversion=share)
            for step, (name, reached, went_on, share) in steps
            if step not in optional
        ],
    )
