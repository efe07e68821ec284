"""The PromQL that the dashboards share.

In:  series from the table of names.
Out: expressions as text, with Grafana's variables in them.

Every worker shows the whole funnel, so queries over funnel series take `max` over
instances; `sum` only ever adds steps, partitions or workers.
"""

from stream.dashboards.panel import POINTS, Levels, Query
from stream.metrics import names
from stream.metrics.names import Series

FUNNEL = 'funnel="$funnel",version="$version"'
ATTEMPTS = f'{FUNNEL},counts="attempts"'
PEOPLE = f'{FUNNEL},counts="people"'
WINDOW = f'{FUNNEL},counts="$counts",window="$window",form="$form"'
# The segment "All" is the pattern ^$, which only the total matches; a chosen segment lies in the chosen breakdown. Its
# name is escaped as a pattern, and stands in a text that knows no escapes of its own: it may be called c++.
CHOSEN = 'breakdown=~`|${breakdown:regex}`,segment=~"$segment"'
TOTAL = 'breakdown="",segment=""'
SIDE_BY_SIDE = 'breakdown="$breakdown",breakdown!=""'
RATE = "[$__rate_interval]"

HOUR, DAY, WEEK = "1h", "1d", "1w"
_AGO = {HOUR: "an hour", DAY: "a day", WEEK: "a week"}
NOT_DECIDED = "nothing decided yet"
NO_ENTRANTS = "no numbers: no worker is scraped, or the funnel counts nothing yet"
NO_SEGMENTS = "no segments: the funnel has no breakdown, nobody entered, or the period is over (previous)"
MOST_SEGMENTS = 20
"""Bars and lines of one panel; tables have pages instead."""

_NUMBERED = f"max by (step, step_name) ({names.STEP_INFO.name}{{{FUNNEL}}})"
# A step's number and name, in an order that text has too: " 2 cart" comes before "10 paid". Nobody sees the blank.
_NAMES = (
    f'label_join(label_replace(label_replace({_NUMBERED}, "at", "$1", "step", "(.*)"), "at", " $1", "step", "(.)"), '
    '"at", " ", "at", "step_name")'
)
LAST_STEP = f'count_values("step", count({_NUMBERED}))'
"""1, with the number of the last step as its label `step`."""


def most(series: Series, where: str, by: str = "", offset: str = "") -> str:
    """Return the largest value over instances (and whatever `by` does not name), now or `offset` ago."""
    ago = f" offset {offset}" if offset else ""
    return f"max{f' by ({by}) ' if by else ''}({series.name}{{{where}}}{ago})"


def chosen(series: Series, by: str = "", offset: str = "") -> str:
    """Return the query for the chosen window and segment."""
    return most(series, f"{WINDOW},{CHOSEN}", by, offset)


def total(series: Series, by: str = "", offset: str = "") -> str:
    """Return the query for the chosen window, of all segments together."""
    return most(series, f"{WINDOW},{TOTAL}", by, offset)


def segments(series: Series, by: str = "segment") -> str:
    """Return the query for the chosen window, each segment of the chosen breakdown by itself."""
    return most(series, f"{WINDOW},{SIDE_BY_SIDE}", by)


def largest_segments(query: str) -> str:
    """Keep the segments with most entrants at the end of a graph, the same ones at each of its instants."""
    entered = f"max by (segment) ({names.ENTERED.name}{{{WINDOW},{SIDE_BY_SIDE}}} @ end())"
    return f"{query} and on (segment) topk({MOST_SEGMENTS}, {entered})"


def named(query: str) -> str:
    """Give a query by step its step's number and name as the label `at`."""
    return f"{query} * on (step) group_left (at) {_NAMES}"


def change(series: Series, ago: str, by: str = "") -> str:
    """Return by how many percentage points a share has changed since `ago`."""
    return f"100 * ({chosen(series, by)} - {chosen(series, by, ago)})"


def changes(series: Series, name: str, levels: Levels) -> tuple[Query, ...]:
    """Return what became of a share of each step since an hour and a week ago, as columns."""
    return tuple(
        Query(change(series, ago, "step"), column=f"{name} vs {ago}", unit=POINTS, levels=levels)
        for ago in (HOUR, WEEK)
    )


def no_history(ago: str) -> str:
    """Say why there is nothing to compare with."""
    return f"no number of {_AGO[ago]} ago"


class Difference:
    """Two shares beside each other: how far apart, and whether chance alone could have done it.

    share, entered: queries of the one; base, base_entered: of the one it is compared with, which is a single series.
    Normal approximation; nothing where fewer than 30 entered on either side.
    """

    def __init__(self, share: str, entered: str, base: str, base_entered: str) -> None:
        self.difference = f"({share} - on () group_left () {base})"
        own = f"{share} * (1 - {share}) / ({entered} >= 30)"
        other = f"{base} * (1 - {base}) / ({base_entered} >= 30)"
        self._error = f"sqrt({own} + on () group_left () ({other}))"

    def points(self) -> str:
        """Return the difference in percentage points."""
        return f"100 * {self.difference}"

    def limit(self, sign: str) -> str:
        """Return the lower (-) or upper (+) end of the 95 % interval, in percentage points."""
        return f"100 * ({self.difference} {sign} 1.96 * {self._error})"

    def z(self) -> str:
        """Return by how many standard errors they differ."""
        return f"{self.difference} / ({self._error} > 0)"


def worker_quantiles(series: Series, where: str) -> tuple[Query, ...]:
    """Return median, 90th and 99th percentile of a histogram that each worker has of its own."""
    return tuple(
        Query(
            f"histogram_quantile({share}, sum by (le) (rate({series.name}_bucket{{{where}}}{RATE})))",
            f"p{share * 100:g}",
        )
        for share in (0.5, 0.9, 0.99)
    )
