"""The arguments of the two calls that carry a batch: a commit, and the loading of its misses.

In:  a commit and the partition's journal, or the actor keys whose state is wanted.
Out: keys and values for the scripts in `scripts`, grouped by shard.

The loops are in plain form, because they run once an actor: 0.3 us of the 1.0 us of
client CPU that a commit costs each actor that it puts into a shard, sending included (docs/state.md).
"""

from collections.abc import Iterable, Sequence

from stream.store.contract import Commit
from stream.store.heads import encode_head
from stream.store.journal import Journal, Mark, encode_entry, flat
from stream.store.keys import Keys

Argument = bytes | int


def commit_arguments(keys: Keys, commit: Commit, journal: Journal) -> tuple[list[bytes], list[Argument]]:
    """Return KEYS and ARGV of the commit script, by which the commit becomes the journal's next entry."""
    entry: list[Argument] = []
    if commit.states or commit.additions:
        entry = [journal.mark.next_entry, encode_entry(commit.states, commit.additions)]
    return _arguments(keys, commit, journal.mark, entry=entry)


def folding_arguments(keys: Keys, commit: Commit, journal: Journal) -> tuple[list[bytes], list[Argument]]:
    """Return KEYS and ARGV of the commit script, by which the journal, with the commit in it, goes into the shards."""
    return _arguments(
        keys,
        commit,
        journal.mark,
        folded=journal.entries,
        states=journal.states.items(),
        additions=journal.additions.items(),
    )


def _arguments(  # noqa: PLR0913
    keys: Keys,
    commit: Commit,
    mark: Mark,
    *,
    entry: Sequence[Argument] = (),
    folded: Sequence[int] = (),
    states: Iterable[tuple[bytes, bytes]] = (),
    additions: Iterable[tuple[bytes, bytes]] = (),
) -> tuple[list[bytes], list[Argument]]:
    offset, epoch = commit.expected
    partition = commit.partition
    sets, appends = _states_by_shard(states, keys.shards), _states_by_shard(additions, keys.shards)
    deletions = _keys_by_shard(commit.deleted, keys.shards)
    names = keys.actors(partition)
    script_keys = [keys.head(partition), keys.cells(partition), keys.rollup(partition), keys.journal(partition)]
    script_keys += [names[shard] for runs in (sets, appends, deletions) for shard in runs]
    cells = flat(commit.cells.items())
    head = encode_head(commit.head, keys.shards, mark.next_entry + bool(entry or folded))
    rollup = () if commit.rollup is None else (commit.rollup,)
    values: list[Argument] = [offset, epoch, keys.shards, mark.next_entry, len(sets), len(appends)]
    _add_runs(values, (head, cells, commit.deleted_cells, rollup, entry, folded))
    for runs in (sets, appends, deletions):
        _add_runs(values, runs.values())
    return script_keys, values


def journal_arguments(keys: Keys, partition: int, known: Mark | None) -> tuple[list[bytes], list[Argument]]:
    """Return with what KEYS and ARGV of a script begin that reads states; `known`: the journal it need not return."""
    return [keys.head(partition), keys.journal(partition)], [-1, -1] if known is None else [*known]


def load_arguments(
    keys: Keys, partition: int, actors: Sequence[bytes]
) -> tuple[list[bytes], list[Argument], list[int]]:
    """Return the other KEYS and ARGV of the script that loads states, and the index in `actors` of each it returns."""
    mask = keys.shards - 1
    runs: dict[int, list[int]] = {}
    get = runs.get
    for index, key in enumerate(actors):
        shard = (key[0] << 8 | key[1]) & mask
        run = get(shard)
        if run is None:
            runs[shard] = [index]
        else:
            run.append(index)
    names = keys.actors(partition)
    values: list[Argument] = []
    order: list[int] = []
    for run in runs.values():
        values.append(len(run))
        values += [actors[index] for index in run]
        order += run
    return [names[shard] for shard in runs], values, order


def _add_runs(values: list[Argument], runs: Iterable[Sequence[Argument]]) -> None:
    for run in runs:
        values.append(len(run))
        values += run


def _states_by_shard(states: Iterable[tuple[bytes, bytes]], shards: int) -> dict[int, list[bytes]]:
    mask = shards - 1
    runs: dict[int, list[bytes]] = {}
    get = runs.get
    for key, state in states:
        shard = (key[0] << 8 | key[1]) & mask
        run = get(shard)
        if run is None:
            runs[shard] = [key, state]
        else:
            run += (key, state)
    return runs


def _keys_by_shard(actors: Sequence[bytes], shards: int) -> dict[int, list[bytes]]:
    mask = shards - 1
    runs: dict[int, list[bytes]] = {}
    for key in actors:
        runs.setdefault((key[0] << 8 | key[1]) & mask, []).append(key)
    return runs
