"""The tracker over a store in memory: who may write, from where it goes on, and what it says while it cannot."""

import asyncio
import json
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest

from stream.errors import KafkaRefused, KafkaUnavailable, StoreRefused, StoreUnavailable
from stream.ingest.identify import actor_key
from stream.ingest.mapping import Mapping
from stream.model.funnel import Breakdown, Funnel, Step
from stream.model.verdict import Verdict
from stream.model.window import RollingWindow
from stream.settings.tracker import SourceSettings, TrackerSettings, WorkerSettings
from stream.store.contract import PartitionHead
from stream.store.memory import MemoryServer, MemoryStore
from stream.worker import fences
from stream.worker import tracker as tracker_module
from stream.worker.activation import ActiveSet, FunnelSetInactive
from stream.worker.contract import Lag, LogState, PartitionBatch
from stream.worker.partition import SINCE_KEY, decode_rollup
from stream.worker.tracker import Tracker
from support.stored import numbers_in

TOPIC = "shop"
NOW_MS = 1_700_000_000_000
A_TO_B = Funnel("ab", 1, (Step("a", ("A",)), Step("b", ("B",))), 60_000)
B_TO_C = Funnel("bc", 1, (Step("b", ("B",)), Step("c", ("C",))), 60_000)
WITH_DEVICE = Funnel("ac", 1, (Step("a", ("A",)), Step("c", ("C",))), 60_000, breakdowns=(Breakdown("d", ("d",)),))


class Letters:
    """Stands in for the dead-letter topic."""

    def __init__(self):
        self.sent, self.is_away = [], False

    async def send(self, letters):
        if letters and self.is_away:
            raise KafkaUnavailable("Kafka does not take the dead letters")
        self.sent += letters

    async def close(self):
        pass


class FailingStore(MemoryStore):
    """Fails the operations named in `failing`, before or (commit) after they have had their effect."""

    failing = ""

    async def load_states(self, partition, keys):
        if self.failing == "load_states":
            raise StoreUnavailable("load_states", (partition,), "away")
        return await super().load_states(partition, keys)

    async def commit(self, commits):
        results = await super().commit(commits)
        if self.failing == "reply":
            raise StoreUnavailable("commit", (), "no reply")
        return results


def settings(**changes):
    source = SourceSettings("shop", (TOPIC,), is_keyed_by_actor=True, **changes.pop("source", {}))
    changes.setdefault("worker", WorkerSettings(shards=4))
    return TrackerSettings((source,), "unused", **{"rolling": (RollingWindow("1m", 60_000),), **changes})


async def stored(tracker, batches):
    """Let a worker count these batches, and wait until they are stored; returns where to read on for the others."""
    return await (await tracker.count(batches))


class World:
    """A log of one topic and the store that its workers share."""

    def __init__(self, partitions=2):
        self.server = MemoryServer()
        self.logs = {number: [] for number in range(partitions)}
        self.begin = dict.fromkeys(self.logs, 0)
        self.committed = dict.fromkeys(self.logs)

    def write(self, partition, *names, actor="ann"):
        log = self.logs[partition]
        for name in names:
            at_ms = NOW_MS + 1_000 * len(log)
            record = {"user_id": actor, "event": name, "time": at_ms, "id": f"{partition}-{len(log)}"}
            log.append((json.dumps(record).encode() if name else b"{", at_ms, actor.encode()))

    def state(self, partition):
        return LogState(self.begin[partition], len(self.logs[partition]), self.committed[partition], len(self.logs))

    def batch(self, partition, start, end=None):
        rows = self.logs[partition][start:end]
        return PartitionBatch(
            partition, start, start, start + len(rows), [row[0] for row in rows], [row[1] for row in rows],
            range(start, start + len(rows)), [row[2] for row in rows], len(self.logs[partition]),
        )  # fmt: skip

    async def worker(self, *funnels, activate=False, source_lag=None, **changes):
        store = FailingStore(self.server, shards=4)
        chosen = settings(**changes)
        tracker = Tracker(
            chosen, funnels or (A_TO_B,), Mapping(), store, Letters(), activate=activate, source_lag=source_lag
        )
        await tracker.start()
        tracker.world, tracker.store, tracker.letters = self, store, tracker._outbox
        return tracker

    async def count(self, tracker, *partitions):
        """Assign partitions to a worker and let it count all there is."""
        offsets = await tracker.assign({number: self.state(number) for number in partitions})
        moved = await stored(tracker, [self.batch(n, offset) for n, offset in offsets.items()])
        assert moved == {}

    async def head(self, partition) -> PartitionHead:
        return await MemoryStore(self.server, shards=4).load_head(partition)

    async def entered(self, partition):
        """Return attempts by funnel, as a tick of some worker has written them."""
        (blob,) = (await MemoryStore(self.server, shards=4).load_rollups(partition + 1))[partition:]
        rollup = decode_rollup(blob)
        return {
            funnel.key: [row.counts.reached[0] for row in funnel.total if not row.breakdown]
            for funnel in rollup.funnels
        }

    def document(self):
        return msgspec.json.decode(self.server.namespaces["live"].document, type=ActiveSet)


@pytest.fixture
def world():
    return World()


# --- from where it goes on


async def test_the_record_before_the_stored_offset_is_read_again_and_not_counted_again(world):
    world.write(0, "A", "B")
    await world.count(await world.worker(), 0)
    second = await world.worker()
    assert await second.assign({0: world.state(0)}) == {0: 1}
    assert await stored(second, [world.batch(0, 1)]) == {}
    assert (await world.head(0)).verdicts[Verdict.ACCEPTED] == 2


async def test_another_record_before_the_stored_offset_means_another_log(world):
    world.write(0, "A", "B")
    await world.count(await world.worker(), 0)
    world.logs[0].clear()
    world.write(0, "B", "A", "B")
    second = await world.worker()
    await second.assign({0: world.state(0)})
    with pytest.raises(KafkaRefused, match="the topic was recreated"):
        await stored(second, [world.batch(0, 1)])


async def test_a_log_whose_counted_records_have_all_expired_is_read_from_its_beginning(world):
    """Retention may remove the record before the stored offset: nothing is lost, and nothing to be compared."""
    world.write(0, "A", "B")
    await world.count(await world.worker(), 0)
    world.begin[0] = 2
    assert await (await world.worker()).assign({0: world.state(0)}) == {0: 2}


async def test_a_head_ahead_of_what_kafka_said_is_refused_only_if_kafka_says_so_again(world):
    """Another worker may have counted on between the question to Kafka and the one to the store."""
    world.write(0, "A", "B", "A")
    await world.count(await world.worker(), 0)
    late = await world.worker()
    with pytest.raises(StoreUnavailable, match="asking Kafka again"):
        await late.assign({0: world.state(0)._replace(end_offset=2)})
    assert await late.assign({0: world.state(0)}) == {0: 2}
    with pytest.raises(StoreUnavailable, match="asking Kafka again"):
        await late.assign({0: world.state(0)._replace(end_offset=2)})
    with pytest.raises(KafkaRefused, match="the log ends at 2"):
        await late.assign({0: world.state(0)._replace(end_offset=2)})


@pytest.mark.parametrize("is_counted", [False, True])
async def test_while_kafka_does_not_say_how_many_partitions_there_are_nothing_is_decided(world, is_counted):
    world.write(0, "A")
    if is_counted:
        await world.count(await world.worker(), 0)
    with pytest.raises(KafkaUnavailable, match="how many partitions"):
        await (await world.worker()).assign({0: world.state(0)._replace(partition_count=0)})


async def test_a_batch_that_does_not_begin_where_the_head_stands_is_never_stored(world):
    world.write(0, "A", "B", "A", "B")
    tracker = await world.worker()
    await tracker.assign({0: world.state(0)})
    assert await stored(tracker, [world.batch(0, 0, 1)]) == {}
    with pytest.raises(StoreUnavailable, match="from offset 2 came where 1 was due"):
        await stored(tracker, [world.batch(0, 2)])
    assert (await world.head(0)).next_offset == 1


async def test_a_partition_count_that_changed_is_refused(world):
    world.write(0, "A")
    await world.count(await world.worker(), 0)
    with pytest.raises(KafkaRefused, match="counted as a log of 2 partitions, now it has 3"):
        await (await world.worker()).assign({0: world.state(0)._replace(partition_count=3)})


# --- who may write


async def test_who_was_overtaken_writes_nothing_and_takes_nothing_back(world):
    """A worker that was stopped (SIGSTOP, a long pause) comes back while its successor counts."""
    world.write(0, "A")
    zombie, successor = await world.worker(), await world.worker()
    await world.count(zombie, 0)
    await world.count(successor, 0)
    world.write(0, "B")
    before = await world.head(0)
    with pytest.raises(StoreUnavailable, match="another worker has taken it over"):
        await stored(zombie, [world.batch(0, 1)])
    with pytest.raises(StoreUnavailable, match="another worker has taken it over"):
        await zombie.assign({0: world.state(0)})
    assert await world.head(0) == before
    assert await stored(successor, [world.batch(0, 1)]) == {}


async def test_who_was_overtaken_writes_no_rollup_either(world):
    world.write(0, "A")
    zombie, successor = await world.worker(), await world.worker()
    await world.count(zombie, 0)
    zombie._partitions[0].rollup_written_s = 0.0
    await world.count(successor, 0)
    before = world.server.snapshot()
    with pytest.raises(StoreUnavailable, match="another worker has taken it over"):
        await zombie.tick({0: Lag(0, 0.0)})
    with pytest.raises(StoreUnavailable, match="another worker has taken it over"):
        await zombie.assign({0: world.state(0)})
    assert world.server.namespaces == before


async def test_who_was_overtaken_goes_on_once_kafka_has_assigned_the_partition_again(world):
    world.write(0, "A")
    first, second = await world.worker(), await world.worker()
    await world.count(first, 0)
    await world.count(second, 0)
    world.write(0, "B")
    with pytest.raises(StoreUnavailable):
        await stored(first, [world.batch(0, 1)])
    await first.revoke([0])
    await world.count(first, 0)
    assert (await world.head(0)).next_offset == 2


async def test_a_raised_epoch_without_a_successor_is_taken_over_after_a_while(world, monkeypatch):
    """An operator's `funnel resume` raises it, too; then nobody else comes."""
    world.write(0, "A")
    tracker = await world.worker()
    await world.count(tracker, 0)
    await tracker.store.raise_epoch(0)
    world.write(0, "B")
    with pytest.raises(StoreUnavailable):
        await stored(tracker, [world.batch(0, 1)])
    monkeypatch.setattr(fences, "FENCE_S", 0.0)
    await world.count(tracker, 0)
    assert (await world.head(0)).next_offset == 2


async def test_a_store_that_went_back_is_read_again_from_where_it_stands(world):
    world.write(0, "A")
    tracker = await world.worker()
    await world.count(tracker, 0)
    older = world.server.snapshot()
    world.write(0, "B", "A")
    assert await stored(tracker, [world.batch(0, 1, 2)]) == {}
    world.server.restore(older)
    assert await stored(tracker, [world.batch(0, 2)]) == {0: 1}
    assert await stored(tracker, [world.batch(0, 1)]) == {}
    assert (await world.head(0)).verdicts[Verdict.ACCEPTED] == 3


async def test_an_emptied_store_is_counted_anew_from_the_earliest_record_loudly(world, caplog):
    world.write(0, "A", "B")
    tracker = await world.worker()
    await world.count(tracker, 0)
    world.committed[0] = 2
    world.server.flush()
    world.write(0, "A")
    with pytest.raises(StoreUnavailable, match="head is gone"):
        await stored(tracker, [world.batch(0, 2)])
    await world.count(tracker, 0)
    assert "state was lost; counting again from the earliest retained offset 0" in caplog.text
    assert (await world.head(0)).verdicts[Verdict.ACCEPTED] == 3


# --- what is in doubt is read again


@pytest.mark.parametrize("failing", ["reply", "load_states"])
async def test_after_any_failure_memory_is_what_is_stored(world, failing):
    world.write(0, "A", "A", actor="ann")
    world.write(1, "A", "A", actor="bob")
    tracker = await world.worker()
    await world.count(tracker, 0, 1)
    await tracker.assign({number: world.state(number) for number in (0, 1)})  # states are now to be read
    for partition in (0, 1):
        world.write(partition, "B", actor="cleo")
    tracker.store.failing = failing
    with pytest.raises(StoreUnavailable):
        await stored(tracker, [world.batch(0, 2), world.batch(1, 2)])
    tracker.store.failing = ""
    await world.count(tracker, 0, 1)
    for partition in (0, 1):
        assert (await world.head(partition)).verdicts[Verdict.ACCEPTED] == 3
        tracker._partitions[partition].rollup_written_s = 0.0
    await tracker.tick({})
    assert await world.entered(0) == {"ab@1": [1]}


async def test_states_are_asked_for_only_where_some_can_be_stored(world):
    world.write(0, "A", actor="ann")
    tracker = await world.worker()
    tracker.store.failing = "load_states"
    await world.count(tracker, 0)
    world.write(0, "A", actor="bob")
    assert await stored(tracker, [world.batch(0, 1)]) == {}
    await tracker.assign({0: world.state(0)})
    world.write(0, "B", actor="ann")
    with pytest.raises(StoreUnavailable):
        await stored(tracker, [world.batch(0, 2)])


async def test_an_actor_that_had_to_leave_the_table_is_read_again(world):
    tracker = await world.worker(worker=WorkerSettings(shards=4, cache_actors=1))
    world.write(0, "A", actor="ann")
    world.write(0, "A", actor="bob")
    await world.count(tracker, 0)
    world.write(0, "B", actor="ann")
    assert await stored(tracker, [world.batch(0, 2)]) == {}
    assert tracker.stats.cache_misses == 1
    tracker._partitions[0].rollup_written_s = 0.0
    await tracker.tick({})
    (blob,) = await MemoryStore(world.server, shards=4).load_rollups(1)
    (funnel,) = decode_rollup(blob).funnels
    assert [row.counts.reached for row in funnel.total] == [[2, 1]]


async def test_what_was_stored_beside_a_refused_commit_counts_as_stored(world):
    world.write(0, "A")
    world.write(1, "A")
    tracker = await world.worker()
    offsets = await tracker.assign({0: world.state(0), 1: world.state(1)})
    world.server.namespaces["live"].partitions[0].head = replace(await world.head(0), next_offset=1)
    assert await stored(tracker, [world.batch(n, offset) for n, offset in offsets.items()]) == {0: 1}
    assert tracker.stats.verdicts[Verdict.ACCEPTED] == 1
    assert (await world.head(1)).next_offset == 1


async def test_while_dead_letters_cannot_be_sent_the_worker_is_not_ready_and_says_why(world):
    world.write(0, "A", "", "B")
    tracker = await world.worker()
    tracker.letters.is_away = True
    for _ in range(2):
        offsets = await tracker.assign({0: world.state(0)})
        with pytest.raises(KafkaUnavailable):
            await stored(tracker, [world.batch(0, offsets[0])])
        assert (await world.head(0)).next_offset == 0
    await tracker.assign({0: world.state(0)})
    assert tracker.is_ready() == (False, "Kafka does not take the dead letters")
    tracker.letters.is_away = False
    await world.count(tracker, 0)
    assert tracker.is_ready() == (True, "")
    assert [letter.offset for letter in tracker.letters.sent] == [1]


# --- the instant


class Clock:
    """A clock that the test moves; all its hands show the same seconds."""

    def __init__(self):
        self.now_s = 1_000.0

    def monotonic(self):
        return self.now_s

    time = perf_counter = monotonic


@pytest.fixture
def clock(monkeypatch):
    """Return the clock of every tracker of the test."""
    moved = Clock()
    monkeypatch.setattr("stream.worker.tracker.time", moved)
    return moved


async def as_of_s(tracker, clock, seconds, waiting):
    """Return T behind the watermark, in seconds, after a tick so much later, in which so many records wait."""
    clock.now_s += seconds
    await tracker.tick({number: Lag(waiting, 0.0) for number in tracker._partitions})
    return (tracker.merged.as_of_ms - tracker.merged.watermark_ms) / 1000


async def test_the_instant_moves_on_by_the_clock_only_while_nothing_waits_and_never_goes_back(world, clock):
    world.write(0, "A")
    tracker = await world.worker()
    await world.count(tracker, 0)
    seen = [await as_of_s(tracker, clock, 2, waiting) for waiting in (0, 0, 5, 5, 5, 0, 0)]
    assert seen == [0, 2, 4, 4, 4, 4, 12]


async def test_a_worker_that_starts_anew_goes_on_from_the_instant_that_was_shown(world, clock):
    world.write(0, "A")
    first = await world.worker()
    await world.count(first, 0)
    assert [await as_of_s(first, clock, 5, 0) for _ in range(3)] == [0, 5, 10]
    second = await world.worker()
    await second.assign({0: world.state(0)})
    assert [await as_of_s(second, clock, 1, waiting) for waiting in (3, 3, 0, 0)] == [10, 10, 10, 13]


async def test_an_event_of_a_slow_clock_does_not_hold_the_instant_up(world, clock):
    world.write(0, "A")
    tracker = await world.worker()
    await world.count(tracker, 0)
    assert [await as_of_s(tracker, clock, 60, 0) for _ in range(3)] == [0, 60, 120]
    world.write(0, "B")  # a second after the first, by its own clock and the broker's
    assert await stored(tracker, [world.batch(0, 1)]) == {}
    assert [await as_of_s(tracker, clock, 60, 0) for _ in range(3)] == [179, 239, 299]


@pytest.mark.parametrize(
    ("own", "in_sources", "said"),
    [
        pytest.param(0, 0, 0, id="nothing-waits"),
        pytest.param(2, 0, 2, id="in-the-log"),
        pytest.param(0, 3, 3, id="in-the-sources"),
        pytest.param(2, 3, 5, id="in-both"),
        pytest.param(0, None, -1, id="perhaps-in-the-sources"),
        pytest.param(None, 3, -1, id="perhaps-in-the-log"),
    ],
)
async def test_a_rollup_says_how_many_records_may_still_come(world, clock, own, in_sources, said):
    world.write(0, "A")
    tracker = await world.worker(source_lag=lambda: in_sources)
    await world.count(tracker, 0)
    clock.now_s += 2
    await tracker.tick({} if own is None else {0: Lag(own, 0.0)})
    (blob,) = await tracker.store.load_rollups(1)
    assert decode_rollup(blob).lag_records == said


async def test_what_waits_in_the_sources_holds_the_instant_of_all_workers(world, clock):
    """Though nothing waits in the log, and only one worker knows of it; what that one shows is read by the other."""
    sources = SimpleNamespace(lag=0)
    for number in (0, 1):
        world.write(number, "A")
    knows, other = await world.worker(source_lag=lambda: sources.lag), await world.worker()
    await world.count(knows, 0)
    await world.count(other, 1)
    seen = []
    for lag in (0, 0, 9, 9, None, None, 0, 0):
        sources.lag = lag
        await as_of_s(knows, clock, 1, 0)
        seen.append(await as_of_s(other, clock, 1, 0))
    assert seen == [0, 2, 4, 4, 4, 4, 4, 14]


# --- which funnels


async def test_after_the_store_was_emptied_states_are_written_under_the_numbers_that_stand_there(world):
    """A set that grew has other numbers than one that starts anew: a restarted worker reads by the latter."""
    await world.worker(B_TO_C)
    tracker = await world.worker(B_TO_C, A_TO_B)
    world.write(0, "A", "B")
    await world.count(tracker, 0)
    world.server.flush()
    world.committed[0] = 2
    await world.count(tracker, 0)
    restarted = await world.worker(B_TO_C, A_TO_B)
    await world.count(restarted, 0)
    restarted._partitions[0].rollup_written_s = 0.0
    await restarted.tick({})
    numbers = world.document().numbers
    assert {f.definition.key: f.number for f in tracker._counting.funnels.funnels} == numbers
    assert await world.entered(0) == {"ab@1": [1], "bc@1": [1]}
    assert restarted._partitions[0].totals.by_number[numbers["ab@1"]].ledger.slots


async def test_a_funnel_that_was_taken_out_and_comes_back_starts_anew(world):
    """Its counts were deleted; states under its old number would take back what is no longer counted."""
    world.write(0, "A")
    await world.count(await world.worker(A_TO_B, B_TO_C), 0)
    world.write(0, "B", actor="bob")
    await world.count(await world.worker(B_TO_C), 0)
    back = await world.worker(A_TO_B, B_TO_C, activate=True)
    world.write(0, "B")
    await world.count(back, 0)
    back._partitions[0].rollup_written_s = 0.0
    await back.tick({})
    assert await world.entered(0) == {"ab@1": [], "bc@1": [2]}
    assert world.document().numbers == {"ab@1": 2, "bc@1": 1}


async def test_an_older_set_of_funnels_waits_and_says_so(world):
    old = await world.worker(A_TO_B)
    world.write(0, "A")
    await world.count(old, 0)
    await world.worker(A_TO_B, WITH_DEVICE)
    old._checked_set_s = 0.0
    with pytest.raises(FunnelSetInactive, match="was replaced by"):
        await old.tick({})
    assert "restart this worker with the newer definitions" in old.is_ready()[1]
    with pytest.raises(FunnelSetInactive):
        await old.assign({0: world.state(0)})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rolling": (RollingWindow("5m", 300_000),)}, "rolling windows 1m/60, configured are 5m/60"),
        ({"rolling": ()}, "rolling windows 1m/60, configured are none"),
        ({"actor_secret": "other"}, "another actor_secret"),
    ],
)
async def test_settings_that_stored_counts_depend_on_cannot_change_under_them(world, changes, said):
    await world.worker()
    with pytest.raises(StoreRefused, match=said):
        await world.worker(**changes)
    await world.worker()


async def test_more_partitions_than_were_ever_assigned_do_no_harm(world):
    tracker = await world.worker()
    await tracker.revoke([5])
    await tracker.tick({5: Lag(1, 0.0)})
    assert tracker.is_ready() == (False, "no partitions assigned yet")


async def test_rollups_that_could_not_be_read_meanwhile_are_forgotten_once_all_is_assigned_anew(world, monkeypatch):
    monkeypatch.setattr(tracker_module, "COMMIT_STATES", 1)
    world.write(0, "A", "B")
    world.write(1, "A", "B")
    tracker = await world.worker()
    read = tracker.store.load_rollups
    gate = asyncio.Event()

    async def away(_count):
        await gate.wait()
        raise StoreUnavailable("load_rollups", (), "away")

    async def count():
        offsets = await tracker.assign({number: world.state(number) for number in (0, 1)})
        await (await tracker.count([world.batch(number, offset) for number, offset in offsets.items()]))

    def running():
        return [task for task in asyncio.all_tasks() if "_refresh" in repr(task.get_coro())]

    monkeypatch.setattr(tracker.store, "load_rollups", away)
    await count()
    assert running()
    gate.set()
    monkeypatch.setattr(tracker.store, "load_rollups", read)
    await count()
    await tracker.tick({})
    await tracker.stop()
    assert not running()


# --- versions of a funnel


SHOP_1 = Funnel("shop", 1, (Step("a", ("A",)), Step("b", ("B",))), 60_000)
SHOP_2 = Funnel("shop", 2, (Step("c", ("C",)), Step("b", ("B",))), 86_400_000)
SHOP_3 = Funnel("shop", 3, (Step("a", ("A",)), Step("b", ("B",))), 60_000, hold=("plan",))


async def look_through(tracker):
    """Let a worker look through all that is stored of its partitions, a shard each tick."""
    for _ in range(tracker.store.shards):
        for partition in tracker._partitions.values():
            partition.rollup_written_s = 0.0
        await tracker.tick({})


def stored_of(world, actor):
    """Return the numbers of the funnels that an actor's stored bytes have something of; None if there are no bytes."""
    shards = world.server.namespaces["live"].partitions[0].states
    blobs = [shard[actor_key(actor, b"")] for shard in shards if actor_key(actor, b"") in shard]
    return numbers_in(blobs[0]) if blobs else None


def stored_cells(world):
    return dict(world.server.namespaces["live"].partitions[0].cells)


async def shown(tracker, key):
    """Return of a funnel, as its worker shows it: attempts by step, and from which record time on it counts."""
    tracker._partitions[0].rollup_written_s = 0.0
    await tracker.tick({})
    rollup = decode_rollup((await tracker.store.load_rollups(1))[0])
    (funnel,) = [each for each in rollup.funnels if each.key == key]
    return [row.counts.reached for row in funnel.total if not row.breakdown], funnel.since_ms


async def test_a_definition_changed_under_its_version_is_refused_and_nothing_is_touched(world):
    world.write(0, "A")
    await world.count(await world.worker(SHOP_1), 0)
    before = world.server.snapshot()
    with pytest.raises(
        FunnelSetInactive, match=r"shop@1 is counted with another definition already; give .* a new ver"
    ):
        await world.worker(replace(SHOP_1, window_ms=1_000))
    assert world.server.namespaces == before


async def test_two_versions_stand_side_by_side_each_with_its_counts_from_its_own_start(world):
    world.write(0, "A", "C")
    await world.count(await world.worker(SHOP_1), 0)
    both = await world.worker(SHOP_1, SHOP_2)
    await both.assign({0: world.state(0)})
    world.write(0, "C", "B")
    assert await stored(both, [world.batch(0, 2)]) == {}
    assert await shown(both, "shop@1") == ([[1, 1]], NOW_MS)
    assert await shown(both, "shop@2") == ([[1, 1]], NOW_MS + 2_000)


async def test_a_removed_version_leaves_the_store_cells_with_the_next_commit_states_with_a_look_through(world):
    world.write(0, "A", actor="ann")
    for name in ("A", "C"):
        world.write(0, name, actor="bob")
    world.write(0, "C", actor="cleo")
    await world.count(await world.worker(SHOP_1, SHOP_2), 0)
    assert [stored_of(world, actor) for actor in ("ann", "bob", "cleo")] == [{0}, {0, 1}, {1}]
    only = await world.worker(SHOP_2)
    await only.assign({0: world.state(0)})
    await only.tick({})
    cells = stored_cells(world)
    fresh = World()
    fresh.logs = world.logs
    await fresh.count(await fresh.worker(SHOP_2), 0)
    assert len(cells) == len(stored_cells(fresh))
    assert SINCE_KEY in cells
    assert b"shop@1" not in b"".join(cells.values())
    await look_through(only)
    assert [stored_of(world, actor) for actor in ("ann", "bob", "cleo")] == [None, {1}, {1}]
    for actor in ("bob", "cleo"):
        world.write(0, "B", actor=actor)
    assert await stored(only, [world.batch(0, 4)]) == {}
    assert await shown(only, "shop@2") == ([[2, 2]], NOW_MS)
    again = await world.worker(SHOP_2)
    await again.assign({0: world.state(0)})
    assert await shown(again, "shop@2") == ([[2, 2]], NOW_MS)


async def test_what_a_removed_version_left_is_never_taken_for_what_another_has(world):
    world.write(0, "A", actor="ann")
    await world.count(await world.worker(SHOP_1), 0)
    third = await world.worker(SHOP_3)
    await third.assign({0: world.state(0)})
    world.write(0, "B", actor="ann")
    assert await stored(third, [world.batch(0, 1)]) == {}
    assert await shown(third, "shop@3") == ([], NOW_MS + 1_000)
    back = await world.worker(SHOP_1, activate=True)
    await back.assign({0: world.state(0)})
    world.write(0, "B", actor="ann")
    assert await stored(back, [world.batch(0, 2)]) == {}
    assert await shown(back, "shop@1") == ([], NOW_MS + 2_000)
    assert world.document().numbers == {"shop@1": 2}


async def test_the_first_commit_under_another_set_brings_everything_to_where_it_is_looked_through(world):
    world.write(0, "A", "A")
    await world.count(await world.worker(SHOP_1), 0)
    for funnels, expected in [((SHOP_1,), [False, False]), ((SHOP_2,), [True, False])]:
        tracker = await world.worker(*funnels)
        await tracker.assign({0: world.state(0)})
        partition = tracker._partitions[0]
        assert [partition.touch().is_folding for _ in range(2)] == expected


async def test_what_was_written_anew_is_brought_there_once_all_was_looked_through(world):
    world.write(0, "A", "C")
    await world.count(await world.worker(SHOP_1, SHOP_2), 0)
    only = await world.worker(SHOP_2)
    await only.assign({0: world.state(0)})
    folded = []
    commit = only.store.commit

    async def watched(commits):
        folded.extend(each.is_folding for each in commits)
        return await commit(commits)

    only.store.commit = watched
    for _ in range(3):
        await look_through(only)
    assert folded == [True, False, False, True] + [False] * 8


async def test_an_actor_with_something_of_a_removed_version_is_written_as_a_whole(world):
    """Else the old bytes would stay while events keep it out of the sweep's reach."""
    world.write(0, "A", "C")
    await world.count(await world.worker(SHOP_1, SHOP_2), 0)
    only = await world.worker(SHOP_2)
    await only.assign({0: world.state(0)})
    world.write(0, "C")
    assert await stored(only, [world.batch(0, 2)]) == {}
    assert stored_of(world, "ann") == {1}


async def test_a_commit_that_folds_is_sent_by_itself(world):
    """Many at once would hold the store for longer than an answer is waited for."""
    world.write(0, "A")
    world.write(1, "A")
    await world.count(await world.worker(SHOP_1), 0, 1)
    only = await world.worker(SHOP_2)
    await only.assign({number: world.state(number) for number in (0, 1)})
    sent = []
    commit = only.store.commit

    async def watched(commits):
        sent.append([each.partition for each in commits])
        return await commit(commits)

    only.store.commit = watched
    await look_through(only)
    assert sent == [[0], [1], [0, 1], [0, 1], [0], [1]]
