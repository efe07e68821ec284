"""The fold of funnels with options gives the attempts and period results that the exhaustive oracle lists.

`CASES` sets how many cases there are of each option and of each pair (`make fuzz`: 50 000); without it each option
alone has 2 000, and 50 000 have sets of options drawn at random. So it is with the attributions of breakdowns: each
has 2 000 cases in a plain funnel, and 10 000 have some of them with options drawn at random.
"""

import os
import random
from collections.abc import Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations

import pytest

from support.option_engine import by_engine, by_oracle
from support.options.cases import OPTIONS, random_case, random_funnel, used_options
from support.options.segments import ATTRIBUTIONS, Attribution, with_splits

CASES = int(os.environ.get("CASES", "0"))
PAIRS = list(combinations(OPTIONS, 2))
CHUNK = 500


def differences(chosen: Collection[str] | None, seeds: Sequence[int]) -> list[str]:
    """Return the cases in which engine and oracle differ, as text."""
    wrong = []
    for seed in seeds:
        rng = random.Random(f"{sorted(chosen or [])} {seed}")
        case = random_case(rng, chosen)
        lateness_ms = rng.choice([None, 0, 3, 8])
        found, expected = by_engine(case, rng, lateness_ms), by_oracle(case)
        if found != expected:
            wrong.append(f"{case} lateness {lateness_ms} seed {seed}:\n  engine {found}\n  oracle {expected}")
    return wrong


def hold(chosen: Collection[str] | None, count: int) -> None:
    """Check that many cases, on all processors."""
    chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    with ProcessPoolExecutor() as pool:
        wrong = [each for part in pool.map(differences, [chosen] * len(chunks), chunks) for each in part]
    assert not wrong, "\n".join([f"{len(wrong)} of {count} differ", *wrong[:3]])


def differences_by_split(
    attribution: Attribution | None, chosen: Collection[str] | None, seeds: Sequence[int]
) -> list[str]:
    """Return the cases in which engine and oracle differ, as text; None: attributions or options drawn at random."""
    wrong = []
    for seed in seeds:
        rng = random.Random(f"{attribution} {chosen} {seed}")
        case, splits = with_splits(rng, random_case(rng, chosen), attribution)
        lateness_ms = rng.choice([None, 0, 3, 8])
        found, expected = by_engine(case, rng, lateness_ms, splits), by_oracle(case, splits)
        if found != expected:
            wrong.append(f"{case} {splits} lateness {lateness_ms}:\n  engine {found}\n  oracle {expected}")
    return wrong


def hold_by_split(attribution: Attribution | None, chosen: Collection[str] | None, count: int) -> None:
    """Check that many cases, on all processors."""
    chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    given = ([each] * len(chunks) for each in (attribution, chosen))
    with ProcessPoolExecutor() as pool:
        wrong = [each for part in pool.map(differences_by_split, *given, chunks) for each in part]
    assert not wrong, "\n".join([f"{len(wrong)} of {count} differ", *wrong[:3]])


@pytest.mark.parametrize("attribution", [each for each in ATTRIBUTIONS if each != "all_steps"])
def test_an_attribution_alone(attribution):
    hold_by_split(attribution, (), CASES or 500)


def test_the_value_that_all_steps_have():
    hold_by_split("all_steps", ("hold",), CASES or 500)


def test_attributions_and_options_drawn_at_random():
    hold_by_split(None, None, CASES or 3_000)


@pytest.mark.parametrize("option", OPTIONS if CASES else [])
def test_attributions_and_an_option(option):
    hold_by_split(None, (option,), CASES)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_alone(option):
    hold((option,), CASES or 2_000)


def test_options_drawn_at_random():
    hold(None, CASES or 50_000)


def test_every_pair_that_can_be_combined_occurs_among_those_drawn_at_random():
    drawn = set()
    for seed in range(20_000):
        drawn |= set(combinations(used_options(random_funnel(random.Random(seed))), 2))
    assert {pair for pair in PAIRS if is_allowed(pair)} <= drawn


def is_allowed(pair):
    """Tell whether a funnel can have both options; what is drawn may be left at its default."""
    try:
        return any(set(pair) <= set(used_options(random_funnel(random.Random(seed), pair))) for seed in range(100))
    except ValueError:
        return False


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if is_allowed(pair)] if CASES else [], ids="+".join)
def test_two_options_together(pair):
    hold(pair, CASES)
