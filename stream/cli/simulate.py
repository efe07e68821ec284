"""`funnel simulate`: a web shop's traffic, seeded, to a file or a topic.

In:  the command line.
Out: records written, and one line that says how many; exit status 0.
"""

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from stream.errors import SimulateError
from stream.simulate.pace import Pace, now_ms
from stream.simulate.produce import TopicTarget, produce
from stream.simulate.shop import ShopTraffic, SimRecord, bounded, shop_records
from stream.simulate.traffic import CONTENT_STEPS, SEGMENTS, SHOP_STEPS, share_names
from stream.simulate.write import open_lines, write_lines

STOPPING = (signal.SIGINT, signal.SIGTERM)


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and all its options."""
    parser = subparsers.add_parser(
        "simulate",
        help="write a simulated web shop's events to a file or a topic",
        description="Write a simulated web shop's events to a file or a Kafka topic. Without --events and --seconds it "
        "goes on until Ctrl-C. Equal options give equal bytes, if --start is given or the target is a file.",
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", metavar="FILE", help="JSON lines; compressed if it ends in .gz; - is standard output")
    target.add_argument("--topic", help="Kafka topic; records are keyed by anonymous_id")
    bound = parser.add_argument_group("how much")
    bound.add_argument("--events", type=_positive_int, metavar="N", help="stop after so many records")
    bound.add_argument("--seconds", type=_positive, metavar="S", help="stop after so many seconds of shop time")
    bound.add_argument("--rate", type=_positive, default=100.0, metavar="R", help="records per second (default 100)")
    times = parser.add_argument_group("when")
    times.add_argument(
        "--start",
        type=_time_ms,
        metavar="TIME",
        help="ISO 8601 time of the first event (default: now with --realtime; so that it ends now for a topic; "
        "2026-01-01T00:00:00Z for a file)",
    )
    times.add_argument("--realtime", action="store_true", help="write each record when it is due by the wall clock")
    times.add_argument(
        "--speed", type=_positive, default=1.0, metavar="X", help="with --realtime: shop seconds per second"
    )
    kafka = parser.add_argument_group("Kafka")
    kafka.add_argument("--bootstrap", default=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"),
                       help="servers (default: KAFKA_BOOTSTRAP_SERVERS, else 127.0.0.1:9092)")  # fmt: skip
    kafka.add_argument("--partitions", type=_positive_int, metavar="N", help="create a missing topic with N partitions")
    _register_traffic(parser)
    parser.set_defaults(run=run)


def _register_traffic(parser: argparse.ArgumentParser) -> None:
    defaults = ShopTraffic()
    shape = parser.add_argument_group("what it looks like")
    shape.add_argument("--seed", type=int, default=defaults.seed, help="the same seed gives the same shop (default 1)")
    shape.add_argument("--think-seconds", type=_positive, default=defaults.think_seconds, metavar="S",
                       help="median pause of a visitor between two events (default 5)")  # fmt: skip
    shape.add_argument(
        "--with-record-time", action="store_true", help="in a file: add the delivery time as record_time"
    )
    for name in share_names():
        share = getattr(defaults, name)
        shape.add_argument(
            f"--{name.replace('_', '-')}", type=float, default=share, metavar="0..1", help=f"default {share:g}"
        )
    drop = parser.add_argument_group("a drop, for alerts")
    drop.add_argument(
        "--drop-step", choices=SHOP_STEPS[1:] + CONTENT_STEPS[1:], help="conversion to this step collapses"
    )
    drop.add_argument("--drop-from", type=_moment, default=("after", 0), metavar="TIME|+S",
                      help="from this time on, or so many seconds after the start (default: the start)")  # fmt: skip
    drop.add_argument("--drop-factor", type=float, default=defaults.drop_factor, metavar="0..1",
                      help="to this part of what it was (default 0.2)")  # fmt: skip
    drop.add_argument("--drop-segment", type=_segment, metavar="NAME=VALUE",
                      help=f"only for visitors with this {' or '.join(SEGMENTS)} (default: for all)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Write the records the options ask for; raises `SimulateError` for options that make no sense together."""
    is_endless = args.events is None and args.seconds is None
    if args.topic is not None and is_endless and not args.realtime:
        raise SimulateError("an endless run would fill the topic: give --events N, --seconds S or --realtime")
    if args.topic is not None and args.with_record_time:
        raise SimulateError("--with-record-time is for files: in Kafka the delivery time is the record's timestamp")
    start_ms = args.start if args.start is not None else _default_start_ms(args)
    traffic = _traffic(args, start_ms)
    until_ms = None if args.seconds is None else start_ms + int(args.seconds * 1_000)
    records = bounded(shop_records(traffic), args.events, until_ms)
    pace = Pace(start_ms, args.speed) if args.realtime else None
    if args.topic is not None:
        written = asyncio.run(_to_topic(records, args, pace))
        sys.stdout.write(f"{written} records written to topic {args.topic}\n")
    else:
        written = _to_file(records, args, pace)
        note = sys.stderr if args.to == "-" else sys.stdout
        note.write(f"{written} records written to {'standard output' if args.to == '-' else args.to}\n")
    return 0


def _traffic(args: argparse.Namespace, start_ms: int) -> ShopTraffic:
    kind, value = args.drop_from
    given: dict[str, Any] = {name: getattr(args, name) for name in (*share_names(), "seed", "think_seconds")}
    return ShopTraffic(
        start_ms=start_ms,
        events_per_second=args.rate,
        drop_step=args.drop_step,
        drop_from_ms=start_ms + value if kind == "after" else value,
        drop_factor=args.drop_factor,
        drop_segment=args.drop_segment,
        **given,
    )


def _default_start_ms(args: argparse.Namespace) -> int:
    if args.realtime:
        return now_ms()
    if args.topic is None:
        return ShopTraffic().start_ms
    # Kafka refuses record times more than an hour ahead of its clock, so a fast run lies in the past.
    lengths = [args.seconds, None if args.events is None else args.events / args.rate]
    return now_ms() - int(1_000 * min(length for length in lengths if length is not None))


def _to_file(records: Iterator[SimRecord], args: argparse.Namespace, pace: Pace | None) -> int:
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in STOPPING}
    try:
        with open_lines(args.to) as lines:
            return write_lines(records, lines, stop=stop, pace=pace, with_record_time=args.with_record_time)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _to_topic(records: Iterator[SimRecord], args: argparse.Namespace, pace: Pace | None) -> int:
    stop = asyncio.Event()
    for number in STOPPING:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await produce(records, TopicTarget(args.bootstrap, args.topic, args.partitions), stop=stop, pace=pace)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _time_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no ISO 8601 time (try 2026-01-31T12:00:00Z)') from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


def _moment(text: str) -> tuple[str, int]:
    return ("after", int(_positive(text[1:]) * 1_000)) if text.startswith("+") else ("at", _time_ms(text))


def _segment(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f'"{text}" is not NAME=VALUE (try device=mobile)')
    return name, value
