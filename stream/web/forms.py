"""The form of the API's JSON (docs/api.md; config/schema/openapi.json).

Out: the documents' structures.

What cannot be said is null, never 0 (docs/metrics.md). Where a structure is that of `funnel report --json`, it is
the same one: `analyze.forms`. A new optional field keeps the version in the path; anything else raises it.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from stream.analyze.forms import AgeDoc, Count, Instant, OutcomeDoc, RecordsDoc, Share

Number = Annotated[int, Meta(ge=1)]


class State(StrEnum):
    """Whether numbers are live, and if there are none, why."""

    LIVE = "live"
    STALE = "stale"
    WAITING = "waiting"
    NOT_COUNTED = "not_counted"


class Unit(StrEnum):
    """What is counted: tries, or who tries."""

    ATTEMPTS = "attempts"
    PEOPLE = "people"


class Form(StrEnum):
    """Attempts: the newest, some still pending, or those of which all are decided. People: this period, the last."""

    ROLLING = "rolling"
    MATURED = "matured"
    CURRENT = "current"
    PREVIOUS = "previous"


class _Strict(msgspec.Struct, omit_defaults=False, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are errors, so that the schema is as narrow as the documents."""


class WithinDoc(_Strict):
    """The share of those that reach a step which should go on within an age."""

    age: str
    share: Share


class BenchmarkDoc(_Strict):
    """A conversion to compare the funnel's with."""

    name: str
    share: Share


class StepInfoDoc(_Strict):
    """One step of a definition; stage and group are empty where the funnel has no stage model."""

    step: Number
    name: str
    stage: str
    group: str
    optional: bool
    target: Annotated[Share | None, Meta(description="share that should go on, once all is decided (matured)")]
    target_within: list[WithinDoc]


class WindowChoiceDoc(_Strict):
    """A rolling window and its forms; `matured` only where it is kept."""

    window: str
    forms: list[Form]


class PeriodChoiceDoc(_Strict):
    """The entry period of people."""

    unit: str
    zone: str
    forms: list[Form]


class FunnelInfoDoc(_Strict):
    """A definition, and what can be chosen of its numbers. counts_units: people's are of sessions or held values."""

    funnel: str
    version: Number
    title: str
    window_seconds: float
    steps: list[StepInfoDoc]
    breakdowns: list[str]
    attempts: Annotated[list[WindowChoiceDoc], Meta(description="what `window` and `form` may be")]
    people: Annotated[PeriodChoiceDoc, Meta(description="`window` is its unit")]
    counts_units: bool
    target: Annotated[
        Share | None, Meta(description="conversion that should be reached, once all is decided (matured)")
    ]
    benchmarks: list[BenchmarkDoc]


class FunnelsDoc(_Strict):
    """All funnels of the settings."""

    as_of: Instant | None
    state: State
    funnels: list[FunnelInfoDoc]


class ChoiceDoc(_Strict):
    """Which numbers a view shows. breakdown empty: the whole funnel; segment null: of the whole funnel."""

    counts: Unit
    window: str
    form: Form
    breakdown: str
    segment: str | None


class BottleneckDoc(_Strict):
    """The step at which most were lost: dropped or excluded before the next required step."""

    step: Number
    name: str
    next_step: Number
    next_name: str
    lost: Annotated[int, Meta(ge=1)]
    share: Annotated[Share, Meta(description="lost / reached")]


class SideDoc(_Strict):
    """One segment beside the others; lists are per step, `step_conversion` without the last one."""

    segment: str
    entered: Count
    converted: Count
    pending: Count
    conversion: Share | None
    reached: list[int]
    step_conversion: list[Share | None]


class ViewDoc(_Strict):
    """The numbers of one choice at `as_of`."""

    funnel: str
    version: Number
    as_of: Annotated[Instant | None, Meta(description="null: nothing is counted yet")]
    state: State
    choice: ChoiceDoc
    since: Annotated[Instant | None, Meta(description="record time from which on the funnel counts")]
    period_start: Annotated[Instant | None, Meta(description="of people's period; null for attempts")]
    outcome: Annotated[OutcomeDoc | None, Meta(description="null: see state, or the funnel did not count then yet")]
    distinct: Annotated[Count | None, Meta(description="where people's numbers are of units: the people")]
    standing: Annotated[list[int] | None, Meta(description="per step, how many stand there now, whatever the window")]
    age_matched: Annotated[
        list[AgeDoc],
        Meta(description="of attempts so far: the share that went on within each age; of the same segment"),
    ]
    bottleneck: Annotated[BottleneckDoc | None, Meta(description="null: nobody is lost")]
    segments: Annotated[list[SideDoc] | None, Meta(description="of the breakdown, side by side, largest first")]


class CohortDoc(_Strict):
    """Attempts that entered from `start` on, for `slot_seconds`."""

    start: Instant
    entered: Count
    converted: Count
    pending: Count
    dropped: Count
    excluded: Count
    conversion: Share | None
    reached: list[int]


class CohortsDoc(_Strict):
    """Entry cohorts of a rolling window, newest first, without those that nobody entered."""

    funnel: str
    version: Number
    as_of: Instant | None
    window: str
    slot_seconds: float
    steps: list[str]
    cohorts: list[CohortDoc]


class PartitionDoc(_Strict):
    """One partition's rollup. lag: records not counted when it was written, null where unknown."""

    partition: int
    next_offset: Count
    watermark: Instant | None
    lag: int | None
    written: Annotated[Instant, Meta(description="by the clock of the worker that owns it")]
    age_seconds: float


class HealthDoc(_Strict):
    """How the numbers are kept up. ready: that of the process that answers."""

    state: State
    as_of: Instant | None
    ready: bool
    reason: Annotated[str, Meta(description="why it is not ready; empty if it is")]
    read: Annotated[Instant | None, Meta(description="when the rollups were last read")]
    records: RecordsDoc
    corrections: Count
    gaps: Annotated[Count, Meta(description="records that an operator chose to skip")]
    partitions: list[PartitionDoc]
    without_rollup: Annotated[
        list[int], Meta(description="partitions without one: nothing valid was written there yet")
    ]
    not_counted: Annotated[list[str], Meta(description="funnels of the settings that no worker counts yet")]


class ErrorDoc(_Strict):
    """What is wrong with a request. allowed: what would be right, where that is a list."""

    error: str
    allowed: list[str] = []
