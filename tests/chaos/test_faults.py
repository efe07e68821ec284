"""Faults between a worker and its store, and workers that sleep: whatever is in doubt is read again."""

import asyncio
import random
import signal
from urllib.parse import urlsplit

import pytest

from support.shop import shop
from support.workers import Site, until

pytestmark = [pytest.mark.chaos, pytest.mark.service, pytest.mark.timeout(600)]


class Proxy:
    """Between worker and Redis: `cuts` times passes a commit on, holds its reply back and closes the connection."""

    def __init__(self, redis_url, cuts):
        where = urlsplit(redis_url)
        self.upstream, self.path = (where.hostname, where.port), where.path
        self.cuts, self.draw = cuts, random.Random(11)
        self.sessions = set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self.server.sockets[0].getsockname()[1]}{self.path}"
        return self

    async def __aexit__(self, *_error):
        self.server.close()
        for session in self.sessions:
            session.cancel()
        await asyncio.gather(*self.sessions, return_exceptions=True)

    async def _serve(self, reader, writer):
        session = asyncio.current_task()
        self.sessions.add(session)
        upstream_reader, upstream_writer = await asyncio.open_connection(*self.upstream)
        asked = bytearray()
        passing = asyncio.create_task(self._pass_on(reader, upstream_writer, asked))
        try:
            while part := await upstream_reader.read(65_536):
                is_commit = b"watermark_ms" in asked  # a field of the head
                if self.cuts and is_commit and self.draw.random() < 0.5:
                    self.cuts -= 1
                    return
                asked.clear()
                writer.write(part)
        except asyncio.CancelledError:
            return  # the server's own callback would take it for an error
        finally:
            passing.cancel()
            writer.close()
            upstream_writer.close()
            self.sessions.discard(session)

    async def _pass_on(self, reader, writer, asked):
        while part := await reader.read(65_536):
            asked += part
            writer.write(part)


async def test_commits_whose_reply_is_lost_count_once(stack, tmp_path, is_long):
    """The store has them, the worker does not know: it reads the head, and goes on from what it finds."""
    cuts = 100 if is_long else 15
    records = shop(600 * cuts, seed=9)
    async with Proxy(stack.redis_url, cuts) as proxy:
        site = Site(tmp_path, stack.kafka, proxy.url)
        try:
            await site.make_topic()
            workers = site.start(2)
            for left in range(cuts, 0, -1):
                await site.produce(records[600 * (cuts - left) : 600 * (cuts - left + 1)])
                await until(lambda left=left: proxy.cuts < left, "another reply is lost", *workers)
            await site.caught_up()
            assert [worker.process.poll() for worker in workers] == [None, None]
            assert await site.differences() == []
            assert await site.oracle_differences() == []
        finally:
            await asyncio.to_thread(site.close)  # the workers need the proxy until they have ended


async def test_a_worker_that_sleeps_again_and_again_under_load_changes_no_number(site, is_long):
    """Stopped for longer than the session lasts, it wakes up in the middle of what others do."""
    if not is_long:
        pytest.skip("the short form is in tests/service/worker/test_traps.py")
    naps = 6
    records = shop(6_000 * naps, seed=17)
    await site.make_topic()
    workers = site.start(2)
    for nap in range(naps):
        sleeper, other = workers[nap % 2], workers[1 - nap % 2]
        part = records[nap * 6_000 : (nap + 1) * 6_000]
        await site.produce(part[:2_000])
        sleeper.send(signal.SIGSTOP)
        await site.produce(part[2_000:4_000])
        await site.caught_up()  # the other one has all partitions now
        sleeper.send(signal.SIGCONT)
        await site.produce(part[4_000:])
        await site.caught_up()
        assert other.process.poll() is None
    assert [worker.process.poll() for worker in workers] == [None, None]
    assert await site.differences() == []
    assert await site.oracle_differences() == []
