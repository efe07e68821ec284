"""What repartitioning decides without a Kafka: which topics, which place, when an offset may be committed."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from zlib import crc32

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InvalidTimestampError,
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    OutOfOrderSequenceNumber,
    TopicAuthorizationFailedError,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch

from stream.errors import KafkaRefused, KafkaUnavailable
from stream.ingest.mapping import Mapping
from stream.settings.tracker import FieldPaths, KafkaSettings, SourceSettings, TrackerSettings
from stream.worker import repartition_session
from stream.worker.batch_sender import BATCH_BYTES, BatchSender
from stream.worker.envelope import EnvelopeWriter, log_mapping, provenance
from stream.worker.log_topic import LogTopic, create_command, ensure_log_topic, meaning_of
from stream.worker.repartition import Repartitioner
from stream.worker.repartition import log_mapping as log_mapping_of
from stream.worker.repartition_session import Link, Session, SourceTopics

CONNECTION = {"bootstrap_servers": "127.0.0.1:1"}
TOPIC = LogTopic(partitions=4, max_record_bytes=1_000_000)


def settings_of(*sources):
    return TrackerSettings(sources, Path(), KafkaSettings("127.0.0.1:1"))


def record(value, offset=0, at=1000):
    return SimpleNamespace(value=value, offset=offset, timestamp=at)


def event(actor, size=0):
    return b'{"user_id":"%s","time":1,"event":"e","x":"%s"}' % (actor.encode(), b"y" * size)


class Answers:
    """A producer that keeps what it is given and lets the test answer."""

    def __init__(self):
        self.given = []

    def create_batch(self):
        return BatchBuilder(BATCH_BYTES, 0)

    async def send_batch(self, batch, topic, *, partition):
        answer = asyncio.get_running_loop().create_future()
        self.given.append((topic, partition, list(DefaultRecordBatch(bytes(batch._build()))), answer))
        return answer

    def confirm(self):
        for *_, answer in self.given:
            if not answer.done():
                answer.set_result(None)


@pytest.fixture
def answers(monkeypatch):
    """Return the producer that every sender of the test gets."""
    fake = Answers()
    monkeypatch.setattr("stream.worker.batch_sender.AIOKafkaProducer", lambda **_: fake)
    return fake


def sender_of(counted=None):
    counted = [] if counted is None else counted
    return BatchSender(CONNECTION, "log", TOPIC, lambda *more: counted.append(more))


# --- topics


def test_a_topic_belongs_to_the_source_that_names_it_even_where_a_pattern_fits():
    wide, narrow = SourceSettings("wide", pattern="shop-.*"), SourceSettings("narrow", ("shop-web",))
    topics = SourceTopics([wide, narrow])
    assert topics.find(["shop-web", "shop-app", "my-shop-app", "shop"]) == {"shop-web": narrow, "shop-app": wide}
    assert topics.missing_text() == ""


def test_topics_that_are_named_but_not_there_are_told():
    topics = SourceTopics([SourceSettings("a", ("one", "two"))])
    topics.find(["one"])
    assert topics.missing == ("two",)
    assert "no topic two is there: create it" in topics.missing_text()


def test_the_log_of_a_tracker_is_read_with_the_roots_of_its_sources():
    own = SourceSettings("own", ("t",), fields=FieldPaths(properties=("payload",)))
    assert log_mapping_of(settings_of(own)) == log_mapping([Mapping(properties=("payload",))])
    assert Repartitioner(settings_of(own), CONNECTION).log_mapping() == log_mapping_of(settings_of(own))


# --- sending


async def test_all_records_of_an_actor_go_to_one_partition_in_their_order(answers):
    sender = sender_of()
    records = [record(event(f"u{number % 5}"), number, 1000 + number) for number in range(100)]
    sender.add(EnvelopeWriter(Mapping(), 1 << 20), "orders/7/", records)
    await sender.send()
    seen = {}
    for topic, partition, written, _ in answers.given:
        assert topic == "log"
        for each in written:
            assert partition == crc32(each.key) % 4
            offset = int(provenance(each.value).source.removeprefix("orders/7/"))
            assert each.timestamp == 1000 + offset
            assert offset > seen.get(each.key, -1)
            seen[each.key] = offset
    assert sorted(seen) == [b"u0", b"u1", b"u2", b"u3", b"u4"]


async def test_more_than_a_batch_for_one_partition_stays_in_order(answers):
    sender = sender_of()
    sender.add(EnvelopeWriter(Mapping(), 1 << 20), "o/0/", [record(event("u", 50_000), number) for number in range(9)])
    await sender.send()
    assert len(answers.given) > 1
    sources = [provenance(each.value).source for _, _, written, _ in answers.given for each in written]
    assert sources == [f"o/0/{number}" for number in range(9)]


@pytest.mark.parametrize("absent", [None, -1])
async def test_a_record_without_a_time_does_not_get_its_neighbours(answers, absent):
    sender = sender_of()
    times = [5, absent, 7, 8]
    sender.add(EnvelopeWriter(Mapping(), 1 << 20), "o/0/", [record(event("u"), 0, at) for at in times])
    await sender.send()
    assert [each.timestamp for _, _, written, _ in answers.given for each in written] == [5, -1, 7, 8]


async def test_only_what_kafka_acknowledged_is_counted(answers):
    counted = []
    sender = sender_of(counted)
    sender.add(EnvelopeWriter(Mapping(), 1 << 20), "o/0/", [record(event("u")), record(b"{}", 1)])
    await sender.send()
    assert counted == [(0, 1)]
    answers.confirm()
    await sender.settle()
    assert sum(records for records, _ in counted) == 2


async def test_settling_raises_what_kafka_refused(answers):
    sender = sender_of()
    sender.add(EnvelopeWriter(Mapping(), 1 << 20), "o/0/", [record(event("u"))])
    await sender.send()
    answers.given[0][-1].set_exception(MessageSizeTooLargeError())
    with pytest.raises(MessageSizeTooLargeError):
        await sender.settle()


# --- committing


class Group:
    """A consumer that hands out batches, and remembers what was committed."""

    def __init__(self, *batches):
        self.batches = list(batches)
        self.commits = []
        self.position = 0
        self.stopped = False

    async def getmany(self, **_bounds):
        if not self.batches:
            await asyncio.Event().wait()
        fetched = self.batches.pop(0)
        self.position += sum(map(len, fetched.values()))
        return fetched

    async def commit(self, offsets):
        self.commits.append(dict(offsets))

    def assignment(self):
        return {TopicPartition("orders", 0)}

    def last_poll_timestamp(self, _tp):
        return None


def session_with(group, monkeypatch):
    monkeypatch.setattr(repartition_session, "AIOKafkaConsumer", lambda **_: group)
    tp = TopicPartition("orders", 0)
    link = Link(CONNECTION, "g", "log", "", 0)
    session = Session(link, SourceTopics([SourceSettings("orders", ("orders",))]), TOPIC, lambda *_: None)
    session._writers = {"orders": EnvelopeWriter(Mapping(), 1 << 20)}
    monkeypatch.setattr(session, "_positions", lambda: {tp: group.position})
    return session


BATCH = {TopicPartition("orders", 0): [record(event("u"), 0), record(event("v"), 1)]}


async def soon(holds):
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 (the event loop must turn for what is waited for)
            await asyncio.sleep(0)


async def test_offsets_are_committed_only_once_kafka_has_the_records(answers, monkeypatch):
    monkeypatch.setattr(repartition_session, "COMMIT_S", 0.0)
    group = Group(BATCH)
    session = session_with(group, monkeypatch)
    task = asyncio.ensure_future(session.run(asyncio.Event()))
    await soon(lambda: answers.given)
    for _ in range(20):
        await asyncio.sleep(0)
    assert group.commits == []
    answers.confirm()
    await soon(lambda: group.commits)
    assert group.commits == [{TopicPartition("orders", 0): 2}]
    task.cancel()
    await asyncio.wait([task])


async def test_a_rebalance_waits_for_the_batch_in_hand_and_commits_it(answers, monkeypatch):
    group = Group(BATCH)
    session = session_with(group, monkeypatch)
    task = asyncio.ensure_future(session.run(asyncio.Event()))
    await soon(lambda: answers.given)
    leaving = asyncio.ensure_future(session.let_go())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not leaving.done()
    answers.confirm()
    await leaving
    assert group.commits == [{TopicPartition("orders", 0): 2}]
    task.cancel()
    await asyncio.wait([task])


async def test_a_rebalance_also_waits_for_records_that_kafka_has_not_been_given_yet(answers, monkeypatch):
    group = Group(BATCH)
    session = session_with(group, monkeypatch)
    send, begun, may_send = answers.send_batch, asyncio.Event(), asyncio.Event()

    async def slow(*batch, **place):
        begun.set()
        await may_send.wait()
        answer = await send(*batch, **place)
        answer.set_result(None)
        return answer

    monkeypatch.setattr(answers, "send_batch", slow)
    task = asyncio.ensure_future(session.run(asyncio.Event()))
    await begun.wait()
    leaving = asyncio.ensure_future(session.let_go())
    for _ in range(20):
        await asyncio.sleep(0)
    assert group.commits == []
    may_send.set()
    await leaving
    assert group.commits == [{TopicPartition("orders", 0): 2}]
    task.cancel()
    await asyncio.wait([task])


async def test_after_a_failed_write_nothing_is_committed_any_more(answers, monkeypatch):
    group = Group(BATCH)
    session = session_with(group, monkeypatch)

    async def refuse(*_batch, **_place):
        raise KafkaTimeoutError

    monkeypatch.setattr(answers, "send_batch", refuse)
    with pytest.raises(KafkaTimeoutError):
        await session.run(asyncio.Event())
    with pytest.raises(KafkaTimeoutError):
        await session.let_go()
    assert group.commits == []


async def test_a_write_that_was_cut_off_is_not_committed_either(answers, monkeypatch):
    group = Group(BATCH)
    session = session_with(group, monkeypatch)
    never, begun = asyncio.Event(), asyncio.Event()

    async def hang(*_batch, **_place):
        begun.set()
        await never.wait()

    monkeypatch.setattr(answers, "send_batch", hang)
    task = asyncio.ensure_future(session.run(asyncio.Event()))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    with pytest.raises(KafkaUnavailable, match="cancelled"):
        await session.let_go()
    assert group.commits == []


# --- what errors mean


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TopicAuthorizationFailedError("orders"), "check the rights"),
        (GroupAuthorizationFailedError("g"), "check the rights"),
        (InvalidTimestampError(), "message.timestamp.after.max.ms"),
        (MessageSizeTooLargeError(), "max.message.bytes"),
        (OffsetOutOfRangeError({TopicPartition("orders", 3): 17}), "orders/3/17: records were deleted"),
    ],
)
def test_what_waiting_cannot_help_is_refused_with_what_to_do(error, words):
    meant = meaning_of(error, "repartitioning into log")
    assert isinstance(meant, KafkaRefused)
    assert words in str(meant)


@pytest.mark.parametrize("error", [KafkaConnectionError(), KafkaTimeoutError(), OutOfOrderSequenceNumber(), OSError()])
def test_anything_else_is_tried_again(error):
    assert isinstance(meaning_of(error, "repartitioning into log"), KafkaUnavailable)


async def test_a_topic_that_may_not_be_made_is_refused_with_the_command_that_makes_it(monkeypatch):
    class Admin:
        def __init__(self, **_connection):
            pass

        async def start(self):
            pass

        async def close(self):
            pass

        async def create_topics(self, topics):
            code = TopicAuthorizationFailedError.errno
            return SimpleNamespace(topic_errors=[(topic.name, code, None) for topic in topics])

    monkeypatch.setattr("stream.worker.log_topic.AIOKafkaAdminClient", Admin)
    with pytest.raises(KafkaRefused, match="Grant this user CREATE on it") as refusal:
        await ensure_log_topic(CONNECTION, "funnel-events", 12, ())
    assert create_command("funnel-events", 12) in str(refusal.value)
    assert "--partitions 12" in create_command("funnel-events", 12)


async def test_without_kafka_it_says_what_it_waits_for_and_stops_at_once():
    repartitioner = Repartitioner(settings_of(SourceSettings("a", ("t",))), CONNECTION)
    assert repartitioner.is_ready() == (False, "repartitioning: connecting")
    stop = asyncio.Event()
    task = asyncio.ensure_future(repartitioner.run(stop))
    await soon(lambda: "connecting" not in repartitioner.is_ready()[1])
    is_ready, reason = repartitioner.is_ready()
    assert not is_ready
    assert "Kafka is away" in reason
    assert repartitioner.figures() == (0, 0, None, None, None)
    stop.set()
    await asyncio.wait_for(task, 5)
