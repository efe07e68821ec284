"""Write the past into a folder of OpenMetrics files, each for `promtool tsdb create-blocks-from openmetrics`.

In:  the samples of one instant after another, ascending.
Out: a file for each two hours, as Prometheus' blocks are cut, or sooner where there are many series.

A file has its name only once it is whole.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from stream.errors import HistoryError
from stream.history.open_metrics import OpenMetricsText
from stream.metrics.history import Sample

BLOCK_MS = 2 * 3_600_000
MAX_SAMPLES = 500_000
"""Lines held at once, 100 MB of them."""
PARTIAL = ".partial"


class Exported(NamedTuple):
    """How many samples are in which files."""

    samples: int
    files: list[Path]


def prepare(folder: Path) -> None:
    """Make the folder, or check that nothing is in it. Raises `HistoryError`."""
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        found = next(folder.iterdir(), None)
    if found is not None:
        raise HistoryError(f"{folder}: not empty ({found.name} is there); give a new folder, so that it holds one past")


def export(instants: Iterable[tuple[int, Iterable[Sample]]], folder: Path) -> Exported:
    """Write all samples, each instant with its time in ms. Raises `HistoryError` if the folder cannot be written."""
    files: list[Path] = []
    written = 0
    text, first_ms = OpenMetricsText(), 0
    for time_ms, samples in instants:
        if text.size and (time_ms // BLOCK_MS != first_ms // BLOCK_MS or text.size >= MAX_SAMPLES):
            files.append(_write(text, folder, first_ms))
            text = OpenMetricsText()
        if not text.size:
            first_ms = time_ms
        before = text.size
        text.add(time_ms, samples)
        written += text.size - before
    if text.size:
        files.append(_write(text, folder, first_ms))
    return Exported(written, files)


def _write(text: OpenMetricsText, folder: Path, first_ms: int) -> Path:
    name = datetime.fromtimestamp(first_ms / 1000, UTC).strftime("funnel-%Y%m%dT%H%M%SZ.om")
    partial = folder / (name + PARTIAL)
    with _explained(folder):
        try:
            with partial.open("w", encoding="utf-8") as file:
                file.writelines(text.lines())
                file.flush()
                os.fsync(file.fileno())
            return partial.rename(folder / name)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HistoryError(
            f"{folder}: cannot be written ({error.strerror or error}); the files there are whole, but not all: make "
            "room, or give another folder, and export again"
        ) from error
