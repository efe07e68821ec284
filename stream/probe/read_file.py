"""A sample of a file of JSON lines.

In:  a path; `.gz` is unpacked, `-` is standard input.
Out: a `Sample`: of a plain file the first and the last lines, of what can only be read forwards the first.
"""

import gzip
import sys
import zlib
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from stream.errors import ProbeError
from stream.model.event import Record
from stream.probe.sample import MAX_BYTES, Run, Sample

MAX_LINE_BYTES = 16 << 20
"""A longer line is cut, and then maps to no event: a file without line ends must not fill the memory."""


def read_file(path: str, max_records: int) -> Sample:
    """Read at most `max_records` lines of `path`; blank lines are none.

    Raises `ProbeError` if it cannot be read.
    """
    try:
        if path == "-":
            return _first("standard input", sys.stdin.buffer, max_records)
        if path.endswith(".gz"):
            with gzip.open(path) as lines:
                return _first(path, cast("BinaryIO", lines), max_records)
        with Path(path).open("rb") as lines:
            return _both_ends(path, lines, max_records)
    except OSError as error:
        raise ProbeError(f"{path}: cannot be read ({error.strerror or error}); give a file of JSON lines") from error


def _first(origin: str, lines: BinaryIO, max_records: int) -> Sample:
    records: list[Record] = []
    note = ""
    taken = _numbered(_lines(lines, MAX_BYTES))
    try:
        records.extend(islice(taken, max_records))
        is_whole = not lines.read(1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        records.extend(taken)
        is_whole, note = False, f"the file is broken after {len(records)} records: {error}"
    return Sample(origin, False, (Run(0, records),), total_records=len(records) if is_whole else None, note=note)


def _both_ends(origin: str, lines: BinaryIO, max_records: int) -> Sample:
    head = list(islice(_numbered(_lines(lines, MAX_BYTES // 2)), max_records - max_records // 2))
    middle = lines.tell() if lines.seekable() else 0
    size = lines.seek(0, 2) if lines.seekable() else 0
    # The last lines are likely as long as the first; twice the room is enough for most files.
    start = max(middle, size - min(MAX_BYTES // 2, max(2 * middle, 1 << 20)))
    lines.seek(start)
    if start > middle:
        lines.readline(MAX_LINE_BYTES)  # the rest of a line that began before
    tail = deque(_numbered(_lines(lines, MAX_BYTES)), maxlen=max_records // 2)
    is_whole = start == middle and len(tail) < (tail.maxlen or 0)
    runs = (Run(0, [*head, *tail]),) if is_whole else (Run(0, head), Run(0, list(tail)))
    return Sample(origin, False, runs, total_records=len(head) + len(tail) if is_whole else None)


def _lines(lines: BinaryIO, max_bytes: int) -> Iterator[bytes]:
    while max_bytes > 0 and (line := lines.readline(MAX_LINE_BYTES)):
        yield line
        max_bytes -= len(line)
        while not line.endswith(b"\n") and (line := lines.readline(MAX_LINE_BYTES)):
            continue


def _numbered(lines: Iterator[bytes]) -> Iterator[Record]:
    """Give the lines that are not blank numbers from 0 in each run."""
    stripped = (line.strip() for line in lines)
    return (Record(line, number) for number, line in enumerate(line for line in stripped if line))
