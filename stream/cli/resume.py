"""`funnel resume --accept-gap`: let a partition go on whose log is not the one that was counted.

In:  the command line; the tracker file; what the store and Kafka say.
Out: a new head for each partition that was stuck, and what was done; exit status 0, or 1 if nothing was.

Workers stop rather than skip anything; this is how an operator decides that they shall go on. Run it
while they are stopped or waiting: a worker that still holds the partition is fenced off by the new epoch.
"""

import argparse
import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from stream.analyze.live import open_live, partition_count
from stream.analyze.read_topic import Span, record_at, topic_spans
from stream.errors import ResumeError, StoreUnavailable
from stream.settings.load import load_tracker
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Commit, Done, PartitionHead, Store
from stream.worker.partition import checksum_of


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `resume`."""
    parser = subparsers.add_parser(
        "resume",
        help="go on where records were lost or the topic was made anew",
        description="Set partitions to go on whose next record is gone: deleted before it was counted, or in a topic "
        "that was made anew. What is skipped is counted as a gap and stays visible. Refuses while nothing is wrong.",
    )
    parser.add_argument("--accept-gap", action="store_true", required=True,
                        help="say that the records in between are lost for good")  # fmt: skip
    parser.add_argument("--partition", type=int, metavar="N", help="only this partition (default: all that are stuck)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="tracker file (default: config/tracker.yaml)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Set stuck partitions to go on. Raises `ResumeError` if none is, `FunnelError` where the operator must act."""
    tracker = load_tracker(args.config, os.environ)
    lines = asyncio.run(_resume(tracker, args.partition))
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


async def _resume(tracker: TrackerSettings, only: int | None) -> list[str]:
    async with open_live(tracker) as (store, live):
        return await resume(store, live.settings, only)


async def resume(store: Store, tracker: TrackerSettings, only: int | None = None) -> list[str]:
    """Set the stuck partitions (or `only` one) to go on; returns what was done.

    Raises `ResumeError` if no partition is stuck, or going on would count actors in the wrong partition.
    """
    topic = tracker.log_topic
    spans = await topic_spans(tracker.kafka, topic)
    counted = await partition_count(store)
    numbers = range(counted) if only is None else [only]
    lines = []
    for number in numbers:
        head = await store.load_head(number)
        if head is None:
            if only is not None:
                raise ResumeError(f"partition {number} of namespace {tracker.redis.namespace} was never counted")
            continue
        if number not in spans or head.partition_count not in {0, len(spans)}:
            raise ResumeError(
                f"topic {topic} was counted with {head.partition_count} partitions and now has {len(spans)}: actors "
                "lie in other partitions than their state; use a new namespace (redis.namespace) and count anew"
            )
        span = spans[number]
        found = await record_at(tracker.kafka, topic, number, head.next_offset - 1) if head.checksum else []
        is_other = bool(found) and checksum_of(head.next_offset - 1, found[0]) != head.checksum
        decided = going_on(head, span, is_other=is_other)
        if decided is None:
            continue
        new_head, why = decided
        await _store(store, number, head, new_head)
        lines.append(
            f"topic {topic} partition {number}: {why}; goes on at offset {new_head.next_offset}, "
            f"gaps {head.gaps} -> {new_head.gaps}"
        )
    if not lines:
        which = f"partition {only}" if only is not None else "any partition"
        raise ResumeError(f"nothing is wrong with {which} of topic {topic}: workers go on from what is stored")
    return lines


def going_on(head: PartitionHead, span: Span, *, is_other: bool) -> tuple[PartitionHead, str] | None:
    """Return the head from which a stuck partition goes on, and why it was stuck; None if it is not.

    is_other: the record before the stored offset is another one than was counted. A gap counts the offsets that are
    skipped; where the log is another one nobody knows how many records are missing, so that it counts at least 1.
    """
    if head.next_offset < span.first:
        skipped = span.first - head.next_offset
        why = f"next to count was offset {head.next_offset}, but the log begins at {span.first}"
    elif head.next_offset > span.end:
        skipped = max(1, span.first)
        why = f"next to count was offset {head.next_offset}, but the log ends at {span.end}: it was made anew"
    elif is_other:
        skipped = max(1, span.first)
        why = f"the record before offset {head.next_offset} is not the one that was counted: it was made anew"
    else:
        return None
    new_head = replace(head, next_offset=span.first, epoch=head.epoch + 1, checksum=0, gaps=head.gaps + skipped)
    return new_head, why


async def _store(store: Store, number: int, head: PartitionHead, new_head: PartitionHead) -> None:
    (result,) = await store.commit([Commit(number, head.position, new_head)])
    if not isinstance(result, Done):
        raise StoreUnavailable(
            "resume", (number,), "a worker wrote in between, so that it is not stuck; look again with `funnel report`"
        )
