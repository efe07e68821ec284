"""One process's own numbers, as plain additions by the worker."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream.metrics import names
from stream.metrics.process import Distribution, PartitionStats, ProcessPage, ProcessStats, RepartitionStats
from stream.model.verdict import Verdict

NOW_MS = 1_700_000_000_000


def samples(stats: ProcessStats, refreshed_ms: int | None = NOW_MS) -> dict[str, float]:
    page = ProcessPage(stats).render(NOW_MS, refreshed_ms).decode()
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_what_the_worker_wrote_is_shown():
    stats = ProcessStats(corrections=3, moved=1, unknown=2, cache_hits=30, cache_misses=10, cache_actors=8)
    stats.verdicts[Verdict.ACCEPTED] += 500
    stats.dead_letters[Verdict.LATE] += 4
    shown = samples(stats)
    assert shown["funnel_worker_records_total{verdict=accepted}"] == 500
    assert shown["funnel_worker_records_total{verdict=bot}"] == 0
    assert shown["funnel_worker_corrections_total"] == 3
    assert shown["funnel_worker_commit_failures_total{reason=moved}"] == 1
    assert shown["funnel_worker_commit_failures_total{reason=unknown}"] == 2
    assert shown["funnel_worker_cache_hits_total"] == 30
    assert shown["funnel_worker_cache_misses_total"] == 10
    assert shown["funnel_worker_cache_actors"] == 8
    assert shown["funnel_worker_dead_letters_total{verdict=late}"] == 4
    assert "funnel_worker_dead_letters_total{verdict=accepted}" not in shown


def test_partitions_show_watermark_and_lag_while_they_are_assigned():
    stats = ProcessStats()
    stats.partitions[3] = PartitionStats(watermark_ms=NOW_MS - 5_000, lag_records=7, last_record_ms=NOW_MS - 2_500)
    stats.partitions[4] = PartitionStats(lag_records=0, last_record_ms=NOW_MS - 60_000)
    shown = samples(stats)
    assert shown["funnel_worker_partitions"] == 2
    assert shown["funnel_worker_watermark_seconds{partition=3}"] == (NOW_MS - 5_000) / 1000
    assert "funnel_worker_watermark_seconds{partition=4}" not in shown
    assert shown["funnel_worker_lag_records{partition=3}"] == 7
    assert shown["funnel_worker_lag_seconds{partition=3}"] == 2.5
    assert shown["funnel_worker_lag_seconds{partition=4}"] == 0, "nothing waits, however old the last record is"
    del stats.partitions[3]
    assert "funnel_worker_lag_records{partition=3}" not in samples(stats)


def test_ages_count_from_now_and_are_never_negative():
    stats = ProcessStats(rollup_written_ms={0: NOW_MS - 1_500, 1: NOW_MS + 40})
    shown = samples(stats, refreshed_ms=NOW_MS - 250)
    assert shown["funnel_worker_rollup_age_seconds{partition=0}"] == 1.5
    assert shown["funnel_worker_rollup_age_seconds{partition=1}"] == 0
    assert shown["funnel_worker_refresh_age_seconds"] == 0.25
    assert "funnel_worker_refresh_age_seconds" not in samples(stats, refreshed_ms=None)


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        pytest.param(1, "1.0", id="a-bound-belongs-to-its-bucket"),
        pytest.param(1.5, "10.0", id="between-two-bounds"),
        pytest.param(11, "+Inf", id="beyond-the-last-bound"),
    ],
)
def test_an_observation_falls_into_one_bucket(value, bound):
    seen = Distribution((1, 10))
    seen.observe(value)
    cumulative = dict(seen.cumulative())
    assert [upper for upper, count in cumulative.items() if count] == [*cumulative][[*cumulative].index(bound) :]
    assert seen.total == value


def test_batches_and_commits_are_histograms():
    stats = ProcessStats()
    stats.batch_records.observe(1000)
    stats.batch_seconds.observe(0.25)
    stats.commit_seconds.observe(0.004)
    shown = samples(stats)
    assert shown["funnel_worker_batch_records_bucket{le=1000.0}"] == 1
    assert shown["funnel_worker_batch_records_bucket{le=300.0}"] == 0
    assert shown["funnel_worker_batch_duration_seconds_sum"] == 0.25
    assert shown["funnel_worker_commit_duration_seconds_bucket{le=0.005}"] == 1
    assert shown["funnel_worker_commit_duration_seconds_count"] == 1


def of_repartitioning(stats: ProcessStats) -> dict[str, float]:
    return {name: value for name, value in samples(stats).items() if "repartition" in name}


def test_only_a_process_that_repartitions_says_how_far_it_is():
    stats = ProcessStats()
    assert of_repartitioning(stats) == {}
    assert b"repartition" not in ProcessPage(stats).render(NOW_MS, NOW_MS)
    stats.repartition = RepartitionStats(records=700, invalid=3, lag_records=20, lag_seconds=1.5, group_lag_records=50)
    assert of_repartitioning(stats) == {
        "funnel_worker_repartition_records_total": 700,
        "funnel_worker_repartition_invalid_records_total": 3,
        "funnel_worker_repartition_lag_records": 20,
        "funnel_worker_repartition_lag_seconds": 1.5,
        "funnel_worker_repartition_group_lag_records": 50,
    }


def test_a_repartition_lag_that_is_not_known_is_absent_not_zero():
    unknown = of_repartitioning(ProcessStats(repartition=RepartitionStats(700, 3, None, None, None)))
    assert not [name for name in unknown if "lag" in name]
    assert unknown["funnel_worker_repartition_records_total"] == 700


def test_only_and_all_described_series_are_shown():
    stats = ProcessStats(
        partitions={0: PartitionStats(watermark_ms=0)},
        rollup_written_ms={0: 0},
        repartition=RepartitionStats(0, 0, 0, 0.0, 0),
    )
    shown = {name.split("{")[0] for name in samples(stats)}
    assert shown == {name for series in names.ABOUT_PROCESS for name in series.sample_names}
    assert samples(stats)["funnel_worker_watermark_seconds{partition=0}"] == 0, "0 is a time"
