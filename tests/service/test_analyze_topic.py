"""`funnel analyze --topic` against a real Kafka: the snapshot is whole, committed records only, nothing left behind."""

import asyncio
import json
import uuid

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.analyze.read_topic import Span, first_records, read_topic, record_at, topic_spans
from stream.cli.main import main
from stream.errors import AnalyzeError
from stream.settings.tracker import KafkaSettings

pytestmark = pytest.mark.service

FUNNEL = "funnel: shop\nwindow: 1h\nsteps: [{event: view}, {event: buy}]\n"


class Taken:
    """What was handed over, by partition; `ends`: where each log goes on."""

    def __init__(self):
        self.values, self.ends = {}, {}

    def __call__(self, partition, values, record_times, offsets, origin, next_offset):  # noqa: PLR0917 (as it is called)
        assert len(values) == len(record_times) == len(offsets)
        assert origin.endswith(f"/{partition}/")
        self.values.setdefault(partition, []).extend(values)
        self.ends[partition] = next_offset


async def ask(stack, question):
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    try:
        return await question(admin)
    finally:
        await admin.close()


@pytest.fixture
async def topic(stack):
    """Two partitions: on 0 a committed, an aborted and again a committed transaction; nothing on 1."""
    name = f"analyze-{uuid.uuid4().hex[:8]}"
    await ask(stack, lambda admin: admin.create_topics([NewTopic(name, 2, 1)]))
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka, transactional_id=name)
    await producer.start()
    try:
        for actor, is_kept in (("a", True), ("b", False), ("c", True)):
            await producer.begin_transaction()
            for time_ms, event in ((0, "view"), (5_000, "buy")):
                value = json.dumps({"user_id": actor, "time": time_ms, "event": event}).encode()
                await producer.send_and_wait(name, value, partition=0, timestamp_ms=1_700_000_000_000)
            await (producer.commit_transaction() if is_kept else producer.abort_transaction())
    finally:
        await producer.stop()
    return name


def kafka_of(stack) -> KafkaSettings:
    return KafkaSettings(bootstrap=stack.kafka)


async def test_a_topic_is_read_to_its_end_though_that_is_a_transactions_marker(stack, topic):
    taken, told = Taken(), []
    spans = await read_topic(kafka_of(stack), topic, taken, told=lambda done, total: told.append((done, total)))
    assert spans == {0: Span(0, 9), 1: Span(0, 0)}
    assert [json.loads(value)["user_id"] for value in taken.values[0]] == ["a", "a", "c", "c"]
    assert taken.ends == {0: 9}
    assert told[-1] == (9, 9)


async def test_reading_stops_where_it_is_told_to(stack, topic):
    taken = Taken()
    await read_topic(kafka_of(stack), topic, taken, {0: 7, 1: 0})
    assert (len(taken.values[0]), taken.ends) == (3, {0: 7})
    with pytest.raises(AnalyzeError, match="partition 0 ends before offset 10"):
        await read_topic(kafka_of(stack), topic, taken, {0: 10})


async def test_one_record_is_found_at_its_offset_and_a_marker_is_none(stack, topic):
    (value,) = await record_at(kafka_of(stack), topic, 0, 1)
    assert json.loads(value)["event"] == "buy"
    assert await record_at(kafka_of(stack), topic, 0, 2) == []
    assert await record_at(kafka_of(stack), topic, 0, 99) == []


async def test_first_records_are_looked_for_behind_what_was_aborted(stack, topic):
    found = await first_records(kafka_of(stack), topic, {0: 3, 1: 0}, 2)
    assert [json.loads(record.value)["user_id"] for record in found[0]] == ["c"]
    assert (found[0][0].record_ms, found[1]) == (1_700_000_000_000, [])
    whole = await first_records(kafka_of(stack), topic, {0: 0}, 100)
    assert len(whole[0]) == 4


async def test_a_topic_that_is_not_there_is_named_and_not_made(stack, topic):
    with pytest.raises(AnalyzeError, match=f'"{topic}x" does not exist at .*did you mean "{topic}"'):
        await topic_spans(kafka_of(stack), f"{topic}x")
    assert f"{topic}x" not in await ask(stack, lambda admin: admin.list_topics())


def test_the_command_counts_a_topic_and_leaves_no_group(stack, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for variable in ("FUNNEL_TRACKER", "KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "shop.yaml").write_text(FUNNEL)

    name = f"analyze-{uuid.uuid4().hex[:8]}"

    async def write():
        await ask(stack, lambda admin: admin.create_topics([NewTopic(name, 2, 1)]))
        producer = AIOKafkaProducer(bootstrap_servers=stack.kafka)
        await producer.start()
        for partition, time_ms, event in ((0, 0, "view"), (0, 9_000, "buy"), (1, 700_000, "view"), (1, 99, "view")):
            value = json.dumps({"user_id": f"u{partition}", "time": time_ms, "event": event}).encode()
            await producer.send_and_wait(name, value, partition=partition, timestamp_ms=1_700_000_000_000)
        await producer.stop()

    async def groups():
        return await ask(stack, lambda admin: admin.list_consumer_groups())

    asyncio.run(write())
    before = asyncio.run(groups())
    options = ["analyze", "--topic", name, "--bootstrap", stack.kafka, "--funnel", "shop.yaml", "--json"]
    assert main(options) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["source"] == {"kind": "topic", "name": name, "next_offsets": {"0": 2, "1": 2}}
    assert (found["records"]["accepted"], found["records"]["late"]) == (3, 1), "late by its own partition's watermark"
    assert [step["reached"] for step in found["funnels"][0]["attempts"]["steps"]] == [2, 1]
    assert asyncio.run(groups()) == before
