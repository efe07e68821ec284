"""A batch's arguments name each shard once, with its values in the order the script reads them."""

from hypothesis import given
from hypothesis import strategies as st

from stream.store.arguments import commit_arguments, folding_arguments, journal_arguments, load_arguments
from stream.store.contract import Commit, PartitionHead
from stream.store.heads import encode_head
from stream.store.journal import Journal, Mark, encode_entry
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
HEAD = PartitionHead(9, epoch=2)
NAMES = [KEYS.head(1), KEYS.cells(1), KEYS.rollup(1), KEYS.journal(1)]


@given(by_actor, by_actor, st.lists(actors, unique=True), st.none() | st.binary())
def test_a_commit_becomes_the_next_entry_of_the_journal(states, additions, deleted, rollup):
    commit = Commit(
        1, (5, 2), HEAD, list(states.items()), list(additions.items()), deleted, {b"c": b"1"}, [b"d"], rollup
    )
    names, values = commit_arguments(KEYS, commit, Journal(Mark(2, 7)))
    runs = runs_of(values[6:])
    is_entry = bool(states or additions)
    assert values[:6] == [5, 2, 4, 7, 0, 0]
    assert names[:4] == NAMES
    assert runs[:4] == [encode_head(HEAD, 4, 7 + is_entry), [b"c", b"1"], [b"d"], [] if rollup is None else [rollup]]
    assert runs[5] == []
    assert sorted(key for run in runs[6:] for key in run) == sorted(deleted)
    assert bool(runs[4]) == is_entry
    if is_entry:
        again = Journal(Mark(2, 8), {runs[4][0]: runs[4][1]})
        for key in {*states, *additions}:
            held = states.get(key)
            assert again.state(key, b"-") == (held or (b"-" if held is None else b"")) + additions.get(key, b"")


@given(by_actor, by_actor, st.lists(actors, unique=True))
def test_folding_writes_all_of_the_journal_and_removes_its_entries(states, additions, deleted):
    journal = Journal(Mark(2, 7), {5: encode_entry([], list(additions.items()))})
    journal.merge(states.items(), ())
    names, values = folding_arguments(KEYS, Commit(1, (5, 2), HEAD, deleted=deleted), journal)
    sets, appends = values[4:6]
    runs = runs_of(values[6:])
    assert values[:4] == [5, 2, 4, 7]
    assert names[:4] == NAMES
    assert runs[:6] == [encode_head(HEAD, 4, 8), [], [], [], [], [5]]
    written, added, removed = {}, {}, []
    for number, (name, run) in enumerate(zip(names[4:], runs[6:], strict=True)):
        keys = run[::2] if number < sets + appends else run
        assert {KEYS.actors(1)[shard_of(key, 4)] for key in keys} == {name}
        if number < sets + appends:
            (written if number < sets else added).update(zip(run[::2], run[1::2], strict=True))
        else:
            removed += run
    assert written == states
    assert added == {key: addition for key, addition in additions.items() if key not in states}
    assert sorted(removed) == sorted(deleted)


@given(st.lists(actors))
def test_loaded_states_find_their_way_back_to_who_asked(asked):
    assert journal_arguments(KEYS, 2, Mark(3, 4)) == ([KEYS.head(2), KEYS.journal(2)], [3, 4])
    names, values, order = load_arguments(KEYS, 2, asked)
    runs = runs_of(values)
    assert [{KEYS.actors(2)[shard_of(key, 4)] for key in run} for run in runs] == [{name} for name in names]
    assert [key for run in runs for key in run] == [asked[index] for index in order]
    assert sorted(order) == list(range(len(asked)))
