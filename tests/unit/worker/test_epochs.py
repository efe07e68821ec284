"""A batch passes only if it is the one that comes next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.worker.contract import PartitionBatch
from stream.worker.epochs import Admission, FetchEpochs


def batch(from_offset, next_offset, epoch, partition=0, first_offset=None):
    first = from_offset if first_offset is None else first_offset
    offsets = list(range(first, next_offset))
    return PartitionBatch(
        partition, from_offset, first, next_offset, [b""] * len(offsets), [0] * len(offsets), offsets,
        [None] * len(offsets), next_offset, epoch,
    )  # fmt: skip


def test_batches_in_order_of_one_epoch_pass():
    epochs = FetchEpochs()
    epoch = epochs.seek(0, 10)
    assert [epochs.admit(batch(10, 15, epoch)), epochs.admit(batch(15, 16, epoch))] == [Admission.NEXT, Admission.NEXT]
    assert epochs.expected(0) == 16


def test_a_batch_read_before_a_seek_is_stale_even_if_it_begins_where_the_seek_went():
    epochs = FetchEpochs()
    old = epochs.seek(0, 10)
    epochs.seek(0, 10)
    assert epochs.admit(batch(10, 15, old)) is Admission.STALE


def test_a_hole_within_an_epoch_is_seen_and_moves_nothing():
    epochs = FetchEpochs()
    epoch = epochs.seek(0, 10)
    assert epochs.admit(batch(12, 15, epoch)) is Admission.HOLE
    assert epochs.expected(0) == 10


def test_records_missing_behind_the_fetch_offset_are_compaction_and_no_hole():
    epochs = FetchEpochs()
    epoch = epochs.seek(0, 10)
    assert epochs.admit(batch(10, 15, epoch, first_offset=13)) is Admission.NEXT


@pytest.mark.parametrize("close", [True, False], ids=["closed", "never-sought"])
def test_nothing_passes_where_nobody_sought(close):
    epochs = FetchEpochs()
    epoch = 0
    if close:
        epoch = epochs.seek(0, 0)
        epochs.close(0)
    assert epochs.admit(batch(0, 5, epoch)) is Admission.STALE
    assert epochs.open_partitions() == []


SEEKS = st.tuples(st.just("seek"), st.integers(0, 50))
ARRIVALS = st.tuples(st.just("arrive"), st.integers(0, 6))


@given(st.lists(SEEKS | ARRIVALS, max_size=60))
def test_what_passes_is_always_the_log_from_the_last_seek_without_hole_or_repeat(steps):
    """A reader that reads on, with batches that arrive late, out of order, or never."""
    epochs = FetchEpochs()
    position, epoch = 0, epochs.seek(0, 0)
    on_the_way, passed, began = [], [], 0
    for step, number in steps:
        if step == "seek":
            position, began, passed = number, number, []
            epoch = epochs.seek(0, number)
            continue
        on_the_way.append(batch(position, position + 3, epoch))
        position += 3
        arriving = on_the_way.pop(min(number, len(on_the_way) - 1))
        answer = epochs.admit(arriving)
        if answer is Admission.NEXT:
            passed += arriving.offsets
        elif answer is Admission.HOLE:
            position = epochs.expected(0)
            epoch = epochs.seek(0, position)
        assert passed == list(range(began, began + len(passed)))
