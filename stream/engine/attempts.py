"""Attempts and period folds of one actor in one funnel, advanced by one tie group.

In:  the fold before an instant, and the hits of that instant.
Out: the fold after it, and the attempts it closed.

Two things are counted side by side (SPEC section 5). *Attempts*: at most one is open;
a completion consumes everything, a run-out window does not. *Actors*: per entry
period, the deepest chain that starts in it, nothing consumed. Until the first
completion both have the same levels, so the newest period's fold then says `SHARED`
instead of repeating them.

The values are plain tuples, because a named one costs five times as much to make and
one event makes several (`make bench`); their items are listed at each type.
"""

from typing import Any, TypeAlias

from stream.engine.ordered import Extension, FoldRules, Levels, Path, alive, extend
from stream.engine.roles import Hit, Touch

# What an exclusion did to an attempt: (is it taken out of everything, when it was closed). While no time is
# given, its best level was cleared and not reached again, which is its outcome once its window has run out.
Fate: TypeAlias = tuple[bool, int | None]

# (entry_ms, best, chain, entry, firsts, fate): t0, the earliest start of the chains alive when it opened; the
# deepest level; the reported chain of that level; the touch whose breakdown values count, that of the event at t0
# unless `engine.attribution` says another; when it first had each
# level 1..best, None where that is when the chain's own events happened; its fate, None for most.
# Converted iff `best` is the number of steps. A run-out window changes nothing in it.
Attempt: TypeAlias = tuple[int, int, Path, Touch | None, tuple[Any, ...] | None, Fate | None]

SHARED = True
"""A period's levels are the attempts' levels."""
DONE = None
"""Nothing can deepen a period's chain any more: the funnel was completed in it."""

# (start_ms, end_ms, levels, best, chain): the deepest chain that starts in [start_ms, end_ms); levels: its own
# `Levels`, `SHARED` or `DONE`; in a funnel with options what `option_fold` keeps, or `DONE`
PeriodFold: TypeAlias = tuple[int, int, Any, int, Path]

# (levels, open attempt, period folds by start): an actor's whole standing after some instant; levels: its
# `Levels`, or in a funnel with options an `option_fold.Standing`
Fold: TypeAlias = tuple[Any, Attempt | None, tuple[PeriodFold, ...]]


NOTHING: Fold = ((), None, ())
"""The standing of an actor that has done nothing."""


def advance_plain(
    funnel: FoldRules, fold: Fold, time_ms: int, hits: tuple[Hit, ...]
) -> tuple[Fold, tuple[Attempt, ...]]:
    """Take in one tie group; returns the fold after it and the attempts that it closed."""
    levels, attempt, periods = fold
    closed: tuple[Attempt, ...] = ()
    if attempt is not None and time_ms - attempt[0] > funnel.window_ms:
        closed = (attempt,)
        attempt = None
    extension = extend(funnel, levels, time_ms, hits, may_start=True)
    new_levels, top, path, extends = extension
    if path is not None and top == funnel.step_count:
        if attempt is None:
            closed = (*closed, (path[0], top, path, path[1], None, None))
        else:
            closed = (*closed, deepen(attempt, time_ms, top, path))
        attempt = None
        new_levels = ()
    elif attempt is None:
        if extends:
            attempt = open_attempt(alive(new_levels, time_ms, funnel.window_ms))
    elif path is not None and top > attempt[1]:
        attempt = deepen(attempt, time_ms, top, path)
    new_levels, periods = _advance_periods(funnel, fold, time_ms, hits, extension, new_levels)
    return (new_levels, attempt, periods), closed


def open_attempt(levels: Levels) -> Attempt:
    """Open an attempt at the deepest chain alive: starts never increase with the level, so it is the earliest."""
    path = levels[-1]
    return path[0], len(levels), path, path[1], None, None


def deepen(attempt: Attempt, time_ms: int, top: int, path: Path) -> Attempt:
    """Return an attempt that comes to a deeper level `top`, reported by `path`, at `time_ms`.

    The deeper chain may be another one than that by which the attempt had its levels so far.
    """
    firsts = (*first_times(attempt), *[time_ms] * (top - attempt[1]))
    return attempt[0], top, path, attempt[3], None if firsts == path[::2] else firsts, None


def first_times(attempt: Attempt) -> tuple[Any, ...]:
    """Return when an attempt first had each level 1..best, in ms; never before the level above, the first at t0.

    None for those below the entry of an open funnel's chain.
    """
    times: tuple[Any, ...] = attempt[2][::2] if attempt[4] is None else attempt[4]
    return times


def _advance_periods(  # noqa: PLR0913, PLR0917
    funnel: FoldRules,
    fold: Fold,
    time_ms: int,
    hits: tuple[Hit, ...],
    extension: Extension,
    new_levels: Levels,
) -> tuple[Levels, tuple[PeriodFold, ...]]:
    """Advance each period's fold; returns the attempts' levels (see `_open_period`) and the folds."""
    old_levels, _, periods = fold
    result: list[PeriodFold] = []
    inside = False
    for period in periods:
        start_ms, end_ms, levels, best, chain = period
        here = start_ms <= time_ms < end_ms
        inside = inside or here
        if levels is DONE:
            result.append(period)
            continue
        if levels is SHARED and here:
            after, top, path, _ = extension
        else:
            own = old_levels if levels is SHARED else levels
            after, top, path, _ = extend(funnel, own, time_ms, hits, may_start=here)
        if path is not None and top > best:
            best, chain = top, path
        if best == funnel.step_count:
            result.append((start_ms, end_ms, DONE, best, chain))
        else:
            result.append((start_ms, end_ms, SHARED if levels is SHARED and here else after, best, chain))
    if not inside:
        new_levels, opened = _open_period(funnel, time_ms, hits, new_levels)
        if opened is not None:
            result.append(opened)
            result.sort(key=lambda period: period[0])
    return new_levels, tuple(result)


def _open_period(
    funnel: FoldRules, time_ms: int, hits: tuple[Hit, ...], new_levels: Levels
) -> tuple[Levels, PeriodFold | None]:
    """Open the fold of a period that this instant enters, if it enters one.

    Also returns the attempts' levels without expired paths: often they then are
    the new period's, and one copy serves both.
    """
    levels, top, path, _ = extend(funnel, (), time_ms, hits, may_start=True)
    if path is None:
        return new_levels, None
    start_ms, end_ms = funnel.period_of(time_ms)
    if top == funnel.step_count:
        return new_levels, (start_ms, end_ms, DONE, top, path)
    living = alive(new_levels, time_ms, funnel.window_ms)
    return living, (start_ms, end_ms, SHARED if living == levels else levels, top, path)
