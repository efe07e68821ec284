"""The one table of all series: name, kind, meaning, unit and labels.

In:  nothing.
Out: one `Series` for each family that /metrics can show, and `ALL` of them in page order.

The collector, docs/metrics.md and the dashboards use these names and no others;
tests keep the page and every dashboard query equal to this table. `funnel_` series
tell about the whole funnel and are the same on every worker: query `max`, never
`sum`, over instances. `funnel_worker_` and `process_` series tell about one process.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Prometheus' metric types, as the text format spells them."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Series:
    """One family of series; a counter's `name` carries its `_total`."""

    name: str
    kind: Kind
    meaning: str
    unit: str
    labels: tuple[str, ...] = ()

    @property
    def sample_names(self) -> tuple[str, ...]:
        """Names a query can use: the histogram's three parts, else the name itself."""
        if self.kind is Kind.HISTOGRAM:
            return (f"{self.name}_bucket", f"{self.name}_count", f"{self.name}_sum")
        return (self.name,)


FUNNEL = ("funnel", "version")
SEGMENT = (*FUNNEL, "breakdown", "segment")
WINDOW = (*FUNNEL, "counts", "window", "form", "breakdown", "segment")
AGE = (*FUNNEL, "window", "age", "breakdown", "segment", "step")
PERIOD = (*FUNNEL, "window", "form")
PARTITION = ("partition",)

# What exists.
STEP_INFO = Series(
    "funnel_step_info", Kind.GAUGE, "Always 1; gives a step's number its name, its stage and the stage's group", "1",
    (*FUNNEL, "step", "step_name", "stage", "group"),
)  # fmt: skip
CONVERSION_WINDOW = Series(
    "funnel_conversion_window_seconds", Kind.GAUGE,
    "Longest time from the first step to the last that still converts", "seconds", FUNNEL,
)  # fmt: skip
SINCE = Series(
    "funnel_since_seconds", Kind.GAUGE,
    "Unix time from which this version counts; absent until it has counted", "seconds", FUNNEL,
)  # fmt: skip
AS_OF = Series(
    "funnel_as_of_seconds", Kind.GAUGE, "Unix time (event time) all funnel numbers are made as of", "seconds"
)

TARGET = Series(
    "funnel_target_ratio",
    Kind.GAUGE,
    "Share of those that enter which should convert, 0..1, as configured",
    "1",
    FUNNEL,
)
STEP_TARGET = Series(
    "funnel_step_target_ratio", Kind.GAUGE,
    "Share of those that reach the step which should go on, 0..1, as configured: within the age, or at all where the "
    "age is empty", "1", (*FUNNEL, "step", "age"),
)  # fmt: skip
BENCHMARK = Series(
    "funnel_benchmark_ratio", Kind.GAUGE, "A conversion to compare with, 0..1, as configured", "1",
    (*FUNNEL, "benchmark"),
)  # fmt: skip

# Attempts by entry time in rolling windows, and people by entry period.
ENTERED = Series("funnel_entered", Kind.GAUGE, "Attempts (or people) that entered in the window", "entrants", WINDOW)
REACHED = Series("funnel_reached", Kind.GAUGE, "Of those, how many reached the step", "entrants", (*WINDOW, "step"))
ENTERED_AT = Series(
    "funnel_entered_at", Kind.GAUGE,
    "Of those, how many entered at the step; only of open funnels", "entrants", (*WINDOW, "step"),
)  # fmt: skip
CONVERTED = Series("funnel_converted", Kind.GAUGE, "Of those, how many reached the last step", "entrants", WINDOW)
DROPPED = Series(
    "funnel_dropped", Kind.GAUGE,
    "Of those, how many ran out of time with this step as the furthest", "entrants", (*WINDOW, "step"),
)  # fmt: skip
EXCLUDED = Series(
    "funnel_excluded", Kind.GAUGE,
    "Of those, how many an exclusion ended with this step as the furthest; only of funnels with exclusions",
    "entrants", (*WINDOW, "step"),
)  # fmt: skip
PENDING = Series(
    "funnel_pending", Kind.GAUGE,
    "Of those, how many still have time, with this step as the furthest so far", "entrants", (*WINDOW, "step"),
)  # fmt: skip
STEP_CONVERSION = Series(
    "funnel_step_conversion_ratio", Kind.GAUGE,
    "Reached the next step / reached this step, 0..1; absent while nothing is decided at this step", "1",
    (*WINDOW, "step"),
)  # fmt: skip
OPTIONAL_SHARE = Series(
    "funnel_optional_step_ratio", Kind.GAUGE,
    "Reached this optional step / entered, 0..1; absent while no outcome is decided, and for steps that are required",
    "1", (*WINDOW, "step"),
)  # fmt: skip
STEP_DROPOFF = Series(
    "funnel_step_dropoff_ratio", Kind.GAUGE,
    "Dropped at this step / reached this step, 0..1; absent while nothing is decided at this step, and while nobody "
    "is dropped there and some may be", "1",
    (*WINDOW, "step"),
)  # fmt: skip
AGE_MATCHED = Series(
    "funnel_age_matched_conversion_ratio", Kind.GAUGE,
    "Of the attempts that first reached this step in the window shifted back by the age, those that reached the next "
    "step within the age, 0..1; absent where nobody reached it", "1", AGE,
)  # fmt: skip
AGE_REACHED = Series(
    "funnel_age_matched_reached", Kind.GAUGE,
    "How many attempts first reached this step in the alert window shifted back by the age", "attempts", AGE,
)  # fmt: skip
AGE_WENT_ON = Series(
    "funnel_age_matched_went_on", Kind.GAUGE,
    "Of those, how many reached the next step within the age", "attempts", AGE,
)  # fmt: skip
CONVERSION = Series(
    "funnel_conversion_ratio", Kind.GAUGE, "Converted / entered, 0..1; absent while no outcome is decided", "1", WINDOW
)
DROPOFF = Series(
    "funnel_dropoff_ratio", Kind.GAUGE,
    "Dropped at any step / entered, 0..1; absent while no outcome is decided or nobody is dropped and some may be",
    "1", WINDOW,
)  # fmt: skip
VALUE = Series(
    "funnel_value", Kind.GAUGE,
    "Sum of the step's value over those that entered in the window", "currency", (*WINDOW, "step", "currency"),
)  # fmt: skip
VALUE_EVENTS = Series(
    "funnel_value_events", Kind.GAUGE, "How many events carried that value", "events", (*WINDOW, "step", "currency")
)
VALUE_LOST = Series(
    "funnel_value_lost", Kind.GAUGE,
    "What the attempts dropped or excluded at the step were worth: each the value at the last step it reached that "
    "has one", "currency", (*WINDOW, "step", "currency"),
)  # fmt: skip
VALUE_AT_STAKE = Series(
    "funnel_value_at_stake", Kind.GAUGE,
    "The same of the attempts pending at the step", "currency", (*WINDOW, "step", "currency"),
)  # fmt: skip
WINDOW_CONVERT_TIME = Series(
    "funnel_window_time_to_convert_seconds", Kind.GAUGE,
    "Time from entry to conversion that this share of the window's conversions took at most", "seconds",
    (*WINDOW, "quantile"),
)  # fmt: skip
WINDOW_STEP_TIME = Series(
    "funnel_window_time_to_step_seconds", Kind.GAUGE,
    "Time from the step before to this step that this share of the window's attempts took at most", "seconds",
    (*WINDOW, "step", "quantile"),
)  # fmt: skip

# Actors.
STAGE_ACTORS = Series(
    "funnel_stage_actors", Kind.GAUGE, "Actors standing at the step's stage now", "actors", (*SEGMENT, "step")
)
DISTINCT_ACTORS = Series(
    "funnel_distinct_actors", Kind.GAUGE,
    "Actors that entered in the period, where sessions or held values are counted", "actors", PERIOD,
)  # fmt: skip
PERIOD_START = Series(
    "funnel_period_start_seconds", Kind.GAUGE,
    "Unix time at which the period began", "seconds", PERIOD,
)  # fmt: skip

# Outcomes that no later event can change.
SETTLED = Series(
    "funnel_settled_attempts_total", Kind.COUNTER,
    "Attempts whose outcome cannot change any more, by outcome and furthest step", "attempts",
    (*SEGMENT, "outcome", "step"),
)  # fmt: skip
CONVERT_TIME = Series(
    "funnel_time_to_convert_seconds", Kind.HISTOGRAM, "Settled time from entry to conversion", "seconds", FUNNEL
)
STEP_TIME = Series(
    "funnel_time_to_step_seconds", Kind.HISTOGRAM,
    "Settled time from the step before to this step", "seconds", (*FUNNEL, "step"),
)  # fmt: skip

# The whole log.
RECORDS = Series(
    "funnel_records_total", Kind.COUNTER,
    "Records consumed by verdict, counted once and stored with the offset", "records", ("verdict",),
)  # fmt: skip
CORRECTIONS = Series(
    "funnel_corrections_total", Kind.COUNTER,
    "Results taken back because of an out-of-order event", "corrections",
)  # fmt: skip
GAPS = Series("funnel_gaps_total", Kind.COUNTER, "Holes in the log that an operator accepted (`funnel resume`)", "gaps")
SHOWN = Series("funnel_series", Kind.GAUGE, "Funnel series shown on this page", "series")
REFUSED = Series(
    "funnel_series_dropped", Kind.GAUGE, "Series not shown because the page would exceed its limit", "series"
)

# One process.
WORKER_RECORDS = Series(
    "funnel_worker_records_total", Kind.COUNTER,
    "Records this process committed since it started, by verdict", "records", ("verdict",),
)  # fmt: skip
WORKER_CORRECTIONS = Series(
    "funnel_worker_corrections_total", Kind.COUNTER, "Corrections this process committed", "corrections"
)
WORKER_PARTITIONS = Series("funnel_worker_partitions", Kind.GAUGE, "Partitions assigned to this process", "partitions")
WATERMARK = Series(
    "funnel_worker_watermark_seconds", Kind.GAUGE,
    "Unix time of the partition's watermark; absent until the first valid record", "seconds", PARTITION,
)  # fmt: skip
LAG_RECORDS = Series(
    "funnel_worker_lag_records", Kind.GAUGE, "Records between stored offset and end offset", "records", PARTITION
)
LAG_SECONDS = Series(
    "funnel_worker_lag_seconds", Kind.GAUGE,
    "Now minus record time of the last record taken; 0 while no record waits", "seconds", PARTITION,
)  # fmt: skip
BATCH_RECORDS = Series("funnel_worker_batch_records", Kind.HISTOGRAM, "Records in a partition batch", "records")
BATCH_TIME = Series(
    "funnel_worker_batch_duration_seconds", Kind.HISTOGRAM, "Time from batch taken to batch committed", "seconds"
)
COMMIT_TIME = Series(
    "funnel_worker_commit_duration_seconds", Kind.HISTOGRAM, "Time of one commit round trip to Redis", "seconds"
)
COMMIT_FAILURES = Series(
    "funnel_worker_commit_failures_total", Kind.COUNTER,
    "Commits refused because the offset had moved (`moved`) or with unknown outcome (`unknown`)", "commits",
    ("reason",),
)  # fmt: skip
CACHE_HITS = Series("funnel_worker_cache_hits_total", Kind.COUNTER, "Actor states found in the cache", "actors")
CACHE_MISSES = Series("funnel_worker_cache_misses_total", Kind.COUNTER, "Actor states read from Redis", "actors")
CACHE_ACTORS = Series("funnel_worker_cache_actors", Kind.GAUGE, "Actor states in the cache now", "actors")
DEAD_LETTERS = Series(
    "funnel_worker_dead_letters_total", Kind.COUNTER,
    "Records this process sent to the dead-letter topic, by verdict", "records", ("verdict",),
)  # fmt: skip
ROLLUP_AGE = Series(
    "funnel_worker_rollup_age_seconds", Kind.GAUGE,
    "Age of the partition's rollup as this process last read it", "seconds", PARTITION,
)  # fmt: skip
REFRESH_AGE = Series(
    "funnel_worker_refresh_age_seconds", Kind.GAUGE,
    "Time since this process last read all rollups; above 10 s it shows no funnel series", "seconds",
)  # fmt: skip
REPARTITION_RECORDS = Series(
    "funnel_worker_repartition_records_total", Kind.COUNTER,
    "Records of the sources that this process wrote to the repartition topic; after an outage some are written again",
    "records",
)  # fmt: skip
REPARTITION_INVALID = Series(
    "funnel_worker_repartition_invalid_records_total", Kind.COUNTER,
    "Records that this process wrote there as `invalid`, since they mean no event", "records",
)  # fmt: skip
REPARTITION_LAG_RECORDS = Series(
    "funnel_worker_repartition_lag_records", Kind.GAUGE,
    "Records this process has still to read in its partitions of the sources; absent while that is not known",
    "records",
)  # fmt: skip
REPARTITION_LAG_SECONDS = Series(
    "funnel_worker_repartition_lag_seconds", Kind.GAUGE,
    "Now minus record time of the last record read there; 0 while no record waits", "seconds",
)  # fmt: skip
REPARTITION_GROUP_LAG = Series(
    "funnel_worker_repartition_group_lag_records", Kind.GAUGE,
    "Records in all partitions of the sources that no worker has committed, as this process last asked; "
    "absent while that is not known", "records",
)  # fmt: skip
RUN_REMAINING = Series(
    "funnel_run_remaining_records", Kind.GAUGE,
    "Offsets a run has still to read; absent while that is not known", "records", ("run",),
)  # fmt: skip
RUN_DONE = Series("funnel_run_done_ratio", Kind.GAUGE, "Part of its range that a run has read, 0..1", "1", ("run",))
RUN_RECORDS = Series(
    "funnel_run_records_total", Kind.COUNTER, "Records this process of a run committed since it started", "records",
    ("run",),
)  # fmt: skip
PROCESS_CPU = Series("process_cpu_seconds_total", Kind.COUNTER, "CPU time of the process, user and system", "seconds")
PROCESS_MEMORY = Series("process_resident_memory_bytes", Kind.GAUGE, "Resident memory of the process", "bytes")
PROCESS_VIRTUAL = Series("process_virtual_memory_bytes", Kind.GAUGE, "Virtual memory of the process", "bytes")
PROCESS_START = Series("process_start_time_seconds", Kind.GAUGE, "Unix time the process started", "seconds")
PROCESS_FILES = Series("process_open_fds", Kind.GAUGE, "Open file descriptors", "files")
PROCESS_FILES_LIMIT = Series("process_max_fds", Kind.GAUGE, "Most file descriptors it may open", "files")

ABOUT_FUNNELS: tuple[Series, ...] = (
    STEP_INFO, CONVERSION_WINDOW, TARGET, STEP_TARGET, BENCHMARK, SINCE, AS_OF,
    ENTERED, REACHED, ENTERED_AT, CONVERTED, DROPPED, EXCLUDED, PENDING,
    CONVERSION, DROPOFF, STEP_CONVERSION, STEP_DROPOFF, OPTIONAL_SHARE,
    AGE_MATCHED, AGE_REACHED, AGE_WENT_ON, VALUE, VALUE_EVENTS,
    VALUE_LOST, VALUE_AT_STAKE, WINDOW_CONVERT_TIME, WINDOW_STEP_TIME,
    STAGE_ACTORS, DISTINCT_ACTORS, PERIOD_START, SETTLED, CONVERT_TIME, STEP_TIME,
    RECORDS, CORRECTIONS, GAPS, SHOWN, REFUSED,
)  # fmt: skip
ABOUT_PROCESS: tuple[Series, ...] = (
    WORKER_RECORDS, WORKER_CORRECTIONS, WORKER_PARTITIONS, WATERMARK, LAG_RECORDS, LAG_SECONDS,
    BATCH_RECORDS, BATCH_TIME, COMMIT_TIME, COMMIT_FAILURES, CACHE_HITS, CACHE_MISSES, CACHE_ACTORS,
    DEAD_LETTERS, ROLLUP_AGE, REFRESH_AGE,
    REPARTITION_RECORDS, REPARTITION_INVALID, REPARTITION_LAG_RECORDS, REPARTITION_LAG_SECONDS,
    REPARTITION_GROUP_LAG,
    PROCESS_CPU, PROCESS_MEMORY, PROCESS_VIRTUAL, PROCESS_START, PROCESS_FILES, PROCESS_FILES_LIMIT,
)  # fmt: skip
ABOUT_RUNS: tuple[Series, ...] = (RUN_REMAINING, RUN_DONE, RUN_RECORDS)
"""Shown by a run's own processes, and by no worker."""
ALL: tuple[Series, ...] = ABOUT_FUNNELS + ABOUT_PROCESS + ABOUT_RUNS
BY_RUN: tuple[Series, ...] = (SETTLED, CONVERT_TIME, STEP_TIME, RECORDS, CORRECTIONS, GAPS)
"""Counters about the whole funnel: while a promoted run is live, they carry its name in the label `run` besides."""
