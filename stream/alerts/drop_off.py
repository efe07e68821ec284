"""Alerts on steps from which fewer go on than should.

In:  funnels, the tracker's settings.
Out: recording rules of observed and expected age-matched conversion, and the alerts on their difference.

Expected is the median of the same hour of the last four weeks, else the step's target within the age, else nothing:
then the step is learning, and no alert fires. The statistic is the logarithm of a likelihood ratio, in nats: of n
attempts the share p went on, of n0 in past weeks p0, and of all together q; then it is n KL(p || q) + n0 KL(p0 || q). A
target is exact: then q is p0, and the second part 0 (docs/alerts.md).
"""

from collections.abc import Sequence

from stream.aggregate.outcomes import optional_steps
from stream.alerts.form import WEEKS, Alerts, Rule, compound, divergence, record
from stream.alerts.thresholds import WEEK_MS, threshold_nats
from stream.alerts.trust import trusted
from stream.metrics import names
from stream.metrics.budget import UNNAMED
from stream.model.funnel import Funnel
from stream.model.window import Age, AlertWindow
from stream.settings.tracker import TrackerSettings

STEP = "funnel, version, age, breakdown, segment, step"
ON_STEP = f"on ({STEP}) group_left ()"
REACHED = "funnel:age_matched_reached:max"
WENT_ON = "funnel:age_matched_went_on:max"
RATIO = "funnel:age_matched_conversion:ratio"
PAST_REACHED = "funnel:age_matched_reached:same_hour"
PAST_WENT_ON = "funnel:age_matched_went_on:same_hour"
BASELINE = "funnel:age_matched_conversion:median_4w"
BEHIND_BASELINE = "funnel:age_matched_reached:behind_median_4w"
EXPECTED = "funnel:age_matched_conversion:expected"
BEHIND = "funnel:age_matched_reached:behind_expected"
POOLED = "funnel:age_matched_conversion:pooled"
NATS = "funnel:age_matched_conversion:drop_nats"
LOST = "funnel:age_matched_conversion:lost"
LEARNING = "funnel:age_matched_conversion:learning"

TOTALS, SEGMENTS = 'breakdown=""', 'breakdown!=""'


def alert_windows(settings: TrackerSettings) -> list[AlertWindow]:
    """Return the alert windows, shortest first."""
    found = [alert for window in settings.rolling for alert in window.alerts]
    return sorted(found, key=lambda alert: alert.window_ms)


def baseline_rules(settings: TrackerSettings) -> list[Rule]:
    """Return what was counted around the same time of past weeks, and its median.

    An hour of a week is the longest alert window before and the one after the same time. Only instants are asked
    about, no ranges.
    """
    windows = alert_windows(settings)
    bases = [(windows[-1], TOTALS), *[(alert, SEGMENTS) for alert in windows if alert.segment_age][-1:]]
    if len({alert for alert, _ in bases}) == 1:
        bases = [(windows[-1], "")]
    rules = []
    for week in range(1, WEEKS + 1):
        for series, name in ((names.AGE_REACHED.name, PAST_REACHED), (names.AGE_WENT_ON.name, PAST_WENT_ON)):
            sums = [_around(series, alert, splits, week) for alert, splits in bases]
            rules.append(record(name, "\nor\n".join(sums), week=str(week)))
    enough = f"({PAST_REACHED} >= {settings.alerts.min_reached})"
    return [
        *rules,
        record(BASELINE, f"quantile without (week) (0.5, {PAST_WENT_ON} / {enough})"),
        # The median of four weeks is known as well as the mean of 3.3 of them, that of three as of 2.2.
        record(BEHIND_BASELINE, f"2 / 3 * sum without (week) {enough}"),
    ]


def _around(series: str, alert: AlertWindow, splits: str, week: int) -> str:
    which = ",".join([f'window="{alert.name}"', *([splits] if splits else [])])
    return "\n  + ".join(
        f"max by ({STEP}) ({series}{{{which}}} offset {offset})"
        for offset in (f"{week}w", compound(week * WEEK_MS - alert.window_ms))
    )


def step_rules(settings: TrackerSettings) -> list[Rule]:
    """Return what is observed and expected at each step, and how far they lie apart."""
    target = f'clamp_max(max by (funnel, version, age, step) ({names.STEP_TARGET.name}{{age!=""}}), 0.999)'
    if settings.alerts.segment_targets:
        target = f"max by ({STEP}) (0 * {REACHED}) + on (funnel, version, age, step) group_left () {target}"
    every = f"max by (window, {STEP})"
    return [
        record(REACHED, f"{every} ({names.AGE_REACHED.name})"),
        record(WENT_ON, f"{every} ({names.AGE_WENT_ON.name})"),
        record(RATIO, f"{WENT_ON} / ({REACHED} > 0)"),
        record(EXPECTED, f"0 * {REACHED} + {ON_STEP} ({BASELINE} or {target})"),
        record(LEARNING, f"0 * {REACHED} + 1 unless {EXPECTED}"),
        record(LOST, f"{REACHED} * {EXPECTED} - {WENT_ON}"),
        record(BEHIND, f"0 * {REACHED} + {ON_STEP} {BEHIND_BASELINE}"),
        record(POOLED, f"({WENT_ON} + {BEHIND} * {EXPECTED}) / ({REACHED} + {BEHIND})\nor\n{EXPECTED}"),
        record(NATS, f"""
            (
              {REACHED} * {divergence(RATIO, POOLED)}
              + ({BEHIND} * {divergence(EXPECTED, POOLED)} or 0 * {POOLED})
            )
            and {RATIO} < {EXPECTED}
        """),
    ]  # fmt: skip


def drop_off_alerts(alerts: Alerts, funnels: Sequence[Funnel], settings: TrackerSettings) -> list[Rule]:
    """Return an alert for each window and age of totals, and for each window of segments.

    Totals and segments, where there are some, have half of the budget of false alarms each; all that one half watches
    share it equally.
    """
    windows, ages = alert_windows(settings), list(settings.age_matched)
    steps = [len(funnel.steps) - 1 - len(optional_steps(funnel)) for funnel in funnels]
    totals = [(alert, age) for alert in windows for age in ages if _has(settings, alert, age)]
    parts = [(alert, age) for alert, age in totals if alert.segment_age == age.name]
    segments = [sum(settings.export.most(each) + UNNAMED for each in funnel.breakdowns) for funnel in funnels]
    watched_totals = len(totals) * sum(steps)
    watched_segments = len(parts) * sum(count * each for count, each in zip(steps, segments, strict=True))
    both = [each for each in ((totals, watched_totals, True), (parts, watched_segments, False)) if each[1]]
    budget = settings.alerts.false_alarms_per_week / max(1, len(both))
    return [
        _drop_off(alerts, settings, alert, age, threshold_nats(budget, watched, alert.window_ms), is_total=is_total)
        for pairs, watched, is_total in both
        for alert, age in pairs
    ]


def _has(settings: TrackerSettings, alert: AlertWindow, age: Age) -> bool:
    return any(alert in window.alerts and window.has_age(age) for window in settings.rolling)


def _drop_off(  # noqa: PLR0913
    alerts: Alerts, settings: TrackerSettings, alert: AlertWindow, age: Age, nats: float, *, is_total: bool
) -> Rule:
    least = settings.alerts
    which = f'window="{alert.name}",age="{age.name}",{TOTALS if is_total else SEGMENTS}'
    at = "" if is_total else " in {{ $labels.breakdown }} {{ $labels.segment }}"
    keys = ("funnel", "version", "window", "age", "breakdown", "segment", "step")
    own = ",".join(f"{key}=%q" for key in keys)
    values = " ".join(f"$labels.{key}" for key in keys)

    def looked_up(series: str, form: str) -> str:
        found = f"{{{{ with printf `{series}{{{own}}}` {values} | query }}}}"
        return f"{found}{{{{ . | first | value | {form} }}}}{{{{ end }}}}"

    return alerts.alert(
        "FunnelDropOffSpike" if is_total else "FunnelSegmentDropOffSpike",
        f"""
        (
          {RATIO}{{{which}}}
            and {NATS} > {nats:.2f}
            and {REACHED} >= {least.min_reached}
            and {LOST} >= {least.min_lost}
            and {RATIO} <= {1 - least.min_drop:g} * {EXPECTED}
          {_indented(trusted(age.age_ms, alert.window_ms), "          ")}
        )
        * on (funnel, version, step) group_left (step_name)
          max by (funnel, version, step, step_name) ({names.STEP_INFO.name})
        """,
        "{{ $labels.funnel }}: fewer go on from step {{ $labels.step }} ({{ $labels.step_name }})" + at,
        f"Of those who reached {{{{ $labels.step_name }}}}{at} in the {{{{ $labels.window }}}} that have had "
        "{{ $labels.age }} to go on, {{ $value | humanizePercentage }} did, expected were "
        f"{looked_up(EXPECTED, 'humanizePercentage')}. That is {looked_up(LOST, 'printf `%.0f`')} lost in that window.",
        severity="critical" if is_total else "warning",
        layer="funnel",
        keep="2m",
        window=alert.name,
        age=age.name,
    )


def _indented(text: str, by: str) -> str:
    return f"\n{by}".join(text.splitlines())
