"""The funnel as the Faust documentation would have it: an agent, event by event, state in Redis.

One hash field an actor, written with the step counts as soon as an event changes it. It has no lateness,
no duplicates, no attempts, and counts twice what it reads twice: this is the least one would write.
Environment: BENCH_KAFKA, BENCH_REDIS, BENCH_TOPIC, BENCH_GROUP.
"""

import os

import faust
import msgspec
from redis.asyncio import Redis

from tests.bench.load import STEPS

WINDOW_MS = 3_600_000
GROUP = os.environ["BENCH_GROUP"]

app = faust.App(
    GROUP,
    broker=f"kafka://{os.environ['BENCH_KAFKA']}",
    store="memory://",
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
    topic_disable_leader=True,
    stream_wait_empty=False,
)
topic = app.topic(os.environ["BENCH_TOPIC"], value_type=bytes, value_serializer="raw", key_serializer="raw")
redis = Redis.from_url(os.environ["BENCH_REDIS"])
number_of = {name: number for number, name in enumerate(STEPS)}


class Event(msgspec.Struct):
    """What the funnel needs of an event; `ts` is ms UTC."""

    user_id: str
    event: str
    ts: int


decode = msgspec.json.Decoder(Event).decode


@app.agent(topic)
async def count(stream):
    """Advance each event's actor, and count the steps that are reached for the first time."""
    async for raw in stream:
        event = decode(raw)
        step = number_of.get(event.event)
        if step is not None:
            stored = await redis.hget(f"{GROUP}:actors", event.user_id)
            starts, deepest = msgspec.json.decode(stored) if stored else ([None] * len(STEPS), -1)
            start = event.ts if step == 0 else starts[step - 1]
            if start is not None and event.ts - start <= WINDOW_MS:
                starts[step] = start
                async with redis.pipeline(transaction=True) as pipeline:
                    pipeline.hset(f"{GROUP}:actors", event.user_id, msgspec.json.encode([starts, max(step, deepest)]))
                    if step > deepest:
                        pipeline.hincrby(f"{GROUP}:reached", step, 1)
                    await pipeline.execute()
        await redis.incr(f"{GROUP}:seen")


if __name__ == "__main__":
    app.main()
