"""The committer: ready partitions share a call, order is kept, and what is in doubt is read again."""

import asyncio
from types import SimpleNamespace

import pytest

from stream.errors import StoreUnavailable
from stream.worker import agent
from stream.worker.agent import Committer
from stream.worker.contract import Limits, LogState, PartitionBatch
from stream.worker.epochs import FetchEpochs
from stream.worker.takeover import Outage

STATE = LogState(0, 100, None, 3)
MOST_BYTES = 1_000


class Sink:
    def __init__(self):
        self.calls, self.counted, self.answers, self.last, self.ticks, self.is_away = [], [], [], None, 0, False
        self.gate = asyncio.Event()
        self.gate.set()

    async def start(self):
        pass

    async def stop(self):
        pass

    async def assign(self, partitions):
        self.last = None
        return dict.fromkeys(partitions, 0)

    async def revoke(self, partitions):
        self.calls.append(("revoke", sorted(partitions)))

    async def count(self, batches):
        """Count at once; store, in order, while the gate is open."""
        group = [(b.partition, b.from_offset, list(b.offsets)) for b in batches]
        self.counted.append(group)
        self.last = asyncio.create_task(self.store(group, self.last))
        return self.last

    async def store(self, group, before):
        if before is not None:
            await asyncio.wait([before])
            before.result()
        await self.gate.wait()
        self.calls.append(group)
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def tick(self, lag):  # noqa: ARG002 (the contract names it)
        self.ticks += 1
        if self.is_away:
            raise StoreUnavailable("tick", (), "away")

    def is_ready(self):
        return True, ""


class Source:
    """Reads a log without end; what was read is handed on by the test."""

    def __init__(self):
        self.epochs, self.sought, self.taken_over = FetchEpochs(), [], 0

    def rewind(self, offsets):
        self.sought.append(dict(offsets))
        for partition, offset in offsets.items():
            self.epochs.seek(partition, offset)

    def take_over(self):
        self.taken_over += 1

    def end_offsets(self):
        return {0: 100}


class World:
    def __init__(self, limits):
        self.sink, self.source, self.acked, self.crashed = Sink(), Source(), [], []
        self.outage = Outage()
        self.committer = Committer(self.sink, limits, self.outage)

    async def start(self, *partitions):
        async def crash(error):
            self.crashed.append(error)

        await self.committer.start(self.source, crash)
        self.source.rewind(await self.committer.assign(dict.fromkeys(partitions, STATE)))
        return self

    def read(self, partition, begin, end, epoch=None, size_bytes=0):
        epoch = self.source.epochs.current(partition) if epoch is None else epoch
        offsets = list(range(begin, end))
        nothing = [None] * len(offsets)
        times = [7] * len(offsets)
        batch = PartitionBatch(partition, begin, begin, end, nothing, times, offsets, nothing, 100, epoch, size_bytes)
        self.committer.expect(batch)
        return batch

    def arrive(self, *batches):
        for batch in batches:
            event = SimpleNamespace(value=batch, ack=lambda b=batch: self.acked.append((b.partition, b.next_offset)))
            self.committer.add(event)


@pytest.fixture
async def world(monkeypatch):
    monkeypatch.setattr(agent, "TICK_S", 0.001)
    made = World(Limits(max_records=100, max_in_flight=200, max_in_flight_bytes=MOST_BYTES))
    await made.start(0, 1, 2)
    yield made
    made.sink.gate.set()
    await made.committer.stop()


async def until(is_so):
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 (what it waits for is no event)
            await asyncio.sleep(0.001)


async def test_partitions_read_together_share_one_call_and_are_acknowledged_after_it(world):
    batches = [world.read(0, 0, 3), world.read(1, 0, 2), world.read(2, 0, 1)]
    world.arrive(batches[0])
    await asyncio.sleep(0)
    world.arrive(*batches[1:])
    await until(lambda: len(world.acked) == 3)
    assert world.sink.calls == [[(0, 0, [0, 1, 2]), (1, 0, [0, 1]), (2, 0, [0])]]
    assert world.committer.stored_offsets() == {0: 3, 1: 2, 2: 1}


async def test_batches_that_pile_up_while_the_store_is_slow_are_joined_in_order(world):
    world.sink.gate.clear()
    world.arrive(world.read(0, 0, 2))
    await until(lambda: world.sink.counted)
    world.arrive(world.read(0, 2, 4), world.read(0, 4, 5))
    world.sink.gate.set()
    await until(lambda: len(world.acked) == 3)
    assert world.sink.calls == [[(0, 0, [0, 1])], [(0, 2, [2, 3, 4])]]
    assert world.acked == [(0, 2), (0, 4), (0, 5)]


async def test_few_records_wait_for_more_after_a_group_and_many_do_not(world, monkeypatch):
    monkeypatch.setattr(agent, "GATHER_S", 60.0)
    monkeypatch.setattr(agent, "AHEAD", 10)
    world.arrive(world.read(0, 0, 1))
    await until(lambda: world.acked)
    world.arrive(world.read(0, 1, 2))
    for _ in range(50):
        await asyncio.sleep(0)
    world.arrive(world.read(0, 2, 11))
    await until(lambda: len(world.acked) == 3)
    assert world.sink.counted == [[(0, 0, [0])], [(0, 1, list(range(1, 11)))]]


async def test_what_is_read_and_not_counted_is_bounded(world):
    world.sink.gate.clear()
    world.arrive(world.read(2, 0, 1))
    await until(lambda: world.sink.counted)
    world.arrive(world.read(0, 0, 100), world.read(1, 0, 100))
    assert world.committer.room == 0
    waiting = asyncio.create_task(world.committer.wait_for_room())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    world.sink.gate.set()
    await asyncio.wait_for(waiting, 5)
    await until(lambda: world.committer.room == 200)


async def test_few_records_that_are_large_leave_no_room(world):
    world.sink.gate.clear()
    world.arrive(world.read(2, 0, 1))
    await until(lambda: world.sink.counted)
    world.arrive(world.read(0, 0, 2, size_bytes=MOST_BYTES - 1))
    assert world.committer.room == 198
    world.arrive(world.read(1, 0, 1, size_bytes=1))
    assert world.committer.room == 0
    world.sink.gate.set()
    await until(lambda: world.committer.room == 200)


async def test_room_for_a_few_records_is_no_room(world):
    world.sink.gate.clear()
    world.arrive(world.read(2, 0, 1))
    await until(lambda: world.sink.counted)
    world.arrive(world.read(0, 0, 100), world.read(1, 0, 87))
    assert world.committer.room == 13
    world.arrive(world.read(2, 1, 2))
    assert world.committer.room == 0
    world.sink.gate.set()
    await until(lambda: world.committer.room == 200)


async def test_a_large_group_is_counted_while_the_one_before_is_stored_but_no_third(world, monkeypatch):
    monkeypatch.setattr(agent, "AHEAD", 3)
    world.sink.gate.clear()
    world.arrive(world.read(0, 0, 2))
    await until(lambda: world.sink.counted)
    world.arrive(world.read(0, 2, 5))
    await until(lambda: len(world.sink.counted) == 2)
    world.arrive(world.read(0, 5, 9))
    await asyncio.sleep(0.01)
    assert (len(world.sink.counted), world.sink.calls, world.acked) == (2, [], [])
    world.sink.gate.set()
    await until(lambda: len(world.acked) == 3)
    assert world.sink.calls == [[(0, 0, [0, 1])], [(0, 2, [2, 3, 4])], [(0, 5, [5, 6, 7, 8])]]
    assert world.committer.stored_offsets()[0] == 9


async def test_what_was_counted_behind_a_refused_batch_is_sought_once_with_it(world, monkeypatch):
    monkeypatch.setattr(agent, "AHEAD", 1)
    world.sink.gate.clear()
    world.sink.answers = [{0: 1}, {0: 1}]
    world.arrive(world.read(0, 0, 2), world.read(1, 0, 2))
    await until(lambda: world.sink.counted)
    world.arrive(world.read(0, 2, 4), world.read(1, 2, 4))
    await until(lambda: len(world.sink.counted) == 2)
    world.sink.gate.set()
    await until(lambda: (1, 4) in world.acked)
    assert world.source.sought[1:] == [{0: 1}]
    assert world.acked == [(1, 2), (1, 4)]


async def test_an_unclear_answer_is_given_up_only_when_nothing_is_on_its_way_any_more(world, monkeypatch):
    monkeypatch.setattr(agent, "AHEAD", 1)
    world.sink.gate.clear()
    world.sink.answers = [StoreUnavailable("commit", (0,), "timeout")]
    world.arrive(world.read(0, 0, 2))
    await until(lambda: world.sink.counted)
    world.arrive(world.read(0, 2, 4))
    await until(lambda: len(world.sink.counted) == 2)
    last = world.sink.last
    world.sink.gate.set()
    await until(lambda: world.source.taken_over)
    assert last.done()
    assert (world.acked, world.source.taken_over) == ([], 1)


async def test_a_refused_partition_is_sought_and_its_later_batches_are_dropped(world):
    world.sink.gate.clear()
    world.sink.answers = [{0: 1}]
    world.arrive(world.read(0, 0, 2), world.read(1, 0, 2))
    await until(lambda: world.sink.counted)
    old = world.source.epochs.current(0)
    world.arrive(world.read(0, 2, 4), world.read(1, 2, 4))
    late = world.read(0, 4, 6, epoch=old)
    world.sink.gate.set()
    await until(lambda: (1, 4) in world.acked)
    world.arrive(late)
    world.arrive(world.read(0, 1, 3))
    await until(lambda: (0, 3) in world.acked)
    assert world.source.sought[1:] == [{0: 1}]
    assert [call for call in world.sink.calls if any(p == 0 for p, *_ in call)] == [
        [(0, 0, [0, 1]), (1, 0, [0, 1])],
        [(0, 1, [1, 2])],
    ]
    assert world.committer.room == 200


async def test_after_a_store_without_a_clear_answer_everything_is_taken_over_anew_once(world):
    world.sink.answers = [StoreUnavailable("commit", (0,), "timeout")]
    world.arrive(world.read(0, 0, 2))
    await until(lambda: world.source.taken_over)
    world.sink.is_away = True
    await asyncio.sleep(0.05)  # many ticks: none of them may begin it again
    assert world.source.taken_over == 1
    assert "timeout" in world.outage.reason
    assert (world.acked, world.committer.room) == ([], 200)


async def test_a_failed_tick_takes_over_anew_too_and_without_partitions_it_is_tried_again(world):
    world.sink.is_away = True
    await until(lambda: world.source.taken_over)
    await world.committer.revoke([0, 1, 2])
    ticks = world.sink.ticks
    await until(lambda: world.sink.ticks > ticks + 2)
    assert "away" in world.outage.reason
    world.sink.is_away = False
    world.outage.end()  # as the take-over of no partitions does
    await until(lambda: not world.outage.reason)
    assert world.source.taken_over == 1


async def test_revoking_waits_for_the_call_in_flight(world):
    world.sink.gate.clear()
    world.arrive(world.read(0, 0, 2))
    await until(lambda: world.sink.counted)
    for partition in (0, 1, 2):
        world.source.epochs.close(partition)
    revoking = asyncio.create_task(world.committer.revoke([0, 1, 2]))
    await asyncio.sleep(0.01)
    assert not revoking.done()
    world.sink.gate.set()
    await revoking
    assert world.sink.calls == [[(0, 0, [0, 1])], ("revoke", [0, 1, 2])]


async def test_a_batch_that_skips_something_is_read_again_from_where_it_is_due(world):
    world.arrive(world.read(0, 5, 6))
    assert world.source.sought[-1] == {0: 0}
    assert world.committer.room == 200


async def test_an_error_of_the_sink_ends_the_worker(world):
    world.sink.answers = [ZeroDivisionError()]
    world.arrive(world.read(0, 0, 2))
    await until(lambda: world.crashed)
    assert isinstance(world.crashed[0], ZeroDivisionError)
