"""Whom an exclusion removes: a period counts an actor only by a clean chain as deep as its deepest.

In:  what is kept of a period's chains with the exclusions that remove actors, and without them.
Out: whether a chain ended its life, or goes on, without being cleared.

An unfinished deepest chain is clean if the latest start of its level left its window uncleared (SPEC section 4). A
chain is asked once, when its time is over; one that another could outreach then leaves the answer to that one.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from stream.engine.any_order import AnyOrder
from stream.engine.chains import Chain, Chains, at_least, level_of
from stream.engine.ties import Instant

# What is kept of an actor's chains: chains, or in any order events
Kept: TypeAlias = tuple[Any, ...]
Shape: TypeAlias = Chains | AnyOrder


class Removal(NamedTuple):
    """A period's chains in a funnel with an exclusion that removes actors, in place of what is kept.

    kept: with all exclusions. lenient: without those that remove. deepest: level reached without them. best, chain:
    level reached with them, and the chain reported. is_clean: whether a chain of level `deepest` came to its end
    uncleared.
    """

    kept: Kept = ()
    lenient: Kept = ()
    deepest: int = 0
    best: int = 0
    chain: Chain = ()
    is_clean: bool = False


def survives(shape: Shape, chain: Chain, instant: Instant) -> bool:
    """Tell whether the chain, alive at an instant, goes on after all that happens in it."""
    now_ms = instant.time_ms
    if shape.is_broken(chain, instant) or shape.clearing(chain, now_ms, instant.excluding):
        return False
    return shape.goes_on(chain, now_ms)


def has_died_clean(shape: Shape, removal: Removal, end_ms: int, now_ms: int) -> bool:
    """Tell whether a chain of the deepest level came to its end before now, uncleared and none of them better."""
    level = [each for each in shape.candidates(removal.kept, end_ms) if level_of(each) == removal.deepest]
    dead = [each for each in level if not shape.goes_on(each, now_ms)]
    return any(not is_outdone(shape, each, level, shape.last_ms(each)) for each in dead)


def is_outdone(shape: Shape, chain: Chain, rivals: Iterable[Chain], now_ms: int) -> bool:
    """Tell whether another chain of the level, alive at `now_ms`, could come further."""
    ours = shape.worth(chain, now_ms)
    return any(
        theirs != ours and at_least(theirs, ours)
        for rival in rivals
        if rival[-2] == now_ms or shape.goes_on(rival, now_ms)
        for theirs in (shape.worth(rival, now_ms),)
    )
