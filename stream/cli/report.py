"""`funnel report`: what live has counted, straight from the store, at one instant.

In:  the command line; the tracker file and its funnels.
Out: tables or JSON (docs/analyze.md); exit status 0, or 1 if a conservation law is broken, the analysis of the
     topic says something else, or live did not catch up in time.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import UNSET

from stream.analyze.compare import broken_laws, compare
from stream.analyze.document import iso, live_funnels, records
from stream.analyze.forms import VERSION, HeadDoc, ReportDoc
from stream.analyze.live import LiveView, count_as_live, open_live, read_live
from stream.analyze.read_topic import Span, read_topic, topic_spans
from stream.analyze.show import console, show_report
from stream.cli.analyze import as_of_ms
from stream.errors import KafkaRefused, KafkaUnavailable, ReportError
from stream.model.funnel import Funnel
from stream.model.result import Rollup
from stream.model.verdict import Verdict
from stream.settings.load import load_funnels, load_tracker
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Store
from stream.worker.pointer import Live

POLL_S = 0.2


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `report`."""
    parser = subparsers.add_parser(
        "report",
        help="print what live has counted, exactly and at one instant",
        description="Read all partitions' counts from the store and add them up at one instant. Writes nothing.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="tracker file (default: config/tracker.yaml)")
    parser.add_argument("--as-of", type=as_of_ms, metavar="TIME", help="ISO 8601 instant, not before what is counted "
                        "(default: the largest watermark)")  # fmt: skip
    parser.add_argument("--wait-caught-up", type=seconds, metavar="S", help="first wait until all records that the "
                        "topic has now are counted; exit status 1 if that takes longer")  # fmt: skip
    parser.add_argument("--compare-topic", action="store_true", help="count the topic anew, up to where live is, and "
                        "compare every number; exit status 1 if any differs")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Report; returns the exit status. Raises `FunnelError` where the operator must act."""
    tracker = load_tracker(args.config, os.environ)
    funnels = load_funnels(tracker.funnels, tracker.period)
    document = asyncio.run(_report(args, tracker, funnels))
    if args.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")
    else:
        show_report(document, console())
    differs = document.differences is not UNSET and bool(document.differences)
    return 1 if document.broken_laws or differs else 0


async def _report(args: argparse.Namespace, tracker: TrackerSettings, funnels: Sequence[Funnel]) -> ReportDoc:
    async with open_live(tracker, funnels) as (store, live):
        if args.compare_topic:
            _check_comparable(live)
        spans = await _spans(tracker, must=args.wait_caught_up is not None)
        if args.wait_caught_up is not None:
            await wait_caught_up(store, {number: span.end for number, span in spans.items()}, args.wait_caught_up)
        view = await read_live(store, live.funnels, live.settings)
    rollup = view.roll_up(args.as_of)
    differences = await compare_topic(live.settings, live.funnels, view, rollup) if args.compare_topic else UNSET
    verdicts = [0] * len(Verdict) if rollup is None else rollup.verdicts
    return ReportDoc(
        format="funnel-report",
        version=VERSION,
        as_of=None if rollup is None or rollup.as_of_ms is None else iso(rollup.as_of_ms),
        records=records(verdicts),
        partitions=_heads(view, spans),
        without_head=list(view.missing),
        broken_laws=[] if rollup is None else broken_laws(rollup),
        funnels=[] if rollup is None else live_funnels(rollup, live.funnels),
        differences=differences,
    )


def _check_comparable(live: Live) -> None:
    """Raise `ReportError` for a run that leaves out what entered before it began."""
    if live.run is not None and any(start.since_ms is not None for start in live.run.starts.values()):
        raise ReportError(
            f"{live.title} is live and began at an instant: the whole topic comes to something else, so that "
            "--compare-topic cannot be asked for"
        )


async def _spans(tracker: TrackerSettings, *, must: bool) -> dict[int, Span]:
    """Return the log's offsets; none if Kafka cannot be asked, unless it `must`."""
    try:
        return await topic_spans(tracker.kafka, tracker.log_topic)
    except (KafkaUnavailable, KafkaRefused) as error:
        if must:
            raise
        sys.stderr.write(f"funnel report: no lag is shown: {error}\n")
        return {}


async def wait_caught_up(store: Store, ends: Mapping[int, int], within_s: float) -> None:
    """Wait until every partition is counted up to `ends`. Raises `ReportError` after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while True:
        heads = {number: await store.load_head(number) for number in ends}
        behind = {
            number: end - (head.next_offset if head is not None else 0)
            for number, end in ends.items()
            for head in (heads[number],)
            if end and (head is None or head.next_offset < end)
        }
        if not behind:
            return
        if time.monotonic() > deadline:
            raise ReportError(
                f"not caught up within {within_s:g} s: {sum(behind.values())} offsets to go on partitions "
                f"{', '.join(map(str, sorted(behind)))}; see a worker's /readyz for what it waits for"
            )
        await asyncio.sleep(POLL_S)


async def compare_topic(
    tracker: TrackerSettings, funnels: Sequence[Funnel], view: LiveView, rollup: Rollup | None
) -> list[str]:
    """Count the log up to where live is, and return what differs from live's `rollup`, in words."""
    if rollup is None:
        return []
    count = count_as_live(tracker, funnels)
    until = {number: partition.head.next_offset for number, partition in view.partitions.items()}
    spans = await read_topic(tracker.kafka, tracker.log_topic, count.take, until)
    analyzed = count.finish(rollup.as_of_ms)
    if analyzed.rollup is None:
        return [f"live has counted {sum(rollup.verdicts)} records, the topic holds none of them any more"]
    differences = compare(rollup, analyzed.rollup)
    if differences and sum(rollup.verdicts) != sum(analyzed.verdicts):
        # Then nothing else can be expected, and this is what to look at.
        begin = ", ".join(f"{number}: {span.first}" for number, span in sorted(spans.items()))
        differences.insert(0, f"live has counted {sum(rollup.verdicts)} records, the topic still holds "
                           f"{sum(analyzed.verdicts)} (partitions begin at {begin})")  # fmt: skip
    return differences


def _heads(view: LiveView, spans: Mapping[int, Span]) -> list[HeadDoc]:
    return [
        HeadDoc(
            partition=number,
            next_offset=partition.head.next_offset,
            lag=max(0, spans[number].end - partition.head.next_offset) if number in spans else None,
            watermark=None if partition.head.watermark_ms is None else iso(partition.head.watermark_ms),
            records=records(partition.head.verdicts),
            gaps=partition.head.gaps,
        )
        for number, partition in sorted(view.partitions.items())
    ]


def seconds(text: str) -> float:
    """Read a length of time in seconds; 0 is one."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f'"{text}" is no number of seconds (try 30)')
    return number
