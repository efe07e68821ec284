"""Every store answers as a plain model of one partition map does, whatever is asked in whatever order.

Two workers share the store: each remembers the head it last read, so that a stale
one commits with an old offset or epoch, after the other, after a raised epoch, and
after the server lost its data.
"""

import asyncio
import itertools
import time
from copy import deepcopy
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from stream.store.contract import ABSENT, DONE, Commit, Moved, PartitionHead, Position
from stream.store.memory import MemoryServer, MemoryStore

PARTITIONS = 2
WORKERS = 2
SHARDS = 4
FOLD_AT = 6
FRESH_NAMES = itertools.count()

partitions = st.integers(0, PARTITIONS - 1)
workers = st.integers(0, WORKERS - 1)
actors = st.integers(0, 11).map(lambda number: bytes([0, number, number]))
values = st.binary(max_size=12)
names = st.sampled_from([b"a", b"b", b"\x00\xff", b"longer than the others"])


@dataclass
class ModelPartition:
    """What a partition holds, in the plainest form."""

    head: PartitionHead
    states: dict = field(default_factory=dict)
    cells: dict = field(default_factory=dict)
    rollup: bytes | None = None

    def apply(self, commit):
        self.head = commit.head
        self.states.update(commit.states)
        for key, addition in commit.additions:
            self.states[key] = self.states.get(key, b"") + addition
        self.cells.update(commit.cells)
        self.states = {key: state for key, state in self.states.items() if key not in commit.deleted}
        self.cells = {key: cell for key, cell in self.cells.items() if key not in commit.deleted_cells}
        self.rollup = self.rollup if commit.rollup is None else commit.rollup


changes = st.fixed_dictionaries(
    {
        "states": st.lists(st.tuples(actors, values), max_size=8, unique_by=lambda pair: pair[0]),
        "additions": st.lists(st.tuples(actors, values), max_size=8, unique_by=lambda pair: pair[0]),
        "deleted": st.lists(actors, max_size=3, unique=True),
        "cells": st.dictionaries(names, values, max_size=3),
        "deleted_cells": st.lists(names, max_size=2, unique=True),
        "rollup": st.none() | values,
        "is_folding": st.booleans(),
    },
)
heads = st.fixed_dictionaries(
    {
        "watermark_ms": st.none() | st.integers(-(2**40), 2**60),
        "as_of_ms": st.none() | st.integers(-(2**40), 2**60),
        "verdicts": st.tuples(*[st.integers(0, 2**60)] * 7),
        "corrections": st.integers(0, 2**60),
        "funnel_set": st.text(max_size=8),
        "partition_count": st.integers(0, 4096),
        "checksum": st.integers(0, 2**32 - 1),
        "gaps": st.integers(0, 2**60),
    },
)


class StoreMachine(RuleBasedStateMachine):
    """Drives a store and the model side by side; subclasses say which store."""

    sweeps_see_all = True
    """Whether a sweep sees what was written lately too."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stores = self.open_stores()
        self.model = {}
        self.backup = {}
        self.document = None
        self.seen = {(worker, partition): ABSENT for worker in range(WORKERS) for partition in range(PARTITIONS)}
        self.epoch = 0

    def open_stores(self):
        raise NotImplementedError

    def lose_everything(self):
        raise NotImplementedError

    def run(self, awaitable):
        return self.loop.run_until_complete(awaitable)

    def teardown(self):
        self.lose_everything()
        for store in self.stores:
            self.run(store.close())
        self.loop.close()

    @initialize(partition=partitions)
    def start_with_a_head(self, partition):
        self.create(partition, 0, {})
        self.read(0, partition)

    @rule(partition=partitions, offset=st.integers(0, 3), fields=heads)
    def create(self, partition, offset, fields):
        self.epoch += 10
        head = PartitionHead(next_offset=offset, epoch=self.epoch, **fields)
        assert self.run(self.stores[0].create_head(partition, head)) is (partition not in self.model)
        self.model.setdefault(partition, ModelPartition(head))

    @rule(worker=workers, partition=partitions)
    def read(self, worker, partition):
        held = self.model.get(partition)
        head = self.run(self.stores[worker].load_head(partition))
        assert head == (None if held is None else held.head)
        self.seen[worker, partition] = ABSENT if head is None else head.position

    @rule(worker=workers, data=st.data())
    def commit(self, worker, data):
        """One call for any partitions the worker has read; each is judged by itself."""
        ready = [partition for partition in range(PARTITIONS) if self.seen[worker, partition] != ABSENT]
        commits = [self.drawn_commit(worker, partition, data) for partition in ready if data.draw(st.booleans())]
        results = self.run(self.stores[worker].commit(commits))
        assert results == [self.expected_result(commit) for commit in commits]
        for commit, result in zip(commits, results, strict=True):
            if result == DONE:
                self.seen[worker, commit.partition] = commit.head.position

    def drawn_commit(self, worker, partition, data):
        expected = self.seen[worker, partition]
        forward = data.draw(st.integers(0, 3))
        head = PartitionHead(expected.next_offset + forward, expected.epoch, **data.draw(heads))
        if data.draw(st.integers(0, 9)) == 0:  # an operator accepts that the log begins anew
            self.epoch += 10
            head = replace(head, next_offset=0, epoch=max(self.epoch, head.epoch + 1))
        return Commit(partition, expected, head, **data.draw(changes))

    def expected_result(self, commit):
        held = self.model.get(commit.partition)
        found = ABSENT if held is None else held.head.position
        if found != commit.expected:
            return Moved(*found)
        held.apply(commit)
        return DONE

    @rule(partition=partitions)
    def raise_epoch(self, partition):
        epoch = self.run(self.stores[0].raise_epoch(partition))
        held = self.model.get(partition)
        if held is None:
            assert epoch is None
            return
        held.head = replace(held.head, epoch=held.head.epoch + 1)
        assert epoch == held.head.epoch

    @rule(worker=workers, document=values, expected=st.none() | values)
    def swap_funnel_set(self, worker, document, expected):
        expected = self.document if document > b"\x80" else expected
        swapped = self.run(self.stores[worker].set_active_funnel_set(document, expected))
        assert swapped is (expected == self.document)
        self.document = document if swapped else self.document

    @rule()
    def the_data_is_lost(self):
        self.lose_everything()
        self.model, self.document = {}, None

    @rule(partition=partitions, keys=st.lists(actors, max_size=20))
    def states_come_in_the_order_asked(self, partition, keys):
        held = self.model.get(partition)
        states = {} if held is None else held.states
        assert self.run(self.stores[1].load_states(partition, keys)) == [states.get(key) for key in keys]

    @invariant()
    def all_that_is_stored_is_what_the_model_holds(self):
        store = self.stores[-1]
        rollups = [held.rollup if (held := self.model.get(number)) else None for number in range(PARTITIONS)]
        assert self.run(store.load_rollups(PARTITIONS)) == rollups
        assert self.run(store.active_funnel_set()) == self.document
        for partition in range(PARTITIONS):
            held = self.model.get(partition)
            found = {}
            for shard in range(store.shards):
                found |= self.run(store.scan_shard(partition, shard))
            every = [bytes([0, number, number]) for number in range(12)]
            states = dict(zip(every, self.run(store.load_states(partition, every)), strict=True))
            assert self.run(store.load_head(partition)) == (held.head if held else None)
            assert {key: state for key, state in states.items() if state is not None} == (held.states if held else {})
            assert found.items() <= states.items()
            assert not self.sweeps_see_all or found.keys() == (held.states.keys() if held else set())
            assert self.run(store.load_cells(partition)) == (held.cells if held else {})


class MemoryMachine(StoreMachine):
    def open_stores(self):
        self.server = MemoryServer()
        self.kept = None
        return [MemoryStore(self.server, "machine", SHARDS) for _ in range(WORKERS)]

    def lose_everything(self):
        self.server.flush()

    @rule()
    def a_snapshot_is_kept(self):
        self.kept = (self.server.snapshot(), deepcopy(self.model), self.document)

    @rule()
    def the_server_goes_back_to_it(self):
        if self.kept is not None:
            snapshot, model, self.document = self.kept
            self.server.restore(snapshot)
            self.model = deepcopy(model)


def test_memory_answers_as_the_model():
    run_state_machine_as_test(MemoryMachine, settings=settings(deadline=None, stateful_step_count=30))


@pytest.mark.service
def test_redis_answers_as_the_model(stack):
    """The same machine; a lost server is a dropped namespace, so that the shared Redis keeps what is not ours."""
    from stream.store.connect import RedisOptions  # noqa: PLC0415 (memory is tested without the Redis client)
    from stream.store.redis_store import RedisStore  # noqa: PLC0415

    run = f"machine-{time.time_ns()}"

    class RedisMachine(StoreMachine):
        sweeps_see_all = False

        def open_stores(self):
            namespace = f"{run}-{next(FRESH_NAMES)}"
            options = RedisOptions(stack.redis_url)
            return [RedisStore(options, namespace, SHARDS, fold_at=FOLD_AT) for _ in range(WORKERS)]

        def lose_everything(self):
            self.run(self.stores[0].drop_namespace())

    quick = settings(
        deadline=None, max_examples=60, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(RedisMachine, settings=quick)


def test_a_position_compares_as_a_plain_pair():
    assert Position(5, 1) == (5, 1)
