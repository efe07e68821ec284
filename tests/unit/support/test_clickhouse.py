"""Where ClickHouse's windowFunnel says the same as the longest chain, and where it does not."""

import random

import pytest

from support.clickhouse import window_funnel
from support.notation import funnel, path
from support.options import notation as options
from support.options.chains import Path, longest
from support.oracle import OEvent, longest_chain

ACTORS = 20_000


def ask(paths: dict[str, str], steps: str) -> dict[str, int]:
    return window_funnel({text: path(events) for text, events in paths.items()}, funnel(steps))


def random_actors(steps: str) -> dict[str, list[OEvent]]:
    """Up to nine events each, half of the actors inside a few ms, so that ties are common."""
    rng = random.Random(steps)
    actors = {}
    for n in range(ACTORS):
        span = rng.choice([2, 5, 15, 40])
        length = rng.randint(0, 9)
        actors[f"actor {n}"] = [OEvent(rng.randint(-3, span), f"i{k}", rng.choice("AABBCDX")) for k in range(length)]
    return actors


@pytest.mark.parametrize("steps", ["A>B/0", "A>B>C/10", "A|D>B>C/5", "B>A>D>C/12"])
def test_it_equals_the_longest_chain_when_no_name_serves_two_steps(steps):
    actors, defined = random_actors(steps), funnel(steps)
    expected = {actor: longest_chain(events, defined) for actor, events in actors.items()}
    assert set(expected.values()) == set(range(len(defined.steps) + 1)), "the random paths must reach every depth"
    found = window_funnel(actors, defined)
    differing = {
        actor: (actors[actor], expected[actor], found[actor]) for actor in actors if found[actor] != expected[actor]
    }
    assert differing == {}


def test_named_paths():
    found = ask(
        {
            "no events": "",
            "inside the window": "A@0 B@9",
            "at its end": "A@0 B@10",
            "past it": "A@0 B@11",
            "times of today": "A@1764000000000 B@1764000000010",
            "negative times": "A@-5 B@0",
            "a tie, last step first": "B@5 A@5",
            "a better start": "A@0 A@8 B@12",
        },
        "A>B/10",
    )
    assert found == {
        "no events": 0,
        "inside the window": 2,
        "at its end": 2,
        "past it": 1,
        "times of today": 2,
        "negative times": 2,
        "a tie, last step first": 2,
        "a better start": 2,
    }


def test_where_a_name_serves_two_steps_it_counts_one_event_twice():
    """So there, and only there, it is no judge of ours; it never says less."""
    assert ask({"one event": "A@0", "two": "A@0 A@1"}, "A>A/10") == {"one event": 2, "two": 2}
    actors, defined = random_actors("A>A|B>C/10"), funnel("A>A|B>C/10")
    found = window_funnel(actors, defined)
    assert all(found[actor] >= longest_chain(events, defined) for actor, events in actors.items())


def test_strict_increase_says_the_same_where_no_two_events_tie_and_never_more_where_they_do():
    steps = "A>B>C/10"
    rng, defined, ours = random.Random(steps), funnel(steps), options.funnel(f"{steps} strict_time")
    tied, untied = random_actors(steps), {}
    for n in range(ACTORS):
        times = rng.sample(range(-3, 15), rng.randint(0, 8))
        untied[f"actor {n}"] = [OEvent(time, f"i{k}", rng.choice("AABBCDX")) for k, time in enumerate(times)]
    found = window_funnel(untied, defined, "strict_increase")
    assert found == {actor: longest(Path(events, ours)) for actor, events in untied.items()}
    found = window_funnel(tied, defined, "strict_increase")
    assert all(found[actor] <= longest(Path(events, ours)) for actor, events in tied.items())
    # It forgets the older start for the tied one, which is the case the rule was written for.
    assert window_funnel({"ann": path("A@0 A@1 B@1")}, funnel("A>B/10"), "strict_increase") == {"ann": 1}


def test_any_name_and_any_window_can_be_asked_for():
    actors = {"o'neil": [OEvent(0, "1", "it's"), OEvent(7, "2", "back\\slash")]}
    assert window_funnel(actors, funnel(f"it's>back\\slash/{2**64}")) == {"o'neil": 2}


def test_a_refused_query_says_why():
    with pytest.raises(RuntimeError, match="windowFunnel"):
        ask({"ann": "s0@0"}, ">".join(f"s{n}" for n in range(40)) + "/99")
