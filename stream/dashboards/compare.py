"""The dashboard Compare: segments with a control, versions of a funnel, and periods, and how sure each difference is.

In:  what is known of the funnels.
Out: a `Dashboard`.
"""

from stream.dashboards import choices
from stream.dashboards.known import Known
from stream.dashboards.panel import (
    COUNT,
    POINTS,
    RISE_IS_GOOD,
    SHARE,
    SIGNIFICANT,
    Dashboard,
    Of,
    Panel,
    Query,
    Row,
)
from stream.dashboards.queries import (
    DAY,
    HOUR,
    MOST_SEGMENTS,
    NO_ENTRANTS,
    NO_SEGMENTS,
    NOT_DECIDED,
    PEOPLE,
    SIDE_BY_SIDE,
    TOTAL,
    WEEK,
    WINDOW,
    Difference,
    largest_segments,
    most,
    named,
    no_history,
    segments,
    total,
)
from stream.metrics import names

_INTERVAL = (
    "The interval holds the true difference in 95 of 100 such comparisons (normal approximation, shown from 30 "
    "entrants on either side); z beyond ±1.96 is the same as an interval without 0. Choose matured, or previous "
    "once the funnel's window is over too: pending entrants count as not converted."
)


def compare_dashboard(about: Known) -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid=choices.COMPARE_UID,
        title="Compare",
        description="A funnel's segments, versions and periods beside each other, with the error of each difference.",
        variables=(
            *choices.which_funnel(about.funnel, about.version),
            *choices.which_entrants(about.window),
            choices.which_breakdown(),
            choices.which_control(),
        ),
        rows=(_at_a_glance(), _segments(), _versions(), _periods()),
        links=choices.links(about, choices.COMPARE_UID),
    )


def _at_a_glance() -> Row:
    enough = f"({segments(names.CONVERSION)} and {segments(names.ENTERED)} >= 30)"
    return Row("At a glance", (
        Panel("Conversion", "Converted / entered in the chosen window, all segments.", Of.CHOSEN, "stat", SHARE,
              (Query(total(names.CONVERSION), "conversion"),), NOT_DECIDED, width=4, height=4),
        Panel("Conversion before", "Change of the conversion since an hour, a day and a week ago, in percentage "
              "points.", Of.CHOSEN, "stat", POINTS,
              tuple(Query(_since(ago).points(), f"vs {ago} ago") for ago in (HOUR, DAY, WEEK)),
              f"{no_history(HOUR)}, a day or a week ago", width=8, height=4, levels=RISE_IS_GOOD, shows_name=True),
        Panel("z of the change since a week ago", "By how many standard errors the conversion differs from a week "
              "ago's: within ±1.96 chance alone may have done it. Only where the window is shorter than a week.",
              Of.CHOSEN, "stat", "none", (Query(_since(WEEK).z(), "z"),), f"{no_history(WEEK)}, or too few",
              width=4, height=4, levels=SIGNIFICANT),
        Panel("Best segment", "The segment with the highest conversion, of those with at least 30 entrants.",
              Of.CHOSEN, "stat", SHARE, (Query(f"topk(1, {enough})", "{{segment}}"),), "no segment with 30 entrants",
              width=4, height=4, shows_name=True),
        Panel("Lowest segment", "The segment with the lowest conversion, of those with at least 30 entrants.",
              Of.CHOSEN, "stat", SHARE, (Query(f"bottomk(1, {enough})", "{{segment}}"),), "no segment with 30 entrants",
              width=4, height=4, shows_name=True),
    ))  # fmt: skip


def _since(ago: str) -> Difference:
    return Difference(total(names.CONVERSION), total(names.ENTERED), total(names.CONVERSION, offset=ago),
                      total(names.ENTERED, offset=ago))  # fmt: skip


def _compared(entered: str, converted: str, conversion: str, difference: Difference) -> tuple[Query, ...]:
    """Return the columns of a table of rates and their differences from one of them."""
    return (
        Query(entered, column="entered"),
        Query(converted, column="converted"),
        Query(conversion, column="conversion", unit=SHARE),
        Query(difference.points(), column="difference", unit=POINTS, levels=RISE_IS_GOOD),
        Query(difference.limit("-"), column="from", unit=POINTS),
        Query(difference.limit("+"), column="to", unit=POINTS),
        Query(difference.z(), column="z", unit="none", levels=SIGNIFICANT),
    )


def _segments() -> Row:
    control, others = (f'{WINDOW},{SIDE_BY_SIDE},segment{equal}"$control"' for equal in ("=", "!="))
    difference = Difference(most(names.CONVERSION, others, "segment"), most(names.ENTERED, others, "segment"),
                            most(names.CONVERSION, control), most(names.ENTERED, control))  # fmt: skip
    entered, conversion = segments(names.ENTERED), segments(names.CONVERSION)
    return Row("Segments, beside the control", (
        Panel("Segments beside the control", f"Each segment's conversion minus the control's, in percentage points. "
              f"{_INTERVAL}", Of.CHOSEN, "table", COUNT,
              _compared(entered, segments(names.CONVERTED), conversion, difference), NO_SEGMENTS, width=16, height=11,
              labels={"segment": "Segment"}, largest_first=True),
        Panel("Conversion by segment", f"Converted / entered of the {MOST_SEGMENTS} segments with most entrants, the "
              "highest first.", Of.CHOSEN, "bargauge", SHARE,
              (Query(f"{conversion} and topk({MOST_SEGMENTS}, {entered})", column="Conversion"),), NO_SEGMENTS,
              width=8, height=11, labels={"segment": "Segment"}, largest_first=True),
        Panel("Conversion by segment over time", f"Converted / entered of the {MOST_SEGMENTS} segments with most "
              "entrants.", Of.CHOSEN, "timeseries", SHARE,
              (Query(largest_segments(conversion), "{{segment}}"),), NO_SEGMENTS, width=24),
    ))  # fmt: skip


def _versions() -> Row:
    every = f'funnel="$funnel",counts="$counts",window="$window",form="$form",{TOTAL}'
    entered, converted, conversion = (
        most(series, every, "version") for series in (names.ENTERED, names.CONVERTED, names.CONVERSION)
    )
    others = f'{every},version!="$version"'
    difference = Difference(most(names.CONVERSION, others, "version"), most(names.ENTERED, others, "version"),
                            total(names.CONVERSION), total(names.ENTERED))  # fmt: skip
    return Row("Versions of the funnel, beside the chosen one", (
        Panel("Versions beside the chosen one", "The conversion of each version that is active, minus that of the "
              f"version chosen at the top. They count the same people, so the interval is a wide one. {_INTERVAL}",
              Of.CHOSEN, "table", COUNT, _compared(entered, converted, conversion, difference), NO_ENTRANTS, width=16,
              labels={"version": "Version"}),
        Panel("Conversion by version", "Converted / entered of each version.", Of.CHOSEN, "timeseries", SHARE,
              (Query(conversion, "version {{version}}"),), NOT_DECIDED, width=8),
    ))  # fmt: skip


def _periods() -> Row:
    by_step = [Query(named(total(names.STEP_CONVERSION, "step")), column="now")]
    by_step += [Query(total(names.STEP_CONVERSION, "step", ago), column=f"{ago} ago") for ago in (HOUR, DAY, WEEK)]
    people = [
        Query(named(most(names.REACHED, f'{PEOPLE},form="{form}",{TOTAL}', "step")), column=f"{form} period")
        for form in ("current", "previous")
    ]
    people += [
        Query(most(names.STEP_CONVERSION, f'{PEOPLE},form="{form}",{TOTAL}', "step"), column=f"conversion, {form}",
              unit=SHARE)
        for form in ("current", "previous")
    ]  # fmt: skip
    lines = [Query(total(names.CONVERSION), "now")]
    lines += [Query(total(names.CONVERSION, offset=ago), f"{ago} before") for ago in (DAY, WEEK)]
    return Row("Periods", (
        Panel("Conversion now and before", "The conversion at each moment, and a day and a week before it (dashed).",
              Of.CHOSEN, "timeseries", SHARE, tuple(lines), NOT_DECIDED, dashed="before$"),
        Panel("Conversion by step, now and before", "Reached the next step / reached this one: now, an hour, a day and "
              "a week ago.", Of.CHOSEN, "table", SHARE, tuple(by_step), NO_ENTRANTS, labels={"at": "Step"},
              hidden=("step",)),
        Panel("People of the current and the previous period", "Actors that entered in the entry period that runs, and "
              "in the one before, by step reached, with the share that went on. Some of the current ones are pending. "
              "Never add periods: one actor may be in both.", Of.PEOPLE, "table", COUNT, tuple(people), NO_ENTRANTS,
              width=24, labels={"at": "Step"}, hidden=("step",)),
    ))  # fmt: skip
