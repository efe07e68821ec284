"""`funnel rules`: write Prometheus' rule file for the configured funnels, or check that it is up to date.

In:  the command line; the tracker file and its funnels.
Out: the file; with --check nothing is written and the exit status says whether it is current.
"""

import argparse
import os
import sys
from pathlib import Path

from stream.alerts.rules import text
from stream.errors import RulesError
from stream.settings.load import load_funnels, load_tracker

FILE = Path("config/prometheus/rules/funnel.yml")


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and all its options."""
    parser = subparsers.add_parser(
        "rules",
        help="write Prometheus' alert rules for the configured funnels, or check that they are up to date",
        description="Write recording and alert rules for Prometheus, fitted to the funnels and the tracker's settings. "
        "Equal settings give equal bytes.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="tracker file (default: config/tracker.yaml)")
    parser.add_argument("--output", type=Path, default=FILE, metavar="FILE", help=f"the rule file (default {FILE})")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the file would change")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write or compare; raises `SettingsError`, and `RulesError` if the file cannot be written."""
    tracker = load_tracker(args.config, os.environ)
    rules = text(load_funnels(tracker.funnels, tracker.period, is_live=True), tracker)
    if args.check:
        is_current = args.output.is_file() and args.output.read_text(encoding="utf-8") == rules
        if not is_current:
            sys.stderr.write(f"{args.output} is not what `funnel rules` writes: run it and commit the result\n")
        return 0 if is_current else 1
    try:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(rules, encoding="utf-8")
    except OSError as error:
        raise RulesError(f"{args.output} cannot be written: {error.strerror}") from None
    sys.stdout.write(f"{args.output} written\n")
    return 0
