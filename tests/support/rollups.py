"""Rollups with known numbers, small enough to check by hand."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from stream.model.funnel import Breakdown, Exclusion, Funnel, Period, Session, Step, ValueRule
from stream.model.result import (
    BUCKETS,
    DURATION_BOUNDS_S,
    AgeRow,
    Counts,
    FunnelRollup,
    Money,
    OccupancyRow,
    PeriodRow,
    Rollup,
    SplitRow,
    WindowRow,
)
from stream.model.window import Age

DAY_MS = 86_400_000
AS_OF_MS = 1_700_000_000_000  # 2023-11-14T22:13:20Z
TODAY_MS = AS_OF_MS - AS_OF_MS % DAY_MS

SHOP = Funnel(
    name="shop",
    version=2,
    steps=(
        Step(
            "Product seen",
            ("product_viewed",),
            stage="interest",
            group="middle",
            target=0.5,
            target_within=((Age("15m", 900_000), 0.3),),
        ),
        Step("Cart filled", ("cart_filled",), stage="intent", group="middle"),
        Step("Paid", ("paid",), stage="action", group="bottom", value=ValueRule("total", currency="EUR")),
    ),
    window_ms=1_800_000,
    title="Shop",
    breakdowns=(Breakdown("channel", ("channel",)),),
    period=Period(),
    exclusions=(Exclusion(("log_out",), 1, 3),),
    target=0.25,
    benchmarks=(("average", 0.0235), ("top quarter", 0.0531)),
)


TOUR = Funnel(
    name="tour",
    version=1,
    steps=(
        Step("Seen", ("seen",)),
        Step("Asked", ("asked",), optional=True),
        Step("Booked", ("booked",)),
        Step("Paid", ("paid",)),
    ),
    window_ms=1_800_000,
    is_open=True,
    session=Session(property="visit"),
)


Sums = Mapping[int, Mapping[str, tuple[str, int]]]


def make_counts(
    pending: Sequence[int],
    dropped: Sequence[int],
    converted: int,
    *,
    excluded: Sequence[int] = (),
    seconds: Mapping[int, Sequence[float]] | None = None,
    values: Sums | None = None,
    lost: Sums | None = None,
    at_stake: Sums | None = None,
) -> Counts:
    """`seconds`: step (0: the whole) -> durations; `values`, `lost`, `at_stake`: step -> currency -> (sum, count)."""
    durations: dict[int, int] = {}
    duration_ms: dict[int, int] = {}
    for step, taken in (seconds or {}).items():
        duration_ms[step] = round(1000 * sum(taken))
        for duration in taken:
            bucket = step * BUCKETS + bisect_left(DURATION_BOUNDS_S, duration)
            durations[bucket] = durations.get(bucket, 0) + 1
    money, gone, waiting = [
        {
            step: {currency: Money(Decimal(total), count) for currency, (total, count) in sums.items()}
            for step, sums in (each or {}).items()
        }
        for each in (values, lost, at_stake)
    ]
    out = list(excluded) or [0] * len(pending)
    return Counts(
        list(pending), list(dropped), out, converted, durations, duration_ms, money, lost=gone, at_stake=waiting
    )


def nothing(steps: int = 3) -> Counts:
    return make_counts([0] * (steps - 1), [0] * (steps - 1), 0)


TOTAL = make_counts(
    [10, 5], [40, 20], 20, excluded=[5, 0],
    seconds={0: [15] * 12 + [60] * 8, 2: [5] * 20, 3: [10] * 20},
    values={3: {"EUR": ("1234.50", 20), "USD": ("10", 1)}},
    lost={1: {"EUR": ("400.10", 30)}, 2: {"EUR": ("99.5", 10), "USD": ("7", 1)}},
    at_stake={2: {"EUR": ("12", 2)}},
)  # fmt: skip
MAIL = make_counts([4, 1], [10, 5], 15, excluded=[5, 0])
ADS = make_counts([6, 4], [30, 15], 5)
MATURED = make_counts([0, 0], [30, 10], 10)


def shop_rollup() -> FunnelRollup:
    """`shop@2`: 100 entered (mail 40, ads 60), 45 reached step 2, 20 converted; matured 50, 20, 10."""
    return FunnelRollup(
        key=SHOP.key,
        steps=3,
        since_ms=AS_OF_MS - 10 * DAY_MS,
        windows=[
            WindowRow("1h", False, "", "", TOTAL),
            WindowRow("1h", False, "channel", "mail", MAIL),
            WindowRow("1h", False, "channel", "ads", ADS),
            WindowRow("1h", True, "", "", MATURED),
        ],
        occupancy=[OccupancyRow("", "", [10, 5, 3]), OccupancyRow("channel", "mail", [4, 1, 2])],
        periods=[
            PeriodRow(TODAY_MS, "", "", make_counts([8, 4], [30, 10], 12)),
            PeriodRow(TODAY_MS - DAY_MS, "", "", make_counts([0, 0], [50, 20], 30)),
            PeriodRow(TODAY_MS - 2 * DAY_MS, "", "", make_counts([0, 0], [1, 1], 1)),
        ],
        settled=[
            SplitRow("", "", make_counts([0, 0], [400, 200], 200, excluded=[7, 1],
                                           seconds={0: [15] * 120 + [60] * 80, 2: [5] * 400, 3: [10] * 200})),
            SplitRow("channel", "mail", make_counts([0, 0], [100, 50], 150)),
        ],
        ages=[
            AgeRow("1h", "15m", "", "", [80, 25], [20, 5]),
            AgeRow("1h", "1h", "", "", [60, 0], [30, 0]),
            AgeRow("1h", "15m", "channel", "mail", [30, 10], [15, 4]),
            AgeRow("1h", "15m", "channel", "ads", [50, 15], [5, 1]),
        ],
    )  # fmt: skip


def tour_rollup() -> FunnelRollup:
    """`tour@1`: 17 entered, 12 of them at step 1, 4 at step 3 and 1 at step 4; 4 have the optional step 2.

    What is counted are visits, today of 6 actors.
    """
    counts = make_counts([1, 2, 1], [1, 1, 2], 9, seconds={0: [60] * 9, 2: [5] * 4, 3: [10] * 7, 4: [30] * 8})
    counts.skipped = [5, 11, 1]
    settled = make_counts([0, 0, 0], [1, 1, 2], 9, seconds={0: [60] * 9, 2: [5] * 5, 3: [10] * 8, 4: [30] * 8})
    settled.skipped = [3, 7, 1]
    return FunnelRollup(
        key=TOUR.key,
        steps=4,
        since_ms=AS_OF_MS - DAY_MS,
        windows=[WindowRow("1h", False, "", "", counts)],
        occupancy=[OccupancyRow("", "", [3, 0, 1, 9])],
        periods=[PeriodRow(TODAY_MS, "", "", msgspec.structs.replace(counts, actors=6))],
        settled=[SplitRow("", "", settled)],
        total=[SplitRow("", "", counts)],
        ages=[AgeRow("1h", "15m", "", "", [10, 0, 8], [5, 0, 6])],
        optional=[2],
        is_open=True,
    )


def shop_source(*funnels: FunnelRollup, accepted: int = 900, as_of_ms: int | None = AS_OF_MS) -> Rollup:
    """Return a merged rollup; verdicts 1 invalid, 2 future, 3 unmatched, 4 late, 5 duplicate, 6 bot, `accepted`."""
    return Rollup(
        as_of_ms=as_of_ms,
        watermark_ms=as_of_ms,
        next_offset=921,
        verdicts=[1, 2, 3, 4, 5, 6, accepted],
        corrections=11,
        written_ms=AS_OF_MS,
        funnels=list(funnels) or [shop_rollup()],
        gaps=1,
    )
