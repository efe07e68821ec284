"""The contract of `stream.store.contract` in a dict: for tests, the simulator and one-process runs.

In:  commits, as for Redis.
Out: the same answers as Redis gives, without any I/O.

Several stores on one `MemoryServer` are several workers on one Redis; its data can
be emptied, copied and put back, as a Redis that lost its last seconds does.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace

from stream.errors import StoreRefused
from stream.store.contract import (
    ABSENT,
    DEFAULT_SHARDS,
    DONE,
    Commit,
    CommitResult,
    Moved,
    PartitionHead,
)
from stream.store.keys import Keys, shard_of


@dataclass(slots=True)
class _Partition:
    """What Redis holds under one hash tag."""

    head: PartitionHead
    shards: int
    states: list[dict[bytes, bytes]]
    cells: dict[bytes, bytes] = field(default_factory=dict)
    rollup: bytes | None = None


@dataclass(slots=True)
class _Namespace:
    """Partitions, and a document: that of the active funnels, or of the runs beside another namespace."""

    partitions: dict[int, _Partition] = field(default_factory=dict)
    document: bytes | None = None


class MemoryServer:
    """The data that stores share; `flush`, `snapshot` and `restore` do what happens to a real server."""

    def __init__(self) -> None:
        self.namespaces: dict[str, _Namespace] = {}

    def flush(self) -> None:
        """Forget everything, as FLUSHALL does."""
        self.namespaces.clear()

    def snapshot(self) -> dict[str, _Namespace]:
        """Return a copy of everything, for `restore`."""
        return deepcopy(self.namespaces)

    def restore(self, snapshot: dict[str, _Namespace]) -> None:
        """Go back to a snapshot, as a failover to an older replica does."""
        self.namespaces = deepcopy(snapshot)


class MemoryStore:
    """One worker's view of a namespace on a `MemoryServer`; see `stream.store.contract.Store`."""

    def __init__(self, server: MemoryServer, namespace: str = "live", shards: int = DEFAULT_SHARDS) -> None:
        Keys(namespace, shards)  # the same names and numbers are refused as for Redis
        self._server = server
        self._namespace = namespace
        self._shards = shards

    @property
    def shards(self) -> int:
        """Number of shards of each partition."""
        return self._shards

    @property
    def _data(self) -> _Namespace:
        return self._server.namespaces.setdefault(self._namespace, _Namespace())

    @property
    def _runs(self) -> _Namespace:
        """Beside the namespace, so that dropping that leaves it."""
        return self._server.namespaces.setdefault(f"{self._namespace}/runs", _Namespace())

    def _held(self, partition: int) -> _Partition | None:
        held = self._data.partitions.get(partition)
        if held is not None and held.shards != self._shards:
            raise StoreRefused(
                f"partition {partition}: written with {held.shards} shards, configured are {self._shards}",
                f"set shards to {held.shards}",
            )
        return held

    async def check(self) -> Sequence[str]:
        """Return no advice: memory has no settings."""
        return ()

    async def load_head(self, partition: int) -> PartitionHead | None:
        """Return the head; None if there is none."""
        held = self._held(partition)
        return None if held is None else held.head

    async def load_cells(self, partition: int) -> dict[bytes, bytes]:
        """Return all cells of a partition."""
        held = self._held(partition)
        return {} if held is None else dict(held.cells)

    async def load_states(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the states of these actors in the order of `keys`."""
        held = self._held(partition)
        if held is None:
            return [None] * len(keys)
        return [held.states[shard_of(key, self._shards)].get(key) for key in keys]

    async def scan_shard(self, partition: int, shard: int) -> dict[bytes, bytes]:
        """Return every state of one shard."""
        held = self._held(partition)
        return {} if held is None else dict(held.states[shard])

    async def load_rollups(self, partitions: int) -> list[bytes | None]:
        """Return the rollups of partitions 0..partitions-1."""
        held = [self._data.partitions.get(partition) for partition in range(partitions)]
        return [None if one is None else one.rollup for one in held]

    async def commit(self, commits: Sequence[Commit]) -> list[CommitResult]:
        """Apply each commit by itself, whole or not at all."""
        return [self._apply(commit) for commit in commits]

    def _apply(self, commit: Commit) -> CommitResult:
        held = self._held(commit.partition)
        found = ABSENT if held is None else held.head.position
        if held is None or found != commit.expected:
            return Moved(*found)
        held.head = commit.head
        for key, state in commit.states:
            held.states[shard_of(key, self._shards)][key] = state
        for key, addition in commit.additions:
            shard = held.states[shard_of(key, self._shards)]
            shard[key] = shard.get(key, b"") + addition
        for key in commit.deleted:
            held.states[shard_of(key, self._shards)].pop(key, None)
        held.cells.update(commit.cells)
        for cell in commit.deleted_cells:
            held.cells.pop(cell, None)
        if commit.rollup is not None:
            held.rollup = commit.rollup
        return DONE

    async def create_head(self, partition: int, head: PartitionHead) -> bool:
        """Store a first head; False if there is one already."""
        if self._held(partition) is not None:
            return False
        self._data.partitions[partition] = _Partition(head, self._shards, [{} for _ in range(self._shards)])
        return True

    async def raise_epoch(self, partition: int) -> int | None:
        """Add one to the epoch and return it; None if there is no head."""
        held = self._held(partition)
        if held is None:
            return None
        held.head = replace(held.head, epoch=held.head.epoch + 1)
        return held.head.epoch

    async def active_funnel_set(self) -> bytes | None:
        """Return the document of the funnel set that may write here; None before the first."""
        return self._data.document

    async def set_active_funnel_set(self, document: bytes, expected: bytes | None) -> bool:
        """Replace the document if the stored one is still `expected`."""
        if self._data.document != expected:
            return False
        self._data.document = document
        return True

    async def runs_document(self) -> bytes | None:
        """Return the document of the runs beside this namespace; None before the first."""
        return self._runs.document

    async def set_runs_document(self, document: bytes, expected: bytes | None) -> bool:
        """Replace the document if the stored one is still `expected`."""
        if self._runs.document != expected:
            return False
        self._runs.document = document
        return True

    async def drop_namespace(self) -> None:
        """Remove all that this namespace holds."""
        self._server.namespaces.pop(self._namespace, None)

    async def close(self) -> None:
        """Nothing to give back."""
