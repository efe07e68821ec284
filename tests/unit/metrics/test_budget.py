"""The budget of series is what a full page comes to."""

from dataclasses import replace

import msgspec
import pytest

from stream.metrics.budget import LOG_WIDE, UNNAMED, most_series
from stream.metrics.collector import FunnelCollector
from stream.model.result import FunnelRollup
from stream.model.window import Age, AlertWindow, RollingWindow
from support.rollups import AS_OF_MS, SHOP, TOUR, make_counts, shop_rollup, shop_source, tour_rollup

HOUR = RollingWindow("1h", 3_600_000, alerts=(AlertWindow("1h", 3_600_000, "15m"),))
QUARTER = Age("15m", 900_000)


def copies(rows, values):
    """Return rows of every value in place of the segment `mail`, and the rows of totals as they are."""
    return [row for row in rows if not row.breakdown] + [
        msgspec.structs.replace(row, segment=value) for row in rows if row.segment == "mail" for value in values
    ]


def full(rollup: FunnelRollup, values) -> FunnelRollup:
    return msgspec.structs.replace(
        rollup,
        windows=copies(rollup.windows, values),
        occupancy=copies(rollup.occupancy, values),
        periods=copies(rollup.periods, values),
        settled=copies(rollup.settled, values),
        ages=copies(rollup.ages, values),
    )


def shown(definition, rollup) -> int:
    """Return how many series the page says it shows."""
    collector = FunnelCollector([definition], windows=[HOUR])
    collector.update(shop_source(rollup), AS_OF_MS)
    text = collector.render(AS_OF_MS).decode()
    return int(text.split("\nfunnel_series ", 1)[1].split()[0])


def one_currency(rollup: FunnelRollup) -> FunnelRollup:
    """Return the shop's rollup with the one value that its definition has, and everything in every window."""
    counts = make_counts([1, 1], [1, 1], 1, excluded=[1, 1], seconds={0: [1], 2: [1], 3: [1]},
                         values={3: {"EUR": ("1", 1)}})  # fmt: skip
    mail = [msgspec.structs.replace(row, breakdown="channel", segment="mail") for row in rollup.windows
            if not row.breakdown]  # fmt: skip
    people = [msgspec.structs.replace(rollup.periods[0], breakdown="channel", segment="mail")]
    fill = [(each, msgspec.structs.replace(each, counts=counts)) for each in
            [*(row for row in rollup.windows if not row.breakdown), *mail, *rollup.periods, *people]]  # fmt: skip
    filled = [new for _, new in fill]
    ages = [msgspec.structs.replace(row, reached=[1, 1], went_on=[1, 1]) for row in rollup.ages if row.age == "15m"]
    return msgspec.structs.replace(
        rollup,
        windows=[row for row in filled if hasattr(row, "window")],
        periods=[row for row in filled if hasattr(row, "start_ms")],
        ages=ages,
    )


@pytest.mark.parametrize("exported", [0, 1, 20])
def test_it_is_what_a_page_comes_to_on_which_nothing_is_missing(exported):
    budget = most_series([SHOP], [HOUR], [QUARTER], lambda _: exported)[SHOP.key]
    values = [f"v{number}" for number in range(exported + UNNAMED)]
    assert shown(SHOP, full(one_currency(shop_rollup()), values)) == budget + LOG_WIDE


def test_an_open_funnel_with_an_optional_step_has_its_own_series():
    assert shown(TOUR, tour_rollup()) <= most_series([TOUR], [HOUR], [QUARTER], lambda _: 0)[TOUR.key] + LOG_WIDE


def test_what_is_not_kept_is_not_counted():
    long = replace(SHOP, window_ms=366 * 86_400_000)
    short, without = (most_series([each], [HOUR], [], lambda _: 3)[SHOP.key] for each in (SHOP, long))
    assert without < short


def test_values_count_where_a_step_has_one():
    none = replace(SHOP, steps=tuple(replace(step, value=None) for step in SHOP.steps))
    first = replace(SHOP, steps=(replace(SHOP.steps[0], value=SHOP.steps[2].value), *SHOP.steps[1:]))
    sizes = [most_series([each], [HOUR], [], lambda _: 0)[SHOP.key] for each in (none, SHOP, first)]
    assert sizes == sorted(set(sizes))
