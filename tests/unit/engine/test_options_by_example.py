"""The table of options (SPEC section 4) and the examples of attempts (section 5), sentence by sentence.

A line is a path, a funnel, and what is said of it: "ENTRY OUTCOME LEVEL: times of its reported chain" for an attempt,
"PERIOD LEVEL: times" for an actor; a time has its step before it where that is not its place in the chain. All was
worked out by hand. Conditions on properties (test_predicates.py) and what is refused (settings/test_options.py) have
tests of their own.
"""

import random

import pytest

from support.notation import LATE_MS, path
from support.option_engine import by_engine
from support.options.cases import Case
from support.options.funnels import refusals
from support.options.notation import funnel
from support.product import counted

EVER = ((-1000, 1000),)
TENS = ((0, 10), (10, 20), (20, 30))
WHOLE_PATH_MS = 2000
"""A lateness under which no event is late, in whichever order they arrive."""


def case(path_text, funnel_text, *expected, id, **how):  # noqa: A002 (as pytest has it)
    """One line of a table; `how`: `as_of`, `periods`."""
    return pytest.param(path_text, funnel_text, list(expected), how, id=id)


def found(path_text, funnel_text, as_of=LATE_MS, periods=EVER):
    """Return what the engine finds, which is the same in the order of the log and in any other."""
    defined = funnel(funnel_text)
    assert refusals(defined) == []
    this = Case(defined, tuple(path(path_text)), as_of, periods)
    first, *others = [
        by_engine(this, random.Random(seed), late) for seed, late in enumerate([None, *[WHOLE_PATH_MS] * 4])
    ]
    assert all(other == first for other in others)
    return first


def chain(outcome):
    steps = enumerate(outcome.chain, start=1)
    return " ".join(f"{time}" if step == place else f"{step}:{time}" for place, (step, time) in steps)


def totals(funnel_text, **actors):
    return counted(funnel(funnel_text), {actor: path(text) for actor, text in actors.items()}, LATE_MS)


STRICT = [
    case("A@0 A@1 B@2 C@3", "A>B>C/10 strict", "0 converted 3: 1 2 3", id="A-A-B-C-converts"),
    case("A@0 B@1 B@2 C@3", "A>B>C/10 strict", "0 converted 3: 0 1 3", id="A-B-B-C-converts"),
    case("A@0 X@1 B@2", "A>B/10 strict", "0 dropped 1: 0", id="A-X-B-does-not"),
    case("A@0 B@1 X@2 C@3", "A>B>C/10 strict", "0 dropped 2: 0 1", id="a-break-later-on-keeps-what-was-reached"),
    case("A@0 X@1 A@2 B@3", "A>B/10 strict", "0 converted 2: 2 3", id="a-later-first-step-restarts"),
    case("A@0 B@1 A@2 C@3", "A>B>C/10 strict", "0 dropped 2: 0 1", id="an-earlier-step-breaks-a-chain-past-it"),
    case("A@0 X@0 B@1", "A>B/10 strict", "0 converted 2: 0 1", id="tied-with-the-event-before-it-never-breaks"),
    case("A@0 X@1 B@1", "A>B/10 strict", "0 converted 2: 0 1", id="tied-with-the-event-after-it-never-breaks"),
    case("X@-1 A@0 B@1 X@2", "A>B/10 strict", "0 converted 2: 0 1", id="around-a-chain-anything-may-be"),
    case("A@0 Y@1 B@2", "A>B/10 strict events X", "0 converted 2: 0 2", id="what-events-does-not-list-breaks-nothing"),
    case("A@0 X@1 B@2", "A>B/10 strict events X", "0 dropped 1: 0", id="what-events-lists-breaks"),
    case("A@0 C@1 B@2", "A>B>C/10 strict events X", "0 dropped 1: 0", id="another-step-breaks-though-not-listed"),
]

ANY = [
    case("B@0 A@1", "A>B/10 any", "0 converted 2: 0 1", id="steps-come-in-any-order"),
    case("C@0 B@1", "A>B>C/10 any", "0 dropped 2: 0 1", id="what-counts-is-how-many"),
    case("A@0 A@1", "A>B/10 any", "0 dropped 1: 0", id="the-same-step-twice-is-one"),
    case("B@0", "A|B>B/10 any", "0 dropped 1: 0", id="one-event-is-one-step"),
    case("B@0 B@1", "A|B>B/10 any", "0 converted 2: 0 1", id="two-events-of-a-name-that-two-steps-have-are-two"),
    case("B@0 A@10", "A>B/10 any", "0 converted 2: 0 10", id="the-window-is-inclusive"),
    case("B@0 A@11", "A>B/10 any", "0 dropped 1: 0", "11 dropped 1: 11", id="any-step-opens-an-attempt"),
    case("A@0 A@3 B@5", "A>B>C/10 any", "0 dropped 2: 3 5", id="the-latest-event-of-each-step-is-reported"),
    case(
        "A@0 A@3 B@5 C@12",
        "A>B>C/10 any",
        "0 dropped 2: 3 5",
        "3 converted 3: 3 5 12",
        id="the-widest-set-is-the-chain",
    ),
    case("B@0 X@1 A@2", "A>B/10 any exclude X", "0 excluded 1: 0", "2 dropped 1: 2", id="an-exclusion-in-between-hits"),
    case("B@0 X@0 A@2", "A>B/10 any exclude X", "0 converted 2: 0 2", id="tied-with-the-first-it-does-not-hit"),
    case("B@0 X@2 A@2", "A>B/10 any exclude X", "0 converted 2: 0 2", id="tied-with-the-last-it-does-not-hit"),
]

OPEN = [
    case("B@0 C@1", "A>B>C/10 open", "0 converted 3: 2:0 3:1", id="a-step-that-no-chain-waits-for-opens-one"),
    case("A@0 B@1 C@2", "A>B>C/10 open", "0 converted 3: 0 1 2", id="one-that-a-chain-waits-for-does-not"),
    case("C@0", "A>B>C/10 open", "0 converted 3: 3:0", id="the-last-step-alone-is-an-entry-and-a-conversion"),
    case(
        "A@0 B@11",
        "A>B/10 open",
        "0 dropped 1: 0",
        "11 converted 2: 2:11",
        id="a-chain-out-of-its-window-waits-no-more",
    ),
    case("A@0", "A>A/10 open", "0 dropped 1: 0", id="of-equal-starts-the-lowest-entry-step"),
    case("A@0 B@0 C@1", "A>B>C/10 open", "0 converted 3: 0 0 1", id="a-chain-of-the-same-instant-waits-too"),
]

OPTIONAL = [
    case("A@0 C@1", "A>B?>C/10", "0 converted 3: 0 3:1", id="a-chain-may-skip-it"),
    case("A@0 B@1 C@2", "A>B?>C/10", "0 converted 3: 0 1 2", id="or-have-it"),
    case("A@0 B@1 A@2 C@3", "A>B?>C/10", "0 converted 3: 0 1 3", id="the-chain-with-more-of-them-is-reported"),
    case("A@0 C@3", "A>B?>C within 3/10", "0 converted 3: 0 3:3", id="skipped-within-counts-from-before-it"),
    case("A@0 C@4", "A>B?>C within 3/10", "0 dropped 1: 0", id="and-is-over-then"),
    case("A@0 B@2 C@5", "A>B?>C within 3/10", "0 converted 3: 0 2 5", id="not-skipped-within-counts-from-it"),
    case("A@0 C@5", "A>B?>C not_before 5/10", "0 converted 3: 0 3:5", id="skipped-not_before-counts-from-before-it"),
    case("A@0 B@4 C@6", "A>B?>C not_before 5/10", "0 converted 3: 0 3:6", id="where-its-gap-is-not-over-it-is-skipped"),
]

WITHIN = [
    case("A@0 B@3", "A>B within 3/10", "0 converted 2: 0 3", id="the-limit-is-inclusive"),
    case("A@0 B@4", "A>B within 3/10", "0 dropped 1: 0", id="one-ms-later-is-too-late"),
    case("A@0 B@3 C@6", "A>B within 3>C within 3/6", "0 converted 3: 0 3 6", id="both-limits-may-be-met-exactly"),
    case("A@0 B@3 C@6", "A>B within 3>C within 3/5", "0 dropped 2: 0 3", id="the-window-holds-too"),
    case("A@0 A@4 B@6", "A>B within 3/10", "0 converted 2: 4 6", id="a-later-start-makes-the-wait-shorter"),
    case("A@0 B@1 B@4 C@6", "A>B>C within 3/10", "0 converted 3: 0 4 6", id="and-so-does-a-repeated-step"),
]

NOT_BEFORE = [
    case("A@0 B@5", "A>B not_before 5/10", "0 converted 2: 0 5", id="the-gap-is-inclusive"),
    case("A@0 B@4", "A>B not_before 5/10", "0 dropped 1: 0", id="one-ms-sooner-is-too-soon"),
    case("A@0 B@4 B@6", "A>B not_before 5/10", "0 converted 2: 0 6", id="a-later-event-may-do"),
    case("A@0 A@3 B@6", "A>B not_before 5/10", "0 converted 2: 0 6", id="a-later-start-does-not-put-the-clock-back"),
    case("A@0 A@3 A@4 B@9", "A>B not_before 5/10", "0 converted 2: 4 9", id="of-the-kept-starts-the-latest-that-may"),
    case(
        "A@0 A@9 A@12 B@14",
        "A>B not_before 5/10",
        "0 dropped 1: 0",
        "9 converted 2: 9 14",
        id="the-entry-counts-all-kept-starts",
    ),
    case("A@0 B@0", "A>B not_before 5/10", "0 dropped 1: 0", id="a-tie-leaves-no-time"),
]

EXCLUSION = [
    case("A@0 X@1 B@2", "A>B/10 exclude X", "0 excluded 1: 0", id="strictly-between-it-hits"),
    case("A@0 X@0 B@2", "A>B/10 exclude X", "0 converted 2: 0 2", id="tied-with-the-first-event-it-does-not"),
    case("A@0 X@2 B@2", "A>B/10 exclude X", "0 converted 2: 0 2", id="tied-with-the-last-event-it-does-not"),
    case("A@0 X@1 B@2 C@3", "A>B>C/10 exclude X 2..3", "0 converted 3: 0 2 3", id="before-its-range-it-does-not"),
    case("A@0 B@1 X@2 C@3", "A>B>C/10 exclude X 1..2", "0 converted 3: 0 1 3", id="behind-its-range-it-does-not"),
    case("A@0 B@2 X@2 C@3", "A>B>C/10 exclude X 2..3", "0 converted 3: 0 2 3", id="tied-with-the-start-of-its-range"),
    case("A@0 B@2 X@2 C@3", "A>B>C/10 exclude X 1..2", "0 converted 3: 0 2 3", id="tied-with-the-end-of-its-range"),
    case("A@0 B@1 X@2 C@3", "A>B>C/10 exclude X 2..3", "0 excluded 2: 0 1", id="inside-its-range-it-hits"),
    case("A@0 X@1 B@2", "A>B>C/10 exclude X", "0 excluded 1: 0", id="a-chain-that-ends-sooner-is-hit-before-its-end"),
    case("A@0 B@1 X@2", "A>B>C/10 exclude X", "0 excluded 2: 0 1", id="an-unfinished-chain-is-stopped"),
    case(
        "A@0 B@1 X@2 B@4 C@5", "A>B>C/10 exclude X 2..3", "0 converted 3: 0 4 5", id="a-fresh-step-makes-a-clean-chain"
    ),
    case(
        "A@0 B@1 X@2 B@2 C@3", "A>B>C/10 exclude X 2..3", "0 converted 3: 0 2 3", id="a-step-of-its-own-instant-is-kept"
    ),
    case("A@0 X@2 B@2 C@3", "A>B>C/10 exclude X", "0 excluded 2: 0 2", id="a-tie-group-first-extends-and-then-clears"),
    case("A@0 X@1{p=b} B@2", "A>B/10 exclude X{p=a}", "0 converted 2: 0 2", id="another-property-excludes-nothing"),
    case("A@0 X@1{p=a} B@2", "A>B/10 exclude X{p=a}", "0 excluded 1: 0", id="the-property-meant-does"),
]

EFFECT = [
    case("A@0 B@1 X@2", "A>B>C/10 exclude X end_attempt", "0 excluded 2: 0 1", id="ended-its-steps-count"),
    case("A@0 B@1 X@2", "A>B>C/10 exclude X remove_actor", id="removed-it-counts-nowhere"),
    case("A@0 X@1 A@2 B@3", "A>B/10 exclude X remove_actor", "2 converted 2: 2 3", id="the-next-attempt-counts"),
    case("A@0 B@1 X@2 C@3", "A>B>C/10 exclude X 2..3 remove_actor", id="removed-too-when-its-window-is-over"),
]

EFFECT_ON_ACTORS = [
    case("A@0 B@1 X@2", "A>B>C/10 exclude X", "-1000 2: 0 1", id="ended-the-actor-keeps-its-depth"),
    case("A@0 B@1 X@2", "A>B>C/10 exclude X remove_actor", id="removed-the-actor-counts-nowhere"),
    case("A@0 X@1 A@2 B@3", "A>B/10 exclude X remove_actor", "-1000 2: 2 3", id="unless-a-chain-as-deep-is-clean"),
    case("A@0 B@1 X@2 A@3", "A>B>C/10 exclude X remove_actor", id="a-clean-one-less-deep-does-not-save-it"),
    case("A@0 X@11", "A>B/10 exclude X remove_actor", "-1000 1: 0", id="a-chain-that-left-its-window-is-clean"),
    case("A@0 X@10", "A>B/10 exclude X remove_actor", id="the-last-ms-of-its-window-clears"),
    case("A@0 B@1", "A>B>C/10 exclude X remove_actor", "-1000 2: 0 1", as_of=5, id="one-that-lives-at-T-is-clean"),
    case("A@0 A@8 X@12", "A>B/10 exclude X remove_actor", id="it-is-the-latest-start-that-has-to-be-clean"),
]

HOLD = [
    case("A@0{p=a} B@1{p=a}", "A>B/10 hold p", "0 converted 2: 0 1", id="the-same-value-goes-on"),
    case("A@0{p=a} B@1{p=b}", "A>B/10 hold p", "0 dropped 1: 0", id="another-value-does-not"),
    case("A@0{p=a,q=1} B@1{p=a,q=2}", "A>B/10 hold p,q", "0 dropped 1: 0", id="all-of-them-have-to-be-the-same"),
    case("A@0{p=a} B@1 B@2{p=a}", "A>B/10 hold p", "0 converted 2: 0 2", id="without-it-nothing-is-matched"),
    case("A@0{p=a} B@1 B@2{p=a}", "A>B/10 strict hold p", "0 dropped 1: 0", id="but-a-strict-chain-is-broken"),
    case(
        "A@0{p=a} A@1{p=b} B@2{p=b}", "A>B/10 hold p", "0 dropped 1: 0", "1 converted 2: 1 2", id="each-value-is-a-unit"
    ),
]

ENTRY = [
    case(
        "A@0 A@5 B@12",
        "A>B/10",
        "0 dropped 1: 0",
        "5 converted 2: 5 12",
        periods=TENS,
        id="every-first-step-starts-a-chain",
    ),
    case("A@0 A@5 B@12", "A>B/10 first", "0 dropped 1: 0", periods=TENS, id="only-the-first-of-the-period-does"),
    case(
        "A@0 A@11 B@12",
        "A>B/5 first",
        "0 dropped 1: 0",
        "11 converted 2: 11 12",
        periods=TENS,
        id="the-next-period-has-its-own",
    ),
    case("A@9 B@12", "A>B/5 first", "9 converted 2: 9 12", periods=TENS, id="its-chain-goes-on-into-the-next-period"),
    case("A@0 A@0", "A>A/10 first", "0 converted 2: 0 0", periods=TENS, id="of-a-tie-any-event-anchors"),
]

ENTRY_OF_ACTORS = [
    case("A@0 A@5 B@12", "A>B/10", "0 2: 5 12", periods=TENS, id="an-actor-may-start-anew-in-its-period"),
    case("A@0 A@5 B@12", "A>B/10 first", "0 1: 0", periods=TENS, id="with-entry-first-it-may-not"),
    case("A@0 A@11 B@12", "A>B/5 first", "0 1: 0", "10 2: 11 12", periods=TENS, id="but-in-the-next-period"),
]

SESSION = [
    case("A@0{s=1} B@1{s=1}", "A>B/10 session s", "0 converted 2: 0 1", id="one-session-is-one-chain"),
    case("A@0{s=1} B@1{s=2}", "A>B/10 session s", "0 dropped 1: 0", id="another-session-is-not"),
    case(
        "A@0{s=1} A@1{s=2} B@2{s=1}", "A>B/10 session s", "0 converted 2: 0 2", "1 dropped 1: 1", id="sessions-overlap"
    ),
    case("A@0 B@5", "A>B/10 gap 5", "0 converted 2: 0 5", id="a-gap-of-exactly-the-gap-is-none"),
    case("A@0 B@6", "A>B/10 gap 5", "0 dropped 1: 0", id="one-ms-longer-ends-the-session"),
    case("A@0 Y@4 B@8", "A>B/10 gap 5", "0 converted 2: 0 8", id="all-the-actor's-events-count-for-the-gap"),
]

MATCH = [
    case("A@0 C@1", "A>B|C/10", "0 converted 2: 0 1", id="any-of-the-names-serves"),
    case("A@0 B@1{p=a}", "A>B{p=a}/10", "0 converted 2: 0 1", id="the-property-has-to-be-this"),
    case("A@0 B@1{p=b}", "A>B{p=a}/10", "0 dropped 1: 0", id="not-another"),
    case("A@0 B@1", "A>B{p=a}/10", "0 dropped 1: 0", id="and-not-missing"),
]

GRANULARITY = [
    case("B@1 A@9", "A>B/50 granularity 10", "0 converted 2: 0 0", id="near-events-are-tied"),
    case("B@9 A@10", "A>B/50 granularity 10", "10 dropped 1: 10", id="nearer-ones-may-not-be"),
    case("B@-1 A@-9", "A>B/50 granularity 10", "-10 converted 2: -10 -10", id="before-1970-they-are-floored-too"),
    case("A#x@1 A#x@2", "A>A/50 granularity 10", "0 converted 2: 0 0", id="identity-goes-by-the-time-before"),
    case("A#x@1 A#x@1", "A>A/50 granularity 10", "0 dropped 1: 0", id="a-copy-is-one"),
    case("A@9 B@20", "A>B/11 granularity 10", "0 dropped 1: 0", id="limits-compare-floored-times"),
    case("A@5", "A>B/10 granularity 10", "0 pending 1: 0", as_of=19, id="T-is-floored-for-the-window"),
    case("A@5", "A>B/10 granularity 10", "0 dropped 1: 0", as_of=20, id="until-the-next-instant"),
    case("A@0 X@5 B@9", "A>B/50 strict granularity 10", "0 converted 2: 0 0", id="no-tie-breaks-a-strict-chain"),
]

ATTEMPTS = [
    case("A@0 A@3 A@9", "A>B/10", "0 dropped 1: 0", id="time-alone-opens-none"),
    case(
        "A@0 A@3 A@9 B@12",
        "A>B/10",
        "0 dropped 1: 0",
        "9 converted 2: 9 12",
        id="the-second-enters-at-the-latest-start",
    ),
    case("A@0 B@1 B@2", "A>B/10", "0 converted 2: 0 1", id="one-completion-is-never-counted-twice"),
    case("A@0 B@2 A@2 B@3", "A>B/10", "0 converted 2: 2 2", id="the-whole-tie-group-is-consumed"),
    case("A@0 B@10", "A>B/10", "0 converted 2: 0 10", id="the-window-is-inclusive"),
    case("A@0 B@10 C@11", "A>B>C/10", "0 dropped 2: 0 10", id="then-it-is-dropped-at-its-best-level"),
    case(
        "A@0 A@9 B@10 C@15", "A>B>C/10", "0 dropped 2: 9 10", "9 converted 3: 9 10 15", id="an-event-may-count-in-two"
    ),
    case("A@0", "A>B/10", "0 pending 1: 0", as_of=10, id="inside-its-window-it-is-pending"),
    case("A@0", "A>B/10", "0 dropped 1: 0", as_of=11, id="one-ms-later-it-is-dropped"),
    case(
        "A@0 B@1 X@2 B@4", "A>B>C/10 exclude X 2..3", "0 dropped 2: 0 1", id="reached-again-it-is-dropped-not-excluded"
    ),
]


def named(**tables):
    """Return all lines of tables, each under the name of its table."""
    return [pytest.param(*line.values, id=f"{name}-{line.id}") for name, lines in tables.items() for line in lines]


@pytest.mark.parametrize(
    ("path_text", "funnel_text", "expected", "how"),
    named(
        strict=STRICT,
        any=ANY,
        open=OPEN,
        optional=OPTIONAL,
        within=WITHIN,
        not_before=NOT_BEFORE,
        exclusion=EXCLUSION,
        effect=EFFECT,
        hold_constant=HOLD,
        entry=ENTRY,
        session=SESSION,
        match=MATCH,
        time_granularity=GRANULARITY,
        attempts=ATTEMPTS,
    ),
)
def test_attempts(path_text, funnel_text, expected, how):
    attempts = found(path_text, funnel_text, **how).attempts
    assert [f"{a.start_ms} {a.outcome} {a.level}: {chain(a)}" for a in attempts] == expected


@pytest.mark.parametrize(
    ("path_text", "funnel_text", "expected", "how"), named(effect=EFFECT_ON_ACTORS, entry=ENTRY_OF_ACTORS)
)
def test_actors(path_text, funnel_text, expected, how):
    periods = found(path_text, funnel_text, **how).periods
    assert [f"{p.start_ms} {p.level}: {chain(p)}" for p in periods] == expected


def test_entries_of_an_open_funnel_are_counted_by_step():
    """What reached a step came from the step before or entered there."""
    numbers = totals("A>B>C/10 open", all="A@0 B@1 C@2", two="B@0 C@1", last="C@0", gap="A@0 C@1", stays="B@0")
    assert (numbers.entered_at, numbers.reached, numbers.converted) == ((1, 2, 2), (1, 3, 4), 4)
    assert numbers.dropped_at == (0, 1, 0)


def test_an_optional_step_has_its_share_and_no_outcome():
    numbers = totals("A>B?>C/10", both="A@0 B@1 C@2", skips="A@0 C@1", stops="A@0 B@1", starts="A@0")
    assert (numbers.reached, numbers.converted, numbers.dropped_at) == ((4, 2, 2), 2, (2, 0, 0))
