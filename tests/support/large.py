"""Funnels that a dashboard has to stay readable with: 20 steps, 200 segments, a window of 400 days; nobody at all."""

from stream.metrics.collector import FunnelCollector, PageLimits
from stream.model.funnel import Breakdown, Funnel, Period, Step, ValueRule
from stream.model.result import AgeRow, Counts, FunnelRollup, Money, OccupancyRow, PeriodRow, SplitRow, WindowRow
from stream.model.window import RollingWindow
from support.rollups import AS_OF_MS, TODAY_MS, make_counts, shop_source

STEPS, SEGMENTS = 20, 200
WINDOWS = (RollingWindow("1h", 3_600_000),)
LARGE = Funnel(
    name="onboarding-of-business-customers",
    version=1,
    steps=tuple(
        Step(f"Step {at} of a long way to a contract", (f"step_{at}",),
             value=ValueRule("value", currency="EUR") if at in {5, STEPS} else None)
        for at in range(1, STEPS + 1)
    ),
    window_ms=400 * 86_400_000,
    breakdowns=(Breakdown("campaign", ("campaign",)),),
    period=Period(),
)  # fmt: skip
EMPTY = Funnel(name="nobody", version=1, steps=(Step("One", ("one",)), Step("Two", ("two",))), window_ms=60_000,
               breakdowns=(Breakdown("campaign", ("campaign",)),), period=Period())  # fmt: skip


def _counts(size: int) -> Counts:
    lost = [size // (at + 2) for at in range(STEPS - 1)]
    counts = make_counts([size // 50] * (STEPS - 1), lost, size // 20 + 1, seconds={0: [86_400.0 * 30] * 3})
    worth = {"EUR": Money(1234567 * size, size)}
    counts.values, counts.lost, counts.at_stake = {5: worth, STEPS: worth}, {5: worth}, {7: worth}
    return counts


def _large_rollup() -> FunnelRollup:
    rows = [("", "", _counts(1_000_000))]
    rows += [("campaign", f"campaign {at:03} of a season with a long name", _counts(50 * at)) for at in range(SEGMENTS)]
    windows = [WindowRow("1h", False, *row) for row in rows] + [WindowRow("1h", True, *rows[0])]
    return FunnelRollup(
        key=LARGE.key,
        steps=STEPS,
        since_ms=TODAY_MS - 86_400_000,
        windows=windows,
        occupancy=[OccupancyRow("", "", [1_000 * at for at in range(STEPS)])],
        periods=[PeriodRow(TODAY_MS, *rows[0])],
        settled=[SplitRow("", "", _counts(1_000))],
        ages=[AgeRow("1h", "15m", "", "", [100] * (STEPS - 1), [40] * (STEPS - 1))],
    )


def large_page() -> bytes:
    """Return a worker's page with both funnels."""
    empty = FunnelRollup(key=EMPTY.key, steps=2, since_ms=TODAY_MS - 86_400_000, windows=[], occupancy=[], periods=[],
                         settled=[])  # fmt: skip
    collector = FunnelCollector([LARGE, EMPTY], PageLimits(1_000_000), windows=WINDOWS)
    collector.update(shop_source(_large_rollup(), empty, as_of_ms=AS_OF_MS), 0)
    return collector.render(0)
