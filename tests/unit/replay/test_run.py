"""A process of a run ends when the run does, and then touches nothing any more."""

import asyncio

import pytest
from msgspec.structs import replace

from stream.errors import KafkaRefused, StoreUnavailable
from stream.replay import catalog, run
from stream.replay.run import Ending, Pace, RunSink
from stream.worker.contract import Lag, LogState, PartitionBatch
from support.runs import Place, run_named

STATE = LogState(0, 100, None, 2)
BATCH = PartitionBatch(0, 0, 0, 2, [b"", b""], [0, 0], range(2), [None] * 2, 100)
NO_LAG = {0: Lag(0, 0.0), 1: Lag(0, 0.0)}


class Counting:
    """The sink of a process: notes what it was asked."""

    def __init__(self):
        self.calls = []

    async def start(self):
        self.calls.append("start")

    async def stop(self):
        self.calls.append("stop")

    async def assign(self, partitions):
        self.calls.append("assign")
        return dict.fromkeys(partitions, 0)

    async def revoke(self, partitions):
        self.calls.append(f"revoke {sorted(partitions)}")

    async def count(self, batches):
        self.calls.append(f"count {sum(len(batch.values) for batch in batches)}")

    async def tick(self, lag):
        self.calls.append(f"tick {len(lag)}")

    def is_ready(self):
        return True, ""


class World:
    def __init__(self, monkeypatch):
        self.place, self.inner, self.told, self.ends, self.now_s = Place(), Counting(), [], 0, 100.0
        monkeypatch.setattr(run.time, "monotonic", lambda: self.now_s)

    def sink(self, of, pace=None):
        def end():
            self.ends += 1

        store = self.place.store(of.name)
        return RunSink(self.inner, of, self.place.base, store, pace=pace, told=self.told.append, end=end)

    async def look(self, sink, seconds=1.0, lag=NO_LAG):
        """Let some time pass; returns how the run has ended by then."""
        self.now_s += seconds
        await sink.tick(lag)
        return sink.ending


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


async def test_while_a_run_goes_on_all_is_passed_on(world):
    await world.place.has(of := run_named("r", {0: 10, 1: 10}))
    sink = world.sink(of)
    await sink.start()
    assert await sink.assign({0: STATE, 1: STATE}) == {0: 0, 1: 0}
    await sink.count([BATCH])
    await world.look(sink)
    await sink.revoke([1])
    await sink.stop()
    assert world.inner.calls == ["start", "assign", "count 2", "tick 2", "revoke [1]", "stop"]
    assert (sink.is_ready(), world.ends) == ((True, ""), 0)


async def test_it_looks_once_a_second_and_tells_how_far_the_run_is(world):
    await world.place.has(of := run_named("r", {0: 10, 1: 10}))
    sink = world.sink(of)
    await world.place.counted("r", 4, 1)
    for _ in range(10):
        await world.look(sink, 0.2)
    assert [(each.done, each.left) for each in world.told] == [(5, 15)] * 2
    assert len(world.inner.calls) == 10


@pytest.mark.parametrize(("lag", "left"), [
    pytest.param({0: Lag(8, 1.0, 10), 1: Lag(3, 1.0, 4)}, 9, id="all-partitions-are-this-process-own"),
    pytest.param({0: Lag(6, 1.0, 10)}, None, id="others-hold-some"),
    pytest.param({}, None, id="it-holds-none-yet"),
])  # fmt: skip
async def test_what_a_following_run_has_before_it(world, lag, left):
    """More may be stored by now than when the lag was looked at."""
    await world.place.has(of := run_named("r"))
    await world.place.counted("r", 4, 1)
    assert await world.look(world.sink(of), lag=lag) is None
    assert [each.left for each in world.told] == [left]


async def test_before_anybody_has_begun_nothing_is_said_of_what_a_following_run_has_before_it(world):
    await world.place.has(of := run_named("r"))
    await world.look(world.sink(of), lag={})
    assert [each.total for each in world.told] == [None]


async def test_a_topic_that_has_got_more_partitions_is_not_counted_on(world):
    await world.place.has(of := run_named("r"))
    with pytest.raises(KafkaRefused) as raised:
        await world.sink(of).assign({0: STATE._replace(partition_count=3)})
    said = "topic shop has 3 partitions now, run r was planned for 2: drop the run and start it anew"
    assert (str(raised.value), world.inner.calls) == (said, [])


async def stopped(place):
    await catalog.stop_run(place.base, "r")


async def given_another_end(place):
    other = {0: 20, 1: 20}
    await catalog.resume_run(place.base, "r", lambda known: replace(known, until=other))


async def promoted(place):
    await place.has(run_named("r", {0: 10, 1: 10}), promotions=("r",))


async def replaced(place):
    await place.has(run_named("r", {0: 10, 1: 10}), run_named("other"), promotions=("r", "other"))


async def dropped(place):
    await catalog.drop_run(place.base, place.store("r"), "r")


async def being_dropped(place):
    await place.has(replace(run_named("r", {0: 10, 1: 10}), is_dropped=True))


async def made_anew(place):
    await dropped(place)
    await catalog.make_run(place.base, place.store("r"), run_named("r", {0: 10, 1: 10}, made_ms=2))


@pytest.mark.parametrize(("befalls", "ending"), [
    (stopped, Ending.STOPPED),
    (given_another_end, Ending.STOPPED),
    (promoted, Ending.PROMOTED),
    (replaced, Ending.PROMOTED),
    (dropped, Ending.DROPPED),
    (being_dropped, Ending.DROPPED),
    (made_anew, Ending.DROPPED),
])  # fmt: skip
async def test_what_ends_a_process_and_that_it_then_does_nothing_more(world, befalls, ending):
    await world.place.has(of := run_named("r", {0: 10, 1: 10}))
    sink = world.sink(of)
    await sink.assign({0: STATE, 1: STATE})
    await befalls(world.place)
    assert await world.look(sink) is ending
    why = f"run r is {ending}"
    with pytest.raises(StoreUnavailable, match=why.replace(":", ".")):
        await sink.assign({0: STATE})
    with pytest.raises(StoreUnavailable, match=why):
        await sink.count([BATCH])
    await world.look(sink)
    assert (world.inner.calls, world.ends, sink.is_ready()) == (["assign"], 1, (False, why))


async def test_what_is_taken_over_while_the_run_becomes_live_is_not_counted(world, monkeypatch):
    await world.place.has(of := run_named("r", {0: 10, 1: 10}))
    sink, assign = world.sink(of), world.inner.assign

    async def held_up(partitions):
        await promoted(world.place)
        return await assign(partitions)

    monkeypatch.setattr(world.inner, "assign", held_up)
    with pytest.raises(StoreUnavailable, match="run r is promoted"):
        await sink.assign({0: STATE})
    assert (sink.ending, world.ends) == (Ending.PROMOTED, 1)


async def test_a_process_that_ends_does_not_begin_anew_when_the_run_is_resumed_meanwhile(world):
    await world.place.has(of := run_named("r"))
    sink = world.sink(of)
    await catalog.stop_run(world.place.base, "r")
    assert await world.look(sink) is Ending.STOPPED
    await catalog.resume_run(world.place.base, "r")
    with pytest.raises(StoreUnavailable):
        await sink.assign({0: STATE})


async def test_it_is_complete_only_when_the_rollups_say_so_too(world):
    """They are written in ticks: the process ends at a second look, and has had ticks before it."""
    await world.place.has(of := run_named("r", {0: 4, 1: 1}))
    sink = world.sink(of)
    await world.place.counted("r", 4, 1)
    assert [await world.look(sink, 0.2) for _ in range(3)] == [None] * 3
    assert world.inner.calls == ["tick 2"] * 3
    assert await world.look(sink, 0.2) is Ending.COMPLETE
    assert [each.is_complete for each in world.told] == [True, True]


async def test_a_store_that_goes_back_in_between_is_counted_on(world):
    await world.place.has(of := run_named("r", {0: 4, 1: 1}))
    sink = world.sink(of)
    before = world.place.server.snapshot()
    await world.place.counted("r", 4, 1)
    await world.look(sink)
    world.place.server.restore(before)
    await world.place.has(of)
    assert await world.look(sink) is None
    await world.place.counted("r", 4, 1)
    assert await world.look(sink) is None
    assert await world.look(sink) is Ending.COMPLETE


async def test_a_run_that_is_complete_already_ends_also_a_process_without_partitions(world):
    await world.place.has(of := run_named("r", {0: 4, 1: 1}))
    await world.place.counted("r", 4, 1)
    sink = world.sink(of)
    await world.look(sink, lag={})
    assert await world.look(sink, lag={}) is Ending.COMPLETE


async def test_a_pace_is_waited_for_before_records_are_counted(world, monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr(run.asyncio, "sleep", sleep)
    await world.place.has(of := run_named("r"))
    sink = world.sink(of, Pace(4))
    await asyncio.gather(sink.count([BATCH]))
    await asyncio.gather(sink.count([BATCH, BATCH]))
    await asyncio.gather(sink.count([BATCH]))
    assert slept == [0.0, 0.5, 1.5]
