"""One partition as two namespaces have it, brought to one offset.

In:  two namespaces that count the same log, and the log.
Out: the partition as each has counted it up to the same record.

The one that is behind is counted on in memory, by the worker's own code (`worker.partition`) over what is stored:
nothing is written. What is stored may move on meanwhile; then it is read again.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from stream.analyze.live import STEADY_PAUSE_S, STEADY_WITHIN_S, log_mapping_of, steady
from stream.analyze.read_topic import Log, Span
from stream.errors import ReplayError
from stream.settings.counting import CountingRules
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Commit, PartitionHead, Store
from stream.worker.activation import ActiveSet, funnel_set_id, rules_of, with_rules
from stream.worker.contract import PartitionBatch
from stream.worker.partition import SINCE_KEY, Counting, Partition, counting_of
from stream.worker.runs import Start


class Namespace(NamedTuple):
    """Where one of the two that are compared is counted, and how. label: its name in texts. topic: the log's.

    starts: of a run, None for live. gaps: as a run has them.
    """

    label: str
    name: str
    topic: str
    rules: CountingRules
    starts: Mapping[int, Start] | None = None
    gaps: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Label and name."""
        return f"{self.label} (namespace {self.name})"


class Side(NamedTuple):
    """One of the two that are compared."""

    namespace: Namespace
    store: Store
    counting: Counting

    def since_ms(self, number: int) -> int | None:
        """Return from which instant on a partition counts what enters; None if all is counted."""
        starts = self.namespace.starts
        return None if starts is None else starts[number].since_ms


class Counted(NamedTuple):
    """A partition as one side has counted it. `stored`: as its store has it, which may be further back."""

    partition: Partition
    since: Mapping[str, int]
    stored: Partition

    @property
    def records(self) -> int:
        """How many records were counted or skipped from the first one on."""
        head = self.partition.head
        return sum(head.verdicts) + head.gaps

    @property
    def first_offset(self) -> int:
        """Where counting began; where an earlier release began it, not before what it has counted since."""
        head = self.partition.head
        known = head.first_offset
        return max(0, head.next_offset - self.records) if known is None else known


async def read_side(namespace: Namespace, settings: TrackerSettings, store: Store) -> Side:
    """Return a side; `settings` follow its rules. Raises `ReplayError` if it counts nothing, or other funnels."""
    document = await store.active_funnel_set()
    if document is None:
        raise ReplayError(f"{namespace} has counted nothing yet")
    active = msgspec.json.decode(document, type=ActiveSet)
    funnels = namespace.rules.funnels
    if active.id != funnel_set_id(funnels):
        raise ReplayError(
            f"{namespace} counts {', '.join(sorted(active.numbers))} by other definitions than those at hand "
            f"({', '.join(sorted(funnel.key for funnel in funnels))}): use the files that its workers run with"
        )
    with_rules(active, rules_of(settings.rolling, settings.actor_secret))
    return Side(namespace, store, counting_of(settings, funnels, log_mapping_of(settings), active))


async def as_stored(side: Side, number: int) -> Counted:
    """Return a partition as it is stored."""
    return (await _read(side, number)).counted()


async def at_one_offset(live: Side, run: Side, number: int, log: Log) -> tuple[Counted, Counted]:
    """Return a partition as live and the run have counted it up to the same record.

    Raises `ReplayError` if the log has not what lies between them any more, or both move on all the time.
    """
    spans = await log.spans()
    ahead, behind = live, run
    there = await _read(ahead, number)
    deadline = time.monotonic() + STEADY_WITHIN_S
    while True:
        head = await _head(behind, number)
        until = there.head.next_offset
        if head.next_offset <= until:
            if until > spans[number].end:
                spans = await log.spans()
            _check_span(behind, number, Span(head.next_offset, until), spans[number])
            here = await _counted_on(behind, number, head, until, log)
        else:
            here = await _read(behind, number)
        if here is not None and here.head.next_offset == until:
            return (there.counted(), here.counted()) if ahead is live else (here.counted(), there.counted())
        if time.monotonic() > deadline:
            raise ReplayError(
                f"partition {number}: {behind.namespace} was written all the time for {STEADY_WITHIN_S:.0f} s while it "
                f"was read, {abs(until - head.next_offset)} offsets away from {ahead.namespace.label}: compare when it "
                "has caught up, or is stopped"
            )
        if here is not None:  # it has overtaken the other
            ahead, behind, there = behind, ahead, here
        else:
            await asyncio.sleep(STEADY_PAUSE_S)


def _check_span(side: Side, number: int, wanted: Span, kept: Span) -> None:
    if wanted.first < wanted.end and not kept.first <= wanted.first <= wanted.end <= kept.end:
        raise ReplayError(
            f"partition {number}: {side.namespace} stands at offset {wanted.first} and the other at {wanted.end}, but "
            f"the log holds {kept.first} to {kept.end}: what lies between is gone, so that they cannot be compared"
        )


async def _head(side: Side, number: int) -> PartitionHead:
    head = await side.store.load_head(number)
    if head is None:
        raise ReplayError(f"{side.namespace} has not begun partition {number} yet")
    return head


class _Reading:
    """What a store has of a partition, and on top of it what is counted on; the store itself stays as it is."""

    def __init__(
        self,
        side: Side,
        number: int,
        head: PartitionHead,
        cells: Mapping[bytes, bytes],
        states: Mapping[bytes, bytes | None],
    ) -> None:
        self.head = head
        self._side = side
        self._number = number
        self._stored_head = head
        self._stored_cells = cells
        self._cells = dict(cells)
        # Of everybody that was asked for: what is appended to a state has to find it here.
        self._states = dict(states)

    def restored(self) -> Partition:
        """Return the partition as a worker that takes it over now would know it."""
        return self._restored(self.head, self._cells)

    def _restored(self, head: PartitionHead, cells: Mapping[bytes, bytes]) -> Partition:
        partition = Partition(self._number, head, self._side.counting, since_ms=self._side.since_ms(self._number))
        partition.restore(cells)
        return partition

    def counted(self) -> Counted:
        """Return the partition as it now stands, and as it is stored."""
        own = self.restored()
        stored = own if self.head is self._stored_head else self._restored(self._stored_head, self._stored_cells)
        since = self._cells.get(SINCE_KEY)
        return Counted(own, {} if since is None else msgspec.msgpack.decode(since, type=dict[str, int]), stored)

    async def load(self, keys: Sequence[bytes]) -> list[bytes | None] | None:
        """Return the states of these actors; None if the store has moved on, so that they would not fit."""
        unknown = [key for key in keys if key not in self._states]
        if unknown:
            blobs = await self._side.store.load_states(self._number, unknown)
            if (await _head(self._side, self._number)).position != self._stored_head.position:
                return None
            self._states.update(zip(unknown, blobs, strict=True))
        return [self._states[key] for key in keys]

    def take(self, commit: Commit) -> None:
        """Take in what a worker would have stored."""
        self.head = commit.head
        self._states.update(commit.states)
        self._states.update({key: (self._states[key] or b"") + addition for key, addition in commit.additions})
        self._cells.update(commit.cells)
        for cell in commit.deleted_cells:
            self._cells.pop(cell, None)


async def _read(side: Side, number: int, actors: Sequence[bytes] = ()) -> _Reading:
    """Read a partition with the states of these actors, all of one moment."""

    async def load() -> tuple[dict[bytes, bytes], list[bytes | None]]:
        cells = await side.store.load_cells(number)
        return cells, await side.store.load_states(number, actors) if actors else []

    read = await steady(side.store, number, load)
    if read is None:
        await _head(side, number)  # says that there is none
        raise ReplayError(f"{side.namespace} was dropped while it was read")
    head, (cells, states) = read
    return _Reading(side, number, head, cells, dict(zip(actors, states, strict=True)))


async def _counted_on(side: Side, number: int, head: PartitionHead, until: int, log: Log) -> _Reading | None:
    """Return a partition counted on from `head` up to an offset; further on if the store has passed that meanwhile.

    None if the store has moved on so that states do not fit any more. The first records are fetched before anything
    else is read: so little time goes by then that a partition which follows the log is caught between two commits.
    """
    async with aclosing(log.batches({number: Span(head.next_offset, until)})) as batches:
        first = [batch async for batch in _first(batches)]
        known = Partition(number, head, side.counting)
        keys = sorted({side.counting.key_of(actor) for batch in first for actor in known.admit(batch).by_actor})
        reading = await _read(side, number, keys)
        partition = reading.restored()
        async for batch in _chained(first, batches):
            following = _behind(batch, partition.head.next_offset)
            if following is None:
                continue
            judged = partition.admit(following)
            missing = partition.table.missing(judged.by_actor)
            blobs = await reading.load([key for _, key in missing])
            if blobs is None:
                return None
            for (actor, key), blob in zip(missing, blobs, strict=True):
                partition.table.put(actor, key, blob)
            commit = partition.count(following, judged).commit
            reading.take(commit)
            partition.head = commit.head
    return reading


async def _first(batches: AsyncGenerator[PartitionBatch, None]) -> AsyncGenerator[PartitionBatch, None]:
    found = await anext(batches, None)
    if found is not None:
        yield found


async def _chained(
    first: Sequence[PartitionBatch], rest: AsyncGenerator[PartitionBatch, None]
) -> AsyncGenerator[PartitionBatch, None]:
    for batch in first:
        yield batch
    async for batch in rest:
        yield batch


def _behind(batch: PartitionBatch, offset: int) -> PartitionBatch | None:
    """Return what of a batch lies at or behind an offset; None if nothing does."""
    if batch.next_offset <= offset:
        return None
    skipped = sum(1 for each in batch.offsets if each < offset)
    offsets = batch.offsets[skipped:]
    return batch._replace(
        from_offset=max(offset, batch.from_offset),
        first_offset=offsets[0] if offsets else batch.next_offset,
        values=batch.values[skipped:],
        record_times=batch.record_times[skipped:],
        offsets=offsets,
        keys=batch.keys[skipped:],
    )
