"""The peer: an ordinary Faust agent that takes event by event and keeps its state in Redis.

In:  a topic; BENCH_KAFKA, BENCH_REDIS, BENCH_TOPIC, BENCH_NAME and the progress file in the environment.
Out: a hash of actors' states and a hash of actors that reached each step, as of every event.

It is given what helps without changing its form: values are decoded by msgspec, uvloop runs it, and a state is
read once and then kept in memory. What stays is what makes the form slow: Faust's road for each event, and an
awaited round trip to Redis for each event that changes something.

Run: python -m faust -A tests.bench.idiomatic_agent worker
"""

import os

import faust
import msgspec
from redis.asyncio import Redis

from .progress import Progress
from .standard import STEP_OF, furthest, nobody


class Event(msgspec.Struct, gc=False):
    """What the job needs of an event; `ts` in ms."""

    user_id: str
    event: str
    ts: int


NAME = os.environ["BENCH_NAME"]
STATES, REACHED = f"{NAME}:states", f"{NAME}:reached"

app = faust.App(
    NAME,
    broker=f"kafka://{os.environ['BENCH_KAFKA']}",
    store="memory://",
    datadir=os.environ["BENCH_FOLDER"],
    consumer_auto_offset_reset="earliest",
    broker_max_poll_records=10_000,
    stream_wait_empty=False,
    topic_disable_leader=True,
    web_enabled=False,
)
clicks = app.topic(
    os.environ["BENCH_TOPIC"], key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
)
redis = Redis.from_url(os.environ["BENCH_REDIS"])
progress = Progress.from_environment()
decode = msgspec.json.Decoder(Event).decode
encode_state = msgspec.msgpack.Encoder().encode
decode_state = msgspec.msgpack.Decoder(list[int]).decode
known: dict[str, list[int]] = {}


@app.on_partitions_revoked.connect
async def forget(_app, _revoked, **_):
    known.clear()  # another worker may go on with these actors


@app.agent(clicks)
async def count(events):
    done = 0
    async for value in events:
        if not done:
            progress.events = 0
        event = decode(value)
        step = STEP_OF.get(event.event)
        if step is not None:
            await advance(event.user_id, step, event.ts)
        done += 1
        progress.events = done


async def advance(actor, step, time_ms):
    state = known.get(actor)
    if state is None:
        stored = await redis.hget(STATES, actor)
        state = known[actor] = nobody() if stored is None else decode_state(stored)
    before = state[step]
    reached = furthest(state, step, time_ms)
    if reached is not None:
        async with redis.pipeline(transaction=True) as changes:
            changes.hset(STATES, actor, encode_state(state)).hincrby(REACHED, str(reached), 1)
            await changes.execute()
    elif state[step] != before:
        await redis.hset(STATES, actor, encode_state(state))
