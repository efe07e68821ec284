"""What is known about a funnel at an instant: one partition's rollup, and the sum of all.

A rollup carries finished counts for its `as_of_ms`, so that any worker can add
the partitions' rollups and serve the whole funnel. Steps count from 1; a list
"per step" has its step k at index k - 1. `aggregate.rollup` builds and merges
these, `store` keeps them as msgpack, `metrics` and the terminal show them.
"""

from decimal import Decimal
from typing import TypeAlias

import msgspec

# Upper bounds of the time-to-convert buckets in seconds; the last bucket is open.
# Fixed, so that percentiles can be merged and reproduced: about 10 a decade up to
# an hour would triple the series; these keep every named duration people use.
DURATION_BOUNDS_S: tuple[int, ...] = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200,
    86400, 172800, 259200, 604800, 1209600, 2592000, 7776000, 15552000, 31536000,
)  # fmt: skip
BUCKETS = len(DURATION_BOUNDS_S) + 1

TOTAL_STEP = 0
"""Step number under which durations from entry to conversion are kept."""


class Money(msgspec.Struct, array_like=True):
    """Exact sum of a step's value in one currency, and how many events (or attempts) carried one."""

    total: Decimal
    count: int


Values: TypeAlias = dict[int, dict[str, Money]]
"""Step -> currency -> sum."""


class Counts(msgspec.Struct, array_like=True):
    """Outcomes of a set of attempts (or actors) at one `as_of`.

    pending, dropped, excluded: per step 1..n-1, by the deepest step reached; that may be an optional step
    (`aggregate.outcomes` says them by required step).
    durations: step * BUCKETS + bucket -> count; step k > 1 is the time from step
    k - 1 to k of the reported chain, step 0 (`TOTAL_STEP`) from entry to conversion.
    duration_ms: step -> sum of those times in ms.
    values: step -> currency -> exact sum and count.
    skipped: per step 1..n-1, how many of those that came as far or further have no event of it in their chain: it
    is optional, or lies before the step they entered at. Empty for zeros.
    actors: of how many actors the counted units of an entry period are; 0 where an actor is the unit.
    lost: step 1..n-1 -> currency -> what the dropped and the excluded ones of that step are worth, and how many of
    them are worth something. An attempt is worth the value at the last step of its reported chain that has one.
    at_stake: the same of the pending ones.
    """

    pending: list[int]
    dropped: list[int]
    excluded: list[int]
    converted: int = 0
    durations: dict[int, int] = {}
    duration_ms: dict[int, int] = {}
    values: Values = {}
    skipped: list[int] = []
    actors: int = 0
    lost: Values = {}
    at_stake: Values = {}

    @property
    def entered(self) -> int:
        """How many attempts these are: converted + dropped + excluded + pending."""
        return self.converted + sum(self.pending) + sum(self.dropped) + sum(self.excluded)

    @property
    def reached(self) -> list[int]:
        """How many have an event of each step 1..n in their chain."""
        total = self.converted
        result = [total]
        for waiting, gone, out in zip(
            reversed(self.pending), reversed(self.dropped), reversed(self.excluded), strict=True
        ):
            total += waiting + gone + out
            result.append(total)
        result.reverse()
        for index, skipped in enumerate(self.skipped):
            result[index] -= skipped
        return result


class WindowRow(msgspec.Struct, array_like=True):
    """One rolling window by entry time x one segment. `breakdown` "" is the whole funnel."""

    window: str
    matured: bool
    breakdown: str
    segment: str
    counts: Counts


class AgeRow(msgspec.Struct, array_like=True):
    """Age-matched conversion: one rolling or alert window x one age x one segment, per step 1..n-1.

    reached: attempts that first reached the step in the window shifted back by the age; went_on: how many of
    those reached the next step within the age.
    """

    window: str
    age: str
    breakdown: str
    segment: str
    reached: list[int]
    went_on: list[int]


class OccupancyRow(msgspec.Struct, array_like=True):
    """How many actors stand at each stage 1..n now; who stopped at an optional step stands at the one before it."""

    breakdown: str
    segment: str
    standing: list[int]


class PeriodRow(msgspec.Struct, array_like=True):
    """Unique actors of one entry period; `counts.pending` holds those whose window may still run."""

    start_ms: int
    breakdown: str
    segment: str
    counts: Counts


class SplitRow(msgspec.Struct, array_like=True):
    """Attempts since the funnel began, of one segment."""

    breakdown: str
    segment: str
    counts: Counts


class FunnelRollup(msgspec.Struct, array_like=True):
    """Everything shown about one funnel (`key` is name@version) on one or all partitions.

    settled: attempts since the funnel began whose outcome can never change again (pending is all 0).
    largest: breakdown -> UTC day (its start, ms) -> value -> entered on it, for the values with most entrants:
    the candidates for being shown by name. total: all attempts since the funnel began. ages: only rows in which
    somebody reached a step. optional: numbers of the steps that a chain may skip. is_open: whether attempts may
    enter at other steps than the first.
    """

    key: str
    steps: int
    since_ms: int | None
    windows: list[WindowRow]
    occupancy: list[OccupancyRow]
    periods: list[PeriodRow]
    settled: list[SplitRow]
    largest: dict[str, dict[int, dict[str, int]]] = {}
    total: list[SplitRow] = []
    ages: list[AgeRow] = []
    optional: list[int] = []
    is_open: bool = False


class Rollup(msgspec.Struct, array_like=True):
    """One partition's summary at `as_of_ms`; merged, the whole source's.

    verdicts: counts in the order of `Verdict`, since the first record.
    written_ms: wall clock of the owner when it wrote this, for the age series only.
    lag_records: records not yet counted when it was written, those included that were still to be brought into the
    log from whatever partition of the sources; -1 if not known.
    """

    as_of_ms: int | None
    watermark_ms: int | None
    next_offset: int
    verdicts: list[int]
    corrections: int
    written_ms: int
    funnels: list[FunnelRollup]
    gaps: int = 0
    lag_records: int = -1
