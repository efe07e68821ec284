"""`funnel top`: the live numbers of a worker or of `funnel serve`, in a terminal.

In:  the command line.
Out: the live view until `q` or Ctrl-C; plain lines where the output is no terminal.
"""

import argparse
import os

from stream.analyze.show import console
from stream.terminal.client import TOKEN_VARIABLE, Client
from stream.terminal.picks import KEYS, Picks
from stream.terminal.watch import watch
from stream.web.forms import Unit


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "top",
        help="the live numbers in a terminal, from any worker",
        description="Show the live numbers that a worker or `funnel serve` has, again and again, until q or Ctrl-C. "
        f"Keys: {', '.join(f'{key} {does}' for key, does in KEYS.items())}. Writes nothing.",
    )
    parser.add_argument("--url", default="http://127.0.0.1:9108", help="a worker's /metrics port, or `funnel serve` "
                        "(default: http://127.0.0.1:9108)")  # fmt: skip
    parser.add_argument("--token", default=os.environ.get(TOKEN_VARIABLE, ""), metavar="T",
                        help=f"the tracker's web.token, where it has one (default: {TOKEN_VARIABLE})")  # fmt: skip
    parser.add_argument("--funnel", default="", metavar="F", help="name, or name@version (default: all that fit)")
    parser.add_argument("--counts", choices=[unit.value for unit in Unit], default=Unit.ATTEMPTS.value,
                        help="what is counted (default: attempts)")  # fmt: skip
    parser.add_argument("--window", default="", metavar="W", help="rolling window of attempts (default: 1h)")
    parser.add_argument("--form", default="", metavar="FORM",
                        help="rolling or matured, of attempts; current or previous, of people")  # fmt: skip
    parser.add_argument("--breakdown", default="", metavar="B", help="segments of this breakdown side by side")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show until the end is asked for; returns the exit status. Raises `TopError` if there is nothing to show."""
    picks = Picks(args.funnel, Unit(args.counts), args.window, args.form, args.breakdown)
    try:
        watch(Client(args.url, args.token), picks, console())
    except KeyboardInterrupt:
        return 0  # the ordinary end
    return 0
