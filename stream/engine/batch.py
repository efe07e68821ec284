"""One actor's events of a batch: what every counted event runs through.

In:  an actor's record, and its events of the batch in log order.
Out: the same record advanced, what changed in the results, and which events were refused.

An event that comes in order is folded by `in_order.next_entry`, or by `advance_fold` where
the case is not a common one, and all of them are told as one change an actor and funnel.
Every other event (ties, copies, out-of-order events, actors near the bot cap) goes through
`advance.advance`, the clear form, alone.
tests/property/test_engine.py holds this equal to `advance` and to the oracle.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from stream.engine.advance import Change, advance, change_of, progress
from stream.engine.fold import advance_fold
from stream.engine.in_order import next_entry
from stream.engine.match import CompiledFunnel, Served
from stream.engine.optioned import take_event
from stream.engine.state import ATTEMPT, CLOSED, EMPTY_BASE, PERIODS, Entry, FunnelState
from stream.model.event import AdmittedEvent, Kind
from stream.model.verdict import Verdict

# [key, entries, entries, ...]: the key the actor is stored under, then by `CompiledFunnel.slot` the entries
# of its state in each funnel of the set, None where it has none. A bare list, because what an event
# costs is mostly the way through memory to its actor's last entry.
ActorRecord: TypeAlias = list[Any]
KEY: Final = 0


def advance_actor(  # noqa: C901, PLR0912, PLR0913, PLR0917 (one loop, for speed)
    record: ActorRecord,
    events: Sequence[AdmittedEvent],
    serving: Mapping[Kind, Served],
    bot_cap: int,
    changes: list[tuple[CompiledFunnel, Change]],
    refused: list[Verdict],
) -> Mapping[CompiledFunnel, int]:
    """Take an actor's events into its record, in place.

    Returns the funnels in which it has new entries, each with the position from which on all are new;
    0 where some were put between others.
    Appends to `changes` what changed, and to `refused` the verdict of each event that no funnel took.
    """
    told: dict[CompiledFunnel, int] = {}  # how many of the funnel's entries are accounted for in `changes`
    in_order = True
    plain = True  # whether no attempt was closed and no period border passed
    with_options: dict[CompiledFunnel, int] = {}
    for event in events:
        _, time_ms, event_id, kind, properties, limit_ms = event
        funnels = serving[kind]
        refusals: list[Verdict] | None = None
        for funnel, steps in funnels:
            if funnel.options is not None:
                verdict, own_changes, position = take_event(record, funnel, steps, event, bot_cap)
                changes += [(funnel, change) for change in own_changes]
                if verdict is Verdict.ACCEPTED:
                    with_options[funnel] = min(position, with_options.get(funnel, position))
                else:
                    refusals = [verdict] if refusals is None else [*refusals, verdict]
                continue
            entries: list[Entry] | None = record[funnel.slot]
            if entries is None:
                entries = record[funnel.slot] = [EMPTY_BASE]
            last = entries[-1]
            touch = funnel.touch(steps, properties) if funnel.has_touch else None
            if time_ms > last[0] and len(entries) - 1 <= bot_cap:
                entry = next_entry(funnel, last, time_ms, event_id, steps, touch)
                if entry is None:
                    plain = False
                    fold, closed = advance_fold(funnel, last[4:7], time_ms, ((time_ms, event_id, steps, touch, 0),))
                    entry = (time_ms, event_id, steps, touch, *fold, closed)
                elif entry[CLOSED]:
                    plain = False
                if funnel not in told:
                    told[funnel] = len(entries)
                entries.append(entry)
                continue
            if funnel in told:
                # What came in order must not be mixed with what this event takes back.
                _tell(funnel, entries, told[funnel], changes, plain=plain)
            state = FunnelState(entries)
            verdicts: list[Verdict] = []
            change = advance(funnel, state, ((time_ms, event_id, steps, touch, 0),), verdicts, bot_cap, (limit_ms,))
            if change is not None:
                changes.append((funnel, change))
            record[funnel.slot] = state.entries
            if verdicts[0] is Verdict.ACCEPTED or funnel in told:
                told[funnel] = len(state.entries)
                in_order = False
            if verdicts[0] is not Verdict.ACCEPTED:
                refusals = verdicts if refusals is None else refusals + verdicts
        # A record is accepted if any funnel takes it.
        if refusals is not None and len(refusals) == len(funnels):
            refused.append(min(refusals))
    for funnel, count in told.items():
        _tell(funnel, record[funnel.slot], count, changes, plain=plain)
    if with_options:
        return {**(told if in_order else dict.fromkeys(told, 0)), **with_options}
    return told if in_order else dict.fromkeys(told, 0)


def _tell(
    funnel: CompiledFunnel,
    entries: list[Entry],
    told: int,
    changes: list[tuple[CompiledFunnel, Change]],
    *,
    plain: bool,
) -> None:
    """Add to `changes` what came in order with the entries from position `told` on."""
    last, tip = entries[told - 1], entries[-1]
    before, attempt = last[ATTEMPT], tip[ATTEMPT]
    change: Change | None = None
    if not plain:
        change = progress(entries, told)
    elif attempt is before or attempt is None:
        if tip[PERIODS] is not last[PERIODS]:
            change = change_of((), (), last[PERIODS], tip[PERIODS])
    else:  # as `progress` says: the attempt was opened or went on
        taken = () if before is None else (before,)
        if tip[PERIODS] is last[PERIODS]:
            change = change_of(taken, (attempt,))
        else:
            change = change_of(taken, (attempt,), last[PERIODS], tip[PERIODS])
    if change is not None:
        changes.append((funnel, change))
