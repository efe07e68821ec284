"""How late events come, and the allowed lateness that this asks for.

In:  event times and record times of runs, in log order.
Out: percentiles, and a duration that people would write.
"""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from stream.probe.findings import Percentiles

_M, _H, _D = 60_000, 3_600_000, 86_400_000
LADDER_MS = (
    _M, 2 * _M, 5 * _M, 10 * _M, 15 * _M, 30 * _M, _H, 2 * _H, 3 * _H, 6 * _H, 12 * _H,
    _D, 2 * _D, 3 * _D, 7 * _D, 14 * _D, 30 * _D, 60 * _D, 90 * _D, 180 * _D, 400 * _D,
)  # fmt: skip
"""From 1m, because a sample of a quiet hour says nothing of a busy one, to the most that the config takes."""

NEIGHBOURS = 25


class Timed(NamedTuple):
    """An event's time and its record's, None where there is none (a file)."""

    time_ms: int
    record_ms: int | None


def percentiles(values: Sequence[int]) -> Percentiles | None:
    """Return the nearest-rank percentiles, None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    p50, p90, p99, p999 = (ordered[ceil(len(ordered) * share) - 1] for share in (0.5, 0.9, 0.99, 0.999))
    return Percentiles(len(ordered), p50, p90, p99, p999, ordered[-1])


def behind_watermark(run: Sequence[Timed], skew_ms: int) -> list[int]:
    """Return how far each event is behind the watermark before it, 0 at least; future events are left out.

    The watermark is that of SPEC section 2, begun anew with the run. Without record times nothing tells a fast
    clock: there an event counts as future if it is ahead of the events around it that follow.
    """
    found = []
    mark: int | None = None
    for index, (time_ms, record_ms) in enumerate(run):
        now_ms = _typical_ms(run[index + 1 : index + 1 + NEIGHBOURS]) if record_ms is None else record_ms
        if now_ms is not None and time_ms > now_ms + skew_ms:
            continue
        seen_ms = time_ms if record_ms is None else min(time_ms, record_ms)
        mark = seen_ms if mark is None else mark
        found.append(max(0, mark - time_ms))
        mark = max(mark, seen_ms)
    return found


def suggested_ms(behind: Percentiles) -> int:
    """Round the 99.9th percentile up to a duration of `LADDER_MS`."""
    return next((step for step in LADDER_MS if behind.p999 <= step), LADDER_MS[-1])


def _typical_ms(following: Sequence[Timed]) -> int | None:
    return sorted(each.time_ms for each in following)[len(following) // 2] if len(following) > 2 else None
