"""The exact fold of an ordered funnel: per level, the latest start that reaches it.

In:  the levels of one actor before an instant, and the hits of that instant (a tie group).
Out: the levels after it, and how deep this instant reached.

A level k (index k - 1) holds a path: the chain of length k with the latest start, as
a flat tuple (time, touch, time, touch, ...) whose first item is the start. Level n is
never kept: reaching it ends the attempt. Because a chain's prefix has the same start,
starts never increase with the level. A path is chosen so that it is the reported chain
of its level (SPEC section 3): latest start, then the earliest event of each step, then
the smallest ids.
"""

from typing import Any, TypeAlias

from stream.engine.match import Hit

# (time_ms, touch, time_ms, touch, ...), one pair per step
Path: TypeAlias = tuple[Any, ...]
Levels: TypeAlias = tuple[Path | None, ...]

# (levels, top, path, extends): the levels after an instant; the deepest level whose path it changed,
# n for a completed chain, 0 for none; that path; whether a hit started a chain or could extend a
# live one, changed or not
Extension: TypeAlias = tuple[Levels, int, Path | None, bool]


def live_path(path: Path | None, time_ms: int, window_ms: int) -> Path | None:
    """Return `path` if an event at `time_ms` could still extend it, else None."""
    return path if path is not None and time_ms - path[0] <= window_ms else None


def extend(levels: Levels, time_ms: int, hits: tuple[Hit, ...], window_ms: int, *, may_start: bool) -> Extension:
    """Take in one tie group. `may_start`: whether its hits may be first events of a chain."""
    if len(hits) == 1:
        _, _, steps, touch, _ = hits[0]
        if len(steps) == 1:
            (step,) = steps
            before: Path | None = () if step == 0 and may_start else None
            if step:
                before = live_path(levels[step - 1], time_ms, window_ms)
            if before is None:
                return levels, 0, None, False
            standing = levels[step] if 0 < step < len(levels) else None
            if standing is not None and standing[0] >= before[0]:
                return levels, 0, None, True
            path = (*before, time_ms, touch)
            if step == len(levels):
                return levels, step + 1, path, True
            return (*levels[:step], path, *levels[step + 1 :]), step + 1, path, True
    return _extend_by_group(levels, time_ms, hits, window_ms, may_start=may_start)


def _extend_by_group(
    levels: Levels, time_ms: int, hits: tuple[Hit, ...], window_ms: int, *, may_start: bool
) -> Extension:
    """Extend by several hits of one instant, each serving at most one step of a chain."""
    step_count = len(levels) + 1
    bases: list[Path | None] = [() if may_start else None]
    bases += [live_path(path, time_ms, window_ms) for path in levels]
    ordered = sorted(hits, key=lambda hit: hit[1])
    new = list(levels)
    top, top_path, extends = 0, None, False
    for level in range(1, step_count + 1):
        lowest = next((b for b in range(level) if bases[b] is not None and _assign(ordered, b, level)), None)
        if lowest is None:
            continue
        extends = True
        start = bases[lowest][0] if lowest else time_ms  # type: ignore[index]
        standing = levels[level - 1] if level < step_count else None
        if standing is not None and standing[0] >= start:
            continue
        # Of levels with that start, the deepest has the earliest events.
        base = max(b for b in range(lowest, level) if b == lowest or ((p := bases[b]) is not None and p[0] == start))
        head: Path = bases[base]  # type: ignore[assignment]
        path = head + tuple(item for hit in _assign(ordered, base, level) for item in (time_ms, hit[3]))
        if level < step_count:
            new[level - 1] = path
        top, top_path = level, path
    return tuple(new) if top else levels, top, top_path, extends


def _assign(hits: list[Hit], base: int, level: int) -> list[Hit]:
    """Give steps base..level-1 (from 0) a hit each, smallest ids from the last step backwards.

    `hits` are in order of id. Returns them in step order, or [] if there is no such assignment.
    """
    if level - base > len(hits):
        return []
    chosen: list[Hit] = []
    left = hits
    for step in range(level - 1, base - 1, -1):
        earlier = range(base, step)
        for index, hit in enumerate(left):
            others = left[:index] + left[index + 1 :]
            if step in hit[2] and _is_matchable(others, earlier):
                chosen.append(hit)
                left = others
                break
        else:
            return []
    chosen.reverse()
    return chosen


def _is_matchable(hits: list[Hit], steps: range) -> bool:
    """Whether each step can have a hit of its own (augmenting paths)."""
    holder: dict[int, int] = {}

    def place(step: int, tried: set[int]) -> bool:
        for index, hit in enumerate(hits):
            if index in tried or step not in hit[2]:
                continue
            tried.add(index)
            if index not in holder or place(holder[index], tried):
                holder[index] = step
                return True
        return False

    return all(place(step, set()) for step in steps)
