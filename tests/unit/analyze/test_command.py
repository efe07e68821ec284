"""`funnel analyze` from the command line: files, mappings, tables, JSON, errors."""

import gzip
import io
import json
import sys
from pathlib import Path

import jsonschema
import pytest

from stream.analyze.forms import schema_text
from stream.cli.main import main

FUNNEL = """
funnel: shop
title: The shop
window: 1h
steps:
  - {event: view}
  - {event: cart}
  - {event: buy, value: {property: total, currency: EUR}}
breakdowns: [device]
"""
SCHEMA = Path(__file__).parents[3] / "config/schema/analysis.schema.json"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in a folder without config, and without what the environment names."""
    monkeypatch.chdir(tmp_path)
    for variable in ("FUNNEL_TRACKER", "KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "shop.yaml").write_text(FUNNEL)
    return tmp_path


LINES = [
    {"user_id": "a", "time": 0, "event": "view", "device": "phone"},
    {"user_id": "a", "time": 4_000, "event": "cart"},
    {"user_id": "a", "time": 10_000, "event": "buy", "total": "12.30"},
    {"user_id": "b", "time": 86_400_000, "event": "view"},
    {"user_id": "b", "time": 86_402_500, "event": "cart"},
    {"user_id": "c", "time": 86_403_000, "event": "scroll"},
    {"user_id": "d", "event": "view"},
]


@pytest.fixture
def events(folder):
    path = folder / "events.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in LINES))
    return path


def analyze(capsys, *options):
    status = main(["analyze", *map(str, options)])
    return status, capsys.readouterr()


def document(capsys, *options):
    status, printed = analyze(capsys, *options, "--json")
    assert (status, printed.err) == (0, "")
    found = json.loads(printed.out)
    jsonschema.validate(found, json.loads(SCHEMA.read_text()))
    return found


def test_the_published_schema_is_that_of_the_code():
    assert SCHEMA.read_text() == schema_text()


def test_the_json_says_everything_that_was_counted(capsys, events):
    found = document(capsys, events, "--funnel", "shop.yaml")
    assert (found["format"], found["version"]) == ("funnel-analysis", 1)
    assert found["as_of"] == "1970-01-02T00:00:03.000Z"
    assert found["records"] == {"consumed": 7, "invalid": 1, "future": 0, "unmatched": 1, "late": 0, "duplicate": 0,
                                "bot": 0, "accepted": 5}  # fmt: skip
    (funnel,) = found["funnels"]
    attempts = funnel["attempts"]
    assert [attempts[name] for name in ("entered", "converted", "dropped", "pending")] == [2, 1, 0, 1]
    assert attempts["conversion"] == 0.5
    view, cart, buy = attempts["steps"]
    assert [step["reached"] for step in (view, cart, buy)] == [2, 2, 1]
    assert cart["from_previous"] == {
        "timed": 2, "mean_seconds": 3.25, "median_seconds": 3.25,
        "percentiles_seconds": {"p50": 3.25, "p75": 3.625, "p90": 3.85, "p95": 3.925, "p99": 3.985},
        "histogram": [{"at_most_seconds": 5, "timed": 2}],
    }  # fmt: skip
    assert buy["from_entry"] == attempts["time_to_convert"] == {
        "timed": 1, "mean_seconds": 10.0, "median_seconds": 10.0,
        "percentiles_seconds": dict.fromkeys(("p50", "p75", "p90", "p95", "p99"), 10.0),
        "histogram": [{"at_most_seconds": 10, "timed": 1}],
    }  # fmt: skip
    in_period = funnel["trend"][1]["attempts"]["steps"][1]["from_previous"]
    assert in_period["percentiles_seconds_from_buckets"]["p50"] == in_period["median_seconds_from_buckets"] == 3.5
    assert in_period["histogram"] == [{"at_most_seconds": 5, "timed": 1}]
    assert buy["values"] == [{"currency": "EUR", "total": "12.30", "events": 1, "average": "12.3"}]
    assert view["from_previous"] is None
    assert funnel["actors"]["entered"] == 2
    assert [(part["segment"], part["attempts"]["entered"]) for part in funnel["breakdowns"][0]["segments"]] == [
        ("__none__", 1), ("phone", 1),
    ]  # fmt: skip
    assert [(day["start"][:10], day["attempts"]["entered"], day["actors"]["entered"]) for day in funnel["trend"]] == [
        ("1970-01-01", 1, 1), ("1970-01-02", 1, 1),
    ]  # fmt: skip


def test_an_undecided_ratio_is_absent_and_not_zero(capsys, folder):
    (folder / "one.jsonl").write_text('{"user_id": "a", "time": 0, "event": "view"}')
    attempts = document(capsys, "one.jsonl", "--funnel", "shop.yaml")["funnels"][0]["attempts"]
    assert attempts["conversion"] is attempts["dropoff"] is attempts["time_to_convert"] is None


def test_a_table_fits_80_columns(capsys, events):
    status, printed = analyze(capsys, events, "--funnel", "shop.yaml")
    assert status == 0
    assert "attempts 2 entered: 1 converted (50.0%), 0 dropped (-), 1 pending" in printed.out
    assert "actors   2 unique, 1 converted (50.0%)" in printed.out
    for words in ("1 view", "Time to step", "By device", "phone", "Trend by day", "12.30"):
        assert words in printed.out
    assert max(map(len, printed.out.splitlines())) <= 80
    assert printed.err == ""


def test_times_are_shown_at_length_if_asked(capsys, folder):
    days = [0.1, 3, 20, 20, 23, 23, 23, 500]
    lines = [
        {"user_id": f"u{actor}", "time": int(after * 86_400_000), "event": event}
        for actor, later in enumerate(days)
        for event, after in (("view", 0), ("cart", later / 2), ("buy", later))
    ]
    (folder / "long.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    (folder / "shop.yaml").write_text(FUNNEL.replace("1h", "400d"))
    _, short = analyze(capsys, "long.jsonl", "--funnel", "shop.yaml")
    assert "percentiles" not in short.out
    _, printed = analyze(capsys, "long.jsonl", "--funnel", "shop.yaml", "--times")
    rows = [" ".join(line.split()) for line in printed.out.splitlines()]
    assert "timed p50 p75 p90 p95 p99" in rows
    assert "all steps 7 2 w 6 d 3 w 2 d 3 w 2 d 3 w 2 d 3 w 2 d" in rows
    assert rows[rows.index("Time to convert") + 1 : rows.index("Time to convert") + 8] == [
        "at most converted share",
        f"4 h 1 14.3% {'█' * 4}",
        "8 h 0 0.0%",
        "12 h 0 0.0%",
        "1 d 0 0.0%",
        "2 d 0 0.0%",
        f"3 d 1 14.3% {'█' * 4}",
    ]
    assert f"30 d 5 71.4% {'█' * 24}" in rows
    assert max(map(len, printed.out.splitlines())) <= 80


def test_the_order_of_the_lines_and_the_form_of_the_file_change_nothing(capsys, folder, events, monkeypatch):
    expected = document(capsys, events, "--funnel", "shop.yaml")["funnels"]
    lines = [json.dumps(line) for line in reversed(LINES)]
    (folder / "turned.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    assert document(capsys, "turned.jsonl.gz", "--funnel", "shop.yaml")["funnels"] == expected
    rows = [",".join(str(line.get(name, "")) for name in ("user_id", "time", "event", "device", "total"))
            for line in LINES]  # fmt: skip
    (folder / "events.csv").write_text("\n".join(["user_id,time,event,device,total", *rows]))
    assert document(capsys, "events.csv", "--funnel", "shop.yaml")["funnels"] == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode())))
    assert document(capsys, "-", "--funnel", "shop.yaml")["funnels"] == expected


def test_as_of_turns_the_clock_back(capsys, events):
    found = document(capsys, events, "--funnel", "shop.yaml", "--as-of", "1970-01-01T00:00:04Z")
    assert found["ahead_of_as_of"] == 3
    assert [step["reached"] for step in found["funnels"][0]["attempts"]["steps"]] == [1, 1, 0]


def test_the_trend_goes_by_other_periods_if_asked(capsys, events):
    options = (events, "--funnel", "shop.yaml", "--period", "month", "--zone", "America/New_York")
    funnel = document(capsys, *options)["funnels"][0]
    assert (funnel["period_unit"], funnel["period_zone"]) == ("month", "America/New_York")
    # The first instant of 1970 in UTC is still December in New York.
    assert [(month["start"], month["actors"]["entered"]) for month in funnel["trend"]] == [
        ("1969-12-01T05:00:00.000Z", 1),
        ("1970-01-01T05:00:00.000Z", 1),
    ]


def test_presets_and_fields_say_how_records_are_read(capsys, folder):
    lines = [
        {"messageId": "1", "device_id": "x", "timestamp": 5, "event": "view"},
        {"messageId": "2", "device_id": "x", "timestamp": 7, "event": "cart"},
    ]
    (folder / "s.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    options = ("s.jsonl", "--funnel", "shop.yaml", "--preset", "segment", "--field", "actor=userId,device_id")
    found = document(capsys, *options, "--time-unit", "s")
    assert found["as_of"] == "1970-01-01T00:00:07.000Z"
    assert found["funnels"][0]["attempts"]["steps"][1]["reached"] == 1


def test_a_tracker_file_names_funnels_and_mapping(capsys, folder):
    (folder / "funnels").mkdir()
    (folder / "funnels/shop.yaml").write_text(FUNNEL)
    (folder / "funnels/other.yaml").write_text(FUNNEL.replace("funnel: shop", "funnel: other"))
    (folder / "tracker.yaml").write_text("sources: [{topics: [t], fields: {actor: who}}]\nfunnels: funnels\n")
    (folder / "e.jsonl").write_text('{"who": "a", "time": 0, "event": "view"}')
    keys = [funnel["funnel"] for funnel in document(capsys, "e.jsonl", "--config", "tracker.yaml")["funnels"]]
    assert keys == ["other", "shop"]
    chosen = document(capsys, "e.jsonl", "--config", "tracker.yaml", "--funnel", "shop@1")["funnels"]
    assert [(funnel["funnel"], funnel["attempts"]["entered"]) for funnel in chosen] == [("shop", 1)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "give a file (- is standard input) or --topic T"),
        (("none.jsonl",), "no funnel given, and there is no config/funnels: give --funnel FILE"),
        (("none.jsonl", "--funnel", "shop.yaml"), "none.jsonl: cannot be read"),
        (("e.jsonl", "--funnel", "shoop"), "--funnel shoop: neither a file nor a funnel's name"),
        (("e.jsonl", "--funnel", "shop.yaml", "--zone", "UTC"), "--zone is for --period"),
        (("e.jsonl", "--funnel", "shop.yaml", "--period", "day", "--zone", "Europe/Berln"), 'try "Europe/Berlin"'),
        (("e.jsonl", "--funnel", "shop.yaml", "--time-unit", "weeks"), '"weeks" is not a time unit'),
    ],
)
def test_what_is_wrong_is_said_with_what_would_be_right(capsys, options, words):
    status, printed = analyze(capsys, *options)
    assert status == 1
    assert words in printed.err


def test_a_file_without_a_single_event_is_no_success(capsys, folder):
    (folder / "junk.jsonl").write_text("junk\nmore junk\n")
    status, printed = analyze(capsys, "junk.jsonl", "--funnel", "shop.yaml")
    assert status == 1
    assert "2 records: 2 invalid" in printed.out


def test_names_from_outside_do_not_steer_the_terminal(capsys, folder):
    (folder / "e.jsonl").write_text(
        json.dumps({"user_id": "a", "time": 0, "event": "view", "device": "\x1b[31m[bold]red"})
    )
    _, printed = analyze(capsys, "e.jsonl", "--funnel", "shop.yaml")
    assert "\x1b" not in printed.out
    assert "[bold]red" in printed.out
