"""`funnel replay compare`: whether a run is equal to live, number by number.

In:  the command line; the tracker file and its funnels; both namespaces in the store; the log in Kafka.
Out: the comparison as text or JSON; exit status 0 if they are equal, 1 if not. Writes nothing.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import msgspec

from stream.analyze.live import open_store
from stream.analyze.read_topic import Topic
from stream.analyze.show import console
from stream.replay.compare import compare_run
from stream.replay.compared import comparison_document, show_comparison
from stream.settings.load import load_funnels, load_tracker


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `compare`."""
    parser = subparsers.add_parser(
        "compare",
        help="whether a run is equal to live",
        description="Compare every number that a run and live both keep, at the same offsets and the same instant: "
        "rolling windows and their slots, periods, stages, totals, all segments. Whichever is behind is counted on in "
        "memory. A run that is live is compared with what it replaced. Writes nothing; exit status 1 if any differs.",
    )
    parser.add_argument("--name", required=True, metavar="RUN", help="name of the run: a-z 0-9 _ -")
    parser.add_argument("--config", type=Path, metavar="FILE", help="tracker file (default: config/tracker.yaml)")
    parser.add_argument("--json", action="store_true", help="print JSON, with all that differs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare; returns the exit status. Raises `FunnelError` where the operator must act."""
    tracker = load_tracker(args.config, os.environ)
    funnels = load_funnels(tracker.funnels, tracker.period)
    found = asyncio.run(compare_run(tracker, funnels, args.name, lambda topic: Topic(tracker.kafka, topic), open_store))
    document = comparison_document(found)
    if args.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")
    else:
        show_comparison(document, console())
    return 0 if document.equal else 1
