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
from stream.aggregate.outcomes import Outcomes, optional_steps, outcomes_of, values_by_required
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
    BucketDoc,
    DurationDoc,
    FunnelDoc,
    LiveFunnelDoc,
    LivePeriodDoc,
    NextActionsDoc,
    NextEventDoc,
    OutcomeDoc,
    PercentilesDoc,
    PeriodDoc,
    PreviousDoc,
    RecordsDoc,
    SegmentDoc,
    SourceDoc,
    SplitDoc,
    StandingDoc,
    StepDoc,
    StoppedValueDoc,
    ValueDoc,
    WindowDoc,
)
from stream.analyze.next_actions import NOTHING, StepActions
from stream.analyze.previous import Previous, change, compared_starts, is_matured, previous
from stream.analyze.times import FROM_ENTRY, FROM_PREVIOUS, StepTimes, histogram, percentile, summary
from stream.engine.periods import PeriodOf, period_of
from stream.metrics import ratios
from stream.model.funnel import Funnel, Period
from stream.model.result import DURATION_BOUNDS_S, TOTAL_STEP, AgeRow, Counts, FunnelRollup, Money, Rollup
from stream.model.verdict import Verdict

OTHER = "__other__"
"""Stands for all names beyond the first ones."""
PERCENTS = (50, 75, 90, 95, 99)
"""What `PercentilesDoc` holds."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def analysis_document(  # noqa: PLR0913
    analysis: Analysis,
    definitions: Sequence[Funnel],
    source: SourceDoc,
    trend: Period | None = None,
    *,
    compare_previous: bool = False,
    next_names: int = 0,
) -> AnalysisDoc:
    """Return the document of an analysis of these funnels.

    trend: the periods it was made with, if not the funnels' own. compare_previous: each beside the one before, of an
    analysis that was made at the `earlier_instants` too. next_names: how many names of next actions are told apart per
    step, of an analysis that counted them.
    """
    funnels = []
    for number, (definition, report, times) in enumerate(
        zip(definitions, analysis.reports, analysis.times, strict=True)
    ):
        earlier = {instant: reports[number] for instant, reports in analysis.earlier.items()}
        period = trend or definition.period
        rows = _trend(definition, report, period_of(period), earlier if compare_previous else None)
        funnel = _funnel(definition, report, times, period, rows)
        if next_names:
            funnel.next_actions = list(_next_actions(definition, analysis.next_actions[number], next_names))
        funnels.append(funnel)
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


def _funnel(
    definition: Funnel, report: FunnelReport, times: StepTimes, period: Period, trend: list[PeriodDoc]
) -> FunnelDoc:
    def attempts(split: Split) -> OutcomeDoc:
        counts = report.attempts.get((None, split))
        return outcome(counts, definition, lambda step, since: times.ordered(split, step, since))

    def actors(split: Split) -> ActorsDoc:
        return _actors(report.actors.get((None, split)), definition, split)

    # What was taken back altogether has counts of 0.
    counted = [{split for (start, split), counts in own.items() if start is None and counts.entered}
               for own in (report.attempts, report.actors)]  # fmt: skip
    splits = [split for split in report.splits() if split != WHOLE and any(split in own for own in counted)]
    return FunnelDoc(
        funnel=definition.name,
        version=definition.version,
        title=definition.title,
        window_seconds=definition.window_ms / 1000,
        attempts=attempts(WHOLE),
        actors=actors(WHOLE),
        breakdowns=[
            BreakdownDoc(
                name=breakdown.name,
                segments=[
                    SegmentDoc(segment=split[1], attempts=attempts(split), actors=actors(split))
                    for split in splits
                    if split[0] == number
                ],
            )
            for number, breakdown in enumerate(definition.breakdowns, start=1)
        ],
        period_unit=period.unit.value,
        period_zone=period.zone,
        trend=trend,
    )


def _trend(
    definition: Funnel, report: FunnelReport, periods: PeriodOf, earlier: dict[int, FunnelReport] | None
) -> list[PeriodDoc]:
    """Return the periods that somebody entered; `earlier`: the reports of other instants, to compare with."""
    as_of_ms = report.as_of_ms
    rows = {start_ms: _period(definition, report, periods, start_ms) for start_ms in report.periods()}
    starts = [start_ms for start_ms, row in rows.items() if row.attempts.entered or row.actors.entered]
    if earlier is None:
        return [rows[start_ms] for start_ms in starts]
    reports = {**earlier, as_of_ms: report}
    compared = []
    for start_ms in compared_starts(starts, periods, as_of_ms):
        row = rows.get(start_ms) or _period(definition, report, periods, start_ms)
        before = previous(definition, periods, start_ms, as_of_ms)
        # At the very ends of the calendar its periods overlap, so that not every one is reached from the last one.
        counted = None if before is None else reports.get(before.as_of_ms)
        row.previous = None if before is None or counted is None else _previous(row, before, counted, definition)
        compared.append(row)
    return compared


def _period(definition: Funnel, report: FunnelReport, periods: PeriodOf, start_ms: int) -> PeriodDoc:
    return PeriodDoc(
        start=iso(start_ms),
        is_matured=is_matured(definition, periods(start_ms)[1], report.as_of_ms),
        attempts=outcome(report.attempts.get((start_ms, WHOLE)), definition),
        actors=_actors(report.actors.get((start_ms, WHOLE)), definition),
    )


def _previous(row: PeriodDoc, before: Previous, report: FunnelReport, definition: Funnel) -> PreviousDoc:
    attempts = outcome(report.attempts.get((before.start_ms, WHOLE)), definition)
    actors = _actors(report.actors.get((before.start_ms, WHOLE)), definition)
    return PreviousDoc(
        start=iso(before.start_ms),
        as_of=iso(before.as_of_ms),
        attempts=attempts,
        actors=actors,
        attempts_change=change(row.attempts, attempts),
        actors_change=change(row.actors, actors),
    )


def outcome(
    counts: Counts | None, definition: Funnel, exact: Callable[[int, int], Sequence[int]] | None = None
) -> OutcomeDoc:
    """Return outcomes for people; `exact` gives the times of a step, in order, where they were kept one by one."""
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
    rates: dict[int, tuple[float, float | None]],
    definition: Funnel,
    number: int,
    exact: Callable[[int, int], Sequence[int]] | None,
) -> StepDoc:
    step, reached, entered = definition.steps[number - 1], outcomes.reached[number - 1], counts.entered
    is_last = number == len(outcomes.reached)
    went_on, dropped = rates.get(number, (None, None))
    document = StepDoc(
        step=number,
        name=definition.labels[number - 1],
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
        stopped_values=_stopped_values(counts, optional_steps(definition), number) or UNSET,
    )
    if number > 1:
        document.from_previous = _duration(counts, number, None if exact is None else exact(number, FROM_PREVIOUS))
        if exact is not None:
            document.from_entry = _exact_duration(exact(number, FROM_ENTRY))
    return document


def _entered_at(outcomes: Outcomes, definition: Funnel, number: int) -> int | UnsetType:
    is_shown = definition.is_open and not definition.steps[number - 1].optional
    return outcomes.entered_at[number - 1] if is_shown else UNSET


def _duration(counts: Counts, step: int, exact: Sequence[int] | None) -> DurationDoc | None:
    if exact is not None:
        return _exact_duration(exact)
    buckets = ratios.buckets(counts, step)
    timed = sum(buckets)
    if not timed:
        return None
    found = [ratios.percentile(counts, step, percent / 100) for percent in PERCENTS]
    known = [seconds for seconds in found if seconds is not None]
    return DurationDoc(
        timed=timed,
        mean_seconds=counts.duration_ms.get(step, 0) / timed / 1000,
        median_seconds_from_buckets=known[0],
        percentiles_seconds_from_buckets=PercentilesDoc(**_by_percent(known)),
        histogram=_histogram(buckets),
    )


def _exact_duration(times: Sequence[int]) -> DurationDoc | None:
    found = summary(times)
    if found is None:
        return None
    return DurationDoc(
        timed=found.timed,
        mean_seconds=found.mean_ms / 1000,
        median_seconds=found.median_ms / 1000,
        percentiles_seconds=PercentilesDoc(**_by_percent([percentile(times, each) / 1000 for each in PERCENTS])),
        histogram=_histogram(histogram(times)),
    )


def _by_percent(seconds: Sequence[float]) -> dict[str, float]:
    return {f"p{percent}": each for percent, each in zip(PERCENTS, seconds, strict=True)}


def _histogram(buckets: Sequence[int]) -> list[BucketDoc]:
    bounds = (*DURATION_BOUNDS_S, None)
    return [
        BucketDoc(at_most_seconds=bound, timed=timed) for bound, timed in zip(bounds, buckets, strict=True) if timed
    ]


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


def _stopped_values(counts: Counts, optional: Collection[int], step: int) -> list[StoppedValueDoc]:
    lost, at_stake = (values_by_required(each, optional).get(step, {}) for each in (counts.lost, counts.at_stake))
    nothing = Money(Decimal(0), 0)
    found = [
        (currency, lost.get(currency, nothing), at_stake.get(currency, nothing))
        for currency in sorted(lost.keys() | at_stake.keys())
    ]
    return [
        StoppedValueDoc(
            currency=currency,
            lost=_plain(gone.total),
            lost_attempts=gone.count,
            at_stake=_plain(open_.total),
            at_stake_attempts=open_.count,
        )
        for currency, gone, open_ in found
        if gone.count or open_.count
    ]


def _plain(total: Decimal) -> str:
    """Return a sum without zeros at its end, which only say what went through it."""
    text = format(total, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _actors(counts: Counts | None, definition: Funnel, split: Split = WHOLE) -> ActorsDoc:
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
                name=definition.labels[number - 1],
                reached=reached[number - 1],
                conversion=None if step.optional or number > len(shares) else shares[number - 1],
                entered_at=_entered_at(outcomes, definition, number),
            )
            for number, step in enumerate(definition.steps, start=1)
        ],
        distinct=counts.actors if definition.counts_units and split == WHOLE else UNSET,
    )


def _next_actions(definition: Funnel, steps: StepActions, names: int) -> Iterable[NextActionsDoc]:
    for number, (step, found) in enumerate(zip(definition.steps, steps, strict=False), start=1):
        if step.optional:
            continue
        dropped = sum(found.values())
        ranked = sorted(
            (-attempts, name) for name, attempts in found.items() if name is not NOTHING and name != OTHER and attempts
        )
        rows = [(name, -less) for less, name in ranked[:names]]
        other = found[OTHER] - sum(less for less, _ in ranked[names:])
        yield NextActionsDoc(
            step=number,
            name=definition.labels[number - 1],
            dropped=dropped,
            nothing=found[NOTHING],
            events=[
                NextEventDoc(event=name, attempts=attempts, share=attempts / dropped)
                for name, attempts in [*rows, *([(OTHER, other)] if other else [])]
            ],
        )


def live_funnels(rollup: Rollup, definitions: Sequence[Funnel]) -> list[LiveFunnelDoc]:
    """Return the documents of a rollup's funnels in the order of the definitions."""
    by_key = {funnel.key: funnel for funnel in rollup.funnels}
    return [_live_funnel(by_key[funnel.key], funnel) for funnel in definitions if funnel.key in by_key]


def _live_funnel(rollup: FunnelRollup, definition: Funnel) -> LiveFunnelDoc:
    names = definition.labels
    optional = optional_steps(definition)

    def splits(rows: Iterable[Any]) -> list[SplitDoc]:
        return [
            SplitDoc(breakdown=row.breakdown, segment=row.segment, attempts=outcome(row.counts, definition))
            for row in sorted(rows, key=lambda row: (row.breakdown, -row.counts.entered, row.segment))
        ]

    return LiveFunnelDoc(
        key=rollup.key,
        title=definition.title,
        steps=list(names),
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
        age_matched=[age_matched(row, names, optional) for row in rollup.ages],
        periods=[
            LivePeriodDoc(
                start=iso(row.start_ms),
                breakdown=row.breakdown,
                segment=row.segment,
                actors=outcome(row.counts, definition),
                distinct=row.counts.actors if definition.counts_units and not row.breakdown else UNSET,
            )
            for row in rollup.periods
        ],
        occupancy=[
            StandingDoc(breakdown=row.breakdown, segment=row.segment, standing=row.standing) for row in rollup.occupancy
        ],
        optional_steps=optional or UNSET,
    )


def age_matched(row: AgeRow, names: Sequence[str], optional: Collection[int]) -> AgeDoc:
    """Return the age-matched conversion of the required steps but the last."""
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
