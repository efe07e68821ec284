"""`funnel simulate` from the command line, without a Kafka."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime

import pytest

from stream.cli.simulate import register
from stream.errors import SimulateError

START = "2026-03-01T00:00:00Z"
COMMAND = (
    "import argparse, sys; from stream.cli.simulate import register; parser = argparse.ArgumentParser();"
    "register(parser.add_subparsers()); args = parser.parse_args(); sys.exit(args.run(args))"
)


def simulate(*options: str) -> int:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    args = parser.parse_args(["simulate", *options])
    return args.run(args)


def process(*options: str, **more) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", COMMAND, "simulate", *options], **more)


def test_it_writes_so_many_records_and_says_so(tmp_path, capsys):
    path = tmp_path / "events.jsonl"
    assert simulate("--events", "300", "--to", str(path)) == 0
    assert capsys.readouterr().out == f"300 records written to {path}\n"
    assert len(path.read_bytes().splitlines()) == 300


def test_a_file_is_the_same_every_time_and_another_with_another_seed(tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        simulate("--events", "300", "--seed", seed, "--to", str(tmp_path / name))
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_seconds_bound_the_delivery_time(tmp_path):
    path = tmp_path / "events.jsonl"
    options = ("--seconds", "20", "--rate", "50", "--start", START, "--junk-share", "0", "--with-record-time")
    simulate(*options, "--to", str(path))
    times = [json.loads(line)["record_time"] for line in path.read_bytes().splitlines()]
    assert "2026-03-01T00:00:19" < max(times) < "2026-03-01T00:00:20"
    assert len(times) == pytest.approx(1_000, rel=0.15)


def test_every_share_can_be_set(tmp_path):
    path = tmp_path / "events.jsonl"
    simulate("--events", "500", "--junk-share", "1", "--offline-share", "0", "--late-share", "0",
             "--future-share", "0", "--to", str(path))  # fmt: skip
    assert b'"time":{"at":[1]}' in path.read_bytes()


def test_a_drop_can_hit_one_segment(tmp_path):
    path = tmp_path / "events.jsonl"
    simulate("--events", "3000", "--drop-step", "view_product", "--drop-segment", "device=mobile", "--drop-factor", "0",
             "--content-share", "0", "--junk-share", "0", "--returning-share", "0", "--to", str(path))  # fmt: skip
    events = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert {event["properties"]["device"] for event in events if event["event"] == "view_product"} == {
        "desktop",
        "tablet",
    }


def test_a_drop_can_start_after_so_many_seconds(tmp_path):
    path = tmp_path / "events.jsonl"
    simulate("--seconds", "600", "--rate", "50", "--drop-step", "view_product", "--drop-from", "+300", "--drop-factor",
             "0", "--start", START, "--junk-share", "0", "--future-share", "0", "--content-share", "0",
             "--returning-share", "0", "--to", str(path))  # fmt: skip
    events = [json.loads(line) for line in path.read_bytes().splitlines()]
    entered = {
        event["session_id"]
        for event in events
        if event["event"] == "view_page" and event["time"] > "2026-03-01T00:05:00"
    }
    went_on = {event["session_id"] for event in events if event["event"] == "view_product"}
    assert len(entered) > 1_000
    assert not entered & went_on
    assert went_on


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--topic", "shop"], "an endless run would fill the topic: give --events N, --seconds S or --realtime"),
        (["--topic", "shop", "--events", "1", "--with-record-time"], "--with-record-time is for files"),
        (["--to", "x", "--junk-share", "3"], "junk_share: 3.0 is not a share"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, complaint):
    with pytest.raises(SimulateError, match=complaint):
        simulate(*options)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--to", "x", "--start", "yesterday"], '"yesterday" is no ISO 8601 time'),
        (["--to", "x", "--drop-segment", "mobile"], '"mobile" is not NAME=VALUE (try device=mobile)'),
        (["--to", "x", "--rate", "0"], "0 is not above 0"),
        (["--to", "x", "--events", "-1"], "-1 is not above 0"),
        (["--to", "x", "--topic", "y"], "not allowed with argument"),
        ([], "one of the arguments --to --topic is required"),
    ],
)
def test_options_of_a_wrong_form_are_refused(options, complaint, capsys):
    with pytest.raises(SystemExit):
        simulate(*options)
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_endless_run_in_real_time_ends_cleanly_when_asked(sent, tmp_path):
    path = tmp_path / "events.jsonl"
    began = time.time()
    running = process("--to", str(path), "--realtime", "--rate", "200", "--junk-share", "0", stdout=subprocess.PIPE)
    try:
        while not (path.exists() and path.stat().st_size > 20_000):
            assert running.poll() is None
            assert time.time() < began + 30
            time.sleep(0.02)
        running.send_signal(sent)
        said, _ = running.communicate(timeout=20)
    finally:
        running.kill()
        running.wait()
    lines = path.read_bytes().splitlines()
    assert running.returncode == 0
    assert said.decode() == f"{len(lines)} records written to {path}\n"
    happened = [datetime.fromisoformat(json.loads(line)["time"]).timestamp() for line in lines]
    assert began - 1 < min(happened)


def test_a_reader_that_has_enough_ends_an_endless_run():
    running = process("--to", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ})
    try:
        assert json.loads(running.stdout.readline())["event"]
        running.stdout.close()
        said = running.stderr.read().decode()
        assert running.wait(timeout=20) == 0
    finally:
        running.kill()
        running.wait()
        running.stderr.close()
    assert said.endswith("records written to standard output\n")
    assert "Traceback" not in said
