"""The fast path leaves to the clear form what it does not know."""

from unittest.mock import Mock

import pytest

from stream.engine import in_order
from stream.engine.fold import advance_fold
from stream.engine.in_order import take_in_order
from stream.engine.state import CLOSED, EMPTY_BASE, PERIODS, base_of, fold_of, seal_entries

# (time ms, step): a conversion in the first 30 ms, the begin of a chain in them, and its end behind a first step
PATH = [(0, 0), (1, 1), (2, 2), (25, 0), (26, 1), (31, 0), (32, 2)]


@pytest.mark.parametrize("step", [pytest.param(0, id="a-first-step"), pytest.param(1, id="a-later-step")])
def test_a_period_with_levels_of_its_own_is_left_to_the_clear_fold(compile_funnel, monkeypatch, step):
    funnel = compile_funnel("A>B>C>D/5", 10)
    new, old = (12, None), (8, None, 9, None)
    last = base_of(((new, old), (8, 2, old, None, None, None), ((10, 20, (new,), 1, new),)))
    clear_fold = Mock(wraps=advance_fold)
    monkeypatch.setattr(in_order, "advance_fold", clear_fold)
    entries = [last]
    take_in_order(funnel, entries, [(13, "x", (step,), None)])
    args = (funnel, fold_of(last), 13, ((13, "x", (step,), None, 0),))
    clear_fold.assert_called_once_with(*args)
    assert fold_of(entries[1]) == advance_fold(*args)[0]


def test_chains_whose_period_is_forgotten_are_not_those_of_the_next_one(compile_funnel):
    funnel = compile_funnel("A>B>C/10", 30)
    entries = [EMPTY_BASE]
    take_in_order(funnel, entries, [(time_ms, "x", (step,), None) for time_ms, step in PATH[:5]])
    # The period is over, and was converted in: it says nothing any more.
    seal_entries(funnel, entries, 30)
    ((_, _, _, _, levels, _, periods, _),) = entries
    assert (len(levels), periods) == (2, ())
    take_in_order(funnel, entries, [(time_ms, "x", (step,), None) for time_ms, step in PATH[5:]])
    assert [attempt[:2] for attempt in entries[-1][CLOSED]] == [(25, 3)]
    assert [(start_ms, best) for start_ms, _, _, best, _ in entries[-1][PERIODS]] == [(30, 1)]
