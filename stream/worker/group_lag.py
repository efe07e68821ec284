"""How many records of the sources the repartitioning workers, all together, have not brought into the log yet.

In:  a consumer of their group, the sources' topics.
Out: a number about once a second, None while it is not known.

Kafka is asked, and no worker about its own partitions: records wait, too, in those of a worker that has just died.
"""

import asyncio
import logging
import time
from collections.abc import Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from stream.worker.batch_sender import ANSWER_S

log = logging.getLogger(__name__)

LOOK_S = 1.0  # as often as offsets are committed: a burst that is over shows as lag for two seconds at most
KNOWN_S = 3.0


class GroupLag:
    """Asks with `consumer`, whose group and isolation level are meant; it need not hold a partition."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._records: int | None = None
        self._asked_s = 0.0

    def records(self) -> int | None:
        """Return the lag as last asked; None if Kafka has not answered for 3 s, or somewhere nobody has begun."""
        return self._records if time.monotonic() - self._asked_s <= KNOWN_S else None

    async def run(self, topics: Collection[str]) -> None:
        """Ask until cancelled; what cannot be answered is not known, and not this task's to put right."""
        while True:
            asked_s = time.monotonic()
            try:
                async with asyncio.timeout(ANSWER_S):
                    self._records = await self._ask(topics)
                self._asked_s = asked_s
            except (KafkaError, OSError, TimeoutError) as error:
                log.info("the lag of the repartitioning group is not known: %r", error)
            await asyncio.sleep(LOOK_S)

    async def _ask(self, topics: Collection[str]) -> int | None:
        partitions = {topic: self._consumer.partitions_for_topic(topic) for topic in topics}
        if not all(partitions.values()):
            return None  # the client has not heard of the topic yet
        wanted = [TopicPartition(topic, number) for topic, numbers in partitions.items() for number in numbers]
        coordinator: Any = self._consumer._coordinator  # noqa: SLF001 (`committed` asks for one at a time)
        committed = await coordinator.fetch_committed_offsets(wanted)
        # Afterwards: then 0 says that at this moment nothing was waiting.
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(wanted)
        if committed.keys() != ends.keys():
            return None
        return sum(max(0, end - int(committed[tp].offset)) for tp, end in ends.items())
