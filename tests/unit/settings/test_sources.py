import pytest

from stream.ingest.mapping import Mapping
from stream.settings.sources import mapping_of
from stream.settings.tracker import FieldPaths, SourceSettings
from stream.settings.tracker_schema import TRACKER_SCHEMA

PRESETS = TRACKER_SCHEMA["properties"]["sources"]["items"]["properties"]["preset"]["enum"]
UNITS = TRACKER_SCHEMA["properties"]["sources"]["items"]["properties"]["time_unit"]["enum"]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_source_without_fields_has_its_presets_mapping(preset):
    assert mapping_of(SourceSettings("s", preset=preset)) == Mapping.preset(preset)


def test_fields_replace_the_presets_paths_and_nothing_else():
    fields = FieldPaths(actor=("a", "b.c"), properties=("", "data"))
    mapping = mapping_of(SourceSettings("s", preset="segment", fields=fields))
    assert (mapping.actor, mapping.properties) == (("a", "b.c"), ("", "data"))
    assert mapping.time == Mapping.preset("segment").time


@pytest.mark.parametrize("unit", UNITS)
def test_every_time_unit_that_settings_allow_is_one_of_the_mappings(unit):
    assert mapping_of(SourceSettings("s", time_unit=unit)).unit == unit
