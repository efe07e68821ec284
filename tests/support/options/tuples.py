"""The oracle's attempts in the engine's form, so that counting can be checked without the engine.

In:  an actor's events under an `OptionFunnel`; times are multiplied by `SCALE`, so that a slot of a rolling window
     (which is whole seconds in a tracker's settings) holds one instant.
Out: the product's definition, as far as counting reads it; attempts as `stream.engine.attempts.Attempt`.
"""

from collections.abc import Sequence
from typing import Any

from stream.model.funnel import Breakdown, Exclusion, Funnel, Period, PeriodUnit, Step, ValueRule
from support.options.attempts import Attempt, every_attempt
from support.options.attempts import Period as Entries
from support.options.funnels import OptionFunnel
from support.oracle import OEvent

SCALE = 1000


def counting_funnel(defined: OptionFunnel) -> Funnel:
    """Return a definition with everything that counting asks for; what its steps match is of no account."""
    steps = [
        Step(f"s{number}", (f"s{number}",), value=ValueRule("total", currency="EUR"), optional=step.optional)
        for number, step in enumerate(defined.steps, start=1)
    ]
    return Funnel(
        "f",
        1,
        tuple(steps),
        defined.window * SCALE,
        breakdowns=(Breakdown("device", ("device",)),),
        period=Period(PeriodUnit.HOUR),
        is_open=defined.is_open,
        exclusions=tuple(Exclusion(("X",), *defined.range_of(each)) for each in defined.exclusions),
        granularity_ms=defined.granularity * SCALE if defined.granularity > 1 else 1,
    )


def tuples(
    events: Sequence[OEvent], defined: OptionFunnel, periods: Sequence[Entries], device: str
) -> list[tuple[Any, ...]]:
    """Return what the engine would give of one actor's events, whatever the instant asked about."""
    last = max((event.time for event in events), default=0)
    every = every_attempt(events, defined, last, periods)
    return [given for attempt in every if (given := _tuple(attempt, defined, last, device)) is not None]


def _tuple(attempt: Attempt, defined: OptionFunnel, last: int, device: str) -> tuple[Any, ...] | None:
    fate: tuple[bool, int | None] | None = None
    removed = attempt.cleared == "remove_actor"
    end = attempt.entry_ms + defined.window
    if attempt.outcome == "excluded" and (attempt.closed_ms != end or end >= defined.floor(last)):
        if removed:
            return None
        fate = False, attempt.closed_ms * SCALE
    elif attempt.outcome != "converted" and attempt.cleared is not None:
        fate = removed, None
    touch = ((device,), ())
    times = dict(zip(attempt.chain.steps, [event.time for event in attempt.chain.events], strict=True))
    chain: list[Any] = []
    for step in range(1, attempt.best + 1):
        chain += [times[step] * SCALE, ((device,), ((step, "EUR", "1.5"),))] if step in times else [None, None]
    firsts = None if attempt.entry_ms == attempt.chain.start else _firsts(attempt, chain)
    return attempt.entry_ms * SCALE, attempt.best, tuple(chain), touch, firsts, fate


def _firsts(attempt: Attempt, chain: Sequence[Any]) -> tuple[int | None, ...]:
    """Return when each level was first had, as if by this chain, but for the first by one that began at the entry."""
    firsts: list[int | None] = []
    following: int | None = None
    for step in range(attempt.best, attempt.entry_step, -1):
        time_ms = chain[2 * step - 2]
        following = following if time_ms is None else time_ms
        firsts.append(following)
    return (*[None] * (attempt.entry_step - 1), attempt.entry_ms * SCALE, *reversed(firsts))
