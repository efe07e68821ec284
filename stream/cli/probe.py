"""`funnel probe`: what a topic or a file holds, how it maps, and the config to paste.

In:  the command line; the tracker file and its funnels, if there are any.
Out: a report or JSON (docs/probe.md); exit status 0 if any record maps to an event, else 1.
"""

import argparse
import asyncio
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec

from stream.model.funnel import Funnel
from stream.probe.analyse import Known, analyse
from stream.probe.read_file import read_file
from stream.probe.read_topic import read_topic
from stream.probe.report import show
from stream.probe.sample import DEFAULT_RECORDS
from stream.settings.load import load_funnels, load_tracker, tracker_path
from stream.settings.sources import mapping_of
from stream.settings.tracker import KafkaSettings, SourceSettings, TrackerSettings


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `probe`."""
    parser = subparsers.add_parser(
        "probe",
        help="say what a topic or a file holds, how it maps, and what to write in the config",
        description="Read a sample of a topic or a file and say which mapping fits, what matches the funnels, how late "
        "events come, and what to write in the config. Joins no consumer group, commits nothing, prints no values.",
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--topic", help="Kafka topic")
    target.add_argument("--file", help="JSON lines; .gz is unpacked; - is standard input")
    parser.add_argument("--sample", type=_count, default=DEFAULT_RECORDS, metavar="N",
                        help=f"read at most N records (default {DEFAULT_RECORDS})")  # fmt: skip
    parser.add_argument("--config", type=Path, help="tracker file (default: FUNNEL_TRACKER, else config/tracker.yaml, "
                        "if it is there): servers, security, the mapping of this topic, funnels")  # fmt: skip
    parser.add_argument("--funnels", type=Path, help="funnel file or folder (default: the one the tracker file names)")
    parser.add_argument("--bootstrap", help="Kafka servers (default: KAFKA_BOOTSTRAP_SERVERS, else the tracker file's)")
    parser.add_argument("--show-values", action="store_true", help="show example values: they may be personal")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Probe; returns the exit status. Raises `FunnelError` where the operator must act."""
    tracker = _tracker(args)
    kafka = _kafka(args, tracker)
    if args.topic is not None:
        sample = asyncio.run(read_topic(kafka, args.topic, args.sample))
    else:
        sample = read_file(args.file, args.sample)
    known = _known(args, tracker, kafka)
    findings = analyse(sample, known, time.time_ns() // 1_000_000, show_values=args.show_values)
    if args.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode() + "\n")
    else:
        show(findings)
    return 0 if findings.mapped else 1


def _tracker(args: argparse.Namespace) -> TrackerSettings | None:
    """Read the tracker file; one that nobody named need not be there."""
    path = tracker_path(args.config, os.environ)
    is_named = args.config is not None or bool(os.environ.get("FUNNEL_TRACKER"))
    return load_tracker(path, os.environ) if is_named or path.exists() else None


def _kafka(args: argparse.Namespace, tracker: TrackerSettings | None) -> KafkaSettings:
    if tracker is not None:
        return tracker.kafka if args.bootstrap is None else replace(tracker.kafka, bootstrap=args.bootstrap)
    servers = args.bootstrap or os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    return KafkaSettings(bootstrap=servers) if servers else KafkaSettings()


def _known(args: argparse.Namespace, tracker: TrackerSettings | None, kafka: KafkaSettings) -> Known:
    # Users, passwords and files stay where they are: a config with them is not to be pasted over.
    is_plain = args.topic is not None and kafka.security.protocol == "plaintext"
    known = Known(_funnels(args, tracker), servers=kafka.bootstrap if is_plain else "")
    source = _source(args, tracker)
    if source is None:
        return known
    return replace(known, configured=(source.preset, mapping_of(source)), max_future_skew_ms=source.max_future_skew_ms)


def _funnels(args: argparse.Namespace, tracker: TrackerSettings | None) -> tuple[Funnel, ...]:
    period = tracker.period if tracker is not None else None
    if args.funnels is not None:
        return load_funnels(args.funnels, period)
    return load_funnels(tracker.funnels, period) if tracker is not None and tracker.funnels.exists() else ()


def _source(args: argparse.Namespace, tracker: TrackerSettings | None) -> SourceSettings | None:
    """Return the source that reads the topic; for a file the tracker file's only one, if --config names it."""
    if tracker is None:
        return None
    if args.topic is None:
        return tracker.sources[0] if args.config is not None and len(tracker.sources) == 1 else None
    return next((each for each in tracker.sources if _reads(each, args.topic)), None)


def _reads(source: SourceSettings, topic: str) -> bool:
    return topic in source.topics or (source.pattern is not None and re.fullmatch(source.pattern, topic) is not None)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'"{text}" is no number of records (try {DEFAULT_RECORDS})')
    return int(text)
