"""An actor's fold in any funnel: taking in a tie group, and what of it still matters.

In:  the fold before an instant, and the hits of that instant.
Out: the fold after it, and the attempts it closed.

Plain funnels are folded by `engine.attempts`, those with options by `engine.option_fold`.
"""

from collections.abc import Iterator

from stream.engine.attempts import DONE, SHARED, Attempt, Fold, PeriodFold, advance_plain
from stream.engine.match import CompiledFunnel
from stream.engine.ordered import alive
from stream.engine.roles import Hit


def advance_fold(
    funnel: CompiledFunnel, fold: Fold, time_ms: int, hits: tuple[Hit, ...]
) -> tuple[Fold, tuple[Attempt, ...]]:
    """Take in one tie group; returns the fold after it and the attempts that it closed."""
    if funnel.options is None:
        return advance_plain(funnel, fold, time_ms, hits)
    return funnel.options.advance(fold, time_ms, hits, funnel.period_of)


def is_over(funnel: CompiledFunnel, fold: Fold, period: PeriodFold, limit_ms: int) -> bool:
    """Tell whether no event at or after `limit_ms` can change what one of the fold's periods says."""
    if funnel.options is not None:
        return funnel.options.is_over(period, limit_ms)
    levels, _, _ = fold
    _, end_ms, own, _, _ = period
    if end_ms > limit_ms:
        return False
    return own is DONE or not alive(levels if own is SHARED else own, limit_ms, funnel.window_ms)


def ends(funnel: CompiledFunnel, fold: Fold) -> Iterator[int]:
    """Yield the instants up to which parts of a fold can still matter, ms."""
    levels, attempt, periods = fold
    if attempt is not None:
        yield attempt[0] + funnel.window_ms
    yield from (end_ms for _, end_ms, _, _, _ in periods)
    if funnel.options is not None:
        yield from funnel.options.ends(fold)
        return
    for own in (levels, *[own for _, _, own, _, _ in periods if own is not SHARED and own is not DONE]):
        yield from (path[0] + funnel.window_ms for path in own)
