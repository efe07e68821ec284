"""`funnel simulate --topic` against a real Kafka: what is read back is what was simulated, in order, by actor."""

import argparse
import asyncio
import time
import uuid
from itertools import islice

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from stream.cli.simulate import register
from stream.errors import SimulateError
from stream.simulate.produce import TopicTarget, produce
from stream.simulate.shop import ShopTraffic, shop_records

pytestmark = pytest.mark.service
PARTITIONS = list(range(3))
CREATE_TIME = 0


def fresh_topic() -> str:
    return f"shop-{uuid.uuid4().hex[:8]}"


async def consume(bootstrap: str, topic: str) -> dict[int, list]:
    """Read everything in the topic, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        assigned = [TopicPartition(topic, number) for number in PARTITIONS]
        consumer.assign(assigned)
        ends = await consumer.end_offsets(assigned)
        found: dict[int, list] = {number: [] for number in PARTITIONS}
        async with asyncio.timeout(60):
            while sum(map(len, found.values())) < sum(ends.values()):
                for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[partition.partition] += records
        return found
    finally:
        await consumer.stop()


async def test_every_record_is_there_once_on_its_actors_partition_with_its_delivery_time(stack):
    topic = fresh_topic()
    start_ms = time.time_ns() // 1_000_000 - 600_000
    records = list(islice(shop_records(ShopTraffic(start_ms=start_ms, events_per_second=50)), 20_000))
    target = TopicTarget(stack.kafka, topic, len(PARTITIONS))
    assert await produce(records, target, stop=asyncio.Event()) == 20_000
    found = await consume(stack.kafka, topic)
    choose = DefaultPartitioner()
    for number, read in found.items():
        keyed = [(record.key, record.value, record.timestamp) for record in read if record.key is not None]
        wanted = [tuple(each) for each in records if each.key and choose(each.key, PARTITIONS, PARTITIONS) == number]
        assert keyed == wanted
        assert all(record.timestamp_type == CREATE_TIME for record in read)
    unkeyed = sorted(record.value for read in found.values() for record in read if record.key is None)
    assert unkeyed == sorted(record.value for record in records if record.key is None)
    assert unkeyed


async def test_a_stopped_run_flushes_what_it_counted(stack):
    topic = fresh_topic()
    stop = asyncio.Event()

    def until_stopped():
        for number, record in enumerate(shop_records(ShopTraffic(start_ms=time.time_ns() // 1_000_000 - 60_000))):
            if number == 1_234:
                stop.set()
            yield record

    assert await produce(until_stopped(), TopicTarget(stack.kafka, topic, len(PARTITIONS)), stop=stop) == 1_234
    assert sum(map(len, (await consume(stack.kafka, topic)).values())) == 1_234


async def test_a_missing_topic_is_not_created_unasked(stack):
    with pytest.raises(SimulateError, match=r"does not exist at .*; give --partitions N to create it"):
        await produce([], TopicTarget(stack.kafka, fresh_topic()), stop=asyncio.Event())


async def test_an_existing_topic_is_written_to_again(stack):
    topic = fresh_topic()
    for partitions in (len(PARTITIONS), None, 64):
        records = islice(shop_records(ShopTraffic(start_ms=time.time_ns() // 1_000_000 - 60_000)), 100)
        assert await produce(records, TopicTarget(stack.kafka, topic, partitions), stop=asyncio.Event()) == 100
    assert sum(map(len, (await consume(stack.kafka, topic)).values())) == 300


def test_the_command_in_real_time_writes_event_times_near_now(stack, capsys):
    topic = fresh_topic()
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    options = ["--bootstrap", stack.kafka, "--partitions", "3", "--realtime", "--rate", "300", "--seconds", "2"]
    args = parser.parse_args(["simulate", "--topic", topic, *options])
    began_ms = time.time_ns() // 1_000_000
    assert args.run(args) == 0
    ended_ms = time.time_ns() // 1_000_000
    found = asyncio.run(consume(stack.kafka, topic))
    stamps = [record.timestamp for read in found.values() for record in read]
    assert capsys.readouterr().out == f"{len(stamps)} records written to topic {topic}\n"
    assert ended_ms - began_ms > 1_900
    assert began_ms <= min(stamps)
    assert max(stamps) <= ended_ms


async def test_no_kafka_at_the_address_is_said_plainly():
    with pytest.raises(SimulateError, match=r"Kafka at 127\.0\.0\.1:1, topic shop: KafkaConnectionError"):
        await produce([], TopicTarget("127.0.0.1:1", "shop"), stop=asyncio.Event())
