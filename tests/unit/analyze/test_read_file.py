"""Files in all their forms."""

import gzip
import io
import json
import sys

import pytest

from stream.analyze import read_file
from stream.analyze.read_file import read_lines
from stream.errors import AnalyzeError


def records(path, file_format=None):
    return [
        (number, value)
        for lines in read_lines(str(path), file_format)
        for number, value in zip(lines.numbers, lines.values, strict=True)
    ]


def test_blank_lines_are_none_and_lines_keep_their_numbers(tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_bytes(b'{"a":1}\n\n  \r\n{"a":2}\r\n{"a":3}')
    assert records(path) == [(1, b'{"a":1}'), (4, b'{"a":2}'), (5, b'{"a":3}')]


def test_gz_is_unpacked(tmp_path):
    path = tmp_path / "e.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a":1}\n{"a":2}\n'))
    assert [value for _, value in records(path)] == [b'{"a":1}', b'{"a":2}']


def test_csv_rows_become_records_and_a_mark_at_the_start_is_no_part_of_a_name(tmp_path):
    path = tmp_path / "e.csv"
    path.write_bytes('\ufeffuser_id,event\na,"x, y"\n\nb,"two\nlines"\n'.encode())
    found = records(path)
    assert [json.loads(value) for _, value in found] == [
        {"user_id": "a", "event": "x, y"},
        {"user_id": "b", "event": "two\nlines"},
    ]
    assert [number for number, _ in found] == [2, 5]


def test_csv_may_be_packed_and_may_be_named_otherwise(tmp_path):
    packed, plain = tmp_path / "e.csv.gz", tmp_path / "e.txt"
    packed.write_bytes(gzip.compress(b"event\nx\n"))
    plain.write_bytes(b"event\nx\n")
    assert records(packed) == records(plain, "csv") == [(2, b'{"event": "x"}')]


def test_bytes_that_are_no_text_cost_a_csv_cell_and_not_the_file(tmp_path):
    path = tmp_path / "e.csv"
    path.write_bytes(b"user_id,event\n\xff,x\nb,x\n")
    assert len(records(path)) == 2


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}\n{}\n")))
    assert records("-") == [(1, b"{}"), (2, b"{}")]


def test_a_line_beyond_all_measure_is_cut_and_the_next_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(read_file, "MAX_LINE_BYTES", 8)
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"x" * 30 + b"\n{}\n")
    assert records(path) == [(1, b"x" * 8), (2, b"{}")]


def test_a_file_comes_in_batches_with_the_bytes_read(tmp_path, monkeypatch):
    monkeypatch.setattr(read_file, "BATCH_RECORDS", 2)
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"{}\n" * 5)
    batches = list(read_lines(str(path)))
    assert [len(batch.values) for batch in batches] == [2, 2, 1]
    assert batches[-1].read_bytes == 15


def test_a_missing_file_and_a_broken_one_are_named(tmp_path):
    with pytest.raises(AnalyzeError, match=r"none.jsonl: cannot be read \(No such file"):
        records(tmp_path / "none.jsonl")
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(gzip.compress(b"{}\n" * 100_000)[:-40])
    with pytest.raises(AnalyzeError, match=r"broken.jsonl.gz: broken after about line"):
        records(broken)
