"""The benchmark's topic: one shop's events, the same for every system that is measured.

In:  how many events of how many actors, a seed.
Out: JSON of about 200 bytes in a Kafka topic, keyed by actor; or the same draws paced by the clock.
"""

import asyncio
import json
import random
import time

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.partitioner import murmur2

STEPS = ("view_page", "view_product", "add_to_cart", "begin_checkout", "purchase")
SHARES = (0.5, 0.25, 0.13, 0.08, 0.04)
PARTITIONS = 8
ACTORS = 200_000
START_MS = 1_764_000_000_000
PACE_S = 0.005


def events(count, start_ms=START_MS, step_ms=3, jitter_ms=500, seed=1):
    """Yield (key, value) of `count` events, `step_ms` apart but for the jitter."""
    rng = random.Random(seed)
    for number in range(count):
        actor = f"u{rng.randrange(ACTORS)}"
        name = rng.choices(STEPS, SHARES)[0]
        at_ms = start_ms + number * step_ms + (rng.randrange(-jitter_ms, jitter_ms) if jitter_ms else 0)
        properties = {
            "device": rng.choice(("mobile", "desktop", "tablet")),
            "country": rng.choice(("FR", "DE", "US", "JP")),
            "utm_source": "google",
            "url": f"https://shop.example/p/{rng.randrange(1000)}",
        }
        event = {"event_id": f"{number:016x}", "user_id": actor, "event": name, "ts": at_ms, "properties": properties}
        yield actor.encode(), json.dumps(event, separators=(",", ":")).encode()


async def make_topic(kafka, topic, partitions=PARTITIONS):
    """Create a topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, partitions, 1)])
    await admin.close()


class _Batches:
    """Record batches by partition; `AIOKafkaProducer.send` costs three times as much a record."""

    def __init__(self, producer, topic):
        self._producer, self._topic = producer, topic
        self._open = {}

    async def add(self, key, value):
        partition = (murmur2(key) & 0x7FFFFFFF) % PARTITIONS
        batch = self._open.get(partition)
        if batch is None or batch.append(key=key, value=value, timestamp=None) is None:
            if batch is not None:
                await self._producer.send_batch(batch, self._topic, partition=partition)
            batch = self._open[partition] = self._producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)

    async def flush(self):
        for partition, batch in self._open.items():
            await self._producer.send_batch(batch, self._topic, partition=partition)
        self._open.clear()


async def fill(kafka, topic, count):
    """Write the standard topic."""
    await make_topic(kafka, topic)
    async with AIOKafkaProducer(bootstrap_servers=kafka, compression_type="lz4", max_batch_size=500_000) as producer:
        batches = _Batches(producer, topic)
        for key, value in events(count):
            await batches.add(key, value)
        await batches.flush()


async def pace(kafka, topic, rate, seconds, sent):
    """Write `rate` events a second with event times of now; appends (events due, wall clock) to `sent` each 5 ms."""
    start = time.time()
    made = events(int(rate * seconds), int(start * 1000), 0, 0)
    async with AIOKafkaProducer(bootstrap_servers=kafka, compression_type="lz4", linger_ms=0) as producer:
        batches = _Batches(producer, topic)
        written = 0
        while written < rate * seconds:
            due = min(int((time.time() - start) * rate), int(rate * seconds))
            sent.append((due, time.time()))
            while written < due:
                await batches.add(*next(made))
                written += 1
            await batches.flush()
            await asyncio.sleep(PACE_S)
