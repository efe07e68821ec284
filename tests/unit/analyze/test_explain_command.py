"""`funnel explain` from the command line over files: text, JSON, what is wrong."""

import json
from pathlib import Path

import jsonschema
import pytest

from stream.analyze.explained_forms import schema_text
from stream.cli.main import main

FUNNEL = """
funnel: shop
title: The shop
window: 1h
steps:
  - {event: view}
  - {event: cart, where: [{property: plan, equals: pro}]}
  - {event: buy}
"""
SCHEMA = Path(__file__).parents[3] / "config/schema/explanation.schema.json"
MINUTE = 60_000
LINES = [
    {"user_id": "ann", "time": 0, "event": "view", "id": "v1"},
    {"user_id": "bob", "time": 0, "event": "view", "id": "v1"},
    {"user_id": "ann", "time": 10 * MINUTE, "event": "view", "id": "v2"},
    {"user_id": "ann", "time": 10 * MINUTE, "event": "view", "id": "v2"},
    {"user_id": "ann", "time": 12 * MINUTE, "event": "cart", "plan": "free", "id": "c1"},
    {"user_id": "ann", "time": 13 * MINUTE, "event": "buy", "id": "b1"},
    {"user_id": "ann", "time": 15 * MINUTE, "event": "cart", "plan": "pro", "id": "c2"},
    {"user_id": "ann", "time": 74 * MINUTE, "event": "buy", "id": "b2"},
    {"user_id": "ann", "time": "soon", "event": "buy", "id": "b3"},
    {"user_id": "ann", "time": 80 * MINUTE, "event": "scroll"},
    {"user_id": "ann", "time": 90 * MINUTE, "event": "view", "id": "v3"},
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in a folder without config, and without what the environment names."""
    monkeypatch.chdir(tmp_path)
    for variable in ("FUNNEL_TRACKER", "KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "shop.yaml").write_text(FUNNEL)
    (tmp_path / "events.jsonl").write_text("\n".join(json.dumps(line) for line in LINES))
    return tmp_path


def explained(capsys, *options, actor="ann"):
    status = main(["explain", "--actor", actor, *map(str, options)])
    return status, capsys.readouterr()


def document(capsys, *options, actor="ann"):
    status, printed = explained(capsys, *options, "--json", actor=actor)
    assert (status, printed.err) == (0, "")
    found = json.loads(printed.out)
    jsonschema.validate(found, json.loads(SCHEMA.read_text()))
    return found


FROM_FILE = ("--events", "events.jsonl", "--funnel", "shop.yaml")


def test_the_published_schema_is_that_of_the_code():
    assert SCHEMA.read_text() == schema_text()


def test_the_json_says_of_each_event_what_it_did(capsys):
    found = document(capsys, *FROM_FILE)
    assert (found["format"], found["version"], found["actor"]) == ("funnel-explanation", 1, "ann")
    assert found["as_of"] == "1970-01-01T01:30:00.000Z"
    (funnel,) = found["funnels"]
    assert [(event["place"], event["id"], event["why"]) for event in funnel["events"]] == [
        ("9", None, "invalid"), ("1", "v1", "other_chain"), ("3", "v2", "counted"), ("4", "v2", "duplicate"),
        ("5", "c1", "no_match"), ("6", "b1", "order"), ("7", "c2", "counted"), ("8", "b2", "outside_window"),
        ("10", "events.jsonl:10", "no_match"), ("11", "v3", "counted"),
    ]  # fmt: skip
    by_id = {(event["id"], event["place"]): event for event in funnel["events"]}
    assert by_id["v2", "4"]["by"] == ["3"]
    assert by_id["c1", "5"]["text"] == "step 2 wants plan equals pro; it is free"
    late = by_id["b2", "8"]
    assert (late["step"], late["limit"], late["over_seconds"]) == (3, "window", 240.0)
    assert by_id["c2", "7"]["chains"] == [
        {"level": 2, "attempt": 1, "period": None},
        {"level": 2, "attempt": None, "period": "1970-01-01T00:00:00.000Z"},
    ]


def test_the_json_has_the_attempts_the_periods_and_where_the_actor_stands(capsys):
    ((unit,),) = [funnel["units"] for funnel in document(capsys, *FROM_FILE)["funnels"]]
    assert [(each["attempt"], each["outcome"], each["step"], each["entered"][11:16]) for each in unit["attempts"]] == [
        (1, "dropped", 2, "00:00"), (2, "pending", 1, "01:30"),
    ]  # fmt: skip
    assert unit["attempts"][0]["closed"] == "1970-01-01T01:00:00.000Z"
    assert [each["id"] for each in unit["attempts"][0]["chain"]] == ["v2", "c2"]
    assert (unit["stage"], unit["until"]) == (1, "1970-01-01T02:30:00.000Z")
    assert [(each["start"][:10], each["step"]) for each in unit["periods"]] == [("1970-01-01", 2)]
    assert unit["sealed"] is False


def test_the_text_fits_80_columns(capsys):
    status, printed = explained(capsys, *FROM_FILE)
    assert status == 0
    for words in (
        "actor ann in events.jsonl", "now at step 1 view, pending until 1970-01-01 02:30",
        "attempt 1: dropped at step 2 cart", "duplicate: a copy of record 3", "step 2 cart of attempt 1",
    ):  # fmt: skip
        assert words in printed.out
    assert max(len(line.rstrip()) for line in printed.out.splitlines()) <= 80


def test_as_of_turns_the_clock_back(capsys):
    (funnel,) = document(capsys, *FROM_FILE, "--as-of", "1970-01-01T00:14:00Z")["funnels"]
    assert [event["why"] for event in funnel["events"][-4:]] == ["ahead", "ahead", "no_match", "ahead"]
    (unit,) = funnel["units"]
    assert [(each["outcome"], each["step"]) for each in unit["attempts"]] == [("pending", 1)]


def test_each_counted_unit_is_told_by_itself(capsys, folder):
    (folder / "held.yaml").write_text(FUNNEL.replace("window: 1h", "window: 1h\nhold_constant: [site]"))
    lines = [
        {"user_id": "ann", "time": 0, "event": "view", "site": "x", "id": "1"},
        {"user_id": "ann", "time": 1, "event": "cart", "plan": "pro", "site": "y", "id": "2"},
        {"user_id": "ann", "time": 2, "event": "cart", "plan": "pro", "id": "3"},
    ]
    (folder / "held.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (funnel,) = document(capsys, "--events", "held.jsonl", "--funnel", "held.yaml")["funnels"]
    assert [unit["unit"] for unit in funnel["units"]] == [
        [{"property": "site", "value": "x"}], [{"property": "site", "value": "y"}],
    ]  # fmt: skip
    assert [event["why"] for event in funnel["events"]] == ["counted", "other_unit", "no_match"]
    assert funnel["events"][1]["text"] == "the chain that had come to step 1 view is that of site=x"
    assert funnel["events"][2]["text"] == "step 2 needs the property site"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--events", "events.jsonl", "--topic", "t"), "give --events or --topic, not both"),
        (("--events", "none.jsonl", "--funnel", "shop.yaml"), "none.jsonl: cannot be read"),
        ((*FROM_FILE, "--field", "actor=who"), "none of 11 records is of this actor"),
    ],
)
def test_what_is_wrong_is_said(capsys, options, words):
    status, printed = explained(capsys, *options)
    assert status == 1
    assert words in printed.err


def test_names_from_outside_do_not_steer_the_terminal(capsys, folder):
    line = {"user_id": "ann", "time": 0, "event": "cart", "plan": "\x1b[31m[bold]red"}
    (folder / "e.jsonl").write_text(json.dumps(line))
    _, printed = explained(capsys, "--events", "e.jsonl", "--funnel", "shop.yaml")
    assert "\x1b" not in printed.out
    assert "[bold]red" in printed.out
