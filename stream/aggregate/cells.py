"""Exact counts of a set of attempts or actors, and how one attempt adds to them.

In:  attempts (or period results) with sign +1 or -1.
Out: cells that can be added, subtracted and written as msgpack.
"""

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

import msgspec

from stream.model.result import BUCKETS, DURATION_BOUNDS_S, TOTAL_STEP, Counts, Money

BOUNDS_MS = tuple(bound * 1000 for bound in DURATION_BOUNDS_S)

# Sums of amounts below 1e15 with nine places stay exact for 1e26 of them; the default 28 digits do not.
_EXACT = Context(prec=50)


class Cell(msgspec.Struct, array_like=True):
    """Counts by deepest step: `at[k - 1]` of n stand at (or stopped at) step k; `at[n - 1]` converted.

    excluded: per step 1..n-1. durations, duration_ms, values: as in `model.result.Counts`. ages: of attempts
    by when they reached a step, wherever they entered; code -> count as in `aggregate.ages`. Only slots of
    rolling windows have some (`Ring.add_ages`).
    """

    at: list[int]
    excluded: list[int] = []
    durations: dict[int, int] = {}
    duration_ms: dict[int, int] = {}
    values: dict[int, dict[str, Money]] = {}
    ages: dict[int, int] = {}

    @property
    def has_attempts(self) -> bool:
        """Whether it counts any attempt by its entry."""
        return any(self.at) or any(self.excluded)

    @property
    def is_empty(self) -> bool:
        """Whether adding this cell with `add_cell` changes nothing."""
        return not (self.has_attempts or self.durations or any(self.duration_ms.values()) or self.values)


def empty_cell(step_count: int) -> Cell:
    """Return a cell of no attempts in a funnel of `step_count` steps."""
    return Cell([0] * step_count)


def count_result(cell: Cell, best: int, chain: Sequence[Any], sign: int) -> None:
    """Add (sign 1) or take back (sign -1) a result whose reported chain reaches step `best`.

    chain: (time_ms, touch, time_ms, touch, ...), one pair per step.
    """
    cell.at[best - 1] += sign
    _count_steps(cell, 0, best, chain, sign)


def count_progress(cell: Cell, known: int, best: int, chain: Sequence[Any]) -> None:
    """Move a result that is counted up to step `known` on to step `best`: its chain goes on."""
    cell.at[known - 1] -= 1
    cell.at[best - 1] += 1
    _count_steps(cell, known, best, chain, 1)


def _count_steps(cell: Cell, known: int, best: int, chain: Sequence[Any], sign: int) -> None:
    """Count how long the steps behind the `known` ones took, and what they are worth."""
    if best > 1:
        reached = max(known, 1)
        previous_ms = chain[2 * reached - 2]
        for step in range(reached + 1, best + 1):
            time_ms = chain[2 * step - 2]
            _count_duration(cell, step, time_ms - previous_ms, sign)
            previous_ms = time_ms
        if best == len(cell.at):
            _count_duration(cell, TOTAL_STEP, previous_ms - chain[0], sign)
    for touch in chain[2 * known + 1 :: 2]:
        if touch is not None and touch[1]:
            _count_values(cell.values, known, chain, sign)
            return


def _count_duration(cell: Cell, step: int, duration_ms: int, sign: int) -> None:
    code = step * BUCKETS + bisect_left(BOUNDS_MS, duration_ms)
    bump(cell.durations, code, sign)
    cell.duration_ms[step] = cell.duration_ms.get(step, 0) + sign * duration_ms


def _count_values(values: dict[int, dict[str, Money]], known: int, chain: Sequence[Any], sign: int) -> None:
    for position, touch in enumerate(chain[2 * known + 1 :: 2], start=known + 1):
        for step, currency, amount in () if touch is None else touch[1]:
            if step == position:
                _count_value(values, step, currency, Money(Decimal(amount), 1), sign)


def bump(counts: dict[int, int], code: int, amount: int) -> None:
    """Add an amount other than 0 to one of many counts, of which only those that are not 0 are kept."""
    total = counts.get(code, 0) + amount
    if total:
        counts[code] = total
    else:
        del counts[code]


def _count_value(values: dict[int, dict[str, Money]], step: int, currency: str, amount: Money, sign: int) -> None:
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
    for step, by_currency in other.values.items():
        for currency, money in by_currency.items():
            _count_value(target.values, step, currency, money, sign)


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
    """Add a cell's attempts to outcomes, the unconverted ones as dropped or as pending."""
    target = counts.dropped if decided else counts.pending
    for index in range(len(target)):
        target[index] += cell.at[index]
    counts.converted += cell.at[-1]
    counts.excluded = add_lists(counts.excluded, cell.excluded)
    add_details(counts, cell)


def add_counts(target: Counts, other: Counts) -> None:
    """Add other outcomes to `target` in place."""
    target.pending = add_lists(target.pending, other.pending)
    target.dropped = add_lists(target.dropped, other.dropped)
    target.excluded = add_lists(target.excluded, other.excluded)
    target.converted += other.converted
    add_details(target, other)
