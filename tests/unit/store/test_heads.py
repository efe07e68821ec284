"""A head comes back from its fields as it was, or is refused with what would be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import StoreRefused
from stream.store.contract import PartitionHead
from stream.store.heads import decode_head, encode_head

counts = st.integers(0, 2**63)
times = st.none() | st.integers(-(2**63), 2**63)
heads = st.builds(
    PartitionHead, counts, counts, times, times, st.tuples(*[counts] * 7), counts, st.text(), counts, counts, counts
)


def fields_of(head, shards):
    parts = encode_head(head, shards)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@given(heads)
def test_a_head_comes_back_as_it_was(head):
    assert decode_head(fields_of(head, 8), "here", 8) == head


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({b"format": b"3"}, 'here: format "3", this release reads 2'),
        ({b"format": b""}, 'here: format "", this release reads 2'),
        ({b"shards": b"16"}, "here: written with 16 shards, configured are 8; set shards to 16"),
        ({b"next_offset": b"x"}, "here: not a head of ours"),
        ({b"bot": b"-1"}, "here: not a head of ours"),
    ],
)
def test_fields_of_something_else_are_refused(changed, text):
    with pytest.raises(StoreRefused) as raised:
        decode_head(fields_of(PartitionHead(0), 8) | changed, "here", 8)
    assert text in str(raised.value)


def test_a_missing_field_is_refused():
    fields = fields_of(PartitionHead(0), 8)
    del fields[b"gaps"]
    with pytest.raises(StoreRefused, match=r"here: not a head of ours .*gaps"):
        decode_head(fields, "here", 8)
