"""A commit in the real Redis: whole, compared, in its own partition, whatever its size."""

import asyncio
import itertools
import time

import pytest
import redis.asyncio

from stream.errors import StoreRefused
from stream.store.contract import DONE, Commit, Moved, PartitionHead
from stream.store.keys import shard_of

pytestmark = pytest.mark.service
RUNS = itertools.count()


@pytest.fixture
def namespace():
    return f"store-{time.time_ns()}-{next(RUNS)}"


@pytest.fixture
async def store(stack, namespace, open_store):
    store = open_store(stack.redis_url, namespace=namespace)
    yield store
    await store.drop_namespace()


@pytest.fixture
async def client(stack):
    client = redis.asyncio.Redis.from_url(stack.redis_url)
    yield client
    await client.aclose()


def actor(number):
    return number.to_bytes(12, "little")


async def test_a_commit_of_many_actors_in_one_shard_is_stored_whole(stack, namespace, open_store):
    """More than Lua can unpack at once, in states, cells and deletions."""
    store = open_store(stack.redis_url, namespace=namespace, shards=1, fold_at=1)
    states = [(actor(number), b"%d" % number) for number in range(9_000)]
    cells = {b"cell %d" % number: b"%d" % number for number in range(9_000)}
    await store.create_head(0, PartitionHead(0))
    assert await store.commit([Commit(0, (0, 0), PartitionHead(9_000), states, cells=cells, rollup=b"r")]) == [DONE]
    assert await store.scan_shard(0, 0) == dict(states)
    assert await store.load_cells(0) == cells
    assert await store.load_states(0, [key for key, _ in states]) == [state for _, state in states]
    more = Commit(0, (9_000, 0), PartitionHead(9_000), additions=[(key, b"+") for key, _ in states])
    assert await store.commit([more]) == [DONE]
    assert await store.scan_shard(0, 0) == {key: state + b"+" for key, state in states}
    gone = Commit(
        0, (9_000, 0), PartitionHead(9_000), deleted=[key for key, _ in states[1:]], deleted_cells=list(cells)[1:]
    )
    assert await store.commit([gone]) == [DONE]
    assert await store.scan_shard(0, 0) == {states[0][0]: states[0][1] + b"+"}
    assert await store.load_cells(0) == {b"cell 0": b"0"}
    await store.drop_namespace()


async def test_states_are_loaded_in_the_order_asked_across_several_calls(store):
    states = [(actor(number * 7919), b"%d" % number) for number in range(25_000)]
    await store.create_head(0, PartitionHead(0))
    await store.commit([Commit(0, (0, 0), PartitionHead(1), states)])
    asked = [key for key, _ in reversed(states)]
    asked.insert(12_345, b"nobody here.")
    asked.append(b"nor here....")
    wanted = [state for _, state in reversed(states)]
    wanted.insert(12_345, None)
    wanted.append(None)
    assert await store.load_states(0, asked) == wanted


async def test_one_partition_that_moved_does_not_hold_up_the_other(store):
    await store.create_head(0, PartitionHead(0, epoch=7))
    await store.create_head(1, PartitionHead(5, epoch=7))
    commits = [
        Commit(0, (0, 7), PartitionHead(3, epoch=7), [(b"actor", b"new")], rollup=b"zero"),
        Commit(1, (4, 7), PartitionHead(9, epoch=7), [(b"actor", b"new")], rollup=b"one"),
        Commit(2, (4, 7), PartitionHead(9, epoch=7), [(b"actor", b"new")], rollup=b"two"),
    ]
    assert await store.commit(commits) == [DONE, Moved(5, 7), Moved(-1, -1)]
    assert await store.load_rollups(3) == [b"zero", None, None]
    assert [await store.load_states(number, [b"actor"]) for number in range(3)] == [[b"new"], [None], [None]]
    assert await store.load_head(1) == PartitionHead(5, epoch=7)


async def test_a_raised_epoch_shuts_out_a_timer_that_moves_no_offset(store):
    await store.create_head(0, PartitionHead(3))
    assert await store.raise_epoch(0) == 1
    late = Commit(0, (3, 0), PartitionHead(3, as_of_ms=5), rollup=b"stale")
    assert await store.commit([late]) == [Moved(3, 1)]
    assert await store.load_rollups(1) == [None]


async def test_another_number_of_shards_is_refused_before_anything_is_read_or_written(
    stack, store, namespace, open_store
):
    await store.create_head(0, PartitionHead(0))
    other = open_store(stack.redis_url, namespace=namespace, shards=32)
    with pytest.raises(StoreRefused, match="written with 16 shards, configured are 32; set shards to 16"):
        await other.load_head(0)
    with pytest.raises(StoreRefused, match="16 shards"):
        await other.commit([Commit(0, (0, 0), PartitionHead(1), [(b"actor", b"new")])])
    assert await store.load_head(0) == PartitionHead(0)


async def test_a_partition_without_a_head_but_with_states_is_not_begun_anew(store, namespace, client):
    await store.create_head(0, PartitionHead(0))
    await store.commit([Commit(0, (0, 0), PartitionHead(1), [(b"actor", b"state")], rollup=b"r")])
    await client.delete(f"{{{namespace}:0}}:head")
    with pytest.raises(StoreRefused, match="head is absent, but 2 other keys of partition 0 are there"):
        await store.create_head(0, PartitionHead(0))
    assert await store.load_head(0) is None


@pytest.mark.parametrize(("name", "fold_at"), [("cells", 100), ("journal", 100), ("a:1", 1)])
async def test_a_key_of_another_type_is_refused_and_nothing_is_written(  # noqa: PLR0917
    stack, open_store, namespace, client, name, fold_at
):
    store = open_store(stack.redis_url, namespace=namespace, fold_at=fold_at)
    await store.create_head(0, PartitionHead(0))
    await client.set(f"{{{namespace}:0}}:{name}", "not a hash")
    states = [(bytes([0, shard]), b"new") for shard in range(4)]
    with pytest.raises(StoreRefused, match="a key of ours holds another type"):
        await store.commit([Commit(0, (0, 0), PartitionHead(9), states, cells={b"c": b"1"}, rollup=b"r")])
    assert await store.load_head(0) == PartitionHead(0)
    assert await store.load_rollups(1) == [None]
    await client.delete(f"{{{namespace}:0}}:{name}")
    assert await store.load_states(0, [key for key, _ in states]) == [None] * 4
    await store.drop_namespace()


async def test_a_head_of_a_later_release_is_refused(store, namespace, client):
    await store.create_head(0, PartitionHead(0))
    await client.hset(f"{{{namespace}:0}}:head", "format", "3")
    with pytest.raises(StoreRefused, match=r':0}:head: format "3", this release reads 2'):
        await store.load_head(0)


async def test_dropping_a_namespace_leaves_one_whose_name_begins_alike(stack, store, namespace, open_store):
    longer = open_store(stack.redis_url, namespace=namespace + ".b")
    for one in (store, longer):
        await one.create_head(0, PartitionHead(4))
        await one.set_active_funnel_set(b"{}", None)
    await store.drop_namespace()
    assert await store.load_head(0) is None
    assert await store.active_funnel_set() is None
    assert await longer.load_head(0) == PartitionHead(4)
    assert await longer.active_funnel_set() == b"{}"
    await longer.drop_namespace()


async def test_the_head_is_readable_with_a_client_of_any_kind(store, namespace, client):
    head = PartitionHead(12, 3, -5, None, (1, 2, 3, 4, 5, 6, 7), 8, "set", 16, 4_294_967_295, 9, 10)
    await store.create_head(0, head)
    fields = {
        name.decode(): value.decode() for name, value in (await client.hgetall(f"{{{namespace}:0}}:head")).items()
    }
    assert fields == {
        "format": "2", "journal": "0", "shards": "16", "funnel_set": "set", "next_offset": "12", "epoch": "3",
        "corrections": "8",
        "partition_count": "16", "checksum": "4294967295", "gaps": "9", "watermark_ms": "-5", "as_of_ms": "",
        "first_offset": "10",
        "invalid": "1", "future": "2", "unmatched": "3", "late": "4", "duplicate": "5", "bot": "6", "accepted": "7",
    }  # fmt: skip


async def test_a_small_commit_goes_into_the_journal_and_many_of_them_into_the_shards(
    stack, open_store, namespace, client
):
    store = open_store(stack.redis_url, namespace=namespace, fold_at=3)
    await store.create_head(0, PartitionHead(0))
    one, two, three = map(actor, range(3))
    keys = []
    for offset, written in enumerate([{"states": [(one, b"1")]}, {"additions": [(one, b"+"), (two, b"2")]},
                                      {"additions": [(two, b"+"), (three, b"3")]}]):  # fmt: skip
        assert await store.commit([Commit(0, (offset, 0), PartitionHead(offset + 1), **written)]) == [DONE]
        keys.append({key.decode().partition("}:")[2].partition(":")[0] for key in await client.keys(f"*{namespace}*")})
    assert keys == [{"head", "journal"}, {"head", "journal"}, {"head", "a"}]
    assert await store.load_states(0, [one, two, three]) == [b"1+", b"2+", b"3"]
    await store.drop_namespace()


async def test_journals_that_fill_alike_are_folded_one_after_the_other(stack, open_store, namespace, client):
    store = open_store(stack.redis_url, namespace=namespace, fold_at=8)
    for partition in range(3):
        await store.create_head(partition, PartitionHead(0))
    folded = []
    for offset, count in enumerate([7, 1, 1, 16]):
        head, states = PartitionHead(offset + 1), [(actor(10 * offset + number), b"1") for number in range(count)]
        commits = [Commit(partition, (offset, 0), head, states) for partition in range(3)]
        assert await store.commit(commits) == [DONE] * 3
        names = [f"{{{namespace}:{partition}}}:journal" for partition in range(3)]
        folded.append([partition for partition, name in enumerate(names) if not await client.exists(name)])
    # Eight actors are much; four more in all journals, and the next is folded; what has twice as much does not wait.
    assert folded == [[], [0], [1], [0, 1, 2]]
    await store.drop_namespace()


async def test_a_store_that_has_not_seen_the_journal_reads_it_before_it_writes(stack, open_store, namespace):
    """And so does one that saw an earlier one: two may commit from one position to the same."""
    first, second = (open_store(stack.redis_url, namespace=namespace, fold_at=4) for _ in range(2))
    await first.create_head(0, PartitionHead(0))
    one, two = actor(1), actor(2)
    timer = PartitionHead(0)
    assert await first.commit([Commit(0, (0, 0), timer, [(one, b"1")])]) == [DONE]
    assert await second.commit([Commit(0, (0, 0), timer, additions=[(one, b"a")])]) == [DONE]
    assert await first.commit([Commit(0, (0, 0), timer, additions=[(one, b"b"), (two, b"2")])]) == [DONE]
    assert await second.load_states(0, [one, two]) == [b"1ab", b"2"]
    assert await second.commit([Commit(0, (0, 0), timer, deleted=[one])]) == [DONE]
    assert await first.load_states(0, [one, two]) == [None, b"2"]
    assert await first.commit([Commit(0, (0, 0), timer, additions=[(two, b"+")])]) == [DONE]
    assert await second.load_states(0, [one, two]) == [None, b"2+"]
    await first.drop_namespace()


async def test_states_that_are_asked_for_while_a_commit_begins_are_whole(stack, open_store, namespace):
    """The answer leaves out a journal that was known when it was asked for, and is not any more."""
    store = open_store(stack.redis_url, namespace=namespace)
    await store.create_head(0, PartitionHead(0))
    one = actor(1)
    await store.commit([Commit(0, (0, 0), PartitionHead(1), [(one, b"1")])])
    asked = asyncio.create_task(store.load_states(0, [one]))
    scanned = asyncio.create_task(store.scan_shard(0, shard_of(one, store.shards)))
    await asyncio.sleep(0)
    assert await store.commit([Commit(0, (1, 0), PartitionHead(2), additions=[(one, b"+")])]) == [DONE]
    assert (await asked)[0] in {b"1", b"1+"}
    assert await scanned == {}
    assert await store.load_states(0, [one]) == [b"1+"]
    await store.drop_namespace()


async def test_a_worker_that_takes_a_partition_over_knows_nothing_of_an_earlier_history(
    stack, open_store, namespace, client
):
    """The store goes back, another worker counts on, and then the first one again, with entries of the same numbers."""
    first, second = (open_store(stack.redis_url, namespace=namespace) for _ in range(2))
    one, two = actor(1), actor(2)
    names = [f"{{{namespace}:0}}:head", f"{{{namespace}:0}}:journal"]
    await first.create_head(0, PartitionHead(0))
    await first.commit([Commit(0, (0, 0), PartitionHead(1), [(one, b"1")])])
    kept = {name: await client.dump(name) for name in names}
    await first.commit([Commit(0, (1, 0), PartitionHead(2), additions=[(one, b"lost")])])
    for name, dump in kept.items():
        await client.restore(name, 0, dump, replace=True)
    assert await second.raise_epoch(0) == 1
    await second.commit([Commit(0, (1, 1), PartitionHead(2, epoch=1), [(two, b"2")])])
    assert await first.raise_epoch(0) == 2
    assert await first.commit([Commit(0, (2, 2), PartitionHead(3, epoch=2))]) == [DONE]
    assert await first.load_states(0, [one, two]) == [b"1", b"2"]
    await first.drop_namespace()
