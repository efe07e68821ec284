"""How surprising a drop must be, so that chance raises no more alarms than the budget allows.

In:  a budget of false alarms a week, how many things are watched, how often each is looked at anew.
Out: a threshold in nats.

Chance reaches a likelihood ratio of L nats at one look with a probability of at most exp(-L): by Chernoff's bound where
the expectation is exact, and as measured, half of it, where it is learned from other attempts. docs/alerts.md says how
the budget is spent; tests/property/test_alarms.py measures each step.
"""

from math import log

WEEK_MS = 604_800_000
LOOKS_PER_WINDOW = 3
"""A sliding window is looked at each slot, but two looks that share most attempts are nearly one. Alarms begin as often
as if windows that share none were looked at sqrt(L / pi) times, for a bound of L nats (Pickands; Siegmund): 2.1 times
for 14 nats, 2.5 for 20, 3 for 28."""


def looks_per_week(window_ms: int) -> float:
    """Return how many independent looks at a sliding window make as many alarms in a week as it does."""
    return LOOKS_PER_WINDOW * WEEK_MS / window_ms


def threshold_nats(false_alarms_per_week: float, watched: int, window_ms: int) -> float:
    """Return the least statistic of an alarm where `watched` windows of that length share the budget equally."""
    return log(watched * looks_per_week(window_ms) / false_alarms_per_week)
