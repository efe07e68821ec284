"""`funnel stack up | down | status`: a local Kafka, Redis and Prometheus that outlive the command.

In:  arguments.
Out: addresses on standard output; `--json` prints one object (`up`) or a list (`status`), for machines.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from stream.errors import StackError
from stream.stack import Stack, StackStatus
from stream.stack.services import DEFAULT_SERVICES, PORTS_NEEDED

DEFAULT_NAME = "demo"


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `stack` with its three actions."""
    parser = subparsers.add_parser("stack", help="start, stop and show a local Kafka, Redis and Prometheus")
    parser.set_defaults(run=run)
    actions = parser.add_subparsers(dest="action", required=True, metavar="up|down|status")

    up = actions.add_parser("up", help="start a stack, or show it if it runs; it stays until `down`")
    _add_name(up)
    up.add_argument(
        "--services",
        type=_services,
        default=DEFAULT_SERVICES,
        metavar="LIST",
        help=f"comma-separated, out of {', '.join(PORTS_NEEDED)} (default: {','.join(DEFAULT_SERVICES)})",
    )
    up.add_argument("--scrape", action="append", default=[], metavar="HOST:PORT", help="a target for Prometheus")
    up.add_argument(
        "--rules", action="append", default=[], type=Path, metavar="FILE", help="a rule file for Prometheus"
    )
    up.add_argument(
        "--directory", type=Path, help="keep the data here (default: a temporary folder, removed by `down`)"
    )
    _add_json(up)

    down = actions.add_parser("down", help="stop a stack; harmless if none runs")
    _add_name(down)

    status = actions.add_parser("status", help="show the running stacks; exit code 1 if the named one does not run")
    status.add_argument("--name", help="only this one")
    _add_json(status)


def run(args: argparse.Namespace) -> int:
    """Carry out one action; returns the exit code. Raises `StackError` where the operator must act."""
    if args.action == "up":
        return _up(args)
    if args.action == "down":
        return _down(args.name)
    return _status(args.name, is_json=args.json)


def _up(args: argparse.Namespace) -> int:
    stack = Stack.find(args.name)
    if stack is None:
        started = time.monotonic()
        sys.stderr.write(f"starting {', '.join(args.services)} ...\n")
        stack = Stack.start(
            args.name,
            services=args.services,
            scrape_targets=args.scrape,
            rule_files=args.rules,
            directory=args.directory,
            outlives=True,
        )
        sys.stderr.write(f"ready in {time.monotonic() - started:.1f} s\n")
    else:
        _check_same(stack, args)
    if args.json:
        _print_json(stack.status())
    else:
        for variable, value in stack.environ.items():
            sys.stdout.write(f"export {variable}={value}\n")
    return 0


def _check_same(stack: Stack, args: argparse.Namespace) -> None:
    lacking = [service for service in args.services if service not in stack.addresses]
    if lacking:
        raise StackError(
            f"stack {stack.name!r} already runs, without {', '.join(lacking)}: "
            f"`funnel stack down --name {stack.name}` first, or choose another --name"
        )
    dead = [service.name for service in stack.status().services if not service.is_ready]
    if dead:
        raise StackError(
            f"stack {stack.name!r} runs, but {', '.join(dead)} does not answer: "
            f"`funnel stack down --name {stack.name}`, then `up` again"
        )
    if args.scrape and stack.owns("prometheus"):
        stack.set_targets(args.scrape)


def _down(name: str) -> int:
    stack = Stack.find(name)
    if stack is None:
        sys.stderr.write(f"no stack named {name!r} is running\n")
        return 0
    stack.stop()
    sys.stderr.write(f"stack {name!r} stopped\n")
    return 0


def _status(name: str | None, *, is_json: bool) -> int:
    stacks = Stack.find_all() if name is None else [found for found in [Stack.find(name)] if found]
    found = [stack.status() for stack in stacks]
    if is_json:
        _print_json(found)
    elif not found:
        sys.stdout.write("no stack is running\n" if name is None else f"no stack named {name!r} is running\n")
    else:
        sys.stdout.writelines(_describe(status) + "\n" for status in found)
    return 0 if found or name is None else 1


def _describe(status: StackStatus) -> str:
    owner = "until stopped" if status.owner_pid is None else f"as long as process {status.owner_pid}"
    lines = [f"{status.name}: runs {owner}, folder {status.directory}"]
    for service in status.services:
        where = "from the environment" if service.is_external else f"pid {service.pid}"
        state = "ready" if service.is_ready else "not ready"
        if service.exit_code is not None:
            where = f"ended with exit code {service.exit_code}"
        lines.append(f"  {service.name:<13} {state:<10} {service.address:<30} {where}")
    return "\n".join(lines)


def _print_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def _services(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in PORTS_NEEDED]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{text!r}: choose from {', '.join(PORTS_NEEDED)}")
    return names


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default=DEFAULT_NAME, help=f"which stack (default: {DEFAULT_NAME})")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
