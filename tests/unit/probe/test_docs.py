"""The page of the command names every option and every key of its JSON."""

import argparse
from pathlib import Path

from stream.cli.probe import register
from stream.probe.findings import Field, Findings, FunnelMatches, Percentiles, Reading, StepMatches

PAGE = (Path(__file__).parents[3] / "docs" / "probe.md").read_text()


def test_every_option_is_on_the_page():
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    register(subparsers)
    options = {option for action in subparsers.choices["probe"]._actions for option in action.option_strings}
    assert [option for option in sorted(options - {"-h", "--help"}) if f"`{option}" not in PAGE] == []


def test_every_key_of_the_json_is_on_the_page():
    kinds = (Field, Findings, FunnelMatches, Percentiles, Reading, StepMatches)
    assert [key for kind in kinds for key in kind.__struct_fields__ if f"`{key}`" not in PAGE] == []
