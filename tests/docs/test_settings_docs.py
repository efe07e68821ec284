"""docs/configuration.md and the schemas say the same, and its examples load."""

import re
from pathlib import Path

import pytest

from stream.settings.load import load_funnels, load_tracker
from stream.settings.publish import rows, with_tables
from stream.settings.schema import SCHEMAS

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
TRACKER_EXAMPLE, FUNNEL_EXAMPLE = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_tables_are_those_of_the_schemas():
    assert with_tables(PAGE) == PAGE, "run: python -m stream.settings.publish"


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_setting_stands_in_its_table_once(name):
    table = PAGE.split(f"<!-- settings: {name} -->")[1].split("<!-- end -->")[0]
    shown = [line.split(" | ")[0].removeprefix("| ") for line in table.strip().splitlines()[2:]]
    assert shown == [row.path for row in rows(SCHEMAS[name])]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_option_of_a_later_version_is_named(name):
    later = {word for schema in _all(SCHEMAS[name]) for word in schema.get("x-later", ())}
    unnamed = {"avro", "protobuf", "predicates", "match"}
    assert {word for word in later - unnamed if f"`{word}`" not in PAGE and f" {word}`" not in PAGE} == set()


def test_the_example_trackers_and_funnels_of_the_page_load(tmp_path):
    (tmp_path / "tracker.yaml").write_text(TRACKER_EXAMPLE)
    (tmp_path / "funnel.yaml").write_text(FUNNEL_EXAMPLE)
    assert len(TRACKER_EXAMPLE.splitlines()) <= 5
    assert not load_tracker(tmp_path / "tracker.yaml", {}).needs_repartition
    (funnel,) = load_funnels(tmp_path / "funnel.yaml")
    assert [step.name for step in funnel.steps] == ["view_page", "cart", "purchase"]


def _all(schema):
    yield schema
    for inner in schema.get("properties", {}).values():
        yield from _all(inner)
    for inner in schema.get("anyOf", ()):
        yield from _all(inner)
    if "items" in schema:
        yield from _all(schema["items"])
