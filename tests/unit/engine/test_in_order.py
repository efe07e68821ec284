"""The fast path leaves to the clear form what it does not know."""

import pytest

from stream.engine.in_order import next_entry
from stream.engine.state import base_of


@pytest.mark.parametrize("step", [pytest.param(0, id="a-first-step"), pytest.param(1, id="a-later-step")])
def test_a_period_with_levels_of_its_own_is_left_to_the_clear_fold(compile_funnel, step):
    funnel = compile_funnel("A>B>C>D/5", 10)
    new, old = (12, None), (8, None, 9, None)
    last = base_of(((new, old), (8, 2, old, None, None, None), ((10, 20, (new,), 1, new),)))
    assert next_entry(funnel, last, 13, "x", (step,), None) is None
