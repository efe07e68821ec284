from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from stream.settings import publish
from stream.settings.schema import SCHEMAS

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_is_the_one_that_checks_files(name):
    published = (PROJECT / "config" / "schema" / f"{name}.schema.json").read_text(encoding="utf-8")
    assert published == publish.schema_text(name), "run: python -m stream.settings.publish"


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_a_schema(name):
    Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_setting_has_a_meaning(name):
    assert all(row.meaning and row.kind for row in publish.rows(SCHEMAS[name]))


def test_settings_inside_lists_and_choices_are_rows_too():
    paths = {row.path for row in publish.rows(SCHEMAS["funnel"])}
    assert {"`steps[].value.property`", "`breakdowns[].properties`", "`stage_model[].group`"} <= paths


def test_publishing_writes_schemas_and_tables(tmp_path):
    (tmp_path / "config" / "schema").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "configuration.md"
    page.write_text("before\n<!-- settings: funnel -->\nold\n<!-- end -->\nafter\n")
    publish.main(tmp_path)
    assert page.read_text() == (
        f"before\n<!-- settings: funnel -->\n{publish.table_text('funnel')}<!-- end -->\nafter\n"
    )
    assert (tmp_path / "config/schema/tracker.schema.json").read_text() == publish.schema_text("tracker")
