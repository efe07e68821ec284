"""What the shipped dashboards show, and the files they are written to.

In:  nothing but the table of names.
Out: grafana/dashboards/*.json, byte for byte the same each time (`funnel dashboards`).

Every worker shows the whole funnel, so queries over funnel series take `max` over
instances; `sum` only ever adds steps, partitions or workers.
"""

from pathlib import Path

from stream.errors import DashboardError
from stream.metrics import names
from stream.metrics.grafana import Dashboard, Panel, Query, Row, Variable, to_json
from stream.metrics.names import Series

DATASOURCE_UID = "funnel-prometheus"

_FUNNEL = 'funnel="$funnel",version="$version"'
_ATTEMPTS = f'{_FUNNEL},counts="attempts"'
_PEOPLE = f'{_FUNNEL},counts="people"'
_WINDOW = f'{_ATTEMPTS},window="$window",form="$form"'
# The segment "All" is the pattern ^$, which only the total matches; a chosen segment lies in the chosen breakdown.
_CHOSEN = 'breakdown=~"|$breakdown",segment=~"$segment"'
_TOTAL = 'breakdown="",segment=""'
_SIDE_BY_SIDE = 'breakdown="$breakdown",breakdown!=""'
_RATE = "[$__rate_interval]"
_STEP_NAMES = f"* on (step) group_left (step_name) max by (step, step_name) ({names.STEP_INFO.name}{{{_FUNNEL}}})"


def _chosen(series: Series, by: str = "") -> str:
    """Return the query for the chosen window and segment, largest over instances."""
    return f"max{f' by ({by}) ' if by else ''}({series.name}{{{_WINDOW},{_CHOSEN}}})"


def _named(query: str) -> str:
    """Give a query by step its step's name as a label."""
    return f"{query} {_STEP_NAMES}"


def _segments(series: Series) -> str:
    return f"max by (segment) ({series.name}{{{_WINDOW},{_SIDE_BY_SIDE}}})"


def _worker_quantiles(series: Series) -> tuple[Query, ...]:
    return tuple(
        Query(f"histogram_quantile({share}, sum by (le) (rate({series.name}_bucket{_RATE})))", f"p{share * 100:g}")
        for share in (0.5, 0.9, 0.99)
    )


def _stat(title: str, description: str, unit: str, expr: str) -> Panel:
    return Panel(title, description, "stat", unit, (Query(expr, title),), width=4, height=4)


_SUMMARY = Row("Chosen window", (
    _stat("Entered", "Attempts that entered in the window.", "short", _chosen(names.ENTERED)),
    _stat("Converted", "Attempts of the window that reached the last step.", "short", _chosen(names.CONVERTED)),
    _stat("Conversion", "Converted / entered. No data while no outcome is decided. The rolling form still rises as "
          "pending attempts convert; the matured form is final.", "percentunit", _chosen(names.CONVERSION)),
    _stat("Drop-off", "Dropped at any step / entered. No data while no outcome is decided.", "percentunit",
          _chosen(names.DROPOFF)),
    _stat("Pending", "Attempts of the window that still have time: neither converted nor lost.", "short",
          f"sum({_chosen(names.PENDING, 'step')})"),
    _stat("Lag", "Records that are not counted yet, in all partitions of the log and, where they are repartitioned, of "
          "the sources.", "short",
          f"sum(max by (partition) ({names.LAG_RECORDS.name})) + "
          f"(sum({names.REPARTITION_LAG_RECORDS.name}) or vector(0))"),
))  # fmt: skip

_STEPS = Row("Funnel by step", (
    Panel("Reached", "How many attempts of the window reached each step.", "bargauge", "short",
          (Query(_named(_chosen(names.REACHED, "step")), column="Reached"),), width=10, height=9,
          label_columns={"step": "Step", "step_name": "Name"}),
    Panel("Outcomes", "Where the window's attempts stand. Reached = reached next + dropped + excluded + pending. The "
          "last step has no outcome of its own; ratios are empty while nothing is decided.", "table", "short",
          (Query(_named(_chosen(names.REACHED, "step")), column="Reached"),
           Query(_chosen(names.STEP_CONVERSION, "step"), column="Conversion"),
           Query(_chosen(names.STEP_DROPOFF, "step"), column="Drop-off"),
           Query(_chosen(names.DROPPED, "step"), column="Dropped"),
           Query(_chosen(names.EXCLUDED, "step"), column="Excluded"),
           Query(_chosen(names.PENDING, "step"), column="Pending")), width=14, height=9,
          label_columns={"step": "Step", "step_name": "Name"},
          column_units={"Conversion": "percentunit", "Drop-off": "percentunit"}),
))  # fmt: skip

_OVER_TIME = Row("Over time", (
    Panel("Conversion by step", "Reached the next step / reached this step, of the attempts in the window as it "
          "stood at each moment.", "timeseries", "percentunit",
          (Query(_named(_chosen(names.STEP_CONVERSION, "step")), "{{step}} {{step_name}}"),)),
    Panel("Drop-off by step", "Dropped at this step / reached this step, of the attempts in the window as it stood "
          "at each moment.", "timeseries", "percentunit",
          (Query(_named(_chosen(names.STEP_DROPOFF, "step")), "{{step}} {{step_name}}"),)),
    Panel("Conversion, rolling and matured", "Rolling: the newest entries, some still pending. Matured: the same "
          "length of window shifted back until every attempt is decided.", "timeseries", "percentunit",
          (Query(f'max by (form) ({names.CONVERSION.name}{{{_ATTEMPTS},window="$window",{_CHOSEN}}})', "{{form}}"),)),
    Panel("Attempts in the window", "Entered, converted and pending attempts.", "timeseries", "short",
          (Query(_chosen(names.ENTERED), "entered"), Query(_chosen(names.CONVERTED), "converted"),
           Query(f"sum({_chosen(names.PENDING, 'step')})", "pending"))),
    Panel("Age-matched conversion by step", "Of the attempts that first reached the step in the window shifted back by "
          "the age, those that went on within the age. The newest, who had no time yet, do not pull it down.",
          "timeseries", "percentunit",
          (Query(_named(f'max by (step, age) ({names.AGE_MATCHED.name}{{{_FUNNEL},window="$window",{_CHOSEN}}})'),
                 "{{step}} {{step_name}} within {{age}}"),), width=24),
))  # fmt: skip

_SEGMENTS = Row("Segments of the chosen breakdown", (
    Panel("Conversion by segment", "Converted / entered of each segment, side by side.", "bargauge", "percentunit",
          (Query(_segments(names.CONVERSION), column="Conversion"),), width=10, height=9,
          label_columns={"segment": "Segment"}),
    Panel("Segments", "The segments add up to the total. __none__: the entry event had no value; __other__: values "
          "beyond those exported.", "table", "short",
          (Query(_segments(names.ENTERED), column="Entered"), Query(_segments(names.CONVERTED), column="Converted"),
           Query(_segments(names.CONVERSION), column="Conversion"), Query(_segments(names.DROPOFF), column="Drop-off")),
          width=14, height=9, label_columns={"segment": "Segment"},
          column_units={"Conversion": "percentunit", "Drop-off": "percentunit"}),
))  # fmt: skip

_TIMES = Row("Time to convert", (
    Panel("Entry to conversion", "Median and 90th percentile over the window's conversions, whole funnel.",
          "timeseries", "s",
          (Query(f"max by (quantile) ({names.WINDOW_CONVERT_TIME.name}{{{_WINDOW},{_TOTAL}}})", "{{quantile}}"),),
          width=8),
    Panel("From the step before", "Median over the window's attempts, whole funnel.", "timeseries", "s",
          (Query(_named(f'max by (step) ({names.WINDOW_STEP_TIME.name}{{{_WINDOW},{_TOTAL},quantile="0.5"}})'),
                 "{{step}} {{step_name}}"),), width=8),
    Panel("Settled, since counting began", "Percentiles over all settled conversions of this version.", "stat", "s",
          tuple(Query(f"histogram_quantile({share}, max by (le) ({names.CONVERT_TIME.name}_bucket{{{_FUNNEL}}}))",
                      f"p{share * 100:g}") for share in (0.5, 0.9, 0.99)), width=8),
))  # fmt: skip

_VALUE_AND_PEOPLE = Row("Value, stages and people", (
    Panel("Value by step", "Sum of each step's value (revenue, deal size) in its currency, over the window's "
          "attempts.", "timeseries", "short",
          (Query(_chosen(names.VALUE, "step, currency"), "{{step}} {{currency}}"),), width=8),
    Panel("Average value by step", "Value / events that carried one.", "timeseries", "short",
          (Query(f"{_chosen(names.VALUE, 'step, currency')} / {_chosen(names.VALUE_EVENTS, 'step, currency')}",
                 "{{step}} {{currency}}"),), width=8),
    Panel("Settled outcomes per second", "Attempts whose outcome became final. Outcomes settle at different ages: "
          "never divide these by one another.", "timeseries", "ops",
          (Query(f"max by (outcome) (sum by (instance, outcome) (rate({names.SETTLED.name}{{{_FUNNEL},{_CHOSEN}}}"
                 f"{_RATE})))", "{{outcome}}"),), width=8),
    Panel("Standing at each stage now", "Actors whose open attempt has this step as its furthest; at the last step, "
          "converted ones whose window still runs.", "bargauge", "short",
          (Query(_named(f"max by (step) ({names.STAGE_ACTORS.name}{{{_FUNNEL},{_CHOSEN}}})"), column="Actors"),),
          label_columns={"step": "Step", "step_name": "Name"}),
    Panel("Unique actors", "People that entered in the current and in the previous period, by step reached. Never add "
          "periods: a person may be in both.", "table", "short",
          tuple(Query(_named(f'max by (step) ({names.REACHED.name}{{{_PEOPLE},form="{period}",{_CHOSEN}}})'),
                      column=f"{period.capitalize()} period") for period in ("current", "previous")),
          label_columns={"step": "Step", "step_name": "Name"}),
))  # fmt: skip

_HITS = f"sum by (instance) (rate({names.CACHE_HITS.name}{_RATE}))"
_MISSES = f"sum by (instance) (rate({names.CACHE_MISSES.name}{_RATE}))"

_INTAKE = Row("Records", (
    Panel("Records by verdict", "Records consumed per second, by what became of them, over the whole log.",
          "timeseries", "ops",
          (Query(f"max by (verdict) (rate({names.RECORDS.name}{_RATE}))", "{{verdict}}"),), width=8),
    Panel("Records by worker", "Records committed per second by each worker.", "timeseries", "ops",
          (Query(f"sum by (instance) (rate({names.WORKER_RECORDS.name}{_RATE}))", "{{instance}}"),), width=8),
    Panel("Corrections and dead letters", "Results taken back because of an out-of-order event, and records sent to "
          "the dead-letter topic, per second.", "timeseries", "ops",
          (Query(f"max(rate({names.CORRECTIONS.name}{_RATE}))", "corrections"),
           Query(f"sum by (verdict) (rate({names.DEAD_LETTERS.name}{_RATE}))", "dead letters, {{verdict}}")), width=8),
    Panel("Lag by partition", "Records between the stored offset and the partition's end.", "timeseries", "short",
          (Query(f"max by (partition) ({names.LAG_RECORDS.name})", "partition {{partition}}"),), width=8),
    Panel("Lag in time", "Age of the last record taken while others wait, worst partition of each worker.",
          "timeseries", "s", (Query(f"max by (instance) ({names.LAG_SECONDS.name})", "{{instance}}"),), width=8),
    Panel("Watermark age", "Now minus the partition's watermark: grows while no events come, or only late ones.",
          "timeseries", "s",
          (Query(f"time() - max by (partition) ({names.WATERMARK.name})", "partition {{partition}}"),), width=8),
))  # fmt: skip

_WORKERS = Row("Worker health", (
    Panel("Batch size", "Records in a partition batch.", "timeseries", "short",
          _worker_quantiles(names.BATCH_RECORDS), width=8),
    Panel("Batch duration", "From batch taken to batch committed.", "timeseries", "s",
          _worker_quantiles(names.BATCH_TIME), width=8),
    Panel("Commit duration", "One commit round trip to Redis.", "timeseries", "s",
          _worker_quantiles(names.COMMIT_TIME), width=8),
    Panel("Commit failures", "Commits per second that were refused (another worker was ahead) or whose outcome had "
          "to be looked up.", "timeseries", "ops",
          (Query(f"sum by (reason) (rate({names.COMMIT_FAILURES.name}{_RATE}))", "{{reason}}"),), width=8),
    Panel("Rollup age", "Age of the oldest partition rollup each worker shows, and time since it last read them all. "
          "Above 10 s the worker shows no funnel series.", "timeseries", "s",
          (Query(f"max by (instance) ({names.ROLLUP_AGE.name})", "oldest rollup, {{instance}}"),
           Query(f"max by (instance) ({names.REFRESH_AGE.name})", "last read, {{instance}}")), width=8),
    Panel("Cache hits", "Share of actor states found in the worker's memory instead of Redis.", "timeseries",
          "percentunit",
          (Query(f"{_HITS} / ({_HITS} + {_MISSES})", "{{instance}}"),), width=8),
    Panel("Cached actors", "Actor states in each worker's memory.", "timeseries", "short",
          (Query(f"max by (instance) ({names.CACHE_ACTORS.name})", "{{instance}}"),), width=6),
    Panel("CPU", "Processor time per second of each worker; 1 is a whole core.", "timeseries", "short",
          (Query(f"sum by (instance) (rate({names.PROCESS_CPU.name}{_RATE}) and on (instance) "
                 f"{names.WORKER_PARTITIONS.name})", "{{instance}}"),), width=6),
    Panel("Memory", "Resident memory of each worker.", "timeseries", "bytes",
          (Query(f"max by (instance) ({names.PROCESS_MEMORY.name} and on (instance) {names.WORKER_PARTITIONS.name})",
                 "{{instance}}"),), width=6),
    Panel("Series", "Funnel series shown, and those left out because of the limit.", "timeseries", "short",
          (Query(f"max({names.SHOWN.name})", "shown"), Query(f"max({names.REFUSED.name})", "left out")), width=6),
    Panel("Repartitioned", "Records per second that each worker wrote to the repartition topic, and those of all "
          "workers that are invalid. No data where the source is keyed by actor.", "timeseries", "ops",
          (Query(f"sum by (instance) (rate({names.REPARTITION_RECORDS.name}{_RATE}))", "{{instance}}"),
           Query(f"sum(rate({names.REPARTITION_INVALID.name}{_RATE}))", "invalid"))),
    Panel("Repartition lag", "Records that wait in the sources: in each worker's partitions of them, and in all of "
          "them until their offsets are committed. No data where the source is keyed by actor, and while it is not "
          "known.", "timeseries", "short",
          (Query(f"max by (instance) ({names.REPARTITION_LAG_RECORDS.name})", "{{instance}}"),
           Query(f"max({names.REPARTITION_GROUP_LAG.name})", "not committed, all"))),
))  # fmt: skip

_ENTERED = names.ENTERED.name
OVERVIEW = Dashboard(
    uid="funnel-overview",
    title="Funnel overview",
    description="One funnel: steps, conversion and drop-off, segments, times, value, people, and the workers behind.",
    datasource_uid=DATASOURCE_UID,
    variables=(
        Variable("funnel", "Funnel", f"label_values({names.STEP_INFO.name}, funnel)"),
        # 4: numbers, largest first, so that the newest version is the default.
        Variable("version", "Version", f'label_values({names.STEP_INFO.name}{{funnel="$funnel"}}, version)', sort=4),
        Variable("window", "Window", f"label_values({_ENTERED}{{{_ATTEMPTS}}}, window)"),
        Variable("form", "Form", options=("rolling", "matured")),
        Variable("breakdown", "Breakdown", f'label_values({_ENTERED}{{{_FUNNEL},breakdown!=""}}, breakdown)'),
        Variable("segment", "Segment", f"label_values({_ENTERED}{{{_FUNNEL},{_SIDE_BY_SIDE}}}, segment)",
                 all_value="^$"),
    ),
    rows=(_SUMMARY, _STEPS, _OVER_TIME, _SEGMENTS, _TIMES, _VALUE_AND_PEOPLE, _INTAKE, _WORKERS),
)  # fmt: skip

FILES: dict[str, Dashboard] = {"funnel.json": OVERVIEW}


def write(folder: Path) -> list[Path]:
    """Write every dashboard into `folder`; returns the files. Raises `DashboardError` if there is no such folder."""
    _require(folder)
    for name, dashboard in FILES.items():
        (folder / name).write_text(to_json(dashboard), encoding="utf-8")
    return [folder / name for name in FILES]


def differing(folder: Path) -> list[Path]:
    """Files in `folder` that are absent or not what `write` would write. Raises `DashboardError` like it."""
    _require(folder)
    return [
        folder / name
        for name, dashboard in FILES.items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != to_json(dashboard)
    ]


def _require(folder: Path) -> None:
    if not folder.is_dir():
        raise DashboardError(f"{folder} is not a folder; run this in the project's root or name one with --folder")
