"""What every store promises: states, cells, rollup and next offset change together or not at all.

In:  the commits of the partitions that are ready, each with the position it continued from.
Out: for each either `Done`, or `Moved` with the position that was found instead.

Laws that `memory` and `redis_store` both keep (tests/property/test_store_contract.py):
- A commit is applied whole, and only if the stored position is still the expected one.
- A partition without a head takes no commit: it answers `Moved(-1, -1)`; `create_head` makes one.
- A position never returns under the same epoch: going back to a lower offset needs a higher epoch.
- Two commits from the same position to the same position (a timer's) both succeed. Whoever takes a
  partition over, or does not know the outcome of such a commit, calls `raise_epoch` first: then
  nothing that was sent earlier can still be applied.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from stream.model.verdict import Verdict

MIN_KEY_BYTES = 2  # the shard is read from the first two bytes of an actor key
MAX_SHARDS = 1 << (8 * MIN_KEY_BYTES)
DEFAULT_SHARDS = 2048  # a power of two; about 12 actors a shard at 25 000 actors a partition, 100 at 200 000
NO_FUNNEL_SET = ""


class Position(NamedTuple):
    """How far a partition is, and under which epoch; a plain `(offset, epoch)` will do."""

    next_offset: int
    epoch: int


ABSENT = Position(-1, -1)


@dataclass(frozen=True, slots=True)
class PartitionHead:
    """A partition's place in the log, and what must be true of the log to go on from there.

    `watermark_ms` and `as_of_ms` are ms UTC, None before the first valid record.
    `verdicts` counts records by `Verdict`, in its order. `funnel_set` is the id of
    the set the states belong to. `partition_count` is that of the log. `checksum`
    is the CRC-32 of the record before `next_offset`, 0 if there is none. `gaps`
    counts the records that an operator chose to skip. `first_offset` is where the partition's counting began, None
    where an earlier release began it, and while a run's files are counted: then `next_offset` is a number of rows.
    Raises `ValueError` if a count is negative or `verdicts` has another length.
    """

    next_offset: int
    epoch: int = 0
    watermark_ms: int | None = None
    as_of_ms: int | None = None
    verdicts: tuple[int, ...] = (0,) * len(Verdict)
    corrections: int = 0
    funnel_set: str = NO_FUNNEL_SET
    partition_count: int = 0
    checksum: int = 0
    gaps: int = 0
    first_offset: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that no log can produce."""
        if len(self.verdicts) != len(Verdict):
            raise ValueError(
                f"verdicts has {len(self.verdicts)} counts, one for each of {len(Verdict)} verdicts is right"
            )
        counts = (self.next_offset, self.epoch, self.corrections, self.partition_count, self.checksum, self.gaps)
        first = 0 if self.first_offset is None else self.first_offset
        if min(first, *counts, *self.verdicts) < 0:
            raise ValueError(f"a head holds no negative count or offset: {self}")

    @property
    def position(self) -> Position:
        """What the next commit of this partition expects to find."""
        return Position(self.next_offset, self.epoch)


@dataclass(frozen=True, slots=True)
class Commit:
    """All that one batch of one partition changes, and the position it continued from.

    `states` and `cells` are set, `additions` appended to the states that are there (where there is none, to
    nothing), then `deleted` and `deleted_cells` removed; what they do not name stays. No actor is in both `states`
    and `additions`. `rollup` None leaves the stored one. `is_folding`: a store that keeps apart what was written
    lately puts it into the shards, so that `scan_shard` leaves nothing out. Keys of states have at least 2 bytes,
    evenly distributed (a keyed hash). Raises `ValueError` if `head` would return to a position that was there before.
    """

    partition: int
    expected: tuple[int, int]
    head: PartitionHead
    states: Sequence[tuple[bytes, bytes]] = ()
    additions: Sequence[tuple[bytes, bytes]] = ()
    deleted: Sequence[bytes] = ()
    cells: Mapping[bytes, bytes] = field(default_factory=dict)
    deleted_cells: Sequence[bytes] = ()
    rollup: bytes | None = None
    is_folding: bool = False

    def __post_init__(self) -> None:
        """Refuse a commit that could be mistaken for an earlier one."""
        offset, epoch = self.expected
        if self.partition < 0 or offset < 0 or epoch < 0:
            raise ValueError(f"partition {self.partition} expects {self.expected}: create_head makes the first head")
        if self.head.epoch < epoch or (self.head.epoch == epoch and self.head.next_offset < offset):
            raise ValueError(
                f"partition {self.partition}: {self.head.position} is behind {self.expected}; "
                "a commit keeps the epoch and moves on, or raises the epoch",
            )


@dataclass(frozen=True, slots=True)
class Done:
    """The commit is stored, whole."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Nothing was written: the stored position is this one; -1, -1 if there is no head.

    The caller drops what it cached of the partition, reads the head again and seeks.
    """

    next_offset: int
    epoch: int


CommitResult = Done | Moved
DONE = Done()


class Store(Protocol):
    """State of the partitions of one namespace.

    Every method raises `StoreUnavailable` if there was no clear answer (for a
    method that writes: the outcome is unknown) and `StoreRefused` if the operator
    must act first. After either, the caller reads the head before it goes on.
    """

    @property
    def shards(self) -> int:
        """Number of shards of each partition; `scan_shard` takes 0..shards-1."""

    async def check(self) -> Sequence[str]:
        """Refuse a store that could lose state silently; return advice, one text a line of a log."""

    async def load_head(self, partition: int) -> PartitionHead | None:
        """Return the head; None if there is none."""

    async def load_cells(self, partition: int) -> dict[bytes, bytes]:
        """Return all cells of a partition."""

    async def load_states(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the states of these actors in the order of `keys`, in one round trip."""

    async def scan_shard(self, partition: int, shard: int) -> dict[bytes, bytes]:
        """Return the states of one shard, for the sweep of expired ones; those written lately may be left out."""

    async def load_rollups(self, partitions: int) -> list[bytes | None]:
        """Return the rollups of partitions 0..partitions-1, in one round trip."""

    async def commit(self, commits: Sequence[Commit]) -> list[CommitResult]:
        """Apply each commit by itself, whole or not at all; all share one round trip.

        Results are in the order of `commits`. If it raises, each of them may be
        stored or not.
        """

    async def create_head(self, partition: int, head: PartitionHead) -> bool:
        """Store a first head; False if there is one already.

        `head.epoch` must be higher than any this partition ever had, also before
        the store lost its data, or a worker from then could write: the time in ms
        is. Raises `StoreRefused` if states, cells or a rollup lie there headless.
        """

    async def raise_epoch(self, partition: int) -> int | None:
        """Add one to the epoch and return it; None if there is no head.

        From then on every commit that expects the earlier epoch is `Moved`.
        """

    async def active_funnel_set(self) -> bytes | None:
        """Return the document of the funnel set that may write here; None before the first."""

    async def set_active_funnel_set(self, document: bytes, expected: bytes | None) -> bool:
        """Replace the document if the stored one is still `expected`; False if it is not."""

    async def runs_document(self) -> bytes | None:
        """Return the document of the runs beside this namespace; None before the first. It outlives the namespace."""

    async def set_runs_document(self, document: bytes, expected: bytes | None) -> bool:
        """Replace the document if the stored one is still `expected`; False if it is not."""

    async def drop_namespace(self) -> None:
        """Remove all that this namespace holds, heads first, so that a half is never taken for a whole."""

    async def close(self) -> None:
        """Give back connections; the store is not used afterwards."""
