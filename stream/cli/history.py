"""`funnel history`: the past into Prometheus, with its own timestamps (docs/history.md).

In:  the command line; the tracker file and its funnels; the tracker's log topic, or a file.
Out: `export`: a folder of OpenMetrics files. `push`: remote write. Exit status 0 once all of it is there.
"""

import argparse
import asyncio
import gc
import os
import re
from collections.abc import Iterator
from pathlib import Path

from rich.progress import Progress

from stream.analyze.document import iso
from stream.analyze.past import Past
from stream.analyze.show import console
from stream.cli.analyze import COLLECT, as_of_ms, chosen_funnels, progress_bar, read_log, register_log
from stream.errors import HistoryError
from stream.history.export import export, prepare
from stream.history.push import Receiver, push
from stream.ingest.admission import Limits
from stream.ingest.mapping import Mapping as FieldMapping
from stream.metrics.history import PastPages, Sample
from stream.settings import durations
from stream.settings.load import load_tracker, tracker_path

STEP = "60s"
INSTANCE = "history"
"""Unlike any worker's, so that past samples and a worker's are never of one series."""

Instants = Iterator[tuple[int, Iterator[Sample]]]


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands `history export` and `history push`."""
    parser = subparsers.add_parser(
        "history",
        help="put the past of the funnels into Prometheus, with its own timestamps",
        description="Count the log, or a file, as of one instant after another, and put what /metrics would have shown "
        "into Prometheus. Live numbers, and what live has stored, do not change.",
    )
    ways = parser.add_subparsers(metavar="WAY", required=True)
    to_files = ways.add_parser(
        "export", help="into OpenMetrics files, for promtool tsdb create-blocks-from openmetrics"
    )
    to_files.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new or empty folder")
    _register_past(to_files)
    to_files.set_defaults(run=run_export)
    to_receiver = ways.add_parser("push", help="to a Prometheus by remote write")
    to_receiver.add_argument("--url", required=True, help="such as http://127.0.0.1:9090/api/v1/write; log in by "
                             "FUNNEL_PUSH_TOKEN, or FUNNEL_PUSH_USER and FUNNEL_PUSH_PASSWORD")  # fmt: skip
    _register_past(to_receiver)
    to_receiver.set_defaults(run=run_push)


def _register_past(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", default=None, metavar="FILE",
                        help="JSON lines or CSV with a header; .gz is unpacked; - is standard input (default: the "
                        "tracker's log topic)")  # fmt: skip
    parser.add_argument("--from", dest="since", type=as_of_ms, metavar="TIME",
                        help="ISO 8601; first instant (default: the first event)")  # fmt: skip
    parser.add_argument("--to", dest="until", type=as_of_ms, metavar="TIME",
                        help="ISO 8601; last instant (default: the largest watermark)")  # fmt: skip
    parser.add_argument("--step", type=_step_ms, default=STEP, metavar="DURATION",
                        help="between instants, which are multiples of it (default: %(default)s)")  # fmt: skip
    parser.add_argument("--label", action="append", default=[], type=_label, metavar="NAME=VALUE",
                        help=f"label of every series, as scraping adds them (default: instance={INSTANCE}, and job as "
                        "alerts.job of the tracker file)")  # fmt: skip
    register_log(parser)


def run_export(args: argparse.Namespace) -> int:
    """Write the files. Raises `HistoryError`, or another `FunnelError`, where the operator must act."""
    prepare(args.out)
    with progress_bar() as progress:
        done = export(_instants(args, progress), args.out)
    console().print(f"{done.samples:,} samples in {len(done.files)} files of {args.out}", highlight=False)
    return 0


def run_push(args: argparse.Namespace) -> int:
    """Send the samples. Raises as `run_export` does."""
    token, user, password = (os.environ.get(f"FUNNEL_PUSH_{name}", "") for name in ("TOKEN", "USER", "PASSWORD"))
    receiver = Receiver(args.url, token, user, password)
    with progress_bar() as progress:
        instants = _instants(args, progress)
        done = asyncio.run(push(instants, args.step, receiver))
    console().print(f"{done.samples:,} samples in {done.requests:,} requests to {receiver.url}", highlight=False)
    return 0


def _instants(args: argparse.Namespace, progress: Progress) -> Instants:
    """Read the log, then return each instant of its past with its samples."""
    if args.since is not None and args.until is not None and args.since > args.until:
        raise HistoryError(f"--from {iso(args.since)} is after --to {iso(args.until)}")
    tracker = load_tracker(tracker_path(args.config, os.environ), os.environ)
    funnels = chosen_funnels(args.funnel, tracker)
    added = {"job": tracker.alerts.job, "instance": INSTANCE} | dict(args.label)
    pages = PastPages(funnels, tracker.rolling, added, tracker.metrics.max_series)
    args.topic = tracker.log_topic if args.file is None else None
    gc.freeze()
    gc.set_threshold(*COLLECT)

    def new_past(mapping: FieldMapping, limits: Limits, bot_cap: int) -> Past:
        return Past(funnels, mapping, limits, tracker.rolling, bot_cap, tracker.age_matched)

    past = read_log(args, tracker, new_past, progress)
    instants = _span(past, args)
    span = f"{iso(instants[0])} to {iso(instants[-1])}, every {durations.to_text(args.step)}"
    progress.console.print(span, highlight=False, soft_wrap=True)
    rollups = past.rollups(instants, tracker.export, tracker.allowed_lateness_ms)
    counted = progress.track(zip(instants, rollups, strict=True), len(instants), description="counting")
    return ((instant, pages.samples(rollup)) for instant, rollup in counted)


def _span(past: Past, args: argparse.Namespace) -> range:
    """Return the instants: multiples of the step from the first event to the largest watermark, as far as wanted."""
    first_ms, latest_ms = past.first_ms, past.latest_ms
    if first_ms is None or latest_ms is None:
        raise HistoryError("nothing to export: no record is an event of these funnels (try `funnel probe`)")
    since_ms = first_ms if args.since is None else max(first_ms, args.since)
    until_ms = latest_ms if args.until is None else min(latest_ms, args.until)
    step_ms: int = args.step
    instants = range(-(-since_ms // step_ms) * step_ms, until_ms + 1, step_ms)
    if not instants:
        raise HistoryError(
            f"no instant: events are known from {iso(first_ms)} to {iso(latest_ms)} (the largest watermark); give "
            f"--from and --to with a multiple of {durations.to_text(step_ms)} in between, or a smaller --step"
        )
    return instants


def _step_ms(text: str) -> int:
    try:
        step_ms = durations.to_ms(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if step_ms < 1_000:
        raise argparse.ArgumentTypeError(
            f"{text} is less than a second (60s is usual: samples are shown for 5 minutes)"
        )
    return step_ms


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value or not value.isprintable() or re.fullmatch("(?!__)[a-zA-Z_][a-zA-Z0-9_]*", name) is None:
        raise argparse.ArgumentTypeError(f'"{text}" is no label and value (try instance=history)')
    return name, value
