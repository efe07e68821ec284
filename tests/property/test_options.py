"""Each option of a funnel means what the exhaustive oracle says, for attempts and for actors."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.clickhouse import window_funnel
from support.notation import path
from support.options.actors import actor_results
from support.options.attempts import attempts
from support.options.cases import OPTIONS, random_case, random_events
from support.options.notation import funnel
from support.options.totals import totals
from support.oracle import OEvent, OFunnel
from support.product import Numbers, counted

ALWAYS = (-(10**6), 10**6)
DAY_MS = 86_400_000
DAYS = ((-DAY_MS, 0), (0, DAY_MS))
"""The product's entry periods around the times of the cases, which are near 0."""


def expected(defined, actors, as_of):
    """Return the oracle's numbers."""
    sums = totals([attempt for own in actors.values() for attempt in attempts(own, defined, as_of, DAYS)], defined)
    results = {actor: actor_results(own, defined, [ALWAYS], as_of, DAYS) for actor, own in actors.items()}
    depths = [result.depth for own in results.values() for result in own]
    counts_units = defined.hold or defined.session is not None or defined.session_gap is not None

    def by_step(counts):
        return tuple(counts.get(step, 0) for step in defined.numbers)

    return Numbers(
        sums.by_outcome["converted"],
        by_step({**sums.with_step, **sums.reached}),
        by_step(sums.entered_at),
        by_step(sums.dropped_at),
        by_step(sums.excluded_at),
        by_step(sums.pending_at),
        tuple(depths.count(step) for step in defined.numbers),
        sum(any(result.depth for result in own) for own in results.values()) if counts_units else 0,
    )


def hold(rng, chosen):
    """Check one random funnel with three actors."""
    case = random_case(rng, chosen)
    actors = {f"u{number}": random_events(rng, case.funnel) for number in range(3)}
    assert counted(case.funnel, actors, case.as_of) == expected(case.funnel, actors, case.as_of), (case.funnel, actors)


@pytest.mark.parametrize("option", [None, *OPTIONS])
def test_a_file_counts_as_the_oracle_says(option):
    """Each option alone; tests/property/test_option_engine.py looks closer, and at many more cases."""
    rng = random.Random(option)
    for _ in range(60):
        hold(rng, [] if option is None else [option])


@settings(max_examples=1_000)
@given(st.integers(0, 2**32))
def test_a_file_counts_as_the_oracle_says_with_any_options(seed):
    hold(random.Random(seed), None)


def test_an_earlier_start_is_not_forgotten_for_one_of_the_same_instant():
    """ClickHouse's strict_increase forgets it."""
    defined = funnel("A>B/10 strict_time")
    own = path("A@0 A@1 B@1")
    assert counted(defined, {"u": own}, 1).converted == 1
    plain = OFunnel(tuple(step.names for step in defined.steps), 10)
    assert window_funnel({"u": own}, plain, "strict_increase") == {"u": 1}


@pytest.mark.parametrize("names", [[f"E{number}" for number in range(64)], ["A"] * 64])
def test_sixty_four_steps_are_as_good_as_two(names):
    defined = funnel(">".join(names) + "/1000")
    actors = {
        "one by one": [OEvent(number, f"i{number}", name) for number, name in enumerate(names)],
        "all at once": [OEvent(5, f"i{number}", name) for number, name in enumerate(names)],
        "all but one": [OEvent(5, f"i{number}", name) for number, name in enumerate(names[:-1])],
    }
    found = counted(defined, actors, 10_000)
    assert (found.converted, found.dropped_at[62], sum(found.dropped_at)) == (2, 1, 1)
