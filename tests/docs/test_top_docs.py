"""Every option of `funnel top` and of `funnel demo` stands in its page, and no other."""

import argparse
import re
from pathlib import Path

import pytest

from stream.cli.main import parser
from stream.terminal.picks import KEYS

DOCS = Path(__file__).parents[2] / "docs"


def options(command):
    (subparsers,) = [each for each in parser([command])._actions if isinstance(each, argparse._SubParsersAction)]
    return {name for action in subparsers.choices[command]._actions for name in action.option_strings} - {
        "-h",
        "--help",
    }


@pytest.mark.parametrize("command", ["top", "demo"])
def test_the_table_of_options_is_complete(command):
    text = (DOCS / f"{command}.md").read_text()
    assert set(re.findall(r"^\| `(--[a-z-]+)", text, flags=re.MULTILINE)) == options(command)


def test_every_key_is_explained():
    text = (DOCS / "top.md").read_text()
    assert all(f"`{key}`" in text for key in KEYS)
