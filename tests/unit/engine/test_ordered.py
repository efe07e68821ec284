"""The fold keeps, per level, the chain with the latest start."""

import pytest

from stream.engine.ordered import alive, extend
from support.roles import steps_of


def hits(funnel, text):
    """Read "A#x B#y" as the hits of one instant."""
    found = []
    for place, token in enumerate(text.split()):
        name, _, own = token.partition("#")
        event_id = own or f"e{place}"
        found.append((0, event_id, steps_of(funnel)[name], ((event_id,), ()), 0))
    return tuple(found)


def ids(path):
    return [touch[0][0] for touch in path[1::2]]


@pytest.mark.parametrize(
    ("levels", "time", "expected"),
    [
        pytest.param((), 5, (), id="nothing"),
        pytest.param(((0, None),), 10, ((0, None),), id="the-window-is-inclusive"),
        pytest.param(((0, None),), 11, (), id="one-ms-later-it-is-over"),
        pytest.param(((5, None), (0, None, 3, None)), 12, ((5, None),), id="deeper-levels-start-earlier-and-go-first"),
    ],
)
def test_alive(levels, time, expected):
    assert alive(levels, time, 10) == expected


def test_a_first_step_replaces_level_one_and_keeps_the_deeper_one(compile_funnel):
    funnel = compile_funnel("A>B>C/10")
    levels = ((0, None), (0, None, 1, None))
    after, top, path, extends = extend(funnel, levels, 5, ((5, "x", (0,), None, 0),), may_start=True)
    assert after == ((5, None), (0, None, 1, None))
    assert (top, path, extends) == (1, (5, None), True)


def test_an_event_that_improves_nothing_still_extends(compile_funnel):
    funnel = compile_funnel("A>B>C/10")
    levels = ((0, None), (0, None, 1, None))
    assert extend(funnel, levels, 5, ((5, "x", (1,), None, 0),), may_start=True) == (levels, 0, None, True)


def test_a_first_step_starts_nothing_where_it_must_not(compile_funnel):
    funnel = compile_funnel("A>B/10")
    assert extend(funnel, (), 5, ((5, "x", (0,), None, 0),), may_start=False) == ((), 0, None, False)


@pytest.mark.parametrize(
    ("funnel", "group", "expected"),
    [
        pytest.param("A>B/0", "B A", ["e1", "e0"], id="a-tie-has-no-order"),
        pytest.param("A>A/0", "A#b A#a", ["b", "a"], id="the-last-step-gets-the-smallest-id"),
        pytest.param("A|B>A/0", "A B", ["e1", "e0"], id="so-that-both-steps-are-served"),
        pytest.param("A|B>B|C>C/0", "A B C", ["e0", "e1", "e2"], id="a-chain-of-shared-names"),
        pytest.param("A>B/0", "A#z A#y B#x B#w", ["y", "w"], id="the-smallest-ids-of-each-step"),
    ],
)
def test_a_tie_group_assigns_distinct_events(compile_funnel, funnel, group, expected):
    compiled = compile_funnel(funnel)
    _, top, path, _ = extend(compiled, (), 0, hits(compiled, group), may_start=True)
    assert top == compiled.step_count
    assert ids(path) == expected


def test_one_event_never_serves_two_steps(compile_funnel):
    funnel = compile_funnel("A>A/10")
    assert extend(funnel, (), 0, hits(funnel, "A"), may_start=True)[1] == 1


def test_a_tie_group_of_thousands_is_no_work_beyond_a_chains_length(compile_funnel):
    funnel = compile_funnel("A>A|B>B/0")
    group = hits(funnel, " ".join(["A", "B"] * 3000))
    assert extend(funnel, (), 0, group, may_start=True)[1] == 3


def test_forty_steps_are_no_limit(compile_funnel):
    names = [f"n{number}" for number in range(40)]
    funnel = compile_funnel(">".join(names) + "/0")
    assert extend(funnel, (), 0, hits(funnel, " ".join(reversed(names))), may_start=True)[1] == 40
