"""The statistic of the drop-off rules in plain words, and how often chance reaches it, exactly."""

from collections.abc import Sequence
from math import ceil, exp, lgamma, log


def divergence(share: float, expected: float) -> float:
    """Return Kullback and Leibler's divergence in nats."""
    yes = share * log(share / expected) if share else 0.0
    return yes + ((1 - share) * log((1 - share) / (1 - expected)) if share < 1 else 0.0)


def drop_nats(went_on: int, reached: int, expected: float, behind: float | None = None) -> float:
    """Return the statistic of a drop; `behind`: from how many attempts the expectation comes, None for a target."""
    share = went_on / reached
    if share >= expected:
        return 0.0
    if behind is None:
        return reached * divergence(share, expected)
    pooled = (went_on + behind * expected) / (reached + behind)
    return reached * divergence(share, pooled) + behind * divergence(expected, pooled)


def probabilities(tries: int, share: float) -> list[float]:
    """Return how likely each number of successes is."""
    return [
        exp(lgamma(tries + 1) - lgamma(many + 1) - lgamma(tries - many + 1)
            + many * log(share) + (tries - many) * log(1 - share))
        for many in range(tries + 1)
    ]  # fmt: skip


def most_alarming(reached: int, expected: float, nats: float, behind: float | None = None) -> int:
    """Return the largest number that may go on so that the statistic reaches `nats`; -1 if none does."""
    low, high = -1, ceil(reached * expected) - 1
    while low < high:  # the statistic falls as more go on
        middle = (low + high + 1) // 2
        if drop_nats(middle, reached, expected, behind) >= nats:
            low = middle
        else:
            high = middle - 1
    return low


def chance(reached: int, share: float, nats: float, behind: int | None = None) -> float:
    """Return how likely an alarm is at one look, if nothing changed: `share` is what it was."""
    own = probabilities(reached, share)
    if behind is None:
        return sum(own[: most_alarming(reached, share, nats) + 1])
    below = _sums(own)
    return sum(
        weight * below[most_alarming(reached, learned / behind, nats, behind)]
        for learned, weight in enumerate(probabilities(behind, share))
        if most_alarming(reached, learned / behind, nats, behind) >= 0
    )


def _sums(values: Sequence[float]) -> list[float]:
    sums, total = [], 0.0
    for value in values:
        total += value
        sums.append(total)
    return sums
