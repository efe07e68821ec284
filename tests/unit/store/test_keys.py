"""Every key of a partition carries its hash tag, and an actor is always in the same shard."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.store.keys import Keys, shard_of


def test_all_keys_of_a_partition_share_one_hash_tag():
    keys = Keys("live", 4)
    names = [keys.head(3), keys.cells(3), keys.rollup(3), *keys.actors(3)]
    assert names == [b"{live:3}:" + rest for rest in (b"head", b"cells", b"rollup", b"a:0", b"a:1", b"a:2", b"a:3")]


@pytest.mark.parametrize("namespace", ["", "Live", "a b", "a:1", "{a}", "a*", "-a", "a" * 65, "a\n"])
def test_a_namespace_that_could_be_mistaken_is_refused(namespace):
    with pytest.raises(ValueError, match=re.escape(f'namespace "{namespace}"')):
        Keys(namespace, 4)


@pytest.mark.parametrize("shards", [0, -1, 3, 1 << 17])
def test_shards_are_a_power_of_two(shards):
    with pytest.raises(ValueError, match=f"shards: {shards} is not a power of two from 1 to 65536"):
        Keys("live", shards)


def test_the_pattern_finds_a_namespace_and_no_other():
    keys, longer = Keys("live", 1), Keys("live.2", 1)
    for name in (keys.head(0), keys.actors(9)[0], keys.funnel_set, keys.probe):
        assert fnmatch.fnmatchcase(name.decode(), keys.pattern)
    for name in (longer.head(0), longer.funnel_set):
        assert not fnmatch.fnmatchcase(name.decode(), keys.pattern)


@given(st.binary(min_size=2, max_size=16), st.integers(0, 16))
def test_a_shard_is_in_range_and_half_as_many_shards_keep_neighbours_together(key, power):
    assert 0 <= shard_of(key, 1 << power) < 1 << power
    assert shard_of(key, 1 << power) % max(1 << power >> 1, 1) == shard_of(key, max(1 << power >> 1, 1))
