"""Random logs, random workers, random faults of every kind: in the end the store holds what the log says.

`FUNNEL_SIM_SEED=N pytest tests/sim/test_seeds.py` runs one seed again; `FUNNEL_SIM=long` runs many (`make fuzz`).
"""

import os

import pytest

from support.sim.faults import plan, switches
from support.sim.traffic import random_case
from support.sim.world import run

RECORDS = 60
SEEDS = range(3_000) if os.environ.get("FUNNEL_SIM") == "long" else range(40)
SWITCHED = range(3_000) if os.environ.get("FUNNEL_SIM") == "long" else range(12)
CHOSEN = os.environ.get("FUNNEL_SIM_SEED")


@pytest.mark.parametrize("seed", SEEDS if CHOSEN is None else [int(CHOSEN)])
def test_whatever_happens_every_record_is_counted_once(seed):
    case = random_case(seed, RECORDS)
    outcome = run(case, plan(seed, case.workers))
    assert not outcome.wrong, outcome.story(f"FUNNEL_SIM_SEED={seed} pytest {__file__}")


@pytest.mark.parametrize("seed", SWITCHED if CHOSEN is None else [int(CHOSEN)])
def test_and_so_it_is_when_live_is_switched_to_a_run_and_back_meanwhile(seed):
    case = random_case(seed, RECORDS)
    outcome = run(case, [*plan(seed, case.workers), *switches(seed)])
    assert not outcome.wrong, outcome.story(f"FUNNEL_SIM_SEED={seed} pytest {__file__} -k switched")
