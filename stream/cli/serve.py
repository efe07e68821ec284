"""`funnel serve`: the live page and its API, from what the workers have stored.

In:  a tracker file and its funnels.
Out: the exit status: 0 when told to stop.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from stream.analyze.live import open_store
from stream.cli.worker import port_number
from stream.errors import Problem, ServeError, SettingsError
from stream.model.funnel import Funnel
from stream.settings.load import load_funnels, load_tracker, tracker_path
from stream.settings.tracker import TrackerSettings, is_loopback
from stream.web.serve import Address, PageServer


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "serve",
        help="serve the live page and its JSON API from the store",
        description="Serve the live page and its JSON API (docs/api.md) from what the workers have stored; no Kafka is "
        "needed. Workers serve the same page beside /metrics. Reads, never writes.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="tracker file (default: config/tracker.yaml)")
    parser.add_argument("--host", metavar="ADDRESS", help="listen there instead of web.host")
    parser.add_argument(
        "--port", type=port_number, metavar="N", help="listen there instead of web.port (0: any free port)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop; raises `SettingsError` before it starts."""
    settings = load_tracker(args.config, os.environ)
    if args.host is not None:
        _check_host(args.host, settings, tracker_path(args.config, os.environ))
    funnels = load_funnels(settings.funnels, settings.period, is_live=True)
    address = Address(args.host or settings.web.host, settings.web.port if args.port is None else args.port)
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    return asyncio.run(_serve(settings, funnels, address))


def _check_host(host: str, settings: TrackerSettings, path: Path) -> None:
    """Hold the address of the command line to the rule of the file's."""
    if not is_loopback(host) and not settings.web.has_rule:
        text = f"--host {host} is no loopback address: configure web.token (FUNNEL_WEB_TOKEN) or web.trusted_header"
        raise SettingsError((Problem(str(path), None, "web", text),))


async def _serve(settings: TrackerSettings, funnels: Sequence[Funnel], address: Address) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    store = open_store(settings)
    try:
        await PageServer(settings, funnels, store, address).run(stop)
    except OSError as error:
        raise ServeError(f"cannot listen on {address.host}:{address.port}: {error.strerror} (try --port 0)") from error
    finally:
        await store.close()
    return 0
