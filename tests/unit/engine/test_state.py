"""Sealing folds for good, forgets what is over, and never shows in a result."""

import pytest

from stream.engine.state import BEFORE_ALL_TIME, EMPTY_BASE, FunnelState, expires_ms


def test_sealing_keeps_what_is_at_the_limit_or_above(run):
    actor = run("A>B/10", "A@0 B@4 A@8")
    actor.seal(4)
    assert [entry[0] for entry in actor.state.entries[1:]] == [4, 8]
    actor.seal(9)
    assert len(actor.state.entries) == 1


def test_a_tie_group_is_sealed_whole_or_not_at_all(run):
    actor = run("A>B/10", "A@3 A@3 B@3")
    actor.seal(3)
    assert len(actor.state.entries) == 4
    actor.seal(4)
    assert len(actor.state.entries) == 1


@pytest.mark.parametrize("limit", [1, 5, 9, 100])
def test_sealing_changes_no_later_result(run, limit):
    actor = run("A>B>C/10", "A@0 B@4 A@8")
    actor.seal(limit)
    actor.take("C@100 A@101 B@102")
    whole = run("A>B>C/10", "A@0 B@4 A@8 C@100 A@101 B@102")
    assert actor.shown == whole.shown
    assert actor.shown_periods == whole.shown_periods


def test_memory_does_not_grow_with_the_window(run):
    actor = run("A>B/1000000")
    for time in range(0, 5000, 10):
        actor.take(f"A@{time}", limit=time)
        actor.seal(time)
    assert len(actor.state.entries) == 2


def test_a_period_is_forgotten_once_nothing_can_deepen_it(run):
    actor = run("A>B/10", "A@3 A@25", period_ms=10)
    actor.seal(13)
    assert [period[0] for period in actor.state.fold[2]] == [0, 20]
    actor.seal(14)
    assert [period[0] for period in actor.state.fold[2]] == [20]


def test_a_period_that_converted_is_forgotten_as_soon_as_it_is_over(run):
    actor = run("A>B/100", "A@3 B@4 A@25", period_ms=10)
    actor.seal(9)
    assert [period[0] for period in actor.state.fold[2]] == [0, 20]
    actor.seal(10)
    assert [period[0] for period in actor.state.fold[2]] == [20]


def test_a_period_that_converted_is_forgotten_although_another_chain_goes_on(run):
    actor = run("A>B/100", "A@3 B@4 A@5 A@25", period_ms=10)
    actor.seal(10)
    assert [period[0] for period in actor.state.fold[2]] == [20]


def test_a_state_with_unsealed_events_does_not_expire(run):
    actor = run("A>B/10", "A@0")
    assert expires_ms(actor.funnel, actor.state) is None


def test_a_state_expires_with_its_window_or_its_period_whichever_is_later(run):
    for period_ms, expected in ((5, 17), (1000, 1000)):
        actor = run("A>B/10", "A@7", period_ms=period_ms)
        actor.seal(8)
        assert expires_ms(actor.funnel, actor.state) == expected


def test_a_state_whose_chain_outlives_its_attempt_and_its_periods_expires_with_the_chain(run):
    actor = run("A>B/10", "A@0 A@9", period_ms=5)
    actor.seal(10)
    assert expires_ms(actor.funnel, actor.state) == 19


def test_an_empty_state_has_expired_long_ago(compile_funnel):
    assert expires_ms(compile_funnel("A>B/10"), FunnelState([EMPTY_BASE])) == BEFORE_ALL_TIME


def test_starting_anew_after_expiry_gives_the_same_results(run):
    kept, dropped = run("A>B/10", "A@7", period_ms=5), run("A>B/10", "A@7", period_ms=5)
    dropped.seal(8)
    assert expires_ms(dropped.funnel, dropped.state) < 18
    dropped.state = FunnelState([EMPTY_BASE])
    for actor in (kept, dropped):
        actor.seal(18)
        actor.take("B@18 A@19 B@20")
    assert kept.shown == dropped.shown
    assert kept.shown_periods == dropped.shown_periods
