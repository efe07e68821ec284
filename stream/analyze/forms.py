"""The form of the JSON of `funnel analyze` and `funnel report`.

Out: the documents' structures; `schema()`, the JSON Schema of an analysis
     (config/schema/analysis.schema.json).

A field that cannot be said is absent or null, never 0 (SPEC section 5). A new optional field
keeps the version; anything else raises it.
"""

import json
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

VERSION = 1

Share = Annotated[float, Meta(ge=0, le=1)]
Difference = Annotated[float, Meta(ge=-1, le=1)]
Count = Annotated[int, Meta(ge=0)]
Instant = Annotated[str, Meta(description="ISO 8601, UTC, to the millisecond")]
Exact = Annotated[str, Meta(description="decimal number as text, exact")]


class _Strict(msgspec.Struct, omit_defaults=False, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are errors, so that the schema is as narrow as the documents."""


class PercentilesDoc(_Strict):
    """Seconds that 50, 75, 90, 95 and 99 of a hundred took at most."""

    p50: float
    p75: float
    p90: float
    p95: float
    p99: float


class BucketDoc(_Strict):
    """How many times lie in a bucket: above the bucket's before, up to its own bound (included)."""

    at_most_seconds: Annotated[int | None, Meta(description="null: above the last bound, 31536000 s")]
    timed: Annotated[int, Meta(ge=1)]


class DurationDoc(_Strict):
    """Times of those that reached a step. Of the two medians only one is there: exact, or from fixed buckets."""

    timed: Annotated[Count, Meta(description="how many times these are")]
    mean_seconds: Annotated[float, Meta(description="exact")]
    median_seconds: Annotated[float | UnsetType, Meta(description="exact")] = UNSET
    median_seconds_from_buckets: Annotated[
        float | UnsetType, Meta(description="linear inside its bucket, as histogram_quantile of PromQL")
    ] = UNSET
    percentiles_seconds: Annotated[
        PercentilesDoc | UnsetType, Meta(description="exact, linear between the two nearest times")
    ] = UNSET
    percentiles_seconds_from_buckets: Annotated[
        PercentilesDoc | UnsetType, Meta(description="as median_seconds_from_buckets")
    ] = UNSET
    histogram: Annotated[
        list[BucketDoc] | UnsetType, Meta(description="fixed buckets, those that hold any; they add up to timed")
    ] = UNSET


class ValueDoc(_Strict):
    """What the events of a step were worth in one currency."""

    currency: str
    total: Exact
    events: Annotated[Count, Meta(description="events that carried a value")]
    average: Annotated[Exact, Meta(description="total / events, to nine places")]


class StepDoc(_Strict):
    """One step, from 1. conversion, dropoff: of those that reached it, the share that went on, and that dropped.

    Going on is reaching the next required step. An optional step only has how many reached it, with their times and
    values; who stopped there stopped at the required step before it.
    """

    step: Annotated[int, Meta(ge=1)]
    name: str
    reached: Count
    reached_share: Annotated[Share | None, Meta(description="of all that entered")]
    conversion: Annotated[
        Share | None, Meta(description="null: nothing is decided, or it is the last step or an optional one")
    ]
    dropoff: Annotated[Share | None, Meta(description="null as for conversion")]
    dropped: Count
    excluded: Count
    pending: Count
    optional: Annotated[bool | UnsetType, Meta(description="true: a chain may skip it; absent otherwise")] = UNSET
    entered_at: Annotated[
        Count | UnsetType, Meta(description="of an open funnel's required step: how many of these entered at it")
    ] = UNSET
    from_previous: Annotated[DurationDoc | None, Meta(description="time from the step before")] = None
    from_entry: Annotated[
        DurationDoc | UnsetType | None, Meta(description="time from the first event of the reported chain")
    ] = UNSET
    values: list[ValueDoc] = []


class OutcomeDoc(_Strict):
    """Outcomes of attempts (or of actors) at `as_of`: entered = converted + dropped + excluded + pending."""

    entered: Count
    converted: Count
    dropped: Count
    excluded: Count
    pending: Count
    conversion: Annotated[Share | None, Meta(description="converted / entered; null while nothing is decided")]
    dropoff: Share | None
    time_to_convert: DurationDoc | None
    steps: list[StepDoc]


class ActorStepDoc(_Strict):
    """Unique actors that reached a step, and the share of them that went on to the next required one."""

    step: Annotated[int, Meta(ge=1)]
    name: str
    reached: Count
    conversion: Share | None
    entered_at: Annotated[Count | UnsetType, Meta(description="as of attempts' steps")] = UNSET


class ActorsDoc(_Strict):
    """Unique actors. Not additive: those of two periods, added, may hold one actor twice."""

    entered: Count
    converted: Count
    conversion: Share | None
    steps: list[ActorStepDoc]
    distinct: Annotated[
        Count | UnsetType,
        Meta(description="where sessions or held values are counted, which the other numbers are of: the actors"),
    ] = UNSET


class SegmentDoc(_Strict):
    """One value of a breakdown; `__none__` where the entry event has none."""

    segment: str
    attempts: OutcomeDoc
    actors: ActorsDoc | UnsetType = UNSET


class BreakdownDoc(_Strict):
    """A breakdown; its segments add up to the whole, largest first."""

    name: str
    segments: list[SegmentDoc]


class StepChangeDoc(_Strict):
    """How the conversion of one step changed."""

    step: Annotated[int, Meta(ge=1)]
    name: str
    conversion: Annotated[Difference | None, Meta(description="null where either of the two is")]


class ChangeDoc(_Strict):
    """A period less the one before it, counted at equal age."""

    entered: Annotated[float | None, Meta(description="(this - previous) / previous; null where previous is 0")]
    conversion: Annotated[Difference | None, Meta(description="this - previous; null where either is")]
    steps: list[StepChangeDoc]


class PreviousDoc(_Strict):
    """The calendar's period before, as `--as-of` at this `as_of` counts it."""

    start: Instant
    as_of: Annotated[
        Instant, Meta(description="the report's if the later period is matured; else when this one was as old")
    ]
    attempts: OutcomeDoc
    actors: ActorsDoc
    attempts_change: ChangeDoc
    actors_change: ChangeDoc


class PeriodDoc(_Strict):
    """Attempts and unique actors that entered in one period. `previous`: only with --compare-previous."""

    start: Instant
    is_matured: Annotated[bool, Meta(description="false: the numbers are so far, as some may still enter or convert")]
    attempts: OutcomeDoc
    actors: ActorsDoc
    previous: Annotated[
        PreviousDoc | UnsetType | None, Meta(description="null: at the calendar's ends, in the years 1 and 9999")
    ] = UNSET


class NextEventDoc(_Strict):
    """An event name; `__other__`: all that are not among the first ones."""

    event: str
    attempts: Annotated[int, Meta(ge=1, description="dropped attempts after which it came next")]
    share: Annotated[Share, Meta(description="attempts / dropped")]


class NextActionsDoc(_Strict):
    """What came next for those dropped at a step: dropped = nothing + the attempts of the events, most first."""

    step: Annotated[int, Meta(ge=1)]
    name: str
    dropped: Count
    nothing: Annotated[Count, Meta(description="nothing came within the window")]
    events: list[NextEventDoc]


class FunnelDoc(_Strict):
    """One funnel of an analysis."""

    funnel: str
    version: int
    title: str
    window_seconds: float
    attempts: OutcomeDoc
    actors: ActorsDoc
    breakdowns: list[BreakdownDoc]
    period_unit: str
    period_zone: str
    trend: list[PeriodDoc]
    next_actions: Annotated[
        list[NextActionsDoc] | UnsetType,
        Meta(description="only with --next-actions: of each step but the last and the optional ones"),
    ] = UNSET


class SourceDoc(_Strict):
    """What was read. next_offsets: by partition, where the log goes on (a file: how many records it has)."""

    kind: Literal["file", "topic"]
    name: str
    next_offsets: dict[str, int]


class RecordsDoc(_Strict):
    """Records by verdict; they add up to `consumed`."""

    consumed: Count
    invalid: Count
    future: Count
    unmatched: Count
    late: Count
    duplicate: Count
    bot: Count
    accepted: Count


class AnalysisDoc(_Strict):
    """What `funnel analyze --json` prints."""

    format: Literal["funnel-analysis"]
    version: Annotated[int, Meta(ge=1)]
    source: SourceDoc
    as_of: Annotated[Instant | None, Meta(description="null: there is no valid record")]
    records: RecordsDoc
    ahead_of_as_of: Annotated[Count, Meta(description="events after as_of, which are left out")]
    funnels: list[FunnelDoc]


class HeadDoc(_Strict):
    """One partition as stored. lag: records between it and the end of the log, null where Kafka was not asked."""

    partition: int
    next_offset: int
    lag: int | None
    watermark: Instant | None
    records: RecordsDoc
    gaps: Count


class WindowDoc(_Strict):
    """A rolling window by entry; `matured`: shifted back by the funnel's window, so that all is decided."""

    window: str
    matured: bool
    breakdown: str
    segment: str
    attempts: OutcomeDoc


class AgeStepDoc(_Strict):
    """One required step but the last. conversion: went_on / reached, null where nobody reached it."""

    step: Annotated[int, Meta(ge=1)]
    name: str
    reached: Count
    went_on: Count
    conversion: Share | None


class AgeDoc(_Strict):
    """Age-matched conversion: who reached a step in the window shifted back by `age`, and went on within that."""

    window: str
    age: str
    breakdown: str
    segment: str
    steps: list[AgeStepDoc]


class LivePeriodDoc(_Strict):
    """Unique actors of an entry period; pending are those whose window may still run."""

    start: Instant
    breakdown: str
    segment: str
    actors: OutcomeDoc
    distinct: Annotated[Count | UnsetType, Meta(description="as of an analysis; for breakdown empty")] = UNSET


class SplitDoc(_Strict):
    """Attempts since the funnel began, of one segment (breakdown empty: of all)."""

    breakdown: str
    segment: str
    attempts: OutcomeDoc


class StandingDoc(_Strict):
    """How many actors stand at each stage now; nobody at an optional one, but at the required one before it."""

    breakdown: str
    segment: str
    standing: list[int]


class LiveFunnelDoc(_Strict):
    """One funnel as live counts it. `since`: record time of its first record."""

    key: str
    title: str
    steps: list[str]
    since: Instant | None
    total: list[SplitDoc]
    settled: list[SplitDoc]
    windows: list[WindowDoc]
    age_matched: list[AgeDoc]
    periods: list[LivePeriodDoc]
    occupancy: list[StandingDoc]
    optional_steps: Annotated[list[int] | UnsetType, Meta(description="numbers of the steps a chain may skip")] = UNSET


class ReportDoc(_Strict):
    """What `funnel report --json` prints. `differences`: only with --compare-topic."""

    format: Literal["funnel-report"]
    version: Annotated[int, Meta(ge=1)]
    as_of: Instant | None
    records: RecordsDoc
    partitions: list[HeadDoc]
    without_head: list[int]
    broken_laws: list[str]
    funnels: list[LiveFunnelDoc]
    differences: list[str] | UnsetType = UNSET


def schema() -> dict[str, Any]:
    """Return the JSON Schema of an analysis (draft 2020-12)."""
    (root,), definitions = msgspec.json.schema_components([AnalysisDoc], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Funnel analysis",
        **root,
        "$defs": definitions,
    }


def schema_text() -> str:
    """Return the schema as config/schema/analysis.schema.json holds it."""
    return json.dumps(schema(), indent=2) + "\n"
