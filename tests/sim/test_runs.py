"""Whatever befalls the processes of a run: it ends, with what its part of the log comes to, and live is untouched.

`FUNNEL_SIM_SEED=N pytest tests/sim/test_runs.py` runs one seed again; `FUNNEL_SIM=long` runs many.
"""

import os

import pytest

from support.sim import faults
from support.sim.replayed import RunWorld
from support.sim.traffic import random_case
from support.sim.world import play

RECORDS = 60
SEEDS = range(1_000) if os.environ.get("FUNNEL_SIM") == "long" else range(15)
CHOSEN = os.environ.get("FUNNEL_SIM_SEED")


@pytest.mark.parametrize("seed", SEEDS if CHOSEN is None else [int(CHOSEN)])
def test_whatever_happens_a_run_ends_with_what_its_log_says(seed):
    case = random_case(seed, RECORDS)
    strikes = [strike for strike in faults.plan(seed, case.workers) if strike[1] is not faults.flush]
    outcome = play(RunWorld(case), strikes)
    assert not outcome.wrong, outcome.story(f"FUNNEL_SIM_SEED={seed} pytest {__file__}")
