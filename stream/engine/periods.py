"""Entry periods: which hour, day, week or month of a time zone an instant belongs to.

In:  ms UTC.
Out: [start, end) in ms UTC. Days with a clock change have 23 or 25 hours, because
     the borders are local midnights; weeks begin on Monday.
"""

from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from stream.model.funnel import Period, PeriodUnit

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MAX_KNOWN_BORDERS = 4096

PeriodOf = Callable[[int], tuple[int, int]]


def period_of(period: Period) -> PeriodOf:
    """Return the function from an instant to its period's [start, end), both ms UTC."""
    if period.unit is PeriodUnit.HOUR:
        # Zones with a half-hour offset have half-hour borders; SPEC wants one grid for all.
        return _Grid(HOUR_MS)
    if period.zone == "UTC" and period.unit is PeriodUnit.DAY:
        return _Grid(DAY_MS)
    return _Calendar(period)


class _Grid:
    """Periods of equal length; equal borders are one object, which the states of all actors share."""

    def __init__(self, length_ms: int) -> None:
        self._length_ms = length_ms
        self._known: dict[int, tuple[int, int]] = {}

    def __call__(self, time_ms: int) -> tuple[int, int]:
        number = time_ms // self._length_ms
        borders = self._known.get(number)
        if borders is None:
            if len(self._known) >= MAX_KNOWN_BORDERS:
                self._known.clear()
            start_ms = number * self._length_ms
            borders = self._known[number] = (start_ms, start_ms + self._length_ms)
        return borders


class _Calendar:
    """Periods between local midnights; remembers the borders it has worked out."""

    def __init__(self, period: Period) -> None:
        self._unit = period.unit
        self._zone = ZoneInfo(period.zone)
        self._beyond = _Grid(DAY_MS)
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __call__(self, time_ms: int) -> tuple[int, int]:
        at = bisect_right(self._starts, time_ms) - 1
        if at >= 0 and time_ms < self._ends[at]:
            return self._starts[at], self._ends[at]
        try:
            start, end = self._work_out(time_ms)
        except (OverflowError, ValueError):
            # Within a month of the years 1 and 9999 the calendar has no border on one side.
            return self._beyond(time_ms)
        if len(self._starts) >= MAX_KNOWN_BORDERS:
            self._starts.clear()
            self._ends.clear()
        at = bisect_right(self._starts, start)
        self._starts.insert(at, start)
        self._ends.insert(at, end)
        return start, end

    def _work_out(self, time_ms: int) -> tuple[int, int]:
        local = (EPOCH + timedelta(milliseconds=time_ms)).astimezone(self._zone)
        first = datetime(local.year, local.month, local.day)  # noqa: DTZ001 - a local date, made aware below
        if self._unit is PeriodUnit.WEEK:
            first -= timedelta(days=first.weekday())
        elif self._unit is PeriodUnit.MONTH:
            first = first.replace(day=1)
        start, end = self._to_ms(first), self._to_ms(self._next(first))
        if time_ms >= end:
            # Clocks went back over midnight: the period that had begun goes on.
            first = self._next(first)
            start, end = end, self._to_ms(self._next(first))
        return start, end

    def _next(self, first: datetime) -> datetime:
        if self._unit is PeriodUnit.DAY:
            return first + timedelta(days=1)
        if self._unit is PeriodUnit.WEEK:
            return first + timedelta(days=7)
        return (first + timedelta(days=31)).replace(day=1)

    def _to_ms(self, local: datetime) -> int:
        return (local.replace(tzinfo=self._zone).astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)
