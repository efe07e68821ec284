"""The one-line notation reads what it documents, refusals say why, and attempts settle."""

import pytest

from support.options.attempts import is_settled
from support.options.funnels import OExclusion, OptionFunnel, OStep, refusals
from support.options.notation import attempts_of, funnel, funnel_text

A, B, C = (OStep(frozenset(name)) for name in "ABC")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A>B/10", OptionFunnel((A, B), 10)),
        ("A|D>B/0", OptionFunnel((OStep(frozenset("AD")), B), 0)),
        ("A>B?>C/10", OptionFunnel((A, OStep(frozenset("B"), optional=True), C), 10)),
        (
            "A>B{plan=pro}? within 5 not_before 2>C/10",
            OptionFunnel((A, OStep(frozenset("B"), ("plan", "pro"), True, 5, 2), C), 10),
        ),
        (
            "A>B{v=}/10 strict events X|Y strict_time",
            OptionFunnel(
                (A, OStep(frozenset("B"), ("v", ""))), 10, "strict", strict_time=True, breaking=frozenset("XY")
            ),
        ),
        ("A>B/10 any", OptionFunnel((A, B), 10, "any")),
        ("A>B/10 open first", OptionFunnel((A, B), 10, is_open=True, entry_first=True)),
        ("A>B/10 hold p,q session s", OptionFunnel((A, B), 10, hold=("p", "q"), session="s")),
        ("A>B/10 gap 4 granularity 3", OptionFunnel((A, B), 10, session_gap=4, granularity=3)),
        (
            "A>B>C/10 exclude X|Y 2..3 remove_actor exclude Z{os=a}",
            OptionFunnel(
                (A, B, C),
                10,
                exclusions=(
                    OExclusion(frozenset("XY"), None, 2, 3, "remove_actor"),
                    OExclusion(frozenset("Z"), ("os", "a")),
                ),
            ),
        ),
    ],
)
def test_funnel(text, expected):
    assert funnel(text) == expected
    assert funnel(funnel_text(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "A>B",
        "A>B/",
        "A>/10",
        "A>B/-1",
        "A>B within/10",
        "A>B?? /10",
        "A>B/10 later",
        "A>B/10 exclude X 2-3",
        "A>B/10 hold",
    ],
)
def test_text_that_does_not_fit_is_refused(text):
    with pytest.raises(ValueError, match=r"is not an? "):
        funnel(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A/10", "fewer than two steps"),
        ("A?>B/10", "the first or the last step is optional"),
        ("A>B?/10", "the first or the last step is optional"),
        ("A within 5>B/10", "the first step has no previous event"),
        ("A>B within 2 not_before 3/10", "not_before is longer than within or the window"),
        ("A>B not_before 11/10", "not_before is longer than within or the window"),
        ("A>B within 5/10 any", "any order with within or not_before"),
        ("A>B not_before 5/10 any", "any order with within or not_before"),
        ("A>B/10 any open", "any order with an open funnel"),
        ("A>B>C/10 any exclude X 2..3", "any order with a ranged exclusion"),
        ("A>B?>C/10 any", "any order with an optional step"),
        ("A>B/10 any first", "any order with entry: first"),
        ("A>B/10 open exclude X", "an open funnel with exclusions"),
        ("A>B/10 open first", "an open funnel with entry: first"),
        ("A>B/10 exclude X 2..2", "an exclusion's range is empty or outside the steps"),
        ("A>B>C/10 exclude X 2..4", "an exclusion's range is empty or outside the steps"),
        ("A>B?>C/10 exclude X 1..2", "an exclusion's range ends at an optional step"),
        ("A>B/10 events X", "events: without strict order"),
        ("A>B/10 hold a,b,c,d", "more than three held properties"),
        ("A>B/10 session s gap 4", "two session rules"),
    ],
)
def test_refusals_say_why(text, reason):
    assert reason in refusals(funnel(text))


@pytest.mark.parametrize(
    ("path", "funnel_text", "closed_ms"),
    [
        pytest.param("A@0 B@4", "A>B/10", 4, id="converted"),
        pytest.param("A@0 X@4", "A>B/10 exclude X", 4, id="excluded-at-once"),
        pytest.param("A@0", "A>B/10", 10, id="dropped"),
        pytest.param("A@0 B@1 X@2", "A>B>C/10 exclude X 2..3", 10, id="excluded-at-its-windows-end"),
    ],
)
def test_settled_once_its_end_is_older_than_what_can_still_come(path, funnel_text, closed_ms):
    (attempt,) = attempts_of(path, funnel_text)
    assert not is_settled(attempt, funnel(funnel_text), closed_ms + 5, allowed_lateness=5)
    assert is_settled(attempt, funnel(funnel_text), closed_ms + 6, allowed_lateness=5)
    assert not is_settled(attempt, funnel(funnel_text), None, allowed_lateness=5)


def test_pending_is_never_settled():
    (attempt,) = attempts_of("A@0", "A>B/10", as_of=10)
    assert not is_settled(attempt, funnel("A>B/10"), 99, allowed_lateness=5)


def test_what_settles_is_floored_to_the_granularity():
    (attempt,) = attempts_of("A@3 B@14", "A>B/50 granularity 10")
    assert attempt.closed_ms == 10
    assert not is_settled(attempt, funnel("A>B/50 granularity 10"), 24, allowed_lateness=5)
    assert is_settled(attempt, funnel("A>B/50 granularity 10"), 25, allowed_lateness=5)
