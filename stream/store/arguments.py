"""The arguments of the two calls that carry a batch: a commit, and the loading of its misses.

In:  a commit, or the actor keys whose state is wanted.
Out: keys and values for the scripts in `scripts`, grouped by shard.

Both are loops in plain form, because they run once an actor: 0.3 us of the 1.0 us of
client CPU that a commit costs each of its 10 000 actors, sending included (docs/state.md).
"""

from collections.abc import Iterable, Sequence

from stream.store.contract import Commit
from stream.store.heads import encode_head
from stream.store.keys import Keys

Argument = bytes | int


def commit_arguments(keys: Keys, commit: Commit) -> tuple[list[bytes], list[Argument]]:
    """Return KEYS and ARGV of the commit script."""
    offset, epoch = commit.expected
    partition = commit.partition
    sets = _states_by_shard(commit.states, keys.shards)
    additions = _states_by_shard(commit.additions, keys.shards)
    deletions = _keys_by_shard(commit.deleted, keys.shards)
    names = keys.actors(partition)
    script_keys = [keys.head(partition), keys.cells(partition), keys.rollup(partition)]
    script_keys += [names[shard] for runs in (sets, additions, deletions) for shard in runs]
    cells = [part for cell in commit.cells.items() for part in cell]
    values: list[Argument] = [offset, epoch, keys.shards, len(sets), len(additions)]
    fixed = (encode_head(commit.head, keys.shards), cells, commit.deleted_cells)
    _add_runs(values, fixed)
    _add_runs(values, ((),) if commit.rollup is None else ((commit.rollup,),))
    for runs in (sets, additions, deletions):
        _add_runs(values, runs.values())
    return script_keys, values


def load_arguments(
    keys: Keys, partition: int, actors: Sequence[bytes]
) -> tuple[list[bytes], list[Argument], list[int]]:
    """Return KEYS and ARGV of the script that loads states, and the index in `actors` of each state it returns."""
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


def _add_runs(values: list[Argument], runs: Iterable[Sequence[bytes]]) -> None:
    for run in runs:
        values.append(len(run))
        values += run


def _states_by_shard(states: Sequence[tuple[bytes, bytes]], shards: int) -> dict[int, list[bytes]]:
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
