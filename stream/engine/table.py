"""The actors of one partition, advanced a batch at a time.

In:  events that admission let through, in log order, with the watermark limits of the batch.
Out: how many were duplicate, bot and accepted; what changed in the results; and the
     new bytes of every actor whose state changed.

The table is a bounded cache: the truth is in the store. The caller asks for `missing`
actors, puts what the store has, and then applies the batch. After a failed commit it
drops the table; nothing here survives a batch that was not committed.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from stream.engine.advance import NO_CAP, Change, FunnelState, advance, empty_state, seal
from stream.engine.codec import decode_states, encode_states
from stream.engine.match import CompiledFunnel, FunnelSet, Hit
from stream.model.verdict import Verdict

# (actor, time_ms, event id, name, properties in the order of FunnelSet.property_paths, limit_ms), where
# limit_ms is watermark - allowed lateness at its record; `ingest.admission` makes these
AdmittedEvent = tuple[str, int, str, str, Sequence[Any], int]


class Applied(NamedTuple):
    """What a batch did. `verdicts` counts duplicate, bot and accepted records in that order."""

    verdicts: tuple[int, int, int]
    changes: list[tuple[CompiledFunnel, Change]]
    states: list[tuple[bytes, bytes]]


class ActorTable:
    """States of a partition's actors by actor id; `key_of` gives the pseudonymous key they are stored under."""

    def __init__(
        self, funnels: FunnelSet, key_of: Callable[[str], bytes], *, bot_cap: int = NO_CAP, capacity: int | None = None
    ) -> None:
        self.funnels = funnels
        self._key_of = key_of
        self._bot_cap = bot_cap
        self._capacity = capacity
        self._actors: dict[str, tuple[bytes, dict[int, FunnelState]]] = {}
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        """How many actors are in the table."""
        return len(self._actors)

    def missing(self, events: Iterable[AdmittedEvent]) -> list[tuple[str, bytes]]:
        """Return (actor, key) of every actor in `events` that is not in the table."""
        known = self._actors
        absent = {event[0] for event in events if event[0] not in known}
        self.misses += len(absent)
        return [(actor, self._key_of(actor)) for actor in absent]

    def put(self, actor: str, key: bytes, blob: bytes | None) -> None:
        """Take in what the store has of an actor, None for nothing; raises UnreadableState."""
        states = {} if blob is None else decode_states(blob, self.funnels.by_number)
        self._actors[actor] = (key, states)

    def items(self) -> Iterable[tuple[str, dict[int, FunnelState]]]:
        """Yield each actor with its states by funnel number."""
        for actor, (_, states) in self._actors.items():
            yield actor, states

    def apply(self, events: Sequence[AdmittedEvent], seal_below_ms: int | None, *, write: bool = True) -> Applied:
        """Take in a batch.

        seal_below_ms: watermark - allowed lateness after the batch; None seals nothing. `write`:
        whether to return the new bytes.
        Every actor in `events` must be in the table (`missing`, `put`).
        """
        changes: list[tuple[CompiledFunnel, Change]] = []
        limits = [event[5] for event in events] if self._bot_cap is not NO_CAP else ()
        outcome = _Outcome(len(events), overlaps=self.funnels.overlaps)
        dirty: dict[str, None] = {}
        for funnel, hits_by_actor in self._group(events):
            number = funnel.number
            for actor, hits in hits_by_actor.items():
                states = self._actors[actor][1]
                state = states.get(number)
                if state is None:
                    state = states[number] = empty_state(funnel)
                before = state.groups
                verdicts: list[Verdict] = []
                change = advance(funnel, state, hits, verdicts, self._bot_cap, limits)
                outcome.add(hits, verdicts)
                if change is not None:
                    changes.append((funnel, change))
                if state.groups is not before:
                    dirty[actor] = None
                    if seal_below_ms is not None and state.groups[0][0] < seal_below_ms:
                        seal(funnel, state, seal_below_ms)
        self.hits += len(dirty)
        written = [self._write(actor) for actor in dirty] if write else []
        self._evict()
        return Applied(outcome.counts(), changes, written)

    def _group(self, events: Sequence[AdmittedEvent]) -> list[tuple[CompiledFunnel, dict[str, list[Hit]]]]:
        serving = self.funnels.serving
        groups: dict[int, dict[str, list[Hit]]] = {funnel.number: {} for funnel in self.funnels.funnels}
        for place, (actor, time_ms, event_id, name, properties, _) in enumerate(events):
            for funnel, steps in serving[name]:
                touch = funnel.touch(steps, properties) if funnel.has_touch else None
                by_actor = groups[funnel.number]
                hits = by_actor.get(actor)
                if hits is None:
                    by_actor[actor] = [(time_ms, event_id, steps, touch, place)]
                else:
                    hits.append((time_ms, event_id, steps, touch, place))
        return [(funnel, groups[funnel.number]) for funnel in self.funnels.funnels]

    def _write(self, actor: str) -> tuple[bytes, bytes]:
        key, states = self._actors[actor]
        by_number = self.funnels.by_number
        return key, encode_states([(by_number[number], state) for number, state in states.items()])

    def _evict(self) -> None:
        if self._capacity is None:
            return
        surplus = len(self._actors) - self._capacity
        if surplus > 0:
            for actor in [actor for _, actor in zip(range(surplus), self._actors, strict=False)]:
                del self._actors[actor]


class _Outcome:
    """One verdict per record: accepted if any funnel accepts it, else the first that applies."""

    def __init__(self, size: int, *, overlaps: bool) -> None:
        self._by_place: list[Verdict | None] | None = [None] * size if overlaps else None
        self._counts = dict.fromkeys((Verdict.DUPLICATE, Verdict.BOT, Verdict.ACCEPTED), 0)

    def add(self, hits: Sequence[Hit], verdicts: Sequence[Verdict]) -> None:
        if self._by_place is None:
            counts = self._counts
            for verdict in verdicts:
                counts[verdict] += 1
            return
        for hit, verdict in zip(hits, verdicts, strict=True):
            earlier = self._by_place[hit[4]]
            if earlier is None or verdict is Verdict.ACCEPTED:
                self._by_place[hit[4]] = verdict
            elif earlier is not Verdict.ACCEPTED:
                self._by_place[hit[4]] = min(earlier, verdict)

    def counts(self) -> tuple[int, int, int]:
        if self._by_place is not None:
            for verdict in self._by_place:
                if verdict is not None:
                    self._counts[verdict] += 1
        return self._counts[Verdict.DUPLICATE], self._counts[Verdict.BOT], self._counts[Verdict.ACCEPTED]
