"""Decide whether a batch that Kafka delivered is the one that comes next.

In:  where each partition was sought to, and the batches that arrive.
Out: an answer for each batch; no batch out of place passes.

The trap: the client may have fetched records before, or while, a partition was sought, and they
can start behind the stored offset. The store's compare does not see such a hole. So each seek
raises the partition's fetch epoch, and a batch passes only if it was read in the current one and
its fetch began exactly where the last batch ended.
"""

from dataclasses import dataclass
from enum import Enum

from stream.worker.contract import PartitionBatch


class Admission(Enum):
    """What to do with a batch."""

    NEXT = "next"
    STALE = "stale"  # of an older epoch: drop it, the partition has been sought since
    HOLE = "hole"  # something between was lost on the way: drop it and seek again


@dataclass(slots=True)
class _Place:
    epoch: int
    expected: int
    is_open: bool


class FetchEpochs:
    """Fetch epoch and expected offset of each partition of one topic."""

    def __init__(self) -> None:
        self._places: dict[int, _Place] = {}

    def seek(self, partition: int, offset: int) -> int:
        """Start a new epoch at `offset` and return its number."""
        epoch = self.current(partition) + 1
        self._places[partition] = _Place(epoch, offset, is_open=True)
        return epoch

    def close(self, partition: int) -> None:
        """Start a new epoch in which nothing passes until the next `seek`."""
        self._places[partition] = _Place(self.current(partition) + 1, 0, is_open=False)

    def current(self, partition: int) -> int:
        """Return the epoch now, 0 before the first seek."""
        place = self._places.get(partition)
        return 0 if place is None else place.epoch

    def is_open(self, partition: int) -> bool:
        """Whether records of this partition may be read now."""
        place = self._places.get(partition)
        return place is not None and place.is_open

    def open_partitions(self) -> list[int]:
        """All partitions that may be read now."""
        return [partition for partition, place in self._places.items() if place.is_open]

    def expected(self, partition: int) -> int:
        """Return where the next batch must begin; `KeyError` for a partition that was never sought."""
        return self._places[partition].expected

    def is_current(self, batch: PartitionBatch) -> bool:
        """Whether no seek happened since the batch was read."""
        place = self._places.get(batch.partition)
        return place is not None and place.is_open and place.epoch == batch.epoch

    def admit(self, batch: PartitionBatch) -> Admission:
        """Judge a batch; one that is `NEXT` moves the expected offset to its end."""
        if not self.is_current(batch):
            return Admission.STALE
        place = self._places[batch.partition]
        if batch.from_offset != place.expected:
            return Admission.HOLE
        place.expected = batch.next_offset
        return Admission.NEXT
