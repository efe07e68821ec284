"""Redis fails in the middle: the caller is told that it does not know, and reading the head tells it."""

import asyncio
import contextlib
import os
import signal
import time

import pytest
import redis.asyncio

from stream.errors import StoreUnavailable
from stream.store.contract import DONE, Commit, Moved, PartitionHead

pytestmark = pytest.mark.service
DEADLINE_S = 10.0


async def eventually(question):
    """Ask until the answer is true or the deadline passed; the last answer is returned."""
    deadline = time.monotonic() + DEADLINE_S
    while not (answer := await question()) and time.monotonic() < deadline:  # noqa: ASYNC110 (another process)
        await asyncio.sleep(0.01)
    assert answer, "the deadline passed"
    return answer


class Proxy:
    """Stands between store and Redis, and breaks the connection at the byte it is told to."""

    def __init__(self, port):
        self.port = port
        self.request_bytes = None
        self.loses_reply = False

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/0"
        return self

    async def __aexit__(self, *_error):
        self.server.close()

    async def _serve(self, reader, writer):
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.port)
        both = [
            asyncio.create_task(self._requests(reader, upstream_writer)),
            asyncio.create_task(self._replies(upstream_reader, writer)),
        ]
        _, other = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in other:
            task.cancel()
        for side in (writer, upstream_writer):
            side.close()

    async def _requests(self, reader, writer):
        while part := await reader.read(65_536):
            if self.request_bytes is not None:
                writer.write(part[: self.request_bytes])
                await writer.drain()
                return
            writer.write(part)

    async def _replies(self, reader, writer):
        while part := await reader.read(65_536):
            if self.loses_reply:
                return
            writer.write(part)


def batch(partition, begin, end, actors=100):
    """Return a commit in which every state, cell and the rollup name the offset it ends at."""
    states = [(number.to_bytes(3, "little"), b"%d" % end) for number in range(actors)]
    mark = b"%d" % end
    return Commit(partition, (begin, 0), PartitionHead(end), states, cells={b"c": mark}, rollup=mark)


async def assert_whole(store, partition):
    """Return the head's offset, if everything else is of that offset too."""
    head = await store.load_head(partition)
    mark = b"%d" % head.next_offset if head.next_offset else None
    found = set((await store.load_cells(partition)).values()) | set(await store.load_rollups(1))
    found |= set(await store.load_states(partition, [key for key, _ in batch(partition, 0, 0).states]))
    assert found <= {mark}
    return head.next_offset


@pytest.mark.parametrize(("cut", "offset_after"), [("the request", 0), ("the reply", 10)])
async def test_after_a_lost_connection_the_head_says_what_became_of_the_commit(
    redis_server, open_store, cut, offset_after
):
    server = redis_server()
    async with Proxy(server.port) as proxy:
        store = open_store(proxy.url)
        await store.create_head(0, PartitionHead(0))
        await store.commit([Commit(0, (0, 0), PartitionHead(0))])  # Redis knows the script now
        proxy.request_bytes = 200 if cut == "the request" else None
        proxy.loses_reply = cut == "the reply"
        with pytest.raises(StoreUnavailable, match="commit of partitions 0 got no clear answer") as raised:
            await store.commit([batch(0, 0, 10)])
        assert raised.value.partitions == (0,)
        proxy.request_bytes, proxy.loses_reply = None, False
        assert await assert_whole(store, 0) == offset_after
        again = await store.commit([batch(0, 0, 10)])
        assert again == ([DONE] if offset_after == 0 else [Moved(10, 0)])


async def test_a_commit_that_timed_out_can_be_stored_later_but_not_after_a_raised_epoch(redis_server, open_store):
    """A stopped server runs what lies in its socket once it goes on, although the client has left."""
    server = redis_server()
    store = open_store(server.url, timeout_s=0.2)
    await store.create_head(0, PartitionHead(0))
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable, match="no clear answer"):
            await store.commit([batch(0, 0, 10)])
    finally:
        os.kill(server.process.pid, signal.SIGCONT)

    async def raised():
        with contextlib.suppress(StoreUnavailable):
            return await store.raise_epoch(0)

    epoch = await eventually(raised)
    offset = await assert_whole(store, 0)
    assert offset in {0, 10}
    assert await store.commit([batch(0, 0, 20)]) == [Moved(offset, epoch)]
    assert await assert_whole(store, 0) == offset


async def test_without_memory_a_commit_writes_nothing_and_is_stored_once_there_is_room(redis_server, open_store):
    server = redis_server("--maxmemory", "0")
    store = open_store(server.url)
    await store.create_head(0, PartitionHead(0))
    await store.commit([batch(0, 0, 10)])
    async with redis.asyncio.Redis.from_url(server.url) as client:
        await client.config_set("maxmemory", "1")
        removing = Commit(0, (10, 0), PartitionHead(20), deleted=[b"\0\0\0"], deleted_cells=[b"c"])
        for commit in (batch(0, 10, 20), removing):
            with pytest.raises(StoreUnavailable, match="Redis has reached maxmemory and refused to write"):
                await store.commit([commit])
            assert await assert_whole(store, 0) == 10
            assert await store.load_states(0, [b"\0\0\0"]) == [b"10"]
        await client.config_set("maxmemory", "0")
    assert await store.commit([batch(0, 10, 20)]) == [DONE]
    assert await assert_whole(store, 0) == 20


async def test_a_commit_waits_out_somebody_elses_script_that_is_killed(redis_server, open_store):
    server = redis_server("--lua-time-limit", "50")
    store = open_store(server.url)
    await store.create_head(0, PartitionHead(0))
    async with redis.asyncio.Redis.from_url(server.url) as rude, redis.asyncio.Redis.from_url(server.url) as admin:
        endless = asyncio.create_task(rude.eval("while true do end", 0))

        async def busy():
            try:
                await store.commit([batch(0, 0, 10)])
            except StoreUnavailable as error:
                return "runs somebody's long script" in str(error)
            return False

        # The first commits may be taken before the script begins; then they are stale and change nothing.
        assert await eventually(busy)
        await admin.script_kill()
        with pytest.raises(redis.exceptions.ResponseError, match="killed"):
            await endless
    offset = await assert_whole(store, 0)
    assert await store.commit([batch(0, offset, 20)]) == [DONE]
    assert await assert_whole(store, 0) == 20


async def test_a_server_that_became_a_replica_takes_no_commit(redis_server, open_store):
    primary, replica = redis_server("--repl-diskless-sync-delay", "0"), redis_server()
    await open_store(primary.url).create_head(0, PartitionHead(0))
    store = open_store(replica.url)
    async with redis.asyncio.Redis.from_url(replica.url) as client:
        await client.replicaof("127.0.0.1", primary.port)
        await eventually(lambda: store.load_head(0))
        with pytest.raises(StoreUnavailable, match="read-only replica"):
            await store.commit([batch(0, 0, 10)])
        assert await assert_whole(store, 0) == 0
        await client.replicaof("NO", "ONE")
    assert await store.commit([batch(0, 0, 10)]) == [DONE]


async def test_an_emptied_server_takes_no_commit_from_before(redis_server, open_store):
    server = redis_server()
    store = open_store(server.url)
    await store.create_head(0, PartitionHead(0))
    await store.commit([batch(0, 0, 10)])
    async with redis.asyncio.Redis.from_url(server.url) as client:
        await client.flushall()
        assert await store.commit([batch(0, 10, 20)]) == [Moved(-1, -1)]
        assert await client.dbsize() == 0
    assert await store.create_head(0, PartitionHead(0, epoch=5)) is True
    assert await store.commit([batch(0, 0, 10)]) == [Moved(0, 5)]


async def test_scripts_are_sent_again_after_the_server_forgot_them(redis_server, open_store):
    server = redis_server()
    store = open_store(server.url)
    await store.create_head(0, PartitionHead(0))
    await store.create_head(1, PartitionHead(0))
    await store.commit([batch(0, 0, 10)])
    async with redis.asyncio.Redis.from_url(server.url) as client:
        await client.script_flush()
    assert await store.commit([batch(0, 0, 10), batch(1, 0, 10)]) == [Moved(10, 0), DONE]
    assert await store.load_states(1, [b"\0\0\0"]) == [b"10"]


async def test_a_killed_server_comes_back_with_whole_commits_only(redis_server, open_store):
    server = redis_server("--appendonly", "yes", "--appendfsync", "everysec")
    store = open_store(server.url)
    await store.create_head(0, PartitionHead(0))
    offset, alive = 0, True
    for round_number in range(3):
        deadline = time.monotonic() + DEADLINE_S
        kill = asyncio.get_running_loop().call_later(0.05 * (round_number + 1), server.kill)
        while alive and time.monotonic() < deadline:
            try:
                assert await store.commit([batch(0, offset, offset + 1, actors=2_000)]) == [DONE]
                offset += 1
            except StoreUnavailable:
                alive = False
        kill.cancel()
        assert not alive
        server.start()

        async def loaded():
            with contextlib.suppress(StoreUnavailable):
                return await store.load_head(0)

        await eventually(loaded)
        found = await assert_whole(store, 0)
        assert offset <= found + 1  # all that was answered is there: the process was killed, not the machine
        offset, alive = found, True
