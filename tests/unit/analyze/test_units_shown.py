"""The tables of a funnel say what they count: actors, or units where an actor counts several times."""

import json
import re
from pathlib import Path

import pytest

from stream.cli.main import main

PLAIN = "funnel: shop\nwindow: 1h\nbreakdowns: [{name: os, properties: [os]}]\nsteps: [{event: view}, {event: buy}]\n"
EVENTS = [("a", 0, "view", 1), ("a", 5, "view", 2), ("b", 0, "view", 1), ("b", 9, "buy", 1)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in a folder with events of two actors in three sessions, a day after another event of one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FUNNEL_TRACKER", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    day_ms = 86_400_000
    lines = [("a", 0, "view", 0), *[(who, day_ms + time, name, sid) for who, time, name, sid in EVENTS]]
    text = "\n".join(
        json.dumps({"user_id": who, "time": 1_700_000_000_000 + time, "event": name, "sid": sid, "os": "x"})
        for who, time, name, sid in lines
    )
    (tmp_path / "e.jsonl").write_text(text)


@pytest.mark.parametrize(
    ("option", "counted", "entered"),
    [
        pytest.param("", "actors", "2", id="a-plain-funnel"),
        pytest.param("session: {property: sid}\n", "units", "3", id="sessions"),
        pytest.param("hold_constant: [sid]\n", "units", "3", id="values-held-constant"),
    ],
)
@pytest.mark.parametrize("asked", [(), ("--compare-previous",)], ids=["", "beside-the-previous-period"])
def test_every_table_says_what_is_counted(capsys, option, counted, entered, asked):
    Path("shop.yaml").write_text(PLAIN + option)
    assert main(["analyze", "e.jsonl", "--funnel", "shop.yaml", *asked]) == 0
    printed = capsys.readouterr().out
    heads = [line.split() for line in printed.splitlines() if re.match("(step|segment|entered from) ", line)]
    told = [head[-1] for head in heads if head[-1] in {"actors", "units"}]
    assert told == [counted] * 3
    assert ("Against the day before" in printed) == bool(asked)
    trend = printed.partition("Trend by day")[2].splitlines()
    assert next(line for line in trend if line.startswith("2023-11-15")).split()[-1] == entered
