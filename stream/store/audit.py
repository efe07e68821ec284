"""Is this Redis one that keeps what it was given? Asked once, at start.

In:  a client.
Out: advice, one text for each setting that costs memory or data; `StoreRefused`
     for one that would lose state without a sign.

The eviction policy is read from INFO, because CONFIG is often forbidden.
"""

from collections.abc import Mapping
from hashlib import sha1
from typing import Any

from redis.asyncio import RedisCluster
from redis.exceptions import ResponseError

from stream.errors import StoreRefused
from stream.store.connect import Client

MIN_VERSION = (6, 2)
# A shard beyond these becomes a hash table, and stays one: 1.3 (states of 100 bytes) to 2 times (24 bytes) the memory.
MIN_LISTPACK_ENTRIES = 512
MIN_LISTPACK_BYTES = 512


def probes(hash_key: bytes, text_key: bytes) -> list[tuple[Any, ...]]:
    """Return every command a worker needs, on two keys that nothing else uses; they leave nothing behind."""
    source = b"return 1"
    return [
        ("EVAL", source, 1, hash_key),
        ("EVALSHA", sha1(source, usedforsecurity=False).hexdigest(), 1, hash_key),
        ("EXISTS", hash_key),
        ("HSET", hash_key, "n", 1),
        ("HINCRBY", hash_key, "n", 1),
        ("HMGET", hash_key, "n"),
        ("HGETALL", hash_key),
        ("HLEN", hash_key),
        ("HDEL", hash_key, "n"),
        ("SET", text_key, "1", "PX", 1),
        ("GET", text_key),
    ]


async def audit(client: Client) -> list[str]:
    """Return advice on the settings of Redis; raises `StoreRefused`, or what the client raises."""
    advice: list[str] = []
    for node, info in (await _infos(client)).items():
        _refuse_unsafe(node, info)
        if not int(info.get("aof_enabled", 0)):
            advice.append(
                f"{node}: the append-only file is off; after a crash the state goes back to the last snapshot and "
                "Kafka replays the rest, as far as it still has it (set appendonly yes)"
            )
    return advice + await _listpack_advice(client)


def _refuse_unsafe(node: str, info: Mapping[str, Any]) -> None:
    version = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])
    if version < MIN_VERSION:
        raise StoreRefused(f"{node} is Redis {info['redis_version']}", "6.2 or later is needed")
    policy = info["maxmemory_policy"]
    if policy != "noeviction":
        raise StoreRefused(
            f"{node} may evict state (maxmemory-policy {policy})",
            "set maxmemory-policy noeviction, or use a Redis of its own",
        )
    if info.get("role", "master") != "master":
        raise StoreRefused(f"{node} is a replica", "name its primary in the Redis settings")


async def _infos(client: Client) -> dict[str, Mapping[str, Any]]:
    if isinstance(client, RedisCluster):
        await client.initialize()
        return {node.name: await client.info(target_nodes=node) for node in client.get_primaries()}
    return {"Redis": await client.info()}


async def _listpack_advice(client: Client) -> list[str]:
    try:
        if isinstance(client, RedisCluster):
            reply = await client.config_get("hash-max-*", target_nodes=client.get_random_node())
        else:
            reply = await client.config_get("hash-max-*")
    except ResponseError:
        return ["CONFIG is not allowed, so hash-max-listpack-entries and -value could not be looked at (docs/state.md)"]
    # Up to 6.2 the same settings are called ziplist; 7.0 answers with both names.
    found = {str(name).replace("ziplist", "listpack"): int(value or 0) for name, value in reply.items()}
    wanted = {"hash-max-listpack-entries": MIN_LISTPACK_ENTRIES, "hash-max-listpack-value": MIN_LISTPACK_BYTES}
    return [
        f"{name} is {found[name]}; with {least} or more the states take a quarter to a half less memory"
        for name, least in wanted.items()
        if found.get(name, least) < least
    ]
