"""docs/explain.md shows the answer of its example, and names every option, reason and field."""

import argparse
import re
import shlex
from pathlib import Path

from stream.analyze.explained_forms import VERSION, schema
from stream.cli import explain, main
from stream.engine.explain import Limit, Why

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explain.md").read_text(encoding="utf-8")


def test_the_page_shows_its_funnel_and_the_answer_of_its_example(capsys, monkeypatch):
    assert f"```yaml\n{(ROOT / 'docs/explain.yaml').read_text(encoding='utf-8')}```" in PAGE
    (command,) = re.findall(r"^\$ funnel (.*)$", PAGE, re.MULTILINE)
    (answer,) = re.findall(r"^\$ funnel .*\n((?:.*\n)*?)```", PAGE, re.MULTILINE)
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(shlex.split(command)) == 0
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == answer.splitlines()


def test_every_reason_has_its_row_in_the_order_in_which_it_is_asked_for():
    section = PAGE.partition("\n## Why")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [why.value for why in Why]


def test_every_option_has_its_row():
    subparsers = argparse.ArgumentParser().add_subparsers()
    explain.register(subparsers)
    (parser,) = subparsers.choices.values()
    options = {word for action in parser._actions for word in action.option_strings if word.startswith("--")}
    assert sorted(option for option in options - {"--help"} if f"`{option}" not in PAGE) == []


def test_every_field_of_the_json_is_named():
    names = {name for part in schema()["$defs"].values() for name in part.get("properties", {})}
    named = set(re.findall(r"`([a-z_]+)(?:\[\])?`", PAGE.partition("\n## JSON")[2]))
    assert names - named - {"format", "version"} == set()
    assert {limit.value for limit in Limit} <= named
    assert f'"format": "funnel-explanation", "version": {VERSION}' in PAGE
