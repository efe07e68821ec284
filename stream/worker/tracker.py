"""Counts the batches of this worker's partitions and stores them: the road between Kafka and the store.

In:  assignments and partition batches from the Kafka side (`worker.contract.BatchSink`).
Out: commits, dead letters before them, rollups; the merged rollup of all partitions for /metrics.

A partition's memory runs ahead of the store from the moment a batch is counted until its
commit is acknowledged; further batches are counted meanwhile, and their commits sent in order.
Whatever happens in between, the memory is thrown away and read anew.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import NamedTuple

from stream.errors import KafkaRefused, KafkaUnavailable, StoreUnavailable
from stream.ingest.mapping import Mapping as FieldMapping
from stream.metrics.collector import FunnelCollector, PageLimits
from stream.metrics.process import PartitionStats, ProcessStats
from stream.metrics.samples import Floor
from stream.model.funnel import Funnel
from stream.model.result import Rollup
from stream.model.verdict import Verdict
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Commit, Done, PartitionHead, Store
from stream.worker.activation import FunnelSetInactive
from stream.worker.active_funnels import ActiveFunnels
from stream.worker.as_of import AsOf
from stream.worker.contract import Lag, LogState, PartitionBatch
from stream.worker.envelope import misplaced_text
from stream.worker.fences import Fences
from stream.worker.in_turn import InTurn
from stream.worker.memory import uncollected
from stream.worker.outbox import DeadLetter, Outbox
from stream.worker.partition import Counting, Judged, Partition, Swept, checksum_of, counting_of, encode_rollup
from stream.worker.refreshed import Refreshed, read_rollups
from stream.worker.resume import check_position, files_first, first_head, log_changed, read_from, run_head
from stream.worker.runs import Start

log = logging.getLogger(__name__)

ROLLUP_EVERY_S = 0.25  # seen on /metrics well under a second; at most 4 writes a second a partition
IDLE_ROLLUP_EVERY_S = 1.0
SWEEP_EVERY_S = 2.0  # a sweep has to wait for the commits that are on their way; under load that costs a pause
REFRESH_EVERY_S = 0.19  # ticks come each 0.2 s: a longer one would skip every second
ACTIVE_SET_EVERY_S = 1.0
LOAD_AHEAD = 5_000
"""Records whose actors' states are asked for ahead of the counting: one round trip for all at low rates."""
COMMIT_STATES = 2_000
"""States after which a partition is sent to the store while the next is counted: one core counts, the other writes."""


class Tracker:
    """The `BatchSink` of a worker; `collector` renders what it knows.

    `outbox`: None sends no dead letters. `starts`: where a run begins on each partition; None for live, which goes by
    `start_from`. `stats`, `floor`: those to go on with. `run`: name of the promoted run that is live, which counters
    carry. `source_lag` returns how many records wait to be brought into the log, None while that is not known.
    `on_refresh` is told of all partitions' rollups whenever they were read.
    """

    def __init__(  # noqa: PLR0913
        self,
        settings: TrackerSettings,
        funnels: Sequence[Funnel],
        mapping: FieldMapping,
        store: Store,
        outbox: Outbox | None,
        *,
        activate: bool = False,
        starts: Mapping[int, Start] | None = None,
        stats: ProcessStats | None = None,
        floor: Floor | None = None,
        run: str = "",
        source_lag: Callable[[], int | None] | None = None,
        on_refresh: Callable[[Refreshed], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._funnels = tuple(funnels)
        self._mapping = mapping
        self._store = store
        self._outbox = outbox
        self._active = ActiveFunnels(settings, self._funnels, store, activate=activate)
        self._starts = starts
        self._source_lag = source_lag
        self._on_refresh = on_refresh
        self._counting: Counting | None = None
        self._partitions: dict[int, Partition] = {}
        self._counted_to: dict[int, int] = {}
        self._partition_count = 0
        self.stats = ProcessStats() if stats is None else stats
        self.collector = FunnelCollector(
            self._funnels,
            PageLimits(settings.metrics.max_series),
            self.stats,
            settings.rolling,
            (floor or Floor()).of(run),
        )
        self.merged: Rollup | None = None
        self._as_of = AsOf()
        self._lag: dict[int, Lag] = {}
        self._refreshed_s = 0.0
        self._refreshing: asyncio.Task[None] | None = None
        self._checked_set_s = 0.0
        self._why_not = "not started"
        self._letters_wait = ""
        self._fences = Fences()
        self._asked_again: dict[int, int] = {}
        self._in_turn = InTurn()

    # --- life

    async def start(self) -> None:
        """Connect and check the store, and make this worker's funnels the active set."""
        for advice in await self._store.check():
            log.warning("%s", advice)
        await self._activate_funnels()
        self._why_not = "no partitions assigned yet"

    def watch(self, partition_count: int) -> None:
        """Read the rollups of so many partitions, also before any of them is assigned."""
        self._partition_count = partition_count

    async def stop(self) -> None:
        """Let go of the connections."""
        await self._forget_refresh()
        if self._outbox is not None:
            await self._outbox.close()
        await self._store.close()

    def is_ready(self) -> tuple[bool, str]:
        """Whether numbers are being kept up, and if not, why."""
        reason = self._why_not or self._letters_wait
        return not reason, reason

    async def _activate_funnels(self) -> None:
        try:
            active = await self._active.activate()
        except FunnelSetInactive as error:
            self._why_not = error.reason
            raise
        settings = self._settings
        counting = self._counting
        # A store that was emptied gives the same set other numbers.
        if counting is None or any(active.numbers[f.definition.key] != f.number for f in counting.funnels.funnels):
            self._counting = counting_of(settings, self._funnels, self._mapping, active)

    # --- assignment

    async def assign(self, partitions: Mapping[int, LogState]) -> Mapping[int, int]:
        """Load these partitions and return where to read each from: at the record before the stored offset.

        That record's checksum tells whether the log is still the one that was counted.
        """
        standing = self._fences.standing(partitions, time.monotonic())
        if standing:
            raise _overtaken("assign", standing)
        await self._forget_refresh()
        await self._activate_funnels()
        counting = self._counting
        assert counting is not None  # noqa: S101 - set by _activate_funnels
        offsets = {}
        for number, log_state in sorted(partitions.items()):
            self._partitions.pop(number, None)
            self._in_turn.forget(number)
            head, is_new = await self._take_over(number, log_state)
            partition = self._new_partition(number, head, counting, is_new=is_new)
            partition.restore(await self._store.load_cells(number))
            self._partitions[number] = partition
            self.stats.partitions[number] = PartitionStats(watermark_ms=head.watermark_ms)
            offsets[number] = read_from(head, log_state)
            self._partition_count = log_state.partition_count
        self._fences.take_down(partitions)
        self._asked_again.clear()
        self._lag = {}
        self._why_not = ""
        return offsets

    async def _take_over(self, number: int, log_state: LogState) -> tuple[PartitionHead, bool]:
        """Return the head from which only this worker can now continue, and whether it is a new one."""
        head = await self._store.load_head(number)
        topic = self._settings.log_topic
        if head is None:
            head = self._first_head(number, log_state, epoch=int(time.time() * 1000))
            if not await self._store.create_head(number, head):
                raise StoreUnavailable("assign", (number,), "another worker made its head at the same time")
            return head, True
        if self._starts is not None and head.first_offset is None:
            raise files_first(number)
        if head.next_offset > log_state.end_offset and self._asked_again.get(number) != head.next_offset:
            # Whoever had the partition may have counted on after Kafka was asked.
            self._asked_again[number] = head.next_offset
            reason = f"next to count is {head.next_offset}, the log ended at {log_state.end_offset}: asking Kafka again"
            raise StoreUnavailable("assign", (number,), reason)
        check_position(topic, number, head, log_state)
        epoch = await self._store.raise_epoch(number)
        head = await self._store.load_head(number)
        if head is None or head.epoch != epoch:
            raise StoreUnavailable("assign", (number,), "its head changed while it was taken over")
        return head, False

    def _first_head(self, number: int, log_state: LogState, epoch: int) -> PartitionHead:
        topic = self._settings.log_topic
        if self._starts is not None:
            return run_head(topic, number, log_state, self._starts, epoch)
        if number in self._counted_to:  # the group's offset is committed now and then only
            log_state = log_state._replace(committed_offset=self._counted_to[number])
        return first_head(topic, number, log_state, self._settings.sources[0].start_from, epoch)

    async def revoke(self, partitions: Collection[int]) -> None:
        """Forget these partitions."""
        self._fences.take_down(partitions)
        self._letters_wait = ""
        for number in partitions:
            self._partitions.pop(number, None)
            self._in_turn.forget(number)
            self._lag.pop(number, None)
            self.stats.partitions.pop(number, None)

    # --- batches

    async def count(self, batches: Sequence[PartitionBatch]) -> asyncio.Future[Mapping[int, int]]:
        """Count the batches and begin to store them; see `BatchSink.count`."""
        started = time.perf_counter()
        sending: list[asyncio.Task[dict[int, int]]] = []
        waiting: list[_Counted] = []
        size = 0
        try:
            with uncollected():
                # The smallest last: its commit is the one that is waited for while nothing else is to be done.
                by_size = sorted(batches, key=lambda batch: len(batch.values), reverse=True)
                async with aclosing(self._loaded(by_size)) as loaded:
                    async for ready in loaded:
                        counted = self._count_one(*ready)
                        waiting.append(counted)
                        size += len(counted.commit.states) + len(counted.commit.additions)
                        if size >= COMMIT_STATES:
                            sending.append(self._begin_sending(waiting))
                            waiting, size = [], 0
                            self._begin_refresh(time.monotonic())
                            await asyncio.sleep(0)  # the store writes this while the next partition is counted
        except BaseException:
            await asyncio.gather(*sending, return_exceptions=True)
            raise
        if waiting:
            sending.append(self._begin_sending(waiting))
        return asyncio.create_task(self._sent(sending, started))

    async def _sent(self, sending: Sequence["asyncio.Task[dict[int, int]]"], started: float) -> Mapping[int, int]:
        """Return what was refused of a group, once the whole of it was sent; raises its first error."""
        results = await asyncio.gather(*sending, return_exceptions=True)
        moved: dict[int, int] = {}
        for result in results:
            if isinstance(result, BaseException):
                raise result
            moved.update(result)
        self.stats.batch_seconds.observe(time.perf_counter() - started)
        return moved

    async def _loaded(self, batches: Sequence[PartitionBatch]) -> AsyncGenerator["_Ready"]:
        """Yield the batches with what was admitted of them, once the states of their actors are in the tables.

        The next batches' states are on their way while one is being counted.
        """
        ahead: deque[tuple[_Ready, asyncio.Task[None]]] = deque()
        records = 0
        try:
            for batch in batches:
                partition = self._partitions[batch.partition]
                following = self._without_reread(partition, batch)
                if following is None:
                    continue
                ready = _Ready(partition, following, partition.admit(following))
                ahead.append((ready, asyncio.create_task(self._load_missing(partition, ready.judged))))
                records += len(following.values)
                if records >= LOAD_AHEAD and len(ahead) > 1:
                    await asyncio.sleep(0)  # the question goes out before the counting begins
                    ready, loading = ahead.popleft()
                    records -= len(ready.batch.values)
                    await loading
                    yield ready
            while ahead:
                ready, loading = ahead.popleft()
                await loading
                yield ready
        finally:
            for _, loading in ahead:
                loading.cancel()
            await asyncio.gather(*[loading for _, loading in ahead], return_exceptions=True)

    def _without_reread(self, partition: Partition, batch: PartitionBatch) -> PartitionBatch | None:
        """Check the record before the stored offset, read once more at assignment, and take it off.

        Returns None if nothing else is in the batch. Raises `StoreUnavailable` for a batch that is not the next one:
        then all is read again from what is stored.
        """
        head = partition.head
        if batch.from_offset == head.next_offset:
            return batch
        if batch.from_offset != head.next_offset - 1:
            reason = f"a batch from offset {batch.from_offset} came where {head.next_offset} was due"
            raise StoreUnavailable("process", (partition.number,), reason)
        if batch.values and batch.first_offset == head.next_offset - 1:
            found = checksum_of(batch.offsets[0], batch.values[0])
            if found != head.checksum:
                raise log_changed(self._settings.log_topic, partition.number, head, found)
            batch = batch._replace(
                values=batch.values[1:],
                record_times=batch.record_times[1:],
                offsets=batch.offsets[1:],
                keys=batch.keys[1:],
            )
        if batch.next_offset == head.next_offset:
            return None
        first = batch.offsets[0] if batch.values else batch.next_offset
        return batch._replace(from_offset=head.next_offset, first_offset=first)

    async def _load_missing(self, partition: Partition, judged: Judged) -> None:
        """Bring the states of the events' unknown actors into the partition's table."""
        missing = partition.table.missing(judged.by_actor)
        self.stats.cache_misses += len(missing)
        if not missing:
            return
        # An actor that had to leave the table may have its newest state still on its way.
        await self._in_turn.until_done([partition.number])
        blobs = await self._store.load_states(partition.number, [key for _, key in missing])
        for (actor, key), blob in zip(missing, blobs, strict=True):
            partition.table.put(actor, key, blob)

    def _count_one(self, partition: Partition, batch: PartitionBatch, judged: Judged) -> "_Counted":
        misplaced = judged.admitted.misplaced
        if misplaced is not None:
            offset = batch.offsets[misplaced]
            source = self._settings.sources[0].name
            raise KafkaRefused(misplaced_text(self._settings.log_topic, batch.partition, offset, source))
        prepared = partition.count(batch, judged)
        self.stats.batch_records.observe(len(batch.values))
        self.stats.cache_hits += prepared.verdicts[Verdict.ACCEPTED]
        commit = self._with_rollup(partition, prepared.commit)
        return _Counted(partition, commit, prepared.letters, prepared.verdicts)

    def _begin_sending(self, counted: Sequence["_Counted"]) -> "asyncio.Task[dict[int, int]]":
        """Send after whatever of these partitions is on its way: a commit continues from the one before it."""
        for partition, commit, _, _ in counted:
            partition.head = commit.head
            if commit.rollup is not None:
                partition.rollup_written_s = time.monotonic()
                partition.rollup_offset = commit.head.next_offset
        return self._in_turn.begin([item.partition.number for item in counted], self._send(counted))

    async def _send(self, counted: Sequence["_Counted"]) -> dict[int, int]:
        """Send the dead letters, then store; returns where to read on for what was refused.

        What was counted behind a refused commit is void, and not sent.
        """
        void = {
            item.partition.number: self._partitions[item.partition.number].head.next_offset
            for item in counted
            if self._partitions[item.partition.number] is not item.partition
        }
        counted = [item for item in counted if item.partition.number not in void]
        letters = [letter for item in counted for letter in item.letters]
        await self._send_letters(letters)
        started = time.perf_counter()
        try:
            results = await self._store.commit([item.commit for item in counted])
        except StoreUnavailable:
            self.stats.unknown += len(counted)
            raise
        self.stats.commit_seconds.observe(time.perf_counter() - started)
        for letter in letters if self._outbox is not None else ():
            self.stats.dead_letters[letter.verdict] += 1
        refused = []
        for item, result in zip(counted, results, strict=True):
            if isinstance(result, Done):
                self._stored(item)
            else:
                self.stats.moved += 1
                refused.append(item.partition)
        return void | {partition.number: await self._reload(partition) for partition in refused}

    async def _send_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Send; until it has worked again this worker is not ready, though it can be assigned partitions."""
        if self._outbox is None:
            return
        try:
            await self._outbox.send(letters)
        except KafkaUnavailable as error:
            self._letters_wait = str(error)
            raise
        if letters:
            self._letters_wait = ""

    def _stored(self, item: "_Counted") -> None:
        number, head = item.partition.number, item.commit.head
        self._counted_to[number] = head.next_offset
        stats = self.stats
        stats.verdicts = [a + b for a, b in zip(stats.verdicts, item.verdicts, strict=True)]
        stats.partitions[number].watermark_ms = head.watermark_ms

    async def _reload(self, refused: Partition) -> int:
        """Read a partition anew after a refused commit, because the store went back; returns where it stands.

        Under another epoch it belongs to somebody else: raises `StoreUnavailable`, and `assign` waits for Kafka's word.
        Raises `FunnelSetInactive` if another set of funnels is active.
        """
        number = refused.number
        await self._activate_funnels()
        head = await self._store.load_head(number)
        counting = self._counting
        if head is None or counting is None:
            raise StoreUnavailable("commit", (number,), "the partition's head is gone")
        if head.epoch != refused.head.epoch:
            self._fences.put_up(number, time.monotonic())
            raise _overtaken("commit", [number])
        partition = self._new_partition(number, head, counting)
        partition.restore(await self._store.load_cells(number))
        self._partitions[number] = partition
        return head.next_offset

    def _new_partition(
        self, number: int, head: PartitionHead, counting: Counting, *, is_new: bool = False
    ) -> Partition:
        since_ms = None if self._starts is None else self._starts[number].since_ms
        return Partition(number, head, counting, is_new=is_new, since_ms=since_ms)

    # --- time

    async def tick(self, lag: Mapping[int, Lag]) -> None:
        """Write rollups that are due, read all partitions' rollups, sweep expired states."""
        self._lag = dict(lag)
        now_s = time.monotonic()
        for number, known in lag.items():
            if number in self.stats.partitions:
                self.stats.partitions[number].lag_records = known.records
        self.stats.cache_actors = sum(len(partition.table) for partition in self._partitions.values())
        if now_s - self._checked_set_s >= ACTIVE_SET_EVERY_S:
            self._checked_set_s = now_s
            await self._activate_funnels()
            if 0 in self._partitions and self.merged is not None:
                await self._active.choose_shown(self.merged)
        await self._write_rollups(now_s)
        self._begin_refresh(now_s)
        await self._end_refresh()

    async def _write_rollups(self, now_s: float) -> None:
        due = [partition.number for partition in self._partitions.values() if self._is_due(partition, now_s)]
        if not due:
            return
        await self._in_turn.until_done(due)  # else a state that is on its way could be swept
        counted = []
        for number in due:
            partition = self._partitions[number]
            partition.swept_s = now_s
            commit = self._with_rollup(partition, partition.touch(await self._sweep(partition)))
            counted.append(_Counted(partition, commit, [], [0] * len(Verdict)))
        # A fold holds the store for up to half a second: each by itself, so that no answer is waited for too long.
        groups = [[item] for item in counted if item.commit.is_folding]
        groups.append([item for item in counted if not item.commit.is_folding])
        for group in filter(None, groups):
            if await self._begin_sending(group):
                raise StoreUnavailable("tick", (), "the store was ahead or behind of this worker")

    def _is_due(self, partition: Partition, now_s: float) -> bool:
        """Whether a partition needs a commit for its rollup alone; others that are on their way bring it along."""
        if partition.head.watermark_ms is None:
            return False  # nothing to say, and no state that could expire
        if self._in_turn.is_busy(partition.number) and now_s - partition.swept_s < SWEEP_EVERY_S:
            return False
        age = now_s - partition.rollup_written_s
        moved_on = partition.rollup_offset != partition.head.next_offset
        return age >= IDLE_ROLLUP_EVERY_S or (moved_on and age >= ROLLUP_EVERY_S)

    async def _sweep(self, partition: Partition) -> Swept:
        """Look through the next shard of a partition for states that are of no use any more."""
        partition.sweep_shard = (partition.sweep_shard + 1) % self._store.shards
        states = await self._store.scan_shard(partition.number, partition.sweep_shard)
        return partition.sweep(states, ends_round=partition.sweep_shard == 0)

    def _with_rollup(self, partition: Partition, commit: Commit) -> Commit:
        """Add the partition's rollup to a commit, if one is due."""
        mark_ms = commit.head.watermark_ms
        if mark_ms is None or time.monotonic() - partition.rollup_written_s < ROLLUP_EVERY_S:
            return commit
        # While records wait T stands; going back to the watermark would open again what has run out.
        as_of_ms = max(mark_ms, self._as_of.ms(time.monotonic()) or mark_ms, commit.head.as_of_ms or mark_ms)
        head = replace(commit.head, as_of_ms=as_of_ms)
        lag = self._lag_records(partition.number)
        rollup = partition.roll_up(head, as_of_ms, self._active.shown, int(time.time() * 1000), lag)
        return replace(commit, head=head, rollup=encode_rollup(rollup))

    def _lag_records(self, number: int) -> int:
        """Return how many records may still come to a partition: its own, and all that wait in the sources.

        -1 if either is not known.
        """
        own = self._lag.get(number)
        in_sources = 0 if self._source_lag is None else self._source_lag()
        return -1 if own is None or in_sources is None else own.records + in_sources

    def _begin_refresh(self, now_s: float) -> None:
        """Read the rollups if that is due, also while a large group is being counted."""
        is_free = self._refreshing.done() and not self._refreshing.exception() if self._refreshing else True
        if is_free and self._partition_count and now_s - self._refreshed_s >= REFRESH_EVERY_S:
            self._refreshing = asyncio.create_task(self._refresh(now_s))

    async def _end_refresh(self) -> None:
        """Wait for the rollups that are being read, if any; raises the `StoreUnavailable` that ended it."""
        refreshing, self._refreshing = self._refreshing, None
        if refreshing is not None:
            await refreshing

    async def _forget_refresh(self) -> None:
        """Let the reading of rollups that is under way end, and what came of it be of no matter."""
        refreshing, self._refreshing = self._refreshing, None
        if refreshing is not None:
            await asyncio.wait([refreshing])
            refreshing.exception()

    async def _refresh(self, now_s: float) -> None:
        refreshed = await read_rollups(self._store, self._partition_count)
        self._refreshed_s = now_s
        self._as_of.see(refreshed.partitions.values(), now_s)
        self.stats.rollup_written_ms = {number: each.written_ms for number, each in refreshed.partitions.items()}
        self.merged = refreshed.merged
        if refreshed.merged is not None:
            self.collector.update(refreshed.merged, refreshed.read_ms)
        self._on_refresh(refreshed)


class _Ready(NamedTuple):
    """A partition's batch whose actors are in the table."""

    partition: Partition
    batch: PartitionBatch
    judged: Judged


class _Counted(NamedTuple):
    """A partition's counted batch on its way to the store."""

    partition: Partition
    commit: Commit
    letters: list[DeadLetter]
    verdicts: list[int]


def _overtaken(operation: str, numbers: Sequence[int]) -> StoreUnavailable:
    reason = "another worker has taken it over, and Kafka has not said yet whose it is"
    return StoreUnavailable(operation, tuple(numbers), reason)
