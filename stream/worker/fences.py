"""Partitions that somebody else has taken over: how long a worker leaves them alone.

In:  partitions whose epoch was found raised by another; revocations; any clock that only goes forward.
Out: the partitions that must not be taken over yet.

A worker that was stopped for a while finds its successor's epoch before Kafka tells it that it has
lost its partitions. If it raised the epoch again, the two would take the partition from each other
until then. So it waits for Kafka's word; only where none comes is the partition still its own.
"""

from collections.abc import Collection, Iterable

FENCE_S = 5.0  # twice the time between heartbeats: by then Kafka has said what there is to say


class Fences:
    """Since when each partition belongs to another worker, as far as the store can tell."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}

    def put_up(self, partition: int, now_s: float) -> None:
        """Remember that another worker has the partition; an earlier time stays."""
        self._since.setdefault(partition, now_s)

    def take_down(self, partitions: Iterable[int]) -> None:
        """Forget it: Kafka has said whose these partitions are, or they were taken over."""
        for partition in partitions:
            self._since.pop(partition, None)

    def standing(self, partitions: Collection[int], now_s: float) -> list[int]:
        """Return those of `partitions` that must not be taken over yet."""
        return sorted(
            number for number in partitions if number in self._since and now_s - self._since[number] < FENCE_S
        )
