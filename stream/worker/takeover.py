"""Take over assigned partitions: ask Kafka about the log and the sink where to go on, and seek there.

In:  the partitions of an assignment.
Out: partitions that are read from the stored offset, in a new fetch epoch.

Kafka or the store away: the reason is kept for the readiness endpoint, and it is tried again
with growing pauses for as long as the assignment lasts. A worker is never lost over an outage.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from stream.errors import KafkaRefused, KafkaUnavailable, StoreUnavailable
from stream.worker.contract import LogState

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0  # an outage may last; half a minute without a try would be felt after it
ASK_TIMEOUT_S = 20.0

Answer = TypeVar("Answer")


class Outage:
    """What is known to be away, for readiness and for the watchdog. `source` is who noticed: each ends its own."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    @property
    def reason(self) -> str:
        """What is away, empty when all is well."""
        return next(iter(self._reasons.values()), "")

    def begin(self, reason: str, source: str = "") -> None:
        """Remember `reason`, and log it unless it is the one already known."""
        if reason not in self._reasons.values():
            log.warning("waiting: %s", reason)
        self._reasons[source] = reason

    def end(self, source: str = "") -> None:
        """All is well again, as far as `source` can tell."""
        reason = self._reasons.pop(source, "")
        if reason and not self._reasons:
            log.warning("going on; it was: %s", reason)


async def until_available(ask: Callable[[], Awaitable[Answer]], outage: Outage) -> Answer:
    """Call `ask` until it neither raises `StoreUnavailable` nor `KafkaUnavailable`; pauses double up to 10 s."""
    pause = FIRST_PAUSE_S
    while True:
        try:
            answer = await ask()
        except (StoreUnavailable, KafkaUnavailable) as error:
            outage.begin(str(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)
        else:
            outage.end()
            return answer


async def log_states(consumer: AIOKafkaConsumer, topic: str, partitions: Collection[int]) -> dict[int, LogState]:
    """Ask Kafka about each partition's log and the group's committed offset.

    Raises `KafkaUnavailable` without an answer, `KafkaRefused` if rights are missing.
    """
    tps = [TopicPartition(topic, partition) for partition in sorted(partitions)]
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            beginnings = await consumer.beginning_offsets(tps)
            ends = await consumer.end_offsets(tps)
            committed = {tp: await consumer.committed(tp) for tp in tps}
    except (KafkaError, TimeoutError) as error:
        raise kafka_error(error, f"asking for the offsets of topic {topic}") from error
    count = len(consumer.partitions_for_topic(topic) or ())
    return {tp.partition: LogState(beginnings[tp], ends[tp], committed[tp], count) for tp in tps}


def kafka_error(error: BaseException, doing: str) -> KafkaUnavailable | KafkaRefused:
    """Say which of the two an error of aiokafka means, and what was being done."""
    said = str(error) or type(error).__name__
    if isinstance(error, TimeoutError):
        return KafkaUnavailable(f"Kafka does not answer ({doing}); its servers must be up and reachable")
    if isinstance(error, KafkaError) and not error.retriable and not isinstance(error, KafkaConnectionError):
        return KafkaRefused(f"Kafka refuses ({doing}): {said}; check the rights of this user and the topic")
    return KafkaUnavailable(f"Kafka is away ({doing}): {said}")
