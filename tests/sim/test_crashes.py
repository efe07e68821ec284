"""One small log, one fault: once for each callback that a run without faults takes, and for each call of the store.

`FUNNEL_SIM=long` tries every place (`make fuzz`); else some of them. `FUNNEL_SIM_PLACE=N` tries one place again.
"""

import os
from functools import cache, partial

import pytest

from support.sim import faults
from support.sim.judge import Judge
from support.sim.store import Fate
from support.sim.traffic import Case, small_case
from support.sim.world import AtTurn, Outcome, judge_of, run

IS_LONG = os.environ.get("FUNNEL_SIM") == "long"
CHOSEN = os.environ.get("FUNNEL_SIM_PLACE")
SOME = 8
SEEDS = {1: 3, 2: 8}  # by number of workers
AT_TURN = {
    "killed": faults.kill,
    "stopped": faults.stop,
    "asleep": faults.freeze,
    "expelled": faults.expel,
    "cut off from Kafka": faults.cut,
    "with a store that lost its tail": faults.lose_tail,
    "with a store that was emptied": faults.flush,
    "behind a run that is promoted": faults.promote,
}
FAILURES = [fate for fate in Fate if fate is not Fate.ANSWERED]


@cache
def known(workers: int) -> tuple[Case, Judge, Outcome]:
    """Return a case, what it must come to, and how it goes without any fault."""
    case = small_case(SEEDS[workers], workers=workers)
    judge = judge_of(case)
    return case, judge, run(case, judge=judge)


def places(count: int) -> range | list[int]:
    """Return which of `count` places to try, from 1."""
    if CHOSEN is not None:
        return [int(CHOSEN)]
    step = 1 if IS_LONG else max(1, count // SOME)
    return range(1 + step // 2, count + 1, step)


@pytest.mark.parametrize("workers", SEEDS)
def test_without_any_fault_all_is_well(workers):
    _, _, outcome = known(workers)
    assert not outcome.wrong


@pytest.mark.parametrize("workers", SEEDS)
@pytest.mark.parametrize("kind", AT_TURN)
def test_a_worker_may_be_hit_at_any_await(kind, workers):
    case, judge, usual = known(workers)
    for turn in places(usual.busy_turns):
        outcome = run(case, [(AtTurn(turn), AT_TURN[kind])], judge=judge)
        assert not outcome.wrong, outcome.story(f"FUNNEL_SIM_PLACE={turn} pytest {__file__} -k '{kind}-{workers}'")


@pytest.mark.parametrize("workers", SEEDS)
@pytest.mark.parametrize("fate", FAILURES, ids=lambda fate: fate.name.lower())
def test_any_call_of_the_store_may_fail(fate, workers):
    case, judge, usual = known(workers)
    for call in places(usual.calls):
        outcome = run(case, [(AtTurn(0), partial(faults.fail_call, number=call, fate=fate))], judge=judge)
        assert not outcome.wrong, outcome.story(
            f"FUNNEL_SIM_PLACE={call} pytest {__file__} -k '{fate.name.lower()}-{workers}'"
        )
