"""`funnel demo`: real servers, two workers and a simulated shop, live in the terminal.

In:  the command line.
Out: the live view; with --seconds, a final check and exit status 1 if it does not hold.
"""

import argparse
import os
from pathlib import Path

from rich.console import Console

from stream.demo.run import DemoOptions, run_demo


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "demo",
        help="real servers, workers and a simulated shop, live in the terminal",
        description="Start a real Kafka, Redis and Prometheus, two workers and a simulated web shop, and show its "
        "funnel live. Ctrl-C stops everything. With --seconds it ends by itself and checks that nothing was lost or "
        "doubled and that the live numbers equal `funnel analyze` over the same topic.",
    )
    parser.add_argument("--seconds", type=_positive, metavar="S", help="end after so many seconds, and check")
    parser.add_argument("--rate", type=_positive, default=300.0, metavar="R", help="events per second (default 300)")
    parser.add_argument("--workers", type=int, default=2, choices=range(1, 9), metavar="N", help="1 to 8 (default 2)")
    parser.add_argument("--name", help="name of the stack (default: demo and the process id, so that several can run)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same shop (default 1)")
    parser.add_argument("--incident", type=_positive_or_off, default=60.0, metavar="S|off",
                        help="this long after it opens, purchases on phones begin to fail (default 60)")  # fmt: skip
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and data, and say where it is")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write the last view to FILE as SVG")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo; returns the exit status. Raises `FunnelError` where the operator must act."""
    options = DemoOptions(
        name=args.name or f"demo-{os.getpid()}",
        seconds=args.seconds,
        rate=args.rate,
        workers=args.workers,
        seed=args.seed,
        incident=args.incident,
        keep=args.keep,
        picture=args.picture,
    )
    return run_demo(options, Console())


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return number


def _positive_or_off(text: str) -> float | None:
    return None if text == "off" else _positive(text)
