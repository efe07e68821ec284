"""Exact counts of a set of attempts or actors, and how one attempt adds to them.

In:  attempts (or period results) with sign +1 or -1.
Out: cells that can be added, subtracted and written as msgpack.
"""

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Context, Decimal
from itertools import pairwise
from typing import Any

import msgspec

from stream.engine.attempts import Fate
from stream.model.result import BUCKETS, DURATION_BOUNDS_S, TOTAL_STEP, Counts, Money, Values

BOUNDS_MS = tuple(bound * 1000 for bound in DURATION_BOUNDS_S)

# Sums of amounts below 1e15 with nine places stay exact for 1e26 of them; the default 28 digits do not.
_EXACT = Context(prec=50)


class OptionCounts(msgspec.Struct, array_like=True):
    """What only funnels with options count, apart so that the others' cells carry nothing of it.

    skipped: as in `model.result.Counts`. cleared: per step 1..n-1, how many of `Cell.at` an exclusion cleared, so
    that they are excluded and not dropped once they are decided. leaving: attempts that are pending until they are
    decided and then count nowhere, with all they add; none of them is in the cell itself. actors: where units are
    counted, of how many actors those of an entry period are. lost: what the attempts of `Cell.excluded` are worth, as
    in `Cell.stakes`. An empty list is zeros.
    """

    skipped: list[int] = []
    cleared: list[int] = []
    leaving: "Cell | None" = None
    actors: int = 0
    lost: Values = {}

    @property
    def is_empty(self) -> bool:
        """Whether it counts nothing."""
        has_counts = any(self.skipped) or any(self.cleared) or self.actors or self.lost
        return not has_counts and (self.leaving is None or self.leaving.is_empty)


class Cell(msgspec.Struct, array_like=True):
    """Counts by deepest step: `at[k - 1]` of n stand at (or stopped at) step k; `at[n - 1]` converted.

    excluded: per step 1..n-1. durations, duration_ms, values: as in `model.result.Counts`. ages: of attempts
    by when they reached a step, wherever they entered; code -> count as in `aggregate.ages`. Only slots of
    rolling windows have some (`Ring.add_ages`). options: None for a funnel without such. stakes: of the attempts
    that stand (or stopped) at each step 1..n-1, what they are worth, and how many are worth something; that is the
    value at the last step of the chain that has one. It is lost or at stake as `at` is dropped or pending.
    """

    at: list[int]
    excluded: list[int] = []
    durations: dict[int, int] = {}
    duration_ms: dict[int, int] = {}
    values: Values = {}
    ages: dict[int, int] = {}
    options: OptionCounts | None = None
    stakes: Values = {}

    @property
    def has_attempts(self) -> bool:
        """Whether it counts any attempt by its entry; those that are leaving are not meant."""
        return any(self.at) or any(self.excluded)

    @property
    def leaving(self) -> "Cell | None":
        """The attempts that count only until they are decided."""
        return None if self.options is None else self.options.leaving

    def shows_any(self, *, decided: bool) -> bool:
        """Whether it counts any attempt; those that are leaving count until all are decided."""
        return self.has_attempts or not (decided or self.leaving is None)

    @property
    def is_empty(self) -> bool:
        """Whether adding this cell with `add_cell` changes nothing."""
        has_worth = self.values or self.stakes
        return not (self.has_attempts or self.durations or any(self.duration_ms.values()) or has_worth) and (
            self.options is None or self.options.is_empty
        )


def empty_cell(step_count: int) -> Cell:
    """Return a cell of no attempts in a funnel of `step_count` steps."""
    return Cell([0] * step_count)


def count_result(cell: Cell, best: int, chain: Sequence[Any], sign: int, *, has_values: bool = True) -> None:
    """Add (sign 1) or take back (sign -1) a result whose reported chain reaches step `best`.

    chain: (time_ms, touch, time_ms, touch, ...), one pair per step, all of which it has. has_values: whether any step
    of the funnel has a value.
    """
    cell.at[best - 1] += sign
    if best > 1:
        _count_times(cell, 0, best, chain, sign)
    if has_values and _count_values(cell.values, 0, chain, sign):
        _count_stake(cell.stakes, best, chain, len(cell.at), sign)


def count_any(cell: Cell, best: int, chain: Sequence[Any], fate: Fate | None, sign: int) -> None:
    """Do what `count_result` does for a result of any funnel: its chain may have holes, and its fate may be decided.

    A hole is the pair (None, None) of a step that the chain does not have.
    """
    if fate is None:
        cell.at[best - 1] += sign
    elif fate[0]:
        options = _options_of(cell)
        if options.leaving is None:
            options.leaving = empty_cell(len(cell.at))
        count_any(options.leaving, best, chain, None, sign)
        return
    elif fate[1] is not None:
        cell.excluded = _bumped(cell.excluded, best, len(cell.at) - 1, sign)
    else:
        cell.at[best - 1] += sign
        options = _options_of(cell)
        options.cleared = _bumped(options.cleared, best, len(cell.at) - 1, sign)
    events = times_of(chain)
    for (_, from_ms), (step, time_ms) in pairwise(events):
        _count_duration(cell, step, time_ms - from_ms, sign)
    if best == len(cell.at):
        _count_duration(cell, TOTAL_STEP, events[-1][1] - events[0][1], sign)
    for step in {*range(1, best + 1)} - {step for step, _ in events}:
        options = _options_of(cell)
        options.skipped = _bumped(options.skipped, step, len(cell.at) - 1, sign)
    if _count_values(cell.values, 0, chain, sign):
        is_closed = fate is not None and fate[1] is not None
        worth = _options_of(cell).lost if is_closed else cell.stakes
        _count_stake(worth, best, chain, len(cell.at), sign)


def count_distinct(cell: Cell, sign: int) -> None:
    """Count an actor to whom units of the cell belong."""
    _options_of(cell).actors += sign


def times_of(chain: Sequence[Any]) -> list[tuple[int, int]]:
    """Return (step, time in ms) of each event of a chain that may have holes."""
    return [(step, time_ms) for step, time_ms in enumerate(chain[::2], start=1) if time_ms is not None]


def _options_of(cell: Cell) -> OptionCounts:
    if cell.options is None:
        cell.options = OptionCounts()
    return cell.options


def _bumped(counts: list[int], step: int, steps: int, amount: int) -> list[int]:
    counts = counts or [0] * steps
    counts[step - 1] += amount
    return counts


def count_progress(cell: Cell, known: int, best: int, chain: Sequence[Any], *, has_values: bool) -> None:
    """Move an unconverted result that is counted up to step `known` on to step `best`: its chain goes on.

    has_values: whether any step of the funnel has a value.
    """
    cell.at[known - 1] -= 1
    cell.at[best - 1] += 1
    _count_times(cell, known, best, chain, 1)
    if has_values:
        _count_values(cell.values, known, chain, 1)
        _count_stake(cell.stakes, known, chain, len(cell.at), -1)
        _count_stake(cell.stakes, best, chain, len(cell.at), 1)


def _count_times(cell: Cell, known: int, best: int, chain: Sequence[Any], sign: int) -> None:
    """Count how long the steps behind the `known` ones took; `best` is not the first."""
    reached = max(known, 1)
    previous_ms = chain[2 * reached - 2]
    for step in range(reached + 1, best + 1):
        time_ms = chain[2 * step - 2]
        _count_duration(cell, step, time_ms - previous_ms, sign)
        previous_ms = time_ms
    if best == len(cell.at):
        _count_duration(cell, TOTAL_STEP, previous_ms - chain[0], sign)


def _count_duration(cell: Cell, step: int, duration_ms: int, sign: int) -> None:
    code = step * BUCKETS + bisect_left(BOUNDS_MS, duration_ms)
    bump(cell.durations, code, sign)
    cell.duration_ms[step] = cell.duration_ms.get(step, 0) + sign * duration_ms


def _count_values(values: Values, known: int, chain: Sequence[Any], sign: int) -> bool:
    """Count the values of the steps behind the `known` ones; returns whether there are any."""
    has_values = False
    for position, touch in enumerate(chain[2 * known + 1 :: 2], start=known + 1):
        for step, currency, amount in () if touch is None else touch[1]:
            if step == position:
                _count_value(values, step, currency, Money(Decimal(amount), 1), sign)
                has_values = True
    return has_values


def _count_stake(stakes: Values, best: int, chain: Sequence[Any], last: int, sign: int) -> None:
    """Count what an attempt is worth that stands at step `best`; nothing if it converted or has no value."""
    if best == last:
        return
    for position in range(best, 0, -1):
        touch = chain[2 * position - 1]
        for step, currency, amount in () if touch is None else touch[1]:
            if step == position:
                _count_value(stakes, best, currency, Money(Decimal(amount), 1), sign)
                return


def bump(counts: dict[int, int], code: int, amount: int) -> None:
    """Add an amount other than 0 to one of many counts, of which only those that are not 0 are kept."""
    total = counts.get(code, 0) + amount
    if total:
        counts[code] = total
    else:
        del counts[code]


def _count_value(values: Values, step: int, currency: str, amount: Money, sign: int) -> None:
    by_currency = values.setdefault(step, {})
    money = by_currency.setdefault(currency, Money(Decimal(0), 0))
    change = _EXACT.add if sign > 0 else _EXACT.subtract
    money.total = change(money.total, amount.total)
    money.count += sign * amount.count
    if not money.count and not money.total:
        del by_currency[currency]
        if not by_currency:
            del values[step]


def add_cell(target: Cell, other: Cell, sign: int = 1) -> None:
    """Add the attempts by entry of `other` to `target`, or take them away with sign -1."""
    target.at[:] = [a + sign * b for a, b in zip(target.at, other.at, strict=True)]
    target.excluded = add_lists(target.excluded, other.excluded, sign)
    add_details(target, other, sign)
    if other.stakes:
        add_values(target.stakes, other.stakes, sign)
    if other.options is not None:
        _add_options(target, other.options, sign)


def _add_options(target: Cell, other: OptionCounts, sign: int) -> None:
    own = _options_of(target)
    own.skipped = add_lists(own.skipped, other.skipped, sign)
    own.cleared = add_lists(own.cleared, other.cleared, sign)
    own.actors += sign * other.actors
    add_values(own.lost, other.lost, sign)
    if other.leaving is not None:
        if own.leaving is None:
            own.leaving = empty_cell(len(target.at))
        add_cell(own.leaving, other.leaving, sign)
        if own.leaving.is_empty:
            own.leaving = None
    if own.is_empty:
        target.options = None


def unconverted(cell: Cell) -> Cell:
    """Return a cell without its conversions, where durations, values and options are of the others only."""
    return msgspec.structs.replace(cell, at=[*cell.at[:-1], 0], ages={})


def decided(cell: Cell) -> Cell:
    """Return what is left for good of a cell whose attempts are all decided."""
    options = cell.options
    if options is None:
        return cell
    return Cell(
        [*add_lists(cell.at[:-1], options.cleared, -1), cell.at[-1]],
        add_lists(cell.excluded, options.cleared),
        cell.durations,
        cell.duration_ms,
        cell.values,
        {},
        OptionCounts(options.skipped, lost=options.lost) if any(options.skipped) or options.lost else None,
        cell.stakes,
    )


def add_lists(left: list[int], right: list[int], sign: int = 1) -> list[int]:
    """Return the element-wise sum; an empty list stands for zeros."""
    if not right:
        return left
    if not left:
        return [sign * b for b in right]
    return [a + sign * b for a, b in zip(left, right, strict=True)]


def add_details(target: Cell | Counts, other: Cell | Counts, sign: int = 1) -> None:
    """Add durations and values of `other` to `target` in place."""
    for code, count in other.durations.items():
        total = target.durations.get(code, 0) + sign * count
        if total:
            target.durations[code] = total
        else:
            target.durations.pop(code, None)
    for step, total_ms in other.duration_ms.items():
        target.duration_ms[step] = target.duration_ms.get(step, 0) + sign * total_ms
    if other.values:
        add_values(target.values, other.values, sign)


def add_values(target: Values, other: Values, sign: int = 1) -> None:
    """Add sums by step and currency to `target` in place, exactly."""
    for step, by_currency in other.items():
        for currency, money in by_currency.items():
            _count_value(target, step, currency, money, sign)


def counts_of(cell: Cell, *, decided: bool) -> Counts:
    """Return the outcomes of a cell whose unconverted attempts are all dropped (`decided`) or all pending."""
    counts = empty_counts(len(cell.at))
    add_outcomes(counts, cell, decided=decided)
    return counts


def empty_counts(step_count: int) -> Counts:
    """Return the outcomes of nobody."""
    zeros = [0] * (step_count - 1)
    return Counts(zeros, zeros.copy(), zeros.copy(), 0, {}, {}, {})


def add_outcomes(counts: Counts, cell: Cell, *, decided: bool) -> None:
    """Add a cell's attempts to outcomes, the unconverted ones as dropped (the cleared: excluded) or as pending."""
    target = counts.dropped if decided else counts.pending
    for index in range(len(target)):
        target[index] += cell.at[index]
    counts.converted += cell.at[-1]
    counts.excluded = add_lists(counts.excluded, cell.excluded)
    add_details(counts, cell)
    add_values(counts.lost if decided else counts.at_stake, cell.stakes)
    options = cell.options
    if options is None:
        return
    counts.skipped = add_lists(counts.skipped, options.skipped)
    counts.actors += options.actors
    add_values(counts.lost, options.lost)
    if not decided:
        if options.leaving is not None:
            add_outcomes(counts, options.leaving, decided=False)
        return
    counts.dropped = add_lists(counts.dropped, options.cleared, -1)
    counts.excluded = add_lists(counts.excluded, options.cleared)


def add_counts(target: Counts, other: Counts) -> None:
    """Add other outcomes to `target` in place."""
    target.pending = add_lists(target.pending, other.pending)
    target.dropped = add_lists(target.dropped, other.dropped)
    target.excluded = add_lists(target.excluded, other.excluded)
    target.converted += other.converted
    target.skipped = add_lists(target.skipped, other.skipped)
    target.actors += other.actors
    add_details(target, other)
    add_values(target.lost, other.lost)
    add_values(target.at_stake, other.at_stake)
