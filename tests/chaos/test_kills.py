"""kill -9 of workers and of Redis under load: nothing lost, nothing doubled."""

import asyncio
import os
import random
import time

import pytest

from stream.simulate.shop import bounded, shop_records
from stream.simulate.traffic import ShopTraffic
from stream.stack import Stack
from support.workers import Site, until

pytestmark = [pytest.mark.chaos, pytest.mark.service, pytest.mark.timeout(600)]


def shop(count, seed):
    """Return a shop's records that end now, with duplicates, disorder and junk."""
    rate = 400
    start_ms = int(time.time() * 1000) - count * 1000 // rate
    traffic = ShopTraffic(seed=seed, start_ms=start_ms, events_per_second=rate, duplicate_share=0.1)
    return [(record.key, record.value, record.record_ms) for record in bounded(shop_records(traffic), count, None)]


async def test_workers_killed_at_random_moments_lose_and_double_nothing(site, is_long):
    """Two workers; one of them dies again and again while records flow."""
    kills = 20 if is_long else 4
    rng = random.Random(7)
    records = shop(6_000 * kills, seed=7)
    await site.make_topic()
    workers = site.start(2)
    portion = len(records) // kills
    for number in range(kills):
        await site.produce(records[number * portion : (number + 1) * portion])
        before = sum((await site.stored()).values())
        wanted = before + rng.randrange(1, portion // 2)

        async def has_counted(wanted=wanted):
            return sum((await site.stored()).values()) >= min(wanted, (number + 1) * portion)  # noqa: B023

        await until(has_counted, "some more records are counted", *workers)
        victim = rng.randrange(2)
        workers[victim].kill()
        workers[victim] = site.start()
    await site.produce(records[kills * portion :])
    await site.caught_up()
    assert await site.differences() == []


async def test_redis_killed_under_load_rolls_state_and_offset_back_together(stack, tmp_path):
    """AOF everysec may lose a second: the offset goes back with the state, and Kafka repeats the rest."""
    records = shop(30_000, seed=3)
    with Stack.running(f"chaos-{os.getpid()}", services=("redis",), environ={}) as own:
        site = Site(tmp_path, stack.kafka, own.redis_url)
        try:
            await site.make_topic()
            workers = site.start(2)
            writing = asyncio.create_task(site.produce(records))

            async def has_counted():
                return sum((await site.stored()).values()) > 5_000

            await until(has_counted, "counting is under way", *workers)
            await asyncio.to_thread(own.kill, "redis")
            await asyncio.to_thread(own.restart, "redis")
            await writing
            await site.caught_up()
            assert [worker.process.poll() for worker in workers] == [None, None]
            assert await site.differences() == []
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
