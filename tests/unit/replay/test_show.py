"""What people and programs are shown of a run."""

import io
import sys

import msgspec
import pytest
from msgspec.structs import replace

from stream.replay.catalog import Look
from stream.replay.compared import UnsyncedDoc
from stream.replay.progress import Progress, State
from stream.replay.show import RunProgress, progress_text, run_document, show_run, show_runs
from stream.worker.runs import Start
from support.runs import run_named

MADE_MS = 1_769_860_800_000
RUN = run_named("january", {0: 1_200_000, 1: 7}, made_ms=MADE_MS)
HALF = Progress(600_000, 1_200_007, False, 0.0)
LOOK = Look(RUN, "live.january", State.RUNNING, HALF, MADE_MS + 1)
WARM = {0: Start(5, 0), 1: Start(6, 86_400_000)}
FOLLOWS = replace(run_named("follows", made_ms=MADE_MS), starts=WARM, gaps=("part" * 40,))


def at(done, total, at_s):
    return Progress(done, total, done == total, at_s)


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize(("earlier", "now", "expected"), [
    pytest.param((0, 900_000, 0.0), (0, 900_000, 0.0), "0% of 900 000, 900 000 to go", id="begins"),
    pytest.param((0, 1_200_000, 0.0), (516_000, 1_200_000, 3.0), "43% of 1 200 000, 172 000/s, 4 s left", id="s-left"),
    pytest.param((0, 9_000, 0.0), (100, 9_000, 1.0), "1% of 9 000, 100/s, 1 min 29 s left", id="minutes-left"),
    pytest.param((0, 900_000, 0.0), (100, 900_000, 1.0), "0% of 900 000, 100/s, 2 h 29 min left", id="hours-left"),
    pytest.param((5, 10, 0.0), (5, 10, 1.0), "50% of 10, 0/s, 5 to go", id="stands-still"),
    pytest.param((8, 10, 0.0), (5, 10, 1.0), "50% of 10, 0/s, 5 to go", id="was-set-back"),
    pytest.param((0, 1_999, 0.0), (1_998, 1_999, 1.0), "99% of 1 999, 1 998/s, 0 s left", id="not-all-is-not-100%"),
    pytest.param((0, 10, 0.0), (10, 10, 2.0), "100% of 10, 5/s", id="all"),
    pytest.param((0, 0, 0.0), (0, 0, 1.0), "100% of 0, 0/s", id="nothing-to-read"),
    pytest.param((0, None, 0.0), (1_500, None, 1.0), "1 500 read, 1 500/s", id="follows"),
])  # fmt: skip
def test_how_far_a_run_is_in_words(earlier, now, expected):
    assert progress_text(at(*earlier), at(*now)) == expected


def test_a_list_has_a_line_for_each_run_and_fits_80_columns(capsys):
    follows = Look(FOLLOWS, "live.follows", State.INTERRUPTED, Progress(12, None, False, 0.0), None)
    long = Look(replace(RUN, name="n" * 32), "live.n", State.DROPPED, HALF, None)
    show_runs([LOOK, follows, long])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["january", "running", "2026-01-31T12:00:00.000Z", "600", "000", "(49%)", "600", "007"]
    assert lines[2].split() == ["follows", "interrupted", "2026-01-31T12:00:00.000Z", "12", "?"]
    assert "".join(line.split()[0] for line in lines[3:]) == "n" * 32
    assert "being dropped" in lines[3]


def test_all_of_a_run_fits_80_columns_and_nothing_is_cut(capsys):
    show_run(Look(FOLLOWS, "live.follows", State.STOPPED, Progress(12, 20, False, 0.0), MADE_MS))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    words = " ".join(out.split())
    for expected in (
        "run follows, made 2026-01-31T12:00:00.000Z", "state stopped", "funnels ab@1", "log topic shop, 2 partitions",
        "counts what entered from 1970-01-02T00:00:00.000Z on", "to follows the log", "read 12 (60%), 8 left",
        "watermark 2026-01-31T12:00:00.000Z", "namespace live.follows", "not covered part",
    ):  # fmt: skip
        assert expected in words
    assert "".join(out.split()).count("part" * 40) == 1


def test_what_is_unsynced_is_shown_where_it_was_asked_for(capsys):
    unsynced = [UnsyncedDoc(funnel="ab@1", attempts=1234, actors=800)]
    show_run(LOOK, unsynced)
    words = " ".join(capsys.readouterr().out.split())
    assert "unsynced ab@1: 1 234 attempts of 800 actors" in words
    document = msgspec.json.decode(msgspec.json.encode(run_document(LOOK, unsynced)))
    assert document["unsynced"] == [{"funnel": "ab@1", "attempts": 1234, "actors": 800}]


def test_a_run_for_programs():
    document = msgspec.json.decode(msgspec.json.encode(run_document(LOOK)))
    assert document == {
        "name": "january",
        "state": "running",
        "namespace": "live.january",
        "topic": "shop",
        "funnels": ["ab@1"],
        "made": "2026-01-31T12:00:00.000Z",
        "start": {"0": 0, "1": 0},
        "counts_from": None,
        "until": {"0": 1_200_000, "1": 7},
        "done": 600_000,
        "left": 600_007,
        "share": 600_000 / 1_200_007,
        "watermark": "2026-01-31T12:00:00.001Z",
        "gaps": [],
        "files": [],
    }


def shown(monkeypatch, stream, *known):
    monkeypatch.setattr(sys, "stderr", stream)
    with RunProgress(RUN) as progress:
        for each in known:
            progress.tell(each)


def test_without_a_terminal_a_line_comes_every_ten_seconds_and_at_the_end(monkeypatch):
    stream = io.StringIO()
    looks = [at(min(300, second * 10), 300, 100.0 + second) for second in range(32)]
    shown(monkeypatch, stream, *looks)
    assert stream.getvalue() == (
        "run january: 0% of 300, 300 to go\n"
        "run january: 33% of 300, 10/s, 20 s left\n"
        "run january: 66% of 300, 10/s, 10 s left\n"
        "run january: 100% of 300, 10/s\n"
    )


def test_the_pace_is_that_of_the_last_ten_seconds(monkeypatch):
    stream = io.StringIO()
    looks = [at(min(second, 15) * 10, 400, 100.0 + second) for second in range(31)]
    shown(monkeypatch, stream, *looks)
    assert stream.getvalue().splitlines()[-1] == "run january: 37% of 400, 0/s, 250 to go"


class Full(io.StringIO):
    """A file on a disk that is full."""

    def write(self, _text):
        raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_does_not_end_the_run(monkeypatch):
    shown(monkeypatch, Full(), at(0, 10, 100.0), at(10, 10, 120.0))
