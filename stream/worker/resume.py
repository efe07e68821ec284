"""Decide from where a partition may be read on, or refuse (DESIGN D2).

In:  the stored head and what Kafka says about the log.
Out: the first head of a partition nobody counted yet; or an error that says what an operator
     can do. Nothing is ever skipped silently.
"""

import logging
from collections.abc import Mapping

from stream.errors import KafkaRefused, KafkaUnavailable, StoreUnavailable
from stream.store.contract import PartitionHead
from stream.worker.contract import LogState
from stream.worker.runs import Start

log = logging.getLogger(__name__)

REMEDY = "if the records in between are lost for good, `funnel resume --accept-gap` goes on and counts the gap"


def first_head(topic: str, partition: int, log_state: LogState, start_from: str, epoch: int) -> PartitionHead:
    """Return the head of a partition without one.

    If the group was here before, its state was lost: everything still retained is counted anew. Raises
    `KafkaUnavailable` if Kafka does not say how many partitions there are.
    """
    _check_partition_count(topic, log_state)
    if log_state.committed_offset is not None:
        log.error(
            "topic %s partition %d: the store has nothing of it, but the group has read up to %d: state was lost; "
            "counting again from the earliest retained offset %d",
            topic, partition, log_state.committed_offset, log_state.beginning_offset,
        )  # fmt: skip
        start = log_state.beginning_offset
    else:
        start = log_state.end_offset if start_from == "latest" else log_state.beginning_offset
    return _head_at(start, epoch, log_state)


def run_head(topic: str, partition: int, log_state: LogState, starts: Mapping[int, Start], epoch: int) -> PartitionHead:
    """Return the head with which a run begins a partition.

    Raises `KafkaRefused` if the log is not the one that the run was planned for, `KafkaUnavailable` as `first_head`,
    `StoreUnavailable` where files come first: whoever counts them makes the head.
    """
    _check_partition_count(topic, log_state)
    if log_state.partition_count != len(starts):
        raise KafkaRefused(
            f"topic {topic} has {log_state.partition_count} partitions, the run was planned for {len(starts)}: drop "
            "the run and start it anew"
        )
    if starts[partition].seam_ms is not None:
        raise files_first(partition)
    head = _head_at(starts[partition].offset, epoch, log_state)
    check_position(topic, partition, head, log_state)
    return head


def files_first(partition: int) -> StoreUnavailable:
    """Return the error for a partition of a run whose files are not counted yet."""
    return StoreUnavailable(
        "assign", (partition,), "the run's files are counted before its topic, by the process that has them"
    )


def _head_at(start: int, epoch: int, log_state: LogState) -> PartitionHead:
    return PartitionHead(next_offset=start, epoch=epoch, partition_count=log_state.partition_count, first_offset=start)


def check_position(topic: str, partition: int, head: PartitionHead, log_state: LogState) -> None:
    """Refuse to go on where the log is not the one that was counted.

    Raises `KafkaRefused`, or `KafkaUnavailable` if Kafka does not say how many partitions there are.
    """
    _check_partition_count(topic, log_state)
    where = f"topic {topic} partition {partition}"
    if head.partition_count and head.partition_count != log_state.partition_count:
        raise KafkaRefused(
            f"{where}: counted as a log of {head.partition_count} partitions, now it has {log_state.partition_count}: "
            "actors lie in other partitions than their state; use a new namespace (redis.namespace) and count anew"
        )
    if head.next_offset < log_state.beginning_offset:
        raise KafkaRefused(
            f"{where}: next to count is offset {head.next_offset}, but the log begins at "
            f"{log_state.beginning_offset}: records were deleted before they were counted; {REMEDY}"
        )
    if head.next_offset > log_state.end_offset:
        raise KafkaRefused(
            f"{where}: next to count is offset {head.next_offset}, but the log ends at {log_state.end_offset}: the "
            "topic was recreated, or this is another cluster; use a new namespace (redis.namespace), or "
            "`funnel resume --accept-gap` to count the new log into the old numbers"
        )


def _check_partition_count(topic: str, log_state: LogState) -> None:
    if log_state.partition_count == 0:  # its metadata is on the way; kept as a count, 0 would be compared with nothing
        raise KafkaUnavailable(f"Kafka does not say how many partitions topic {topic} has")


def read_from(head: PartitionHead, log_state: LogState) -> int:
    """Return where to read on: at the record before the stored offset, so that its checksum can be compared.

    Where retention has removed that record, or there is none, at the stored offset.
    """
    before = head.next_offset - 1
    return before if head.checksum and before >= log_state.beginning_offset else head.next_offset


def log_changed(topic: str, partition: int, head: PartitionHead, found: int) -> KafkaRefused:
    """Return the error for a record before the stored offset that is not the one that was counted."""
    return KafkaRefused(
        f"topic {topic} partition {partition}: the record before offset {head.next_offset} is not the one that was "
        f"counted (checksum {found:08x}, stored {head.checksum:08x}): the topic was recreated; use a new namespace "
        "(redis.namespace), or `funnel resume --accept-gap` to count the new log into the old numbers"
    )
