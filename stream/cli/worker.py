"""`funnel worker`: count a topic live until told to stop.

In:  a tracker file and its funnels.
Out: the exit status: 0 when told to stop, 1 when an operator must act.
"""

import argparse
import os
from pathlib import Path

from stream.app import build
from stream.worker.tracker_app import run_worker


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "worker",
        help="count a topic live; several workers share its partitions",
        description="Count the configured topic live, store the counts in Redis and serve /metrics, /healthz and "
        "/readyz. Start one worker per core; they share the partitions. FUNNEL_INSTANCE_ID names a worker that keeps "
        "its partitions over a quick restart.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="tracker file (default: config/tracker.yaml)")
    parser.add_argument("--metrics-port", type=port_number, metavar="N", help="listen there instead (0: any free port)")
    parser.add_argument(
        "--activate", action="store_true", help="count these funnels although a newer set has replaced them"
    )
    parser.add_argument(
        "--dead-letter-payloads", action="store_true", help="put up to 4 KiB of the payload into dead letters"
    )
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the worker; raises `SettingsError` before it starts."""
    app = build(
        args.config,
        os.environ,
        metrics_port=args.metrics_port,
        activate=args.activate,
        with_payload=args.dead_letter_payloads,
    )
    return run_worker(app, args.log_level)


def port_number(text: str) -> int:
    """Read a port from the command line; 0 means any free one."""
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return port
