"""Rows in order of their times, partition by partition, whatever order they come in and however many they are.

In:  rows of (event time, partition, id, bytes).
Out: a partition's rows by time; of one time, in the order in which they came.

A merge sort through a temporary file without a name: what comes is sorted some rows at a time and written as a run;
what follows on the run before it makes that longer, so that rows that were in order are only written and read.
Memory holds `SORTED_ROWS` rows, and later `BLOCK_ROWS` of each run of one partition.
"""

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from operator import itemgetter
from typing import Final, TypeAlias

import msgspec

from stream.errors import ReplayError

SORTED_ROWS = 100_000
BLOCK_ROWS = 500

# event time in ms, partition, id of an event that brings none, the record's bytes
Row: TypeAlias = tuple[int, int, str, bytes]
TIME: Final = itemgetter(0)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, int, str, bytes]]).decode


class _Sorted:
    """What is written of one partition: by run, place and size of each block."""

    def __init__(self) -> None:
        self.runs: list[list[tuple[int, int]]] = []
        self.last_ms = 0
        self.count = 0


class TimeOrder:
    """Takes rows in, then gives them out, as often as asked. Raises `ReplayError` where the disk is full."""

    def __init__(self, sorted_rows: int = SORTED_ROWS, block_rows: int = BLOCK_ROWS) -> None:
        self._sorted_rows, self._block_rows = sorted_rows, block_rows
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (`close` ends it)
        self._waiting: list[Row] = []
        self._sorted: defaultdict[int, _Sorted] = defaultdict(_Sorted)

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()

    def add(self, rows: Iterable[Row]) -> None:
        """Take the next rows in."""
        self._waiting += rows
        if len(self._waiting) >= self._sorted_rows:
            self.end()

    def end(self) -> None:
        """Put away what is still in memory: no row comes any more."""
        rows, self._waiting = self._waiting, []
        rows.sort(key=TIME)
        parts: defaultdict[int, list[Row]] = defaultdict(list)
        for row in rows:
            parts[row[1]].append(row)
        try:
            for number, part in parts.items():
                self._write(self._sorted[number], part)
            self._file.flush()
        except OSError as error:
            raise ReplayError(
                f"{tempfile.gettempdir()}: the files' rows cannot be put in order there ({error.strerror or error}); "
                "it takes as much room as the files unpacked: set TMPDIR to a folder that has it"
            ) from error

    def count(self, number: int | None = None) -> int:
        """Return how many rows a partition has; all of them together without a number."""
        if number is None:
            return sum(known.count for known in self._sorted.values())
        return self._sorted[number].count

    def rows(self, number: int) -> Iterator[Row]:
        """Yield the rows of a partition by time."""
        # Earlier runs first where times are equal, as `merge` promises.
        return merge(*map(self._read, self._sorted[number].runs), key=TIME)

    def _write(self, known: _Sorted, rows: Sequence[Row]) -> None:
        if not known.runs or rows[0][0] < known.last_ms:
            known.runs.append([])
        known.last_ms = rows[-1][0]
        known.count += len(rows)
        for start in range(0, len(rows), self._block_rows):
            block = _encode(rows[start : start + self._block_rows])
            known.runs[-1].append((self._file.tell(), len(block)))
            self._file.write(block)

    def _read(self, run: Sequence[tuple[int, int]]) -> Iterator[Row]:
        for place, size in run:
            yield from _decode(os.pread(self._file.fileno(), size, place))
