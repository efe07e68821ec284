"""The hot path: one more event of an actor, later than all it has, that serves a single step.

In:  the actor's last entry, and the event.
Out: the event's entry, or None where the case is not a common one.

It says what `attempts.advance_fold` says, written out without calls and without objects
that are not kept (0.7 us instead of 1.4 us; a whole event costs 3 to 8 us, as the batch is
large or small, tests/bench/bench_engine.py); tests/property/test_engine.py holds the two equal. The
only freedom it takes is to forget levels that have left the window.
"""

from stream.engine.attempts import DONE, SHARED, Attempt, deepen, open_attempt
from stream.engine.ordered import FoldRules, Path, alive
from stream.engine.roles import Touch
from stream.engine.state import ATTEMPT, LEVELS, PERIODS, Entry

NONE_CLOSED: tuple[Attempt, ...] = ()


def next_entry(  # noqa: C901, PLR0911, PLR0912, PLR0913, PLR0915, PLR0917
    funnel: FoldRules, last: Entry, time_ms: int, event_id: str, steps: tuple[int, ...], touch: Touch | None
) -> Entry | None:
    """Return the entry that follows `last`; None means: ask `advance_fold`."""
    if len(steps) > 1:
        return None
    # By index: unpacking would also touch the items that are not needed, each a miss of the CPU's cache.
    levels, attempt, periods = last[LEVELS], last[ATTEMPT], last[PERIODS]
    step = steps[0]
    window_ms = funnel.window_ms
    closed = NONE_CLOSED
    if attempt is not None and time_ms - attempt[0] > window_ms:
        closed = (attempt,)
        attempt = None

    if step == 0:
        path: Path = (time_ms, touch)
        if len(levels) < 2 or time_ms - levels[1][0] > window_ms:
            levels = (path,)
            if attempt is None:
                attempt = (time_ms, 1, path, touch, None, None)
        else:
            levels = (path, *levels[1:])
            if attempt is None:  # an older, deeper chain is alive: the attempt enters there
                attempt = open_attempt(alive(levels, time_ms, window_ms))
        if periods:
            # A first step can deepen no period but its own, the newest.
            start_ms, end_ms, own, _, _ = periods[-1]
            if not start_ms <= time_ms < end_ms or (own is not SHARED and own is not DONE):
                return None
        elif len(levels) == 1:
            start_ms, end_ms = funnel.period_of(time_ms)
            periods = ((start_ms, end_ms, SHARED, 1, path),)
        else:
            return None
        return (time_ms, event_id, steps, touch, levels, attempt, periods, closed)

    own, best = DONE, 0
    if periods:
        start_ms, end_ms, own, best, _ = periods[0]
        if len(periods) > 1 or (own is not DONE and (own is not SHARED or not start_ms <= time_ms < end_ms)):
            return None
    if step > len(levels) or time_ms - levels[step - 1][0] > window_ms:
        return (time_ms, event_id, steps, touch, levels, attempt, periods, closed)
    before = levels[step - 1]
    top = step + 1
    if top == funnel.step_count:
        path = (*before, time_ms, touch)
        if own is not DONE:
            periods = ((start_ms, end_ms, DONE, top, path),)
        if attempt is None:
            converted: Attempt = (path[0], top, path, path[1], None, None)
        elif attempt[2] is before and attempt[4] is None:
            converted = (attempt[0], top, path, attempt[3], None, None)
        else:
            converted = deepen(attempt, time_ms, top, path)
        return (time_ms, event_id, steps, touch, (), None, periods, (*closed, converted))
    if step == len(levels) or levels[step][0] < before[0]:
        path = (*before, time_ms, touch)
        levels = (*levels[:step], path, *levels[top:])
        if attempt is not None and top > attempt[1]:
            if attempt[2] is before and attempt[4] is None:  # the same chain goes on
                attempt = (attempt[0], top, path, attempt[3], None, None)
            else:
                attempt = deepen(attempt, time_ms, top, path)
        if own is not DONE and top > best:
            periods = ((start_ms, end_ms, own, top, path),)
    if attempt is None:  # a chain has outlived its attempt and goes on: the next one enters at it
        attempt = open_attempt(alive(levels, time_ms, window_ms))
    return (time_ms, event_id, steps, touch, levels, attempt, periods, closed)
