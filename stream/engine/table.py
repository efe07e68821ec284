"""The actors of one partition, advanced a batch at a time.

In:  events that admission let through, in log order, with the watermark limits of the batch.
Out: how many were duplicate, bot and accepted; what changed in the results; and the
     new bytes of every actor whose state changed.

The table is a bounded cache: the truth is in the store. The caller asks for `missing`
actors, puts what the store has, and then applies the batch. After a failed commit it
drops the table; nothing here survives a batch that was not committed.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from stream.engine.advance import NO_CAP, Change
from stream.engine.batch import ActorRecord, AdmittedEvent, advance_batch
from stream.engine.codec import decode_states, encode_states
from stream.engine.match import CompiledFunnel, FunnelSet
from stream.engine.state import TIME, FunnelState, seal

__all__ = ["ActorTable", "AdmittedEvent", "Applied"]

_actor_of = itemgetter(0)


class Applied(NamedTuple):
    """What a batch did. `verdicts` counts duplicate, bot and accepted records in that order."""

    verdicts: tuple[int, int, int]
    changes: list[tuple[CompiledFunnel, Change]]
    states: list[tuple[bytes, bytes]]


class ActorTable:
    """States of a partition's actors by actor id; `key_of` gives the pseudonymous key they are stored under.

    `hits` and `misses` count, once a batch, the actors that were and were not in the table.
    """

    def __init__(
        self, funnels: FunnelSet, key_of: Callable[[str], bytes], *, bot_cap: int = NO_CAP, capacity: int | None = None
    ) -> None:
        self.funnels = funnels
        self._key_of = key_of
        self._bot_cap = bot_cap
        self._capacity = capacity
        self._actors: dict[str, ActorRecord] = {}
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        """How many actors are in the table."""
        return len(self._actors)

    def missing(self, events: Iterable[AdmittedEvent]) -> list[tuple[str, bytes]]:
        """Return (actor, key) of every actor in `events` that is not in the table."""
        present = set(map(_actor_of, events))
        absent = present.difference(self._actors)
        self.misses += len(absent)
        self.hits += len(present) - len(absent)
        return [(actor, self._key_of(actor)) for actor in absent]

    def put(self, actor: str, key: bytes, blob: bytes | None) -> None:
        """Take in what the store has of an actor, None for nothing; raises UnreadableState."""
        states: list[FunnelState | None] = [None] * len(self.funnels.funnels)
        if blob is not None:
            for number, state in decode_states(blob, self.funnels.by_number).items():
                states[self.funnels.by_number[number].position] = state
        self._actors[actor] = ActorRecord(key, states)

    def items(self) -> Iterable[tuple[str, dict[int, FunnelState]]]:
        """Yield each actor with its states by funnel number."""
        funnels = self.funnels.funnels
        for actor, record in self._actors.items():
            pairs = zip(funnels, record.states, strict=True)
            yield actor, {funnel.number: state for funnel, state in pairs if state is not None}

    def apply(self, events: Sequence[AdmittedEvent], seal_below_ms: int | None, *, write: bool = True) -> Applied:
        """Take in a batch.

        seal_below_ms: watermark - allowed lateness after the batch; None seals nothing. `write`:
        whether to return the new bytes.
        Every actor in `events` must be in the table (`missing`, `put`).
        """
        verdicts, changes, touched = advance_batch(self.funnels.serving, self._actors, events, self._bot_cap)
        if seal_below_ms is not None:
            for _, funnel, state in touched:
                if state.entries[1][TIME] < seal_below_ms:
                    seal(funnel, state, seal_below_ms)
        written = self._write([record for record, _, _ in touched]) if write else []
        self._evict()
        return Applied(verdicts, changes, written)

    def _write(self, changed: Sequence[ActorRecord]) -> list[tuple[bytes, bytes]]:
        funnels = self.funnels.funnels
        if len(funnels) > 1:
            # An actor that changed in several funnels is written once.
            changed = list({id(record): record for record in changed}.values())
        return [(record.key, encode_states(zip(funnels, record.states, strict=True))) for record in changed]

    def _evict(self) -> None:
        if self._capacity is not None and len(self._actors) > self._capacity:
            for actor in list(islice(self._actors, len(self._actors) - self._capacity)):
                del self._actors[actor]
