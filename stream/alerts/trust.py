"""When the numbers can be judged, and the alerts on what keeps them from it.

In:  the tracker's settings.
Out: recording rules `funnel:numbers:untrusted` (one series for each reason, absent while all is well) and the
     conditions that other alerts add; alerts on the workers and on what they read.

Drop-off is judged only from numbers that are whole: not while records wait, rollups are old or a worker has just
started, not while nothing comes although much usually does, and not before that gap has left the attempts that are
asked about. That state has an alert of its own.
"""

from stream.alerts.form import Alerts, Rule, over, record
from stream.metrics import names
from stream.settings.tracker import TrackerSettings

UNTRUSTED = "funnel:numbers:untrusted"
LAG = "funnel:lag:seconds"
GAP = "funnel:records_gap:seconds"
WATERMARK_AGE = "funnel:watermark_age:seconds"
RATE = "funnel:records:rate_1h"

MOST_LAG_S = 30
LEAST_LAG_S = 5
STALE_S = 10
"""A worker shows no funnel series either when it has not read the rollups for that long."""
YOUNG_S = 60
HOLD_S = 60
GAP_RECORDS = 20
"""So many records in a row missing by chance has a probability of exp(-20)."""


def most_lag_s(age_ms: int) -> int:
    """Return the lag above which too many of those who went on within an age are not counted yet: a tenth of it."""
    return max(LEAST_LAG_S, min(MOST_LAG_S, age_ms // 10_000))


def trusted(age_ms: int, window_ms: int) -> str:
    """Return the conditions under which conversion within an age can be judged over a window."""
    remembered = over((age_ms + window_ms) // 1_000)
    return "\n".join(
        [
            f"unless on () ({LAG} > {most_lag_s(age_ms)})",
            f"unless on () max_over_time({UNTRUSTED}[{over(HOLD_S)}])",
            f"unless on () max_over_time({GAP}[{remembered}])",
        ]
    )


def gates(settings: TrackerSettings) -> list[Rule]:
    """Return the recording rules on which `trusted` looks."""
    valid = f'{names.RECORDS.name}{{verdict=~"unmatched|duplicate|bot|accepted"}}'
    started = f"{names.PROCESS_START.name} and on (instance) {names.WORKER_PARTITIONS.name}"
    longest_s = settings.alerts.max_gap_ms / 1000
    reasons = {
        "lag": f"{LAG} > bool {MOST_LAG_S} == 1",
        "source_lag": f"max({names.REPARTITION_GROUP_LAG.name}) > bool ({MOST_LAG_S} * {RATE} + 1000) == 1",
        "stale": f"max(min by (partition) ({names.ROLLUP_AGE.name})) > bool {STALE_S} == 1",
        "restart": f"time() - max({started}) < bool {YOUNG_S} == 1",
        "gap": f"{GAP} > bool 0",
        "no_series": f"absent({names.AS_OF.name})",
    }
    return [
        record(RATE, f"sum(max by (verdict) (rate({valid}[{over(3600)}])))"),
        record(LAG, f"max({names.LAG_SECONDS.name} or {names.REPARTITION_LAG_SECONDS.name})"),
        record(WATERMARK_AGE, f"time() - max({names.WATERMARK.name})"),
        record(GAP, f"{WATERMARK_AGE} > {longest_s:g} and {WATERMARK_AGE} * {RATE} > {GAP_RECORDS}"),
        *[record(UNTRUSTED, expr, reason=reason) for reason, expr in reasons.items()],
    ]


def pipeline_alerts(alerts: Alerts, settings: TrackerSettings) -> list[Rule]:
    """Return the alerts on workers and records."""
    up = f'up{{job="{settings.alerts.job}"}}'
    late, dead, seen = _in_10m('verdict="late"'), _in_10m('verdict=~"invalid|future"'), f"sum({_in_10m('')})"
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
            f"sum({late}) / {seen} > 0.05 and sum({late}) >= 20",
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


def _in_10m(selector: str) -> str:
    """Return how many records of each verdict came in ten minutes; every worker says the same."""
    return f"max by (verdict) (increase({names.RECORDS.name}{{{selector}}}[{over(600)}]))"
