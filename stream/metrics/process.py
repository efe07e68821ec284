"""What one worker process knows about itself, as plain numbers, and their page.

In:  numbers the worker writes in passing: an addition or an assignment, no label look-ups.
Out: Prometheus text, made when scraped.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from stream.metrics import names
from stream.metrics.names import Series
from stream.model.verdict import DEAD_LETTER_VERDICTS, Verdict

# A batch holds up to some tens of thousands of records; commits take 0.5 ms to a slow Redis' seconds.
BATCH_BOUNDS = (1, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
TIME_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Distribution:
    """Counts of observations in fixed buckets."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Add one observation; a value equal to a bound lies below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> Iterator[tuple[str, float]]:
        """(upper bound, observations up to it) pairs as Prometheus wants them, the last bound `+Inf`."""
        below = 0
        for bound, count in zip((*map(float, self.bounds), "+Inf"), self.counts, strict=True):
            below += count
            yield str(bound), below


@dataclass(slots=True)
class PartitionStats:
    """One assigned partition: times in ms UTC, None until known."""

    watermark_ms: int | None = None
    lag_records: int = 0
    last_record_ms: int | None = None


class RepartitionStats(NamedTuple):
    """What this process did to bring the sources' records into the repartition topic, and how far it is behind.

    records: those acknowledged by Kafka since the process started; what is sent again after an outage counts again.
    invalid: those written as invalid. lag_records, lag_seconds: of the source partitions held, None while an end is
    not known or none is held. group_lag_records: of all source partitions, None while not known.
    """

    records: int
    invalid: int
    lag_records: int | None
    lag_seconds: float | None
    group_lag_records: int | None


def _batch_sizes() -> Distribution:
    return Distribution(BATCH_BOUNDS)


def _durations() -> Distribution:
    return Distribution(TIME_BOUNDS_S)


@dataclass(slots=True)
class ProcessStats:
    """Everything one worker says about itself; the worker writes, the page reads.

    verdicts: records committed since the process started, by `Verdict`.
    partitions: assigned ones only; the worker removes a revoked one.
    rollup_written_ms: partition -> when its owner wrote the rollup last read, for all partitions.
    moved, unknown: commits refused by the compare; commits whose outcome had to be looked up.
    dead_letters: records sent to the dead-letter topic, by `Verdict`.
    repartition: None in a process that does not repartition.
    """

    verdicts: list[int] = field(default_factory=lambda: [0] * len(Verdict))
    corrections: int = 0
    partitions: dict[int, PartitionStats] = field(default_factory=dict)
    rollup_written_ms: dict[int, int] = field(default_factory=dict)
    batch_records: Distribution = field(default_factory=_batch_sizes)
    batch_seconds: Distribution = field(default_factory=_durations)
    commit_seconds: Distribution = field(default_factory=_durations)
    moved: int = 0
    unknown: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    cache_actors: int = 0
    dead_letters: list[int] = field(default_factory=lambda: [0] * len(Verdict))
    repartition: RepartitionStats | None = None


class ProcessPage:
    """Renders the process series of one `ProcessStats`."""

    def __init__(self, stats: ProcessStats) -> None:
        self._stats = stats
        self._registry = CollectorRegistry(auto_describe=False)
        self._now_ms = 0
        self._refreshed_ms: int | None = None
        self._registry.register(_Families(self))
        # Its own registry, because ours shows only what the table of names describes.
        self._python = ProcessCollector(registry=CollectorRegistry())

    def render(self, now_ms: int, refreshed_ms: int | None) -> bytes:
        """Return the page at `now_ms`; all rollups were last read at `refreshed_ms` (None: never)."""
        self._now_ms = now_ms
        self._refreshed_ms = refreshed_ms
        return generate_latest(self._registry)

    def families(self) -> Iterator[Metric]:
        """All families, for prometheus-client."""
        stats = self._stats
        yield from _counts(stats)
        yield _gauge(names.WORKER_PARTITIONS, len(stats.partitions))
        yield from _partitions(stats.partitions, self._now_ms)
        yield from _distributions(stats)
        yield _gauge(names.CACHE_ACTORS, stats.cache_actors)
        ages = {str(number): _age_s(self._now_ms, at) for number, at in sorted(stats.rollup_written_ms.items())}
        yield _gauge(names.ROLLUP_AGE, ages)
        if self._refreshed_ms is not None:
            yield _gauge(names.REFRESH_AGE, _age_s(self._now_ms, self._refreshed_ms))
        if stats.repartition is not None:
            yield from _repartition(stats.repartition)
        described = {series.name.removesuffix("_total") for series in names.ABOUT_PROCESS}
        yield from (family for family in self._python.collect() if family.name in described)


class _Families(Collector):
    def __init__(self, source: ProcessPage) -> None:
        self._source = source

    def collect(self) -> Iterable[Metric]:
        return self._source.families()


def _counts(stats: ProcessStats) -> Iterator[Metric]:
    yield _counter(names.WORKER_RECORDS, {verdict.label: stats.verdicts[verdict] for verdict in Verdict})
    yield _counter(names.WORKER_CORRECTIONS, stats.corrections)
    yield _counter(names.COMMIT_FAILURES, {"moved": stats.moved, "unknown": stats.unknown})
    yield _counter(names.CACHE_HITS, stats.cache_hits)
    yield _counter(names.CACHE_MISSES, stats.cache_misses)
    letters = {verdict.label: stats.dead_letters[verdict] for verdict in sorted(DEAD_LETTER_VERDICTS)}
    yield _counter(names.DEAD_LETTERS, letters)


def _partitions(partitions: Mapping[int, PartitionStats], now_ms: int) -> Iterator[Metric]:
    ordered = sorted(partitions.items())
    marks = {str(number): p.watermark_ms / 1000 for number, p in ordered if p.watermark_ms is not None}
    yield _gauge(names.WATERMARK, marks)
    yield _gauge(names.LAG_RECORDS, {str(number): p.lag_records for number, p in ordered})
    yield _gauge(names.LAG_SECONDS, {str(number): _lag_s(p, now_ms) for number, p in ordered})


def _lag_s(partition: PartitionStats, now_ms: int) -> float:
    if partition.lag_records <= 0 or partition.last_record_ms is None:
        return 0.0
    return _age_s(now_ms, partition.last_record_ms)


def _age_s(now_ms: int, then_ms: int) -> float:
    return max(0, now_ms - then_ms) / 1000


def _repartition(stats: RepartitionStats) -> Iterator[Metric]:
    yield _counter(names.REPARTITION_RECORDS, stats.records)
    yield _counter(names.REPARTITION_INVALID, stats.invalid)
    for series, value in (
        (names.REPARTITION_LAG_RECORDS, stats.lag_records),
        (names.REPARTITION_LAG_SECONDS, stats.lag_seconds),
        (names.REPARTITION_GROUP_LAG, stats.group_lag_records),
    ):
        if value is not None:
            yield _gauge(series, value)


def _distributions(stats: ProcessStats) -> Iterator[Metric]:
    for series, seen in (
        (names.BATCH_RECORDS, stats.batch_records),
        (names.BATCH_TIME, stats.batch_seconds),
        (names.COMMIT_TIME, stats.commit_seconds),
    ):
        family = HistogramMetricFamily(series.name, series.meaning)
        family.add_metric([], buckets=list(seen.cumulative()), sum_value=seen.total)
        yield family


def _gauge(series: Series, values: Mapping[str, float] | float) -> Metric:
    return _filled(GaugeMetricFamily(series.name, series.meaning, labels=series.labels), values)


def _counter(series: Series, values: Mapping[str, float] | float) -> Metric:
    return _filled(CounterMetricFamily(series.name, series.meaning, labels=series.labels), values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[str, float] | float) -> Metric:
    """Add one sample, or one for each value of the family's only label."""
    if isinstance(values, Mapping):
        for label_value, value in values.items():
            family.add_metric([label_value], value)
    else:
        family.add_metric([], values)
    return family
