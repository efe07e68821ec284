"""Send events at a fixed rate, as they happen, with a marker among them every 50 ms.

In:  KAFKA TOPIC RATE SECONDS LANE FILE: events a second, the markers' partition, where to write when each was sent.
Out: the events in Kafka; the file: for each marker the seconds on the machine's monotonic clock, one a line.

An event's time is the moment it was due. Markers are events of their own funnel, each of a new actor, all in one
partition, so that marker k is on /metrics once the funnel says k have entered. The moment of sending is taken just
before the marker goes into the producer, which gathers for 5 ms.
"""

import asyncio
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from aiokafka.partitioner import DefaultPartitioner

from stream.simulate.pace import Pace, now_ms
from stream.simulate.produce import TopicTarget, produce
from stream.simulate.shop import SimRecord

from .standard import ACTORS, PARTITIONS, SEED, STEPS, WEIGHTS

MARKER_EVERY_MS = 50
MARKER = "marker"
DRAWN_AHEAD = 65_536
PROPERTIES = b'{"device":"mobile","country":"FR","utm_source":"google","url":"https://shop.example/p/123"}'


def events(rate: int, seconds: float, lane: int, start_ms: int, sent: list[float]) -> Iterator[SimRecord]:
    """Yield the events in order; appends the time of each marker to `sent` as it is taken."""
    rnd = random.Random(SEED)
    names = [name.encode() for name in rnd.choices(STEPS, WEIGHTS, k=DRAWN_AHEAD)]
    markers = lane_actors(lane)
    marked_ms = 0
    for number in range(int(rate * seconds)):
        offset_ms = number * 1_000 // rate
        if offset_ms >= marked_ms:
            marked_ms += MARKER_EVERY_MS
            actor = next(markers)
            sent.append(time.monotonic())
            yield _record(actor, MARKER.encode(), b"m%x" % number, start_ms + offset_ms)
        actor = b"u%d" % int(rnd.random() * ACTORS)
        yield _record(actor, names[number % DRAWN_AHEAD], b"%016x" % number, start_ms + offset_ms)


def lane_actors(lane: int) -> Iterator[bytes]:
    """Yield actors that all belong to one partition."""
    choose, partitions = DefaultPartitioner(), list(range(PARTITIONS))
    number = 0
    while True:
        actor = b"marked-%d" % number
        if choose(actor, partitions, partitions) == lane:
            yield actor
        number += 1


def _record(actor: bytes, name: bytes, event_id: bytes, time_ms: int) -> SimRecord:
    form = b'{"event_id":"%b","user_id":"%b","event":"%b","ts":%d,"properties":%b}'
    return SimRecord(actor, form % (event_id, actor, name, time_ms, PROPERTIES), time_ms)


def main() -> None:
    """Send, then write the file."""
    kafka, topic, rate, seconds, lane, file = sys.argv[1:]
    sent: list[float] = []
    start_ms = now_ms()
    records = events(int(rate), float(seconds), int(lane), start_ms, sent)
    asyncio.run(produce(records, TopicTarget(kafka, topic), stop=asyncio.Event(), pace=Pace(start_ms)))
    Path(file).write_text("".join(f"{moment:.6f}\n" for moment in sent), encoding="ascii")


if __name__ == "__main__":
    main()
