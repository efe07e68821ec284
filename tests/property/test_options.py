"""Each option of a funnel means what the exhaustive oracle says, for attempts and for actors."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.options.actors import actor_results
from support.options.attempts import attempts
from support.options.cases import random_case, random_events
from support.options.totals import totals
from support.product import Numbers, counted

OPTIONS = ("where",)
ALWAYS = (-(10**6), 10**6)


def expected(defined, actors, as_of):
    """Return the oracle's numbers."""
    steps = range(1, len(defined.steps))
    sums = totals([attempt for own in actors.values() for attempt in attempts(own, defined, as_of)], defined)
    depths = [result.depth for own in actors.values() for result in actor_results(own, defined, [ALWAYS], as_of)]
    return Numbers(
        sums.by_outcome["converted"],
        tuple(sums.dropped_at[step] for step in steps),
        tuple(sums.pending_at[step] for step in steps),
        tuple(depths.count(step) for step in (*steps, len(defined.steps))),
    )


def hold(rng, chosen):
    """Check one random funnel with three actors."""
    case = random_case(rng, chosen)
    actors = {f"u{number}": random_events(rng, case.funnel) for number in range(3)}
    assert counted(case.funnel, actors, case.as_of) == expected(case.funnel, actors, case.as_of), (case.funnel, actors)


@pytest.mark.parametrize("option", [None, *OPTIONS])
@settings(max_examples=2_000)
@given(st.integers(0, 2**32))
def test_an_option_alone_counts_as_the_oracle_says(option, seed):
    hold(random.Random(seed), [] if option is None else [option])
