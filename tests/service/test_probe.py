"""`funnel probe --topic` against a real Kafka: what was written is found, and nothing is left behind."""

import argparse
import asyncio
import json
import time
import uuid
from itertools import islice

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.cli.probe import register
from stream.errors import ProbeError
from stream.probe.read_topic import read_topic
from stream.settings.tracker import KafkaSettings
from stream.simulate.produce import TopicTarget, produce
from stream.simulate.shop import ShopTraffic, shop_records

pytestmark = pytest.mark.service


def fresh_topic() -> str:
    return f"probe-{uuid.uuid4().hex[:8]}"


async def write_shop(stack, topic: str, count: int, partitions: int = 3) -> None:
    start_ms = time.time_ns() // 1_000_000 - 600_000
    records = islice(shop_records(ShopTraffic(start_ms=start_ms)), count)
    assert await produce(records, TopicTarget(stack.kafka, topic, partitions), stop=asyncio.Event()) == count


async def ask(stack, question):
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    try:
        return await question(admin)
    finally:
        await admin.close()


async def create(stack, topic: str) -> None:
    await ask(stack, lambda admin: admin.create_topics([NewTopic(topic, 2, 1)]))


def probe(*options) -> int:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    args = parser.parse_args(["probe", *options])
    return args.run(args)


async def test_a_sample_is_both_ends_of_every_partition(stack):
    topic = fresh_topic()
    await write_shop(stack, topic, 20_000)
    sample = await read_topic(KafkaSettings(stack.kafka), topic, 3_000)
    assert sorted(run.partition for run in sample.runs) == [0, 0, 1, 1, 2, 2]
    assert (sample.total_records, sample.partitions, sample.note) == (20_000, 3, "")
    assert [len(run.records) for run in sample.runs] == [500] * 6
    for run in sample.runs:
        offsets = [record.offset for record in run.records]
        assert offsets == list(range(offsets[0], offsets[0] + 500))
    assert [run.records[0].offset for run in sample.runs[:3]] == [0, 0, 0]
    assert sum(run.records[-1].offset + 1 for run in sample.runs[3:]) == 20_000


async def test_a_small_topic_is_read_whole(stack):
    topic = fresh_topic()
    await write_shop(stack, topic, 1_000)
    sample = await read_topic(KafkaSettings(stack.kafka), topic, 20_000)
    assert [run.records[0].offset for run in sample.runs] == [0, 0, 0]
    assert sum(len(run.records) for run in sample.runs) == 1_000
    assert all(record.record_ms for run in sample.runs for record in run.records)


def test_the_command_reads_the_topic_and_leaves_no_group_behind(stack, capsys):
    topic = fresh_topic()
    asyncio.run(write_shop(stack, topic, 2_000))
    before = asyncio.run(ask(stack, lambda admin: admin.list_consumer_groups()))
    assert probe("--topic", topic, "--bootstrap", stack.kafka, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["records"], found["key_is_actor_share"]) == (2_000, 1.0)
    assert found["readings"][0]["fields"] == {"actor": ["anonymous_id"]}
    assert [step["matches"] > 0 for step in found["funnels"][0]["steps"]][:3] == [True] * 3
    assert f'kafka: {{bootstrap: "{stack.kafka}"}}' in found["config"]
    assert asyncio.run(ask(stack, lambda admin: admin.list_consumer_groups())) == before


def test_an_empty_topic_is_said_to_be_empty(stack, capsys):
    topic = fresh_topic()
    asyncio.run(create(stack, topic))
    assert probe("--topic", topic, "--bootstrap", stack.kafka) == 1
    assert f"{topic} holds no records" in capsys.readouterr().out


async def test_records_of_an_aborted_transaction_are_not_read(stack):
    topic = fresh_topic()
    await create(stack, topic)
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka, transactional_id=topic)
    await producer.start()
    try:
        for text in (b"kept", b"aborted"):
            await producer.begin_transaction()
            await producer.send_and_wait(topic, text, partition=0)
            await (producer.commit_transaction() if text == b"kept" else producer.abort_transaction())
    finally:
        await producer.stop()
    sample = await read_topic(KafkaSettings(stack.kafka), topic, 100)
    assert [record.value for run in sample.runs for record in run.records] == [b"kept"]
    assert sample.note == ""


async def test_a_missing_topic_is_not_created_and_a_close_name_is_offered(stack):
    topic = fresh_topic()
    await create(stack, topic)
    with pytest.raises(ProbeError, match=f'topic "{topic}x" does not exist at .* \\(did you mean "{topic}"'):
        await read_topic(KafkaSettings(stack.kafka), f"{topic}x", 100)
    assert f"{topic}x" not in await ask(stack, lambda admin: admin.list_topics())
