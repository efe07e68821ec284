"""When the numbers can be judged, and the alerts on what keeps them from it.

In:  the tracker's settings.
Out: recording rules `funnel:numbers:untrusted` (one series for each reason, absent while all is well) and the
     conditions that other alerts add; alerts on the workers and on what they read.

Drop-off is judged only from numbers that are whole: not while records wait, rollups are old or a worker has just
started; and not while nothing comes although much usually does, or much comes too late to count, until that has left
the attempts that are asked about. That state has an alert of its own.
"""

from stream.alerts.form import Alerts, Rule, over, record
from stream.metrics import names
from stream.settings.tracker import TrackerSettings

UNTRUSTED = "funnel:numbers:untrusted"
LAG = "funnel:lag:seconds"
ROLLUP_AGE = "funnel:rollup_age:seconds"
MISSING = "funnel:events_missing:active"
WATERMARK_AGE = "funnel:watermark_age:seconds"
RATE = "funnel:records:rate_1h"
LATE = "funnel:late:ratio_10m"
USUALLY_LATE = "funnel:late:ratio_1d"

MOST_LAG_S = 30
LEAST_LAG_S = 5
STALE_S = 10
"""A worker shows no funnel series either when it has not read the rollups for that long."""
YOUNG_S = 60
HOLD_S = 60
GAP_RECORDS = 20
"""So many records in a row missing by chance has a probability of exp(-20)."""
LATE_RECORD = 'verdict="late"'
LATE_SHARE = 0.01
LATE_TIMES = 3
LATE_RECORDS = 20
"""A surge: so much of ten minutes' records is late, so many times the day's share, and so many records."""


def most_lag_s(age_ms: int) -> int:
    """Return how far behind a number may be, so that few who went on within an age are missing in it: a tenth of it."""
    return max(LEAST_LAG_S, min(MOST_LAG_S, age_ms // 10_000))


def trusted(age_ms: int, window_ms: int) -> str:
    """Return the conditions under which conversion within an age can be judged over a window."""
    # What did not come is missing until all attempts that waited for it have left the window.
    remembered = over((age_ms + window_ms) // 1_000)
    return "\n".join(
        [
            f"unless on () ({LAG} > {most_lag_s(age_ms)} or {ROLLUP_AGE} > {most_lag_s(age_ms)})",
            f"unless on () max_over_time({UNTRUSTED}[{over(HOLD_S)}])",
            f"unless on () max_over_time({MISSING}[{remembered}])",
        ]
    )


def usual_rules() -> list[Rule]:
    """Return what is usual, for `gates`; it changes slowly."""
    valid = 'verdict=~"unmatched|duplicate|bot|accepted"'
    before = "3h"  # what is late now does not become usual at once
    return [
        record(RATE, f"sum({_counted(3_600, valid)}) / 3600"),
        record(
            USUALLY_LATE, f"sum({_counted(86_400, LATE_RECORD, before)}) / (sum({_counted(86_400, back=before)}) > 0)"
        ),
    ]


def gates(settings: TrackerSettings) -> list[Rule]:
    """Return the recording rules on which `trusted` looks."""
    started = f"{names.PROCESS_START.name} and on (instance) {names.WORKER_PARTITIONS.name}"
    late, seen = f"sum({_counted(600, LATE_RECORD)})", f"sum({_counted(600)})"
    # A backlog is no gap: its events are old too, but all there once it is counted.
    is_long = f"{WATERMARK_AGE} > {settings.alerts.max_gap_ms / 1000:g} and {WATERMARK_AGE} * {RATE} > {GAP_RECORDS}"
    gap = f"{is_long} and {LAG} <= {MOST_LAG_S}"
    surge = f"{LATE} > {LATE_SHARE} unless {LATE} <= {LATE_TIMES} * {USUALLY_LATE}"
    reasons = {
        "lag": f"{LAG} > bool {MOST_LAG_S} == 1",
        "source_lag": f"max({names.REPARTITION_GROUP_LAG.name}) > bool ({MOST_LAG_S} * {RATE} + 1000) == 1",
        "stale": f"{ROLLUP_AGE} > bool {STALE_S} == 1",
        "restart": f"time() - max({started}) < bool {YOUNG_S} == 1",
        "gap": f'max({MISSING}{{reason="gap"}})',
        "late": f'max({MISSING}{{reason="late"}})',
        "no_series": f"absent({names.AS_OF.name})",
    }
    return [
        record(LAG, f"max({names.LAG_SECONDS.name} or {names.REPARTITION_LAG_SECONDS.name})"),
        record(ROLLUP_AGE, f"max(min by (partition) ({names.ROLLUP_AGE.name}))"),
        record(WATERMARK_AGE, f"time() - max({names.WATERMARK.name})"),
        record(LATE, f"{late} / ({seen} > 0) and {late} >= {LATE_RECORDS}"),
        record(MISSING, f"({gap}) > bool 0", reason="gap"),
        record(MISSING, f"({surge}) > bool 0", reason="late"),
        *[record(UNTRUSTED, expr, reason=reason) for reason, expr in reasons.items()],
    ]


def pipeline_alerts(alerts: Alerts, settings: TrackerSettings) -> list[Rule]:
    """Return the alerts on workers and records."""
    up = f'up{{job="{settings.alerts.job}"}}'
    dead, seen = _counted(600, 'verdict=~"invalid|future"'), f"sum({_counted(600)})"
    return [
        alerts.alert(
            "FunnelNoData",
            f"max by (reason) ({UNTRUSTED})",
            "Drop-off is not judged: {{ $labels.reason }}",
            "For ten minutes no drop-off alert could fire: the numbers could not be judged ({{ $labels.reason }}).",
            severity="warning",
            layer="pipeline",
            wait="10m",
        ),
        alerts.alert(
            "FunnelLag",
            f"{LAG} > 60",
            "The workers are {{ $value | humanizeDuration }} behind",
            "Records have waited for {{ $value | humanizeDuration }}. Live numbers are of that time.",
            severity="critical",
            layer="pipeline",
            wait="2m",
        ),
        alerts.alert(
            "FunnelWorkerDown",
            f"{up} == 0 or absent({up})",
            "Worker {{ $labels.instance }} does not answer",
            "Prometheus has not reached the worker's /metrics for two minutes. Other workers take its partitions over.",
            severity="critical",
            layer="pipeline",
            wait="2m",
        ),
        alerts.alert(
            "FunnelRollupStale",
            f"min by (partition) ({names.ROLLUP_AGE.name}) > 30",
            "Nobody sums up partition {{ $labels.partition }}",
            "Its last rollup is {{ $value | humanizeDuration }} old: no worker owns it, or its owner cannot commit.",
            severity="critical",
            layer="pipeline",
            wait="1m",
        ),
        alerts.alert(
            "FunnelWatermarkStall",
            f"{WATERMARK_AGE} > 300 and on () ({seen} > 0)",
            "Records come, but none is newer than {{ $value | humanizeDuration }}",
            "Records are read, but the newest event is {{ $value | humanizeDuration }} old: sources send only events "
            "that are old, invalid or from the future.",
            severity="warning",
            layer="pipeline",
            wait="5m",
        ),
        alerts.alert(
            "FunnelLateSurge",
            f'{LATE} and on () {MISSING}{{reason="late"}}',
            "{{ $value | humanizePercentage }} of the records are late",
            "Within ten minutes {{ $value | humanizePercentage }} of all records were too far behind the watermark "
            "to count. A source is late, or sends old events again.",
            severity="warning",
            layer="pipeline",
        ),
        alerts.alert(
            "FunnelDeadLetters",
            f"{dead} / on () group_left () ({seen} > 0) > 0.01 and {dead} >= 10",
            "{{ $value | humanizePercentage }} of the records are {{ $labels.verdict }}",
            "Within ten minutes {{ $value | humanizePercentage }} of all records were {{ $labels.verdict }}: they "
            "do not count, and are in the dead-letter topic.",
            severity="warning",
            layer="pipeline",
        ),
    ]


def _counted(seconds: int, selector: str = "", back: str = "") -> str:
    """Return how many records of each verdict were counted in the last seconds; every worker says the same."""
    which, offset = f"{{{selector}}}" if selector else "", f" offset {back}" if back else ""
    return f"max by (verdict) (increase({names.RECORDS.name}{which}[{over(seconds)}]{offset}))"
