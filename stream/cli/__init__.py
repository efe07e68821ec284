"""The `funnel` command: one module per command, each with `register(subparsers)` and `run(args)`."""

from stream.cli.main import main

__all__ = ["main"]
