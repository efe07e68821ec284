"""Rows in order of their times, whatever order they come in and however many they are.

In:  rows of (event time, partition, id, bytes).
Out: the same rows by time; of one time, in the order in which they came.

A merge sort through a temporary file without a name: what comes is sorted some rows at a time and written as a run;
what follows on the run before it makes that longer, so that rows that were in order are only written and read.
Memory holds `SORTED_ROWS` rows, and later `BLOCK_ROWS` of each run.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
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


class TimeOrder:
    """Takes rows in, then gives them out, as often as asked. Raises `ReplayError` where the disk is full."""

    def __init__(self, sorted_rows: int = SORTED_ROWS, block_rows: int = BLOCK_ROWS) -> None:
        self._sorted_rows, self._block_rows = sorted_rows, block_rows
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (`close` ends it)
        self._waiting: list[Row] = []
        self._runs: list[list[tuple[int, int]]] = []  # by run, place and size of each block
        self._last_ms = 0
        self.count = 0

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()

    def add(self, rows: Sequence[Row]) -> None:
        """Take the next rows in."""
        self._waiting += rows
        self.count += len(rows)
        if len(self._waiting) >= self._sorted_rows:
            self._write()

    def rows(self) -> Iterator[Row]:
        """Yield all rows by time."""
        self._write()
        # Earlier runs first where times are equal, as `merge` promises.
        return merge(*map(self._read, self._runs), key=TIME)

    def _write(self) -> None:
        rows, self._waiting = self._waiting, []
        if not rows:
            return
        rows.sort(key=TIME)
        if not self._runs or rows[0][0] < self._last_ms:
            self._runs.append([])
        self._last_ms = rows[-1][0]
        try:
            for start in range(0, len(rows), self._block_rows):
                block = _encode(rows[start : start + self._block_rows])
                self._runs[-1].append((self._file.tell(), len(block)))
                self._file.write(block)
            self._file.flush()
        except OSError as error:
            raise ReplayError(
                f"{tempfile.gettempdir()}: the files' rows cannot be put in order there ({error.strerror or error}); "
                "it takes as much room as the files unpacked: set TMPDIR to a folder that has it"
            ) from error

    def _read(self, run: Sequence[tuple[int, int]]) -> Iterator[Row]:
        for place, size in run:
            yield from _decode(os.pread(self._file.fileno(), size, place))
