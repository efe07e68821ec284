"""Every option of `funnel history` stands in its page, and no other."""

import argparse
import re
from pathlib import Path

from stream.cli.main import parser

PAGE = (Path(__file__).parents[2] / "docs" / "history.md").read_text(encoding="utf-8")


def choices(of):
    (subparsers,) = [each for each in of._actions if isinstance(each, argparse._SubParsersAction)]
    return subparsers.choices


def test_the_table_of_options_is_complete():
    ways = choices(choices(parser(["history"]))["history"])
    options = {name for way in ways.values() for action in way._actions for name in action.option_strings}
    rows = re.findall(r"^\| (`--.*?) \|", PAGE, flags=re.MULTILINE)
    assert set(re.findall(r"--[a-z-]+", " ".join(rows))) == options - {"-h", "--help"}
    assert ways.keys() == {"export", "push"} == set(re.findall(r"funnel history (\w+) --config", PAGE))


def test_the_variables_that_log_in_are_named():
    assert all(f"`FUNNEL_PUSH_{name}`" in PAGE for name in ("TOKEN", "USER", "PASSWORD"))
