"""From where a partition may be read on; what is not the log that was counted is refused, with what to do."""

import pytest

from stream.errors import KafkaRefused, KafkaUnavailable
from stream.store.contract import PartitionHead
from stream.worker.contract import LogState
from stream.worker.resume import check_position, first_head, read_from

LOG = LogState(beginning_offset=10, end_offset=100, committed_offset=None, partition_count=4)


@pytest.mark.parametrize(
    ("start_from", "committed", "expected"),
    [
        pytest.param("earliest", None, 10, id="by-default-all-that-is-retained-counts"),
        pytest.param("latest", None, 100, id="or-only-what-comes"),
        pytest.param("latest", 70, 10, id="state-that-was-lost-is-counted-anew"),
    ],
)
def test_a_first_head(start_from, committed, expected):
    head = first_head("shop", 0, LOG._replace(committed_offset=committed), start_from, epoch=5)
    assert (head.next_offset, head.epoch, head.partition_count) == (expected, 5, 4)


@pytest.mark.parametrize(
    ("offset", "checksum", "expected"),
    [
        pytest.param(50, 7, 49, id="the-record-before-is-read-once-more"),
        pytest.param(50, 0, 50, id="unless-there-is-none"),
        pytest.param(10, 7, 10, id="or-retention-has-removed-it"),
        pytest.param(11, 7, 10, id="the-first-retained-one-is-there"),
    ],
)
def test_where_reading_goes_on(offset, checksum, expected):
    assert read_from(PartitionHead(offset, checksum=checksum), LOG) == expected


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (PartitionHead(9, partition_count=4), "the log begins at 10: records were deleted before they were counted"),
        (PartitionHead(101, partition_count=4), "the log ends at 100: the topic was recreated"),
        (PartitionHead(50, partition_count=3), "counted as a log of 3 partitions, now it has 4"),
    ],
)
def test_another_log_is_refused(head, said):
    with pytest.raises(KafkaRefused, match=said):
        check_position("shop", 2, head, LOG)


def test_both_ends_of_the_log_will_do():
    for offset in (10, 100):
        check_position("shop", 2, PartitionHead(offset, partition_count=4), LOG)


def test_without_metadata_nothing_is_decided():
    unknown = LOG._replace(partition_count=0)
    with pytest.raises(KafkaUnavailable, match="topic shop"):
        check_position("shop", 2, PartitionHead(50, partition_count=4), unknown)
    with pytest.raises(KafkaUnavailable, match="topic shop"):
        first_head("shop", 0, unknown, "earliest", epoch=5)
