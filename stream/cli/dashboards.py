"""`funnel dashboards`: write grafana/dashboards/*.json for the configured funnels, or check that they are up to date.

In:  the command line, the tracker file and its funnels.
Out: the files; with --check nothing is written and the exit status says whether they are current.
"""

import argparse
import os
import sys
from pathlib import Path

from stream.dashboards.files import dashboards, differing, write
from stream.settings.load import load_funnels, load_tracker, tracker_path

FOLDER = Path("grafana/dashboards")


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and all its options."""
    parser = subparsers.add_parser(
        "dashboards",
        help="write the Grafana dashboards, or check that they are up to date",
        description="Write the Grafana dashboard files for the funnels of a tracker file: which funnel and window are "
        "chosen at first, and which panels make sense. Equal definitions give equal bytes.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="tracker file (default: as for `funnel check`)")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, metavar="DIR", help=f"where they live (default {FOLDER})"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file would change")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write or compare; raises `SettingsError` for wrong files, `DashboardError` if the folder is not there."""
    settings = load_tracker(tracker_path(args.config, os.environ), os.environ)
    made = dashboards(load_funnels(settings.funnels, settings.period, is_live=True), settings.rolling)
    if args.check:
        stale = differing(args.folder, made)
        for path in stale:
            sys.stderr.write(f"{path} is not what `funnel dashboards` writes: run it and commit the result\n")
        return 1 if stale else 0
    for path in write(args.folder, made):
        sys.stdout.write(f"{path} written\n")
    return 0
