"""How fast records get into the repartition topic: real Kafka, one process, 8 partitions, 170-byte records.

Run: python tests/bench/bench_repartition.py HOST:PORT [RECORDS]
"""

import asyncio
import random
import sys
import time
import uuid
from pathlib import Path

import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.ingest.mapping import Mapping
from stream.settings.tracker import KafkaSettings, SourceSettings, TrackerSettings
from stream.worker.envelope import EnvelopeWriter
from stream.worker.repartition import Repartitioner

PARTITIONS = 8
ACTORS = 200_000


def records(count):
    draw = random.Random(1)
    for number in range(count):
        yield (
            b'{"user_id":"user-%06d","time":%d,"event":"page_view","id":"%032x","properties":{"device":"mobile",'
            b'"path":"/p/%d","price":12.50}}'
            % (draw.randrange(ACTORS), 1_700_000_000_000 + number, draw.getrandbits(128), number)
        )


async def fill(bootstrap, topic, count):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type="lz4", max_batch_size=131_072)
    await producer.start()
    sent, batches = [], {}
    for number, value in enumerate(records(count)):
        place = number % PARTITIONS
        batch = batches.get(place)
        if batch is None or batch.append(timestamp=1_700_000_000_000 + number, key=None, value=value) is None:
            if batch is not None:
                sent.append(await producer.send_batch(batch, topic, partition=place))
            batch = batches[place] = producer.create_batch()
            batch.append(timestamp=1_700_000_000_000 + number, key=None, value=value)
    for place, batch in batches.items():
        sent.append(await producer.send_batch(batch, topic, partition=place))
    await asyncio.gather(*sent)
    await producer.stop()


async def until(holds):
    while not holds():  # noqa: ASYNC110 (figures are polled, as /metrics does)
        await asyncio.sleep(0.01)


def say(line):
    sys.stdout.write(f"{line}\n")


async def main(bootstrap, count):
    values = list(records(min(count, 200_000)))
    writer = EnvelopeWriter(Mapping(), 1 << 20)
    begin = time.perf_counter()
    for number, value in enumerate(values):
        writer.write(value, f"orders/3/{number}")
    say(f"envelope: {(time.perf_counter() - begin) / len(values) * 1e6:.2f} us a record of {len(values[0])} bytes")
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    await fill(bootstrap, topic, count)
    settings = TrackerSettings(
        (SourceSettings(topic, (topic,)),),
        Path(),
        KafkaSettings(bootstrap, topic),
        repartition_topic=f"{topic}-log",
    )
    repartitioner = Repartitioner(settings, {"bootstrap_servers": bootstrap})
    stop = asyncio.Event()
    running = asyncio.ensure_future(repartitioner.run(stop))
    await until(lambda: repartitioner.figures().records > 0)
    begin, cpu, first = time.perf_counter(), time.process_time(), repartitioner.figures().records
    await until(lambda: repartitioner.figures().records >= count)
    seconds, done = time.perf_counter() - begin, count - first
    say(f"through: {done / seconds:,.0f} records/s, {(time.process_time() - cpu) / done * 1e6:.1f} CPU s a million")
    stop.set()
    await running


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000))
