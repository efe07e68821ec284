"""Rates and percentiles of one set of counts; absent (None) where nothing can be said.

In:  `Counts`, finished for their `as_of`.
Out: floats 0..1, or seconds.

SPEC section 5: "a ratio with denominator 0 or nothing decided is absent, not 0". An
attempt is decided *for step k* once it went on to the next required step, was dropped
or was excluded there; it is decided *overall* once it is not pending. So the first minute of a launch
shows no conversion rate instead of 0 %, and no drop-off rate instead of 0 %. Drop-off is absent also while nobody is
dropped and some may still be: in a rolling window no longer than the funnel's own nobody can have run out of time yet.
"""

from collections.abc import Collection

from stream.aggregate.outcomes import Outcomes
from stream.model.result import BUCKETS, DURATION_BOUNDS_S, AgeRow, Counts


def step_ratios(outcomes: Outcomes, optional: Collection[int] = ()) -> list[tuple[int, float, float | None]]:
    """Return (step, conversion, drop-off) of the required steps where something is decided.

    Conversion is the share of those that reached the step which went on to the next required one, drop-off the share
    which was dropped there.
    """
    columns = zip(outcomes.reached, outcomes.went_on, outcomes.dropped, outcomes.pending, strict=False)
    return [
        (step, went_on / here, _dropped_share(dropped, pending, here))
        for step, (here, went_on, dropped, pending) in enumerate(columns, start=1)
        if here > pending and step not in optional
    ]


def _dropped_share(dropped: int, pending: int, here: int) -> float | None:
    """Return dropped / here, None while nobody is dropped and some may be."""
    return dropped / here if dropped or not pending else None


def optional_share(counts: Counts, reached: int) -> float | None:
    """Return the share of all that entered which reached an optional step."""
    entered = counts.entered
    return reached / entered if entered > sum(counts.pending) else None


def age_matched(row: AgeRow) -> list[float | None]:
    """Return went on / reached of each step but the last; None where nobody reached it."""
    return [went_on / here if here else None for here, went_on in zip(row.reached, row.went_on, strict=True)]


def conversion(counts: Counts) -> float | None:
    """Return converted / entered."""
    entered = counts.entered
    return counts.converted / entered if entered > sum(counts.pending) else None


def dropoff(counts: Counts) -> float | None:
    """Return dropped at any step / entered."""
    entered, pending = counts.entered, sum(counts.pending)
    if entered <= pending:
        return None
    return _dropped_share(sum(counts.dropped), pending, entered)


def buckets(counts: Counts, step: int) -> list[int]:
    """How many durations of `step` (0: entry to conversion) lie in each bucket, the open one last."""
    first = step * BUCKETS
    return [counts.durations.get(first + bucket, 0) for bucket in range(BUCKETS)]


def percentile(counts: Counts, step: int, share: float) -> float | None:
    """Seconds that `share` (0..1) of the step's durations took at most; None without durations.

    Linear inside a bucket, like PromQL's `histogram_quantile`, so both agree; the
    open last bucket answers with its lower bound.
    """
    filled = buckets(counts, step)
    rank = share * sum(filled)
    below = 0
    for bucket, count in enumerate(filled):
        if count and below + count >= rank:
            if bucket == len(DURATION_BOUNDS_S):
                return float(DURATION_BOUNDS_S[-1])
            lower = DURATION_BOUNDS_S[bucket - 1] if bucket else 0
            return lower + (DURATION_BOUNDS_S[bucket] - lower) * (rank - below) / count
        below += count
    return None
