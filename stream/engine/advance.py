"""The one entry point of the engine: (actor state, hits in log order) to (state, what changed).

In:  the state of one actor in one funnel, and its hits of one batch in log order.
Out: the state after them, a verdict for each hit, and the attempts and period results
     that the batch took back and gave.

State is a sealed fold (everything strictly below a limit) plus a suffix of tie groups
that late events may still join. Each group remembers the fold after it, so an event in
order costs one fold step, sealing costs none, and an out-of-order event is refolded
from its place only. The result is a function of the events alone; where a batch was
cut, and when the state was sealed, never shows.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from stream.engine.attempts import DONE, SHARED, Attempt, Fold, PeriodFold, advance_fold, drop_expired, empty_fold
from stream.engine.match import CompiledFunnel, Hit, Touch
from stream.engine.ordered import Path
from stream.model.verdict import Verdict

# (time_ms, hits, fold, closed): all hits of one instant, the fold after them, the attempts they closed
Group: TypeAlias = tuple[int, tuple[Hit, ...], Fold, tuple[Attempt, ...]]

BEFORE_ALL_TIME = -(1 << 62)
NO_CAP = 1 << 62
ACCEPTED, DUPLICATE, BOT = Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.BOT


class FunnelState:
    """One actor in one funnel: what is folded for good, and the groups that may still change.

    `groups` is replaced, never mutated, by `advance` and `seal`.
    """

    __slots__ = ("groups", "sealed")

    def __init__(self, sealed: Fold, groups: list[Group]) -> None:
        self.sealed = sealed
        self.groups = groups


class Change(NamedTuple):
    """What a batch did to one actor's results; what is equal before and after is left out.

    A *correction* is an attempt that was taken back because of an out-of-order event.
    """

    taken: Sequence[Attempt] = ()
    given: Sequence[Attempt] = ()
    taken_periods: Sequence[PeriodFold] = ()
    given_periods: Sequence[PeriodFold] = ()
    corrections: int = 0


def empty_state(funnel: CompiledFunnel) -> FunnelState:
    """Return the state of an actor that has done nothing."""
    return FunnelState(empty_fold(funnel), [])


def advance(  # noqa: PLR0913, PLR0917
    funnel: CompiledFunnel,
    state: FunnelState,
    hits: Sequence[Hit],
    verdicts: list[Verdict],
    bot_cap: int = NO_CAP,
    limits: Sequence[int] = (),
) -> Change | None:
    """Take `hits` into `state` in place; appends a verdict per hit to `verdicts`.

    bot_cap: events an actor may hold at its watermark before further ones are `bot` (`NO_CAP`: none).
    limits: watermark - allowed lateness at each record of the batch, ms; read only where a cap is near.
    Returns None if no result changed.
    """
    old_groups = groups = state.groups
    if groups:
        newest_ms, _, fold, _ = groups[-1]
    else:
        newest_ms, fold = BEFORE_ALL_TIME, state.sealed
    old_tip = fold
    refolded = closing = False
    for hit in hits:
        time_ms = hit[0]
        if time_ms <= newest_ms and _is_copy(groups, time_ms, hit[1]):
            verdicts.append(DUPLICATE)
            continue
        if len(groups) >= bot_cap and _held(groups, limits[hit[4]]) >= bot_cap:
            verdicts.append(BOT)
            continue
        verdicts.append(ACCEPTED)
        if groups is old_groups:
            groups = old_groups.copy()
        if time_ms > newest_ms:
            steps = hit[2]
            alone = (hit,)
            advanced = _advance_in_order(funnel, fold, time_ms, steps[0], hit[3]) if len(steps) == 1 else None
            fold, closed = advanced or advance_fold(funnel, fold, time_ms, alone)
            groups.append((time_ms, alone, fold, closed))
            closing = closing or bool(closed)
            newest_ms = time_ms
        else:
            _insert(funnel, state.sealed, groups, hit)
            fold = groups[-1][2]
            refolded = True
    if groups is old_groups:
        return None
    state.groups = groups
    if refolded:
        return _difference(old_groups, old_tip, groups, fold)
    if fold[1] is old_tip[1] and fold[2] is old_tip[2] and not closing:
        return None
    return _progress(groups, len(old_groups), old_tip, fold)


NOTHING_CLOSED: tuple[Attempt, ...] = ()


def _advance_in_order(  # noqa: C901, PLR0911, PLR0912 - the hot path: one step written out, no calls
    funnel: CompiledFunnel, fold: Fold, time_ms: int, step: int, touch: Touch | None
) -> tuple[Fold, tuple[Attempt, ...]] | None:
    """Do what `advance_fold` does, for a single hit of a single step; None where the case is not a common one.

    A property test holds the two equal (tests/property/test_engine.py).
    """
    levels, attempt, periods = fold
    window_ms = funnel.window_ms
    if attempt is not None and time_ms - attempt[0] > window_ms:
        return None
    if len(periods) != 1:
        if periods or step or attempt is not None or any(levels):
            return None
        path: Path = (time_ms, touch)
        start_ms, end_ms = funnel.period_of(time_ms)
        return (
            (path, *levels[1:]),
            (time_ms, 1, path, touch),
            ((start_ms, end_ms, SHARED, 1, path),),
        ), NOTHING_CLOSED
    start_ms, end_ms, period_levels, best, _ = periods[0]
    if not start_ms <= time_ms < end_ms or (period_levels is not SHARED and period_levels is not DONE):
        return None
    if step == 0:
        path = (time_ms, touch)
        if attempt is None:
            if any(levels):
                return None
            attempt = (time_ms, 1, path, touch)
        return ((path, *levels[1:]), attempt, periods), NOTHING_CLOSED
    before = levels[step - 1]
    if before is None or time_ms - before[0] > window_ms:
        return fold, NOTHING_CLOSED
    if attempt is None:
        return None
    path = (*before, time_ms, touch)
    top = step + 1
    if step == len(levels):
        if best < top:
            periods = ((start_ms, end_ms, DONE, top, path),)
        return (funnel.no_levels, None, periods), ((attempt[0], top, path, attempt[3]),)
    standing = levels[step]
    if standing is not None and standing[0] >= before[0]:
        return fold, NOTHING_CLOSED
    if top > attempt[1]:
        attempt = (attempt[0], top, path, attempt[3])
    if top > best:
        periods = ((start_ms, end_ms, period_levels, top, path),)
    return ((*levels[:step], path, *levels[top:]), attempt, periods), NOTHING_CLOSED


def _progress(groups: list[Group], start: int, old_tip: Fold, tip: Fold) -> Change:
    """Return the change when every event came in order: the open attempt went on, others followed."""
    before = old_tip[1]
    after: list[Attempt] = []
    for index in range(start, len(groups)):
        after += groups[index][3]
    if tip[1] is not None:
        after.append(tip[1])
    taken: tuple[Attempt, ...] = ()
    if before is not None:
        if after[0] is before:
            del after[0]
        else:
            taken = (before,)
    old_periods, periods = old_tip[2], tip[2]
    if periods is old_periods:
        return Change(taken, after)
    if len(periods) == 1:
        return Change(taken, after, old_periods, periods)
    return Change(taken, after, *_period_difference(old_periods, periods))


def _difference(old_groups: list[Group], old_tip: Fold, groups: list[Group], tip: Fold) -> Change:
    same = 0
    for old, new in zip(old_groups, groups, strict=False):
        if old is not new:
            break
        same += 1
    taken = _attempts(old_groups, same, old_tip)
    given = _attempts(groups, same, tip)
    while taken and given and taken[0] == given[0]:
        del taken[0], given[0]
    corrections = sum(index >= len(given) or not _goes_on(attempt, given[index]) for index, attempt in enumerate(taken))
    return Change(taken, given, *_period_difference(old_tip[2], tip[2]), corrections)


def _attempts(groups: list[Group], start: int, tip: Fold) -> list[Attempt]:
    attempts = [attempt for group in groups[start:] for attempt in group[3]]
    if tip[1] is not None:
        attempts.append(tip[1])
    return attempts


def _goes_on(old: Attempt, new: Attempt) -> bool:
    return old[0] == new[0] and old[1] <= new[1] and old[2] == new[2][: len(old[2])]


def _period_difference(
    old: tuple[PeriodFold, ...], new: tuple[PeriodFold, ...]
) -> tuple[list[PeriodFold], list[PeriodFold]]:
    # best and chain are all that counts of a period; its levels are working state
    before = {(start, best, chain): period for period in old for start, _, _, best, chain in (period,)}
    after = {(start, best, chain): period for period in new for start, _, _, best, chain in (period,)}
    return (
        [period for result, period in before.items() if result not in after],
        [period for result, period in after.items() if result not in before],
    )


def _is_copy(groups: list[Group], time_ms: int, event_id: str) -> bool:
    for at_ms, hits, _, _ in reversed(groups):
        if at_ms <= time_ms:
            return at_ms == time_ms and any(hit[1] == event_id for hit in hits)
    return False


def _held(groups: list[Group], limit_ms: int) -> int:
    return sum(len(hits) for at_ms, hits, _, _ in groups if at_ms >= limit_ms)


def _insert(funnel: CompiledFunnel, sealed: Fold, groups: list[Group], hit: Hit) -> None:
    """Put a hit at its place in time and refold from there."""
    time_ms = hit[0]
    at = len(groups)
    while at and groups[at - 1][0] >= time_ms:
        at -= 1
    if at < len(groups) and groups[at][0] == time_ms:
        groups[at] = (time_ms, (*groups[at][1], hit), sealed, ())
    else:
        groups.insert(at, (time_ms, (hit,), sealed, ()))
    refold(funnel, sealed, groups, at)


def refold(funnel: CompiledFunnel, sealed: Fold, groups: list[Group], start: int = 0) -> None:
    """Work out the folds of `groups` from position `start` on, in place."""
    fold = groups[start - 1][2] if start else sealed
    for index in range(start, len(groups)):
        time_ms, hits, _, _ = groups[index]
        fold, closed = advance_fold(funnel, fold, time_ms, hits)
        groups[index] = (time_ms, hits, fold, closed)


def seal(funnel: CompiledFunnel, state: FunnelState, limit_ms: int) -> None:
    """Fold for good everything strictly below `limit_ms` (watermark - lateness), in place."""
    groups = state.groups
    if groups and groups[0][0] < limit_ms:
        kept = 1
        while kept < len(groups) and groups[kept][0] < limit_ms:
            kept += 1
        state.sealed = groups[kept - 1][2]
        state.groups = groups[kept:]
    periods = state.sealed[2]
    if periods and periods[0][1] <= limit_ms:
        _forget_periods(funnel, state, limit_ms)


def _forget_periods(funnel: CompiledFunnel, state: FunnelState, limit_ms: int) -> None:
    """Drop the folds of periods that are over and that no event can deepen any more."""
    levels, _, periods = state.sealed
    gone = {
        start_ms
        for start_ms, end_ms, own, _, _ in periods
        if end_ms <= limit_ms
        and (own is DONE or not any(drop_expired(levels if own is SHARED else own, limit_ms, funnel.window_ms)))  # type: ignore[arg-type]
    }
    if not gone:
        return

    def without(fold: Fold) -> Fold:
        return fold[0], fold[1], tuple(period for period in fold[2] if period[0] not in gone)

    state.sealed = without(state.sealed)
    state.groups = [(time_ms, hits, without(fold), closed) for time_ms, hits, fold, closed in state.groups]


def expires_ms(funnel: CompiledFunnel, state: FunnelState) -> int | None:
    """Return the limit (watermark - lateness, ms) above which the state says nothing any more.

    None while events are still in the suffix.
    """
    if state.groups:
        return None
    levels, attempt, periods = state.sealed
    starts = [path[0] for path in levels if path is not None]
    ends = [end_ms for _, end_ms, _, _, _ in periods]
    if attempt is not None:
        starts.append(attempt[0])
    for _, _, own, _, _ in periods:
        if own is not SHARED and own is not DONE:
            starts += [path[0] for path in own if path is not None]  # type: ignore[union-attr]
    ends += [start + funnel.window_ms for start in starts]
    return max(ends, default=BEFORE_ALL_TIME)
