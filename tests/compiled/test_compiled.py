"""Compiled is the whole core where that was asked for, and nothing of it elsewhere: it would hide what is edited."""

import importlib
import os
import tomllib
from pathlib import Path

import pytest

import stream

ROOT = Path(__file__).parents[2]
HOME = Path(stream.__file__).parents[1]
IS_COMPILED = "FUNNEL_COMPILED" in os.environ

targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
PATHS = [path for pattern in targets["wheel"]["hooks"]["custom"]["modules"] for path in sorted(ROOT.glob(pattern))]
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in PATHS if path.name != "__init__.py"]


def test_what_is_tested_is_what_was_asked_for():
    asked = ROOT / "build" / "compiled" if IS_COMPILED else ROOT
    assert asked == HOME


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_it_was_made_of_the_source_as_it_is(path):
    assert (HOME / path.relative_to(ROOT)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", MODULES)
def test_the_core_is_compiled_where_it_was_asked_for_and_only_there(name):
    file = Path(importlib.import_module(name).__file__)
    assert file.is_relative_to(HOME)
    assert (file.suffix != ".py") is IS_COMPILED


def test_all_of_the_core_is_meant():
    assert {"stream.ingest.admission", "stream.engine.in_order", "stream.aggregate.gather"} < set(MODULES)
