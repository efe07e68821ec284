"""What a funnel is: a versioned list of steps, a window, and how its numbers are split.

In:  values already checked by `stream.settings` (durations in ms, names unique).
Out: frozen definitions that engine, aggregate and metrics read.
"""

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered part of a funnel; any of `events` (event names) serves it.

    `stage` and `group` place it in the funnel's stage model (`intent`, `middle`); empty where it names none.
    """

    name: str
    events: tuple[str, ...]
    stage: str = ""
    value: ValueRule | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Split by the first of `properties` that the entry event has (first touch)."""

    name: str
    properties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Funnel:
    """A definition under `name` and `version`; a changed definition is a new version."""

    name: str
    version: int
    steps: tuple[Step, ...]
    window_ms: int
    title: str = ""
    breakdowns: tuple[Breakdown, ...] = ()
    period: Period = Period()
    stage_model: str = ""

    @property
    def key(self) -> str:
        """`name@version`: the identity of the definition in state, series and files."""
        return f"{self.name}@{self.version}"

    @property
    def needed_properties(self) -> tuple[str, ...]:
        """Property paths that counting this funnel reads, sorted, without repeats."""
        paths = {path for breakdown in self.breakdowns for path in breakdown.properties}
        for step in self.steps:
            if step.value is not None:
                paths.add(step.value.property)
                if step.value.currency_property is not None:
                    paths.add(step.value.currency_property)
        return tuple(sorted(paths))
