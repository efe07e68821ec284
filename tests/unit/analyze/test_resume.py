"""`funnel resume`: what is stuck goes on, what is not is left alone."""

from pathlib import Path

import pytest

from stream.analyze.read_topic import Span
from stream.cli import resume as command
from stream.cli.resume import going_on, resume
from stream.errors import ResumeError, StoreUnavailable
from stream.settings.tracker import SourceSettings, TrackerSettings
from stream.store.contract import Commit, PartitionHead
from stream.store.memory import MemoryServer, MemoryStore
from stream.worker.contract import LogState
from stream.worker.partition import checksum_of
from stream.worker.resume import check_position

SETTINGS = TrackerSettings((SourceSettings("s", ("clicks",), is_keyed_by_actor=True),), Path("unused"))
HEAD = PartitionHead(
    100, epoch=7, watermark_ms=5, verdicts=(1, 0, 0, 0, 0, 0, 99), partition_count=2, checksum=checksum_of(99, b"last"),
    gaps=2,
)  # fmt: skip


@pytest.mark.parametrize(
    ("span", "is_other", "next_offset", "gaps"),
    [
        pytest.param(Span(150, 200), False, 150, 52, id="deleted-before-it-was-counted"),
        pytest.param(Span(0, 40), False, 0, 3, id="the-new-log-is-shorter"),
        pytest.param(Span(10, 40), False, 10, 12, id="the-new-log-has-lost-its-beginning-too"),
        pytest.param(Span(0, 500), True, 0, 3, id="the-new-log-is-longer"),
    ],
)
def test_a_stuck_partition_goes_on_where_the_log_begins(span, is_other, next_offset, gaps):
    head, why = going_on(HEAD, span, is_other=is_other)
    assert (head.next_offset, head.gaps, head.checksum) == (next_offset, gaps, 0)
    assert head.epoch == HEAD.epoch + 1
    assert (head.verdicts, head.watermark_ms) == (HEAD.verdicts, HEAD.watermark_ms)
    assert why
    check_position("clicks", 0, head, LogState(span.first, span.end, None, 2))


@pytest.mark.parametrize("span", [Span(0, 100), Span(100, 100), Span(50, 900)])
def test_a_partition_with_nothing_wrong_is_left_alone(span):
    assert going_on(HEAD, span, is_other=False) is None


@pytest.fixture
async def store():
    store = MemoryStore(MemoryServer(), shards=4)
    await store.create_head(0, HEAD)
    await store.create_head(1, HEAD)
    return store


@pytest.fixture
def kafka(monkeypatch):
    """Kafka as the command asks it: spans by partition, and the record before offset 100."""
    spans, last = {0: Span(0, 120), 1: Span(0, 120)}, {0: [b"last"], 1: [b"last"]}

    async def topic_spans(_kafka, _topic):
        return spans

    async def record_at(_kafka, _topic, partition, offset):
        assert offset == 99
        return last[partition]

    monkeypatch.setattr(command, "topic_spans", topic_spans)
    monkeypatch.setattr(command, "record_at", record_at)
    return spans, last


@pytest.mark.usefixtures("kafka")
async def test_nothing_is_done_while_nothing_is_wrong(store):
    with pytest.raises(ResumeError, match="nothing is wrong with any partition of topic clicks"):
        await resume(store, SETTINGS)
    assert await store.load_head(0) == HEAD


async def test_only_what_is_stuck_goes_on_and_it_says_what_it_did(store, kafka):
    spans, _ = kafka
    spans[1] = Span(130, 140)
    (line,) = await resume(store, SETTINGS)
    assert "partition 1: next to count was offset 100, but the log begins at 130; goes on at offset 130" in line
    assert "gaps 2 -> 32" in line
    assert await store.load_head(0) == HEAD
    assert (await store.load_head(1)).next_offset == 130


async def test_another_record_before_the_offset_means_another_log(store, kafka):
    _, last = kafka
    last[0] = [b"other"]
    (line,) = await resume(store, SETTINGS)
    assert "partition 0: the record before offset 100 is not the one that was counted" in line
    assert (await store.load_head(0)).next_offset == 0


async def test_a_record_that_is_gone_proves_nothing(store, kafka):
    _, last = kafka
    last[0] = last[1] = []
    with pytest.raises(ResumeError, match="nothing is wrong"):
        await resume(store, SETTINGS)


async def test_one_partition_may_be_chosen(store, kafka):
    spans, _ = kafka
    spans[0] = spans[1] = Span(130, 140)
    (line,) = await resume(store, SETTINGS, 1)
    assert "partition 1" in line
    assert await store.load_head(0) == HEAD
    with pytest.raises(ResumeError, match="nothing is wrong with partition 1"):
        await resume(store, SETTINGS, 1)
    with pytest.raises(ResumeError, match="partition 5 of namespace live was never counted"):
        await resume(store, SETTINGS, 5)


async def test_a_topic_with_more_partitions_is_no_gap(store, kafka):
    spans, _ = kafka
    spans[2] = Span(0, 0)
    with pytest.raises(ResumeError, match="counted with 2 partitions and now has 3"):
        await resume(store, SETTINGS)


async def test_a_worker_that_still_writes_is_not_overruled(store, kafka, monkeypatch):
    spans, _ = kafka
    spans[0] = Span(130, 140)
    commit = store.commit

    async def late(commits):
        await store.raise_epoch(0)
        return await commit(commits)

    monkeypatch.setattr(store, "commit", late)
    with pytest.raises(StoreUnavailable, match="a worker wrote in between"):
        await resume(store, SETTINGS)


async def test_a_worker_from_before_is_fenced_off(store, kafka):
    spans, _ = kafka
    spans[0] = Span(130, 140)
    await resume(store, SETTINGS)
    (result,) = await store.commit([Commit(0, HEAD.position, HEAD)])
    assert (result.next_offset, result.epoch) == (130, 8)
