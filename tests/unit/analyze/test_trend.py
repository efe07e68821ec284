"""`funnel analyze --period --zone`: the trend by the clocks of a zone."""

import json
from pathlib import Path

import jsonschema
import pytest

from stream.analyze.forms import schema
from stream.cli.main import main

FUNNEL = """
funnel: shop
window: 6h
steps:
  - {event: view}
  - {event: buy}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in a folder without config, and without what the environment names."""
    monkeypatch.chdir(tmp_path)
    for variable in ("FUNNEL_TRACKER", "KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "shop.yaml").write_text(FUNNEL)


def write(*events: tuple[str, str, str]) -> None:
    """Write events (actor, time, name)."""
    lines = [json.dumps({"user_id": actor, "time": time, "event": name}) for actor, time, name in events]
    Path("e.jsonl").write_text("\n".join(lines))


def printed(capsys, *options: str) -> str:
    assert main(["analyze", "e.jsonl", "--funnel", "shop.yaml", *options]) == 0
    return capsys.readouterr().out


def trend(capsys, *options: str) -> list[dict]:
    found = json.loads(printed(capsys, *options, "--json"))
    jsonschema.validate(found, schema())
    return found["funnels"][0]["trend"]


def views(*times: str) -> list[tuple[str, str, str]]:
    return [(f"u{number}", time, "view") for number, time in enumerate(times)]


@pytest.mark.parametrize(
    ("unit", "zone", "times", "expected"),
    [
        pytest.param("day", "Europe/Berlin",
                     ["2026-03-28T22:59:59.999Z", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999Z",
                      "2026-03-29T22:00:00Z"],
                     [("2026-03-27T23:00", 1), ("2026-03-28T23:00", 2), ("2026-03-29T22:00", 1)],
                     id="a-day-of-23-hours"),
        pytest.param("day", "Europe/Berlin",
                     ["2026-10-24T21:59:59.999Z", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59.999Z",
                      "2026-10-25T23:00:00Z"],
                     [("2026-10-23T22:00", 1), ("2026-10-24T22:00", 2), ("2026-10-25T23:00", 1)],
                     id="a-day-of-25-hours"),
        pytest.param("hour", "Europe/Berlin", ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"],
                     [("2026-10-25T00:00", 1), ("2026-10-25T01:00", 1)], id="the-hour-that-comes-twice-is-two-hours"),
        pytest.param("week", "Europe/Berlin", ["2026-03-22T23:00:00Z", "2026-03-29T21:59:59.999Z", "2026-03-29T22:00Z"],
                     [("2026-03-22T23:00", 2), ("2026-03-29T22:00", 1)], id="a-week-of-167-hours"),
        pytest.param("month", "Europe/Berlin", ["2026-09-30T22:00Z", "2026-10-31T22:59:59.999Z", "2026-10-31T23:00Z"],
                     [("2026-09-30T22:00", 2), ("2026-10-31T23:00", 1)], id="a-month-with-a-day-of-25-hours"),
        pytest.param("day", "America/Sao_Paulo",
                     ["2017-10-15T02:59:59.999Z", "2017-10-15T03:00:00Z", "2017-10-16T01:59:59.999Z",
                      "2017-10-16T02:00:00Z"],
                     [("2017-10-14T03:00", 1), ("2017-10-15T03:00", 2), ("2017-10-16T02:00", 1)],
                     id="a-day-without-midnight"),
        pytest.param("day", "Asia/Kolkata", ["2026-03-01T18:29:59.999Z", "2026-03-01T18:30:00Z"],
                     [("2026-02-28T18:30", 1), ("2026-03-01T18:30", 1)], id="a-half-hour-zone"),
    ],
)  # fmt: skip
def test_periods_begin_and_end_by_the_clocks_of_their_zone(capsys, unit, zone, times, expected):
    write(*views(*times))
    found = trend(capsys, "--period", unit, "--zone", zone)
    assert [(row["start"][:16], row["attempts"]["entered"]) for row in found] == expected
    assert [row["actors"]["entered"] for row in found] == [entered for _, entered in expected]


@pytest.mark.parametrize(
    ("unit", "zone", "time", "shown"),
    [
        pytest.param("day", "Europe/Berlin", "2026-03-29T12:00Z", "2026-03-29 00:00 ", id="local-midnight"),
        pytest.param("day", "America/Sao_Paulo", "2017-10-15T12:00Z", "2017-10-15 01:00 ", id="there-is-no-midnight"),
        pytest.param("hour", "Europe/Berlin", "2026-10-25T00:10Z", "2026-10-25 02:00+0200", id="before-clocks-go-back"),
        pytest.param("hour", "Europe/Berlin", "2026-10-25T01:10Z", "2026-10-25 02:00+0100", id="the-same-hour-again"),
        pytest.param("day", "UTC", "2026-03-29T12:00Z", "2026-03-29 00:00 ", id="utc"),
    ],
)
def test_a_table_shows_the_clocks_of_the_zone(capsys, unit, zone, time, shown):
    write(("a", time, "view"))
    assert f"\n{shown}" in printed(capsys, "--period", unit, "--zone", zone)
