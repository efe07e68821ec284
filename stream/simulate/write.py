"""Write simulated records as JSON lines, to a file, a gzip file or standard output.

In:  `SimRecord`s in delivery order.
Out: one line for each, junk included, and how many were written.

Equal records give equal bytes, compressed too. A line is written whole or not at all when the run is stopped.
"""

import gzip
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from stream.errors import SimulateError
from stream.simulate.pace import Pace
from stream.simulate.shop import SimRecord, iso_time

GZIP_LEVEL = 4
"""Half the time of the default level for 5 % more bytes."""


@contextmanager
def open_lines(path: str) -> Iterator[BinaryIO]:
    """Open `path` for writing: `-` is standard output, `.gz` is compressed.

    Raises `SimulateError` if the file cannot be created or the disk is full.
    """
    if path == "-":
        # Buffered here even where Python's own standard output is not.
        with open(sys.stdout.fileno(), "wb", closefd=False) as output:
            yield output
        return
    try:
        with Path(path).open("wb") as plain:
            if path.endswith(".gz"):
                # No name and no time in the header: equal records, equal bytes.
                with gzip.GzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=plain, mtime=0) as packed:
                    yield cast(BinaryIO, packed)
            else:
                yield plain
    except OSError as error:
        raise SimulateError(
            f"{path}: cannot be written ({error.strerror}); give a path in a writable folder"
        ) from error


def write_lines(
    records: Iterable[SimRecord],
    lines: BinaryIO,
    *,
    stop: threading.Event,
    pace: Pace | None = None,
    with_record_time: bool = False,
) -> int:
    """Write records until they end, `stop` is set, or the reader of a pipe goes away; return how many."""
    written = 0
    try:
        for record in records:
            if pace is not None and (ahead := pace.ahead_seconds(record.record_ms)) > 0:
                lines.flush()
                stop.wait(ahead)
            if stop.is_set():
                break
            lines.write((stamped(record) if with_record_time else record.value) + b"\n")
            written += 1
        lines.flush()
    except BrokenPipeError:
        # As with `| head`: the reader has enough. What is still buffered must not fail at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return written


def stamped(record: SimRecord) -> bytes:
    """Return the value with its delivery time as the field `record_time`; what is no whole object stays as it is."""
    if not record.value.endswith(b"}"):
        return record.value
    return b'%s,"record_time":"%s"}' % (record.value[:-1], iso_time(record.record_ms).encode())
