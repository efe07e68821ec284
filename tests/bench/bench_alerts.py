"""How long drop-off rules take to see a fall, by simulation: what each choice of alert windows costs.

    python -m tests.bench.bench_alerts [falls]

Conversion falls from 40 to 25 % at 100 entrants a minute, against a target of 40 %. Outcomes are known at once and the
rules are evaluated at each slot of 5 s: an age, a scrape and Alertmanager's wait come on top (`tests.bench.alerting`
measures them). Thresholds are those of a tracker with one funnel of two steps and one age.
"""

import random
import sys
from collections.abc import Sequence
from math import exp, log
from statistics import mean, median

from stream.alerts.thresholds import threshold_nats
from stream.settings.tracker import AlertSettings

ENTRANTS_PER_MINUTE = 100
BEFORE, AFTER = 0.40, 0.25
SLOT_S = 5
QUIET_SLOTS, MOST_SLOTS = 360, 240
CHOICES_S = ((60, 300, 1_800), (60, 180, 300, 1_800), (60, 180, 300, 600, 1_800), (300,))


def optimum_s(weeks: float) -> float:
    """Return the least mean delay of any test with one false alarm in so many weeks, which knows both rates.

    That is the CUSUM test's, by Siegmund's approximation: h is its threshold and what it overshoots.
    """
    entrants = weeks * 7 * 24 * 60 * ENTRANTS_PER_MINUTE
    h = 1.0
    for _ in range(50):
        h = log(entrants * _divergence(BEFORE, AFTER) + h + 1)
    return (exp(-h) + h - 1) / _divergence(AFTER, BEFORE) / ENTRANTS_PER_MINUTE * 60


def _divergence(share: float, other: float) -> float:
    return share * log(share / other) + (1 - share) * log((1 - share) / (1 - other))


def delay_s(rng: random.Random, windows_s: Sequence[int], least: AlertSettings) -> int:
    """Draw one fall; return the seconds until the first window tells of it."""
    limits = [threshold_nats(least.false_alarms_per_week, len(windows_s), each * 1_000) for each in windows_s]
    reached, went_on = [], []
    for at in range(QUIET_SLOTS + MOST_SLOTS):
        count = sum(rng.random() < ENTRANTS_PER_MINUTE / 60 * SLOT_S / 100 for _ in range(100))
        reached.append(count)
        went_on.append(sum(rng.random() < (BEFORE if at < QUIET_SLOTS else AFTER) for _ in range(count)))
        if at < QUIET_SLOTS:
            continue
        for window_s, nats in zip(windows_s, limits, strict=True):
            here, on = sum(reached[-window_s // SLOT_S :]), sum(went_on[-window_s // SLOT_S :])
            is_enough = here >= least.min_reached and BEFORE * here - on >= least.min_lost
            if (
                is_enough
                and on <= (1 - least.min_drop) * BEFORE * here
                and here * _divergence(on / here, BEFORE) > nats
            ):
                return (at - QUIET_SLOTS + 1) * SLOT_S
    return MOST_SLOTS * SLOT_S


def main(falls: int) -> None:
    least = AlertSettings()
    weeks = 1 / least.false_alarms_per_week
    print(
        f"| alert windows | mean, s | median, s | optimum at one false alarm in {weeks:g} weeks, s |\n|---|---|---|---|"
    )
    for windows_s in CHOICES_S:
        rng = random.Random(1)
        delays = [delay_s(rng, windows_s, least) for _ in range(falls)]
        named = ", ".join(f"{each // 60}m" for each in windows_s)
        print(f"| {named} | {mean(delays):.0f} | {median(delays):.0f} | {optimum_s(weeks):.0f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
