"""Named examples of funnels with options, in the tiny notation; whatever the batches, the oracle agrees."""

import random

import pytest

from support.notation import LATE_MS, path
from support.option_engine import by_engine, by_oracle
from support.options.cases import Case
from support.options.notation import funnel

PERIOD = (-100, 100)


@pytest.mark.parametrize(
    ("events", "defined", "attempts", "periods"),
    [
        pytest.param("A@0 B@0 C@0", "A>B? not_before 2>C/2", ["0 converted 3: 0 0"], ["3: 0 0"],
                     id="a-tie-serves-no-optional-step-whose-gap-is-not-over"),
        pytest.param("B@3 D@6 B@8 D@-3 B@7", "D>B within 10 not_before 1>C within 1/10",
                     ["-3 dropped 2: -3 3", "6 dropped 2: 6 8"], ["2: -3 3"],
                     id="a-start-whose-limit-ends-later-is-kept-beside-a-later-one"),
        pytest.param("A@0 A@3 B@4 B@5 A@12", "A>B>C within 9/10",
                     ["0 dropped 2: 3 4", "3 dropped 2: 3 4"], ["2: 3 4"],
                     id="an-attempt-that-enters-at-older-chains-reports-what-reached-its-level-first"),
        pytest.param("A@0 A@2 B@3 B@5 A@11", "A>B within 1>C/10 open",
                     ["0 dropped 2: 2 3", "5 dropped 2: 5"], ["2: 2 3"],
                     id="a-later-start-makes-up-for-a-later-entry"),
        pytest.param("A@0 A@0 B@0", "A>B>A|B/2 open", ["0 converted 3: 0 0 0"], ["3: 0 0 0"],
                     id="of-equal-starts-in-a-tie-the-lowest-entry-step"),
        pytest.param("A@-4 A@-4 B@-4 C@-4 B@-2 C@-1", "A>B within 12>A|B|C within 6>D within 8/14 open",
                     ["-4 dropped 3: -4 -4 -4"], ["3: -4 -4 -4"],
                     id="of-equal-starts-that-an-attempt-opens-at-the-lowest-entry-step"),
        pytest.param("A@0 A@2 B@3 C@4 A@6 C@7 A@11 D@12", "A>B?>C within 1>D>E/10",
                     ["0 dropped 3: 2 3 4", "6 dropped 4: 6 7 12"], ["4: 2 3 4 12"],
                     id="a-chain-that-starts-before-the-attempt-is-none-of-its-own"),
        pytest.param("A@0 B@1 C@2 A@3 C@4 X@6", "A>B?>C within 1>D within 3/10 exclude X remove_actor", [], [],
                     id="a-chain-that-ended-by-its-own-limit-is-not-clean-where-a-later-start-could-go-on"),
        pytest.param("A@0 A@5 Y@5 X@7", "A>B/10 exclude Y end_attempt exclude X remove_actor", [], [],
                     id="nor-one-that-ends-where-a-later-start-goes-on"),
        pytest.param("A@0 A@7 B@8 X@9", "A>B>C/5 exclude X remove_actor", ["0 dropped 1: 0"], [],
                     id="what-was-clean-of-a-lower-level-says-nothing-of-a-deeper-one"),
        pytest.param("A@0 B@1 A@2 C@3 D@4", "A>B?>C>D/10", ["0 converted 4: 0 1 3 4"], ["4: 0 1 3 4"],
                     id="an-earlier-start-with-more-optional-steps-is-kept-beside-a-later-one"),
    ],
)  # fmt: skip
def test_what_comes_of_a_path(events, defined, attempts, periods):
    case = Case(funnel(defined), tuple(path(events)), LATE_MS, (PERIOD,))
    expected = by_oracle(case)
    shown = [f"{a.start_ms} {a.outcome} {a.level}: {' '.join(str(time) for _, time in a.chain)}" for a in expected[0]]
    assert shown == attempts
    assert [f"{p.level}: {' '.join(str(time) for _, time in p.chain)}" for p in expected[1]] == periods
    for seed in range(5):
        assert by_engine(case, random.Random(seed), random.Random(seed).choice([None, 0, 8])) == expected
