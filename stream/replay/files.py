"""Files as the older part of a run's log: what Kafka no longer has is counted first, then the topic.

In:  NDJSON or CSV files; where the run begins in the topic.
Out: the run's partitions as they are once the files' rows are counted, ready for the topic's first record.

Rows are counted in the order of their times, so that none is late, and in the partition where the topic has their
actor. A row counts as a record that was written at its own time, at the latest when the topic begins (the partition's
seam): the watermark goes up to the seam and no further, and a row that is ahead of it by more than the skew is not of
before the topic: it is left to Kafka.

While they are counted a partition's head is in the log of its rows: `next_offset` is how many are counted, and
`first_offset` is None. So each commit is compared like any other, a kill repeats nothing, and whoever takes over shuts
out who was there before. The last commit moves the head to where the run begins in the topic.
"""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from stream.analyze.live import log_mapping_of
from stream.analyze.read_file import read_lines
from stream.analyze.read_topic import TimedValue, first_records
from stream.engine.match import FunnelSet
from stream.engine.table import by_actor
from stream.errors import ReplayError, StoreUnavailable
from stream.ingest.admission import admit_batch
from stream.ingest.decode import EventDecoder, Invalid
from stream.model.verdict import Verdict
from stream.replay.partitioner import PARTITIONERS, find_partitioner, partition_of
from stream.replay.run import LOOK_EVERY_S, Pace, ending_of
from stream.replay.time_order import Row, TimeOrder
from stream.settings.sources import mapping_of
from stream.settings.tracker import SourceSettings, TrackerSettings
from stream.store.contract import Commit, Moved, PartitionHead, Store
from stream.worker.active_funnels import ActiveFunnels
from stream.worker.contract import PartitionBatch
from stream.worker.memory import uncollected
from stream.worker.partition import Counting, Judged, Partition, counting_by
from stream.worker.runs import File, Files, Run, Start
from stream.worker.takeover import FIRST_PAUSE_S, LONGEST_PAUSE_S, Outage

log = logging.getLogger(__name__)

SAMPLE_RECORDS = 1_000
"""Of each partition; twenty actors would tell two partitioners apart, and records repeat them."""
BATCH_ROWS = 20_000
DIGEST = "blake2b"

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


class HowRead(NamedTuple):
    """How files are read.

    format: json or csv, None for each by its name. source: whose mapping, None for the first. partitioner: one of
    `PARTITIONERS`, None for what the topic's records show.
    """

    format: str | None = None
    source: str | None = None
    partitioner: str | None = None


async def plan_files(
    settings: TrackerSettings, starts: Mapping[int, Start], paths: Sequence[Path], how: HowRead, now_ms: int
) -> tuple[Files, dict[int, Start]]:
    """Return the plan for files before a topic that is read from `starts` on, and these starts with their seams.

    Raises `ReplayError` if a file cannot be read or
    the topic's partitioner is not known, `KafkaUnavailable` or `KafkaRefused` if Kafka does not let us read.
    """
    source, partitioner = _source_of(settings, how.source), how.partitioner
    if partitioner is not None and partitioner not in PARTITIONERS:
        raise ReplayError(f"--partitioner {partitioner}: there is no such one (try one of: {', '.join(PARTITIONERS)})")
    files = tuple(await asyncio.to_thread(lambda: [_as_it_is(path.absolute()) for path in paths]))
    offsets = {number: start.offset for number, start in starts.items()}
    records = await first_records(settings.kafka, settings.log_topic, offsets, SAMPLE_RECORDS)
    decoder = EventDecoder(log_mapping_of(settings))
    if partitioner is None and settings.needs_repartition:
        partitioner = "crc32"
    if partitioner is None:
        partitioner = find_partitioner(settings.log_topic, {n: _actors(own, decoder) for n, own in records.items()})
    seams = {
        n: msgspec.structs.replace(start, seam_ms=_seam(records[n], decoder, now_ms)) for n, start in starts.items()
    }
    return Files(files, partitioner, source.name, how.format), seams


def _source_of(settings: TrackerSettings, name: str | None) -> SourceSettings:
    """Return a source by its name, the first without. Raises `ReplayError` if there is none of this name."""
    names = [source.name for source in settings.sources]
    if name is not None and name not in names:
        raise ReplayError(f"--files-source {name}: there is no such source (try one of: {', '.join(names)})")
    return settings.sources[0 if name is None else names.index(name)]


def _as_it_is(path: Path) -> File:
    try:
        if not path.is_file():
            raise ReplayError(f"{path}: is no file that can be read again after a stop; give NDJSON or CSV files")
        with path.open("rb") as raw:
            return File(str(path), path.stat().st_size, hashlib.file_digest(raw, DIGEST).hexdigest())
    except OSError as error:
        raise ReplayError(f"{path}: cannot be read ({error.strerror or error}); give NDJSON or CSV files") from error


def _actors(records: Iterable[TimedValue], decoder: EventDecoder) -> set[str]:
    found = (decoder.core(record.value) for record in records)
    return {core[0] for core in found if type(core) is not Invalid}


def _seam(records: Sequence[TimedValue], decoder: EventDecoder, now_ms: int) -> int:
    """Return when the first record was written; without a stamp, when its event happened.

    Where nothing is in the partition the topic begins now: a row from the future must not make all that comes late.
    """
    for record in records:
        if record.record_ms is not None and record.record_ms >= 0:
            return record.record_ms
        core = decoder.core(record.value)
        if type(core) is not Invalid:
            return core[1]
    return now_ms


def _seam_of(start: Start) -> int:
    assert start.seam_ms is not None  # noqa: S101 - `plan_files` gives every start of a run with files one
    return start.seam_ms


async def are_counted(store: Store, run: Run) -> bool:
    """Whether the run's files are counted, if it has any; `store` is that of its namespace."""
    heads = [await store.load_head(number) for number in run.starts] if run.files is not None else []
    return all(head is not None and head.first_offset is not None for head in heads)


async def count_files(  # noqa: PLR0913
    settings: TrackerSettings,
    base: Store,
    store: Store,
    run: Run,
    *,
    told: Told,
    stop: asyncio.Event,
    max_rate: int | None = None,
) -> FilesRead | None:
    """Count the run's files from where that stopped, and make its partitions ready for the topic.

    settings: those that follow the run's rules. base, store: of the configured namespace and of the run's. max_rate:
    rows a second at most. Returns None if they were counted before, or `stop` was set before all were; it is set here
    too when the run is stopped or dropped. A store that is away is waited for. Raises `ReplayError` if a file is not
    what it was when the run was made, or another process has begun to count them; `AnalyzeError` if one is broken.
    """
    if run.files is None or await are_counted(store, run):
        return None
    await asyncio.to_thread(_check_files, run.files)
    watching = asyncio.create_task(_watch(base, run, stop))
    try:
        return await _counted(settings, store, run, told, stop, max_rate)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(base: Store, run: Run, stop: asyncio.Event) -> None:
    """Set `stop` once the run is stopped or dropped."""
    while not stop.is_set():
        with contextlib.suppress(StoreUnavailable):
            if await ending_of(base, run) is not None:
                stop.set()
        await _pause(LOOK_EVERY_S, stop)


async def _pause(seconds: float, stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def _counted(  # noqa: PLR0913, PLR0917
    settings: TrackerSettings, store: Store, run: Run, told: Told, stop: asyncio.Event, max_rate: int | None
) -> FilesRead | None:
    with closing(TimeOrder()) as order:
        read = await _read(settings, run, order, told, stop)
        if read is None:
            return None
        outage, pause = Outage(), FIRST_PAUSE_S
        while not stop.is_set():
            try:
                going = _Going(told, stop, max_rate, order.count())
                return read if await _count(settings, store, run, read, order, going) else None
            except StoreUnavailable as error:
                outage.begin(str(error))
                await _pause(pause, stop)
                pause = min(pause * 2, LONGEST_PAUSE_S)
    return None


def _check_files(files: Files) -> None:
    for file in files.files:
        if _as_it_is(Path(file.path)) != file:
            raise ReplayError(
                f"{file.path}: is not the file that it was when the run was made ({file.size_bytes} bytes, {DIGEST} "
                f"{file.digest[:16]}...), so that counting cannot go on in it; put that back, or drop the run"
            )


async def _read(
    settings: TrackerSettings, run: Run, order: TimeOrder, told: Told, stop: asyncio.Event
) -> FilesRead | None:
    """Put the files' rows that are of before the topic in order; None if `stop` was set before the end."""
    files = run.files
    assert files is not None  # noqa: S101 - the caller has looked
    source = _source_of(settings, files.source)
    core = EventDecoder(mapping_of(source)).core
    number_of = partition_of(files.partitioner, len(run.starts))
    seams = {number: _seam_of(start) for number, start in run.starts.items()}
    skew_ms, lateness_ms = settings.max_future_skew_ms, settings.allowed_lateness_ms
    rows = invalid = left = without_id = 0
    first_ms, last_ms, reason = None, None, ""
    total, before = sum(file.size_bytes for file in files.files), 0
    for file in files.files:
        name = Path(file.path).name
        for lines in read_lines(file.path, files.format):
            taken: list[Row] = []
            for value, line in zip(lines.values, lines.numbers, strict=True):
                found = core(value)
                if type(found) is Invalid:
                    invalid += 1
                    reason = reason or f"{name}:{line}, {found.reason}"
                    continue
                actor, time_ms, _, event_id, _ = found
                number = number_of(actor)
                seam_ms = seams[number]
                if time_ms > seam_ms + skew_ms:
                    left += 1
                    continue
                if event_id is None:
                    without_id += time_ms >= seam_ms - lateness_ms
                taken.append((time_ms, number, f"{name}:{line}" if event_id is None else "", value or b""))
            order.add(taken)
            rows += len(lines.values)
            if taken:
                times = [row[0] for row in taken]
                first_ms = min(times) if first_ms is None else min(first_ms, *times)
                last_ms = max(times) if last_ms is None else max(last_ms, *times)
            told("reading files", before + lines.read_bytes, total)
            await asyncio.sleep(0)
            if stop.is_set():
                return None
        before += file.size_bytes
    order.end()
    if rows and rows == invalid:
        raise ReplayError(
            f"none of the files' {rows} rows is an event as source {source.name} reads them (the first: "
            f"{reason}); correct the source's preset, fields or time_unit (docs/events.md)"
        )
    return FilesRead(rows, invalid, left, without_id, first_ms, last_ms)


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
        self._told("counting files", self._done, self._total)


async def _count(  # noqa: PLR0913, PLR0917
    settings: TrackerSettings, store: Store, run: Run, read: FilesRead, order: TimeOrder, going: _Going
) -> bool:
    """Count partition after partition from what is stored on; False if that was stopped before the last row."""
    await store.check()
    active = await ActiveFunnels(settings, run.rules.funnels, store, activate=False).activate()
    funnels = FunnelSet(run.rules.funnels, active.numbers)
    assert run.files is not None  # noqa: S101 - that is what is counted
    mapping = mapping_of(_source_of(settings, run.files.source))
    counting = counting_by(settings, mapping, funnels, active.id)
    for number, start in sorted(run.starts.items()):
        part = _PartitionCount(store, run.name, start, counting)
        if not await part.take_over(number, len(run.starts)):
            going.add(order.count(number))
            continue
        # A row without an actor is of no partition.
        invalid = read.invalid if number == min(run.starts) else 0
        if not await part.count(order.rows(number), invalid, going):
            return False
    return True


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
        if head is not None and head.first_offset is not None:
            return False
        if not is_new:
            await self._store.raise_epoch(number)
            head = await self._store.load_head(number)
        if head is None:
            raise StoreUnavailable("count files", (number,), "the partition's head is gone")
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
        seam_ms = _seam_of(self._start)
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
        raise StoreUnavailable("count files", (commit.partition,), f"it went back to offset {result.next_offset}")
