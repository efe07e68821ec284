"""What memory promises beside the contract's machine (tests/property): the server that several stores share."""

import pytest

from stream.errors import StoreRefused
from stream.store.contract import DONE, Commit, Moved, PartitionHead
from stream.store.memory import MemoryServer, MemoryStore


async def test_stores_on_one_server_see_each_other_and_namespaces_do_not():
    server = MemoryServer()
    one, other, elsewhere = MemoryStore(server), MemoryStore(server), MemoryStore(server, "replay")
    await one.create_head(0, PartitionHead(0))
    assert await other.commit([Commit(0, (0, 0), PartitionHead(4))]) == [DONE]
    assert await one.commit([Commit(0, (0, 0), PartitionHead(5))]) == [Moved(4, 0)]
    assert await elsewhere.load_head(0) is None


async def test_another_number_of_shards_is_refused():
    server = MemoryServer()
    await MemoryStore(server, shards=4).create_head(0, PartitionHead(0))
    with pytest.raises(StoreRefused, match="written with 4 shards, configured are 8; set shards to 4"):
        await MemoryStore(server, shards=8).load_head(0)


async def test_a_restored_server_is_back_at_its_snapshot_whatever_came_after():
    server = MemoryServer()
    store = MemoryStore(server)
    await store.create_head(0, PartitionHead(0))
    await store.commit([Commit(0, (0, 0), PartitionHead(1), [(b"ab", b"1")], rollup=b"1")])
    snapshot = server.snapshot()
    await store.commit([Commit(0, (1, 0), PartitionHead(2), [(b"ab", b"2")], rollup=b"2")])
    server.restore(snapshot)
    assert await store.load_states(0, [b"ab"]) == [b"1"]
    assert await store.commit([Commit(0, (2, 0), PartitionHead(3))]) == [Moved(1, 0)]
    assert await store.load_rollups(2) == [b"1", None]


async def test_what_was_loaded_does_not_change_with_the_store():
    server = MemoryServer()
    store = MemoryStore(server)
    await store.create_head(0, PartitionHead(0))
    cells = await store.load_cells(0)
    await store.commit([Commit(0, (0, 0), PartitionHead(1), cells={b"c": b"1"})])
    assert cells == {}
