"""kill -9 of workers and of Redis under load: nothing lost, nothing doubled."""

import asyncio
import os
import random

import pytest

from stream.stack import Stack
from support.shop import shop
from support.workers import Site, until

pytestmark = [pytest.mark.chaos, pytest.mark.service, pytest.mark.timeout(600)]


async def test_workers_killed_at_random_moments_lose_and_double_nothing(site, is_long):
    """Two workers; one of them dies again and again while it counts a burst of records."""
    kills = 20 if is_long else 4
    rng = random.Random(7)
    burst = 5_000
    records = shop(burst * (kills + 1), seed=7)
    await site.make_topic()
    workers = site.start(2)
    stored = -1
    for number in range(kills):

        async def counts_on(stored=stored):
            return sum((await site.stored()).values()) > stored

        await until(counts_on, "the workers count", *workers)
        stored = (number + 1) * burst - 1
        writing = asyncio.create_task(site.produce(records[number * burst : (number + 1) * burst]))
        await asyncio.sleep(rng.random() * 0.5)  # any moment is a fit one: this is not a wait for something
        victim = rng.randrange(2)
        workers[victim].kill()
        workers[victim] = site.start()
        await writing
    await site.produce(records[kills * burst :])
    await site.caught_up()
    assert [worker.process.poll() for worker in workers] == [None, None]
    assert await site.differences() == []
    assert await site.oracle_differences() == []


async def test_redis_killed_under_load_rolls_state_and_offset_back_together(stack, tmp_path, is_long):
    """AOF everysec may lose a second: the offset goes back with the state, and Kafka repeats the rest."""
    kills = 8 if is_long else 2
    rng = random.Random(3)
    burst = 15_000
    records = shop(burst * kills, seed=3)
    with Stack.running(f"chaos-{os.getpid()}", services=("redis",), environ={}) as own:
        site = Site(tmp_path, stack.kafka, own.redis_url)
        try:
            await site.make_topic()
            workers = site.start(2)
            for number in range(kills):
                writing = asyncio.create_task(site.produce(records[number * burst : (number + 1) * burst]))

                async def counts(number=number):
                    return sum((await site.stored()).values()) > number * burst

                await until(counts, "the burst is being counted", *workers)
                await asyncio.sleep(rng.random() * 0.3)  # any moment is a fit one
                await asyncio.to_thread(own.kill, "redis")
                await writing
                await asyncio.to_thread(own.restart, "redis")
            await site.caught_up()
            assert [worker.process.poll() for worker in workers] == [None, None]
            assert await site.differences() == []
            assert await site.oracle_differences() == []
        finally:
            site.close()


async def test_workers_that_come_and_go_count_the_same(site):
    """One worker, then four, then two: each rebalance continues where the offset stands."""
    records = shop(24_000, seed=5)
    await site.make_topic()
    first = site.start()
    await site.produce(records[:8_000])
    others = site.start(3)
    await site.produce(records[8_000:16_000])
    first.stop()
    others[0].stop()
    await site.produce(records[16_000:])
    await site.caught_up()
    assert await site.differences() == []
    assert await site.oracle_differences() == []
