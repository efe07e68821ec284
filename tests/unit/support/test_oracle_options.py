"""The oracle of the options against cases worked out by hand, option by option."""

import pytest

from support.options.funnels import refusals
from support.options.notation import actors_of, attempts_of, funnel, outcomes, reached
from support.options.readings import READINGS

TENS = [(0, 10), (10, 20), (20, 30)]


def case(path, funnel_text, *expected, **ids):
    """One row of a table: a path, a funnel, the lines the oracle says."""
    return pytest.param(path, funnel_text, list(expected), **ids)


def check(path, funnel_text, expected, **how):
    assert refusals(funnel(funnel_text)) == []
    assert outcomes(path, funnel_text, **how) == expected


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.rule.replace(" ", "-"))
def test_readings_of_spec(reading):
    assert refusals(funnel(reading.funnel)) == []
    if reading.about == "actors":
        found = actors_of(reading.path, reading.funnel, reading.periods, reading.as_of)
    else:
        found = outcomes(reading.path, reading.funnel, reading.as_of, reading.periods)
    assert found == reading.says.split(" / ")


@pytest.mark.parametrize(
    ("path", "funnel_text", "expected"),
    [
        case("A@0 A@3 A@9", "A>B/10", "0 dropped 1: e1", id="time-alone-opens-no-attempt"),
        case("A@0 A@3 A@9 B@12", "A>B/10", "0 dropped 1: e1", "9 converted 2: e3 e4",
             id="the-second-is-entered-at-the-latest-start"),
        case("A@0 A@9 B@10 A@13", "A>B>C/10", "0 dropped 2: e2 e3", "9 dropped 2: e2 e3",
             id="an-intermediate-event-may-count-in-two-attempts"),
        case("B@0 A@0", "A>B/10", "0 converted 2: e2 e1", id="a-tie-has-no-order"),
        case("A@0 B@2 A@2 B@3", "A>B/10", "0 converted 2: e3 e2", id="the-whole-tie-group-is-consumed"),
    ],
)  # fmt: skip
def test_no_options(path, funnel_text, expected):
    check(path, funnel_text, expected)


@pytest.mark.parametrize(
    ("path", "funnel_text", "expected"),
    [
        case("A@0 A@1 B@2 C@3", "A>B>C/10 strict", "0 converted 3: e2 e3 e4", id="A-A-B-C-converts"),
        case("A@0 B@1 B@2 C@3", "A>B>C/10 strict", "0 converted 3: e1 e2 e4", id="A-B-B-C-converts"),
        case("A@0 X@1 B@2", "A>B/10 strict", "0 dropped 1: e1", id="A-X-B-does-not"),
        case("A@0 B@1 X@2 C@3", "A>B>C/10 strict", "0 dropped 2: e1 e2", id="nor-later-in-the-chain"),
        case("A@0 X@1 A@2 B@3 C@4", "A>B>C/10 strict", "0 converted 3: e3 e4 e5", id="a-later-first-step-restarts"),
        case("A@0 B@1 A@2 B@3 C@4", "A>B>C/10 strict", "0 converted 3: e3 e4 e5", id="also-from-the-middle"),
        case("A@0 X@0 B@1 X@1 C@2", "A>B>C/10 strict", "0 converted 3: e1 e3 e5", id="ties-never-break"),
        case("A@0 C@1 B@2 C@3", "A>B>C/10 strict", "0 dropped 1: e1", id="a-later-step-breaks-too"),
        case("A@0 A@1 A@2", "A>A>A/10 strict", "0 converted 3: e1 e2 e3", id="a-repeated-step"),
        case("A@0 A@1 A@2 B@3", "A>A>B/10 strict", "0 converted 3: e2 e3 e4", id="a-repeated-step-starts-late"),
        case("A@0 B@1 C@2", "A|B>B>C/10 strict", "0 converted 3: e1 e2 e3", id="overlapping-steps"),
        case("A@0 B@1 B@2 C@3", "A|B>B>C/10 strict", "0 converted 3: e2 e3 e4", id="overlapping-steps-start-late"),
        case("A@0 X@1 B@2", "A>B/10 strict events Y", "0 converted 2: e1 e3", id="only-listed-events-break"),
        case("A@0 Y@1 B@2", "A>B/10 strict events Y", "0 dropped 1: e1", id="a-listed-event-breaks"),
    ],
)  # fmt: skip
def test_strict(path, funnel_text, expected):
    check(path, funnel_text, expected)


@pytest.mark.parametrize(
    ("path", "funnel_text", "expected"),
    [
        case("A@0 A@1 B@1", "A>B/10 strict_time", "0 converted 2: e1 e3", id="the-tied-start-is-not-before"),
        case("A@0 B@0", "A>B/10 strict_time", "0 dropped 1: e1", id="a-tie-is-no-order"),
        case("A@0 B@0 B@1", "A>B/10 strict_time", "0 converted 2: e1 e3", id="one-ms-later-is"),
        case("A@0 B@1 C@1 C@2", "A>B>C/10 strict_time", "0 converted 3: e1 e2 e4", id="at-every-step"),
        case("A@0 A@0", "A>A/10 strict_time", "0 dropped 1: e1", id="two-tied-events-of-a-repeated-step"),
        case("A@0 A@1", "A>A/10 strict_time", "0 converted 2: e1 e2", id="a-repeated-step"),
        case("A@0 B@0", "A>B/0 strict_time", "0 dropped 1: e1", id="a-window-of-zero-lets-nothing-through"),
        case("A@0 B@2 A@2 B@3", "A>B/10 strict_time", "0 converted 2: e1 e2",
             id="the-tie-group-is-consumed-all-the-same"),
        case("A@0 B@0 C@1", "A|B>B>C/10 strict_time", "0 dropped 1: e1", id="overlapping-steps"),
        case("A@0 X@1 B@1", "A>B/10 strict strict_time", "0 converted 2: e1 e3", id="with-strict-order"),
    ],
)  # fmt: skip
def test_strict_time(path, funnel_text, expected):
    check(path, funnel_text, expected)


@pytest.mark.parametrize(
    ("path", "funnel_text", "expected"),
    [
        case("A@0 B@5 C@20", "A>B within 5>C/20", "0 converted 3: e1 e2 e3", id="inclusive-and-only-for-its-step"),
        case("A@0 B@6", "A>B within 5/20", "0 dropped 1: e1", id="one-ms-more-is-too-late"),
        case("A@0 A@3 B@7", "A>B within 5/20", "0 converted 2: e2 e3", id="a-later-start-is-near-enough"),
        case("A@0 B@5 C@11", "A>B>C within 6/10", "0 dropped 2: e1 e2", id="together-with-the-window"),
        case("A@0 B@0", "A>B within 0/10", "0 converted 2: e1 e2", id="zero-means-a-tie"),
        case("A@0 B@1 B@3 C@6", "A>B>C within 3/20", "0 converted 3: e1 e3 e4", id="a-later-event-of-the-step-is-near"),
        case("A@0 B@1 B@3 C@6", "A>B>C within 5/20", "0 converted 3: e1 e3 e4", id="the-latest-is-reported"),
        case("A@0 B@1 B@3 C@6", "A>B>C/20", "0 converted 3: e1 e2 e4", id="without-within-the-earliest-is"),
        case("A@0 A@4 A@8", "A>A within 4>A within 4/20", "0 converted 3: e1 e2 e3", id="a-repeated-step"),
        case("A@0 A@5 A@9", "A>A within 4>A within 4/20", "0 dropped 2: e2 e3",
             id="the-chain-may-start-after-the-entry"),
        case("A@0 B@3 C@3", "A>B|C within 3>C within 0/20", "0 converted 3: e1 e2 e3", id="overlapping-steps-in-a-tie"),
    ],
)  # fmt: skip
def test_within(path, funnel_text, expected):
    check(path, funnel_text, expected)


@pytest.mark.parametrize(
    ("path", "funnel_text", "expected"),
    [
        case("A@0 B@5", "A>B not_before 5/10", "0 converted 2: e1 e2", id="inclusive"),
        case("A@0 B@4", "A>B not_before 5/10", "0 dropped 1: e1", id="one-ms-less-is-too-early"),
        case("A@0 A@3 B@6", "A>B not_before 5/10", "0 converted 2: e1 e3",
             id="a-later-start-does-not-hide-the-ripe-one"),
        case("A@0 A@3 B@8", "A>B not_before 5/10", "0 converted 2: e2 e3", id="and-is-used-once-ripe"),
        case("A@0 B@0 B@5", "A>B not_before 5/10", "0 converted 2: e1 e3", id="a-tie-is-too-early"),
        case("A@0 B@1 B@2 C@6", "A>B>C not_before 3/10", "0 converted 3: e1 e2 e4",
             id="the-earliest-event-is-reported"),
        case("A@0 B@1 B@2 B@4 C@6", "A>B>C within 5 not_before 3/10", "0 converted 3: e1 e3 e5",
             id="with-within-the-latest-that-is-ripe"),
        case("A@0 A@8 A@9 A@12", "A>B not_before 5/10", "0 dropped 1: e1", "8 dropped 1: e2",
             id="all-starts-whose-gap-is-not-over-count-for-the-entry"),
        case("A@0 A@5 A@6", "A>A not_before 5/10", "0 converted 2: e1 e2", "6 dropped 1: e3", id="a-repeated-step"),
        case("A@0 X@3 B@6", "A>B not_before 5/10 exclude X", "0 excluded 1: e1", id="an-exclusion-inside-the-gap"),
        case("A@0 X@3 A@3 B@5", "A>B not_before 5/10 exclude X", "0 dropped 1: e1",
             id="an-exclusion-leaves-the-unripe-start-of-its-instant"),
        case("A@0 B@4", "A>B not_before 5/10 strict", "0 dropped 1: e1", id="with-strict-order"),
        case("A@0 B@4 B@5", "A>B not_before 5/10 strict", "0 dropped 1: e1", id="what-comes-too-early-breaks"),
    ],
)  # fmt: skip
def test_not_before(path, funnel_text, expected):
    check(path, funnel_text, expected)


@pytest.mark.parametrize(
    ("path", "funnel_text", "expected"),
    [
        case("A@0 B@1 X@2 B@4 C@5", "A>B>C/10 exclude X 2..3", "0 converted 3: e1 e4 e5",
             id="a-fresh-step-after-a-live-one-makes-a-clean-chain"),
        case("A@0 X@1 B@2", "A>B/10 exclude X", "0 excluded 1: e1", id="between-the-steps"),
        case("A@0 X@0 B@1", "A>B/10 exclude X", "0 converted 2: e1 e3", id="tied-with-the-first-end"),
        case("A@0 X@1 B@1", "A>B/10 exclude X", "0 converted 2: e1 e3", id="tied-with-the-last-end"),
        case("X@0 A@1 B@2 X@3", "A>B/10 exclude X", "1 converted 2: e2 e3", id="outside-the-chain"),
        case("A@0 X@1 A@2 B@3", "A>B/10 exclude X", "0 excluded 1: e1", "2 converted 2: e3 e4",
             id="then-a-new-attempt"),
        case("A@0 X@3 A@3 B@4", "A>B/10 exclude X", "0 converted 2: e3 e4", id="the-first-step-of-its-instant-is-kept"),
        case("A@0 B@1 X@2", "A>B>C/10 exclude X 2..3", "0 excluded 2: e1 e2", id="the-best-level-cleared-for-good"),
        case("A@0 B@1 X@2 B@4", "A>B>C/10 exclude X 2..3", "0 dropped 2: e1 e2", id="the-best-level-reached-again"),
        case("A@0 X@1 B@2 C@3", "A>B>C/10 exclude X 2..3", "0 converted 3: e1 e3 e4", id="before-its-range"),
        case("A@0 B@1 X@2 C@3", "A>B>C/10 exclude X 1..2", "0 converted 3: e1 e2 e4", id="after-its-range"),
        case("A@0 X@1 B@2 C@3", "A>B>C/10 exclude X 1..2", "0 excluded 1: e1", id="inside-its-range"),
        case("A@0 B@1 X@2 C@2", "A>B>C/10 exclude X 2..3", "0 converted 3: e1 e2 e4", id="in-a-tie-first-extend"),
        case("A@0 B@2 X@2 C@3", "A>B>C/10 exclude X 2..3", "0 converted 3: e1 e2 e4",
             id="keep-what-starts-its-range-there"),
        case("A@0 B@2 X@2 C@3", "A>B>C/10 exclude X", "0 excluded 2: e1 e2", id="then-clear-the-rest"),
        case("A@0 Y@1 B@2 X@3 C@4", "A>B>C/10 exclude X 1..2 exclude Y 2..3", "0 converted 3: e1 e3 e5",
             id="each-has-its-own-range"),
        case("A@0 B@1 Y@2 C@3", "A>B>C/10 exclude X 1..2 exclude Y 2..3", "0 excluded 2: e1 e2", id="the-second-hits"),
        case("A@0 A@1 X@2 A@3", "A>A>A/10 exclude X 2..3", "0 dropped 2: e1 e2", id="a-repeated-step-reached-again"),
        case("A@0 X@1{os=b} B@2", "A>B/10 exclude X{os=a}", "0 converted 2: e1 e3", id="only-with-its-property"),
        case("A@0 X@1 B@2", "A>B/10 strict exclude X", "0 excluded 1: e1", id="in-strict-order-it-excludes-and-breaks"),
        case("A@0 A@9 B@10 X@12 B@13", "A>B>C/10 exclude X 2..3", "0 dropped 2: e2 e3", "9 dropped 2: e2 e5",
             id="a-cleared-chain-is-not-what-the-next-attempt-reports"),
    ],
)  # fmt: skip
def test_exclusions(path, funnel_text, expected):
    check(path, funnel_text, expected)


def test_an_excluded_attempt_closes_at_once_or_with_its_window():
    at_once, at_the_end = "A>B>C/10 exclude X", "A>B>C/10 exclude X 2..3"
    assert [a.closed_ms for a in attempts_of("A@0 B@1 X@2", at_once)] == [2]
    assert [a.closed_ms for a in attempts_of("A@0 B@1 X@2", at_the_end)] == [10]
    assert outcomes("A@0 B@1 X@2", at_the_end, as_of=10) == ["0 pending 2: e1 e2"]
    assert outcomes("A@0 B@1 X@2", at_the_end, as_of=11) == ["0 excluded 2: e1 e2"]


@pytest.mark.parametrize(
    ("path", "funnel_text", "expected"),
    [
        case("A@0 X@1 A@2 B@3", "A>B/10 exclude X remove_actor", "2 converted 2: e3 e4", id="the-attempt-is-taken-out"),
        case("A@0 B@1 X@2", "A>B>C/10 exclude X 2..3 remove_actor", id="at-its-windows-end-too"),
        case("A@0 B@1 X@2 B@4", "A>B>C/10 exclude X 2..3 remove_actor", "0 dropped 2: e1 e2",
             id="not-where-the-level-was-reached-again"),
        case("A@0 X@1 B@1", "A>B/10 exclude X remove_actor", "0 converted 2: e1 e3", id="not-at-a-tie"),
        case("A@0 X@1 Y@1", "A>B/10 exclude X exclude Y remove_actor", id="the-stronger-effect-of-an-instant"),
        case("A@0 X@1 Y@2", "A>B/10 exclude X exclude Y remove_actor", "0 excluded 1: e1",
             id="what-closed-it-first-counts"),
    ],
)  # fmt: skip
def test_remove_actor_in_attempts(path, funnel_text, expected):
    check(path, funnel_text, expected)


@pytest.mark.parametrize(
    ("path", "funnel_text", "as_of", "expected"),
    [
        pytest.param("A@0 X@1 B@2", "A>B/10 exclude X", 99, "0 1: e1", id="end-attempt-keeps-what-was-reached"),
        pytest.param("A@0 X@1 B@2", "A>B/10 exclude X remove_actor", 99, "0 removed", id="remove-actor-keeps-nothing"),
        pytest.param("A@0 X@1 B@2 A@5 B@6", "A>B/10 exclude X remove_actor", 99, "0 2: e4 e5",
                     id="a-clean-chain-counts"),
        pytest.param("A@0 B@1 X@2 C@3 B@4", "A>B>C/10 exclude X 2..3 remove_actor", 99, "0 removed",
                     id="a-clean-chain-less-deep-does-not"),
        pytest.param("A@0 A@20 X@21", "A>B/10 exclude X remove_actor", 99, "0 1: e1",
                     id="the-start-left-its-window-clean"),
        pytest.param("A@0 X@11", "A>B/10 exclude X remove_actor", 99, "0 1: e1", id="after-the-window-nothing-clears"),
        pytest.param("A@0 X@10", "A>B/10 exclude X remove_actor", 99, "0 removed", id="at-its-end-it-does"),
        pytest.param("A@0 X@5", "A>B/10 exclude X remove_actor", 4, "0 1: e1", id="live-and-not-cleared-yet"),
        pytest.param("A@0 X@5", "A>B/10 exclude X remove_actor", 5, "0 removed", id="live-and-cleared"),
        pytest.param("A@0 B@1 X@2", "A>B>C/10 exclude X 1..2 remove_actor", 99, "0 2: e1 e2", id="outside-its-range"),
        pytest.param("A@0 B@1 X@2 B@3", "A>B>C/10 exclude X 2..3 remove_actor", 99, "0 2: e1 e2",
                     id="the-level-was-reached-again-clean"),
        pytest.param("A@0 B@1 X@9", "A>B>C within 3/10 exclude X remove_actor", 99, "0 2: e1 e2",
                     id="dead-by-within-before"),
    ],
)  # fmt: skip
def test_remove_actor_in_actors(path, funnel_text, as_of, expected):
    assert actors_of(path, funnel_text, [(0, 100)], as_of) == [expected]


@pytest.mark.parametrize(
    ("path", "funnel_text", "expected"),
    [
        case("A@0 C@1", "A>B?>C/10", "0 converted 3: e1 3:e2", id="skipped"),
        case("A@0 B@1 C@2", "A>B?>C/10", "0 converted 3: e1 e2 e3", id="taken"),
        case("A@0 B@1 A@2 C@3", "A>B?>C/10", "0 converted 3: e1 e2 e4", id="taken-rather-than-a-later-start"),
        case("A@0 C@1 B@2 C@3", "A>B?>C/10", "0 converted 3: e1 3:e2", id="skipped-rather-than-a-later-completion"),
        case("A@0 C@2 B@2", "A>B?>C/10", "0 converted 3: e1 e3 e2", id="taken-in-a-tie"),
        case("A@0 B@3 C@6", "A>B?>C within 3/10", "0 converted 3: e1 e2 e3", id="within-counts-from-the-event-before"),
        case("A@0 C@4", "A>B?>C within 3/10", "0 dropped 1: e1", id="which-may-be-that-of-an-earlier-step"),
        case("A@0 B@1 C@5", "A>B?>C not_before 5/10", "0 converted 3: e1 3:e3", id="not-before-too"),
        case("A@0 D@1", "A>B?>C?>D/10", "0 converted 4: e1 4:e2", id="two-skipped"),
        case("A@0 C@1 D@2", "A>B?>C?>D/10", "0 converted 4: e1 3:e2 4:e3", id="one-of-two-skipped"),
        case("A@0 B@1 X@2 C@3", "A>B?>C/10 exclude X", "0 excluded 2: e1 e2", id="excluded-at-an-optional-step"),
        case("A@0 A@1 A@2", "A>A?>A/10", "0 converted 3: e1 3:e2", "2 dropped 1: e3", id="a-repeated-step"),
        case("A@0 A@1 A@1", "A>A?>A/10", "0 converted 3: e1 e3 e2", id="a-repeated-step-in-a-tie"),
        case("A@0 B@1", "A>B|C?>B/10", "0 converted 3: e1 3:e2", id="an-overlapping-step-goes-deepest"),
    ],
)  # fmt: skip
def test_optional(path, funnel_text, expected):
    check(path, funnel_text, expected)


@pytest.mark.parametrize(
    ("path", "funnel_text", "expected"),
    [
        case("B@0 C@1", "A>B>C/10 open", "0 converted 3: 2:e1 3:e2", id="in-the-middle"),
        case("C@0", "A>B>C/10 open", "0 converted 3: 3:e1", id="at-the-last-step"),
        case("A@0 B@1", "A>B>C/10 open", "0 dropped 2: e1 e2", id="at-the-first"),
        case("B@0 A@1 B@2", "A>B>C/10 open", "0 dropped 2: 2:e1", id="the-first-to-reach-a-level-is-reported"),
        case("A@0 B@11 C@12", "A>B>C/10 open", "0 dropped 1: e1", "11 converted 3: 2:e2 3:e3",
             id="when-the-chain-before-is-over"),
        case("B@0 A@0", "A>B/10 open", "0 converted 2: e2 e1", id="not-when-the-step-before-is-tied"),
        case("B@0 B@0", "A>B>C/10 open", "0 dropped 2: 2:e1", id="a-tie-of-openers"),
        case("B@0 C@1", "A|B>B>C/10 open", "0 converted 3: 3:e2", id="overlapping-steps-open-the-lowest"),
        case("A@0 A@1 A@1", "A>A>A/10 open", "0 converted 3: e1 e3 e2", id="a-repeated-step"),
        case("A@0 B@4 C@5", "A>B within 3>C/10 open", "0 converted 3: 2:e2 3:e3", id="when-within-is-over"),
        case("A@5 C@5 B@6 C@7 D@8", "A>B>C>D/10 open", "5 converted 4: e1 e3 e4 e5",
             id="of-equal-starts-the-lowest-entry-step"),
        case("A@0 X@1 B@2", "A>B>C/10 strict open", "0 dropped 2: 2:e3", id="when-the-chain-before-is-broken"),
    ],
)  # fmt: skip
def test_open(path, funnel_text, expected):
    check(path, funnel_text, expected)


@pytest.mark.parametrize(
    ("path", "funnel_text", "expected"),
    [
        case("C@0 A@3 B@5", "A>B>C/10 any", "0 converted 3: e1 e2 e3", id="whatever-comes-first"),
        case("A@0 C@11", "A>B>C/10 any", "0 dropped 1: e1", "11 dropped 1: e2", id="outside-the-window"),
        case("A@0 B@5 C@12", "A>B>C/10 any", "0 dropped 2: e1 e2", "5 dropped 2: e2 e3",
             id="the-widest-set-alive-opens"),
        case("A@0 B@5 C@12 A@15", "A>B>C/10 any", "0 dropped 2: e1 e2", "5 converted 3: e2 e3 e4", id="and-goes-on"),
        case("A@0 A@3 B@5 C@6", "A>B>C/10 any", "0 converted 3: e2 e3 e4", id="the-latest-event-of-each-step"),
        case("A@0", "A|B>B|A/10 any", "0 dropped 1: e1", id="one-event-serves-one-step"),
        case("A@0 A@1", "A|B>B|A/10 any", "0 converted 2: e1 e2", id="overlapping-steps"),
        case("A@0 A@1", "A>B/10 any", "0 dropped 1: e1", id="distinct-steps"),
        case("A@0 A@1 B@2", "A>A>B/10 any", "0 converted 3: e1 e2 e3", id="a-repeated-step"),
        case("B@0 A@0", "A>B/0 any", "0 converted 2: e1 e2", id="a-tie"),
        case("A@0 X@1 B@2", "A>B/10 any exclude X", "0 excluded 1: e1", "2 dropped 1: e3", id="an-exclusion-between"),
        case("A@0 X@2 B@2", "A>B/10 any exclude X", "0 converted 2: e1 e3", id="an-exclusion-at-a-tie"),
        case("B@0 A@1 B@1", "A>B/10 any strict_time", "0 converted 2: e1 e2", id="with-strict-time"),
    ],
)  # fmt: skip
def test_any_order(path, funnel_text, expected):
    check(path, funnel_text, expected)


@pytest.mark.parametrize(
    ("path", "funnel_text", "expected"),
    [
        case("A@0{p=a} B@1{p=b} B@2{p=a}", "A>B/10 hold p", "a: 0 converted 2: e1 e3", id="the-same-value"),
        case("A@0{p=a} A@1{p=b} B@2{p=a} B@3{p=b}", "A>B/10 hold p", "a: 0 converted 2: e1 e3",
             "b: 1 converted 2: e2 e4",
             id="one-unit-per-value"),
        case("A@0{p=a} B@1", "A>B/10 hold p", "a: 0 dropped 1: e1", id="without-the-property-it-matches-nothing"),
        case("A@0 B@1", "A>B/10 hold p", id="no-unit-without-a-value"),
        case("A@0{p=a,q=1} B@1{p=a,q=2}", "A>B/10 hold p,q", "a,1: 0 dropped 1: e1", id="all-of-several"),
        case("A@0{p=a} A@0{p=b} B@0{p=b}", "A>B/10 hold p", "a: 0 dropped 1: e1", "b: 0 converted 2: e2 e3",
             id="in-a-tie"),
        case("A@0{p=a} A@1 B@2{p=a}", "A>B/10 strict hold p", "a: 0 dropped 1: e1",
             id="even-the-steps-own-name-breaks"),
        case("B@0{p=a} A@1{p=a}", "A>B/10 any hold p", "a: 0 converted 2: e1 e2", id="in-any-order"),
        case("A@0{p=a} A@1{p=b} A@2{p=a}", "A>A/10 hold p", "a: 0 converted 2: e1 e3", "b: 1 dropped 1: e2",
             id="a-repeated-step"),
    ],
)  # fmt: skip
def test_hold_constant(path, funnel_text, expected):
    check(path, funnel_text, expected)


@pytest.mark.parametrize(
    ("path", "funnel_text", "expected"),
    [
        case("A@0 A@5 B@12", "A>B/10 first", "0 dropped 1: e1", id="a-later-one-is-no-anchor"),
        case("A@0 A@5 B@8", "A>B/10 first", "0 converted 2: e1 e3", id="the-first-is"),
        case("A@0 A@0 B@3", "A>B/10 first", "0 converted 2: e1 e3", id="of-a-tie-any"),
        case("A@0 A@0", "A>A/10 first", "0 converted 2: e2 e1", id="a-tie-serves-a-repeated-step"),
        case("A@0 A@12 B@13", "A>B/10 first", "0 dropped 1: e1", "12 converted 2: e2 e3", id="one-per-period"),
        case("A@0 A@9 A@10 B@11", "A>B/10 first", "0 dropped 1: e1", "10 converted 2: e3 e4", id="at-the-periods-edge"),
        case("A@0 A@1", "A>A/10 first", "0 converted 2: e1 e2", id="another-may-serve-a-later-step"),
        case("A@-1 B@0", "A>B/10 first", id="outside-every-period-nothing-starts"),
        case("B@0 A@1 C@2", "A|B>B|A>C/10 first", "0 converted 3: e1 e2 e3", id="overlapping-steps"),
    ],
)  # fmt: skip
def test_entry_first(path, funnel_text, expected):
    check(path, funnel_text, expected, periods=TENS)


@pytest.mark.parametrize(
    ("path", "funnel_text", "expected"),
    [
        case("A@0{s=1} B@1{s=2}", "A>B/10 session s", "1: 0 dropped 1: e1", id="another-session-does-not-go-on"),
        case("A@0{s=1} A@1{s=2} B@2{s=2} B@3{s=1}", "A>B/10 session s", "1: 0 converted 2: e1 e4",
             "2: 1 converted 2: e2 e3", id="each-session-by-itself"),
        case("A@0 B@5", "A>B/10 gap 5", "0: 0 converted 2: e1 e2", id="a-gap-as-long-as-the-limit"),
        case("A@0 B@6", "A>B/10 gap 5", "0: 0 dropped 1: e1", id="a-longer-gap-begins-a-session"),
        case("A@0 X@5 B@10", "A>B/10 gap 5", "0: 0 converted 2: e1 e3", id="any-event-keeps-it"),
        case("X@-3 A@0 B@4", "A>B/10 gap 4", "-3: 0 converted 2: e2 e3", id="its-first-event-may-be-foreign"),
        case("A@0 A@0 B@0", "A>A>B/10 gap 0", "0: 0 converted 3: e2 e1 e3", id="a-tie-has-no-gap"),
        case("A@0{p=a} X@5 B@10{p=a}", "A>B/10 hold p gap 5", "0,a: 0 converted 2: e1 e3", id="with-a-held-property"),
    ],
)  # fmt: skip
def test_sessions(path, funnel_text, expected):
    check(path, funnel_text, expected)


@pytest.mark.parametrize(
    ("path", "funnel_text", "as_of", "expected"),
    [
        pytest.param("B@11 A@19", "A>B/50 granularity 10", 99, ["10 converted 2: e2 e1"], id="near-events-become-ties"),
        pytest.param("A@-1 B@1", "A>B/50 granularity 10", 99, ["-10 converted 2: e1 e2"], id="toward-minus-infinity"),
        pytest.param("A@9 B@20", "A>B/10 granularity 10", 99, ["0 dropped 1: e1"], id="the-window-asks-floored-times"),
        pytest.param("A@9 B@19", "A>B/10 granularity 10", 99, ["0 converted 2: e1 e2"], id="which-can-be-nearer"),
        pytest.param("A@9", "A>B/10 granularity 10", 19, ["0 pending 1: e1"], id="T-is-floored"),
        pytest.param("A@9", "A>B/10 granularity 10", 20, ["0 dropped 1: e1"], id="so-it-drops-late"),
        pytest.param("A@11 B@19", "A>B/50 granularity 10 strict_time", 99, ["10 dropped 1: e1"], id="with-strict-time"),
        pytest.param("A@0 X@11 B@19", "A>B/50 granularity 10 exclude X", 99, ["0 converted 2: e1 e3"],
                     id="an-exclusion-becomes-a-tie"),
    ],
)  # fmt: skip
def test_granularity(path, funnel_text, as_of, expected):
    check(path, funnel_text, expected, as_of=as_of)


@pytest.mark.parametrize(
    ("path", "funnel_text", "expected"),
    [
        pytest.param("A@0 A@5 B@12", "A>B/10", ["0 2: e2 e3"], id="every-start-of-the-period"),
        pytest.param("A@0 A@5 B@12", "A>B/10 first", ["0 1: e1"], id="only-the-first-start"),
        pytest.param("A@9 B@11 A@12", "A>B/10", ["0 2: e1 e2", "10 1: e3"], id="later-events-count-for-the-period"),
        pytest.param("A@9 B@11", "A>B/10 open", ["0 2: e1 e2"], id="a-chain-of-the-period-before-is-joined"),
        pytest.param("B@11", "A>B>C/10 open", ["10 2: 2:e1"], id="an-open-funnel-enters-in-the-middle"),
        pytest.param("A@0 B@1 A@2 B@3", "A>B/10", ["0 2: e1 e2"], id="of-several-conversions-the-first"),
        pytest.param("A@0{p=a} A@1{p=b} B@2{p=b}", "A>B/10 hold p", ["a: 0 1: e1", "b: 0 2: e2 e3"],
                     id="by-held-value"),
        pytest.param("A@0 X@1 B@2", "A>B/10 exclude X", ["0 1: e1"], id="an-exclusion-takes-no-step-back"),
        pytest.param("B@0 A@12", "A>B/20 any", ["0 2: e1 e2", "10 1: e2"], id="in-any-order-the-earliest-event-enters"),
    ],
)  # fmt: skip
def test_actors(path, funnel_text, expected):
    assert actors_of(path, funnel_text, TENS) == expected


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("A@0 B@1 X@2 C@3", 2),
        ("A@0 B@1 X@2 B@4 C@5", 3),
        ("A@0 X@1 B@2 C@3", 3),
    ],
)
def test_the_longest_chain_is_a_clean_one(text, depth):
    assert reached(text, "A>B>C/10 exclude X 2..3") == depth
