"""Alerts on a whole funnel: nobody enters any more, and a target is missed.

In:  funnels, the tracker's settings.
Out: recording rules of the entrants that are expected, and the alerts.

Traffic is compared with the same time of past weeks, else with what entered just before. Numbers of people who come
by themselves vary like Poisson's: chance lets x or fewer enter where y are expected with a probability of at most
exp(-(y - x + x ln(x / y))). So low hours cannot fire: where five are expected, none at all is no surprise.
"""

from collections.abc import Sequence

from stream.alerts.form import WEEKS, Alerts, Rule, divergence, record
from stream.alerts.thresholds import threshold_nats
from stream.alerts.trust import UNTRUSTED
from stream.metrics import names
from stream.model.funnel import Funnel
from stream.model.window import RollingWindow
from stream.settings.durations import to_text
from stream.settings.tracker import TrackerSettings

HOUR_MS = 3_600_000
STOPPED = 0.1
"""Share of the expected entrants below which traffic has stopped; half or a fifth of them has other reasons."""

ENTERED = "funnel:entered:max"
PAST_ENTERED = "funnel:entered:same_hour"
EXPECTED = "funnel:entered:expected"
NATS = "funnel:entered:drop_nats"
MATURED_RATIO = "funnel:conversion_matured:ratio"
MATURED_ATTEMPTS = "funnel:conversion_matured:attempts"
TARGET = "funnel:conversion_matured:target"

BY = "funnel, version, window"
ROLLING = 'counts="attempts",form="rolling",breakdown=""'
MATURED = 'counts="attempts",form="matured",breakdown=""'


def traffic_windows(settings: TrackerSettings) -> list[RollingWindow]:
    """Return the rolling windows whose entrants are watched: those up to an hour, else the shortest."""
    ordered = sorted(settings.rolling, key=lambda window: window.window_ms)
    return [window for window in ordered if window.window_ms <= HOUR_MS] or ordered[:1]


def traffic_rules(settings: TrackerSettings) -> list[Rule]:
    """Return who entered, and how many are expected to."""
    windows = traffic_windows(settings)
    each = "|".join(window.name for window in windows)
    entered = f'{names.ENTERED.name}{{window=~"{each}",{ROLLING}}}'
    rules = [record(ENTERED, f"max by ({BY}) ({entered})")]
    rules += [
        record(PAST_ENTERED, f"max by ({BY}) ({entered} offset {week}w)", week=str(week))
        for week in range(1, WEEKS + 1)
    ]
    before = "\nor\n".join(_least_before(window) for window in windows)
    return [
        *rules,
        record(EXPECTED, f"quantile without (week) (0.5, {PAST_ENTERED})\nor\n{before}"),
        record(NATS, f"""
            {EXPECTED} - {ENTERED} + {ENTERED} * ln(clamp_min({ENTERED}, 1e-9) / ({EXPECTED} > 0))
              and {ENTERED} < {EXPECTED}
        """),
    ]  # fmt: skip


def _least_before(window: RollingWindow) -> str:
    """Return the least of the three windows before: evenings, which grow quieter, expect less and less."""
    which = f'{names.ENTERED.name}{{window="{window.name}",{ROLLING}}}'
    offsets = [to_text(times * window.window_ms) for times in (1, 2, 3)]
    past = [
        f'label_replace(max by ({BY}) ({which} offset {offset}), "before", "{at}", "", "")'
        for at, offset in enumerate(offsets, start=1)
    ]
    return "min without (before) (\n  " + "\n  or ".join(past) + "\n)"


def target_rules(settings: TrackerSettings) -> list[Rule]:
    """Return the decided conversion of funnels and steps over the longest window, and what it should be."""
    which = f'{{window="{_longest(settings).name}",{MATURED}}}'
    return [
        _both(MATURED_RATIO, f"{names.CONVERSION.name}{which}", f"{names.STEP_CONVERSION.name}{which}"),
        _both(MATURED_ATTEMPTS, f"{names.ENTERED.name}{which}", f"{names.REACHED.name}{which}"),
        _both(TARGET, names.TARGET.name, f'{names.STEP_TARGET.name}{{age=""}}'),
    ]


def _both(name: str, of_funnel: str, of_step: str) -> Rule:
    return record(name, f"max by (funnel, version) ({of_funnel})\nor\nmax by (funnel, version, step) ({of_step})")


def _longest(settings: TrackerSettings) -> RollingWindow:
    return max(settings.rolling, key=lambda window: window.window_ms)


def traffic_alerts(alerts: Alerts, funnels: Sequence[Funnel], settings: TrackerSettings) -> list[Rule]:
    """Return an alert for each window whose entrants are watched."""
    windows = traffic_windows(settings)
    budget = settings.alerts.false_alarms_per_week
    return [
        alerts.alert(
            "FunnelTrafficStop",
            f"""
            {ENTERED}{{window="{window.name}"}}
              and {NATS} > {threshold_nats(budget, len(windows) * len(funnels), window.window_ms):.2f}
              and {ENTERED} <= {STOPPED} * {EXPECTED}
              unless on () {UNTRUSTED}{{reason!="gap"}}
            """,
            "{{ $labels.funnel }}: hardly anybody enters any more",
            "In the last {{ $labels.window }} {{ $value }} entered, less than a tenth of what is usual at this time.",
            severity="critical",
            layer="traffic",
            wait="2m",
            window=window.name,
        )
        for window in windows
    ]


def target_alert(alerts: Alerts, funnels: Sequence[Funnel], settings: TrackerSettings) -> Rule:
    """Return the alert on targets of funnels and steps."""
    shares = [funnel.target for funnel in funnels] + [step.target for funnel in funnels for step in funnel.steps]
    watched = max(1, sum(share is not None for share in shares))
    nats = threshold_nats(settings.alerts.false_alarms_per_week, watched, _longest(settings).window_ms)
    ratio, target = MATURED_RATIO, TARGET
    return alerts.alert(
        "FunnelTargetMissed",
        f"""
        {ratio} < {target}
          and {MATURED_ATTEMPTS} >= {settings.alerts.min_reached}
          and {MATURED_ATTEMPTS} * ({target} - {ratio}) >= {settings.alerts.min_lost}
          and {MATURED_ATTEMPTS} * {divergence(ratio, f"clamp_max({target}, 0.999)")} > {nats:.2f}
          unless on () {UNTRUSTED}
        """,
        "{{ $labels.funnel }}: the target{{ with $labels.step }} of step {{ . }}{{ end }} is missed",
        f"Of the decided attempts of {_longest(settings).name}, {{{{ $value | humanizePercentage }}}} converted. "
        "That is below the target by more than chance.",
        severity="warning",
        layer="funnel",
        wait="10m",
    )
