"""A partition's actors: who is missing, what is written, what a record's verdict is."""

import pytest

from stream.engine.match import FunnelSet
from stream.engine.table import ActorTable, by_actor
from stream.model.event import AdmittedEvent
from stream.model.funnel import Funnel, Step
from support.tables import states_in

NO_LIMIT = -(10**9)


def funnel_set(*texts):
    return FunnelSet(
        [
            Funnel(f"f{number}", 1, tuple(Step(name, (name,)) for name in text.split(">")), 10)
            for number, text in enumerate(texts)
        ]
    )


def events(text) -> list[AdmittedEvent]:
    """Read "u1:A#x@0 u2:B#y@3"."""
    found = []
    for token in text.split():
        actor, rest = token.split(":")
        named, time = rest.split("@")
        name, event_id = named.split("#")
        found.append((actor, int(time), event_id, name, (), NO_LIMIT))
    return found


@pytest.fixture
def table():
    return ActorTable(funnel_set("A>B"), str.encode)


def apply(table, text, stored=None, **options):
    batch = by_actor(events(text))
    for actor, key in table.missing(batch):
        table.put(actor, key, (stored or {}).get(key))
    return table.apply(batch, options.pop("seal_below_ms", None), **options)


def test_an_actor_is_missing_until_it_is_put(table):
    batch = by_actor(events("u1:A#x@0 u2:A#x@0 u1:B#y@1"))
    assert sorted(table.missing(batch)) == [("u1", b"u1"), ("u2", b"u2")]
    table.put("u1", b"u1", None)
    assert table.missing(batch) == [("u2", b"u2")]
    assert (table.hits, table.misses) == (1, 3)


def test_each_changed_actor_is_written_once_and_others_not_at_all(table):
    apply(table, "u1:A#x@0 u2:A#x@0")
    applied = apply(table, "u1:B#y@1 u2:A#x@0 u1:A#z@2")
    assert applied.verdicts == (1, 0, 2)
    assert [key for key, _ in applied.additions] == [b"u1"]
    assert applied.states == []


@pytest.mark.parametrize(
    ("path", "seal_below", "is_whole"),
    [
        pytest.param("u1:A#d@5", None, False, id="in-order"),
        pytest.param("u1:A#d@5 u1:B#e@6", None, False, id="two-in-order"),
        pytest.param("u1:A#d@5 u1:B#e@2", None, True, id="one-in-between"),
        pytest.param("u1:A#a@0 u1:A#d@5", None, False, id="a-copy-before-it"),
        pytest.param("u1:A#d@5 u1:A#a@0", None, False, id="a-copy-behind-it"),
        pytest.param("u1:A#e@2 u1:B#d@5 u1:A#f@6 u1:A#g@9", 7, True, id="one-in-between-and-then-some-that-are-old"),
        pytest.param("u1:A#d@5", 3, False, id="a-part-is-old"),
        pytest.param("u1:A#d@5", 4, True, id="all-before-is-old"),
        pytest.param("u2:A#d@5", None, True, id="a-new-actor"),
    ],
)
def test_an_actor_is_written_whole_or_what_is_new_of_it(table, path, seal_below, is_whole):
    stored = dict(apply(table, "u1:A#a@0 u1:B#b@1 u1:A#c@3").states)
    applied = apply(table, path, seal_below_ms=seal_below)
    assert (bool(applied.states), bool(applied.additions)) == (is_whole, not is_whole)
    assert_stored(table, stored, applied)


@pytest.mark.parametrize(
    ("seal_below", "is_whole"), [pytest.param(10, False, id="less-than-half"), pytest.param(11, True, id="half")]
)
def test_an_actor_of_many_events_is_written_whole_once_half_of_them_are_old(table, seal_below, is_whole):
    stored = dict(apply(table, " ".join(f"u1:A#a{time}@{time}" for time in range(20))).states)
    applied = apply(table, "u1:A#b@20", seal_below_ms=seal_below)
    assert (bool(applied.states), bool(applied.additions)) == (is_whole, not is_whole)
    assert_stored(table, stored, applied)


def test_an_actor_near_the_bot_cap_is_sealed_before_it_would_go_the_slow_way():
    table = ActorTable(funnel_set("A>B"), str.encode, bot_cap=5)
    apply(table, " ".join(f"u1:A#a{time}@{time}" for time in range(5)))
    for time in range(5, 30):
        apply(table, f"u1:A#a{time}@{time}", seal_below_ms=time - 3)
        ((_, states),) = states_in(table)
        assert len(states[0].entries) <= 6


def assert_stored(table, stored, applied):
    """Assert that the store has every actor as the table has it, once what was applied is stored too."""
    stored.update(applied.states)
    for key, addition in applied.additions:
        stored[key] += addition
    other = ActorTable(table.funnels, str.encode)
    for key, blob in stored.items():
        other.put(key.decode(), key, blob)

    def entries(of):
        return [
            (actor, number, state.entries[0][4:7], state.entries[1:])
            for actor, states in sorted(states_in(of))
            for number, state in states.items()
        ]

    assert entries(other) == entries(table)


def test_a_state_that_was_stored_goes_on_in_another_table(table):
    stored = dict(apply(table, "u1:A#x@0").states)
    other = ActorTable(table.funnels, str.encode)
    (change,) = apply(other, "u1:B#y@1", stored).changes
    assert [attempt[:2] for attempt in change[1].taken] == [(0, 1)]
    assert [attempt[:2] for attempt in change[1].given] == [(0, 2)]


def test_several_events_of_an_actor_are_one_change(table):
    ((funnel, change),) = apply(table, "u1:A#x@0 u2:B#n@0 u1:A#y@1 u1:B#z@2").changes
    assert funnel is table.funnels.funnels[0]
    assert change.taken == ()
    assert [attempt[:2] for attempt in change.given] == [(0, 2)]


def test_an_attempt_that_was_open_and_ends_as_it_stood_is_not_said_again(table):
    apply(table, "u1:A#x@0")
    ((_, change),) = apply(table, "u1:A#y@11").changes
    assert [attempt[:2] for attempt in change.taken] == []
    assert [attempt[:2] for attempt in change.given] == [(11, 1)]


def test_nothing_is_written_where_it_is_not_asked_for(table):
    assert apply(table, "u1:A#x@0", write=False).states == []


def test_a_record_is_accepted_if_any_funnel_takes_it():
    table = ActorTable(funnel_set("A>B", "B>C"), str.encode, bot_cap=0)
    # The first A fills the first funnel; B is a bot there, but the second funnel takes it.
    assert apply(table, "u1:A#a@0 u1:B#b@1").verdicts == (0, 0, 2)


def test_a_record_that_no_funnel_takes_is_a_duplicate_before_it_is_a_bot():
    table = ActorTable(funnel_set("A>B", "B>C"), str.encode, bot_cap=0)
    apply(table, "u1:A#a@0 u1:B#b@1")
    assert apply(table, "u1:B#b@1").verdicts == (1, 0, 0)
    assert apply(table, "u1:B#c@2").verdicts == (0, 1, 0)


def test_an_actor_in_several_funnels_is_written_once_with_all_of_them():
    table = ActorTable(funnel_set("A>B", "B>C"), str.encode)
    ((key, blob),) = apply(table, "u1:A#a@0 u1:B#b@1").states
    other = ActorTable(table.funnels, str.encode)
    other.put("u1", key, blob)
    ((_, states),) = states_in(other)
    assert {number: state.fold[0] for number, state in states.items()} == {0: (), 1: ((1, None),)}


def test_items_leave_out_funnels_the_actor_did_nothing_in():
    table = ActorTable(funnel_set("A>B", "X>Y"), str.encode)
    apply(table, "u1:A#a@0")
    assert [(actor, list(states)) for actor, states in states_in(table)] == [("u1", [0])]


def test_beyond_its_capacity_the_table_forgets_the_actors_it_has_had_longest():
    table = ActorTable(funnel_set("A>B"), str.encode, capacity=2)
    apply(table, "u1:A#a@0")
    apply(table, "u2:A#a@0")
    apply(table, "u3:A#a@0")
    assert len(table) == 2
    assert table.missing(by_actor(events("u1:A#b@1 u2:A#b@1 u3:A#b@1"))) == [("u1", b"u1")]


def test_a_table_that_held_all_there_is_does_no_more_once_an_actor_has_left():
    table = ActorTable(funnel_set("A>B"), str.encode, capacity=2, is_complete=True)
    apply(table, "u1:A#a@0 u2:A#a@0")
    assert table.is_complete
    apply(table, "u3:A#a@0")
    assert not table.is_complete


def test_what_is_below_the_limit_is_sealed(table):
    apply(table, "u1:A#a@0 u1:A#b@5", seal_below_ms=5)
    ((_, states),) = states_in(table)
    assert [entry[0] for entry in states[0].entries[1:]] == [5]
