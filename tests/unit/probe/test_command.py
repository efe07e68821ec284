"""`funnel probe --file` from the command line: report, JSON, exit status, config."""

import argparse
import gzip
import json

import pytest

from stream.cli.probe import register
from stream.errors import FunnelError, SettingsError

FUNNEL = "funnel: shop\nwindow: 1h\nsteps: [{event: view}, {event: bvy}]\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in a folder without config, and without what the environment names."""
    monkeypatch.chdir(tmp_path)
    for variable in ("FUNNEL_TRACKER", "KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.fixture
def events(folder):
    path = folder / "events.jsonl"
    lines = [
        json.dumps(
            {"device": {"id": f"d-{number % 9}"}, "when": 1_767_225_600 + number, "event": ("view", "buy")[number % 2]}
        )
        for number in range(100)
    ]
    path.write_text("\n".join([*lines, "junk"]))
    return path


def probe(*options) -> int:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    args = parser.parse_args(["probe", *map(str, options)])
    return args.run(args)


def test_the_report_says_mapping_fields_events_and_config(events, capsys):
    assert probe("--file", events) == 0
    text = capsys.readouterr().out
    for line in (
        "events.jsonl (file): 101 records of 101 read",
        "Mapping: flat with actor device.id, time when, time in s reads 99.0%",
        "  1.0% are no events: malformed",
        '    fields: {actor: "device.id", time: "when"}',
        "    time_unit: s",
    ):
        assert line in text
    assert "d-3" not in text


def test_the_json_is_one_object_with_a_version(events, capsys):
    assert probe("--file", events, "--json", "--sample", "50") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["records"], found["names"]) == (1, 50, {"view": 25, "buy": 24})


def test_funnels_come_from_the_tracker_file_or_from_where_they_are_named(events, folder, capsys):
    funnels = folder / "mine"
    funnels.mkdir()
    (funnels / "shop.yaml").write_text(FUNNEL)
    probe("--file", events, "--funnels", funnels)
    named = capsys.readouterr().out
    (folder / "config").mkdir()
    (folder / "config" / "tracker.yaml").write_text("sources: [{topics: [clicks]}]\nfunnels: ../mine\n")
    probe("--file", events)
    assert capsys.readouterr().out == named
    assert "did you mean buy?" in named


def test_the_source_of_a_named_config_is_tried(events, folder, capsys):
    config = folder / "my.yaml"
    config.write_text("sources: [{topics: [clicks], preset: posthog}]\n")
    probe("--file", events, "--config", config)
    assert "note: the mapping in your config reads 0.0% of the records; the one below fits" in capsys.readouterr().out


def test_the_exit_status_says_whether_anything_maps(folder, capsys):
    path = folder / "junk.jsonl.gz"
    path.write_bytes(gzip.compress(b"junk\n"))
    assert probe("--file", path) == 1
    assert "no record maps to an event" in capsys.readouterr().out
    path.write_bytes(gzip.compress(b""))
    assert probe("--file", path) == 1
    assert "holds no records" in capsys.readouterr().out


def test_names_from_outside_do_not_steer_the_terminal(folder, capsys):
    path = folder / "events.jsonl"
    path.write_text(json.dumps({"user_id": "p", "time": 0, "event": "\x1b[2J[red]view"}))
    assert probe("--file", path) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "[2J[red]view" in text


@pytest.mark.parametrize("options", [(), ("--topic", "a", "--file", "b"), ("--file", "a", "--sample", "0")])
def test_options_that_make_no_sense_are_refused(options, capsys):
    with pytest.raises(SystemExit):
        probe(*options)
    assert "error" in capsys.readouterr().err


def test_a_named_config_must_be_there_and_right(events, folder):
    with pytest.raises(SettingsError):
        probe("--file", events, "--config", folder / "absent.yaml")


def test_no_kafka_at_the_address_is_said_plainly():
    with pytest.raises(FunnelError, match=r"Kafka is away \(reading topic clicks at 127\.0\.0\.1:1\)"):
        probe("--topic", "clicks", "--bootstrap", "127.0.0.1:1")
