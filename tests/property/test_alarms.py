"""How often chance alone raises a drop-off alarm: never more often than the budget says."""

import random
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.alerts.thresholds import LOOKS_PER_WINDOW, WEEK_MS, looks_per_week, threshold_nats
from support.surprise import chance, most_alarming, probabilities


@given(st.integers(1, 400), st.floats(0.001, 0.999), st.floats(0.5, 20))
def test_one_look_against_a_target_is_within_chernoffs_bound(reached, expected, nats):
    assert chance(reached, expected, nats) <= exp(-nats) * (1 + 1e-9)


@pytest.mark.parametrize("nats", [5, 10, 15, 20])
@pytest.mark.parametrize("reached", [30, 100, 300])
@pytest.mark.parametrize("behind", [30, 100, 600])
def test_one_look_against_what_was_learned_is_within_it_too(reached, behind, nats):
    for share in (0.02, 0.1, 0.2, 0.4, 0.8, 0.95):
        assert chance(reached, share, nats, behind) <= 0.5 * exp(-nats)


@pytest.mark.parametrize("nats", [4, 6])
@pytest.mark.parametrize("slots", [12, 60])
def test_alarms_of_a_sliding_window_begin_as_often_as_three_looks_a_window_would_raise_them(slots, nats):
    """Counted with a pause of 24 slots between two, as the rules keep firing for 2 minutes of 5 s."""
    rng = random.Random(1)
    share, each, windows = 0.4, 300 // slots, 12_000
    drawn = rng.choices(range(each + 1), probabilities(each, share), k=windows * slots)
    most = most_alarming(each * slots, share, nats)
    total, quiet_since, alarms = sum(drawn[:slots]), 0, 0
    for at in range(slots, len(drawn)):
        total += drawn[at] - drawn[at - slots]
        if total <= most:
            alarms += at - quiet_since > 24
            quiet_since = at
    assert 10 < alarms <= LOOKS_PER_WINDOW * exp(-nats) * windows


def test_the_budget_is_shared_by_all_that_is_watched():
    nats = threshold_nats(0.1, 24, 300_000)
    assert 24 * looks_per_week(300_000) * exp(-nats) == pytest.approx(0.1)
    assert nats == pytest.approx(log(24 * 3 * WEEK_MS / 300_000 / 0.1))
