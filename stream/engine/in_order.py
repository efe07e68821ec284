"""The hot path: a run of one actor's events in one funnel, each later than all before it.

In:  the actor's entries, the events, and the instant below which nothing can change any more.
Out: the entries that follow, and what changed in the results.

It says what `advance.advance` says of the events one by one, written out without calls and without objects that are
not kept: of what is about to be sealed no entries are made (0.5 us an event, tests/bench/bench_engine.py).
What is not a common case goes through `fold.advance_fold`; tests/property/test_engine.py holds the two equal. The
only freedom it takes is to forget levels that have left the window.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from stream.engine.advance import Change, progress
from stream.engine.attempts import DONE, SHARED, Attempt, PeriodFold, deepen, open_attempt
from stream.engine.fold import advance_fold
from stream.engine.match import CompiledFunnel
from stream.engine.ordered import Levels, Path, alive
from stream.engine.roles import PlainHit
from stream.engine.state import ATTEMPT, BEFORE_ALL_TIME, LEVELS, PERIODS, TIME, Entry, time_of

AFTER_ALL_TIME: Final = 1 << 62
NONE_CLOSED: tuple[Attempt, ...] = ()


def take_in_order(  # noqa: C901, PLR0912, PLR0915 (one loop, for speed)
    funnel: CompiledFunnel, entries: list[Entry], hits: Sequence[PlainHit], seal_below_ms: int = BEFORE_ALL_TIME
) -> Change | None:
    """Take one or more hits of a plain funnel, ascending in time and later than all entries, into these, in place.

    seal_below_ms: of the hits before it only the last has an entry afterwards, so that the entries can be sealed
    there, and only there or later. Returns None if no result changed.
    """
    last = entries[-1]
    # By index: unpacking would also touch the items that are not needed, each a miss of the CPU's cache.
    levels, attempt, periods = last[LEVELS], last[ATTEMPT], last[PERIODS]
    window_ms, step_count = funnel.window_ms, funnel.step_count
    first_until, later_until = _common_until(levels, periods)
    all_closed: list[Attempt] = []
    kept_from_ms = BEFORE_ALL_TIME
    if hits[0][TIME] < seal_below_ms:
        is_all_below = hits[-1][TIME] < seal_below_ms
        below = len(hits) if is_all_below else bisect_left(hits, seal_below_ms, key=time_of)
        kept_from_ms = hits[below - 1][TIME]

    for time_ms, event_id, steps, touch in hits:
        closed = NONE_CLOSED
        if attempt is not None and time_ms - attempt[0] > window_ms:
            closed = (attempt,)
            attempt = None
        step = steps[0]
        if len(steps) > 1 or time_ms >= (later_until if step else first_until):
            hit = (time_ms, event_id, steps, touch, 0)
            (levels, attempt, periods), also = advance_fold(funnel, (levels, attempt, periods), time_ms, (hit,))
            closed += also
            first_until, later_until = _common_until(levels, periods)
        elif step == 0:
            path: Path = (time_ms, touch)
            if len(levels) < 2 or time_ms - levels[1][0] > window_ms:
                levels = (path,)
                if attempt is None:
                    attempt = (time_ms, 1, path, touch, None, None)
            else:
                levels = (path, *levels[1:])
                if attempt is None:  # an older, deeper chain is alive: the attempt enters there
                    attempt = open_attempt(alive(levels, time_ms, window_ms))
            if not periods:
                start_ms, end_ms = funnel.period_of(time_ms)
                periods = ((start_ms, end_ms, SHARED, 1, path),)
                first_until = later_until = end_ms
        elif step <= len(levels) and time_ms - levels[step - 1][0] <= window_ms:
            before = levels[step - 1]
            top = step + 1
            if top == step_count:
                path = (*before, time_ms, touch)
                if periods and periods[0][2] is not DONE:
                    periods = ((periods[0][0], periods[0][1], DONE, top, path),)
                    later_until = AFTER_ALL_TIME
                if attempt is None:
                    converted: Attempt = (path[0], top, path, path[1], None, None)
                elif attempt[2] is before and attempt[4] is None:  # the same chain goes on
                    converted = (attempt[0], top, path, attempt[3], None, None)
                else:
                    converted = deepen(attempt, time_ms, top, path)
                closed = (*closed, converted)
                levels, attempt = (), None
            else:
                if step == len(levels) or levels[step][0] < before[0]:
                    path = (*before, time_ms, touch)
                    levels = (*levels[:step], path, *levels[top:])
                    if attempt is not None and top > attempt[1]:
                        if attempt[2] is before and attempt[4] is None:
                            attempt = (attempt[0], top, path, attempt[3], None, None)
                        else:
                            attempt = deepen(attempt, time_ms, top, path)
                    if periods:
                        start_ms, end_ms, own, best, _ = periods[0]
                        if own is not DONE and top > best:
                            periods = ((start_ms, end_ms, own, top, path),)
                if attempt is None:  # a chain has outlived its attempt and goes on: the next one enters at it
                    attempt = open_attempt(alive(levels, time_ms, window_ms))
        if closed:
            all_closed += closed
        if time_ms >= kept_from_ms:
            entries.append((time_ms, event_id, steps, touch, levels, attempt, periods, closed))
    return progress(last, all_closed, attempt, periods)


def _common_until(levels: Levels, periods: Sequence[PeriodFold]) -> tuple[int, int]:
    """Return until when, in ms, a first step and a later one are common cases; that only changes with the periods."""
    if not periods:
        return BEFORE_ALL_TIME if levels else AFTER_ALL_TIME, AFTER_ALL_TIME
    # A first step can deepen no period but its own, the newest.
    _, end_ms, own, _, _ = periods[-1]
    first_until = end_ms if own is SHARED or own is DONE else BEFORE_ALL_TIME
    if len(periods) > 1:
        return first_until, BEFORE_ALL_TIME
    return first_until, AFTER_ALL_TIME if own is DONE else first_until
