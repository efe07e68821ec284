"""`funnel analyze --period --zone --compare-previous`: the trend by the clocks of a zone, and each period's change."""

import json
from pathlib import Path

import jsonschema
import pytest

from stream.analyze.forms import schema
from stream.analyze.show import growth
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
    assert all("previous" not in row for row in found)


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


# Last week four came by Tuesday, two of whom bought by then and one later, and two more on Friday.
# This week two came by Tuesday and one bought; the log ends on Tuesday at noon.
WEEKS = (
    *views("2026-03-02T09:00Z", "2026-03-03T09:00Z", "2026-03-03T10:00Z", "2026-03-03T11:30Z",
           "2026-03-06T09:00Z", "2026-03-06T10:00Z"),
    ("u0", "2026-03-02T10:00Z", "buy"), ("u1", "2026-03-03T11:00Z", "buy"), ("u3", "2026-03-03T13:00Z", "buy"),
    ("v0", "2026-03-09T09:00Z", "view"), ("v1", "2026-03-10T12:00Z", "view"), ("v0", "2026-03-09T09:30Z", "buy"),
)  # fmt: skip


def test_a_running_week_is_compared_with_the_last_one_at_equal_age(capsys):
    write(*WEEKS)
    last, running = trend(capsys, "--period", "week", "--compare-previous")
    assert (last["is_matured"], running["is_matured"]) == (True, False)
    assert (last["attempts"]["entered"], last["attempts"]["converted"]) == (6, 3)
    previous = running["previous"]
    assert (previous["start"][:10], previous["as_of"]) == ("2026-03-02", "2026-03-03T12:00:00.000Z")
    # u2 and u3 are pending at that time, and nobody has come on Friday yet.
    assert [previous["attempts"][name] for name in ("entered", "converted", "dropped", "pending")] == [4, 2, 0, 2]
    assert previous["attempts_change"] == {
        "entered": -0.5, "conversion": 0.0,
        "steps": [{"step": 1, "name": "view", "conversion": 0.0}, {"step": 2, "name": "buy", "conversion": None}],
    }  # fmt: skip
    assert (previous["actors"]["entered"], previous["actors_change"]["entered"]) == (4, -0.5)


def test_the_period_before_is_what_as_of_says_about_it(capsys):
    write(*WEEKS)
    for row in trend(capsys, "--period", "week", "--compare-previous"):
        previous = row["previous"]
        then = trend(capsys, "--period", "week", "--as-of", previous["as_of"])
        same = {part["start"]: part for part in then}.get(previous["start"])
        if same is None:
            assert previous["attempts"]["entered"] == previous["actors"]["entered"] == 0
        else:
            assert (previous["attempts"], previous["actors"]) == (same["attempts"], same["actors"])


def test_the_period_before_a_gap_is_the_calendars_and_not_the_row_before(capsys):
    write(*views("2026-03-02T09:00Z", "2026-03-05T09:00Z"), ("u1", "2026-03-05T10:00Z", "buy"))
    rows = trend(capsys, "--compare-previous")
    found = [
        (row["start"][:10], row["attempts"]["entered"], row["previous"]["start"][:10],
         row["previous"]["attempts"]["entered"], row["previous"]["attempts_change"]["entered"],
         row["previous"]["attempts_change"]["conversion"])
        for row in rows
    ]  # fmt: skip
    assert found == [
        ("2026-03-02", 1, "2026-03-01", 0, None, None),
        ("2026-03-03", 0, "2026-03-02", 1, -1.0, None),
        ("2026-03-05", 1, "2026-03-04", 0, None, None),
    ]


def test_each_funnel_is_compared_by_its_own_periods(capsys):
    Path("shop.yaml").write_text(FUNNEL.replace("window: 6h", "window: 1h") + "period: {unit: hour}\n")
    write(*views("2026-03-02T09:00Z", "2026-03-02T09:10Z", "2026-03-02T09:40Z", "2026-03-02T10:20Z"))
    assert [(row["start"][11:16], row["previous"]["attempts"]["entered"], row["previous"]["attempts_change"]["entered"])
            for row in trend(capsys, "--compare-previous")] == [("09:00", 0, None), ("10:00", 2, -0.5)]  # fmt: skip


def test_the_tables_show_the_change_and_say_what_is_so_far(capsys):
    write(*WEEKS)
    text = printed(capsys, "--period", "week", "--compare-previous")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    at = lines.index("Against the week before")
    assert lines[at + 1 : at + 4] == [
        "entered from entered before change conversion before change",
        "2026-03-02 00:00 6 0 - 50.0% - -",
        "2026-03-09 00:00 2 4 -50.0% 50.0% 50.0% +0.0 pp",
    ]
    assert " ".join(lines[at + 4 :]) == (
        "so far, from 2026-03-09 00:00 on: some may still enter or convert; the week before is counted as it stood "
        "when it was as old (for the last row as of 2026-03-03T12:00:00.000Z)"
    )
    assert max(map(len, text.splitlines())) <= 80


def test_matured_periods_are_not_so_far(capsys):
    write(*WEEKS)
    text = printed(capsys, "--period", "week", "--compare-previous", "--as-of", "2026-03-16T06:00:00Z")
    assert "2026-03-16 00:00        0" in text
    assert "so far, from 2026-03-16 00:00 on" in " ".join(text.split())
    later = printed(capsys, "--period", "week", "--compare-previous", "--as-of", "2026-03-30T00:00:00Z")
    assert "so far" not in later


def test_a_log_without_any_event_has_nothing_to_compare(capsys):
    Path("e.jsonl").write_text("junk\n")
    assert main(["analyze", "e.jsonl", "--funnel", "shop.yaml", "--compare-previous", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["funnels"][0]["trend"] == []


def test_the_first_day_of_the_first_year_has_none_before(capsys):
    write(*views("0001-01-01T10:00:00Z"))
    (row,) = trend(capsys, "--compare-previous")
    assert row["previous"] is None


@pytest.mark.parametrize("unit", ["hour", "day", "week", "month"])
@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/Sao_Paulo"])
def test_the_last_month_of_the_last_year_can_be_looked_at(capsys, unit, zone):
    Path("shop.yaml").write_text(FUNNEL.replace("6h", "40d"))
    times = ["9999-11-20T12:00Z", "9999-12-01T01:00Z", "9999-12-01T11:00Z", "9999-12-02T00:00Z", "9999-12-31T23:59Z"]
    write(*views(*times))
    rows = trend(capsys, "--period", unit, "--zone", zone, "--compare-previous")
    assert sum(row["attempts"]["entered"] for row in rows) == len(times)


@pytest.mark.parametrize(
    ("change", "shown"),
    [(None, "-"), (0.0, "+0.0%"), (0.125, "+12.5%"), (-0.5, "-50.0%"), (-0.9999, "-99.9%"), (-1.0, "-100.0%")],
)
def test_what_is_not_all_gone_does_not_read_as_if_it_were(change, shown):
    assert growth(change) == shown
