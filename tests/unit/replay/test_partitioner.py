"""Which partition an actor is in: as Kafka's clients say, and refused where the topic's records say otherwise."""

from zlib import crc32

import pytest
from aiokafka.partitioner import DefaultPartitioner

from stream.errors import ReplayError
from stream.replay.partitioner import PARTITIONERS, find_partitioner, partition_of

ACTORS = [f"user-{number}" for number in range(60)] + ["Zoë", 'a "b"', ""]


def spread(number_of, partitions, actors=ACTORS):
    sample = {number: set() for number in range(partitions)}
    for actor in actors:
        sample[number_of(actor)].add(actor)
    return sample


def test_murmur2_is_that_of_kafkas_own_clients():
    theirs = DefaultPartitioner()
    ours = partition_of("murmur2", 7)
    assert [ours(actor) for actor in ACTORS] == [theirs(actor.encode(), range(7), None) for actor in ACTORS]


def test_a_quoted_actor_is_hashed_with_its_quotes():
    assert partition_of("crc32-json", 5)("Zoë") == crc32('"Zoë"'.encode()) % 5


@pytest.mark.parametrize("name", PARTITIONERS)
@pytest.mark.parametrize("partitions", [2, 8, 300])
def test_the_partitioner_is_found_by_where_actors_lie(name, partitions):
    assert find_partitioner("shop", spread(partition_of(name, partitions), partitions)) == name


def test_one_partition_has_everybody():
    assert partition_of(find_partitioner("shop", {0: set()}), 1)("ann") == 0


def test_keys_that_nobody_known_has_spread_are_refused():
    with pytest.raises(ReplayError, match=r"topic shop: its actors do not lie in its 4 partitions as murmur2, crc32"):
        find_partitioner("shop", spread(lambda actor: len(actor) % 4, 4))


def test_one_actor_out_of_place_is_enough_to_refuse():
    sample = spread(partition_of("crc32", 4), 4)
    sample[(partition_of("crc32", 4)("ann") + 1) % 4].add("ann")
    with pytest.raises(ReplayError, match="do not lie"):
        find_partitioner("shop", sample)


@pytest.mark.parametrize(("partitions", "enough"), [(2, 20), (10, 6), (1000, 2)])
def test_a_sample_that_may_agree_by_chance_is_no_evidence(partitions, enough):
    number_of = partition_of("murmur2", partitions)
    assert find_partitioner("shop", spread(number_of, partitions, ACTORS[:enough])) == "murmur2"
    with pytest.raises(ReplayError, match=r"too few to tell .*--partitioner murmur2, crc32"):
        find_partitioner("shop", spread(number_of, partitions, ACTORS[: enough - 1]))
