"""In which partition of its topic an actor lies: what the topic's producers do, found from records that are there.

In:  actors of a sample with the partition of each.
Out: a partitioner by name; for an actor, the number of its partition.

A wrong guess would count one person as two, in two partitions. So nothing is guessed: exactly one partitioner must
put every sampled actor where it lies, and there must be enough of them that this is no chance.
"""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from zlib import crc32

import msgspec
from aiokafka.partitioner import murmur2

from stream.errors import ReplayError

CHANCE = 1e-6
"""How likely it may be that another way of spreading keys agrees with the whole sample."""

REMEMBERED_ACTORS = 1 << 17  # a murmur2 in Python costs 13 us, and actors come back


def _java(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


def _plain(actor: str) -> bytes:
    return actor.encode()


_quoted: Callable[[str], bytes] = msgspec.json.Encoder().encode

PARTITIONERS: Mapping[str, tuple[Callable[[str], bytes], Callable[[bytes], int]]] = {
    "murmur2": (_plain, _java),
    "crc32": (_plain, crc32),
    "murmur2-json": (_quoted, _java),
    "crc32-json": (_quoted, crc32),
}
"""By name, the bytes of an actor's key (itself, or itself as a JSON string) and their hash.

murmur2 is what Kafka's own clients and aiokafka use, crc32 what librdkafka and our repartition topic do.
"""


def partition_of(partitioner: str, partitions: int) -> Callable[[str], int]:
    """Return the function from an actor to its partition."""
    key_of, hash_of = PARTITIONERS[partitioner]

    @lru_cache(REMEMBERED_ACTORS)
    def number(actor: str) -> int:
        return hash_of(key_of(actor)) % partitions

    return number


def find_partitioner(topic: str, sample: Mapping[int, Collection[str]]) -> str:
    """Return the name of the partitioner by which these actors lie in these partitions (all of the topic's).

    Raises `ReplayError` if none does, or the sample cannot tell.
    """
    partitions = len(sample)
    if partitions == 1:
        return next(iter(PARTITIONERS))
    actors = len(set().union(*sample.values()))
    if partitions**-actors > CHANCE:
        raise ReplayError(
            f"topic {topic}: {actors} actors where the run begins are too few to tell in which of its {partitions} "
            f"partitions those of the files belong; say how its producers choose one: --partitioner {_names()}"
        )
    found = [name for name in PARTITIONERS if _agrees(name, sample)]
    if len(found) != 1:
        raise ReplayError(
            f"topic {topic}: its actors do not lie in its {partitions} partitions as {_names()} puts them, so those of "
            "the files cannot be put beside them; let its records go through a topic keyed by actor first "
            "(repartition.enabled: true, docs/sources.md)"
        )
    return found[0]


def _agrees(partitioner: str, sample: Mapping[int, Collection[str]]) -> bool:
    number = partition_of(partitioner, len(sample))
    return all(number(actor) == partition for partition, actors in sample.items() for actor in actors)


def _names() -> str:
    *names, last = PARTITIONERS
    return f"{', '.join(names)} or {last}"
