"""What a dashboard consists of: variables, rows, panels and their queries, free of Grafana's JSON.

In:  nothing.
Out: frozen descriptions that `dashboards.grafana` writes out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Levels = tuple[tuple[float | None, str], ...]
"""(from, colour) of each range of values, the first without a lower end."""

PLAIN: Levels = ((None, "blue"),)
RISE_IS_GOOD: Levels = ((None, "red"), (-0.05, "text"), (0.05, "green"))
RISE_IS_BAD: Levels = ((None, "green"), (-0.05, "text"), (0.05, "red"))
REACHED_OR_NOT: Levels = ((None, "red"), (0, "green"))
SIGNIFICANT: Levels = ((None, "red"), (-1.96, "text"), (1.96, "green"))
"""z beyond 1.96 is what chance alone shows in one of twenty comparisons."""

SHARE = "percentunit"
"""A share, 0..1, shown in percent."""
COUNT = "locale"
"""A number in full, for tables and bars; "short" makes 12 345 to 12.3 K."""
POINTS = "suffix: pp"
"""Difference of two shares, in percentage points."""


class Of(StrEnum):
    """What a panel counts: the last sentence of its description."""

    CHOSEN = "Attempts or people, as chosen."
    ATTEMPTS = "Attempts only."
    PEOPLE = "People only."
    STANDING = "People only: actors, wherever they stand now."
    RECORDS = "Records, neither attempts nor people."
    WORKERS = "The workers, neither attempts nor people."


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL query; `legend` may use {{label}}.

    As a `column` it is one column of a table: `unit`, `decimals` and `levels` where they differ from the panel's.
    step: the shortest step of a query over time, as Grafana's "Min step".
    """

    expr: str
    legend: str = ""
    column: str = ""
    unit: str = ""
    decimals: int | None = None
    levels: Levels = ()
    step: str = ""


@dataclass(frozen=True, slots=True)
class Matrix:
    """A table that has a row for each value of one label, and a column for each value of another.

    Either may be "Time". units: headings whose unit is not the panel's.
    """

    row: str
    column: str
    heading: str
    units: Mapping[str, str] = field(default_factory=dict)
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `kind`: stat, timeseries, bargauge, table or heatmap; `unit` is Grafana's id of a unit.

    of: what it counts, which its description ends with.
    no_value: what is shown where there is no value, and why there is none.
    labels: of a bargauge or table, the labels shown, as label -> heading; rows are in the order of the first.
    hidden: labels that only join the queries of a table.
    largest_first: rows are in the order of the (first) value instead.
    drill: address that the first column leads to.
    dashed: pattern of the legends that are drawn as dashed lines.
    time_from: how far back it looks, if not as the dashboard; points: most instants that it asks for.
    """

    title: str
    description: str
    of: Of
    kind: str
    unit: str
    queries: tuple[Query, ...]
    no_value: str
    width: int = 12
    height: int = 8
    levels: Levels = PLAIN
    labels: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    largest_first: bool = False
    matrix: Matrix | None = None
    drill: str = ""
    dashed: str = ""
    shows_name: bool = False
    highest: float | None = None
    time_from: str = ""
    points: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A titled row of panels."""

    title: str
    panels: tuple[Panel, ...]


class Order(StrEnum):
    """How a variable's values are listed."""

    ALPHABETICAL = "alphabetical"
    NATURAL = "natural"
    NEWEST_NUMBER_FIRST = "newest number first"


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top. `query` is a `label_values(...)`; empty means the fixed `options`.

    default: what is chosen at first; for a query the first value found if empty, or if it is not there.
    all_value: adds a choice "All" that stands for this text; `several` may be chosen at once.
    """

    name: str
    label: str
    description: str
    query: str = ""
    options: tuple[str, ...] = ()
    default: str = ""
    all_value: str = ""
    several: bool = False
    order: Order = Order.ALPHABETICAL


@dataclass(frozen=True, slots=True)
class Link:
    """A way to another dashboard, by its uid; choices and time range go along."""

    title: str
    uid: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard file."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    links: tuple[Link, ...]
