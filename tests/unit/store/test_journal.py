"""A journal says of an actor what its commits wrote, one after the other."""

from hypothesis import given
from hypothesis import strategies as st

from stream.store.journal import FOLD_BYTES, Journal, Mark, encode_entry

actors = st.sampled_from([b"ab", b"cd", b"ef"])
pairs = st.lists(st.tuples(actors, st.binary(max_size=3)), max_size=4, unique_by=lambda pair: pair[0])
commits = st.lists(st.tuples(pairs, pairs), max_size=6)
MARK = Mark(1, 9)


def plainly(commits, in_shards):
    """Return the actors' states when each commit is put into the shards at once."""
    states = dict(in_shards)
    for wholes, additions in commits:
        states.update(wholes)
        for actor, addition in additions:
            states[actor] = states.get(actor, b"") + addition
    return states


@given(commits, st.dictionaries(actors, st.binary(max_size=2)))
def test_a_state_is_what_the_commits_make_of_the_one_in_the_shard(commits, in_shards):
    merged = Journal(MARK)
    for wholes, additions in commits:
        merged.merge(wholes, additions)
    read = Journal(MARK, {number: encode_entry(*commit) for number, commit in enumerate(commits)})
    expected = plainly(commits, in_shards)
    written = {actor for commit in commits for part in commit for actor, _ in part}
    for journal in (merged, read):
        assert written == {actor for actor in (b"ab", b"cd", b"ef") if actor in journal}
        for actor in (b"ab", b"cd", b"ef"):
            assert journal.state(actor, in_shards.get(actor)) == expected.get(actor)
        folded = {**in_shards, **journal.states}
        for actor, addition in journal.additions.items():
            folded[actor] = folded.get(actor, b"") + addition
        assert folded == expected


def test_it_is_full_by_actors_or_by_bytes():
    journal = Journal(MARK)
    journal.merge([(b"ab", b"1")], [(b"cd", b"1")])
    assert [journal.fullness(actors) for actors in (1, 2, 4)] == [2.0, 1.0, 0.5]
    journal.merge([], [(b"cd", bytes(FOLD_BYTES - 2))])
    assert journal.fullness(3) == 1.0


def test_entries_are_read_in_the_order_of_their_numbers():
    entries = {10: encode_entry([], [(b"ab", b"2")]), 9: encode_entry([(b"ab", b"1")], [])}
    journal = Journal(Mark(1, 11), entries)
    assert (journal.entries, journal.state(b"ab", None)) == ([9, 10], b"12")
