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
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from stream.replay.time_order import Row, TimeOrder
from stream.settings.sources import mapping_of
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Commit, Moved, PartitionHead, Store
from stream.worker.active_funnels import ActiveFunnels
from stream.worker.contract import PartitionBatch
from stream.worker.memory import uncollected
from stream.worker.partition import Counting, Judged, Partition, counting_of
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


async def plan_files(  # noqa: PLR0913, PLR0917
    settings: TrackerSettings,
    starts: Mapping[int, Start],
    paths: Sequence[Path],
    now_ms: int,
    file_format: str | None = None,
    partitioner: str | None = None,
) -> tuple[Files, dict[int, Start]]:
    """Return the plan for files before a topic that is read from `starts` on, and these starts with their seams.

    partitioner: one of `PARTITIONERS`, where the topic cannot tell. Raises `ReplayError` if a file cannot be read or
    the topic's partitioner is not known, `KafkaUnavailable` or `KafkaRefused` if Kafka does not let us read.
    """
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
    return Files(files, partitioner, file_format), seams


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


async def are_counted(store: Store, run: Run) -> bool:
    """Whether the run's files are counted, if it has any; `store` is that of its namespace."""
    heads = [await store.load_head(number) for number in run.starts] if run.files is not None else []
    return all(head is not None and head.first_offset is not None for head in heads)


async def count_files(
    settings: TrackerSettings, store: Store, run: Run, told: Told, stop: asyncio.Event
) -> FilesRead | None:
    """Count the run's files from where that stopped, and make its partitions ready for the topic.

    settings: those that follow the run's rules, with its namespace, whose store is `store`. Returns None if they were
    counted before, or `stop` was set before all were. A store that is away is waited for. Raises `ReplayError` if a
    file is not what it was when the run was made, or another process has begun to count them; `AnalyzeError` if one
    is broken.
    """
    files = run.files
    if files is None or await are_counted(store, run):
        return None
    await asyncio.to_thread(_check_files, files)
    with closing(TimeOrder()) as order:
        read = await _read(files, settings, run, order, told, stop)
        if read is None:
            return None
        outage, pause = Outage(), FIRST_PAUSE_S
        while not stop.is_set():
            try:
                go = await _begin(settings, store, run, read.invalid)
                outage.end()
                return read if await go.count(order, told, stop) else None
            except StoreUnavailable as error:
                outage.begin(str(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await stop.wait()
                pause = min(pause * 2, LONGEST_PAUSE_S)
    return None


def _check_files(files: Files) -> None:
    for file in files.files:
        if _as_it_is(Path(file.path)) != file:
            raise ReplayError(
                f"{file.path}: is not the file that it was when the run was made ({file.size_bytes} bytes, {DIGEST} "
                f"{file.digest[:16]}...), so that counting cannot go on in it; put that back, or drop the run"
            )


async def _read(  # noqa: PLR0913, PLR0917
    files: Files, settings: TrackerSettings, run: Run, order: TimeOrder, told: Told, stop: asyncio.Event
) -> FilesRead | None:
    """Put the files' rows that are of before the topic in order; None if `stop` was set before the end."""
    core = EventDecoder(mapping_of(settings.sources[0])).core
    number_of = partition_of(files.partitioner, len(run.starts))
    seams = {number: start.seam_ms for number, start in run.starts.items() if start.seam_ms is not None}
    skew_ms, lateness_ms = settings.max_future_skew_ms, settings.allowed_lateness_ms
    rows = invalid = left = without_id = 0
    first_ms, last_ms = None, None
    total, before = sum(file.size_bytes for file in files.files), 0
    for file in files.files:
        name = Path(file.path).name
        for lines in read_lines(file.path, files.format):
            taken: list[Row] = []
            for value, line in zip(lines.values, lines.numbers, strict=True):
                found = core(value)
                if type(found) is Invalid:
                    invalid += 1
                    continue
                actor, time_ms, _, event_id, _ = found
                number = number_of(actor)
                seam_ms = seams[number]
                if time_ms > seam_ms + skew_ms:
                    left += 1
                    continue
                if event_id is None and time_ms >= seam_ms - lateness_ms:
                    without_id += 1
                taken.append((time_ms, number, f"{name}:{line}", value or b""))
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
    return FilesRead(rows, invalid, left, without_id, first_ms, last_ms)


async def _begin(settings: TrackerSettings, store: Store, run: Run, invalid: int) -> "_Count":
    await store.check()
    active = await ActiveFunnels(settings, run.rules.funnels, store, activate=False).activate()
    funnels = FunnelSet(run.rules.funnels, active.numbers)
    go = _Count(store, run, counting_of(settings, mapping_of(settings.sources[0]), funnels, active.id), invalid)
    await go.take_over()
    return go


class _Count:
    """One go, from what is stored on; the first unclear answer of the store ends it."""

    def __init__(self, store: Store, run: Run, counting: Counting, invalid: int) -> None:
        self._store, self._run, self._counting, self._invalid = store, run, counting, invalid
        self._open: dict[int, Partition] = {}
        self._sending: asyncio.Task[None] | None = None

    async def take_over(self) -> None:
        """Load the partitions whose rows are not all counted, and shut out whoever counted them."""
        for number in self._run.starts:
            head, is_new = await self._head(number)
            if head.first_offset is None:
                partition = self._open[number] = Partition(number, head, self._counting, is_new=is_new)
                partition.restore(await self._store.load_cells(number))

    async def _head(self, number: int) -> tuple[PartitionHead, bool]:
        first = PartitionHead(0, epoch=int(time.time() * 1000), partition_count=len(self._run.starts))
        if await self._store.create_head(number, first):
            return first, True
        head = await self._store.load_head(number)
        if head is not None and head.first_offset is None:
            await self._store.raise_epoch(number)
            head = await self._store.load_head(number)
        if head is None:
            raise StoreUnavailable("count files", (number,), "the partition's head is gone")
        return head, False

    async def count(self, order: TimeOrder, told: Told, stop: asyncio.Event) -> bool:
        """Count the rows; False if `stop` was set before the last."""
        counted = {number: partition.head.next_offset for number, partition in self._open.items()}
        done, rows = 0, order.rows()
        try:
            while batch := list(islice(rows, BATCH_ROWS)):
                if stop.is_set():
                    return False
                await self._count_batch(_not_counted(batch, counted))
                done += len(batch)
                told("counting files", done, order.count)
            await self._settle()
            await self._send([self._last(partition) for partition in self._open.values()])
        finally:
            with contextlib.suppress(StoreUnavailable, ReplayError):
                await self._settle()
        return True

    async def _count_batch(self, rows: Mapping[int, Sequence[Row]]) -> None:
        with uncollected():
            judged = {number: self._admit(self._open[number], own) for number, own in rows.items()}
            for number, own in judged.items():
                await self._load_missing(self._open[number], own)
            commits = [self._count_one(self._open[number], rows[number], own) for number, own in judged.items()]
        await self._settle()
        # The store writes this while the next rows are counted.
        self._sending = asyncio.create_task(self._send(commits))
        await asyncio.sleep(0)

    def _admit(self, partition: Partition, rows: Sequence[Row]) -> Judged:
        counting = self._counting
        admitted = admit_batch(
            [row[3] for row in rows],
            self._record_times(partition, rows),
            [row[2] for row in rows],
            counting.decoder,
            counting.funnels.serving,
            counting.limits,
            partition.head.watermark_ms,
            "",
            kinds=counting.funnels.kinds,
        )
        return Judged(admitted, by_actor(admitted.events))

    def _record_times(self, partition: Partition, rows: Sequence[Row]) -> list[int]:
        seam_ms = self._run.starts[partition.number].seam_ms
        return [row[0] if seam_ms is None else min(row[0], seam_ms) for row in rows]

    async def _load_missing(self, partition: Partition, judged: Judged) -> None:
        missing = partition.table.missing(judged.by_actor)
        if missing:
            await self._settle()  # an actor that had to leave the table may have its newest state on its way
            blobs = await self._store.load_states(partition.number, [key for _, key in missing])
            for (actor, key), blob in zip(missing, blobs, strict=True):
                partition.table.put(actor, key, blob)

    def _count_one(self, partition: Partition, rows: Sequence[Row], judged: Judged) -> Commit:
        at = partition.head.next_offset
        # Without values: the checksum is for the record before an offset of the topic.
        batch = PartitionBatch(
            partition.number, at, at, at + len(rows), [], self._record_times(partition, rows[:1]), (), [], None
        )
        commit = partition.count(batch, judged).commit
        partition.head = commit.head
        return commit

    def _last(self, partition: Partition) -> Commit:
        """Return the commit behind the last row: the head comes to where the run begins in the topic.

        It may go back in number, so the epoch is raised.
        """
        offset = self._run.starts[partition.number].offset
        commit = partition.touch()
        verdicts = list(commit.head.verdicts)
        if partition.number == min(self._run.starts):  # a row without an actor is of no partition
            verdicts[Verdict.INVALID] += self._invalid
        head = replace(
            commit.head,
            next_offset=offset,
            first_offset=offset,
            epoch=commit.head.epoch + 1,
            verdicts=tuple(verdicts),
        )
        return replace(commit, head=head)

    async def _settle(self) -> None:
        """Wait for the commits that are on their way."""
        sending, self._sending = self._sending, None
        if sending is not None:
            await sending

    async def _send(self, commits: Sequence[Commit]) -> None:
        results = await self._store.commit(commits)
        for commit, result in zip(commits, results, strict=True):
            if not isinstance(result, Moved):
                continue
            if result.epoch > commit.expected[1]:
                raise ReplayError(
                    f"run {self._run.name}: another process has begun to count its files; leave it to that one"
                )
            raise StoreUnavailable("count files", (commit.partition,), f"it went back to offset {result.next_offset}")


def _not_counted(batch: Iterable[Row], counted: dict[int, int]) -> dict[int, list[Row]]:
    """Return the rows of each open partition, without those that are counted; `counted` says how many still come."""
    rows: defaultdict[int, list[Row]] = defaultdict(list)
    for row in batch:
        number = row[1]
        left = counted.get(number)
        if left == 0:
            rows[number].append(row)
        elif left is not None:
            counted[number] = left - 1
    return rows
