"""A file's records, some thousands at a time.

In:  a path (`.gz` is unpacked, `-` is standard input), JSON lines or CSV with a header.
Out: the bytes of records with the number of their line, and how far the file is read.
"""

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from stream.errors import AnalyzeError
from stream.ingest.files import csv_row_to_record

BATCH_RECORDS = 20_000
MAX_LINE_BYTES = 16 << 20
"""A longer line is cut, and then maps to no event: a file without line ends must not fill the memory."""

STDIN = "-"


class Lines(NamedTuple):
    """Records and the line each stands in (from 1); `read_bytes` of the file so far, packed as they are."""

    values: list[bytes | None]
    numbers: list[int]
    read_bytes: int


def is_csv(path: str, file_format: str | None) -> bool:
    """Whether a file is CSV: `file_format` says so, else its name."""
    return (file_format or ("csv" if path.lower().removesuffix(".gz").endswith(".csv") else "json")) == "csv"


def size_of(path: str) -> int | None:
    """Return the bytes of a file as it lies there; None where that is not known."""
    try:
        return None if path == STDIN or not Path(path).is_file() else Path(path).stat().st_size
    except OSError:
        return None


def read_lines(path: str, file_format: str | None = None) -> Iterator[Lines]:
    """Yield the records of a file in order; blank lines are none.

    Raises `AnalyzeError` if it cannot be read, or is broken in the middle.
    """
    number = 0
    try:
        if path == STDIN:
            yield from _batches(sys.stdin.buffer, lambda: 0, by_row=is_csv(path, file_format))
            return
        with Path(path).open("rb") as raw:
            unpacked = gzip.GzipFile(fileobj=raw) if path.endswith(".gz") else raw
            for lines in _batches(cast("BinaryIO", unpacked), raw.tell, by_row=is_csv(path, file_format)):
                number = lines.numbers[-1]
                yield lines
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise AnalyzeError(f"{path}: broken after about line {number} ({error}); unpack what is left of it") from error
    except OSError as error:
        raise AnalyzeError(f"{path}: cannot be read ({error.strerror or error}); give JSON lines or CSV") from error
    except csv.Error as error:
        raise AnalyzeError(f"{path}: after about line {number}: {error}; give CSV with a header line") from error


def _batches(lines: BinaryIO, position: Callable[[], int], *, by_row: bool) -> Iterator[Lines]:
    records = _rows(lines) if by_row else _json_lines(lines)
    while batch := list(islice(records, BATCH_RECORDS)):
        yield Lines([value for _, value in batch], [number for number, _ in batch], position())


def _json_lines(lines: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := lines.readline(MAX_LINE_BYTES):
        number += 1
        rest = line
        while not rest.endswith(b"\n") and (rest := lines.readline(MAX_LINE_BYTES)):
            continue
        record = line.strip()
        if record:
            yield number, record


def _rows(lines: BinaryIO) -> Iterator[tuple[int, bytes]]:
    csv.field_size_limit(MAX_LINE_BYTES)
    # What is no UTF-8 stays recognizable as such: it costs its cell, not the file.
    text = io.TextIOWrapper(lines, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        rows = csv.reader(text)
        header = next(rows, [])
        for row in rows:
            if row:
                yield rows.line_num, csv_row_to_record(header, row)
    finally:
        text.detach()  # who opened the file closes it, and asks until then how far it is read
