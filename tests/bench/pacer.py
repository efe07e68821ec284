"""Send events at a fixed rate, as they happen, with a marker among them every 50 ms.

In:  KAFKA TOPIC RATE SECONDS LANE FILE: events a second, the markers' partition, where to write when each was sent.
Out: the events in Kafka; the file: for each marker the seconds on the machine's monotonic clock, one a line.

All records are made, put into batches and compressed before the first is sent, so that while the load runs this
process takes as little of the machine as it can: a shop's visitors do not run on its tracker's processors.
An event's time is the moment it was due. Markers are events of their own funnel, each of a new actor, all in one
partition, so that marker k is on /metrics once the funnel says k have entered. The moment of sending is taken just
before the batch of the marker goes into the producer, every 5 ms.
"""

import asyncio
import gc
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from .standard import ACTORS, PARTITIONS, SEED, STEPS, WEIGHTS

MARKER_EVERY_MS = 50
SEND_EVERY_MS = 5
MARKER = "marker"
MAKING_US = 10.0  # at most, for a record: the first is due when the last is in its batch
BATCH_BYTES = 900_000
PROPERTIES = b'{"device":"mobile","country":"FR","utm_source":"google","url":"https://shop.example/p/123"}'


class Pulse(NamedTuple):
    """What is due within `SEND_EVERY_MS`: (key, value, time in ms) by partition; how many of it are markers."""

    by_partition: dict[int, list[tuple[bytes, bytes, int]]]
    markers: int


def pulses(rate: int, seconds: float, lane: int, start_ms: int) -> list[Pulse]:
    """Return all events by the moment they are due."""
    rnd = random.Random(SEED)
    choose, everywhere = DefaultPartitioner(), list(range(PARTITIONS))
    actors = [b"u%d" % number for number in range(ACTORS)]
    homes = [choose(actor, everywhere, everywhere) for actor in actors]
    names = [name.encode() for name in STEPS]
    markers = lane_actors(lane)
    made = []
    number = 0
    for begin_ms in range(0, int(seconds * 1_000), SEND_EVERY_MS):
        due: defaultdict[int, list[tuple[bytes, bytes, int]]] = defaultdict(list)
        is_marked = begin_ms % MARKER_EVERY_MS == 0
        if is_marked:
            due[lane].append(_record(next(markers), MARKER.encode(), b"m%x" % begin_ms, start_ms + begin_ms))
        until = int((begin_ms + SEND_EVERY_MS) * rate / 1_000)
        for name in rnd.choices(names, WEIGHTS, k=until - number):
            time_ms = start_ms + number * 1_000 // rate
            home = int(rnd.random() * ACTORS)
            due[homes[home]].append(_record(actors[home], name, b"%016x" % number, time_ms))
            number += 1
        made.append(Pulse(due, int(is_marked)))
    return made


def lane_actors(lane: int) -> Iterator[bytes]:
    """Yield actors that all belong to one partition."""
    choose, partitions = DefaultPartitioner(), list(range(PARTITIONS))
    number = 0
    while True:
        actor = b"marked-%d" % number
        if choose(actor, partitions, partitions) == lane:
            yield actor
        number += 1


def _record(actor: bytes, name: bytes, event_id: bytes, time_ms: int) -> tuple[bytes, bytes, int]:
    form = b'{"event_id":"%b","user_id":"%b","event":"%b","ts":%d,"properties":%b}'
    return actor, form % (event_id, actor, name, time_ms, PROPERTIES), time_ms


async def send(kafka: str, topic: str, made: list[Pulse], start_ms: int) -> list[float]:
    """Send each pulse when it is over; returns when each marker was sent. Raises what Kafka answers."""
    sent: list[float] = []
    answers = []
    async with AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", compression_type="lz4", linger_ms=0, max_batch_size=BATCH_BYTES
    ) as producer:
        batches = [
            [(partition, _built(producer, due)) for partition, due in pulse.by_partition.items()] for pulse in made
        ]
        # One clock for all pulses, which begins at the start on the wall.
        began_s = time.monotonic() + start_ms / 1_000 - time.time()
        for number, (pulse, due) in enumerate(zip(made, batches, strict=True), start=1):
            await asyncio.sleep(began_s + number * SEND_EVERY_MS / 1_000 - time.monotonic())
            sent += [time.monotonic()] * pulse.markers
            for partition, batch in due:
                answers.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*answers)
    return sent


def _built(producer: AIOKafkaProducer, records: Iterable[tuple[bytes, bytes, int]]) -> BatchBuilder:
    batch = producer.create_batch()
    for key, value, time_ms in records:
        batch.append(timestamp=time_ms, key=key, value=value)
    batch._build()
    return batch


def main() -> None:
    """Send, then write the file."""
    kafka, topic, rate, seconds, lane, file = sys.argv[1:]
    gc.disable()  # there is no rubbish, only millions of records
    start_ms = int(time.time() * 1_000 + int(rate) * float(seconds) * MAKING_US / 1_000) + 1_000
    made = pulses(int(rate), float(seconds), int(lane), start_ms)
    sent = asyncio.run(send(kafka, topic, made, start_ms))
    Path(file).write_text("".join(f"{moment:.6f}\n" for moment in sent), encoding="ascii")


if __name__ == "__main__":
    main()
