"""The dashboard Funnel: one funnel at a glance, then step by step, over time, by segment and by entry cohort.

In:  what is known of the funnels.
Out: a `Dashboard`.
"""

from stream.dashboards import choices
from stream.dashboards.known import Known
from stream.dashboards.panel import (
    COUNT,
    POINTS,
    REACHED_OR_NOT,
    RISE_IS_BAD,
    RISE_IS_GOOD,
    SHARE,
    Dashboard,
    Matrix,
    Of,
    Panel,
    Query,
    Row,
)
from stream.dashboards.queries import (
    ATTEMPTS,
    CHOSEN,
    FUNNEL,
    HOUR,
    MOST_SEGMENTS,
    NO_ENTRANTS,
    NO_SEGMENTS,
    NOT_DECIDED,
    RATE,
    TOTAL,
    WEEK,
    WINDOW,
    change,
    changes,
    chosen,
    most,
    named,
    no_history,
    segments,
)
from stream.metrics import names

_NO_TIMES = "nobody converted in the window"
_SHOWN = "{{at}}"
# Not all funnels have exclusions.
_DROPPED = chosen(names.DROPPED, "step")
_LOST = f"({_DROPPED} + {chosen(names.EXCLUDED, 'step')} or {_DROPPED})"
_TARGET = most(names.TARGET, FUNNEL)
# Columns of a matrix are sorted as text, and steps have at most one blank before them: these come first.
_UNTIL, _ENTERED = "   entered until", "  entered"
_MATURED = f'{ATTEMPTS},window="$cohort",form="matured",{TOTAL}'


def funnel_dashboard(about: Known) -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid=choices.FUNNEL_UID,
        title="Funnel",
        description="One funnel: how many reach each step, where they are lost, how long it takes, who they are.",
        variables=(
            *choices.which_funnel(about.funnel, about.version),
            *choices.which_entrants(about.window),
            choices.which_breakdown(),
            choices.which_segment(),
            choices.which_cohort(about.cohort),
        ),
        rows=(
            _at_a_glance(about),
            _steps(about),
            _against_targets(about),
            _over_time(about),
            _times(),
            _segments(),
            _cohorts(),
            _stages(),
        ),
        links=choices.links(about, choices.FUNNEL_UID),
    )


def _at_a_glance(about: Known) -> Row:
    stats = [
        _stat("Entered", "How many entered in the chosen window.", "short", chosen(names.ENTERED), NO_ENTRANTS),
        _stat("Converted", "How many of them reached the last step.", "short", chosen(names.CONVERTED), NO_ENTRANTS),
        _stat("Pending", "How many of them still have time: neither converted nor lost.", "short",
              f"sum({chosen(names.PENDING, 'step')})", NO_ENTRANTS),
        _stat("Conversion", "Converted / entered. So far (rolling, current) it still rises as pending ones convert; "
              "matured is final, and so is previous once the funnel's window is over too.", SHARE,
              chosen(names.CONVERSION), NOT_DECIDED),
        _stat("Drop-off", "Dropped at any step / entered.", SHARE, chosen(names.DROPOFF), NOT_DECIDED),
        Panel("Conversion before", "Change of the conversion since an hour and a week ago, in percentage points.",
              Of.CHOSEN, "stat", POINTS,
              tuple(Query(change(names.CONVERSION, ago), f"vs {ago} ago") for ago in (HOUR, WEEK)),
              f"{no_history(HOUR)} or a week ago", width=5, height=4, levels=RISE_IS_GOOD, shows_name=True),
        Panel("Largest loss", "The bottleneck: the step at which most were dropped or excluded.", Of.CHOSEN, "stat",
              "short", (Query(f"topk(1, {named(_LOST)} > 0)", _SHOWN),), "nobody was dropped yet",
              width=4 if about.has_target else 7, height=4, shows_name=True),
    ]  # fmt: skip
    if about.has_target:
        stats.insert(5, Panel(
            "To the target", "Conversion minus the funnel's target, in percentage points: below 0 it is missed.",
            Of.CHOSEN, "stat", POINTS, (Query(f"100 * ({chosen(names.CONVERSION)} - {_TARGET})", "to the target"),),
            "no target, or nothing decided", width=3, height=4, levels=REACHED_OR_NOT))  # fmt: skip
    return Row("At a glance", tuple(stats))


def _stat(title: str, description: str, unit: str, expr: str, no_value: str) -> Panel:
    width = 3 if unit == SHARE else 2
    return Panel(title, description, Of.CHOSEN, "stat", unit, (Query(expr, title),), no_value, width=width, height=4)


def _steps(about: Known) -> Row:
    bars = Panel("Funnel by step", "How many reached each step.", Of.CHOSEN, "bargauge", COUNT,
                 (Query(named(chosen(names.REACHED, "step")), column="Reached"),), NO_ENTRANTS, width=8, height=11,
                 labels={"at": "Step"}, hidden=("step",))  # fmt: skip
    return Row("Step by step", (bars, _step_table(about)))


def _step_table(about: Known) -> Panel:
    columns = [
        Query(named(chosen(names.REACHED, "step")), column="reached"),
        Query(chosen(names.STEP_CONVERSION, "step"), column="conversion", unit=SHARE),
        *changes(names.STEP_CONVERSION, "conversion", RISE_IS_GOOD),
        Query(chosen(names.STEP_DROPOFF, "step"), column="drop-off", unit=SHARE),
        *changes(names.STEP_DROPOFF, "drop-off", RISE_IS_BAD),
        Query(chosen(names.DROPPED, "step"), column="dropped"),
        Query(chosen(names.PENDING, "step"), column="pending"),
    ]
    if about.has_exclusions:
        columns.append(Query(chosen(names.EXCLUDED, "step"), column="excluded"))
    if about.is_open:
        columns.append(Query(chosen(names.ENTERED_AT, "step"), column="entered here"))
    if about.has_optional_steps:
        columns.append(Query(chosen(names.OPTIONAL_SHARE, "step"), column="took this step", unit=SHARE))
    return Panel(
        "Conversion and drop-off by step", "Conversion: reached the next step / reached this one. Drop-off: dropped "
        "here / reached this one. Beside them the change since an hour and a week ago, in percentage points. Reached "
        "= reached next + dropped + excluded + pending; the last step has no outcome of its own, "
        "and nothing is compared where there are no numbers that old.", Of.CHOSEN, "table",
        COUNT, tuple(columns), NO_ENTRANTS, width=16, height=11, labels={"at": "Step"}, hidden=("step",),
    )  # fmt: skip


def _against_targets(about: Known) -> Row:
    forms = Query(most(names.CONVERSION, f'{FUNNEL},counts="$counts",window="$window",{CHOSEN}', "form"), "{{form}}")
    target = Query(_TARGET, "target")
    benchmarks = Query(most(names.BENCHMARK, FUNNEL, "benchmark"), "benchmark {{benchmark}}")
    lines = Panel(
        "Conversion over time", "Both forms of the window: so far (rolling, current), and decided (matured; previous "
        "once the funnel's window is over too). "
        "Dashed: the funnel's target and benchmarks, as configured.", Of.CHOSEN, "timeseries", SHARE,
        (forms, target, benchmarks) if about.has_target else (forms,), NOT_DECIDED,
        width=16 if about.has_target else 24, dashed="^(target|benchmark)",
    )  # fmt: skip
    bars = Panel(
        "Beside target and benchmarks", "The conversion now, the funnel's target and its benchmarks, as configured.",
        Of.CHOSEN, "bargauge", SHARE, (Query(chosen(names.CONVERSION), "conversion"), target, benchmarks), NOT_DECIDED,
        width=8,
    )  # fmt: skip
    return Row("Conversion and its targets", (bars, lines) if about.has_target else (lines,))


def _over_time(about: Known) -> Row:
    where = f'{FUNNEL},window="$cohort",{TOTAL}'
    ages = [Query(named(most(names.AGE_MATCHED, where, "step, age")), "{{at}} within {{age}}")]
    if about.has_step_target:
        ages.append(Query(named(most(names.STEP_TARGET, f'{FUNNEL},age!=""', "step, age")),
                          "target {{at}} within {{age}}"))  # fmt: skip
    return Row("Over time", (
        _by_step("Conversion by step", "Reached the next step / reached this one, in the window as it stood at each "
                 "moment.", chosen(names.STEP_CONVERSION, "step")),
        _by_step("Drop-off by step", "Dropped at this step / reached this step, in the window as it stood at each "
                 "moment.", chosen(names.STEP_DROPOFF, "step")),
        Panel("Entrants", "How many entered in the window, converted, and are pending.", Of.CHOSEN, "timeseries",
              "short", (Query(chosen(names.ENTERED), "entered"), Query(chosen(names.CONVERTED), "converted"),
                        Query(f"sum({chosen(names.PENDING, 'step')})", "pending")), NO_ENTRANTS),
        Panel("Age-matched conversion by step", "Of those who first reached the step in a window of the cohort's "
              "length, shifted back by the age, the share that went on within the age: the newest, who had no time "
              "yet, do not pull it down. All segments. Dashed: the step's target at that age.", Of.ATTEMPTS,
              "timeseries", SHARE, tuple(ages), "nobody reached a step that long ago, or age_matched is off",
              dashed="^target"),
    ))  # fmt: skip


def _by_step(title: str, description: str, query: str) -> Panel:
    return Panel(title, description, Of.CHOSEN, "timeseries", SHARE, (Query(named(query), _SHOWN),), NOT_DECIDED)


def _times() -> Row:
    settled = f"max by (le) ({names.CONVERT_TIME.name}_bucket{{{FUNNEL}}})"
    percentiles = tuple(
        Query(most(names.WINDOW_CONVERT_TIME, f'{WINDOW},{TOTAL},quantile="{share}"'), f"p{share * 100:g}")
        for share in (0.5, 0.9)
    )
    step_median = most(names.WINDOW_STEP_TIME, f'{WINDOW},{TOTAL},quantile="0.5"', "step")
    return Row("Time to convert", (
        Panel("Time to convert, as it settles", "How long conversions took from entry, by when they became final. All "
              "segments.", Of.ATTEMPTS, "heatmap", "short",
              (Query(f"max by (le) (rate({names.CONVERT_TIME.name}_bucket{{{FUNNEL}}}{RATE}))", "{{le}}"),),
              "no conversion became final", height=9),
        Panel("Time to convert", "The time that half and 90 % of the window's conversions took at most. All segments.",
              Of.CHOSEN, "timeseries", "s", percentiles, _NO_TIMES, width=6, height=9),
        Panel("Time from the step before", "Median over the window. All segments.", Of.CHOSEN, "timeseries", "s",
              (Query(named(step_median), _SHOWN),), _NO_TIMES, width=6, height=9),
        Panel("Time to convert since counting began", "Percentiles over all final conversions of this version.",
              Of.ATTEMPTS, "stat", "s",
              tuple(Query(f"histogram_quantile({share}, {settled}) > 0", f"p{share * 100:g}")
                    for share in (0.5, 0.9, 0.99)), "no conversion became final", width=24, height=4, shows_name=True),
    ))  # fmt: skip


def _segments() -> Row:
    drill = ("/d/" + choices.FUNNEL_UID + "?${datasource:queryparam}&${funnel:queryparam}&${version:queryparam}"
             "&${counts:queryparam}&${window:queryparam}&${form:queryparam}&${breakdown:queryparam}"
             "&${cohort:queryparam}&var-segment=${__data.fields.Segment:percentencode}")  # fmt: skip
    entered = segments(names.ENTERED)
    by_step = named(segments(names.STEP_CONVERSION, "segment, step"))
    largest = f"topk({MOST_SEGMENTS}, {entered})"
    return Row("Segments of the chosen breakdown", (
        Panel("Conversion by segment", f"Converted / entered of the {MOST_SEGMENTS} segments with most entrants, side "
              "by side, the highest first.", Of.CHOSEN, "bargauge", SHARE,
              (Query(f"{segments(names.CONVERSION)} and {largest}", column="Conversion"),), NO_SEGMENTS, width=8,
              height=11, labels={"segment": "Segment"}, largest_first=True),
        Panel("Segments", "The segments of one breakdown add up to the total. __none__: without a value; __other__: "
              "values beyond those exported. A click on one shows its funnel.", Of.CHOSEN, "table", COUNT,
              (Query(entered, column="entered"), Query(segments(names.CONVERTED), column="converted"),
               Query(segments(names.CONVERSION), column="conversion", unit=SHARE),
               Query(segments(names.DROPOFF), column="drop-off", unit=SHARE)), NO_SEGMENTS, width=16, height=11,
              labels={"segment": "Segment"}, largest_first=True, drill=drill),
        Panel("Conversion by segment and step", "Reached the next step / reached this one, of each segment.",
              Of.CHOSEN, "table", SHARE, (Query(by_step),), NO_SEGMENTS, width=24, height=9,
              matrix=Matrix("segment", "at", "Segment"), drill=drill, highest=1),
    ))  # fmt: skip


def _cohorts() -> Row:
    number = f'label_replace({most(names.ENTERED, _MATURED)}, "at", "{_ENTERED}", "", "")'
    decided = f"{most(names.AS_OF, '')} - on () {most(names.CONVERSION_WINDOW, FUNNEL)}"
    until = f'label_replace(1000 * ({decided}), "at", "{_UNTIL}", "", "")'
    reached = most(names.REACHED, f'{_MATURED},step!="1"', "step")
    share = named(f"({reached} / on () group_left () ({most(names.ENTERED, _MATURED)} > 0))")
    return Row("Entry cohorts", (
        Panel("Entry cohorts", "Who entered in the cohort's length up to the instant shown, and which share of them "
              "reached each step in the end. It is the matured window as it stood at earlier instants, so each row "
              "is decided and final. All segments. Choose the length at the top.", Of.ATTEMPTS, "table", SHARE,
              (Query(f"{until} or {number} or max by (at) ({share})", step="$cohort"),),
              "no cohort is decided yet: it takes the funnel's window and the cohort's length", width=24, height=10,
              matrix=Matrix("Time", "at", "as of", {_UNTIL: "dateTimeAsIso", _ENTERED: COUNT},
                            newest_first=True), highest=1, time_from="7d", points=2016),
    ))  # fmt: skip


def _stages() -> Row:
    settled = f"rate({names.SETTLED.name}{{{FUNNEL},{CHOSEN}}}{RATE})"
    return Row("Stages and final outcomes", (
        Panel("Standing at each stage now", "Actors whose open attempt has this step as its furthest; at the last "
              "step, converted ones whose window still runs.", Of.STANDING, "bargauge", COUNT,
              (Query(named(most(names.STAGE_ACTORS, f"{FUNNEL},{CHOSEN}", "step")), column="Actors"),), NO_ENTRANTS,
              height=11, labels={"at": "Step"}, hidden=("step",)),
        Panel("Final outcomes per second", "Attempts whose outcome can change no more. Outcomes become final at "
              "different ages: never divide these by one another.", Of.ATTEMPTS, "timeseries", "cps",
              (Query(f"max by (outcome) (sum by (instance, outcome) ({settled}))", "{{outcome}}"),),
              "no outcome became final yet", height=11),
    ))  # fmt: skip
