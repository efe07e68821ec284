"""The contract of `stream.store.contract` in Redis, on one node or a cluster.

In:  commits, and questions about partitions.
Out: their results; a commit is one Lua script on one slot, those of several
     partitions travel in one pipeline.

Nothing is repeated here after an error: its outcome is unknown, and the caller
reads the head first. Layout, sizes, rights and figures: docs/state.md.
"""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from redis.asyncio import RedisCluster
from redis.exceptions import NoScriptError, ResponseError

from stream.errors import StoreRefused
from stream.store import scripts
from stream.store.arguments import Argument, commit_arguments, folding_arguments, journal_arguments, load_arguments
from stream.store.audit import audit, probes
from stream.store.connect import RedisOptions, open_client
from stream.store.contract import DEFAULT_SHARDS, DONE, Commit, CommitResult, Moved, PartitionHead
from stream.store.failures import REDIS_FAILURES, failure_of
from stream.store.heads import decode_head, encode_head
from stream.store.journal import FOLD_APART, FOLD_NOW, FOLD_STATES, Journal, Mark, pairs
from stream.store.keys import Keys
from stream.store.scripts import Script

# Actors of one LOAD_STATES call: holds Redis for about 20 ms; more are split, still in one round trip.
LOAD_ACTORS = 10_000
# Keys that one pipeline of `drop_namespace` removes.
_DROP_KEYS = 1_000


class _Call(NamedTuple):
    script: Script
    keys: Sequence[bytes]
    values: Sequence[Argument] = ()

    def words(self, *, by_digest: bool) -> list[Any]:
        named = ("EVALSHA", self.script.digest) if by_digest else ("EVAL", self.script.source)
        return [*named, len(self.keys), *self.keys, *self.values]


class RedisStore:
    """One worker's view of a namespace in Redis; see `stream.store.contract.Store`.

    fold_at: states from which on a partition's journal is put into the shards.
    Raises `ValueError` on a namespace, a number of shards or a URL that cannot be.
    Connects with its first command.
    """

    def __init__(
        self,
        options: RedisOptions,
        namespace: str = "live",
        shards: int = DEFAULT_SHARDS,
        *,
        fold_at: int = FOLD_STATES,
    ) -> None:
        self._keys = Keys(namespace, shards)
        self._client = open_client(options)
        self._fold_at = fold_at
        self._journals: dict[int, Journal] = {}  # as they were when last seen
        self._filled = 0.0  # how much fuller all journals have become since one was folded

    @property
    def shards(self) -> int:
        """Number of shards of each partition."""
        return self._keys.shards

    async def check(self) -> Sequence[str]:
        """Refuse a Redis that could lose state silently or lacks a right; return advice on its settings."""
        try:
            advice = await audit(self._client)
        except REDIS_FAILURES as error:
            raise failure_of("check", (), error) from error
        # By themselves, not in a script: then the answer names the command that is not allowed.
        await self._ask("check", (), probes(self._keys.probe, self._keys.probe_text))
        return advice

    async def load_head(self, partition: int) -> PartitionHead | None:
        """Return the head; None if there is none. Refuses one written with another number of shards."""
        name = self._keys.head(partition)
        (fields,) = await self._ask("load_head", (partition,), [("HGETALL", name)])
        return decode_head(fields, name.decode(), self.shards) if fields else None

    async def load_cells(self, partition: int) -> dict[bytes, bytes]:
        """Return all cells of a partition."""
        (cells,) = await self._ask("load_cells", (partition,), [("HGETALL", self._keys.cells(partition))])
        return dict(cells)

    async def load_states(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the states of these actors in the order of `keys`, in one round trip."""
        firsts = range(0, max(len(keys), 1), LOAD_ACTORS)
        asked = [load_arguments(self._keys, partition, keys[first : first + LOAD_ACTORS]) for first in firsts]
        arguments = [(names, values) for names, values, _ in asked]
        found = await self._with_journal("load_states", partition, scripts.LOAD_STATES, arguments)
        states: list[bytes | None] = [None] * len(keys)
        for first, (_, _, order), (journal, in_shards) in zip(firsts, asked, found, strict=True):
            # Lua ends an array at trailing nils; what is not there was not found.
            for index, state in zip_longest(order, in_shards):
                states[first + index] = journal.state(keys[first + index], state)
        return states

    async def scan_shard(self, partition: int, shard: int) -> dict[bytes, bytes]:
        """Return the states of one shard, without those that the journal has something of."""
        arguments: list[tuple[list[bytes], list[Argument]]] = [([self._keys.actors(partition)[shard]], [])]
        ((journal, (fields,)),) = await self._with_journal("scan_shard", partition, scripts.SCAN_SHARD, arguments)
        return {actor: state for actor, state in pairs(fields) if actor not in journal}

    async def _with_journal(
        self, operation: str, partition: int, script: Script, asked: Sequence[tuple[list[bytes], list[Argument]]]
    ) -> list[tuple[Journal, Sequence[Any]]]:
        """Run a script that reads states, once for each of the arguments; return its answers, each with its journal."""

        async def run(mark: Mark | None) -> list[Any]:
            first_keys, first_values = journal_arguments(self._keys, partition, mark)
            calls = [_Call(script, [*first_keys, *names], [*first_values, *values]) for names, values in asked]
            return await self._run(operation, (partition,), calls)

        known = self._journals.get(partition)
        mark = None if known is None else known.mark
        replies = await run(mark)
        if known is not None and (self._journals.get(partition) is not known or known.mark != mark):
            # A commit has begun meanwhile, and what was known is gone.
            known, replies = None, await run(None)
        found = []
        for epoch, next_entry, entries, *rest in replies:
            at = Mark(int(epoch), int(next_entry))
            if known is None or at != known.mark:
                known = self._journals[partition] = Journal(at, {int(n): entry for n, entry in pairs(entries)})
            found.append((known, rest))
        return found

    async def load_rollups(self, partitions: int) -> list[bytes | None]:
        """Return the rollups of partitions 0..partitions-1, in one round trip."""
        return await self._ask("load_rollups", (), [("GET", self._keys.rollup(number)) for number in range(partitions)])

    async def commit(self, commits: Sequence[Commit]) -> list[CommitResult]:
        """Apply each commit by itself, whole or not at all; all share one round trip."""
        results: list[CommitResult | None] = [None] * len(commits)
        while True:
            left = [index for index, result in enumerate(results) if result is None]
            if not left:
                return [result for result in results if result is not None]
            await self._read_journals([commits[index] for index in left])
            for index, result in zip(left, await self._commit([commits[index] for index in left]), strict=True):
                results[index] = result

    async def _commit(self, commits: Sequence[Commit]) -> list[CommitResult | None]:
        """Send commits; None stands for one that was not applied because the journal is not the known one."""
        partitions = tuple(commit.partition for commit in commits)
        journals = [self._journals.pop(partition) for partition in partitions]  # until the outcome is known
        calls, following = [], []
        for commit, journal in zip(commits, journals, strict=True):
            arguments, after = self._written(commit, journal)
            calls.append(_Call(scripts.COMMIT, *arguments))
            following.append(after)
        replies = await self._run("commit", partitions, calls)
        for partition, reply, after in zip(partitions, replies, following, strict=True):
            if reply == 1:
                self._journals[partition] = after
        return [_result(reply) for reply in replies]

    def _written(self, commit: Commit, journal: Journal) -> tuple[tuple[list[bytes], list[Argument]], Journal]:
        """Merge a commit into `journal`, what it was being gone; return its arguments, and the journal after it."""
        epoch, next_entry = commit.head.epoch, journal.mark.next_entry
        before = journal.fullness(self._fold_at)
        journal.merge(commit.states, commit.additions)
        fullness = journal.fullness(self._fold_at)
        self._filled += fullness - before
        limit = 1.0 if self._filled >= FOLD_APART else FOLD_NOW
        if fullness >= limit or commit.is_folding or any(actor in journal for actor in commit.deleted):
            self._filled = 0.0
            after = Journal(Mark(epoch, next_entry + bool(journal.entries)))
            return folding_arguments(self._keys, commit, journal), after
        arguments = commit_arguments(self._keys, commit, journal)
        if commit.states or commit.additions:
            journal.entries.append(next_entry)
            next_entry += 1
        journal.mark = Mark(epoch, next_entry)
        return arguments, journal

    async def _read_journals(self, commits: Iterable[Commit]) -> None:
        """Read the journals that are not known, or known of another epoch than the commit continues from."""
        for commit in commits:
            known = self._journals.get(commit.partition)
            if known is None or known.mark.epoch != commit.expected[1]:
                self._journals.pop(commit.partition, None)
                await self.load_states(commit.partition, ())

    async def create_head(self, partition: int, head: PartitionHead) -> bool:
        """Store a first head; False if there is one already."""
        keys = self._keys
        others = (keys.cells(partition), keys.rollup(partition), keys.journal(partition))
        names = [keys.head(partition), *others, *keys.actors(partition)]
        call = _Call(scripts.CREATE_HEAD, names, encode_head(head, keys.shards))
        (reply,) = await self._run("create_head", (partition,), [call])
        if reply < 0:
            raise StoreRefused(
                f"{names[0].decode()} is absent, but {-reply} other keys of partition {partition} are there",
                "restore the head from a backup, or drop the namespace and rebuild it",
            )
        if reply == 1:
            self._journals[partition] = Journal(Mark(head.epoch, 0))
        return bool(reply == 1)

    async def raise_epoch(self, partition: int) -> int | None:
        """Add one to the epoch and return it; None if there is no head."""
        call = _Call(scripts.RAISE_EPOCH, [self._keys.head(partition)])
        # What is known may be of another history: the store may have gone back while others had the partition.
        self._journals.pop(partition, None)
        (epoch,) = await self._run("raise_epoch", (partition,), [call])
        return None if epoch is None else int(epoch)

    async def active_funnel_set(self) -> bytes | None:
        """Return the document of the funnel set that may write here; None before the first."""
        return await self._document("active_funnel_set", self._keys.funnel_set)

    async def set_active_funnel_set(self, document: bytes, expected: bytes | None) -> bool:
        """Replace the document if the stored one is still `expected`; False if it is not."""
        return await self._swap("set_active_funnel_set", self._keys.funnel_set, document, expected)

    async def runs_document(self) -> bytes | None:
        """Return the document of the runs beside this namespace; None before the first."""
        return await self._document("runs_document", self._keys.runs)

    async def set_runs_document(self, document: bytes, expected: bytes | None) -> bool:
        """Replace the document if the stored one is still `expected`; False if it is not."""
        return await self._swap("set_runs_document", self._keys.runs, document, expected)

    async def _document(self, operation: str, key: bytes) -> bytes | None:
        document: bytes | None
        (document,) = await self._ask(operation, (), [("GET", key)])
        return document

    async def _swap(self, operation: str, key: bytes, document: bytes, expected: bytes | None) -> bool:
        values = [document] if expected is None else [document, expected]
        (swapped,) = await self._run(operation, (), [_Call(scripts.SWAP, [key], values)])
        return bool(swapped == 1)

    async def drop_namespace(self) -> None:
        """Remove all that this namespace holds, heads first.

        Raises `StoreRefused` if something writes to it meanwhile.
        """
        self._journals.clear()
        names = await self._names()
        heads = [name for name in names if name.endswith(b"}:head")]
        for doomed in (heads, names):
            for first in range(0, len(doomed), _DROP_KEYS):
                await self._ask("drop_namespace", (), [("UNLINK", name) for name in doomed[first : first + _DROP_KEYS]])
        left = await self._names()
        if left:
            raise StoreRefused(
                f'namespace "{self._keys.namespace}" still holds {len(left)} keys, such as {left[0].decode()}',
                "stop the workers that write to it, then drop it again",
            )

    async def close(self) -> None:
        """Give back connections; the store is not used afterwards."""
        await self._client.aclose()

    async def _names(self) -> list[bytes]:
        try:
            return [name async for name in self._client.scan_iter(match=self._keys.pattern, count=1_000)]
        except REDIS_FAILURES as error:
            raise failure_of("drop_namespace", (), error) from error

    async def _run(self, operation: str, partitions: tuple[int, ...], calls: Sequence[_Call]) -> list[Any]:
        """Run scripts in one pipeline; those that this Redis does not know yet again, with their source."""
        replies = await self._exchange(operation, partitions, [call.words(by_digest=True) for call in calls])
        unknown = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            # NOSCRIPT is a clear answer: it did not run.
            words = [calls[index].words(by_digest=False) for index in unknown]
            for index, reply in zip(unknown, await self._exchange(operation, partitions, words), strict=True):
                replies[index] = reply
        return _clear(operation, partitions, replies)

    async def _ask(self, operation: str, partitions: tuple[int, ...], commands: Sequence[Sequence[Any]]) -> list[Any]:
        return _clear(operation, partitions, await self._exchange(operation, partitions, commands))

    async def _exchange(
        self, operation: str, partitions: tuple[int, ...], commands: Sequence[Sequence[Any]]
    ) -> list[Any]:
        """Send commands in one round trip (on a cluster one for each node); a failed one's reply is its exception."""
        if not commands:
            return []
        try:
            pipeline = self._client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            replies: list[Any] = await pipeline.execute(raise_on_error=False)
        except REDIS_FAILURES as error:
            await self._forget_nodes()
            raise failure_of(operation, partitions, error) from error
        if any(isinstance(reply, Exception) and not isinstance(reply, ResponseError) for reply in replies):
            await self._forget_nodes()
        return replies

    async def _forget_nodes(self) -> None:
        """After a lost connection a cluster may have other primaries: ask again before the next command."""
        if isinstance(self._client, RedisCluster):
            await self._client.aclose()


def _result(reply: Any) -> CommitResult | None:
    if reply == 0:
        return None
    return DONE if reply == 1 else Moved(int(reply[0]), int(reply[1]))


def _clear(operation: str, partitions: tuple[int, ...], replies: list[Any]) -> list[Any]:
    """Return the replies if all are answers; a refusal is raised before a failure that may pass."""
    failures = [failure_of(operation, partitions, reply) for reply in replies if isinstance(reply, Exception)]
    for failure in failures:
        if isinstance(failure, StoreRefused):
            raise failure
    if failures:
        raise failures[0]
    return replies
