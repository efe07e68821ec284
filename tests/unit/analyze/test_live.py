"""Live numbers from a store in memory, and the commands that stand on them."""

import json
from pathlib import Path

import msgspec
import pytest

from stream.analyze import live
from stream.analyze.live import open_live, partition_count, read_live
from stream.cli import report
from stream.cli.report import compare_topic, wait_caught_up
from stream.engine.match import FunnelSet
from stream.errors import ReportError, StoreUnavailable
from stream.ingest.admission import Limits
from stream.ingest.decode import EventDecoder
from stream.ingest.mapping import Mapping
from stream.model.funnel import Funnel, Step
from stream.settings.counting import counting_rules
from stream.settings.tracker import SourceSettings, TrackerSettings
from stream.store.contract import Commit, PartitionHead
from stream.store.memory import MemoryServer, MemoryStore
from stream.worker.activation import next_active_set
from stream.worker.contract import PartitionBatch
from stream.worker.partition import Counting, Partition
from stream.worker.pointer import promoted
from stream.worker.runs import Run, Start, change_runs

FUNNEL = Funnel("shop", 1, (Step("view", ("view",)), Step("buy", ("buy",))), 10_000)
OTHER = Funnel("shop", 2, FUNNEL.steps, 20_000)
SETTINGS = TrackerSettings((SourceSettings("s", ("clicks",), is_keyed_by_actor=True),), Path("unused"))


def record(actor: str, time: int, event: str) -> bytes:
    return json.dumps({"user_id": actor, "time": time, "event": event}).encode()


LOGS = {0: [record("a", 0, "view"), record("a", 5_000, "buy")], 1: [record("b", 2_000, "view"), b"junk"]}


def key_of(actor: str) -> bytes:
    return actor.encode() * 12


async def counted(store: MemoryStore) -> None:
    """Count `LOGS` as a worker does."""
    active = next_active_set([FUNNEL], None)
    await store.set_active_funnel_set(msgspec.json.encode(active), None)
    funnels = FunnelSet([FUNNEL], active.numbers)
    counting = Counting(
        funnels, active.id, EventDecoder(Mapping()), Limits(), SETTINGS.rolling, "clicks", key_of, 1_000, 10,
        must_be_keyed_by_actor=False, ages=SETTINGS.age_matched,
    )  # fmt: skip
    for number, values in LOGS.items():
        head = PartitionHead(0, epoch=1, partition_count=3)
        await store.create_head(number, head)
        partition = Partition(number, head, counting)
        count = len(values)
        batch = PartitionBatch(number, 0, 0, count, values, [9_000] * count, range(count), [None] * count, count)
        judged = partition.admit(batch)
        for actor, key in partition.table.missing(judged.by_actor):
            partition.table.put(actor, key, None)
        await store.commit([partition.count(batch, judged).commit])


@pytest.fixture
async def store():
    store = MemoryStore(MemoryServer(), shards=4)
    await counted(store)
    return store


async def test_all_partitions_add_up_at_the_largest_watermark(store):
    view = await read_live(store, [FUNNEL], SETTINGS)
    rollup = view.roll_up()
    (funnel,) = rollup.funnels
    assert rollup.as_of_ms == view.watermark_ms == 5_000
    assert [row.counts.reached for row in funnel.total] == [[2, 1]]
    assert rollup.verdicts == [1, 0, 0, 0, 0, 0, 3]
    assert view.missing == (2,)
    assert funnel.since_ms == 9_000


async def test_a_later_instant_decides_what_was_pending(store):
    view = await read_live(store, [FUNNEL], SETTINGS)
    assert [row.counts.pending for row in view.roll_up().funnels[0].total] == [[1]]
    assert [row.counts.dropped for row in view.roll_up(50_000).funnels[0].total] == [[1]]
    assert [row.counts.pending for row in view.roll_up().funnels[0].total] == [[1]]


async def test_an_instant_that_has_passed_is_refused(store):
    view = await read_live(store, [FUNNEL], SETTINGS)
    with pytest.raises(ReportError, match=r"lies 1 ms before what is counted"):
        view.roll_up(4_999)


async def test_other_funnels_than_those_that_are_counted_are_refused(store):
    with pytest.raises(ReportError, match=r"\(shop@1\), the funnel files define .* \(shop@2\)"):
        await read_live(store, [OTHER], SETTINGS)


async def test_readers_go_by_what_is_live(monkeypatch):
    server, closed = MemoryServer(), []

    class Opened(MemoryStore):
        async def close(self):
            closed.append(self._namespace)

    monkeypatch.setattr(live, "open_store", lambda settings: Opened(server, settings.redis.namespace))
    run = Run("r", "clicks", counting_rules(SETTINGS, [OTHER]), {0: Start(5, since_ms=7)}, None, 0)
    await change_runs(Opened(server), lambda runs: runs.with_run(run))
    async with open_live(SETTINGS, [FUNNEL]) as (store, found):
        assert (store._namespace, found.settings, found.funnels) == ("live", SETTINGS, (FUNNEL,))
        report._check_comparable(found)
    await change_runs(Opened(server), lambda runs: promoted(runs, "r", 0, counting_rules(SETTINGS, [FUNNEL])))
    async with open_live(SETTINGS, [FUNNEL]) as (store, found):
        assert (store._namespace, found.settings.redis.namespace, found.funnels) == ("live.r", "live.r", (OTHER,))
        with pytest.raises(ReportError, match="run r is live and began at an instant"):
            report._check_comparable(found)
    async with open_live(SETTINGS) as (store, found):
        assert (store._namespace, found.settings.redis.namespace) == ("live.r", "live.r")
    assert closed == ["live", "live", "live.r", "live", "live.r"]


async def test_a_store_without_anything_has_no_numbers():
    store = MemoryStore(MemoryServer(), shards=4)
    view = await read_live(store, [FUNNEL], SETTINGS)
    assert view.roll_up() is None
    assert await partition_count(store) == 0


async def test_a_head_is_never_put_together_with_the_cells_of_another(store):
    """A commit between the two reads makes both be read again."""
    load_cells, seen = store.load_cells, []

    async def busy(partition: int) -> dict[bytes, bytes]:
        cells = await load_cells(partition)
        seen.append(partition)
        if seen.count(partition) == 1:
            head = await store.load_head(partition)
            await store.commit([Commit(partition, head.position, moved(head))])
        return cells

    store.load_cells = busy
    view = await read_live(store, [FUNNEL], SETTINGS)
    assert seen == [0, 0, 1, 1]
    assert [partition.head.next_offset for partition in view.partitions.values()] == [3, 3]


async def test_a_partition_that_is_written_all_the_time_is_no_clear_answer(store, monkeypatch):
    monkeypatch.setattr("stream.analyze.live.STEADY_WITHIN_S", 0.0)
    load_cells = store.load_cells

    async def busy(partition: int) -> dict[bytes, bytes]:
        head = await store.load_head(partition)
        await store.commit([Commit(partition, head.position, moved(head))])
        return await load_cells(partition)

    store.load_cells = busy
    with pytest.raises(StoreUnavailable, match="written all the time"):
        await read_live(store, [FUNNEL], SETTINGS)


def moved(head: PartitionHead) -> PartitionHead:
    return PartitionHead(
        head.next_offset + 1, head.epoch, head.watermark_ms, None, head.verdicts, 0, head.funnel_set, 3
    )


async def test_waiting_ends_when_every_offset_is_counted(store):
    await wait_caught_up(store, {0: 2, 1: 2, 2: 0}, 0.0)
    with pytest.raises(ReportError, match="1 offsets to go on partitions 1"):
        await wait_caught_up(store, {0: 2, 1: 3}, 0.0)
    with pytest.raises(ReportError, match="4 offsets to go on partitions 2"):
        await wait_caught_up(store, {2: 4}, 0.0)


def topic_of(logs):
    """Stand in for Kafka: hand over the logs up to where live is."""

    async def read(_kafka, topic, take, until):
        for number, values in logs.items():
            end = until[number]
            part = values[:end]
            take(number, part, [9_000] * len(part), list(range(len(part))), f"{topic}/{number}/", end)
        return dict.fromkeys(logs, report.Span(0, 0))

    return read


async def test_live_equals_an_analysis_of_its_topic(store, monkeypatch):
    monkeypatch.setattr(report, "read_topic", topic_of(LOGS))
    view = await read_live(store, [FUNNEL], SETTINGS)
    for as_of in (5_000, 9_000, 100_000, 90_000_000):
        assert await compare_topic(SETTINGS, [FUNNEL], view, view.roll_up(as_of)) == []


async def test_a_topic_that_holds_something_else_differs_in_words(store, monkeypatch):
    monkeypatch.setattr(report, "read_topic", topic_of({0: LOGS[0][1:], 1: LOGS[1]}))
    view = await read_live(store, [FUNNEL], SETTINGS)
    lines = await compare_topic(SETTINGS, [FUNNEL], view, view.roll_up())
    assert lines[0] == "live has counted 4 records, the topic still holds 3 (partitions begin at 0: 0, 1: 0)"
    assert "shop@1 total: converted: live 1, analysis 0" in lines
