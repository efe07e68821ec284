"""A funnel over a closed set of events: exact outcomes at an instant, no slots.

In:  the changes of a whole file or log, and the instant.
Out: attempts and actors per step, times, values, breakdowns, and a trend by entry period.

`analyze` uses it. What live shows by slots is here worked out attempt by attempt.
"""

from dataclasses import dataclass, field

from stream.aggregate.cells import (
    Cell,
    add_outcomes,
    count_any,
    count_distinct,
    count_result,
    empty_cell,
    empty_counts,
)
from stream.aggregate.gather import is_plain
from stream.aggregate.rings import WHOLE, Split
from stream.aggregate.totals import splits_of, undecided_from_ms
from stream.engine.advance import Change
from stream.engine.match import CompiledFunnel
from stream.engine.ordered import Path
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
        """Return the whole funnel and each segment that occurs, largest first within its breakdown.

        One that only actors have is there too: their value may come from other events than that of any attempt.
        """
        whole = {split: counts.entered for (start, split), counts in self.attempts.items() if start is None}
        for start, split in self.actors:
            if start is None:
                whole.setdefault(split, 0)
        return sorted(whole, key=lambda split: (split[0], -whole[split], split[1]))

    def periods(self) -> list[int]:
        """Return the starts of the entry periods that occur."""
        return sorted({start for start, _ in self.attempts.keys() | self.actors.keys() if start is not None})


class Tally:
    """Adds up one funnel's changes as of an instant; `trend_of` gives the entry periods of the trend.

    No event that is taken is later than `as_of_ms`, so that whether an attempt is decided is told by its entry.
    """

    def __init__(self, funnel: CompiledFunnel, trend_of: PeriodOf, as_of_ms: int) -> None:
        self._funnel = funnel
        self._trend_of = trend_of
        self._is_plain = is_plain(funnel.definition)
        self._as_of_ms = as_of_ms
        self._undecided_from_ms = undecided_from_ms(funnel.definition, as_of_ms)
        self._decided: dict[tuple[PeriodStart, Split], Cell] = {}
        self._undecided: dict[tuple[PeriodStart, Split], Cell] = {}
        self._actors: dict[tuple[PeriodStart, Split], Cell] = {}

    def take(self, change: Change) -> None:
        """Add one change of the actor table."""
        for attempts, sign in ((change.taken, -1), (change.given, 1)):
            for entry_ms, best, chain, entry, _, fate in attempts:
                cells = self._undecided if entry_ms >= self._undecided_from_ms else self._decided
                start_ms = self._trend_of(entry_ms)[0]
                for split in splits_of(entry):
                    for period in (None, start_ms):
                        cell = self._cell(cells, period, split)
                        if self._is_plain:
                            count_result(cell, best, chain, sign)
                        else:
                            count_any(cell, best, chain, fate, sign)

    def take_periods(self, change: Change) -> None:
        """Add one change's period results as those of the trend's periods."""
        for periods, sign in ((change.taken_periods, -1), (change.given_periods, 1)):
            for start_ms, _, _, best, chain in periods:
                self._count_actor(start_ms, best, chain, sign)
        for start_ms, sign in change.actors:
            count_distinct(self._cell(self._actors, start_ms, WHOLE), sign)

    def take_range(self, change: Change) -> None:
        """Add one change's period results as those of the whole range."""
        for periods, sign in ((change.taken_periods, -1), (change.given_periods, 1)):
            for _, _, _, best, chain in periods:
                self._count_actor(None, best, chain, sign)
        for _, sign in change.actors:
            count_distinct(self._cell(self._actors, None, WHOLE), sign)

    def _count_actor(self, start_ms: PeriodStart, best: int, chain: Path, sign: int) -> None:
        if not best:  # an exclusion took the actor out
            return
        for split in splits_of(chain[1] if self._is_plain else self._funnel.touch_of_chain(chain)):
            cell = self._cell(self._actors, start_ms, split)
            if self._is_plain:
                count_result(cell, best, chain, sign)
            else:
                count_any(cell, best, chain, None, sign)

    def _cell(self, cells: dict[tuple[PeriodStart, Split], Cell], start_ms: PeriodStart, split: Split) -> Cell:
        cell = cells.get((start_ms, split))
        if cell is None:
            cell = cells[start_ms, split] = empty_cell(self._funnel.step_count)
        return cell

    def report(self) -> FunnelReport:
        """Return the outcomes.

        Of an actor only how deep it came is said, so its unconverted results all stand as dropped.
        """
        report = FunnelReport(self._funnel, self._as_of_ms)
        for cells, outcomes, decided in (
            (self._decided, report.attempts, True),
            (self._undecided, report.attempts, False),
            (self._actors, report.actors, True),
        ):
            for key, cell in cells.items():
                counts = outcomes.get(key)
                if counts is None:
                    counts = outcomes[key] = empty_counts(self._funnel.step_count)
                add_outcomes(counts, cell, decided=decided)
        return report


def whole_range(_time_ms: int) -> tuple[int, int]:
    """Return the one period that holds every instant."""
    return -(1 << 61), 1 << 61
