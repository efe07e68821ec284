"""What a funnel is: a versioned list of steps, a window, and how its numbers are split.

In:  values already checked by `stream.settings` (durations in ms, names unique).
Out: frozen definitions that engine, aggregate and metrics read.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from stream.model.window import Age

Scalar: TypeAlias = str | int | float | bool


class PeriodUnit(StrEnum):
    """Length of an entry period for unique actors (SPEC section 5)."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Period:
    """Entry periods: `unit` in the named time zone `zone` (IANA name, default UTC)."""

    unit: PeriodUnit = PeriodUnit.DAY
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class ValueRule:
    """Where a step's value (revenue, deal size) comes from.

    `property` is a path into the event's properties. The currency is read at
    `currency_property` and falls back to `currency`.
    """

    property: str
    currency_property: str | None = None
    currency: str = ""


class Operator(StrEnum):
    """How a property is compared, by the word that a funnel file uses."""

    EQUALS = "equals"
    IN = "in"
    CONTAINS = "contains"
    REGEX = "regex"
    LESS = "less_than"
    AT_MOST = "at_most"
    MORE = "more_than"
    AT_LEAST = "at_least"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition on the event property at the path `property`; `negated`: it must not hold.

    `values`: what it is compared with; one, several for `in`, none for `exists`.
    """

    property: str
    operator: Operator
    values: tuple[Scalar, ...] = ()
    negated: bool = False


class Order(StrEnum):
    """How the events of a chain follow one another (SPEC sections 3 and 4)."""

    ORDERED = "ordered"
    STRICT = "strict"
    ANY = "any"


class Effect(StrEnum):
    """What an exclusion does to whom it hits: the attempt ends, or it counts nowhere."""

    END_ATTEMPT = "end_attempt"
    REMOVE_ACTOR = "remove_actor"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What must not happen strictly between the events of two steps: any of `events` if all of `where` holds.

    `first`, `last`: numbers of these steps, from 1.
    """

    events: tuple[str, ...]
    first: int
    last: int
    where: tuple[Predicate, ...] = ()
    effect: Effect = Effect.END_ATTEMPT


@dataclass(frozen=True, slots=True)
class Session:
    """Counts each session by itself: by the id at the path `property`, or by a gap without any event of the actor.

    One of both is set; a gap of exactly `gap_ms` is none.
    """

    property: str = ""
    gap_ms: int | None = None


EXPORT_ONLY: Final = {"is_export_only": True}
"""Metadata of a field that says how counts are shown or judged, not what is counted: changing it is no new version."""


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered part of a funnel; any of `events` (event names) serves it if all of `where` holds.

    `stage` and `group` place it in the funnel's stage model (`intent`, `middle`); empty where it names none.
    `optional`: a chain may skip it. `within_ms`, `not_before_ms`: how long after the chain's previous event it may
    be at most and must be at least; both inclusive. `target`: share (0..1) of those that reach it which should go on
    to the next required step; `target_within`: the same within an age.
    """

    name: str
    events: tuple[str, ...]
    stage: str = ""
    value: ValueRule | None = None
    group: str = ""
    where: tuple[Predicate, ...] = ()
    optional: bool = False
    within_ms: int | None = None
    not_before_ms: int = 0
    target: float | None = field(default=None, metadata=EXPORT_ONLY)
    target_within: tuple[tuple[Age, float], ...] = field(default=(), metadata=EXPORT_ONLY)


class Attribution(StrEnum):
    """Which events give an attempt or actor the value it counts under (SPEC section 6)."""

    FIRST_TOUCH = "first_touch"
    FIRST_DEFINED = "first_defined"
    LAST_TOUCH = "last_touch"
    STEP = "step"
    ALL_STEPS = "all_steps"


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Split by the first of `properties` that an event has, or if `is_combined` by both of them together.

    Which event that is `attribution` says; `step` is the step of `STEP`, from 1. `allow`: values always exported;
    `top_segments`: how many values are exported, None for the tracker's setting.
    """

    name: str
    properties: tuple[str, ...]
    attribution: Attribution = Attribution.FIRST_TOUCH
    step: int | None = None
    is_combined: bool = False
    allow: tuple[str, ...] = field(default=(), metadata=EXPORT_ONLY)
    top_segments: int | None = field(default=None, metadata=EXPORT_ONLY)

    @property
    def is_by_entry(self) -> bool:
        """Whether the entry event has the value; with `ALL_STEPS` every event has the same."""
        return self.attribution in {Attribution.FIRST_TOUCH, Attribution.ALL_STEPS}


@dataclass(frozen=True, slots=True)
class Funnel:
    """A definition under `name` and `version`; a changed definition is a new version.

    `strict_time`: whether the times of a chain must increase, so that events of one instant do not follow each other.
    `is_open`: whether an event that no chain waits for may start one at its own step. `breaking`: in strict order, the
    events that break a chain besides those of the steps; None for all. `hold`: properties whose values are the same
    in all events of a chain. `entry_first`: whether only the first step-1 event of a period starts a chain.
    `granularity_ms`: times are floored to it before steps are matched. `target`: share (0..1) of those that enter which
    should convert; `benchmarks`: (name, share) pairs to compare that with.
    """

    name: str
    version: int
    steps: tuple[Step, ...]
    window_ms: int
    title: str = ""
    breakdowns: tuple[Breakdown, ...] = ()
    period: Period = Period()
    stage_model: str = ""
    strict_time: bool = False
    order: Order = Order.ORDERED
    is_open: bool = False
    exclusions: tuple[Exclusion, ...] = ()
    breaking: tuple[str, ...] | None = None
    hold: tuple[str, ...] = ()
    entry_first: bool = False
    session: Session | None = None
    granularity_ms: int = 1
    target: float | None = field(default=None, metadata=EXPORT_ONLY)
    benchmarks: tuple[tuple[str, float], ...] = field(default=(), metadata=EXPORT_ONLY)

    @property
    def key(self) -> str:
        """`name@version`: the identity of the definition in state, series and files."""
        return f"{self.name}@{self.version}"

    def floor(self, time_ms: int) -> int:
        """Return an instant (ms) floored to the granularity, toward minus infinity."""
        return time_ms - time_ms % self.granularity_ms

    @property
    def labels(self) -> tuple[str, ...]:
        """What is reached, by step: the steps' names; in any order how many of them, whichever they are."""
        if self.order is Order.ANY:
            return tuple(f"any {count} of {len(self.steps)}" for count in range(1, len(self.steps) + 1))
        return tuple(step.name for step in self.steps)

    @property
    def counts_units(self) -> bool:
        """Whether an actor counts several times: once per session, or per value that a chain holds constant."""
        return bool(self.hold) or self.session is not None

    @property
    def needed_properties(self) -> tuple[str, ...]:
        """Property paths that counting this funnel reads, sorted, without repeats."""
        paths = {path for breakdown in self.breakdowns for path in breakdown.properties}
        paths |= {*self.hold}
        if self.session is not None and self.session.property:
            paths.add(self.session.property)
        for exclusion in self.exclusions:
            paths |= {predicate.property for predicate in exclusion.where}
        for step in self.steps:
            paths |= {predicate.property for predicate in step.where}
            if step.value is not None:
                paths.add(step.value.property)
                if step.value.currency_property is not None:
                    paths.add(step.value.currency_property)
        return tuple(sorted(paths))
