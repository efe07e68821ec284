"""Read the command line, run the command, turn errors for people into one clear text.

Exit status: 0 fine, 1 the answer is no or an operator must act, 2 the command line is wrong,
130 ended by Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from stream.cli import analyze, check, dashboards, demo, probe, report, resume, simulate, stack, worker
from stream.errors import FunnelError

COMMANDS = (worker, report, analyze, probe, check, simulate, resume, dashboards, stack, demo)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="funnel", description="Live funnel tracker: Kafka in, exact conversion and drop-off out."
    )
    subparsers = top.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.register(subparsers)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    args = parser().parse_args(argv)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except FunnelError as error:
        print(f"funnel: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has what it wanted; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status
