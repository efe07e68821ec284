"""Each entry period beside the calendar's period before it, at equal age.

In:  a period, a funnel's window, and `as_of`.
Out: the period before it and the instant at which that is counted; what has changed since.

Conversion grows with age: entrants of this week have had less time than those of last week,
and counting them against all that became of last week would call the pending dropped. So a
period that is not matured is compared with the one before it *as that stood when it was as
old*, by the events up to that moment only. A matured one has nothing left to come, nor has
the one before it, and both are counted at `as_of`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from stream.aggregate.totals import undecided_from_ms
from stream.analyze.forms import ActorsDoc, ActorStepDoc, ChangeDoc, OutcomeDoc, StepChangeDoc, StepDoc
from stream.engine.periods import PeriodOf, period_of
from stream.model.funnel import Funnel
from stream.model.times import MIN_MS


class Previous(NamedTuple):
    """The period before another one, and the instant at which it is counted, both ms UTC."""

    start_ms: int
    as_of_ms: int


def is_matured(funnel: Funnel, end_ms: int, as_of_ms: int) -> bool:
    """Whether nobody can enter a period that ends at `end_ms` any more, and nobody who did is pending."""
    return end_ms <= undecided_from_ms(funnel, as_of_ms)


def previous(funnel: Funnel, periods: PeriodOf, start_ms: int, as_of_ms: int) -> Previous | None:
    """Return what the period at `start_ms`, begun at `as_of_ms`, is compared with; None before the first year."""
    if start_ms <= MIN_MS:
        return None
    _, end_ms = periods(start_ms)
    before_ms, _ = periods(start_ms - 1)
    if is_matured(funnel, end_ms, as_of_ms):
        return Previous(before_ms, as_of_ms)
    if as_of_ms >= end_ms - 1:
        # As long after the end: the whole against the whole, and the youngest entrants are of one age.
        return Previous(before_ms, as_of_ms - (end_ms - start_ms))
    # As long after the start, but at most all of a shorter one.
    return Previous(before_ms, min(as_of_ms - (start_ms - before_ms), start_ms - 1))


def earlier_instants(funnels: Iterable[Funnel], trend: PeriodOf | None, as_of_ms: int) -> set[int]:
    """Return when else than at `as_of_ms` the funnels are to be counted, by `trend` or their own periods.

    They are few, as they differ only where periods differ in length: 1 of hours, up to 4 of days or weeks with clock
    changes, some more of months.
    """
    instants = set()
    for funnel in funnels:
        periods = trend or period_of(funnel.period)
        start_ms, end_ms = periods(as_of_ms)
        while not is_matured(funnel, end_ms, as_of_ms):
            before = previous(funnel, periods, start_ms, as_of_ms)
            if before is None:
                break
            instants.add(before.as_of_ms)
            start_ms, end_ms = periods(before.start_ms)
    return instants


def compared_starts(starts: Sequence[int], periods: PeriodOf, as_of_ms: int) -> list[int]:
    """Return the periods of a trend, and those that have begun next after one: that nobody enters is a change too."""
    following = (periods(start_ms)[1] for start_ms in starts)
    return sorted({*starts, *(start_ms for start_ms in following if start_ms <= as_of_ms)})


def change(now: OutcomeDoc | ActorsDoc, before: OutcomeDoc | ActorsDoc) -> ChangeDoc:
    """Return how a period differs from the one before it; what one of the two does not say is absent."""
    return ChangeDoc(
        entered=(now.entered - before.entered) / before.entered if before.entered else None,
        conversion=_difference(now.conversion, before.conversion),
        steps=[
            StepChangeDoc(step=step.step, name=step.name, conversion=_difference(step.conversion, old.conversion))
            for step, old in zip(_steps(now), _steps(before), strict=True)
        ],
    )


def _steps(outcome: OutcomeDoc | ActorsDoc) -> Sequence[StepDoc | ActorStepDoc]:
    return outcome.steps


def _difference(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before
