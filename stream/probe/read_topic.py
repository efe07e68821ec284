"""A sample of a topic, from both ends of every partition. Reading joins no group and commits nothing.

In:  the cluster's settings, a topic.
Out: a `Sample` with two runs per partition, or one where the partition is small enough to be read whole.
"""

import asyncio
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from stream.errors import ProbeError
from stream.model.event import Record
from stream.probe.sample import MAX_BYTES, Run, Sample
from stream.settings.clients import kafka_arguments
from stream.settings.texts import closest
from stream.settings.tracker import KafkaSettings
from stream.worker.takeover import kafka_error

ASK_TIMEOUT_S = 20.0
QUIET_S = 5.0
"""What has not come by then is not waited for: the tail may be an open transaction."""

Range = tuple[int, int]  # first offset, and the one behind the last


async def read_topic(kafka: KafkaSettings, topic: str, max_records: int) -> Sample:
    """Read at most `max_records` of `topic`.

    Raises `ProbeError` if there is no such topic, `KafkaUnavailable` or `KafkaRefused` if Kafka does not let us.
    """
    doing = f"reading topic {topic} at {kafka.bootstrap}"
    consumer = AIOKafkaConsumer(
        **kafka_arguments(kafka),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            await consumer.start()
            await _require_topic(consumer, topic, kafka.bootstrap)
            spans = await _spans(consumer, topic)
        return await _read(consumer, topic, spans, max_records)
    except (KafkaError, TimeoutError) as error:
        raise kafka_error(error, doing) from error
    finally:
        await consumer.stop()


async def _require_topic(consumer: AIOKafkaConsumer, topic: str, bootstrap: str) -> None:
    # Asked for by name, a missing topic would be created by brokers that are set so.
    topics = await consumer.topics()
    if topic not in topics:
        guess = closest(topic, topics)
        hint = f'did you mean "{guess}"?' if guess else f"there are {len(topics)} topics that this user may see"
        raise ProbeError(f'topic "{topic}" does not exist at {bootstrap} ({hint})')


async def _spans(consumer: AIOKafkaConsumer, topic: str) -> dict[TopicPartition, Range]:
    await consumer._client.add_topic(topic)  # noqa: SLF001 (its partitions are known only then)
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    consumer.assign(partitions)
    first, end = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    return {tp: (first[tp], end[tp]) for tp in partitions}


async def _read(
    consumer: AIOKafkaConsumer, topic: str, spans: Mapping[TopicPartition, Range], max_records: int
) -> Sample:
    heads, tails = plan({tp.partition: span for tp, span in spans.items()}, max_records)
    runs, note = [], ""
    for ranges in (heads, tails):
        wanted = {TopicPartition(topic, partition): each for partition, each in ranges.items()}
        found, why = await _read_ranges(consumer, wanted)
        runs += [Run(tp.partition, records) for tp, records in found.items() if records]
        note = note or why
    total = sum(end - first for first, end in spans.values())
    return Sample(topic, True, tuple(runs), len(spans), total, note)


def plan(spans: Mapping[int, Range], max_records: int) -> tuple[dict[int, Range], dict[int, Range]]:
    """Share `max_records` out over the partitions: ranges of offsets at their beginnings, and at their ends.

    What a small partition leaves over goes to larger ones; a partition read whole has no range at its end.
    """
    heads: dict[int, Range] = {}
    tails: dict[int, Range] = {}
    left = max_records
    by_size = sorted(spans.items(), key=lambda item: item[1][1] - item[1][0])
    for place, (partition, (first, end)) in enumerate(by_size):
        share = min(end - first, -(-left // (len(by_size) - place)))
        left -= share
        at_head = share if share == end - first else share // 2
        if at_head:
            heads[partition] = (first, first + at_head)
        if share > at_head:
            tails[partition] = (end - share + at_head, end)
    return heads, tails


async def _read_ranges(
    consumer: AIOKafkaConsumer, ranges: Mapping[TopicPartition, Range]
) -> tuple[dict[TopicPartition, list[Record]], str]:
    """Read until each range is complete, too large, or nothing comes any more."""
    found: dict[TopicPartition, list[Record]] = {tp: [] for tp in ranges}
    room = MAX_BYTES // 2
    consumer.pause(*consumer.assignment())
    for tp, (first, _) in ranges.items():
        consumer.seek(tp, first)
        consumer.resume(tp)
    open_ones = set(ranges)
    while open_ones and room > 0:
        batches = await consumer.getmany(*open_ones, timeout_ms=int(QUIET_S * 1000))
        if not batches:
            return found, f"{len(open_ones)} partitions gave fewer records than their offsets promise"
        for tp, batch in batches.items():
            for each in batch:
                if each.offset < ranges[tp][1] and room > 0:
                    record_ms = each.timestamp if each.timestamp >= 0 else None  # Kafka's -1 is none
                    found[tp].append(Record(each.value, each.offset, record_ms, each.key))
                    room -= len(each.value or b"") + len(each.key or b"")
        open_ones = {tp for tp in open_ones if await consumer.position(tp) < ranges[tp][1]}
        consumer.pause(*(set(batches) - open_ones))
    return found, f"the sample was cut at {MAX_BYTES >> 20} MiB" if room <= 0 else ""
