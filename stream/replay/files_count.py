"""Count a run's files before its topic.

In:  the rows of the files, in any order; what of them is counted already.
Out: the run's partitions as they are once all rows are counted, ready for the topic's first record.

Rows are counted in the order of their times, so that none is late, and in the partition where the topic has their
actor. A row counts as a record that was written at its own time, at the latest at the partition's seam: so the
watermark goes up to the seam and no further, and the topic's records are judged as live judges them.

While they are counted a partition's head is in the log of its rows: `next_offset` is how many are counted, and
`first_offset` is None. So each commit is compared like any other, a kill repeats nothing, and whoever takes over shuts
out who was there before. The last commit moves the head to where the run begins in the topic.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from stream.analyze.read_file import Lines, read_lines
from stream.engine.table import by_actor
from stream.errors import ReplayError, StoreUnavailable
from stream.ingest.admission import admit_batch
from stream.ingest.decode import EventDecoder, Invalid
from stream.model.verdict import Verdict
from stream.replay.files import check_files, seam_of, source_of
from stream.replay.partitioner import partition_of
from stream.replay.run import LOOK_EVERY_S, Pace, ending_of
from stream.replay.time_order import Row, TimeOrder
from stream.settings.sources import mapping_of
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Commit, Moved, PartitionHead, Store
from stream.worker.active_funnels import ActiveFunnels
from stream.worker.contract import PartitionBatch
from stream.worker.memory import uncollected
from stream.worker.partition import Counting, Judged, Partition, counting_of
from stream.worker.runs import Files, Run, Start
from stream.worker.takeover import FIRST_PAUSE_S, LONGEST_PAUSE_S, Outage

BATCH_ROWS = 20_000
"""As many actors at most: a commit of so many holds Redis for 30 ms (docs/state.md)."""

Told = Callable[[str, int, int], Any]
"""Hears what is being done, and how much of how much."""


class FilesRead(NamedTuple):
    """What the files hold.

    rows: all. invalid: mean no event. left: so late that the topic has them. without_id: of those counted, how many
    bring no id and are so late that the topic may have them too: such an event is then counted twice. first_ms,
    last_ms: times of the first and the last that is counted, None if none is.
    """

    rows: int
    invalid: int
    left: int
    without_id: int
    first_ms: int | None
    last_ms: int | None


async def are_counted(store: Store, run: Run) -> bool:
    """Whether the run's files are counted, if it has any; `store` is that of its namespace."""
    heads = [await store.load_head(number) for number in run.starts] if run.files is not None else []
    return all(head is not None and head.first_offset is not None for head in heads)


class FilesCount:
    """Counts the files of a run, from where that stopped.

    settings: those that follow the run's rules. base, store: of the configured namespace and of the run's. stop: ends
    it; it is set here too, when the run is stopped or dropped. max_rate: rows a second at most.
    """

    def __init__(  # noqa: PLR0913
        self,
        settings: TrackerSettings,
        base: Store,
        store: Store,
        run: Run,
        *,
        told: Told,
        stop: asyncio.Event,
        max_rate: int | None = None,
    ) -> None:
        self._settings, self._base, self._store, self._run = settings, base, store, run
        self._told, self._stop, self._max_rate = told, stop, max_rate

    async def count(self) -> FilesRead | None:
        """Count what is left; None if nothing is, or it was stopped before the last row.

        A store that is away is waited for. Raises `ReplayError` if a file is not what it was when the run was made, if
        none of its rows is an event, or another process has begun to count them; `AnalyzeError` if one is broken.
        """
        files = self._run.files
        if files is None or await are_counted(self._store, self._run):
            return None
        await asyncio.to_thread(check_files, files)
        watching = asyncio.create_task(self._watch())
        try:
            with closing(TimeOrder()) as order:
                reading = _Reading(self._settings, self._run, files, order)
                if not await self._read(files, reading):
                    return None
                read = reading.end()
                return read if await self._count_all(files, order, read.invalid) else None
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(StoreUnavailable):
                await self._goes_on()
            await _pause(LOOK_EVERY_S, self._stop)

    async def _goes_on(self) -> bool:
        """Whether the run still wants its files counted."""
        if await ending_of(self._base, self._run) is not None:
            self._stop.set()
        return not self._stop.is_set()

    async def _read(self, files: Files, reading: "_Reading") -> bool:
        """Put the rows in order; False if it was stopped before the last."""
        total, before = sum(file.size_bytes for file in files.files), 0
        for file in files.files:
            for lines in read_lines(file.path, files.format):
                reading.take(Path(file.path).name, lines)
                self._told("reading files (bytes)", before + lines.read_bytes, total)
                await asyncio.sleep(0)
                if self._stop.is_set():
                    return False
            before += file.size_bytes
        return True

    async def _count_all(self, files: Files, order: TimeOrder, invalid: int) -> bool:
        """Count the rows; False if it was stopped before the last."""
        outage, pause = Outage(), FIRST_PAUSE_S
        while not self._stop.is_set():
            try:
                return await self._go(files, order, invalid)
            except StoreUnavailable as error:
                outage.begin(str(error))
                await _pause(pause, self._stop)
                pause = min(pause * 2, LONGEST_PAUSE_S)
        return False

    async def _go(self, files: Files, order: TimeOrder, invalid: int) -> bool:
        """Count partition after partition from what is stored on; the first unclear answer of the store ends it."""
        settings, run = self._settings, self._run
        if not await self._goes_on():
            return False
        await self._store.check()
        active = await ActiveFunnels(settings, run.rules.funnels, self._store, activate=False).activate()
        mapping = mapping_of(source_of(settings, files.source))
        counting = counting_of(settings, run.rules.funnels, mapping, active)
        going = _Going(self._told, self._stop, self._max_rate, order.count())
        for number, start in sorted(run.starts.items()):
            # Asked each time: a run that was dropped meanwhile must not be made again.
            if not await self._goes_on():
                return False
            part = _PartitionCount(self._store, run.name, start, counting)
            if not await part.take_over(number, len(run.starts)):
                going.add(order.count(number))
                continue
            # A row without an actor is of no partition.
            of_nobody = invalid if number == min(run.starts) else 0
            if not await part.count(order.rows(number), of_nobody, going):
                return False
        return True


async def _pause(seconds: float, stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


class _Reading:
    """Takes the files' lines in, and puts the rows that are of before the topic in order."""

    def __init__(self, settings: TrackerSettings, run: Run, files: Files, order: TimeOrder) -> None:
        self._source = source_of(settings, files.source)
        self._core = EventDecoder(mapping_of(self._source)).core
        self._number_of = partition_of(files.partitioner, len(run.starts))
        self._seams = {number: seam_of(start) for number, start in run.starts.items()}
        self._skew_ms, self._lateness_ms = settings.max_future_skew_ms, settings.allowed_lateness_ms
        self._order = order
        self._rows = self._invalid = self._left = self._without_id = 0
        self._first_ms: int | None = None
        self._last_ms: int | None = None
        self._first_reason = ""

    def take(self, name: str, lines: Lines) -> None:
        """Take the next lines of the file of this name."""
        core, number_of, seams = self._core, self._number_of, self._seams
        taken: list[Row] = []
        for value, line in zip(lines.values, lines.numbers, strict=True):
            found = core(value)
            if type(found) is Invalid:
                self._invalid += 1
                self._first_reason = self._first_reason or f"{name}:{line}, {found.reason}"
                continue
            actor, time_ms, _, event_id, _ = found
            number = number_of(actor)
            seam_ms = seams[number]
            if time_ms > seam_ms + self._skew_ms:
                self._left += 1
                continue
            if event_id is None:
                self._without_id += time_ms >= seam_ms - self._lateness_ms
            taken.append((time_ms, number, f"{name}:{line}" if event_id is None else "", value or b""))
        self._rows += len(lines.values)
        self._order.add(taken)
        if taken:
            times = [row[0] for row in taken]
            self._first_ms = min(times) if self._first_ms is None else min(self._first_ms, *times)
            self._last_ms = max(times) if self._last_ms is None else max(self._last_ms, *times)

    def end(self) -> FilesRead:
        """Return what was read. Raises `ReplayError` if none of it is an event."""
        if self._rows and self._rows == self._invalid:
            raise ReplayError(
                f"none of the files' {self._rows} rows is an event as source {self._source.name} reads them "
                f"(the first: {self._first_reason}); correct its preset, fields or time_unit, or name another source "
                "with --files-source"
            )
        self._order.end()
        return FilesRead(self._rows, self._invalid, self._left, self._without_id, self._first_ms, self._last_ms)


class _Going:
    """How far the counting is, at which pace, and whether it goes on."""

    def __init__(self, told: Told, stop: asyncio.Event, max_rate: int | None, total: int) -> None:
        self._told, self.stop, self._total = told, stop, total
        self._pace = None if max_rate is None else Pace(max_rate)
        # At a pace, not more at once than half a second's.
        self.batch_rows = BATCH_ROWS if max_rate is None else max(1, min(BATCH_ROWS, max_rate // 2))
        self._done = 0

    async def wait(self, rows: int) -> None:
        """Wait until so many rows may be counted."""
        if self._pace is not None:
            await _pause(self._pace.pause_s(rows, time.monotonic()), self.stop)

    def add(self, rows: int) -> None:
        """Tell that so many more are counted."""
        self._done += rows
        self._told("counting files (rows)", self._done, self._total)


class _PartitionCount:
    """One go over a partition's rows, from what is stored on; the first unclear answer of the store ends it."""

    def __init__(self, store: Store, run: str, start: Start, counting: Counting) -> None:
        self._store, self._run, self._start, self._counting = store, run, start, counting
        self._sending: asyncio.Task[None] | None = None
        self._partition: Partition

    async def take_over(self, number: int, partitions: int) -> bool:
        """Load the partition and shut out whoever counted it; False if there is no row left to count."""
        first = PartitionHead(0, epoch=int(time.time() * 1000), partition_count=partitions)
        is_new = await self._store.create_head(number, first)
        head = first if is_new else await self._store.load_head(number)
        if not is_new and head is not None and head.first_offset is None:
            await self._store.raise_epoch(number)
            head = await self._store.load_head(number)
        if head is None:
            raise StoreUnavailable("count files", (number,), "the partition's head is gone")
        if head.first_offset is not None:
            return False
        self._partition = Partition(number, head, self._counting, is_new=is_new)
        self._partition.restore(await self._store.load_cells(number))
        return True

    async def count(self, rows: Iterator[Row], invalid: int, going: _Going) -> bool:
        """Count the rows, and make the partition ready for the topic; False if that was stopped before."""
        counted = self._partition.head.next_offset
        going.add(counted)
        rows = islice(rows, counted, None)
        try:
            while batch := list(islice(rows, going.batch_rows)):
                await going.wait(len(batch))
                if going.stop.is_set():
                    return False
                await self._count_batch(batch)
                going.add(len(batch))
            await self._settle()
            await self._send(self._last(invalid))
        finally:
            if self._sending is not None:
                await asyncio.gather(self._sending, return_exceptions=True)
        return True

    async def _count_batch(self, rows: Sequence[Row]) -> None:
        partition = self._partition
        with uncollected():
            judged = self._admit(rows)
            missing = partition.table.missing(judged.by_actor)
            if missing:
                await self._settle()  # an actor that had to leave the table may have its newest state on its way
                blobs = await self._store.load_states(partition.number, [key for _, key in missing])
                for (actor, key), blob in zip(missing, blobs, strict=True):
                    partition.table.put(actor, key, blob)
            # Without values: the checksum is for the record before an offset of the topic.
            at = partition.head.next_offset
            record_times = self._record_times(rows[:1])
            batch = PartitionBatch(partition.number, at, at, at + len(rows), [], record_times, (), [], None)
            commit = partition.count(batch, judged).commit
        partition.head = commit.head
        await self._settle()
        # The store writes this while the next rows are counted.
        self._sending = asyncio.create_task(self._send(commit))
        await asyncio.sleep(0)

    def _admit(self, rows: Sequence[Row]) -> Judged:
        counting = self._counting
        admitted = admit_batch(
            [row[3] for row in rows],
            self._record_times(rows),
            [row[2] for row in rows],
            counting.decoder,
            counting.funnels.serving,
            counting.limits,
            self._partition.head.watermark_ms,
            "",
            kinds=counting.funnels.kinds,
        )
        return Judged(admitted, by_actor(admitted.events))

    def _record_times(self, rows: Sequence[Row]) -> list[int]:
        seam_ms = seam_of(self._start)
        return [min(row[0], seam_ms) for row in rows]

    def _last(self, invalid: int) -> Commit:
        """Return the commit behind the last row: the head comes to where the run begins in the topic.

        It may go back in number, so the epoch is raised.
        """
        commit, offset = self._partition.touch(), self._start.offset
        verdicts = list(commit.head.verdicts)
        verdicts[Verdict.INVALID] += invalid
        epoch = commit.head.epoch + 1
        return replace(
            commit,
            head=replace(commit.head, next_offset=offset, first_offset=offset, epoch=epoch, verdicts=tuple(verdicts)),
        )

    async def _settle(self) -> None:
        """Wait for the commit that is on its way."""
        sending, self._sending = self._sending, None
        if sending is not None:
            await sending

    async def _send(self, commit: Commit) -> None:
        (result,) = await self._store.commit([commit])
        if not isinstance(result, Moved):
            return
        if result.epoch > commit.expected[1]:
            raise ReplayError(f"run {self._run}: another process has begun to count its files; leave it to that one")
        raise StoreUnavailable("count files", (commit.partition,), "the store went back to an earlier state")
