"""Attempts and period results of single paths, in the tiny notation."""

import pytest


@pytest.mark.parametrize(
    ("path", "funnel", "expected"),
    [
        pytest.param("A@0 A@3 A@9", "A>B/10", ["0 1: 0"], id="time-alone-opens-no-attempt"),
        pytest.param("A@0 A@3 A@9 B@12", "A>B/10", ["0 1: 0", "9 2: 9 12"], id="a-live-chain-that-goes-on-opens-one"),
        pytest.param("A@0 A@5 B@6", "A>B/10", ["0 2: 5 6"], id="entry-is-the-opening-event-the-chain-starts-latest"),
        pytest.param("A@0 B@3 B@5", "A>B/10", ["0 2: 0 3"], id="one-completion-is-counted-once"),
        pytest.param("A@0 B@2 A@2 B@3", "A>B/10", ["0 2: 2 2"], id="the-whole-tie-group-is-consumed"),
        pytest.param("A@0 B@2 A@3 B@4", "A>B/10", ["0 2: 0 2", "3 2: 3 4"], id="after-a-conversion-a-fresh-start"),
        pytest.param("A@0 B@10", "A>B/10", ["0 2: 0 10"], id="the-last-ms-of-the-window-converts"),
        pytest.param("A@0 B@11", "A>B/10", ["0 1: 0"], id="one-ms-later-does-not"),
        pytest.param("A@0 A@11", "A>B/10", ["0 1: 0", "11 1: 11"], id="past-the-window-the-next-attempt-opens"),
        pytest.param("A@0 A@9 B@10 B@12", "A>B>C/10", ["0 2: 9 10", "9 2: 9 10"], id="an-event-may-count-twice"),
        pytest.param("A@0 A@9 B@10 A@13", "A>B>C/10", ["0 2: 9 10", "9 2: 9 10"],
                     id="a-first-step-beside-an-older-live-chain-enters-at-that-chain"),
        pytest.param("A@0 A@9 B@10 C@12", "A>B>C/10", ["0 2: 9 10", "9 3: 9 10 12"],
                     id="a-chain-that-outlived-its-attempt-may-convert-at-once"),
        pytest.param("A@0 B@1 A@2 B@3", "A>B>C/10", ["0 2: 0 1"], id="what-reached-the-level-first-is-reported"),
        pytest.param("A@0 B@1 A@2 B@3 C@4", "A>B>C/10", ["0 3: 2 3 4"], id="of-one-arrival-the-latest-start"),
        pytest.param("B@0 X@1", "A>B/10", [], id="nothing-opens-without-a-first-step"),
        pytest.param("A@0", "A>A/10", ["0 1: 0"], id="one-event-never-serves-two-steps"),
        pytest.param("A@-9 B@0", "A>B/10", ["-9 2: -9 0"], id="negative-times-and-zero"),
    ],
)  # fmt: skip
def test_attempts(run, path, funnel, expected):
    assert run(funnel, path).shown == expected
    assert run(funnel, " ".join(reversed(path.split()))).shown == expected


@pytest.mark.parametrize(
    ("path", "funnel", "expected"),
    [
        pytest.param("A@0 B@3 C@5", "A>B>C/10", [(0, 3, 5)], id="mostly-when-the-chains-events-happened"),
        pytest.param("A@0 A@5 B@6", "A>B/10", [(0, 6)], id="the-first-step-is-reached-with-the-entry"),
        pytest.param("A@0 B@1 A@2 B@3 C@4", "A>B>C/10", [(0, 1, 4)],
                     id="a-deeper-chain-does-not-move-what-was-reached-by-another"),
        pytest.param("A@0 A@3 A@9 B@12", "A>B/10", [(0,), (9, 12)],
                     id="an-attempt-that-enters-at-an-older-chain-has-that-chains-times"),
        pytest.param("A@0 B@2 C@2", "A>B>C/10", [(0, 2, 2)], id="a-tie-may-reach-several-steps-at-once"),
        pytest.param("A@0 A@2 B@2 C@3", "A>B>C/10", [(0, 2, 3)], id="a-new-start-in-the-tie-is-not-a-new-entry"),
    ],
)  # fmt: skip
def test_when_an_attempt_first_reached_its_steps(run, path, funnel, expected):
    assert run(funnel, path).firsts == expected
    assert run(funnel, " ".join(reversed(path.split()))).firsts == expected


@pytest.mark.parametrize(
    ("path", "funnel", "expected"),
    [
        pytest.param("A@8 B@12", "A>B/10", ["0 2: 8 12"], id="a-periods-chain-may-end-after-it"),
        pytest.param("A@8 A@11 B@12", "A>B/10", ["0 2: 8 12", "10 2: 11 12"], id="each-period-has-its-own-start"),
        pytest.param("A@1 B@2 A@3 B@4", "A>B/10", ["0 2: 1 2"], id="of-several-conversions-the-first"),
        pytest.param("A@1 B@2 A@8 B@12", "A>B/10", ["0 2: 1 2"], id="a-period-that-converted-is-done"),
        pytest.param("A@1 A@9 B@10 A@12 C@13", "A>B>C/10", ["0 3: 9 10 13", "10 1: 12"], id="nothing-is-consumed"),
        pytest.param("B@1", "A>B/10", [], id="no-entry-no-result"),
    ],
)
def test_periods_of_ten_ms(run, path, funnel, expected):
    assert run(funnel, path, period_ms=10).shown_periods == expected
    assert run(funnel, " ".join(reversed(path.split())), period_ms=10).shown_periods == expected
