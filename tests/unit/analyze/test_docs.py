"""docs/analyze.md names every option and every field of the JSON."""

import argparse
import re
from pathlib import Path

import pytest

from stream.analyze.forms import VERSION, schema
from stream.cli import analyze, report, resume

PAGE = (Path(__file__).parents[3] / "docs/analyze.md").read_text()


@pytest.mark.parametrize("command", [analyze, report, resume])
def test_every_option_has_its_row(command):
    subparsers = argparse.ArgumentParser().add_subparsers()
    command.register(subparsers)
    (parser,) = subparsers.choices.values()
    section = PAGE.partition(f"\n## funnel {parser.prog.split()[-1]}\n")[2].partition("\n## ")[0]
    options = {word for action in parser._actions for word in action.option_strings if word.startswith("--")}
    assert sorted(option for option in options - {"--help"} if f"`{option}" not in section) == []


def test_every_field_of_the_json_is_named():
    names = {name for part in schema()["$defs"].values() for name in part.get("properties", {})}
    named = set(re.findall(r"`(?:[a-z_]+\.)?([a-z0-9_]+)(?:\[\])?`", PAGE))
    assert names - named - {"format", "version"} == set()


def test_the_version_on_the_page_is_that_of_the_code():
    assert f'"format": "funnel-analysis", "version": {VERSION}' in PAGE
