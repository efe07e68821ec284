"""One actor's events of a batch: what every counted event runs through.

In:  an actor's record, and its events of the batch in log order.
Out: the same record advanced, what changed in the results, and which events were refused.

Events that come in order are put together by funnel and folded by `in_order.take_in_order`.
Every other event (ties, copies, out-of-order events, actors near the bot cap) goes through
`advance.advance`, the clear form, alone.
tests/property/test_engine.py holds this equal to `advance` and to the oracle.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from stream.engine.advance import Change, advance
from stream.engine.in_order import take_in_order
from stream.engine.match import CompiledFunnel, Served
from stream.engine.optioned import take_event
from stream.engine.roles import PlainHit
from stream.engine.state import BEFORE_ALL_TIME, EMPTY_BASE, TIME, Entry, FunnelState
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
    seal_below_ms: int,
    changes: list[tuple[CompiledFunnel, Change]],
    refused: list[Verdict],
) -> Mapping[CompiledFunnel, int]:
    """Take an actor's events into its record, in place.

    seal_below_ms: what is before it is about to be sealed, and may have no entries of its own any more.
    Returns the funnels in which it has new entries, each with the position from which on all are new;
    0 where some were put between others.
    Appends to `changes` what changed, and to `refused` the verdict of each event that no funnel took.
    """
    # What came in order and is not folded yet, and with how many the actor comes near the cap.
    waiting: dict[CompiledFunnel, tuple[list[PlainHit], int]] = {}
    new_from: dict[CompiledFunnel, int] = {}
    for event in events:
        _, time_ms, event_id, kind, properties, limit_ms = event
        funnels = serving[kind]
        refusals: list[Verdict] | None = None
        for funnel, steps in funnels:
            known = waiting.get(funnel)
            if known is not None:
                run, most = known
                if time_ms > run[-1][TIME] and len(run) < most:
                    touch = funnel.touch(steps, properties) if funnel.has_touch else None
                    run.append((time_ms, event_id, steps, touch))
                    continue
            if funnel.options is not None:
                verdict, own_changes, position = take_event(record, funnel, steps, event, bot_cap)
                changes += [(funnel, change) for change in own_changes]
                if verdict is Verdict.ACCEPTED:
                    new_from[funnel] = min(position, new_from.get(funnel, position))
                else:
                    refusals = [verdict] if refusals is None else [*refusals, verdict]
                continue
            touch = funnel.touch(steps, properties) if funnel.has_touch else None
            entries: list[Entry] | None = record[funnel.slot]
            if entries is None:
                entries = record[funnel.slot] = [EMPTY_BASE]
            if known is not None:
                # What came in order must not be mixed with what this event takes back.
                _fold_run(funnel, entries, waiting.pop(funnel)[0], BEFORE_ALL_TIME, changes)
            elif time_ms > entries[-1][TIME] and len(entries) - 1 <= bot_cap:
                waiting[funnel] = [(time_ms, event_id, steps, touch)], bot_cap - len(entries) + 2
                new_from.setdefault(funnel, len(entries))
                continue
            state = FunnelState(entries)
            verdicts: list[Verdict] = []
            change = advance(funnel, state, ((time_ms, event_id, steps, touch, 0),), verdicts, bot_cap, (limit_ms,))
            if change is not None:
                changes.append((funnel, change))
            record[funnel.slot] = state.entries
            if verdicts[0] is Verdict.ACCEPTED:
                new_from[funnel] = 0
            else:
                refusals = verdicts if refusals is None else refusals + verdicts
        # A record is accepted if any funnel takes it.
        if refusals is not None and len(refusals) == len(funnels):
            refused.append(min(refusals))
    for funnel, (run, _) in waiting.items():
        _fold_run(funnel, record[funnel.slot], run, seal_below_ms if new_from[funnel] else BEFORE_ALL_TIME, changes)
    return new_from


def _fold_run(
    funnel: CompiledFunnel,
    entries: list[Entry],
    run: Sequence[PlainHit],
    seal_below_ms: int,
    changes: list[tuple[CompiledFunnel, Change]],
) -> None:
    change = take_in_order(funnel, entries, run, seal_below_ms)
    if change is not None:
        changes.append((funnel, change))
