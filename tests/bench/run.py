"""`make bench`: speed and latency on a real Kafka and Redis, beside an idiomatic Faust agent and the floors.

In:  the command line.
Out: tables; rows as JSON lines with --json; exit status 1 if anything was counted wrongly or a run failed.

Systems take turns, so that what disturbs the machine for a while disturbs all. docs/benchmarks.md says what is
measured and how; run it on an otherwise idle machine.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from stream.errors import FunnelError
from stream.stack import Stack
from stream.stack.jars import KAFKA_VERSION

from . import alerting, latency, machine, throughput
from .alerting import Alerted
from .latency import Latency
from .place import MANY_OPTIONS, TWENTY, BenchError, Place, place
from .standard import PARTITIONS, fill
from .systems import PAGES, Agent, Expected, Floor, Replay, System, Topic, Watched, Worker
from .table import Row, tables, write_docs
from .throughput import Throughput

DOCS = Path(__file__).parents[2] / "docs" / "benchmarks.md"
OURS, TWO, AGENT = "one worker", "two workers", "idiomatic Faust agent"
READ, DECODE = "floor: read", "floor: read and decode"
MANY, OPTIONED = "one worker with 20 funnels", "one worker with many options"
WATCHED = f"one worker with {PAGES} pages open"
REPLAY = "replay"
SYSTEMS = (OURS, TWO, AGENT, DECODE, READ, MANY, OPTIONED, WATCHED, REPLAY)
LATENCY, PAGE_LATENCY, BESIDE, ALERTING = "latency", "page latency", "latency beside a replay", "alerting"
PARTS = (*SYSTEMS, LATENCY, PAGE_LATENCY, BESIDE, ALERTING)


BEFORE_FALL_S = 420.0
"""The longest window that is quick enough to see the fall is full by then."""
AFTER_FALL_S = 900.0


class Machine(msgspec.Struct, tag_field="kind", tag="machine"):
    """The first line of a file of rows."""

    machine: dict[str, str]


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.run", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--events", type=int, default=1_000_000, help="events in the standard topic (default %(default)s)")
    add(
        "--agent-events", type=int, default=100_000, help="for the idiomatic agent, which is slow (default %(default)s)"
    )
    add("--runs", type=int, default=3, help="of each system, in turn (default %(default)s)")
    add("--rates", type=_rates, default=(5_000, 50_000), metavar="R,R", help="events/s of the latency runs "
        "(default 5000,50000)")  # fmt: skip
    add("--seconds", type=float, default=30.0, help="of a latency run (default %(default)g)")
    add("--warmup", type=float, default=10.0, help="seconds of the same load before it (default %(default)g)")
    add("--only", type=_names, default=PARTS, metavar="NAME,NAME",
        help=f"of: {', '.join(PARTS)}")  # fmt: skip
    add("--falls", type=int, default=12, help="falls in conversion that alerts are to tell of, at once (default "
        "%(default)s)")  # fmt: skip
    add("--quick", action="store_true", help="a smoke run: few events, once; its times say nothing")
    add("--json", type=Path, metavar="FILE", help="append the rows to this file as JSON lines")
    add("--from", type=Path, metavar="FILE", dest="saved", help="run nothing, show the rows of such a file")
    add("--write-docs", nargs="?", type=Path, const=DOCS, metavar="FILE", help="put the tables into the page "
        "(default docs/benchmarks.md)")  # fmt: skip
    args = parser.parse_args(argv)
    if args.quick:
        args.events, args.agent_events, args.runs = 50_000, 2_000, 1
        args.rates, args.seconds, args.warmup = (2_000,), 3.0, 2.0
        args.only = tuple(name for name in args.only if name not in {TWO, READ, MANY, LATENCY, BESIDE, ALERTING})
    return args


def main(argv: Sequence[str]) -> int:
    """Measure and show; returns the exit status."""
    args = arguments(argv)
    try:
        described, rows = _saved(args.saved) if args.saved else _measured(args)
    except (BenchError, FunnelError) as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    text = tables(described, rows)
    sys.stdout.write(text)
    if args.write_docs is not None:
        write_docs(args.write_docs, text)
    return 1 if any(row.wrong for row in rows if not isinstance(row, Alerted)) else 0


def _measured(args: argparse.Namespace) -> tuple[dict[str, str], list[Row]]:
    rows: list[Row] = []
    with Stack.running(f"bench-{os.getpid()}", services=("kafka", "redis")) as stack, place(stack) as where:
        described = machine.describe(where.redis, KAFKA_VERSION if stack.owns("kafka") else "not ours")
        _save(args.json, Machine(described))
        for row in _runs(args, where):
            sys.stderr.write(msgspec.json.encode(row).decode() + "\n")
            _save(args.json, row)
            rows.append(row)
    return described, rows


def _runs(args: argparse.Namespace, where: Place) -> Iterator[Row]:
    whole, prefix = (Topic(f"{where.base}-{count}", count) for count in (args.events, args.agent_events))
    needed = [
        *([whole] if set(args.only) & {*SYSTEMS, BESIDE} else []),
        *([prefix] if AGENT in args.only and prefix != whole else []),
    ]
    try:
        for topic in needed:
            sys.stderr.write(f"filling a topic with {topic.events} events\n")
            fill(where.kafka, topic.name, topic.events)
        yield from _throughputs(args, where, whole, prefix)
        for turn in range(args.runs):
            for rate in args.rates:
                load = latency.Load(rate, args.warmup, args.seconds, turn % PARTITIONS)
                if LATENCY in args.only:
                    yield latency.run(where, load)
                if PAGE_LATENCY in args.only:
                    yield latency.run(where, load, on_page=True)
                if BESIDE in args.only:
                    yield latency.run(where, load, replayed=whole)
    finally:
        where.delete_topics([topic.name for topic in needed])
    if ALERTING in args.only:
        yield from alerting.run(where, args.falls, BEFORE_FALL_S, AFTER_FALL_S)


def _throughputs(args: argparse.Namespace, where: Place, topic: Topic, first: Topic) -> Iterator[Throughput]:
    whole, prefix = Expected(where, topic), Expected(where, first)
    many, optioned = Expected(where, topic, TWENTY), Expected(where, topic, MANY_OPTIONS)
    contenders: dict[str, tuple[int, Callable[[str], System]]] = {
        OURS: (args.events, lambda name: Worker(where, whole, name)),
        TWO: (args.events, lambda name: Worker(where, whole, name, processes=2)),
        AGENT: (args.agent_events, lambda name: Agent(where, prefix, name)),
        DECODE: (args.events, lambda name: Floor(where, whole.topic, name, decodes=True)),
        READ: (args.events, lambda name: Floor(where, whole.topic, name, decodes=False)),
        MANY: (args.events, lambda name: Worker(where, many, name)),
        OPTIONED: (args.events, lambda name: Worker(where, optioned, name)),
        WATCHED: (args.events, lambda name: Watched(where, whole, name)),
        REPLAY: (args.events, lambda name: Replay(where, whole, name)),
    }
    for _ in range(args.runs):
        for label, (events, start) in contenders.items():
            if label in args.only:
                yield throughput.run(label, where, start(where.new_name()), events)


def _save(path: Path | None, row: msgspec.Struct) -> None:
    if path is not None:
        with path.open("ab") as file:
            file.write(msgspec.json.encode(row) + b"\n")


def _saved(path: Path) -> tuple[dict[str, str], list[Row]]:
    """Read a file of rows; of several machines in it the last is shown."""
    described: dict[str, str] = {}
    rows: list[Row] = []
    for line in path.read_bytes().splitlines():
        row = msgspec.json.decode(line, type=Machine | Throughput | Latency | Alerted)
        if isinstance(row, Machine):
            described = row.machine
        else:
            rows.append(row)
    return described, rows


def _rates(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    unknown = set(names) - set(PARTS)
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    return names


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
