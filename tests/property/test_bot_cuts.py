"""Who is a bot depends on the log alone: not on where batches are cut, nor on when a state is forgotten."""

import random
from collections.abc import Iterable, Sequence

import pytest

from stream.engine.codec import decode_states
from stream.engine.optioned import says_nothing
from support.option_engine import _Run
from support.options.cases import OPTIONS, Case, random_case

CASES = 100


def counted(case: Case, log: Sequence, lateness_ms: int, cap: int, cuts: Iterable[int], *, sweeps: bool = False):
    """Return verdicts and results of the log in batches of these sizes."""
    run = _Run(case, lateness_ms, (), cap)
    at = 0
    for size in cuts:
        run.take(log[at : at + size])
        at += size
        if sweeps:
            sweep(run)
    return run.verdicts, run.found()


def sweep(run: _Run) -> None:
    """Forget, as the worker does, an actor whose states say nothing at the watermark."""
    by_number = run._funnels.by_number
    for key, blob in list(run._stored.items()):
        states = decode_states(blob, by_number).items()
        if run._limit_ms is not None and all(says_nothing(by_number[n], state, run._limit_ms) for n, state in states):
            del run._stored[key]
            run.forget()


@pytest.mark.parametrize("option", [None, *OPTIONS])
def test_neither_cuts_nor_sweeps_show(option):
    rng = random.Random(f"cuts {option}")
    for _ in range(CASES):
        case = random_case(rng, None if option is None else [option])
        lateness_ms, cap = rng.choice([0, 1, 3]), rng.randrange(4)
        known = [event for event in case.events if case.funnel.floor(event.time) <= case.as_of]
        log = sorted(known, key=lambda event: event.time + rng.uniform(0, lateness_ms))
        log += rng.sample(log, min(len(log), rng.randrange(3)))
        one_by_one = [1] * len(log)
        expected = counted(case, log, lateness_ms, cap, one_by_one)
        assert counted(case, log, lateness_ms, cap, [len(log)]) == expected, (case, lateness_ms, cap)
        assert counted(case, log, lateness_ms, cap, [2] * len(log)) == expected, (case, lateness_ms, cap)
        assert counted(case, log, lateness_ms, cap, one_by_one, sweeps=True) == expected, (case, lateness_ms, cap)
