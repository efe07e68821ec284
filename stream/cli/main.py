"""Read the command line, run the command, turn errors for people into one clear text.

Exit status: 0 fine, 1 the answer is no or an operator must act, 2 the command line is wrong,
130 ended by Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from stream.errors import FunnelError

# Each is a module of this room; only the one that is asked for is imported (the worker's takes a second).
COMMANDS = (
    "worker",
    "serve",
    "report",
    "analyze",
    "explain",
    "probe",
    "check",
    "simulate",
    "replay",
    "resume",
    "history",
    "dashboards",
    "rules",
    "stack",
    "demo",
    "top",
)


def parser(commands: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Return the parser of these commands."""
    top = argparse.ArgumentParser(
        prog="funnel", description="Live funnel tracker: Kafka in, exact conversion and drop-off out."
    )
    subparsers = top.add_subparsers(metavar="COMMAND", required=True)
    for command in commands:
        import_module(f"stream.cli.{command}").register(subparsers)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    words = sys.argv[1:] if argv is None else argv
    named = [command for command in COMMANDS if words and words[0] == command]
    try:
        args = parser(named or COMMANDS).parse_args(words)
        status: int = args.run(args)
        sys.stdout.flush()
    except FunnelError as error:
        sys.stderr.write(f"funnel: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has what it wanted; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status
