"""Columns are what aiokafka's own reader yields, record by record."""

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from stream.worker.columns import take_columns

TP = TopicPartition("clicks", 0)
LZ4, NONE = 3, 0
MANY = 1 << 30

RECORDS = st.lists(
    st.tuples(st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=30)), min_size=1, max_size=5
)
BATCHES = st.lists(st.tuples(RECORDS, st.integers(-1, 2), st.booleans(), st.integers(0, 2)), max_size=6)


def log(batches):
    """Bytes as a broker sends them: (records, producer id of a transaction or -1, compressed, gap before) each."""
    data, offset = b"", 0
    for records, producer, is_compressed, gap in batches:
        offset += gap
        builder = DefaultRecordBatchBuilder(2, LZ4 if is_compressed else NONE, producer >= 0, producer, 0, 0, 1 << 20)
        for index, (key, value) in enumerate(records):
            builder.append(index, 1_000 + index, key, value, [("h", b"x")])
        body = bytes(builder.build())
        data += offset.to_bytes(8, "big") + body[8:]
        offset += len(records)
    return data


def source(data, aborted=(), fetch_offset=0):
    return PartitionRecords(TP, MemoryRecords(data), list(aborted), fetch_offset, None, None, True, READ_COMMITTED)


@given(
    BATCHES,
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20)), max_size=3),
    st.integers(0, 8),
    st.integers(1, 4),
)
def test_columns_are_what_aiokafka_yields_wherever_they_are_cut(batches, aborted, fetch_offset, most):
    data = log(batches)
    theirs = source(data, aborted, fetch_offset)
    expected = [(r.value, r.offset, r.timestamp, r.key) for r in theirs]
    ours, rows, is_empty = source(data, aborted, fetch_offset), [], False
    while not is_empty:
        columns, is_empty = take_columns(ours, most, MANY)
        rows += zip(columns.values, columns.offsets, columns.record_times, columns.keys, strict=True)
        assert columns.next_offset == ours.next_fetch_offset
    assert rows == expected
    assert ours.next_fetch_offset == theirs.next_fetch_offset


@given(BATCHES, st.integers(0, 8), st.integers(1, 4), st.integers(1, 20))
def test_what_is_read_up_to_an_end_is_what_lies_before_it(batches, fetch_offset, most, length):
    """Also where the end lies in a hole that compaction left, or in markers of transactions."""
    data, end = log(batches), fetch_offset + length
    expected = [(r.value, r.offset) for r in source(data, (), fetch_offset) if r.offset < end]
    ours, rows, is_empty, reached = source(data, (), fetch_offset), [], False, 0
    while not is_empty and reached < end:
        columns, is_empty = take_columns(ours, most, MANY)
        reached = columns.next_offset
        columns.end_at(end)
        assert columns.next_offset == min(reached, end)
        assert columns.size_bytes == sum(len(value) for value in columns.values if value is not None)
        assert len(columns.offsets) == len(columns.record_times) == len(columns.keys)
        rows += zip(columns.values, columns.offsets, strict=True)
    assert rows == expected


def test_bytes_bound_a_take_too():
    data = log([([(None, b"x" * 100)], -1, False, 0)] * 4)
    columns, is_empty = take_columns(source(data), MANY, 150)
    assert (len(columns.values), columns.size_bytes, is_empty) == (2, 200, False)


def test_a_flipped_bit_is_refused():
    data = bytearray(log([([(None, b"x" * 100)], -1, False, 0)]))
    data[-10] ^= 1
    with pytest.raises(CorruptRecordException, match="wrong checksum"):
        take_columns(source(bytes(data)), MANY, MANY)
