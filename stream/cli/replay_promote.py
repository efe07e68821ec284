"""`funnel replay promote` and `rollback`: let live go on from a run, and back.

In:  the command line; the tracker file and its funnels; the store's list of runs, the ends of the log.
Out: what was switched, and when workers followed; exit status 0, or 1 if nothing was switched or no worker followed.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from typing import TypeAlias

from stream.analyze.live import open_store
from stream.analyze.read_topic import topic_spans
from stream.cli.report import seconds
from stream.replay.catalog import open_run_store
from stream.replay.promote import MAX_LAG_RECORDS, Place, Switch, promote, roll_back, taken_over
from stream.settings.counting import counting_rules
from stream.settings.load import load_funnels, load_tracker
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Store

FOLLOWED_WITHIN_S = 15.0

_Make: TypeAlias = Callable[[argparse.Namespace, TrackerSettings, Place], Awaitable[Switch]]


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands to those of `funnel replay`."""
    parser = subparsers.add_parser(
        "promote",
        help="let live go on from a run",
        description="Make a run live: workers go on from where it stands, without a restart. The run must follow the "
        "log, count every funnel that live counts, and be close to its end. Interrupted, say it again.",
    )
    parser.add_argument("--name", required=True, metavar="R", help="the run")
    parser.add_argument("--max-lag", type=_count, default=MAX_LAG_RECORDS, metavar="N",
                        help=f"how many records behind it may be at most (default: {MAX_LAG_RECORDS})")  # fmt: skip
    _add_common(parser, lambda args: _run(args, _promote))
    parser = subparsers.add_parser(
        "rollback",
        help="let live go on where it was before the last promote",
        description="Undo the newest promote: workers go on with what was live before, from its own offsets.",
    )
    _add_common(parser, lambda args: _run(args, _roll_back))


def _add_common(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    parser.add_argument("--wait", type=seconds, default=FOLLOWED_WITHIN_S, metavar="S",
                        help=f"how long to wait for workers to follow (default: {FOLLOWED_WITHIN_S:g})")  # fmt: skip
    parser.add_argument("--config", type=Path, metavar="FILE", help="tracker file (default: config/tracker.yaml)")
    parser.set_defaults(run=run)


def _run(args: argparse.Namespace, make: _Make) -> int:
    """Switch; returns the exit status. Raises `ReplayError` where that cannot be, `FunnelError` for other reasons."""
    return asyncio.run(_switch(args, load_tracker(args.config, os.environ), make))


async def _switch(args: argparse.Namespace, tracker: TrackerSettings, make: _Make) -> int:
    async with AsyncExitStack() as stack:

        @cache
        def opened(name: str) -> Store:
            store = open_run_store(tracker, name) if name else open_store(tracker)
            stack.push_async_callback(store.close)
            return store

        log = tracker.log_topic
        switch = await make(args, tracker, Place(opened, log, await topic_spans(tracker.kafka, log)))
        _say(
            f"{switch.now.title} is live now, {switch.lag_records} records behind the log; it was {switch.before.title}"
        )
        for number, offset in sorted(switch.at_offsets.items()):
            _say(f"partition {number}: {switch.before.title} stands at offset {offset}")
        if switch.ahead:
            _say(f"{switch.ahead} records that the run has counted and live had not: no dead letters of these are sent")
        return _told(switch, await taken_over(switch, args.wait), args.wait)


async def _promote(args: argparse.Namespace, tracker: TrackerSettings, place: Place) -> Switch:
    files = counting_rules(tracker, load_funnels(tracker.funnels, tracker.period))
    return await promote(place, args.name, files, args.max_lag, int(time.time() * 1000))


async def _roll_back(_args: argparse.Namespace, _tracker: TrackerSettings, place: Place) -> Switch:
    return await roll_back(place)


def _told(switch: Switch, followed: Mapping[int, float], within_s: float) -> int:
    for number, waited_s in sorted(followed.items()):
        _say(f"partition {number}: a worker has taken it over after {waited_s:.1f} s")
    left = [str(number) for number in sorted(switch.epochs.keys() - followed.keys())]
    if left:
        _say(
            f"no worker has taken over partitions {', '.join(left)} within {within_s:g} s: the switch is made, and "
            "workers follow as soon as they run and reach the store; /readyz of each says what it waits for"
        )
    return 1 if left else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'"{text}" is no number of records (try {MAX_LAG_RECORDS})')
    return int(text)
