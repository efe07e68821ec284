"""A batch's changes of one funnel, added up before they go into the slots that are kept.

In:  changes from the engine.
Out: cells by entry slot and segments, those of conversions apart; cells by entry period and segments.

A batch touches few slots and few segments, so that rings, splits and periods are visited once
for each of these, and not once for each attempt.
"""

from collections.abc import Iterable
from typing import TypeAlias

from stream.aggregate.cells import Cell, count_result, empty_cell
from stream.engine.advance import Change
from stream.engine.attempts import Attempt, PeriodFold

# the breakdown values of an entry event; () where the funnel has no breakdowns
Segments: TypeAlias = tuple[str, ...]


class Gathered:
    """What a batch adds and takes away.

    `open`: unconverted attempts by (entry slot, segments); `closed`: conversions by (entry slot,
    slot of the completion, segments); `periods`: actors by (period start, segments); slots of `fine_ms`.
    `corrections`: attempts taken back because of an older event.
    """

    def __init__(self, step_count: int, fine_ms: int) -> None:
        self._step_count, self._fine_ms = step_count, fine_ms
        self.open: dict[tuple[int, Segments], Cell] = {}
        self.closed: dict[tuple[int, int, Segments], Cell] = {}
        self.periods: dict[tuple[int, Segments], Cell] = {}
        self.corrections = 0

    def take(self, changes: Iterable[Change]) -> None:
        """Add changes up; a place where they cancel out is left out."""
        for taken, given, taken_periods, given_periods, corrections in changes:
            for attempt in taken:
                self._count(attempt, -1)
            for attempt in given:
                self._count(attempt, 1)
            for period in taken_periods:
                self._count_period(period, -1)
            for period in given_periods:
                self._count_period(period, 1)
            self.corrections += corrections
        self.open = {key: cell for key, cell in self.open.items() if not cell.is_empty}
        self.closed = {key: cell for key, cell in self.closed.items() if not cell.is_empty}
        self.periods = {key: cell for key, cell in self.periods.items() if not cell.is_empty}

    def _count(self, attempt: Attempt, sign: int) -> None:
        entry_ms, best, chain, entry = attempt
        slot = entry_ms - entry_ms % self._fine_ms
        segments = () if entry is None else entry[0]
        if best < self._step_count:
            key = (slot, segments)
            cell = self.open.get(key)
            if cell is None:
                cell = self.open[key] = empty_cell(self._step_count)
        else:
            closed_ms = chain[-2]
            closed_key = (slot, closed_ms - closed_ms % self._fine_ms, segments)
            cell = self.closed.get(closed_key)
            if cell is None:
                cell = self.closed[closed_key] = empty_cell(self._step_count)
        count_result(cell, best, chain, sign)

    def _count_period(self, period: PeriodFold, sign: int) -> None:
        start_ms, _, _, best, chain = period
        entry = chain[1]
        key = (start_ms, () if entry is None else entry[0])
        cell = self.periods.get(key)
        if cell is None:
            cell = self.periods[key] = empty_cell(self._step_count)
        count_result(cell, best, chain, sign)
