"""Which Redis is taken and which is refused, and the ways in: rights, TLS, cluster."""

import asyncio
import re
import subprocess
import time
from pathlib import Path

import pytest
import redis.asyncio

from stream.errors import StoreRefused, StoreUnavailable
from stream.store.contract import DONE, Commit, Moved, PartitionHead
from stream.store.keys import shard_of

pytestmark = pytest.mark.service
DOCS = Path(__file__).parents[3] / "docs" / "state.md"
DEADLINE_S = 30.0


async def test_a_policy_that_evicts_is_refused_with_or_without_a_limit(redis_server, open_store):
    for limit in ("0", "100mb"):
        server = redis_server("--maxmemory", limit, "--maxmemory-policy", "volatile-lru")
        with pytest.raises(StoreRefused, match=r"may evict state .maxmemory-policy volatile-lru.; set .* noeviction"):
            await open_store(server.url).check()


async def test_settings_that_cost_memory_or_data_are_advised_on(redis_server, open_store):
    plain = redis_server("--hash-max-listpack-value", "64", "--hash-max-listpack-entries", "100")
    advice = "\n".join(await open_store(plain.url).check())
    for text in ("append-only file is off", "hash-max-listpack-value is 64", "hash-max-listpack-entries is 100"):
        assert text in advice
    good = redis_server("--appendonly", "yes", "--hash-max-listpack-value", "512", "--hash-max-listpack-entries", "512")
    assert list(await open_store(good.url).check()) == []


async def test_a_replica_is_refused_at_start(redis_server, open_store):
    primary, replica = redis_server(), redis_server()
    async with redis.asyncio.Redis.from_url(replica.url) as client:
        await client.replicaof("127.0.0.1", primary.port)
    with pytest.raises(StoreRefused, match="Redis is a replica; name its primary"):
        await open_store(replica.url).check()


def documented_rights(user):
    """Return what docs/state.md gives this user, word by word."""
    return re.search(rf"ACL SETUSER {user} on >\S+ (.*)", DOCS.read_text())[1].split()


async def lock_down(server, rights):
    async with redis.asyncio.Redis.from_url(server.url) as client:
        await client.execute_command("ACL", "SETUSER", "funnel", "reset", "on", ">secret", *rights)
    return f"redis://funnel:secret@127.0.0.1:{server.port}/0"


async def test_the_documented_rights_are_enough_for_a_worker(redis_server, open_store):
    server = redis_server("--appendonly", "yes")
    store = open_store(await lock_down(server, documented_rights("funnel")), shards=4)
    assert [text for text in await store.check() if "CONFIG is not allowed" not in text] == []
    await store.create_head(0, PartitionHead(0))
    await store.set_active_funnel_set(b"{}", None)
    one = Commit(0, (0, 0), PartitionHead(1), [(b"ab", b"1")], [(b"ef", b"2")], [b"cd"], {b"c": b"1"}, [b"d"], b"r")
    assert await store.commit([one]) == [DONE]
    assert await store.load_states(0, [b"ab", b"ef"]) == [b"1", b"2"]
    assert (await store.load_cells(0), await store.load_rollups(1)) == ({b"c": b"1"}, [b"r"])
    assert await store.raise_epoch(0) == 1
    assert await store.scan_shard(0, shard_of(b"ab", 4)) == {}
    assert await store.active_funnel_set() == b"{}"


async def test_each_documented_right_is_needed_and_named_when_it_is_missing(redis_server, open_store):
    server = redis_server()
    commands = [right for right in documented_rights("funnel") if right.startswith("+")]
    assert len(commands) > 5
    for missing in commands:
        rights = [right for right in documented_rights("funnel") if right != missing]
        with pytest.raises(StoreRefused, match=f"lacks a right .*'{missing[1:]}'"):
            await open_store(await lock_down(server, rights)).check()


async def test_the_documented_rights_of_an_operator_drop_a_namespace(redis_server, open_store):
    server = redis_server()
    store = open_store(await lock_down(server, documented_rights("funnel-operator")))
    await store.create_head(0, PartitionHead(0))
    await store.drop_namespace()
    assert await store.load_head(0) is None


async def test_the_documented_rights_of_the_page_are_enough_to_read_and_not_to_write(redis_server, open_store):
    server = redis_server()
    worker = open_store(server.url, shards=4)
    await worker.create_head(0, PartitionHead(0))
    await worker.set_active_funnel_set(b"{}", None)
    one = Commit(0, (0, 0), PartitionHead(1), [(b"ab", b"1")], [], [], {b"c": b"1"}, [], b"r")
    assert await worker.commit([one]) == [DONE]
    page = open_store(await lock_down(server, documented_rights("funnel-page")), shards=4)
    assert (await page.load_head(0)).next_offset == 1
    assert (await page.load_rollups(1), await page.load_cells(0)) == ([b"r"], {b"c": b"1"})
    assert await page.load_states(0, [b"ab"]) == [b"1"]
    assert await page.active_funnel_set() == b"{}"
    with pytest.raises(StoreRefused, match="lacks a right"):
        await page.commit([Commit(0, (1, 0), PartitionHead(2), [(b"ab", b"2")])])
    assert await worker.load_states(0, [b"ab"]) == [b"1"]


async def test_a_user_without_rights_to_the_keys_is_refused(redis_server, open_store):
    rights = [right for right in documented_rights("funnel") if not right.startswith("~")]
    url = await lock_down(redis_server(), [*rights, "~other*"])
    with pytest.raises(StoreRefused, match="lacks a right"):
        await open_store(url).check()


async def test_a_right_lost_at_run_time_stops_a_commit_before_it_writes(redis_server, open_store):
    server = redis_server()
    rights = documented_rights("funnel")
    store = open_store(await lock_down(server, rights))
    await store.create_head(0, PartitionHead(0))
    for missing in ("+hdel", "+set", "+hset"):
        await lock_down(server, [right for right in rights if right != missing])
        with pytest.raises(StoreRefused, match="lacks a right"):
            await store.commit([Commit(0, (0, 0), PartitionHead(1), [(b"ab", b"1")], [(b"ef", b"2")], rollup=b"r")])
    await lock_down(server, rights)
    assert await store.load_head(0) == PartitionHead(0)
    assert await store.load_states(0, [b"ab", b"ef"]) == [None, None]
    assert await store.load_rollups(1) == [None]


async def test_a_wrong_password_is_said_without_repeating_it(redis_server, open_store):
    server = redis_server("--requirepass", "right")
    store = open_store(server.url, password="wr0ng-secret")  # noqa: S106 (made up for this test)
    with pytest.raises(StoreRefused, match="refused the login") as raised:
        await store.check()
    assert "wr0ng-secret" not in str(raised.value)
    with pytest.raises(StoreRefused, match="refused the login"):
        await open_store(server.url).load_head(0)
    assert await open_store(server.url, password="right").load_head(0) is None  # noqa: S106


async def test_nobody_listening_is_an_outage_not_a_refusal(redis_server, open_store):
    server = redis_server()
    server.stop()
    for cluster in (False, True):
        with pytest.raises(StoreUnavailable, match="load_head of partitions 0 got no clear answer"):
            await open_store(server.url, cluster=cluster).load_head(0)


@pytest.fixture
def certificate(tmp_path):
    """Make a key and a certificate of this host that is its own authority."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*make, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key, certificate


async def test_tls_with_the_right_authority_works_and_without_it_is_an_outage(redis_server, open_store, certificate):
    key, certificate = map(str, certificate)
    server = redis_server()
    async with redis.asyncio.Redis.from_url(server.url) as client:
        await client.config_set("tls-cert-file", certificate, "tls-key-file", key, "tls-ca-cert-file", certificate)
        await client.config_set("tls-auth-clients", "no")
        await client.config_set("port", "0", "tls-port", str(server.port))
    url = server.url.replace("redis://", "rediss://")
    store = open_store(url, tls_ca_file=certificate)
    assert await store.create_head(0, PartitionHead(3)) is True
    assert await store.load_head(0) == PartitionHead(3)
    with pytest.raises(StoreUnavailable, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed"):
        await open_store(url).load_head(0)


@pytest.fixture
async def cluster(redis_server):
    """Two nodes that share the slots."""
    nodes = [redis_server("--cluster-enabled", "yes") for _ in range(2)]
    slots = [(0, 8_000), (8_001, 16_383)]
    for node, (first, last) in zip(nodes, slots, strict=True):
        async with redis.asyncio.Redis.from_url(node.url) as client:
            await client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
            await client.execute_command("CLUSTER MEET", "127.0.0.1", nodes[0].port, nodes[0].cluster_port)
    deadline = time.monotonic() + DEADLINE_S
    for node in nodes:
        async with redis.asyncio.Redis.from_url(node.url) as client:
            while (await client.execute_command("CLUSTER INFO"))["cluster_state"] != "ok":
                assert time.monotonic() < deadline, "the cluster does not form"
                await asyncio.sleep(0.05)
    return nodes


async def test_a_cluster_keeps_each_partition_in_one_slot(cluster, open_store):
    store = open_store(cluster[0].url, cluster=True)
    await store.check()
    partitions = range(8)
    assert [await store.create_head(number, PartitionHead(0)) for number in partitions] == [True] * 8
    states = [(number.to_bytes(3, "little"), b"state %d" % number) for number in range(200)]
    commits = [Commit(number, (0, 0), PartitionHead(5), states, rollup=b"%d" % number) for number in partitions]
    assert await store.commit(commits) == [DONE] * 8
    assert await store.commit(commits[:3]) == [Moved(5, 0)] * 3
    assert await store.load_rollups(8) == [b"%d" % number for number in partitions]
    for number in partitions:
        assert await store.load_states(number, [key for key, _ in states]) == [state for _, state in states]
    for node in cluster:
        async with redis.asyncio.Redis.from_url(node.url) as client:
            assert await client.dbsize() > 0
    await store.drop_namespace()
    assert [await store.load_head(number) for number in partitions] == [None] * 8


async def test_a_cluster_goes_on_after_a_node_was_away(cluster, open_store):
    """Commits to the lost node are an outage, those after its return are taken."""
    store = open_store(cluster[0].url, cluster=True)
    partitions = range(8)
    for number in partitions:
        await store.create_head(number, PartitionHead(0))
    cluster[1].kill()
    with pytest.raises(StoreUnavailable):
        await store.commit([Commit(number, (0, 0), PartitionHead(1)) for number in partitions])
    cluster[1].start()
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            heads = [await store.load_head(number) for number in partitions]
            break
        except StoreUnavailable:
            assert time.monotonic() < deadline, "the store does not come back"
            await asyncio.sleep(0.05)
    # The node kept nothing on disk: its partitions have no head, the others have the new one.
    assert set(heads) == {PartitionHead(1), None}
    results = await store.commit([Commit(number, (1, 0), PartitionHead(2)) for number in partitions])
    assert results == [Moved(-1, -1) if head is None else DONE for head in heads]


async def test_a_node_of_a_cluster_is_refused_as_a_single_server(cluster, open_store):
    store = open_store(cluster[0].url)
    with pytest.raises(StoreRefused, match="set cluster: true"):
        await store.load_rollups(8)


async def test_a_single_server_is_refused_as_a_cluster(redis_server, open_store):
    with pytest.raises(StoreRefused, match="set cluster: false"):
        await open_store(redis_server().url, cluster=True).load_head(0)
