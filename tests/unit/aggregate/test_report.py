"""A tally's outcomes at an instant: who is pending, and who no longer."""

from dataclasses import replace

import pytest

from stream.aggregate.report import Tally, whole_range
from stream.aggregate.rings import WHOLE
from stream.engine.advance import Change
from stream.engine.match import FunnelSet
from stream.model.funnel import Funnel, Step
from stream.model.result import Counts

FUNNEL = Funnel("shop", 1, (Step("view", ("view",)), Step("cart", ("cart",)), Step("buy", ("buy",))), 10)


def attempt(*times: int, fate: tuple | None = None) -> tuple:
    chain = tuple(item for time_ms in times for item in (time_ms, None))
    return next(each for each in times if each is not None), len(times), chain, None, None, fate


def outcomes(attempts: list[tuple], as_of_ms: int, funnel: Funnel = FUNNEL) -> Counts:
    (compiled,) = FunnelSet([funnel]).funnels
    tally = Tally(compiled, whole_range, as_of_ms)
    tally.take(Change((), attempts))
    return tally.report().attempts[None, WHOLE]


def test_an_attempt_is_pending_up_to_the_last_instant_of_its_window():
    assert outcomes([attempt(5, 6)], 15).pending == [0, 1]
    assert outcomes([attempt(5, 6)], 16).dropped == [0, 1]


@pytest.mark.parametrize(("as_of_ms", "dropped"), [(17, 0), (19, 1)])
def test_the_instant_is_floored_to_the_granularity_as_event_times_are(as_of_ms, dropped):
    counts = outcomes([attempt(6)], as_of_ms, replace(FUNNEL, granularity_ms=6))
    assert (counts.dropped[0], counts.pending[0]) == (dropped, 1 - dropped)


def test_a_conversion_is_one_whatever_the_instant():
    assert outcomes([attempt(0, 1, 2)], 2).converted == 1
    assert outcomes([attempt(0, 1, 2)], 99).converted == 1


def test_what_is_taken_back_counts_nowhere():
    (compiled,) = FunnelSet([FUNNEL]).funnels
    tally = Tally(compiled, whole_range, 12)
    tally.take(Change((), [attempt(0), attempt(5, 6)]))
    tally.take(Change([attempt(0), attempt(5, 6)], []))
    assert tally.report().attempts[None, WHOLE].entered == 0
