"""`funnel dashboards`: write grafana/dashboards/*.json from their description, or check that they are up to date.

In:  the command line.
Out: the files; with --check nothing is written and the exit status says whether they are current.
"""

import argparse
import sys
from pathlib import Path

from stream.metrics.dashboards import differing, write

FOLDER = Path("grafana/dashboards")


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and all its options."""
    parser = subparsers.add_parser(
        "dashboards",
        help="write the Grafana dashboards, or check that they are up to date",
        description="Write the Grafana dashboard files from their description in stream/metrics/dashboards.py. "
        "Equal code gives equal bytes.",
    )
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, metavar="DIR", help=f"where they live (default {FOLDER})"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file would change")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write or compare; raises `DashboardError` if the folder is not there."""
    if args.check:
        stale = differing(args.folder)
        for path in stale:
            sys.stderr.write(f"{path} is not what `funnel dashboards` writes: run it and commit the result\n")
        return 1 if stale else 0
    for path in write(args.folder):
        sys.stdout.write(f"{path} written\n")
    return 0
