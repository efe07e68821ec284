"""Samples of files: both ends of a plain file, the beginning of what can only be read forwards."""

import gzip
import io
import sys
from types import SimpleNamespace

import pytest

from stream.errors import ProbeError
from stream.probe import read_file as room
from stream.probe.read_file import read_file


def lines_of(sample):
    return [[record.value for record in run.records] for run in sample.runs]


@pytest.fixture
def numbers(tmp_path):
    """Write a file of the lines 0 to 99 999, larger than what is read at its end."""
    path = tmp_path / "numbers.jsonl"
    path.write_bytes(b"".join(b"%05d-and-some-more-text\n" % number for number in range(100_000)))
    return path


def test_a_large_file_gives_its_first_and_its_last_lines(numbers):
    sample = read_file(str(numbers), 5)
    first, last = lines_of(sample)
    assert [line[:5] for line in first] == [b"00000", b"00001", b"00002"]
    assert [line[:5] for line in last] == [b"99998", b"99999"]
    assert sample.total_records is None


@pytest.mark.parametrize("count", [1, 2, 3, 10, 11])
def test_a_sample_has_as_many_lines_as_asked_for_and_none_twice(tmp_path, count):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(b"%d\n" % number for number in range(10)))
    lines = [line for run in lines_of(read_file(str(path), count)) for line in run]
    assert len(lines) == min(count, 10)
    assert len(set(lines)) == len(lines)
    assert lines == sorted(lines, key=int)


def test_a_file_read_whole_is_one_run_and_counted(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"1\n\n  \n2\r\n3")
    sample = read_file(str(path), 100)
    assert lines_of(sample) == [[b"1", b"2", b"3"]]
    assert (sample.total_records, sample.is_topic, sample.origin) == (3, False, str(path))


def test_a_gz_file_is_unpacked_and_read_from_the_beginning(tmp_path):
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(b"1\n2\n3\n"))
    assert lines_of(read_file(str(path), 2)) == [[b"1", b"2"]]
    assert read_file(str(path), 2).total_records is None
    assert read_file(str(path), 3).total_records == 3


def test_a_broken_gz_file_gives_what_can_be_read(tmp_path):
    path = tmp_path / "events.jsonl.gz"
    whole = gzip.compress(b"".join(b"%d\n" % number for number in range(100_000)))
    path.write_bytes(whole[: len(whole) // 2])
    sample = read_file(str(path), 100_000)
    assert 1_000 < len(sample.runs[0].records) < 100_000
    assert sample.note.startswith("the file is broken after ")


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"1\n2\n")))
    sample = read_file("-", 100)
    assert (sample.origin, lines_of(sample)) == ("standard input", [[b"1", b"2"]])


def test_a_line_without_end_is_cut_and_the_next_one_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "MAX_LINE_BYTES", 10)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"x" * 55 + b"\n" + b"next\n")
    assert lines_of(read_file(str(path), 100)) == [[b"x" * 10, b"next"]]


def test_no_more_bytes_are_read_than_fit_and_no_half_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "MAX_BYTES", 1_050)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(b"%099d\n" % number for number in range(1_000)))
    lines = [line for run in lines_of(read_file(str(path), 1_000)) for line in run]
    assert 5 < len(lines) <= 12
    assert {len(line) for line in lines} == {99}


def test_an_empty_file_is_an_empty_sample(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"")
    assert lines_of(read_file(str(path), 10)) == [[]]


@pytest.mark.parametrize(("name", "text"), [("absent.jsonl", "No such file"), ("", "Is a directory")])
def test_what_cannot_be_read_is_said(tmp_path, name, text):
    with pytest.raises(ProbeError, match=f"cannot be read \\({text}"):
        read_file(str(tmp_path / name), 10)
