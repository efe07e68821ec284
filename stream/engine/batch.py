"""A whole batch through the states of its actors: the loop that every counted event runs through.

In:  the states of the batch's actors, and its events in log order.
Out: the same states advanced, what changed in the results, and how many events were
     duplicate, bot and accepted.

An event that comes in order and serves one step is folded by `in_order.next_entry`; every
other one (ties, copies, out-of-order events, names that serve several steps, period
borders, actors near the bot cap) goes through `advance.advance`, the clear form, alone.
What came in order is told as one change an actor and funnel when the batch ends.
tests/property/test_engine.py holds this equal to `advance` and to the oracle.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stream.engine.advance import NO_CAP, Change, advance, progress
from stream.engine.in_order import next_entry
from stream.engine.match import CompiledFunnel
from stream.engine.state import ATTEMPT, CLOSED, PERIODS, FunnelState, empty_state
from stream.model.verdict import Verdict

# (actor, time_ms, event id, name, properties in the order of FunnelSet.property_paths, limit_ms), where
# limit_ms is watermark - allowed lateness at its record; `ingest.admission` makes these
AdmittedEvent = tuple[str, int, str, str, Sequence[Any], int]


class ActorRecord:
    """One actor: the key it is stored under, and its state in each funnel of the set, None where it has none."""

    __slots__ = ("key", "states")

    def __init__(self, key: bytes, states: list[FunnelState | None]) -> None:
        self.key = key
        self.states = states


class Touched(NamedTuple):
    """A state that the batch changed."""

    actor: ActorRecord
    funnel: CompiledFunnel
    state: FunnelState


class Advanced(NamedTuple):
    """What a batch did; `verdicts` counts duplicate, bot and accepted records in that order."""

    verdicts: tuple[int, int, int]
    changes: list[tuple[CompiledFunnel, Change]]
    touched: list[Touched]


def advance_batch(  # noqa: C901, PLR0912 (one loop, for speed)
    serving: Mapping[str, Sequence[tuple[CompiledFunnel, tuple[int, ...]]]],
    actors: Mapping[str, ActorRecord],
    events: Sequence[AdmittedEvent],
    bot_cap: int = NO_CAP,
) -> Advanced:
    """Take `events` into the states of their actors, in place; `actors` must have them all."""
    changes: list[tuple[CompiledFunnel, Change]] = []
    touched: list[tuple[ActorRecord, CompiledFunnel, FunnelState]] = []
    counts = {Verdict.DUPLICATE: 0, Verdict.BOT: 0}
    refused: list[Verdict] = []
    for actor, time_ms, event_id, name, properties, limit_ms in events:
        record = actors[actor]
        funnels = serving[name]
        for funnel, steps in funnels:
            state = record.states[funnel.position]
            if state is None:
                state = record.states[funnel.position] = empty_state()
            entries = state.entries
            last = entries[-1]
            touch = funnel.touch(steps, properties) if funnel.has_touch else None
            if time_ms > last[0] and len(entries) - 1 <= bot_cap and len(steps) == 1:
                entry = next_entry(funnel, last, time_ms, event_id, steps, touch)
                if entry is not None:
                    if not state.told:
                        state.told = len(entries)
                        touched.append((record, funnel, state))
                    if entry[CLOSED]:
                        state.has_closed = True
                    entries.append(entry)
                    continue
            # What was told so far must not be mixed with what this event takes back.
            _tell(funnel, state, changes)
            hit = (time_ms, event_id, steps, touch, 0)
            verdicts: list[Verdict] = []
            change = advance(funnel, state, (hit,), verdicts, bot_cap, (limit_ms,))
            if change is not None:
                changes.append((funnel, change))
            if verdicts[0] is not Verdict.ACCEPTED:
                refused += verdicts
            elif not state.told:
                touched.append((record, funnel, state))
            if state.told or verdicts[0] is Verdict.ACCEPTED:
                state.told = len(state.entries)
        if refused:
            # A record is accepted if any funnel takes it.
            if len(refused) == len(funnels):
                counts[min(refused)] += 1
            refused.clear()
    for _, funnel, state in touched:
        _tell(funnel, state, changes)
        state.told = 0
    duplicates, bots = counts[Verdict.DUPLICATE], counts[Verdict.BOT]
    return Advanced((duplicates, bots, len(events) - duplicates - bots), changes, touched)  # type: ignore[arg-type]


def _tell(funnel: CompiledFunnel, state: FunnelState, changes: list[tuple[CompiledFunnel, Change]]) -> None:
    """Add to `changes` what has come in order since the state was last told of."""
    told = state.told
    if told:
        entries = state.entries
        last, tip = entries[told - 1], entries[-1]
        if last[ATTEMPT] is not tip[ATTEMPT] or last[PERIODS] is not tip[PERIODS] or state.has_closed:
            changes.append((funnel, progress(entries, told)))
        state.has_closed = False
