"""Each event and why it counted or not, in the tiny notation; `N/a1`: at level N of attempt 1's reported chain."""

import pytest

from support.explained import why

DAYS = ((-10, 10), (10, 20), (20, 40))


@pytest.mark.parametrize(
    ("path", "funnel", "expected"),
    [
        pytest.param(
            "A@0 Z@1 B@2",
            "A>B/10",
            ["e1: counted 1/a1 1/p", "e2: no_match", "e3: counted 2/a1 2/p"],
            id="an-event-of-no-step-matches-nothing",
        ),
        pytest.param(
            "A@0 B@1{plan=free} B@2{plan=pro}",
            "A>B{plan=pro}/10",
            ["e1: counted 1/a1 1/p", "e2: no_match", "e3: counted 2/a1 2/p"],
            id="an-event-that-fails-a-condition-matches-nothing",
        ),
        pytest.param(
            "A@0 A@3 B@4",
            "A>B/10",
            ["e1: other_chain step 1 a1", "e2: counted 1/a1 1/p", "e3: counted 2/a1 2/p"],
            id="of-two-starts-the-later-one-is-reported",
        ),
        pytest.param(
            "A#x@0 A#y@0 B@1",
            "A>B/10",
            ["x: counted 1/a1 1/p", "y: other_chain step 1 a1", "e3: counted 2/a1 2/p"],
            id="of-two-at-one-instant-the-smaller-id-is-reported",
        ),
        pytest.param(
            "A@0 B@11",
            "A>B/10",
            ["e1: counted 1/a1 1/p", "e2: outside_window step 2 window by 1"],
            id="the-window-is-over-by-so-much",
        ),
        pytest.param(
            "A@0 B@5",
            "A>B within 3/10",
            ["e1: counted 1/a1 1/p", "e2: outside_window step 2 within by 2"],
            id="within-is-over-by-so-much",
        ),
        pytest.param(
            "A@0 B@1 B@2",
            "A>B not_before 2/10",
            ["e1: counted 1/a1 1/p", "e2: too_soon step 2 not_before by 1", "e3: counted 2/a1 2/p"],
            id="the-gap-was-not-over",
        ),
        pytest.param(
            "A@0 B@0 B@1",
            "A>B/10 strict_time",
            ["e1: counted 1/a1 1/p", "e2: too_soon step 2 strict_time by 1", "e3: counted 2/a1 2/p"],
            id="with-strict-time-an-instant-does-not-follow-itself",
        ),
        pytest.param(
            "B@0 A@1",
            "A>B/10",
            ["e1: order step 2", "e2: counted 1/a1 1/p"],
            id="nothing-had-reached-the-step-before",
        ),
        pytest.param(
            "A@0 B@1 C@2 C@3 B@4",
            "A>B>C/10",
            ["e1: counted 1/a1 1/p", "e2: counted 2/a1 2/p", "e3: counted 3/a1 3/p", "e4: consumed step 3 a1",
             "e5: consumed step 2 a1"],
            id="a-conversion-consumes-what-came-before",
        ),
        pytest.param(
            "A@0 X@1 B@2",
            "A>B/10 exclude X",
            ["e1: counted 1/a1 1/p", "e2: exclusion step 1 exclusion 1 a1", "e3: excluded step 2 exclusion 1 by e2 a1"],
            id="an-exclusion-ends-the-chain-before-a-step",
        ),
        pytest.param(
            "A@0 X@1 B@2 X@3 C@4",
            "A>B>C/10 exclude X 2..3",
            ["e1: counted 1/a1 1/p", "e2: exclusion exclusion 1", "e3: counted 2/a1 2/p",
             "e4: exclusion step 2 exclusion 1 a1", "e5: excluded step 3 exclusion 1 by e4 a1"],
            id="an-exclusion-outside-its-range-does-nothing",
        ),
        pytest.param(
            "A@0 X@1 B@2",
            "A>B/10 exclude X remove_actor",
            ["e1: removed step 1 exclusion 1 by e2 a1", "e2: exclusion step 1 exclusion 1 a1",
             "e3: excluded step 2 exclusion 1 by e2 a1"],
            id="an-exclusion-takes-an-attempt-out-of-everything",
        ),
        pytest.param(
            "A@0 Z@1 B@2",
            "A>B/10 strict",
            ["e1: counted 1/a1 1/p", "e2: broke step 1 a1", "e3: broken step 2 by e2"],
            id="in-strict-order-a-foreign-event-breaks-the-chain",
        ),
        pytest.param(
            "Z@0 A@1 B@2",
            "A>B/10 strict",
            ["e1: foreign", "e2: counted 1/a1 1/p", "e3: counted 2/a1 2/p"],
            id="in-strict-order-a-foreign-event-before-all-breaks-nothing",
        ),
        pytest.param(
            "A@0 A@1 B@2 A@12 B@13",
            "A>B/10 first",
            ["e1: counted 1/a1 1/p", "e2: not_first step 1", "e3: counted 2/a1 2/p", "e4: counted 1/a2 1/p",
             "e5: counted 2/a2 2/p"],
            id="only-the-first-of-a-period-enters",
        ),
        pytest.param(
            "A@0{plan=x} B@1{plan=y} B@2",
            "A>B/10 hold plan",
            ["e1: counted 1/a1 1/p", "e2: other_unit step 2 unit x", "e3: no_match"],
            id="the-chain-holds-another-value",
        ),
        pytest.param(
            "A@0{s=1} B@1{s=2}",
            "A>B/10 session s",
            ["e1: counted 1/a1 1/p", "e2: other_unit step 2 unit 1"],
            id="the-chain-is-of-another-session",
        ),
        pytest.param(
            "A@0 Z@4 B@10",
            "A>B/20 gap 5",
            ["e1: counted 1/a1 1/p", "e2: no_match", "e3: other_unit step 2"],
            id="the-chain-is-of-the-session-before-the-gap",
        ),
        pytest.param(
            "A@1 B@7",
            "A>B/5 granularity 5",
            ["e1: counted 1/a1 1/p", "e2: counted 2/a1 2/p"],
            id="times-are-floored-first",
        ),
        pytest.param(
            "B@0 A@1 A@2",
            "A>B>C/10 any",
            ["e1: counted 1/a1 1/p", "e2: counted 2/a1 2/p", "e3: other_chain step 2 a1"],
            id="in-any-order-the-first-that-reached-a-level-is-reported",
        ),
    ],
)  # fmt: skip
def test_why(path, funnel, expected):
    assert why(path, funnel, periods=DAYS) == expected


def test_an_event_can_be_in_a_periods_chain_alone():
    assert why("A@9 A@11 B@12", "A>B/10", periods=DAYS) == [
        "e1: counted 1/p", "e2: counted 1/a1 1/p", "e3: counted 2/a1 2/p 2/p",
    ]  # fmt: skip
