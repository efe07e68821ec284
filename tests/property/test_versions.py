"""Funnels come and go while a log is counted: each counts as if it were alone, and what is gone leaves nothing behind.

A case is a log of one partition and a few sets of funnels, one after the other: versions of one funnel with random
options, so that an actor's bytes hold a plain state, one by held values and one by session beside each other.
Whenever the set changes, workers restart from what is stored. A funnel that is there at the end must count as one
that was alone since it began.
"""

import asyncio
import json
import random
from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stream.aggregate.rollup import merge
from stream.analyze.compare import broken_laws, compare
from stream.engine.advance import NO_CAP
from stream.engine.match import FunnelSet
from stream.ingest.admission import Limits
from stream.ingest.decode import EventDecoder
from stream.ingest.identify import actor_key
from stream.ingest.mapping import Mapping
from stream.model.funnel import Breakdown, Funnel
from stream.model.window import Age, RollingWindow
from stream.store.contract import DONE, PartitionHead
from stream.store.memory import MemoryServer, MemoryStore
from stream.worker.activation import next_active_set
from stream.worker.contract import PartitionBatch
from stream.worker.partition import SINCE_KEY, Counting, Partition
from support.options.cases import in_units_of, random_funnel
from support.product import product_funnel
from support.stored import numbers_in

START_MS = 1_699_999_000_000
TICK_MS = 5_000
LIMITS = Limits(3 * TICK_MS, 100 * TICK_MS)
ROLLING = (RollingWindow("1m", 60_000),)
AGES = (Age("20s", 20_000),)
SHARDS = 4
EVER = 10**15


def random_log(rng: random.Random, count: int) -> list[tuple[bytes, int]]:
    """Return (value, record time) of records of a few actors, some out of order, copied or late."""
    log: list[tuple[bytes, int]] = []
    for number in range(count):
        recorded_ms = START_MS + number * rng.choice([500, 1_000, TICK_MS])
        record = {
            "user_id": f"a{rng.randrange(4)}",
            "time": recorded_ms // TICK_MS * TICK_MS - rng.choice([0, 0, 0, 1, 2, 5]) * TICK_MS,
            "id": str(number),
            "event": rng.choice("AABBCCDXY"),
            "plan": rng.choice("ab"),
            "os": rng.choice("ab"),
            "sid": rng.choice("ab"),
        }
        log.append((json.dumps(record).encode(), recorded_ms))
        if rng.random() < 0.1:
            log.append(rng.choice(log))
    return log


def version(rng: random.Random, number: int) -> Funnel:
    defined = product_funnel(in_units_of(random_funnel(rng), TICK_MS))
    breakdowns = (Breakdown("os", ("os",)),) if rng.random() < 0.5 else ()
    return replace(defined, name="shop", version=number, breakdowns=breakdowns)


class Workers:
    """Workers on one store, of which each has another set of funnels than the one before."""

    def __init__(self, rng: random.Random, log: list[tuple[bytes, int]], head: PartitionHead) -> None:
        self.rng, self.log, self.head = rng, log, head
        self.store = MemoryStore(MemoryServer(), shards=SHARDS)
        self.active = None
        self.partition: Partition

    async def begin(self, funnels: list[Funnel]) -> None:
        """Stop whoever works, and start one with these funnels."""
        self.active = next_active_set(funnels, self.active, force=True)
        compiled = FunnelSet(funnels, self.active.numbers)
        decoder = EventDecoder(Mapping(), compiled.property_paths)
        counting = Counting(
            compiled, self.active.id, decoder, LIMITS, ROLLING, "shop", lambda actor: actor_key(actor, b""),
            NO_CAP, self.rng.choice([1, 2, 100]), must_be_keyed_by_actor=False, ages=AGES,
        )  # fmt: skip
        await self.store.create_head(0, self.head)
        self.partition = Partition(0, await self.store.load_head(0), counting)
        self.partition.restore(await self.store.load_cells(0))

    async def count_to(self, end: int) -> None:
        """Count on, in batches of any size, with a sweep now and then."""
        while self.partition.head.next_offset < end:
            start = self.partition.head.next_offset
            part = self.log[start : min(end, start + self.rng.randint(1, 9))]
            until = start + len(part)
            batch = PartitionBatch(
                0, start, start, until, [value for value, _ in part], [at_ms for _, at_ms in part],
                range(start, until), [None] * len(part), len(self.log),
            )  # fmt: skip
            judged = self.partition.admit(batch)
            missing = self.partition.table.missing(judged.by_actor)
            blobs = await self.store.load_states(0, [key for _, key in missing])
            for (actor, key), blob in zip(missing, blobs, strict=True):
                self.partition.table.put(actor, key, blob)
            await self._commit(self.partition.count(batch, judged).commit)
            if self.rng.random() < 0.3:
                await self.sweep(self.rng.randrange(SHARDS))

    async def sweep(self, shard: int) -> None:
        """Look through a shard."""
        await self._commit(
            self.partition.touch(self.partition.sweep(await self.store.scan_shard(0, shard), ends_round=shard == 0))
        )

    async def _commit(self, commit) -> None:
        assert await self.store.commit([commit]) == [DONE]
        self.partition.head = commit.head

    async def states(self) -> list[bytes]:
        """Return all that is stored of actors."""
        return [blob for shard in range(SHARDS) for blob in (await self.store.scan_shard(0, shard)).values()]

    def rollup(self, as_of_ms: int):
        return merge([self.partition.roll_up(self.partition.head, as_of_ms, {}, 0, 0)])


async def check(seed: int) -> int:
    """Count a log under changing sets; returns how many funnels were compared with one that was alone."""
    rng = random.Random(seed)
    log = random_log(rng, rng.choice([20, 60, 120]))
    workers = Workers(rng, log, PartitionHead(0, epoch=1))
    funnels: list[Funnel] = []
    began: dict[str, PartitionHead] = {}
    for number in range(1, rng.randint(3, 5)):
        funnels = [funnel for funnel in funnels if rng.random() < 0.5] + [version(rng, number)]
        began = {funnel.key: began.get(funnel.key, workers.head) for funnel in funnels}
        await workers.begin(funnels)
        await workers.count_to(rng.randint(workers.head.next_offset, len(log)))
        workers.head = workers.partition.head
    await workers.count_to(len(log))
    for shard in range(SHARDS):
        await workers.sweep(shard)
    assert workers.active is not None
    numbers = {workers.active.numbers[funnel.key] for funnel in funnels}
    assert all(numbers_in(blob) <= numbers for blob in await workers.states())
    cells = (await workers.store.load_cells(0)).keys() - {SINCE_KEY}
    assert {msgspec.msgpack.decode(name)[0] for name in cells} <= numbers
    mark_ms = workers.partition.head.watermark_ms
    if mark_ms is None:
        return 0
    for funnel in funnels:
        alone = Workers(rng, log, replace(began[funnel.key], funnel_set=""))
        await alone.begin([funnel])
        await alone.count_to(len(log))
        for as_of_ms in (mark_ms, mark_ms + 6 * TICK_MS, EVER):
            found, expected = workers.rollup(as_of_ms), alone.rollup(as_of_ms)
            found.funnels = [each for each in found.funnels if each.key == funnel.key]
            assert compare(found, expected) == [], (seed, funnel)
            assert broken_laws(found) == []
    return len(funnels)


@given(st.integers(0, 2**32))
def test_each_version_counts_as_if_it_were_alone_and_a_removed_one_leaves_nothing(seed):
    asyncio.run(check(seed))


def test_in_bulk():
    compared = sum(asyncio.run(check(seed)) for seed in range(150))
    assert compared > 200
