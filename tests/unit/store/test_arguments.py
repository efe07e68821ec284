"""A batch's arguments name each shard once, with its values in the order the script reads them."""

from hypothesis import given
from hypothesis import strategies as st

from stream.store.arguments import commit_arguments, load_arguments
from stream.store.contract import Commit, PartitionHead
from stream.store.heads import encode_head
from stream.store.keys import Keys, shard_of

KEYS = Keys("live", 4)
actors = st.binary(min_size=2, max_size=4)


def runs_of(values):
    """Read the runs as the script does: a length, then so many values."""
    runs, at = [], 0
    while at < len(values):
        runs.append(values[at + 1 : at + 1 + values[at]])
        at += 1 + values[at]
    assert at == len(values)
    return runs


by_actor = st.dictionaries(actors, st.binary())


@given(by_actor, by_actor, st.lists(actors, unique=True), st.none() | st.binary())
def test_a_commit_reads_back_as_what_was_to_be_written(states, additions, deleted, rollup):
    head = PartitionHead(9, epoch=2)
    commit = Commit(
        1, (5, 2), head, list(states.items()), list(additions.items()), deleted, {b"c": b"1"}, [b"d"], rollup
    )
    names, values = commit_arguments(KEYS, commit)
    sets, appends = values[3:5]
    runs = runs_of(values[5:])
    assert values[:3] == [5, 2, 4]
    assert names[:3] == [KEYS.head(1), KEYS.cells(1), KEYS.rollup(1)]
    assert runs[:4] == [encode_head(head, 4), [b"c", b"1"], [b"d"], [] if rollup is None else [rollup]]
    assert len(names) + 1 == len(runs)
    written, added, removed = {}, {}, []
    for number, (name, run) in enumerate(zip(names[3:], runs[4:], strict=True)):
        keys = run[::2] if number < sets + appends else run
        assert {KEYS.actors(1)[shard_of(key, 4)] for key in keys} == {name}
        if number < sets + appends:
            (written if number < sets else added).update(zip(run[::2], run[1::2], strict=True))
        else:
            removed += run
    assert written == states
    assert added == additions
    assert sorted(removed) == sorted(deleted)


@given(st.lists(actors))
def test_loaded_states_find_their_way_back_to_who_asked(asked):
    names, values, order = load_arguments(KEYS, 2, asked)
    runs = runs_of(values)
    assert [{KEYS.actors(2)[shard_of(key, 4)] for key in run} for run in runs] == [{name} for name in names]
    assert [key for run in runs for key in run] == [asked[index] for index in order]
    assert sorted(order) == list(range(len(asked)))
