"""Outcomes by step as they are shown: what stops at an optional step stops at the required step before it.

In:  counts; the numbers of the optional steps.
Out: who reached, entered at, went on from and stopped at each step.

Going on is from one required step to the next (SPEC section 4). Of an optional step only how many reached it is
said. In an open funnel those that enter at a step did not come from the one before.
"""

from collections.abc import Collection
from itertools import pairwise
from typing import NamedTuple

from stream.model.funnel import Funnel
from stream.model.result import Counts


class Outcomes(NamedTuple):
    """Per step 1..n, `went_on` and what stands behind it per step 1..n-1; 0 at optional steps but for `reached`.

    reached(k) = went_on(k) + dropped(k) + excluded(k) + pending(k) and reached(next) = went_on(k) + entered_at(next)
    for each required step k but the last.
    """

    reached: list[int]
    entered_at: list[int]
    went_on: list[int]
    dropped: list[int]
    excluded: list[int]
    pending: list[int]


def optional_steps(funnel: Funnel) -> list[int]:
    """Return the numbers of the steps that a chain may skip."""
    return [number for number, step in enumerate(funnel.steps, start=1) if step.optional]


def outcomes_of(counts: Counts, optional: Collection[int] = ()) -> Outcomes:
    """Return the outcomes of each step."""
    reached = counts.reached
    if not optional and not counts.skipped:
        entered_at = [reached[0], *[0] * (len(reached) - 1)]
        return Outcomes(reached, entered_at, reached[1:], counts.dropped, counts.excluded, counts.pending)
    skipped = [*(counts.skipped or [0] * (len(reached) - 1)), 0]
    entered_at, went_on = [0] * len(reached), [0] * (len(reached) - 1)
    entered_at[0] = counts.entered - skipped[0]
    for step, following in pairwise([step for step in range(1, len(reached) + 1) if step not in optional]):
        # Only who entered behind a required step has no event of it.
        entered_at[following - 1] = skipped[step - 1] - skipped[following - 1]
        went_on[step - 1] = reached[following - 1] - entered_at[following - 1]
    stopped = [by_required(column, optional) for column in (counts.dropped, counts.excluded, counts.pending)]
    return Outcomes(reached, entered_at, went_on, *stopped)


def by_required(column: list[int], optional: Collection[int]) -> list[int]:
    """Return a column per step with what stands at an optional step moved to the required step before it."""
    if not optional:
        return column
    result = [0] * len(column)
    required = 1
    for step, count in enumerate(column, start=1):
        if step not in optional:
            required = step
        result[required - 1] += count
    return result
