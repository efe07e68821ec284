"""A funnel over a closed set of events: exact outcomes at an instant, no slots.

In:  the changes of a whole file or log, and the actors' standing after it.
Out: attempts and actors per step, times, values, breakdowns, and a trend by entry period.

`analyze` uses it. What live shows by slots is here worked out attempt by attempt.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from stream.aggregate.cells import Cell, add_outcomes, count_result, empty_cell, empty_counts
from stream.aggregate.rings import Split
from stream.aggregate.totals import splits_of
from stream.engine.advance import Change
from stream.engine.attempts import Fold
from stream.engine.match import CompiledFunnel
from stream.engine.periods import PeriodOf
from stream.model.result import Counts

# start of an entry period in ms; None for the whole range
PeriodStart = int | None


@dataclass
class FunnelReport:
    """Counts of one funnel; `attempts` and `actors` by (period start, split), period None for the whole range."""

    funnel: CompiledFunnel
    as_of_ms: int
    attempts: dict[tuple[PeriodStart, Split], Counts] = field(default_factory=dict)
    actors: dict[tuple[PeriodStart, Split], Counts] = field(default_factory=dict)

    def splits(self) -> list[Split]:
        """Return the whole funnel and each segment that occurs, largest first within its breakdown."""
        whole = {split: counts.entered for (start, split), counts in self.attempts.items() if start is None}
        return sorted(whole, key=lambda split: (split[0], -whole[split], split[1]))

    def periods(self) -> list[int]:
        """Return the starts of the entry periods that occur."""
        return sorted({start for start, _ in self.attempts.keys() | self.actors.keys() if start is not None})


class Tally:
    """Adds up one funnel's changes; `trend_of` gives the entry periods of the trend."""

    def __init__(self, funnel: CompiledFunnel, trend_of: PeriodOf) -> None:
        self._funnel = funnel
        self._trend_of = trend_of
        self._attempts: dict[tuple[PeriodStart, Split], Cell] = {}
        self._actors: dict[tuple[PeriodStart, Split], Cell] = {}

    def take(self, change: Change) -> None:
        """Add one change of the actor table."""
        for attempts, sign in ((change.taken, -1), (change.given, 1)):
            for entry_ms, best, chain, entry, _, _ in attempts:
                start_ms = self._trend_of(entry_ms)[0]
                for split in splits_of(entry):
                    count_result(self._cell(self._attempts, None, split), best, chain, sign)
                    count_result(self._cell(self._attempts, start_ms, split), best, chain, sign)

    def take_periods(self, change: Change) -> None:
        """Add one change's period results as those of the trend's periods."""
        for periods, sign in ((change.taken_periods, -1), (change.given_periods, 1)):
            for start_ms, _, _, best, chain in periods:
                for split in splits_of(chain[1]):
                    count_result(self._cell(self._actors, start_ms, split), best, chain, sign)

    def take_range(self, change: Change) -> None:
        """Add one change's period results as those of the whole range."""
        for periods, sign in ((change.taken_periods, -1), (change.given_periods, 1)):
            for _, _, _, best, chain in periods:
                for split in splits_of(chain[1]):
                    count_result(self._cell(self._actors, None, split), best, chain, sign)

    def _cell(self, cells: dict[tuple[PeriodStart, Split], Cell], start_ms: PeriodStart, split: Split) -> Cell:
        cell = cells.get((start_ms, split))
        if cell is None:
            cell = cells[start_ms, split] = empty_cell(self._funnel.step_count)
        return cell

    def report(self, tips: Iterable[Fold], as_of_ms: int) -> FunnelReport:
        """Return the outcomes at `as_of_ms`; `tips` is the standing of every actor.

        Unconverted attempts are dropped, but those still open whose window has not run out. Of an
        actor only how deep it came is said, so its unconverted results all stand as dropped.
        """
        report = FunnelReport(self._funnel, as_of_ms)
        for cells, outcomes in ((self._attempts, report.attempts), (self._actors, report.actors)):
            for key, cell in cells.items():
                counts = outcomes[key] = empty_counts(self._funnel.step_count)
                add_outcomes(counts, cell, decided=True)
        for _, attempt, _ in tips:
            if attempt is not None and attempt[0] + self._funnel.window_ms >= as_of_ms:
                for start_ms in (None, self._trend_of(attempt[0])[0]):
                    for split in splits_of(attempt[3]):
                        counts = report.attempts[start_ms, split]
                        counts.dropped[attempt[1] - 1] -= 1
                        counts.pending[attempt[1] - 1] += 1
        return report


def whole_range(_time_ms: int) -> tuple[int, int]:
    """Return the one period that holds every instant."""
    return -(1 << 61), 1 << 61
