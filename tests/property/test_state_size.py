"""What is stored of an actor does not grow with the window: 400 days cost what an hour costs (SPEC section 7)."""

import random
from dataclasses import replace

import pytest

from stream.engine.match import FunnelSet
from stream.engine.table import ActorTable, by_actor
from support.options.cases import OPTIONS, in_units_of, random_funnel, used_options
from support.product import product_funnel

MINUTE_MS = 60_000
DAY_MS = 86_400_000
LATENESS_MS = 10 * MINUTE_MS
EVENTS = 3_000
LONGEST_MS = 400 * DAY_MS


def stored_sizes(defined, rng):
    """Return the bytes stored of a busy actor after each of its events, one a minute, some out of order."""
    funnels = FunnelSet([product_funnel(defined)])
    table = ActorTable(funnels, str.encode, is_complete=True)
    names = sorted({name for match in (*defined.steps, *defined.exclusions) for name in match.names})
    sizes, stored = [], b""
    for number in range(EVENTS):
        at_ms = number * MINUTE_MS - rng.choice([0, 0, 0, 3 * MINUTE_MS])
        found = {"os": rng.choice("ab"), "plan": "pro", "sid": "one"}
        properties = [found[path] for path in funnels.property_paths]
        name = rng.choice(names)
        kind = funnels.kinds[name](properties) if name in funnels.kinds else name
        if kind is None:
            continue
        batch = by_actor([("u", at_ms, f"i{number}", kind, properties, number * MINUTE_MS - LATENESS_MS)])
        table.missing(batch)
        applied = table.apply(batch, number * MINUTE_MS - LATENESS_MS)
        for _, blob in applied.states:
            stored = blob
        for _, blob in applied.additions:
            stored += blob
        sizes.append(len(stored))
    return sizes


@pytest.mark.parametrize("option", [None, *OPTIONS])
def test_the_window_does_not_show_in_what_is_stored(option):
    """Within two days of a busy actor's events nothing leaves a window of 400 days, and yet nothing piles up."""
    rng = random.Random(f"size {option}")
    chosen = [] if option is None else [option]
    drawn = (random_funnel(rng, chosen) for _ in range(1_000))
    defined = next(each for each in drawn if each.window and set(chosen) <= set(used_options(each)))
    # Gaps and sessions stay those of minutes; what is 400 days long is the window alone.
    defined = replace(in_units_of(defined, 2 * MINUTE_MS), window=LONGEST_MS)
    sizes = stored_sizes(defined, rng)
    half = len(sizes) // 2
    assert max(sizes[half:]) <= 1.25 * max(sizes[:half])
    assert max(sizes) < 6_000
