"""What is kept of one actor in one funnel: a sealed fold, and the entries that may still change.

In:  entries, each an accepted event with the fold after its instant.
Out: the same with more sealed; when it says nothing any more.

Each entry remembers the fold after it, so an event in order costs one fold step,
sealing costs none, and an out-of-order event is refolded from its place only. The
first entry is the base: all that is sealed, of which only the fold counts; its time
is below every event that may still come.
"""

from operator import itemgetter
from typing import Final, TypeAlias

from stream.engine.attempts import NOTHING, Attempt, Fold, PeriodFold
from stream.engine.fold import advance_fold, ends, is_over
from stream.engine.match import CompiledFunnel
from stream.engine.ordered import Levels, Path
from stream.engine.roles import Touch

# (time_ms, event id, steps, touch, levels, open attempt, period folds, closed): an accepted event as in
# `match.Hit`, the fold after it as in `attempts.Fold`, and the attempts that were closed by its instant.
# Entries of one time form a tie group; the fold and `closed` of its last one are those that count.
# One flat tuple, because most of what an event costs is making objects (`make bench`).
Entry: TypeAlias = tuple[
    int,
    str,
    tuple[int, ...],
    Touch | None,
    Levels,
    Attempt | None,
    tuple[PeriodFold, ...],
    tuple[Attempt, ...],
]
TIME: Final = 0
LEVELS: Final = 4
ATTEMPT: Final = 5
PERIODS: Final = 6
CLOSED: Final = 7

BEFORE_ALL_TIME = -(1 << 62)

time_of = itemgetter(TIME)


def fold_of(entry: Entry) -> Fold:
    """Return the fold after an entry's instant."""
    return entry[4:7]


def base_of(fold: Fold) -> Entry:
    """Return the entry that stands for everything sealed."""
    return (BEFORE_ALL_TIME, "", (), None, *fold, ())


EMPTY_BASE = base_of(NOTHING)


class FunnelState:
    """One actor in one funnel: `entries[0]` is the base, the others follow in order of time."""

    __slots__ = ("entries",)

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries

    @property
    def fold(self) -> Fold:
        """The actor's standing now."""
        return fold_of(self.entries[-1])


def refold(funnel: CompiledFunnel, entries: list[Entry], start: int, changed: int) -> None:
    """Work out the folds of `entries` from position `start` on, in place.

    start: where a tie group begins. changed: entries before this position are new; behind it the
    work ends as soon as a tie group leaves the fold that it left before.
    """
    fold = fold_of(entries[start - 1])
    while start < len(entries):
        time_ms = entries[start][TIME]
        end = start + 1
        while end < len(entries) and entries[end][TIME] == time_ms:
            end += 1
        hits = tuple([(at_ms, event_id, steps, touch, 0) for at_ms, event_id, steps, touch, *_ in entries[start:end]])
        fold, closed = advance_fold(funnel, fold, time_ms, hits)
        last = entries[end - 1]
        if start >= changed and fold == fold_of(last) and closed == last[CLOSED]:
            return
        for index in range(start, end):
            entries[index] = (*hits[index - start][:4], *fold, closed if index == end - 1 else ())
        start = end


def seal_entries(funnel: CompiledFunnel, entries: list[Entry], limit_ms: int) -> None:
    """Fold for good everything strictly below `limit_ms` (watermark - lateness), in place."""
    if funnel.options is not None:
        limit_ms -= limit_ms % funnel.options.granularity_ms
    fold_away(entries, limit_ms)
    periods = entries[0][PERIODS]
    if periods and periods[0][1] <= limit_ms:
        forget_periods(entries, undecided_in(funnel, entries, limit_ms))


def fold_away(entries: list[Entry], limit_ms: int) -> None:
    """Make the last entry below `limit_ms` the base, in place."""
    count = len(entries)
    first_open = 1
    while first_open < count and entries[first_open][TIME] < limit_ms:
        first_open += 1
    if first_open > 1:
        del entries[: first_open - 1]


def undecided_in(funnel: CompiledFunnel, entries: list[Entry], limit_ms: int) -> set[int]:
    """Return the starts of the base's periods of which some result may still change."""
    base = fold_of(entries[0])
    return {period[0] for period in base[2] if not is_over(funnel, base, period, limit_ms)}


def forget_periods(entries: list[Entry], undecided: set[int]) -> None:
    """Drop the base's results but those of the undecided periods: no event can change them any more.

    Where an actor counts by several results of a period, it is the last of them that tells whether it still does.
    """
    # A result that no event can change is the same in all entries.
    gone = {result_of(each) for each in entries[0][PERIODS] if each[0] not in undecided}
    if gone:
        entries[:] = [
            (*entry[:PERIODS], tuple([each for each in entry[PERIODS] if result_of(each) not in gone]), entry[CLOSED])
            for entry in entries
        ]


def result_of(period: PeriodFold) -> tuple[int, int, Path]:
    """Return all that counts of a period: start, best and chain; its levels are working state."""
    return period[0], period[3], period[4]


def expires_ms(funnel: CompiledFunnel, state: FunnelState) -> int | None:
    """Return the limit (watermark - lateness, ms) above which the state says nothing any more.

    None while it has events that are not sealed.
    """
    if len(state.entries) > 1:
        return None
    # A time is floored to the granularity, and so is the limit.
    floored_ms = 0 if funnel.options is None else funnel.options.granularity_ms - 1
    return max(ends(funnel, state.fold), default=BEFORE_ALL_TIME) + floored_ms
