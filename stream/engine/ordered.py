"""The exact fold of an ordered funnel: per level, the latest start that reaches it.

In:  the levels of one actor before an instant, and the hits of that instant (a tie group).
Out: the levels after it, and how deep this instant reached.

A level k (index k - 1) holds a path: the chain of length k with the latest start, as
a flat tuple (time, touch, time, touch, ...) whose first item is the start. Level n is
never kept: reaching it ends the attempt. Because a chain's prefix has the same start,
levels are filled from the first on without a gap, and starts never increase with the
level. A path is chosen so that it is the reported chain of its level (SPEC section 3):
latest start, then the earliest event of each step, then the smallest ids.
"""

from collections.abc import Iterable
from typing import Any, TypeAlias

from stream.engine.periods import period_of
from stream.engine.roles import Hit
from stream.engine.ties import assign, useful
from stream.model.funnel import Funnel

# (time_ms, touch, time_ms, touch, ...), one pair per step
Path: TypeAlias = tuple[Any, ...]
# the paths of levels 1, 2, ... as far as there are any
Levels: TypeAlias = tuple[Path, ...]

# (levels, top, path, extends): the levels after an instant; the deepest level whose path it changed,
# n for a completed chain, 0 for none; that path; whether a hit started a chain or could extend a
# live one, changed or not
Extension: TypeAlias = tuple[Levels, int, Path | None, bool]


class FoldRules:
    """What the fold of a funnel looks up: window (ms), number of steps, the entry period of an instant."""

    def __init__(self, funnel: Funnel) -> None:
        self.window_ms = funnel.window_ms
        self.step_count = len(funnel.steps)
        self.strict_time = funnel.strict_time
        self.period_of = period_of(funnel.period)


def alive(levels: Levels, time_ms: int, window_ms: int) -> Levels:
    """Return the levels that an event at `time_ms` could still extend: the first ones, as starts never increase."""
    count = len(levels)
    while count and time_ms - levels[count - 1][0] > window_ms:
        count -= 1
    return levels[:count]


def extend(  # noqa: PLR0911 (one for each case)
    funnel: FoldRules, levels: Levels, time_ms: int, hits: tuple[Hit, ...], *, may_start: bool
) -> Extension:
    """Take in one tie group. `may_start`: whether its hits may be first events of a chain."""
    if len(hits) > 1 or len(hits[0][2]) > 1:
        return _extend_by_group(funnel, levels, time_ms, hits, may_start=may_start)
    (step,), touch = hits[0][2], hits[0][3]
    if step == 0:
        if not may_start:
            return levels, 0, None, False
        first = (time_ms, touch)
        return (first, *levels[1:]), 1, first, True
    if step > len(levels) or time_ms - levels[step - 1][0] > funnel.window_ms:
        return levels, 0, None, False
    before = levels[step - 1]
    if step < len(levels) and levels[step][0] >= before[0]:
        return levels, 0, None, True
    path = (*before, time_ms, touch)
    if step + 1 == funnel.step_count:
        return levels, step + 1, path, True
    return (*levels[:step], path, *levels[step + 1 :]), step + 1, path, True


def _extend_by_group(
    funnel: FoldRules, levels: Levels, time_ms: int, hits: Iterable[Hit], *, may_start: bool
) -> Extension:
    """Extend by several hits of one instant, each serving at most one step of a chain."""
    bases: list[Path | None] = [() if may_start else None, *alive(levels, time_ms, funnel.window_ms)]
    ordered = useful(hits, funnel.step_count)
    new = list(levels)
    top, top_path, extends = 0, None, False
    for level in range(1, funnel.step_count + 1):
        # All that is below was there before this instant: one step further is the next one in time.
        below = range(level - 1 if funnel.strict_time else 0, min(level, len(bases)))
        lowest = next((b for b in below if bases[b] is not None and assign(ordered, range(b, level))), None)
        if lowest is None:
            continue
        extends = True
        start = bases[lowest][0] if lowest else time_ms  # type: ignore[index] # not None, see above
        if level <= len(levels) and levels[level - 1][0] >= start:
            continue
        # Of levels with that start, the deepest has the earliest events.
        base = max(b for b in below if b == lowest or (b and bases[b][0] == start))  # type: ignore[index]
        head: Path = bases[base]  # type: ignore[assignment]
        path = head + tuple(item for hit in assign(ordered, range(base, level)) for item in (time_ms, hit[3]))
        if level < funnel.step_count:
            new[level - 1 : level] = [path]
        top, top_path = level, path
    return tuple(new) if top else levels, top, top_path, extends
