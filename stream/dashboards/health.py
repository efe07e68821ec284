"""The dashboard Pipeline health: whether the numbers can be trusted now, and what the workers do.

In:  what is known of the funnels.
Out: a `Dashboard`.
"""

from stream.dashboards import choices
from stream.dashboards.known import Known
from stream.dashboards.panel import PLAIN, Dashboard, Levels, Of, Panel, Query, Row
from stream.dashboards.queries import RATE, worker_quantiles
from stream.metrics import names
from stream.metrics.names import Series

_WORKER = 'job=~"$job",instance=~"$instance"'
_NO_WORKER = "no worker is scraped"
_KEYED = "not repartitioned: the source is keyed by actor"
_NO_RUN = "no run is scraped (replay start --metrics-port)"
_NO_RATE = "no rate yet: it takes two scrapes"
_LATE: Levels = ((None, "green"), (60, "orange"), (600, "red"))
_STALE: Levels = ((None, "green"), (2, "orange"), (10, "red"))
_NONE_IS_GOOD: Levels = ((None, "green"), (1e-9, "orange"))
_WAITING: Levels = ((None, "green"), (10_000, "orange"), (1_000_000, "red"))


def health_dashboard(about: Known) -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid=choices.HEALTH_UID,
        title="Pipeline health",
        description="Whether the funnels' numbers are whole and up to date, and what the workers do.",
        variables=choices.which_worker(),
        rows=(_at_a_glance(), _records(), _lag(), _batches(), _processes(), _repartition(), _replays()),
        links=choices.links(about, choices.HEALTH_UID),
    )


def _at_a_glance() -> Row:
    lag = (f"sum(max by (partition) ({_of(names.LAG_RECORDS)})) "
           f"+ (sum({_of(names.REPARTITION_LAG_RECORDS)}) or vector(0))")  # fmt: skip
    return Row("At a glance", (
        _stat("Behind now", "Now minus the instant that all funnel numbers are made as of. Grows while records wait, "
              "or no worker is alive.", "s", f"time() - max({names.AS_OF.name})", "nothing is counted yet", _LATE),
        _stat("Records waiting", "Records that are not counted yet: in all partitions of the log and, where they are "
              "repartitioned, of the sources.", "short", lag, _NO_WORKER, _WAITING),
        _stat("Records per second", "Records that the workers committed.", "cps",
              f"sum(rate({_of(names.WORKER_RECORDS)}{RATE}))", _NO_RATE),
        _stat("Workers", "Workers that Prometheus reaches.", "short",
              f"count(max by (instance) ({_of(names.WORKER_PARTITIONS)}))", _NO_WORKER),
        _stat("Partitions held", "Partitions of the log that a worker has taken over.", "short",
              f"sum({_of(names.WORKER_PARTITIONS)})", _NO_WORKER),
        _stat("Oldest rollup", "Age of the oldest partition's numbers in what the workers show.", "s",
              f"max({_of(names.ROLLUP_AGE)})", "no rollup was read yet", _STALE),
        _stat("Dead letters per second", "Records sent to the dead-letter topic: invalid, from the future, or late.",
              "cps", f"sum(rate({_of(names.DEAD_LETTERS)}{RATE}))", _NO_RATE, _NONE_IS_GOOD),
        _stat("Series left out", "Funnel series that are not shown because the page would have more than "
              "metrics.max_series.", "short", f"max({names.REFUSED.name})", _NO_WORKER, _NONE_IS_GOOD),
    ))  # fmt: skip


def _of(series: Series) -> str:
    return f"{series.name}{{{_WORKER}}}"


def _stat(  # noqa: PLR0913, PLR0917
    title: str, description: str, unit: str, expr: str, no_value: str, levels: Levels = PLAIN
) -> Panel:
    return Panel(title, description, Of.RECORDS, "stat", unit, (Query(expr, title),), no_value, width=3, height=4,
                 levels=levels)  # fmt: skip


def _lines(  # noqa: PLR0913
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    no_value: str = _NO_RATE,
    width: int = 8,
    of: Of = Of.RECORDS,
) -> Panel:
    return Panel(title, description, of, "timeseries", unit, queries, no_value, width=width)


def _records() -> Row:
    return Row("Records", (
        _lines("Records by verdict", "Records consumed per second over the whole log, by what became of them.", "cps",
               Query(f"max by (verdict) (rate({names.RECORDS.name}{RATE}))", "{{verdict}}")),
        _lines("Records by worker", "Records committed per second by each worker.", "cps",
               Query(f"sum by (instance) (rate({_of(names.WORKER_RECORDS)}{RATE}))", "{{instance}}")),
        _lines("Corrections and dead letters", "Results taken back because of an out-of-order event, and records sent "
               "to the dead-letter topic by verdict, per second.", "cps",
               Query(f"max(rate({names.CORRECTIONS.name}{RATE}))", "corrections"),
               Query(f"sum by (verdict) (rate({_of(names.DEAD_LETTERS)}{RATE}))", "dead letters, {{verdict}}")),
    ))  # fmt: skip


def _lag() -> Row:
    return Row("Lag and watermarks", (
        _lines("Lag by partition", "Records between the stored offset and the partition's end.", "short",
               Query(f"max by (partition) ({_of(names.LAG_RECORDS)})", "partition {{partition}}"),
               no_value="no partition is held"),
        _lines("Lag in time", "Age of the last record taken while others wait, worst partition of each worker.", "s",
               Query(f"max by (instance) ({_of(names.LAG_SECONDS)})", "{{instance}}"), no_value="no partition is held"),
        _lines("Watermark age", "Now minus the partition's watermark: grows while no events come, or only late ones.",
               "s", Query(f"time() - max by (partition) ({_of(names.WATERMARK)})", "partition {{partition}}"),
               no_value="no valid record yet"),
    ))  # fmt: skip


def _batches() -> Row:
    return Row("Batches and commits", (
        _lines("Batch size", "Records in a partition batch.", "short", *worker_quantiles(names.BATCH_RECORDS, _WORKER)),
        _lines("Batch duration", "From batch taken to batch committed.", "s",
               *worker_quantiles(names.BATCH_TIME, _WORKER)),
        _lines("Commit duration", "One commit round trip to Redis.", "s",
               *worker_quantiles(names.COMMIT_TIME, _WORKER)),
        _lines("Commit failures", "Commits per second that were refused (another worker was ahead) or whose outcome "
               "had to be looked up.", "cps",
               Query(f"sum by (reason) (rate({_of(names.COMMIT_FAILURES)}{RATE}))", "{{reason}}")),
        _lines("Rollup age", "Age of the oldest partition rollup each worker shows, and time since it last read them "
               "all. Above 10 s the worker shows no funnel series.", "s",
               Query(f"max by (instance) ({_of(names.ROLLUP_AGE)})", "oldest rollup, {{instance}}"),
               Query(f"max by (instance) ({_of(names.REFRESH_AGE)})", "last read, {{instance}}"),
               no_value="no rollup was read yet"),
        _lines("Series", "Funnel series shown, and those left out because of the limit.", "short",
               Query(f"max({names.SHOWN.name})", "shown"), Query(f"max({names.REFUSED.name})", "left out"),
               no_value=_NO_WORKER),
    ))  # fmt: skip


def _processes() -> Row:
    hits = f"sum by (instance) (rate({_of(names.CACHE_HITS)}{RATE}))"
    misses = f"sum by (instance) (rate({_of(names.CACHE_MISSES)}{RATE}))"
    is_worker = f"and on (instance) {_of(names.WORKER_PARTITIONS)}"
    return Row("Workers", (
        _lines("Cache hits", "Share of actor states found in the worker's memory instead of Redis.", "percentunit",
               Query(f"{hits} / ({hits} + {misses} > 0)", "{{instance}}"), no_value="no state was asked for",
               width=6, of=Of.WORKERS),
        _lines("Cached actors", "Actor states in each worker's memory.", "short",
               Query(f"max by (instance) ({_of(names.CACHE_ACTORS)})", "{{instance}}"), no_value=_NO_WORKER,
               width=6, of=Of.WORKERS),
        _lines("CPU", "Processor time per second of each worker; 1 is a whole core.", "short",
               Query(f"sum by (instance) (rate({_of(names.PROCESS_CPU)}{RATE}) {is_worker})", "{{instance}}"),
               width=6, of=Of.WORKERS),
        _lines("Memory", "Resident memory of each worker.", "bytes",
               Query(f"max by (instance) ({_of(names.PROCESS_MEMORY)} {is_worker})", "{{instance}}"),
               no_value=_NO_WORKER, width=6, of=Of.WORKERS),
    ))  # fmt: skip


def _repartition() -> Row:
    return Row("Repartitioning", (
        _lines("Repartitioned", "Records per second that each worker wrote to the repartition topic, and those of all "
               "workers that are invalid.", "cps",
               Query(f"sum by (instance) (rate({_of(names.REPARTITION_RECORDS)}{RATE}))", "{{instance}}"),
               Query(f"sum(rate({_of(names.REPARTITION_INVALID)}{RATE}))", "invalid"), no_value=_KEYED, width=12),
        _lines("Repartition lag", "Records that wait in the sources: in each worker's partitions of them, and in all "
               "of them until their offsets are committed.", "short",
               Query(f"max by (instance) ({_of(names.REPARTITION_LAG_RECORDS)})", "{{instance}}"),
               Query(f"max({_of(names.REPARTITION_GROUP_LAG)})", "not committed, all"), no_value=_KEYED, width=12),
    ))  # fmt: skip


def _replays() -> Row:
    return Row("Replays", (
        _lines("Read", "Part of its range that each run has read; of one that follows the log, of what is there now.",
               "percentunit", Query(f"max by (run) ({names.RUN_DONE.name})", "{{run}}"), no_value=_NO_RUN),
        _lines("Left", "Records that each run has still to read.", "short",
               Query(f"max by (run) ({names.RUN_REMAINING.name})", "{{run}}"), no_value=_NO_RUN),
        _lines("Read per second", "Records that each run's processes committed.", "cps",
               Query(f"sum by (run) (rate({names.RUN_RECORDS.name}{RATE}))", "{{run}}"), no_value=_NO_RUN),
    ))  # fmt: skip
