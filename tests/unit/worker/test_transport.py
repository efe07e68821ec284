"""What Kafka's group says to a consumer that comes or goes."""

import pytest

from stream.worker.transport import BatchConsumer, ConsumerNotStarted, RebalanceListener


class Consumer:
    """A consumer that is not connected, or not any more."""

    _kafka = None
    _ensure_consumer = BatchConsumer._ensure_consumer

    def __init__(self, *, should_stop):
        self.should_stop = should_stop


async def test_who_leaves_is_assigned_nothing_any_more():
    await RebalanceListener(Consumer(should_stop=True)).on_partitions_assigned(set())
    with pytest.raises(ConsumerNotStarted):
        await RebalanceListener(Consumer(should_stop=False)).on_partitions_assigned(set())
