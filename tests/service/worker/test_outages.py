"""Kafka or Redis away or frozen: the worker lives, says which it is, and goes on without loss."""

import asyncio
import os
import signal
import time

import pytest

from stream.stack import Stack
from support.shop import shop
from support.workers import Site, until

pytestmark = [pytest.mark.service, pytest.mark.timeout(240)]

SIGN = {"kafka": "kafka", "redis": "store"}


@pytest.fixture(scope="module")
def servers():
    """Start a Kafka and a Redis that may be killed and frozen."""
    with Stack.running(f"outages-{os.getpid()}", services=("kafka", "redis"), environ={}) as own:
        yield own


@pytest.fixture
def site(servers, tmp_path):
    place = Site(tmp_path, servers.kafka, servers.redis_url)
    yield place
    place.close()


async def until_unready(worker, service):
    async def says_so():
        ready = await worker.ready()
        return ready is not None and ready[0] == 503 and SIGN[service] in ready[1].lower()

    await until(says_so, f"/readyz says that {service} is away", worker)


async def until_ready(worker):
    async def says_so():
        ready = await worker.ready()
        return ready is not None and ready[0] == 200

    await until(says_so, "/readyz says that all is well", worker)


async def until_all_of(site, count):
    async def is_counted():
        return sum((await site.stored()).values()) == count

    await until(is_counted, f"{count} records are counted", *site.workers)


@pytest.mark.parametrize("service", ["redis", "kafka"])
async def test_a_server_away_at_the_start_and_later_is_named_and_waited_for(servers, site, service):
    records = shop(4_000, seed=1)
    await site.make_topic()
    await site.produce(records[:2_000])
    await asyncio.to_thread(servers.kill, service)
    worker = site.start()
    await until_unready(worker, service)
    await asyncio.to_thread(servers.restart, service)
    await site.caught_up()
    await until_ready(worker)
    await asyncio.to_thread(servers.kill, service)
    await until_unready(worker, service)
    await asyncio.to_thread(servers.restart, service)
    await site.produce(records[2_000:])
    await site.caught_up()
    assert worker.process.poll() is None
    assert await site.differences() == []


async def test_kafka_away_at_the_start_is_waited_for_before_the_log_is_made(servers, tmp_path):
    site = Site(tmp_path, servers.kafka, servers.redis_url, keyed=False)
    try:
        await site.make_topic()
        await site.produce([(None, value, at_ms) for _, value, at_ms in shop(2_000, seed=3)])
        await asyncio.to_thread(servers.kill, "kafka")
        worker = site.start()
        await until_unready(worker, "kafka")
        assert "Kafka is away (asking which topics there are)" in (await worker.ready())[1]
        await asyncio.to_thread(servers.restart, "kafka")
        await until_ready(worker)
        await until_all_of(site, 2_000)
        assert worker.process.poll() is None
        assert await site.differences() == []
    finally:
        site.close()


@pytest.mark.parametrize("service", ["redis", "kafka"])
async def test_a_frozen_server_is_named_and_nothing_is_lost_or_doubled(servers, site, service):
    """What a frozen Redis finds in its sockets, it does later: also a commit that nobody waits for any more."""
    records = shop(6_000, seed=2)
    await site.make_topic()
    await site.produce(records[:3_000])
    worker = site.start()
    await site.caught_up()
    writing = asyncio.create_task(site.produce(records[3_000:]))
    servers.kill(service, signal.SIGSTOP)
    try:
        await until_unready(worker, service)
    finally:
        servers.kill(service, signal.SIGCONT)
    await writing
    await site.caught_up()
    await until_ready(worker)
    assert worker.process.poll() is None
    assert await site.differences() == []
    assert await site.oracle_differences() == []


@pytest.mark.parametrize("service", ["redis", "kafka"])
async def test_a_worker_ends_when_told_to_although_a_server_is_away(servers, site, service):
    await site.make_topic()
    await site.produce(shop(2_000, seed=3))
    worker = site.start()
    await site.caught_up()
    await asyncio.to_thread(servers.kill, service)
    try:
        await until_unready(worker, service)
        begin = time.monotonic()
        worker.send(signal.SIGTERM)
        assert await worker.ended() == 0
        assert time.monotonic() - begin < 15
    finally:
        await asyncio.to_thread(servers.restart, service)
    site.start()
    await site.caught_up()
    assert await site.differences() == []
