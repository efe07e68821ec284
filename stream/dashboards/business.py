"""The dashboard Business: what the funnel brought in, what was lost on the way, and what may still come.

In:  what is known of the funnels.
Out: a `Dashboard`.

Values are sums in their own currency, so nothing here adds currencies.
"""

from stream.dashboards import choices
from stream.dashboards.known import Known
from stream.dashboards.panel import COUNT, PLAIN, RISE_IS_GOOD, SHARE, Dashboard, Of, Panel, Query, Row
from stream.dashboards.queries import (
    LAST_STEP,
    MOST_SEGMENTS,
    SIDE_BY_SIDE,
    WEEK,
    WINDOW,
    chosen,
    largest_segments,
    most,
    named,
    no_history,
)
from stream.metrics import names

_NO_VALUE = "no values: no step of this funnel has one, or nobody brought one"
_NOTHING_LOST = "nothing to lose: no step before the last has a value"
_AT = "step, currency"
_SHOWN = "{{at}}, {{currency}}"


def business_dashboard(about: Known) -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid=choices.BUSINESS_UID,
        title="Business",
        description="Value of a funnel: revenue or deal size, per order and per entrant, lost and at stake.",
        variables=(
            *choices.which_funnel(about.valued_funnel, about.valued_version),
            *choices.which_entrants(about.window),
            choices.which_breakdown(),
            choices.which_segment(),
        ),
        rows=(_at_a_glance(), _steps(), _over_time(), _segments()),
        links=choices.links(about, choices.BUSINESS_UID),
    )


def _earned(offset: str = "") -> str:
    """Return the value of the last step by currency."""
    return f"max by (currency) ({chosen(names.VALUE, _AT, offset)} and on (step) {LAST_STEP})"


def _orders() -> str:
    return f"max by (currency) ({chosen(names.VALUE_EVENTS, _AT)} and on (step) {LAST_STEP})"


def _at_a_glance() -> Row:
    lost, at_stake = (f"sum by (currency) ({chosen(each, _AT)})" for each in (names.VALUE_LOST, names.VALUE_AT_STAKE))
    change = f"{_earned()} / {_earned(WEEK)} - 1"
    return Row("At a glance", (
        _stat("Value", "Sum of the last step's values (revenue, deal size) of those who entered in the window.",
              _earned()),
        _stat("Value vs a week ago", "Change of the value since a week ago.", change, no_history(WEEK), SHARE),
        _stat("Average order value", "Value / orders: what one conversion (order, deal) brought.",
              f"{_earned()} / ({_orders()} > 0)"),
        _stat("Value per entrant", "Value / entered: what one who enters is worth.",
              f"{_earned()} / on () group_left () ({chosen(names.ENTERED)} > 0)"),
        _stat("Value lost", "What those who were dropped or excluded were worth: each the value at the last step it "
              "reached that has one.", lost, _NOTHING_LOST),
        _stat("At stake", "The same of those who are pending: it may still be lost.", at_stake, _NOTHING_LOST),
    ))  # fmt: skip


def _stat(title: str, description: str, expr: str, no_value: str = _NO_VALUE, unit: str = "short") -> Panel:
    return Panel(title, description, Of.CHOSEN, "stat", unit, (Query(expr, "{{currency}}"),), no_value, width=4,
                 height=4, levels=RISE_IS_GOOD if unit == SHARE else PLAIN, shows_name=True)  # fmt: skip


def _steps() -> Row:
    value, events = chosen(names.VALUE, _AT), chosen(names.VALUE_EVENTS, _AT)
    return Row("By step", (
        Panel("Value by step and currency", "Sum of the step's values, how many had one, and their average. Lost: what "
              "those were worth who stopped there; at stake: what those are worth who are pending there.", Of.CHOSEN,
              "table", COUNT,
              (Query(named(value), column="value", decimals=2),
               Query(named(events), column="orders"),
               Query(named(f"({value} / ({events} > 0))"), column="average", decimals=2),
               Query(named(chosen(names.VALUE_LOST, _AT)), column="lost", decimals=2),
               Query(named(chosen(names.VALUE_AT_STAKE, _AT)), column="at stake", decimals=2)), _NO_VALUE, width=14,
              height=9, labels={"at": "Step", "currency": "Currency"}, hidden=("step",)),
        Panel("Value lost by step", "Where value is lost: what those were worth who were dropped or excluded at the "
              "step.", Of.CHOSEN, "bargauge", COUNT,
              (Query(f'label_join({named(chosen(names.VALUE_LOST, _AT))}, "at", ", ", "at", "currency")',
                     column="Lost"),), _NOTHING_LOST, width=10, height=9, labels={"at": "Step"},
              hidden=("step", "currency")),
    ))  # fmt: skip


def _over_time() -> Row:
    value, events = chosen(names.VALUE, _AT), chosen(names.VALUE_EVENTS, _AT)
    lost, at_stake = (f"sum by (currency) ({chosen(each, _AT)})" for each in (names.VALUE_LOST, names.VALUE_AT_STAKE))
    return Row("Over time", (
        _lines("Value over time", "Sum of the step's values in the window as it stood at each moment.",
               Query(named(value), _SHOWN)),
        _lines("Average value over time", "Value / those that had one, at each step.",
               Query(named(f"({value} / ({events} > 0))"), _SHOWN)),
        _lines("Lost and at stake over time", "What goes from at stake to lost when somebody's time runs out.",
               Query(lost, "lost, {{currency}}"), Query(at_stake, "at stake, {{currency}}"), no_value=_NOTHING_LOST),
    ))  # fmt: skip


def _lines(title: str, description: str, *queries: Query, no_value: str = _NO_VALUE) -> Panel:
    return Panel(title, description, Of.CHOSEN, "timeseries", "short", queries, no_value, width=8)


def _segments() -> Row:
    where, by = f"{WINDOW},{SIDE_BY_SIDE}", "segment, step, currency"
    value, orders = (
        f"max by (segment, currency) ({most(series, where, by)} and on (step) {LAST_STEP})"
        for series in (names.VALUE, names.VALUE_EVENTS)
    )
    lost, at_stake = (
        f"sum by (segment, currency) ({most(series, where, by)})" for series in (names.VALUE_LOST, names.VALUE_AT_STAKE)
    )
    entered = most(names.ENTERED, where, "segment")
    no_segments = "no segments with values"
    return Row("Segments of the chosen breakdown", (
        Panel("Value by segment and currency", "Value of the last step, orders, average order value, value per "
              "entrant, lost and at stake. The segments of one breakdown add up to the total.", Of.CHOSEN, "table",
              COUNT,
              (Query(value, column="value", decimals=2), Query(orders, column="orders"),
               Query(f"{value} / ({orders} > 0)", column="average order", decimals=2),
               Query(f"{value} / on (segment) group_left () ({entered} > 0)", column="per entrant", decimals=2),
               Query(lost, column="lost", decimals=2), Query(at_stake, column="at stake", decimals=2)), no_segments,
              width=14, height=10,
              labels={"segment": "Segment", "currency": "Currency"}, largest_first=True),
        Panel("Value by segment over time", f"Value of the last step, of the {MOST_SEGMENTS} segments with most "
              "entrants.", Of.CHOSEN, "timeseries", "short",
              (Query(largest_segments(value), "{{segment}}, {{currency}}"),), no_segments, width=10, height=10),
    ))  # fmt: skip
