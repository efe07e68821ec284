"""What the Kafka side of a worker hands to whoever counts, and what it expects back.

Out: one `PartitionBatch` per partition and commit, the offsets to continue from, the lag.

The Kafka side calls a `BatchSink` from one event loop and never twice at once: `assign`,
`revoke`, `count` and `tick` do not overlap, so that a sink needs no lock of its own. What `count`
began to store may still be on its way during the next `count` or `tick`, but not during the others.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class PartitionBatch(NamedTuple):
    """The next records of one partition, as columns: `values[i]` was read at `offsets[i]`.

    from_offset: where this batch's fetch began. Equal to the stored next offset, else the batch is
    not the next one. The first record may lie behind it (compaction, markers of transactions).
    first_offset: offset of the first record; `next_offset` if there is none.
    next_offset: where the next batch begins; behind the last record and any markers that follow.
    values may be empty: markers alone still move the stored offset.
    record_times: the broker's stamps in ms UTC.
    keys: record keys. end_offset: end of what may be read (last stable offset), None before it is known.
    epoch: fetch epoch of the partition in which this was read. size_bytes: of the values.
    """

    partition: int
    from_offset: int
    first_offset: int
    next_offset: int
    values: list[bytes | None]
    record_times: list[int]
    offsets: Sequence[int]
    keys: list[bytes | None]
    end_offset: int | None
    epoch: int = 0
    size_bytes: int = 0


class LogState(NamedTuple):
    """What Kafka says about a partition at assignment.

    end_offset is the end of what may be read (transactions still open hold it back).
    committed_offset is the group's, None if it has none; it says only that the group was here before.
    """

    beginning_offset: int
    end_offset: int
    committed_offset: int | None
    partition_count: int


class Lag(NamedTuple):
    """Records between the stored and the end offset, and the age of the last one counted (0.0 without lag).

    end_offset: that of the partition, where a partition of the log is meant.
    """

    records: int
    seconds: float
    end_offset: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a batch and of what is in flight.

    max_records, max_bytes: of one partition batch; a producer's own record batch is not split by bytes.
    max_in_flight, max_in_flight_bytes: records fetched and not yet stored, all partitions together, and their
    values; one commit takes about half. Each may be passed by what is taken at once.
    gather_ms: pause between fetches while nothing is waiting at the broker.
    fetch_partition_bytes, fetch_bytes: of one answer of a broker (records compressed as the producer left them).
    """

    max_records: int = 50_000
    max_bytes: int = 16 << 20
    max_in_flight: int = 100_000
    max_in_flight_bytes: int = 64 << 20
    gather_ms: float = 5.0
    fetch_partition_bytes: int = 8 << 20
    fetch_bytes: int = 50 << 20


class BatchSink(Protocol):
    """Counts batches and stores the next offset with the counts, in one step."""

    async def start(self) -> None:
        """Connect and check. Raises `StoreUnavailable` (tried again with backoff) or an operator's error (ends it)."""

    async def stop(self) -> None:
        """Let go of the connections; nothing is in flight any more."""

    async def assign(self, partitions: Mapping[int, LogState]) -> Mapping[int, int]:
        """Take these partitions over and return the offset to read each from.

        Also called for partitions already held, after `count`, its future or `tick` raised `StoreUnavailable`:
        then everything remembered about them is void. Raises `StoreUnavailable`, or an operator's error.
        """

    async def revoke(self, partitions: Collection[int]) -> None:
        """Forget these partitions; none of their batches is in flight, and unknown ones are no error."""

    async def count(self, batches: Sequence[PartitionBatch]) -> asyncio.Future[Mapping[int, int]]:
        """Count the batches, at most one of each partition, and begin to store them, after those counted before.

        The future is done when they are stored: with {} if all are, else with the offset to read on from for each
        partition whose batch is not. Both raise `StoreUnavailable` or `KafkaUnavailable` (dead letters): the
        caller waits for whatever else is on its way, pauses, and assigns all its partitions anew.
        """

    async def tick(self, lag: Mapping[int, Lag]) -> None:
        """Do what time alone calls for, several times a second.

        `lag` has the partitions whose lag is known: a missing one must not be taken for zero.
        """

    def is_ready(self) -> tuple[bool, str]:
        """Whether numbers are being kept up, and if not, why."""
