"""What live has stored of one actor.

In:  a store, the tracker's settings and funnels, an actor or its key.
Out: its states in all funnels, on the partition that has them.

Only reads. The actor is looked for under its pseudonymous key, first where a producer puts it that chooses the
partition by the key as Kafka's own do (murmur2), then on all the others: another producer chooses otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
from aiokafka.partitioner import murmur2

from stream.analyze.live import partition_count, steady
from stream.engine.codec import decode_states
from stream.engine.match import FunnelSet
from stream.engine.optioned import UnitStates
from stream.engine.state import FunnelState
from stream.errors import ExplainError
from stream.ingest.identify import actor_key
from stream.model.funnel import Funnel
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Store
from stream.worker.activation import ActiveSet, rules_of, with_rules
from stream.worker.activation import funnel_set_id as set_id


@dataclass(frozen=True, slots=True)
class StoredActor:
    """An actor's states by the number of their funnel; as_of_ms: the largest watermark, or the one asked for."""

    key: bytes
    partition: int
    as_of_ms: int
    funnels: FunnelSet
    states: Mapping[int, FunnelState | UnitStates]


async def read_actor(
    store: Store, funnels: Sequence[Funnel], settings: TrackerSettings, actor: str, as_of_ms: int | None = None
) -> StoredActor:
    """Return what is stored of an actor; raises what `read_actor_by_key` does."""
    key = actor_key(actor, settings.actor_secret.encode())
    return await read_actor_by_key(store, funnels, settings, key, as_of_ms, actor=actor)


async def read_actor_by_key(  # noqa: PLR0913
    store: Store,
    funnels: Sequence[Funnel],
    settings: TrackerSettings,
    key: bytes,
    as_of_ms: int | None = None,
    *,
    actor: str | None = None,
) -> StoredActor:
    """Return what is stored under an actor's key; with its id, too, the likeliest partition is asked first.

    Raises `ExplainError` if that is nothing, or live counts other funnels than these; `StoreRefused` if keys are made
    with another secret.
    """
    document = await store.active_funnel_set()
    if document is None:
        raise ExplainError(f"nothing is counted in namespace {settings.redis.namespace}: no worker has begun")
    active = with_rules(
        msgspec.json.decode(document, type=ActiveSet), rules_of(settings.rolling, settings.actor_secret)
    )
    if active.id != set_id(funnels):
        counted = ", ".join(sorted(active.numbers))
        raise ExplainError(
            f"live counts funnel set {active.id} ({counted}), the funnel files define {set_id(funnels)}: "
            "use the files that the workers run with"
        )
    count = await partition_count(store)
    heads = [await store.load_head(number) for number in range(count)]
    mark_ms = max(
        (head.watermark_ms for head in heads if head is not None and head.watermark_ms is not None), default=None
    )
    if mark_ms is None:
        raise ExplainError(f"nothing is counted in namespace {settings.redis.namespace}: no valid record has come")
    if as_of_ms is not None and as_of_ms < mark_ms:
        raise ExplainError(
            f"--as-of lies {mark_ms - as_of_ms} ms before what is counted already (watermark {mark_ms} ms UTC): "
            "live only goes forward; --topic shows an earlier instant"
        )
    first = 0 if actor is None else partition_of(actor, count)
    for number in sorted(range(count), key=lambda number: number != first):
        found = await steady(store, number, partial(store.load_states, number, [key]))
        blob = None if found is None else found[1][0]
        if found is not None and blob is not None:
            compiled = FunnelSet(funnels, active.numbers)
            at_ms = max(mark_ms, found[0].watermark_ms or mark_ms) if as_of_ms is None else as_of_ms
            return StoredActor(key, number, at_ms, compiled, decode_states(blob, compiled.by_number))
    raise ExplainError(
        f"nothing is stored of actor {key.hex()} in namespace {settings.redis.namespace} ({count} partitions): "
        "no event of it has counted, or all that counted is settled and forgotten; --topic looks into the log"
    )


def partition_of(actor: str, count: int) -> int:
    """Return the partition on which Kafka's own partitioner puts records whose key is the actor."""
    hashed: int = murmur2(actor.encode())
    return (hashed & 0x7FFFFFFF) % count
