"""A batch's changes of one funnel, added up before they go into the slots that are kept.

In:  changes from the engine.
Out: cells by entry slot and segments, those of conversions apart; cells by entry period and segments;
     counts by age.

A batch touches few slots and few segments, so that rings, splits and periods are visited once
for each of these, and not once for each attempt.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from stream.aggregate.ages import AgeCounts, AgeRule, Segments
from stream.aggregate.cells import Cell, count_any, count_progress, count_result, empty_cell
from stream.engine.advance import Change
from stream.engine.attempts import Attempt, PeriodFold
from stream.engine.attribution import entry_touch
from stream.engine.chains import Chain
from stream.engine.roles import Touch
from stream.model.funnel import Funnel

_Place = TypeVar("_Place")
_Result = TypeVar("_Result", bound=Sequence[Any])


class Gathered(NamedTuple):
    """What a batch adds and takes away; a place where that cancels out is left out.

    `open`: attempts that nothing but time closes, by (entry slot, segments); `closed`: conversions and attempts that
    an exclusion closed, by (entry slot, slot of the event that closed them, segments); `periods`: actors by (period
    start, segments). `ages`: counts by age by segments. `corrections`: attempts taken back because of an older event.
    `actors`: where units are counted, distinct actors by period start.
    """

    open: Mapping[tuple[int, Segments], Cell]
    closed: Mapping[tuple[int, int, Segments], Cell]
    periods: Mapping[tuple[int, Segments], Cell]
    ages: Mapping[Segments, AgeCounts]
    corrections: int
    actors: Mapping[int, int] = {}


def changes_since(changes: Iterable[Change], since_ms: int) -> Iterator[Change]:
    """Yield changes without the attempts and periods that began before an instant.

    A result is taken back under the start under which it was given, so that what was left out is never taken back.
    """

    def entered(results: Sequence[_Result]) -> list[_Result]:
        return [result for result in results if result[0] >= since_ms]

    for taken, given, taken_periods, given_periods, corrections, actors in changes:
        periods = entered(taken_periods), entered(given_periods)
        yield Change(entered(taken), entered(given), *periods, corrections, entered(actors))


def is_plain(funnel: Funnel) -> bool:
    """Whether `gather` is enough.

    Then no chain has a hole, no attempt a fate, entry events have all segments, and actors are what is counted.
    """
    has_holes = funnel.is_open or any(step.optional for step in funnel.steps)
    is_by_entry = all(breakdown.is_by_entry for breakdown in funnel.breakdowns)
    return is_by_entry and not (has_holes or funnel.exclusions or funnel.counts_units)


def gather_any(  # noqa: C901 (one loop, as `gather`)
    changes: Iterable[Change],
    step_count: int,
    fine_ms: int,
    rule: AgeRule | None = None,
    touch_of_chain: Callable[[Chain], Touch | None] = entry_touch,
) -> Gathered:
    """Do what `gather` does for a funnel with any options; for a plain one it says the same, more slowly."""

    def cells() -> defaultdict[Any, Cell]:
        return defaultdict(lambda: empty_cell(step_count))

    still_open, closed, entered = cells(), cells(), cells()
    ages: defaultdict[Segments, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    corrected = 0
    actors: defaultdict[int, int] = defaultdict(int)
    for taken, given, taken_periods, given_periods, corrections, counted in changes:
        for start_ms, sign in counted:
            actors[start_ms] += sign
        for attempts, sign in ((taken, -1), (given, 1)):
            for entry_ms, best, chain, entry, _, fate in attempts:
                slot, segments = entry_ms - entry_ms % fine_ms, () if entry is None else entry[0]
                closed_ms = chain[-2] if best == step_count else None if fate is None else fate[1]
                if closed_ms is None:
                    cell = still_open[slot, segments]
                else:
                    cell = closed[slot, closed_ms - closed_ms % fine_ms, segments]
                count_any(cell, best, chain, fate, sign)
            if rule is not None:
                rule.count_any(ages, attempts, sign)
        for periods, sign in ((taken_periods, -1), (given_periods, 1)):
            for start_ms, _, _, best, chain in periods:
                if best:  # else an exclusion took the actor out
                    entry = touch_of_chain(chain)
                    count_any(entered[start_ms, () if entry is None else entry[0]], best, chain, None, sign)
        corrected += corrections
    return Gathered(_filled(still_open), _filled(closed), _filled(entered), ages, corrected, actors)


def gather(  # noqa: C901 (one loop, for speed)
    changes: Iterable[Change],
    step_count: int,
    fine_ms: int,
    rule: AgeRule | None = None,
    *,
    has_values: bool = True,
) -> Gathered:
    """Add up changes of a plain funnel of `step_count` steps, in slots of `fine_ms`; without a rule nothing by age.

    has_values: False if no step has a value, which saves looking for some.
    """

    def nobody() -> Cell:
        return empty_cell(step_count)

    def none_by_age() -> defaultdict[int, int]:
        return defaultdict(int)

    still_open: defaultdict[tuple[int, Segments], Cell] = defaultdict(nobody)
    closed: defaultdict[tuple[int, int, Segments], Cell] = defaultdict(nobody)
    entered: defaultdict[tuple[int, Segments], Cell] = defaultdict(nobody)
    ages: defaultdict[Segments, defaultdict[int, int]] = defaultdict(none_by_age)

    def count_attempts(attempts: Sequence[Attempt], sign: int) -> None:
        for entry_ms, best, chain, entry, _, _ in attempts:
            slot, segments = entry_ms - entry_ms % fine_ms, () if entry is None else entry[0]
            if best < step_count:
                cell = still_open[slot, segments]
            else:
                closed_ms: int = chain[-2]
                cell = closed[slot, closed_ms - closed_ms % fine_ms, segments]
            count_result(cell, best, chain, sign, has_values=has_values)

    def count_periods(periods: Sequence[PeriodFold], sign: int) -> None:
        for start_ms, _, _, best, chain in periods:
            entry = chain[1]
            cell = entered[start_ms, () if entry is None else entry[0]]
            count_result(cell, best, chain, sign, has_values=has_values)

    corrected = 0
    for taken, given, taken_periods, given_periods, corrections, _ in changes:
        if rule is not None:
            rule.count(ages, taken, given)
        rest_taken, rest_given = taken, given
        if taken and given and _gets_further_in_its_cell(taken[0], given[0], step_count):
            # Most changes; only the new steps are to be counted.
            entry_ms, best, chain, entry, _, _ = given[0]
            slot, segments = entry_ms - entry_ms % fine_ms, () if entry is None else entry[0]
            count_progress(still_open[slot, segments], taken[0][1], best, chain, has_values=has_values)
            rest_taken, rest_given = taken[1:], given[1:]
        if rest_taken:
            count_attempts(rest_taken, -1)
        if rest_given:
            count_attempts(rest_given, 1)
        if taken_periods:
            count_periods(taken_periods, -1)
        if given_periods:
            count_periods(given_periods, 1)
        corrected += corrections
    return Gathered(_filled(still_open), _filled(closed), _filled(entered), ages, corrected)


def _gets_further_in_its_cell(old: Attempt, new: Attempt, step_count: int) -> bool:
    """Tell whether `new` is `old` with more steps, and both lie in one cell."""
    return old[1] < new[1] < step_count and old[0] == new[0] and old[3] is new[3] and new[2][: 2 * old[1]] == old[2]


def _filled(cells: Mapping[_Place, Cell]) -> dict[_Place, Cell]:
    return {place: cell for place, cell in cells.items() if not cell.is_empty}
