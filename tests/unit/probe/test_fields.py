"""Types, shapes and units of fields."""

import json

import pytest

from stream.model.event import Record
from stream.probe.fields import MAX_PATHS, FieldTable, shape_of, unit_of


def table_of(*documents, key=None):
    table = FieldTable()
    for number, document in enumerate(documents):
        table.add(Record(json.dumps(document).encode(), number, None, key))
    return table


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (1_767_225_600, "s"),
        (1_767_225_600.25, "s"),
        (1_767_225_600_000, "ms"),
        ("1767225600000000", "us"),
        (1_767_225_600_000_000_000, "ns"),
        ("2026-01-01", "iso"),
        ("2026-01-01 10:00:00.5+02:00", "iso"),
        ("2026-01-41", None),
        ("20260101", None),
        (42, None),
        (True, None),
        ("", None),
        (None, None),
        ([1_767_225_600], None),
    ],
)
def test_units_of_times_of_this_century(value, unit):
    assert unit_of(value) == unit


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("0b7c9c1e-2f43-4f2d-9d3a-111111111111", "uuid"),
        ("12345", "5 digits"),
        ("-12.5", "number as text"),
        ("a@b.example", "email"),
        ("https://shop.example/x", "URL"),
        ("10.0.0.1", "IP address"),
        ("/checkout", "path"),
        ("Miller", "6 characters"),
        ("", "0 characters"),
    ],
)
def test_a_shape_says_nothing_of_the_value(text, shape):
    assert shape_of(text) == shape


def test_nested_fields_types_and_counts():
    table = table_of({"a": {"b": 1, "c": None}, "d": [1]}, {"a": {"b": "x"}, "d": True, "e": 1.5}, [1], "x")
    assert table.readable == 2
    assert {path: dict(stats.types) for path, stats in table.paths.items()} == {
        "a.b": {"integer": 1, "text": 1},
        "d": {"list": 1, "true/false": 1},
        "e": {"number": 1},
    }


def test_keys_that_may_be_ids_are_collected():
    table = table_of(
        {"by_user": {"anna@example.com": 1, "8d2f1c40": 2, "u-0012345": 3, "abcdef1e": 3, "größe": 4, "a.b": 5}}
    )
    assert sorted(table.paths) == ["by_user.*", "by_user.a\\.b", "by_user.größe"]
    assert table.paths["by_user.*"].records == 4


def test_paths_are_bounded():
    table = table_of({chr(97 + number % 26) * (1 + number // 26): number for number in range(MAX_PATHS + 100)})
    assert len(table.paths) == MAX_PATHS
    assert table.is_cut


def test_a_value_that_is_the_key_is_counted_whether_the_key_is_json_or_text():
    for key in (b"p1", b'"p1"'):
        assert table_of({"who": "p1", "n": 1}, key=key).paths["who"].key_matches == 1
