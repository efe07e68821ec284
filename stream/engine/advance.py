"""The clear form of the engine: (actor state, hits in log order) to (state, what changed).

In:  the state of one actor in one funnel, and its hits of one batch in log order.
Out: the state after them, a verdict for each hit, and the attempts and period results
     that the batch took back and gave.

The result is a function of the events alone; where a batch was cut, and when the state
was sealed, never shows. `engine.batch` does the same for a whole batch at once and hands
over to `advance` wherever an event is not the common case.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from stream.engine.attempts import Attempt, PeriodFold, first_times
from stream.engine.match import CompiledFunnel
from stream.engine.roles import Hit
from stream.engine.state import (
    ATTEMPT,
    CLOSED,
    PERIODS,
    TIME,
    Entry,
    FunnelState,
    fold_of,
    refold,
    result_of,
    time_of,
)
from stream.model.verdict import Verdict

NO_CAP = 1 << 62


class Change(NamedTuple):
    """What a batch did to one actor's results; what is equal before and after is left out.

    corrections: how many attempts were taken back because of an event older than the newest one. actors: where an
    actor counts in several units, (period start, 1 or -1) if it now counts in the period or no longer does.
    """

    taken: Sequence[Attempt] = ()
    given: Sequence[Attempt] = ()
    taken_periods: Sequence[PeriodFold] = ()
    given_periods: Sequence[PeriodFold] = ()
    corrections: int = 0
    actors: Sequence[tuple[int, int]] = ()


def change_of(
    taken: Sequence[Attempt],
    given: Sequence[Attempt],
    taken_periods: Sequence[PeriodFold] = (),
    given_periods: Sequence[PeriodFold] = (),
) -> Change:
    """Return a change without corrections, at a third of what `Change(...)` costs."""
    return tuple.__new__(Change, (taken, given, taken_periods, given_periods, 0, ()))


def advance(  # noqa: PLR0913, PLR0917
    funnel: CompiledFunnel,
    state: FunnelState,
    hits: Sequence[Hit],
    verdicts: list[Verdict],
    bot_cap: int = NO_CAP,
    limits: Sequence[int] = (),
) -> Change | None:
    """Take `hits` into `state` in place; appends a verdict per hit to `verdicts`.

    bot_cap: once an actor holds more events than this at its watermark, further ones are `bot`.
    limits: watermark - allowed lateness at each record of the batch, ms; read only where a cap is near.
    Returns None if no result changed.
    """
    old = entries = state.entries
    corrections = 0
    for hit in hits:
        verdict = judge(funnel, entries, hit, bot_cap, limits)
        verdicts.append(verdict)
        if verdict is Verdict.ACCEPTED:
            before, entries = entries, _with_hit(funnel, entries, hit)
            if hit[0] < before[-1][TIME]:
                corrections += _corrections(*_attempt_difference(before, entries))
    if entries is old:
        return None
    state.entries = entries
    taken, given = _attempt_difference(old, entries)
    taken_periods, given_periods = _period_difference(old[-1][PERIODS], entries[-1][PERIODS])
    if not (taken or given or taken_periods or given_periods or corrections):
        return None
    return Change(taken, given, taken_periods, given_periods, corrections)


def judge(funnel: CompiledFunnel, entries: list[Entry], hit: Hit, bot_cap: int, limits: Sequence[int]) -> Verdict:
    """Return whether an actor's entries take a hit; `bot_cap` and `limits` as in `advance`."""
    if has_hit(entries, hit[0], hit[1]):
        return Verdict.DUPLICATE
    may_hold_more = funnel.options is not None and funnel.options.may_hold_more
    if bot_cap == NO_CAP or (len(entries) - 1 <= bot_cap and not may_hold_more):
        return Verdict.ACCEPTED
    return Verdict.BOT if held(funnel, entries, limits[hit[4]]) > bot_cap else Verdict.ACCEPTED


def held(funnel: CompiledFunnel, entries: list[Entry], limit_ms: int) -> int:
    """Return how many events an actor holds if it is sealed below `limit_ms`: those from there on, and what is kept."""
    first_open = bisect_left(entries, limit_ms, 1, key=time_of)
    starts = 0 if funnel.options is None else funnel.options.held(fold_of(entries[first_open - 1]), limit_ms)
    return len(entries) - first_open + starts


def has_hit(entries: list[Entry], time_ms: int, event_id: str) -> bool:
    """Tell whether an event of that time and id is among the entries."""
    if time_ms <= entries[-1][TIME]:
        for index in range(bisect_left(entries, time_ms, 1, key=time_of), len(entries)):
            if entries[index][TIME] != time_ms:
                break
            if entries[index][1] == event_id:
                return True
    return False


def _with_hit(funnel: CompiledFunnel, entries: list[Entry], hit: Hit) -> list[Entry]:
    """Return the entries with a hit at its place in time, refolded from there."""
    time_ms, event_id, steps, touch, _ = hit
    start = bisect_left(entries, time_ms, 1, key=time_of)
    end = start
    while end < len(entries) and entries[end][TIME] == time_ms:
        end += 1
    unfolded: Entry = (time_ms, event_id, steps, touch, *fold_of(entries[0]), ())
    result = [*entries[:end], unfolded, *entries[end:]]
    refold(funnel, result, start, changed=end + 1)
    return result


def progress(
    last: Entry, closed: Sequence[Attempt], attempt: Attempt | None, periods: tuple[PeriodFold, ...]
) -> Change | None:
    """Return what changed by events that came in order after an entry; None if nothing did.

    closed, attempt, periods: the attempts they closed, the one that is open after them, and the period results then.
    The open attempt went on or was closed as it stood, and others followed it.
    """
    before = last[ATTEMPT]
    after = closed if attempt is None else (*closed, attempt)
    taken: tuple[Attempt, ...] = ()
    if before is not None:
        if after and after[0] is before:
            after = after[1:]
        else:
            taken = (before,)
    taken_periods, given_periods = _period_difference(last[PERIODS], periods)
    if not (taken or after or taken_periods or given_periods):
        return None
    return change_of(taken, after, taken_periods, given_periods)


def _attempts(entries: list[Entry], start: int) -> list[Attempt]:
    """Return the attempts closed by the entries from `start` on, and the one still open."""
    attempts: list[Attempt] = []
    for entry in entries[start:]:
        attempts += entry[CLOSED]
    tip = entries[-1][ATTEMPT]
    if tip is not None:
        attempts.append(tip)
    return attempts


def _attempt_difference(old: list[Entry], new: list[Entry]) -> tuple[list[Attempt], list[Attempt]]:
    same = 0
    while same < len(old) and same < len(new) and old[same] is new[same]:
        same += 1
    taken, given = _attempts(old, same), _attempts(new, same)
    shorter = min(len(taken), len(given))
    ahead = 0
    while ahead < shorter and taken[ahead] == given[ahead]:
        ahead += 1
    behind = 0
    while behind < shorter - ahead and taken[-1 - behind] == given[-1 - behind]:
        behind += 1
    return taken[ahead : len(taken) - behind], given[ahead : len(given) - behind]


def _corrections(taken: list[Attempt], given: list[Attempt]) -> int:
    return sum(index >= len(given) or not _goes_on(attempt, given[index]) for index, attempt in enumerate(taken))


def _goes_on(old: Attempt, new: Attempt) -> bool:
    is_longer = old[2] == new[2][: len(old[2])] and first_times(old) == first_times(new)[: old[1]]
    return is_longer and old[0] == new[0] and old[3] == new[3]


def _period_difference(
    old: tuple[PeriodFold, ...], new: tuple[PeriodFold, ...]
) -> tuple[Sequence[PeriodFold], Sequence[PeriodFold]]:
    if old is new:
        return (), ()
    if len(new) == 1 and len(old) <= 1:  # as most actors have one
        is_same = bool(old) and result_of(old[0]) == result_of(new[0])
        return ((), ()) if is_same else (old, new)
    before = {result_of(period): period for period in old}
    after = {result_of(period): period for period in new}
    return (
        [period for result, period in before.items() if result not in after],
        [period for result, period in after.items() if result not in before],
    )
