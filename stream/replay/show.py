"""A run's progress for people, and for programs.

In:  progress as it comes; looks at runs.
Out: a bar on a terminal, a line every ten seconds elsewhere; a table; documents.
"""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from math import floor
from typing import Self

import msgspec
from msgspec import UNSET, UnsetType
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from stream.analyze.document import iso
from stream.analyze.show import console
from stream.replay.catalog import Look
from stream.replay.compared import UnsyncedDoc, unsynced_text
from stream.replay.files_count import FilesRead
from stream.replay.progress import Progress as HowFar
from stream.worker.runs import Run

LINE_EVERY_S = 10.0
PACE_OVER_S = 10.0
"""Pace and time left are those of so many seconds: shorter ones jump, longer ones lag."""


class RunDoc(msgspec.Struct):
    """A run for programs; instants are ISO 8601 in UTC, offsets by partition. `left` and `share`: null if not known.

    unsynced: only where it was asked for.
    """

    name: str
    state: str
    namespace: str
    topic: str
    funnels: list[str]
    made: str
    start: dict[int, int]
    counts_from: str | None
    until: dict[int, int] | None
    done: int
    left: int | None
    share: float | None
    watermark: str | None
    gaps: list[str]
    files: list[str]
    unsynced: list[UnsyncedDoc] | UnsetType = UNSET


def run_document(look: Look, unsynced: Sequence[UnsyncedDoc] | None = None) -> RunDoc:
    """Return what there is to know of a run."""
    run, since = look.run, _since_ms(look.run)
    return RunDoc(
        name=run.name,
        state=look.state,
        namespace=look.namespace,
        topic=run.topic,
        funnels=[funnel.key for funnel in run.rules.funnels],
        made=iso(run.made_ms),
        start={number: start.offset for number, start in sorted(run.starts.items())},
        counts_from=None if since is None else iso(since),
        until=run.until,
        done=look.progress.done,
        left=look.progress.left,
        share=look.progress.share,
        watermark=None if look.watermark_ms is None else iso(look.watermark_ms),
        gaps=list(run.gaps),
        files=[] if run.files is None else [file.path for file in run.files.files],
        unsynced=UNSET if unsynced is None else list(unsynced),
    )


def _since_ms(run: Run) -> int | None:
    return max((start.since_ms for start in run.starts.values() if start.since_ms is not None), default=None)


def show_runs(looks: Sequence[Look]) -> None:
    """Print runs, a line each."""
    table = Table(box=None, pad_edge=False)
    table.add_column("run", overflow="fold")  # the only one that may be long
    for title in ("state", "made", "read", "left"):
        table.add_column(title, justify="right" if title in {"read", "left"} else "left", no_wrap=True)
    for look in looks:
        document = run_document(look)
        table.add_row(document.name, document.state, document.made, *_how_far(document))
    console().print(table)


def show_run(look: Look, unsynced: Sequence[UnsyncedDoc] | None = None) -> None:
    """Print all there is to know of a run."""
    document = run_document(look)
    done, left = _how_far(document)
    lines = {
        "run": f"{document.name}, made {document.made}",
        "state": document.state,
        "funnels": ", ".join(document.funnels),
        "log": f"topic {document.topic}, {len(document.start)} partitions",
        "counts": f"what entered from {document.counts_from} on" if document.counts_from else "all that it reads",
        "to": _end(look.run),
        "read": f"{done}, {left} left",
        "watermark": document.watermark or "none yet",
        "namespace": document.namespace,
    }
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in lines.items():
        table.add_row(name, text)
    for file in document.files:
        table.add_row("file before it", file)
    for gap in document.gaps:
        table.add_row("not covered", gap)
    for each in unsynced or ():
        table.add_row("unsynced", unsynced_text(each))
    console().print(table)


def _end(run: Run) -> str:
    return "follows the log" if run.until is None else "fixed end offsets"


def _how_far(document: RunDoc) -> tuple[str, str]:
    share = "" if document.share is None else f" ({_percent(document.share)})"
    return _records(document.done) + share, "?" if document.left is None else _records(document.left)


class RunProgress:
    """Shows how far a run is; use as a context. `tell` takes what is known, once a second."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._what = ""
        self._known: list[HowFar] = []
        self._line_s = 0.0
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
        self._bar = Progress(*columns, console=console(stderr=True), disable=not sys.stderr.isatty())
        self._task = self._bar.add_task(run.name, total=None, text="starting")

    def __enter__(self) -> Self:
        """Begin to show."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state where it is."""
        self._bar.stop()

    def tell_files(self, what: str, done: int, total: int) -> None:
        """Show how far the files are that come before the topic."""
        if what != self._what:
            self._what, self._known = what, []
        self._show(HowFar(done, total, done == total, time.monotonic()))

    def tell(self, progress: HowFar) -> None:
        """Show how far the run is now."""
        if self._what:
            self._what, self._known = "", []
        self._show(progress)

    def _show(self, progress: HowFar) -> None:
        is_news = progress.is_complete and not (self._known and self._known[-1].is_complete)
        self._known.append(progress)
        while len(self._known) > 1 and progress.at_s - self._known[0].at_s > PACE_OVER_S:
            del self._known[0]
        text = f"{self._what} {progress_text(self._known[0], progress)}".strip()
        self._bar.update(self._task, completed=progress.done, total=progress.total, text=text)
        is_due = is_news or progress.at_s - self._line_s >= LINE_EVERY_S
        if self._bar.disable and is_due:
            self._line_s = progress.at_s
            with suppress(OSError):  # a log whose disk is full is no reason to end the run
                sys.stderr.write(f"run {self._run.name}: {text}\n")
                sys.stderr.flush()


def files_text(run: Run, read: FilesRead) -> list[str]:
    """Say what a run's files held, for a person."""
    counted = read.rows - read.invalid - read.left
    lines = [f"{_records(read.rows)} rows in the files, {_records(counted)} counted before the topic"]
    if read.first_ms is not None and read.last_ms is not None:
        seams = [start.seam_ms for start in run.starts.values() if start.seam_ms is not None]
        lines[0] += f" ({iso(read.first_ms)} to {iso(read.last_ms)}; the topic begins at {iso(min(seams))})"
    if read.left:
        lines.append(f"{_records(read.left)} left to Kafka: they are of when the topic had begun")
    if read.invalid:
        lines.append(f"{_records(read.invalid)} mean no event; `funnel probe FILE` says why")
    if read.without_id:
        lines.append(
            f"{_records(read.without_id)} without an id are of when the topic began: those that it has too are counted "
            "twice"
        )
    return lines


def progress_text(earlier: HowFar, now: HowFar) -> str:
    """Say how far a run is: `43% of 1 200 000, 182 000/s, 4 s left`."""
    rate, left_s = now.rate(earlier), now.left_s(earlier)
    if now.total is None or now.share is None:
        parts = [f"{_records(now.done)} read"]
    else:
        parts = [f"{_percent(now.share)} of {_records(now.total)}"]
    if rate is not None:
        parts.append(f"{_records(round(rate))}/s")
    if now.left:
        parts.append(f"{_records(now.left)} to go" if left_s is None else f"{_duration(left_s)} left")
    return ", ".join(parts)


def _percent(share: float) -> str:
    return f"{floor(100 * share)}%"  # 100 % is all of it, and nothing less


def _records(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
