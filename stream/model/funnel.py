"""What a funnel is: a versioned list of steps, a window, and how its numbers are split.

In:  values already checked by `stream.settings` (durations in ms, names unique).
Out: frozen definitions that engine, aggregate and metrics read.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

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


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered part of a funnel; any of `events` (event names) serves it if all of `where` holds.

    `stage` and `group` place it in the funnel's stage model (`intent`, `middle`); empty where it names none.
    """

    name: str
    events: tuple[str, ...]
    stage: str = ""
    value: ValueRule | None = None
    group: str = ""
    where: tuple[Predicate, ...] = ()


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Split by the first of `properties` that the entry event has (first touch)."""

    name: str
    properties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Funnel:
    """A definition under `name` and `version`; a changed definition is a new version.

    `strict_time`: whether the times of a chain must increase, so that events of one instant do not follow each other.
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

    @property
    def key(self) -> str:
        """`name@version`: the identity of the definition in state, series and files."""
        return f"{self.name}@{self.version}"

    @property
    def needed_properties(self) -> tuple[str, ...]:
        """Property paths that counting this funnel reads, sorted, without repeats."""
        paths = {path for breakdown in self.breakdowns for path in breakdown.properties}
        for step in self.steps:
            paths |= {predicate.property for predicate in step.where}
            if step.value is not None:
                paths.add(step.value.property)
                if step.value.currency_property is not None:
                    paths.add(step.value.currency_property)
        return tuple(sorted(paths))
