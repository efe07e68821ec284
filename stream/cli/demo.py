"""`funnel demo`: real servers, two workers and a simulated shop, live in the terminal.

In:  the command line.
Out: the live view; with --seconds, a final check and exit status 1 if it does not hold.
"""

import argparse
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
    parser.add_argument("--name", default="demo", help="name of the stack; several demos at once need several")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same shop (default 1)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write the last view to FILE as SVG")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo."""
    return run_demo(DemoOptions(args.name, args.seconds, args.rate, args.workers, args.seed, args.picture), Console())


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return number
