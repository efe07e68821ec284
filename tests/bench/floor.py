"""The floor: a consumer that only reads, or reads and decodes, and counts nothing. Nothing in Python can be faster.

Run: python -m tests.bench.floor KAFKA TOPIC PARTITIONS read|decode, with the progress file in the environment.
"""

import sys

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from .progress import Progress

MOST_RECORDS = 20_000


class Event(msgspec.Struct, gc=False):
    """What a funnel needs of an event; `ts` in ms."""

    event_id: str
    user_id: str
    event: str
    ts: int


async def read(kafka: str, topic: str, partitions: int, *, decodes: bool) -> None:
    """Read from the beginning, until the bench ends it."""
    progress = Progress.from_environment()
    decode = msgspec.json.Decoder(Event).decode
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, group_id=None, auto_offset_reset="earliest", max_partition_fetch_bytes=4 << 20
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
    progress.events = done = 0
    while True:
        for records in (await consumer.getmany(timeout_ms=500, max_records=MOST_RECORDS)).values():
            if decodes:
                for record in records:
                    decode(record.value)
            done += len(records)
            progress.events = done


if __name__ == "__main__":
    _, servers, name, count, form = sys.argv
    uvloop.run(read(servers, name, int(count), decodes=form == "decode"))
