"""The actors of one partition, advanced a batch at a time.

In:  events that admission let through, in log order, with the watermark limits of the batch.
Out: how many were duplicate, bot and accepted; what changed in the results; and the
     new bytes of every actor whose state changed, or what to append to them.

The table is a bounded cache: the truth is in the store. The caller asks for `missing`
actors, puts what the store has, and then applies the batch. After a failed commit it
drops the table; nothing here survives a batch that was not committed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, TypeAlias

from stream.engine.advance import NO_CAP, Change
from stream.engine.batch import KEY, ActorRecord, advance_actor
from stream.engine.codec import decode_states, encode_new, encode_whole
from stream.engine.match import CompiledFunnel, FunnelSet, Served
from stream.engine.optioned import UnitStates, says_nothing, seal_units
from stream.engine.state import BEFORE_ALL_TIME, TIME, FunnelState, seal_entries
from stream.model.event import AdmittedEvent, Kind
from stream.model.verdict import Verdict

__all__ = ["ActorTable", "Applied", "ByActor", "by_actor"]

MANY = 16
"""Entries of an actor from which on it is written as a whole once half of them can be sealed."""

ByActor: TypeAlias = Mapping[str, Sequence[AdmittedEvent]]


def by_actor(events: Iterable[AdmittedEvent]) -> ByActor:
    """Return each actor's events, in their order."""
    groups: defaultdict[str, list[AdmittedEvent]] = defaultdict(list)
    for event in events:
        groups[event[0]].append(event)
    return groups


class Applied(NamedTuple):
    """What a batch did. `verdicts` counts duplicate, bot and accepted records in that order.

    An actor that changed is in `states` with its new bytes, or in `additions` with bytes to append to its old ones.
    """

    verdicts: tuple[int, int, int]
    changes: list[tuple[CompiledFunnel, Change]]
    states: list[tuple[bytes, bytes]]
    additions: list[tuple[bytes, bytes]]


class ActorTable:
    """States of a partition's actors by actor id; `key_of` gives the pseudonymous key they are stored under.

    `hits` and `misses` count, once a batch, the actors that were and were not in the table.
    `is_complete`: whether no actor is stored that is not in the table, so that none has to be read. Begin with True
    only where nothing is stored; it ends when an actor has to leave.
    """

    def __init__(
        self,
        funnels: FunnelSet,
        key_of: Callable[[str], bytes],
        *,
        bot_cap: int = NO_CAP,
        capacity: int | None = None,
        is_complete: bool = False,
    ) -> None:
        self.is_complete = is_complete
        self.funnels = funnels
        self._key_of = key_of
        self._bot_cap = bot_cap
        self._capacity = capacity
        self._actors: dict[str, ActorRecord] = {}
        # Actors whose stored bytes have a part of a funnel that is gone: nothing is appended to those.
        self._not_whole: set[bytes] = set()
        self._no_entries = [None] * len(funnels.funnels)
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        """How many actors are in the table."""
        return len(self._actors)

    def missing(self, batch: ByActor) -> list[tuple[str, bytes]]:
        """Return (actor, key) of every actor in `batch` to be read from the store and put; makes those that are new."""
        # Not a difference of key views: that walks through the whole table.
        absent = [actor for actor in batch if actor not in self._actors]
        self.misses += len(absent)
        self.hits += len(batch) - len(absent)
        unknown = [(actor, self._key_of(actor)) for actor in absent]
        if not self.is_complete:
            return unknown
        for actor, key in unknown:
            self._actors[actor] = self._record(key, {})
        return []

    def put(self, actor: str, key: bytes, blob: bytes | None) -> None:
        """Take in what the store has of an actor, None for nothing; raises UnreadableState."""
        left_out: set[int] = set()
        states = {} if blob is None else decode_states(blob, self.funnels.by_number, left_out)
        if left_out:
            self._not_whole.add(key)
        self._actors[actor] = self._record(key, states)

    def _record(self, key: bytes, states: Mapping[int, FunnelState | UnitStates]) -> ActorRecord:
        record: ActorRecord = [key, *self._no_entries]
        for number, state in states.items():
            record[self.funnels.by_number[number].slot] = state.entries if isinstance(state, FunnelState) else state
        return record

    def without_others(self, key: bytes, blob: bytes, seal_below_ms: int) -> bytes | None:
        """Return an actor's stored bytes as they should be: None if they say nothing any more, else `blob` itself.

        Only where a funnel that is no longer there has a part in them are they written anew, without it. Does not touch
        the actor in the table: what follows is the same. Raises UnreadableState.
        """
        by_number = self.funnels.by_number
        left_out: set[int] = set()
        states = decode_states(blob, by_number, left_out)
        if all(says_nothing(by_number[number], state, seal_below_ms) for number, state in states.items()):
            return None
        return encode_whole(self.funnels.funnels, self._record(key, states)) if left_out else blob

    def apply(
        self,
        batch: ByActor,
        seal_below_ms: int | None,
        *,
        write: bool = True,
        serving: Mapping[Kind, Served] | None = None,
    ) -> Applied:
        """Take in a batch.

        seal_below_ms: watermark - allowed lateness after the batch; None seals nothing. `write`:
        whether to return the new bytes. `serving`: what events are to which funnels, if not as the set of funnels says.
        Every actor in `batch` must be in the table (`missing`, `put`).
        """
        actors, funnels = self._actors, self.funnels.funnels
        serving = self.funnels.serving if serving is None else serving
        below_ms = BEFORE_ALL_TIME if seal_below_ms is None else seal_below_ms
        applied = Applied((0, 0, 0), [], [], [])
        refused: list[Verdict] = []
        count = 0
        # An actor is done with before the next one begins: its state is in the CPU's cache only once.
        for actor, events in batch.items():
            record = actors[actor]
            count += len(events)
            changed = advance_actor(record, events, serving, self._bot_cap, below_ms, applied.changes, refused)
            can_append = True
            for funnel, position in changed.items():
                entries = record[funnel.slot]
                if funnel.units is not None:
                    if seal_below_ms is not None:
                        seal_units(funnel, entries, seal_below_ms)
                    can_append = False
                    continue
                # All that was there before, or half of many: an actor is written as a whole once in many events only.
                if seal_below_ms is not None and (
                    entries[position - 1][TIME] < seal_below_ms
                    or (len(entries) > MANY and entries[len(entries) // 2][TIME] < seal_below_ms)
                    or len(entries) > self._bot_cap
                ):
                    seal_entries(funnel, entries, seal_below_ms)
                    can_append = False
                elif position <= 1:
                    can_append = False
            if write and changed:
                if can_append and record[KEY] not in self._not_whole:
                    applied.additions.append((record[KEY], encode_new(record, changed)))
                else:
                    applied.states.append((record[KEY], encode_whole(funnels, record)))
                    self._not_whole.discard(record[KEY])
        self._evict()
        bots = refused.count(Verdict.BOT)
        duplicates = len(refused) - bots
        return applied._replace(verdicts=(duplicates, bots, count - len(refused)))

    def _evict(self) -> None:
        if self._capacity is not None and len(self._actors) > self._capacity:
            self.is_complete = False
            for actor in list(islice(self._actors, len(self._actors) - self._capacity)):
                self._not_whole.discard(self._actors.pop(actor)[KEY])
