"""What is stored of one actor, from a store in memory: which partition, which key, what is known of it."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from stream.analyze.explanation import explain_stored
from stream.analyze.live_actor import partition_of, read_actor
from stream.engine.explain import Why
from stream.engine.match import FunnelSet
from stream.errors import ExplainError, StoreRefused
from stream.ingest.admission import Limits
from stream.ingest.decode import EventDecoder
from stream.ingest.identify import actor_keys
from stream.ingest.mapping import Mapping
from stream.model.funnel import Exclusion, Funnel, Order, Step
from stream.settings.tracker import SourceSettings, TrackerSettings
from stream.store.contract import PartitionHead
from stream.store.memory import MemoryServer, MemoryStore
from stream.worker.activation import next_active_set, rules_of, with_rules
from stream.worker.contract import PartitionBatch
from stream.worker.partition import Counting, Partition

STEPS = (Step("view", ("view",)), Step("cart", ("cart",)), Step("buy", ("buy",)))
PLAIN = Funnel("plain", 1, STEPS, 60_000)
ANY = Funnel("any", 1, STEPS, 60_000, order=Order.ANY)
GUARDED = Funnel("guarded", 1, STEPS, 60_000, exclusions=(Exclusion(("leave",), 1, 3),))
HELD = Funnel("held", 1, STEPS, 60_000, hold=("site",))
FUNNELS = [PLAIN, ANY, GUARDED, HELD]
SETTINGS = TrackerSettings(
    (SourceSettings("s", ("clicks",), is_keyed_by_actor=True),),
    Path("unused"),
    actor_secret="secret",  # noqa: S106
)
LIMITS = Limits(allowed_lateness_ms=10_000)
PARTITIONS = 3


def record(actor, time, event, site="x"):
    return json.dumps({"user_id": actor, "time": time, "event": event, "site": site, "id": f"{event}{time}"}).encode()


EVENTS = [record("ann", 0, "view"), record("ann", 1_000, "view"), record("ann", 2_000, "cart"),
          record("bob", 20_000, "scroll"), record("ann", 21_000, "leave"), record("ann", 22_000, "view"),
          record("ann", 23_000, "buy")]  # fmt: skip


async def counted(partition_number, settings=SETTINGS):
    """Count the events on one partition, each in a batch of its own, as a worker does."""
    store = MemoryStore(MemoryServer(), shards=4)
    active = with_rules(next_active_set(FUNNELS, None), rules_of(settings.rolling, settings.actor_secret))
    await store.set_active_funnel_set(msgspec.json.encode(active), None)
    funnels = FunnelSet(FUNNELS, active.numbers)
    counting = Counting(
        funnels, active.id, EventDecoder(Mapping(), funnels.property_paths), LIMITS, settings.rolling, "clicks",
        actor_keys(settings.actor_secret.encode()), 1_000, 10, must_be_keyed_by_actor=False,
    )  # fmt: skip
    for number in range(PARTITIONS):
        await store.create_head(number, PartitionHead(0, epoch=7, partition_count=PARTITIONS))
    head = await store.load_head(partition_number)
    partition = Partition(partition_number, head, counting, is_new=True)
    for offset, value in enumerate(EVENTS):
        batch = PartitionBatch(partition_number, offset, 0, 1, [value], [23_000], [offset], [None], offset + 1)
        judged = partition.admit(batch)
        for actor, key in partition.table.missing(judged.by_actor):
            partition.table.put(actor, key, None)
        prepared = partition.count(batch, judged)
        await store.commit([prepared.commit])
        partition.head = prepared.commit.head
    return store


async def told(store, funnel, actor="ann", **options):
    found = await read_actor(store, FUNNELS, SETTINGS, actor, **options)
    (compiled,) = [each for each in found.funnels.funnels if each.definition is funnel]
    return explain_stored(compiled, found.states[compiled.number], found.as_of_ms, found.partition)


@pytest.mark.parametrize("number", range(PARTITIONS))
async def test_the_actor_is_found_wherever_it_lies_and_nothing_is_written(number):
    store = await counted(number)
    found = await read_actor(store, FUNNELS, SETTINGS, "ann")
    assert (found.partition, found.as_of_ms, found.key) == (number, 23_000, actor_keys(b"secret")("ann"))
    assert [(await store.load_head(each)).epoch for each in range(PARTITIONS)] == [7] * PARTITIONS


async def test_what_is_sealed_is_known_as_what_it_came_to_and_the_rest_event_by_event():
    document = await told(await counted(0), PLAIN)
    (unit,) = document.units
    assert unit.sealed
    (attempt,) = unit.attempts
    assert (attempt.outcome, attempt.step, unit.stage) == ("converted", 3, 3)
    assert [(each.name, each.id) for each in attempt.chain] == [("view", None), ("cart", None), ("buy", "buy23000")]
    assert [(event.id, event.why) for event in document.events] == [
        ("view22000", Why.OTHER_CHAIN), ("buy23000", Why.COUNTED),
    ]  # fmt: skip


async def test_a_funnel_with_options_is_told_alike():
    store = await counted(0)
    document = await told(store, GUARDED)
    assert [(event.id, event.why) for event in document.events] == [
        ("leave21000", Why.EXCLUSION), ("view22000", Why.COUNTED), ("buy23000", Why.EXCLUDED),
    ]  # fmt: skip
    assert [each.chain[0].id for each in document.units[0].attempts] == [None, "view22000"]
    (unit,) = (await told(store, ANY)).units
    assert [(each.level, each.step) for each in unit.attempts[0].chain] == [(1, None), (2, None), (3, None)]
    (unit,) = (await told(store, HELD)).units
    assert [(each.property, each.value) for each in unit.unit] == [("site", "x")]


async def test_a_later_instant_decides_what_was_pending():
    document = await told(await counted(0), GUARDED, as_of_ms=500_000)
    assert [each.outcome for each in document.units[0].attempts] == ["excluded", "dropped"]


async def test_what_cannot_be_told_is_said_without_the_actors_id():
    store = await counted(0)
    with pytest.raises(ExplainError, match=r"nothing is stored of actor [0-9a-f]{24} in namespace live") as told_so:
        await read_actor(store, FUNNELS, SETTINGS, "somebody")
    assert "somebody" not in str(told_so.value)
    with pytest.raises(ExplainError, match="use the files that the workers run with"):
        await read_actor(store, [PLAIN], SETTINGS, "ann")
    with pytest.raises(ExplainError, match="lies 1 ms before what is counted already"):
        await read_actor(store, FUNNELS, SETTINGS, "ann", 22_999)
    with pytest.raises(StoreRefused, match="another actor_secret"):
        await read_actor(store, FUNNELS, replace(SETTINGS, actor_secret="other"), "ann")  # noqa: S106
    with pytest.raises(ExplainError, match="no worker has begun"):
        await read_actor(MemoryStore(MemoryServer()), FUNNELS, SETTINGS, "ann")


def test_the_partition_is_the_one_that_kafkas_own_producers_choose():
    # From Kafka's own test of its partitioner: murmur2 of these bytes.
    assert partition_of("21", 1 << 31) == -973932308 & 0x7FFFFFFF
    assert partition_of("foobar", 1 << 31) == -790332482 & 0x7FFFFFFF
