"""ClickHouse's windowFunnel and the product's longest chain on the same paths: where they agree, and where not.

They agree
* by default, for funnels whose steps share no event name;
* in `strict_once`, for every funnel, whatever its steps share and whatever ties;
* in `strict_once` with `strict_increase`, with `strict_time`, for every funnel;
* in `strict_deduplication`, for steps that share no name, where no step but the first comes twice;
* in `strict_order`, with `order: strict`, for steps that share no name, where nothing but the steps' events comes
  and there are two steps, or no event goes back or skips a step.

Each case outside of that is a row of docs/other-products.md.
"""

import random

from support.clickhouse import Question, ask_all
from support.longest import longest_chains
from support.notation import funnel
from support.options import notation as options
from support.oracle import OEvent

ACTORS = 2_000
DISTINCT = ["A>B/0", "A>B>C/10", "A|D>B>C/5", "B>A>D>C/12"]
OVERLAPPING = [
    *DISTINCT, "A>A/10", "A>A|B>C/10", "A|B>B|C>A/8", "A>B>A/10", "A>A>A>A/6", "A|B>A|B>B/7", "A|B|C>A|B|C>A|B|C/4",
    "B>A|B|C>B>C/9",
]  # fmt: skip


def drawn(seed, names="AABBCDX", longest=9):
    """Return random actors; half of them inside a few ms, so that ties are common."""
    rng = random.Random(seed)
    actors = {}
    for number in range(ACTORS):
        span = rng.choice([2, 5, 15, 40])
        length = rng.randint(0, longest)
        actors[f"a{number}"] = [OEvent(rng.randint(-3, span), f"i{k}", rng.choice(names)) for k in range(length)]
    return actors


def climbing(steps):
    """Return random actors that go from step to step, some steps more than once, none left out and none again later."""
    rng = random.Random(steps)
    names = [sorted(each) for each in funnel(steps).steps]
    actors = {}
    for number in range(ACTORS):
        path = [rng.choice(each) for each in names[: rng.randint(0, len(names))] for _ in range(rng.choice([1, 1, 2]))]
        times = sorted(rng.randint(-3, rng.choice([4, 15])) for _ in path)
        actors[f"a{number}"] = [OEvent(at, f"i{k}", name) for k, (at, name) in enumerate(zip(times, path, strict=True))]
    return actors


def once_but_the_first(steps):
    """Return random actors of whom each event name comes once, those of the first step excepted."""
    rng = random.Random(steps)
    first = sorted(funnel(steps).steps[0])
    others = sorted(set("ABCDX").difference(first))
    actors = {}
    for number in range(ACTORS):
        names = rng.sample(others, rng.randint(0, len(others))) + rng.choices(first, k=rng.randint(0, 3))
        actors[f"a{number}"] = [OEvent(rng.randint(-3, 12), f"i{k}", name) for k, name in enumerate(names)]
    return actors


def agree(modes, option, paths):
    """Hold both answers equal for funnels in text, each with its actors."""
    answers = ask_all([Question(actors, funnel(steps), modes) for steps, actors in paths.items()])
    for (steps, actors), found in zip(paths.items(), answers, strict=True):
        expected = longest_chains(actors, options.funnel(f"{steps} {option}".strip()))
        assert set(expected.values()) >= set(range(1, len(funnel(steps).steps) + 1)), "the paths must reach every depth"
        differing = {
            actor: (actors[actor], expected[actor], found[actor]) for actor in actors if found[actor] != expected[actor]
        }
        assert differing == {}, steps


def test_by_default_they_agree_where_steps_share_no_name():
    agree("", "", {steps: drawn(steps) for steps in DISTINCT})


def test_where_an_event_serves_one_step_only_they_agree_on_every_funnel():
    agree("strict_once", "", {steps: drawn(steps, longest=8) for steps in OVERLAPPING})


def test_so_they_do_where_times_must_increase():
    agree("strict_once strict_increase", "strict_time", {steps: drawn(steps, longest=8) for steps in OVERLAPPING[1:]})


def test_without_repeats_strict_deduplication_agrees():
    agree("strict_deduplication", "", {steps: once_but_the_first(steps) for steps in ("A>B>C/10", "A>B>C>D/12")})


def test_of_two_steps_and_nothing_else_strict_order_agrees():
    agree("strict_order", "strict", {steps: drawn(steps, "ABC") for steps in ("A|C>B/6", "C>A|B/9")})


def test_of_paths_that_only_climb_strict_order_agrees():
    agree("strict_order", "strict", {steps: climbing(steps) for steps in ("A>B>C/10", "A|D>B>C/5", "B>A>D>C/12")})


def test_by_default_it_never_says_less():
    paths = {steps: drawn(steps) for steps in OVERLAPPING}
    for (steps, actors), found in zip(
        paths.items(), ask_all([Question(actors, funnel(steps)) for steps, actors in paths.items()]), strict=True
    ):
        expected = longest_chains(actors, options.funnel(steps))
        assert all(found[actor] >= expected[actor] for actor in actors)
