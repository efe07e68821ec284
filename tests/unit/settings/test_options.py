"""Options of a funnel file: what each becomes, and the text of every combination that cannot be."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import SettingsError
from stream.model.funnel import Effect, Exclusion, Funnel, Operator, Order, Predicate, Session
from stream.settings.load import load_funnels
from support.funnel_files import SPOILS, file_tree, in_seconds, never_converts, read_back, spoiled
from support.options.cases import random_funnel
from support.options.funnels import refusals

HOUR_MS = 3_600_000


def steps(b=None, *, a=None, c=None):
    """Three steps with options of their own."""
    return [{"event": "a", **(a or {})}, {"event": "b", **(b or {})}, {"event": "c", **(c or {})}]


def exclude(*exclusions, **more):
    """Three steps and exclusions."""
    return {"steps": steps(), "exclusions": list(exclusions), **more}


def test_what_is_not_named_is_at_its_default(load):
    funnel = load()
    assert funnel == Funnel("shop", 1, funnel.steps, HOUR_MS)
    assert funnel == load(
        order="ordered",
        entry="every",
        open=False,
        exclusions=[],
        time_granularity="1ms",
        steps=[{"event": "a", "optional": False, "not_before": "0s"}, {"event": "b"}],
    )


@pytest.mark.parametrize(
    ("changes", "attribute", "expected"),
    [
        pytest.param({"order": "strict"}, "order", Order.STRICT, id="strict"),
        pytest.param({"order": "any"}, "order", Order.ANY, id="any"),
        pytest.param({"order": "strict", "events": ["x", "y"]}, "breaking", ("x", "y"), id="what-breaks-a-chain"),
        pytest.param({"order": "strict", "events": []}, "breaking", (), id="nothing-but-steps-breaks-a-chain"),
        pytest.param({"order": "strict"}, "breaking", None, id="everything-breaks-a-chain"),
        pytest.param({"entry": "first"}, "entry_first", True, id="entry"),
        pytest.param({"open": True}, "is_open", True, id="open"),
        pytest.param({"hold_constant": ["plan", "a.b", "c"]}, "hold", ("plan", "a.b", "c"), id="three-held-properties"),
        pytest.param({"session": {"property": "sid"}}, "session", Session("sid"), id="session-by-id"),
        pytest.param({"session": {"gap": "30m"}}, "session", Session(gap_ms=1_800_000), id="session-by-gap"),
        pytest.param({"time_granularity": "250ms"}, "granularity_ms", 250, id="granularity"),
        pytest.param({"time_granularity": "1h"}, "granularity_ms", HOUR_MS, id="granularity-as-long-as-the-window"),
    ],
)
def test_an_option_of_the_funnel(load, changes, attribute, expected):
    assert getattr(load(**changes), attribute) == expected


@pytest.mark.parametrize(
    ("step", "attribute", "expected"),
    [
        pytest.param({"optional": True}, "optional", True, id="optional"),
        pytest.param({"within": "5m"}, "within_ms", 300_000, id="within"),
        pytest.param({"within": "0s"}, "within_ms", 0, id="within-the-same-instant"),
        pytest.param({"within": "400d"}, "within_ms", 400 * 24 * HOUR_MS, id="within-may-be-longer-than-the-window"),
        pytest.param({"not_before": "5m"}, "not_before_ms", 300_000, id="not-before"),
        pytest.param({"not_before": "1h"}, "not_before_ms", HOUR_MS, id="not-before-as-long-as-the-window"),
        pytest.param({"not_before": "5m", "within": "5m"}, "not_before_ms", 300_000, id="not-before-as-long-as-within"),
    ],
)
def test_an_option_of_a_step(load, step, attribute, expected):
    funnel = load(steps=steps(step))
    assert getattr(funnel.steps[1], attribute) == expected
    assert getattr(funnel.steps[0], attribute) == getattr(load().steps[0], attribute)


@pytest.mark.parametrize(
    ("exclusion", "expected"),
    [
        pytest.param({"event": "x"}, Exclusion(("x",), 1, 3), id="the-whole-funnel"),
        pytest.param({"events": ["x", "y"]}, Exclusion(("x", "y"), 1, 3), id="any-of-several-events"),
        pytest.param({"event": "x", "from": "b"}, Exclusion(("x",), 2, 3), id="from-a-step"),
        pytest.param({"event": "x", "to": "b"}, Exclusion(("x",), 1, 2), id="to-a-step"),
        pytest.param({"event": "x", "from": "a", "to": "b"}, Exclusion(("x",), 1, 2), id="from-and-to"),
        pytest.param(
            {"event": "x", "effect": "remove_actor"},
            Exclusion(("x",), 1, 3, effect=Effect.REMOVE_ACTOR),
            id="effect",
        ),
        pytest.param(
            {"event": "x", "where": [{"property": "p", "equals": 1}, {"not": {"property": "q", "exists": True}}]},
            Exclusion(
                ("x",),
                1,
                3,
                (Predicate("p", Operator.EQUALS, (1,)), Predicate("q", Operator.EXISTS, (), negated=True)),
            ),
            id="conditions",
        ),
    ],
)
def test_an_exclusion(load, exclusion, expected):
    assert load(**exclude(exclusion)).exclusions == (expected,)


def test_an_exclusion_names_steps_by_name_not_by_event(load):
    named = [{"name": "one", "event": "a"}, {"name": "two", "events": ["a", "b"]}, {"event": "c"}]
    (exclusion,) = load(steps=named, exclusions=[{"event": "a", "from": "two", "to": "c"}]).exclusions
    assert (exclusion.first, exclusion.last) == (2, 3)


def test_properties_that_options_read_are_needed(load):
    funnel = load(
        hold_constant=["plan"],
        session={"property": "sid"},
        **exclude({"event": "x", "where": [{"property": "q", "exists": True}]}),
    )
    assert funnel.needed_properties == ("plan", "q", "sid")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(exclude({"event": "x", "from": "a", "to": "c"}, order="any"), id="any-and-the-whole-range"),
        pytest.param({"order": "any", "steps": steps({"not_before": "0s", "optional": False})}, id="any-and-defaults"),
        pytest.param({"order": "any", "hold_constant": ["p"], "session": {"gap": "1h"}}, id="any-and-units"),
        pytest.param({"order": "any", "strict_time": True}, id="any-and-strict-time"),
        pytest.param({"order": "strict", "open": True, "steps": steps({"optional": True})}, id="strict-and-open"),
        pytest.param({"open": True, "exclusions": []}, id="open-and-no-exclusion"),
        pytest.param({"strict_time": True, "steps": steps({"within": "0s"})}, id="strict-time-within-an-instant"),
        pytest.param(
            {"steps": steps({"not_before": "30m"}, c={"not_before": "30m"})}, id="gaps-together-as-long-as-the-window"
        ),
        pytest.param(
            {"steps": steps({"not_before": "40m", "optional": True}, c={"not_before": "40m"})},
            id="gaps-of-steps-that-a-chain-may-skip",
        ),
        pytest.param(
            {"open": True, "steps": steps({"not_before": "40m"}, c={"not_before": "40m"})},
            id="gaps-that-a-chain-may-start-behind",
        ),
        pytest.param(
            {"strict_time": True, "time_granularity": "30m", "steps": steps({"within": "30m"})},
            id="instants-as-long-as-window-and-within",
        ),
        pytest.param(
            {"strict_time": True, "time_granularity": "1h", "steps": steps({"optional": True})},
            id="an-instant-that-a-chain-may-skip",
        ),
        pytest.param(
            {"strict_time": True, "time_granularity": "1h", "open": True, "steps": steps()},
            id="instants-that-a-chain-may-start-behind",
        ),
        pytest.param({"time_granularity": "1h", "steps": steps({"within": "1m"})}, id="steps-of-one-instant"),
        pytest.param({"steps": steps({"optional": True}), "exclusions": [{"event": "x"}]}, id="over-an-optional-step"),
    ],
)
def test_what_the_contract_defines_is_not_refused(load, changes):
    load(**changes)


FIRST, NONE = "counts from the step before, and the first step has none (remove it)", "with order: any there is none"
ANYWHERE = "chains of an open funnel start anywhere"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # Words and their forms
        ({"order": "strct"}, 'order: "strct" is not one of ordered, strict, any (try "strict")'),
        ({"entry": "frist"}, 'entry: "frist" is not one of every, first (try "first")'),
        ({"open": "yes"}, 'open: "yes" is text, not true or false (try true)'),
        ({"steps": steps({"optional": 1})}, "steps[1].optional: 1 is a number, not true or false"),
        ({"steps": steps({"within": "3 dys"})}, 'steps[1].within: "3 dys" is not a duration (try "3d")'),
        ({"steps": steps({"not_before": 5})}, 'steps[1].not_before: 5 is not a duration (try "5s")'),
        ({"steps": steps({"within": "401d"})}, 'steps[1].within: "401d" is too long, at most 400d (try "400d")'),
        ({"steps": steps({"withn": "1h"})}, 'steps[1].withn: "withn" is not a known key (did you mean "within"?)'),
        ({"hold_const": ["p"]}, 'hold_const: "hold_const" is not a known key (did you mean "hold_constant"?)'),
        ({"time_granularity": "0s"}, 'time_granularity: "0s" is too short, at least 1ms (try "1ms")'),
        ({"time_granularity": "2d", "window": "7d"}, 'time_granularity: "2d" is too long, at most 1d (try "1d")'),
        ({"hold_constant": list("pqrs")}, "hold_constant: has 4 entries, at most 3"),
        ({"hold_constant": ["p", "p"]}, 'hold_constant: names "p" twice (keep one)'),
        ({"hold_constant": []}, "hold_constant: has 0 entries, needs at least 1"),
        (
            {"hold_constant": ["a..b"]},
            'hold_constant[0]: "a..b" is not a property path (keys joined by dots, no quotes, as in page.url)',
        ),
        ({"session": "sid"}, 'session: "sid" is text, not a mapping with property, gap'),
        ({"session": {"gap": "500ms"}}, 'session.gap: "500ms" is too short, at least 1s (try "1s")'),
        ({"order": "strict", "events": ["x", "x"]}, 'events: names "x" twice (keep one)'),
        (exclude("x"), 'exclusions[0]: "x" is text, not a mapping with event, events, where, from, to, effect'),
        (
            exclude({"event": "x", "effect": "remove"}),
            'exclusions[0].effect: "remove" is not one of end_attempt, remove_actor (try "remove_actor")',
        ),
        # One thing that needs another, or must not be twice
        ({"session": {}}, "session: names no rule (add property: ... or gap: 30m)"),
        ({"session": {"property": "s", "gap": "1h"}}, "session: has both property and gap (keep one)"),
        ({"events": ["x"]}, "events: is for order: strict, but order is ordered (remove it, or set order: strict)"),
        (
            {"events": [], "order": "any"},
            "events: is for order: strict, but order is any (remove it, or set order: strict)",
        ),
        (exclude({}), "exclusions[0]: names no event (add event: ... or events: [...])"),
        (exclude({"event": "x", "events": ["y"]}), "exclusions[0]: has both event and events (keep one)"),
        # Steps
        (
            {"steps": steps(a={"optional": True})},
            "steps[0].optional: is true, but this is the first step, which no chain may skip (remove it)",
        ),
        (
            {"steps": steps(c={"optional": True})},
            "steps[2].optional: is true, but this is the last step, which no chain may skip (remove it)",
        ),
        ({"steps": steps(a={"within": "5m"})}, f"steps[0].within: {FIRST}"),
        ({"steps": steps(a={"within": "0s"})}, f"steps[0].within: {FIRST}"),
        ({"steps": steps(a={"not_before": "5m"})}, f"steps[0].not_before: {FIRST}"),
        (
            {"steps": steps({"not_before": "6m", "within": "5m"})},
            'steps[1].not_before: "6m" is longer than the step\'s within, 5m (try "5m")',
        ),
        (
            {"steps": steps({"not_before": "61m"})},
            'steps[1].not_before: "61m" is longer than the window, 1h (try "1h")',
        ),
        (
            {"steps": steps({"not_before": "3h", "within": "2h"})},
            'steps[1].not_before: "3h" is longer than the window, 1h (try "1h")',
        ),
        (
            {"steps": steps({"not_before": "40m"}, c={"not_before": "30m"})},
            'window: "1h" is shorter than not_before of the required steps together, 70m (try "70m")',
        ),
        (
            {"window": "400d", "steps": steps({"not_before": "300d"}, c={"not_before": "101d"})},
            'window: "400d" is shorter than not_before of the required steps together, 401d (make them shorter)',
        ),
        # Instants of a granularity
        (
            {"time_granularity": "31m", "strict_time": True, "steps": steps()},
            ('time_granularity: "31m" is too long: with strict_time the 3 required steps are at least 62m apart, '
             'longer than the window, 1h (try "30m")'),
        ),
        (
            {"time_granularity": "30m", "strict_time": True, "steps": [{"event": each} for each in "abcdefgh"]},
            ('time_granularity: "30m" is too long: with strict_time the 8 required steps are at least 210m apart, '
             'longer than the window, 1h (try "8m")'),
        ),
        (
            {"time_granularity": "31m", "strict_time": True, "order": "any", "steps": steps()},
            ('time_granularity: "31m" is too long: with strict_time the 3 required steps are at least 62m apart, '
             'longer than the window, 1h (try "30m")'),
        ),
        (
            {"time_granularity": "1m", "strict_time": True, "steps": steps({"within": "59s"})},
            ('steps[1].within: "59s" is shorter than the time_granularity, 1m, and with strict_time no two steps are '
             'nearer (try "1m")'),
        ),
        (
            {"time_granularity": "2h", "strict_time": True},
            'time_granularity: "2h" is longer than the window, 1h (try "1h")',
        ),
        ({"time_granularity": "2h"}, 'time_granularity: "2h" is longer than the window, 1h (try "1h")'),
        # Order: any
        (
            {"order": "any", "steps": steps({"within": "5m"})},
            f"steps[1].within: counts from the step before, and {NONE} (remove it)",
        ),
        (
            {"order": "any", "steps": steps(a={"not_before": "5m"})},
            f"steps[0].not_before: counts from the step before, and {NONE} (remove it)",
        ),
        (
            {"order": "any", "steps": steps(a={"optional": True})},
            "steps[0].optional: is true, but with order: any a chain may lack any step (remove it)",
        ),
        (
            {"order": "any", "open": True},
            "open: is true, but with order: any every step starts a chain already (remove it)",
        ),
        (
            {"order": "any", "entry": "first"},
            f'entry: "first" is about events of the first step, but {NONE} (try "every")',
        ),
        (
            exclude({"event": "x", "from": "b"}, order="any"),
            'exclusions[0].from: "b" is not the first step, and with order: any there is no other range (remove it)',
        ),
        (
            exclude({"event": "x", "to": "b"}, order="any"),
            'exclusions[0].to: "b" is not the last step, and with order: any there is no other range (remove it)',
        ),
        # Open funnels
        (
            exclude({"event": "x"}, open=True),
            "exclusions: are not for an open funnel, whose chains start anywhere (remove them, or open)",
        ),
        (
            {"open": True, "entry": "first"},
            f'entry: "first" is about events of the first step, but {ANYWHERE} (try "every")',
        ),
        # Ranges
        (
            {"steps": [{"event": "view"}, {"event": "cart"}, {"event": "buy"}],
             "exclusions": [{"event": "x", "from": "crt"}]},
            'exclusions[0].from: "crt" is not the name of a step (try "cart")',
        ),
        (exclude({"event": "x", "to": "payment"}), 'exclusions[0].to: "payment" is not the name of a step (try "c")'),
        (
            exclude({"event": "x", "from": "c"}),
            'exclusions[0].from: "c" is the last step, and nothing comes after it (try "a")',
        ),
        (
            exclude({"event": "x", "to": "a"}),
            'exclusions[0].to: "a" is the first step, and nothing comes before it (try "c")',
        ),
        (
            exclude({"event": "x", "from": "b", "to": "b"}),
            'exclusions[0].to: "b" does not come after "b", where the range begins (try "c")',
        ),
        (
            exclude({"event": "x", "to": "b"}, steps=steps({"optional": True})),
            'exclusions[0].to: "b" is an optional step, which a chain may lack (try "c")',
        ),
        (
            exclude({"event": "x", "from": "b"}, steps=steps({"optional": True})),
            'exclusions[0].from: "b" is an optional step, which a chain may lack (try "a")',
        ),
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_says_why_and_what_would_be_right(problems, changes, expected):
    assert problems(**changes) == [expected]


@pytest.mark.parametrize(
    ("exclusion", "expected"),
    [
        ({"where": [{"property": "p"}]}, "exclusions[0].where[0]: has no condition (keep one of: "),
        ({"where": [{"property": "p", "regex": "a("}]}, 'exclusions[0].where[0].regex: "a(" is not a regular expr'),
        ({"where": [{"not": {"equals": 1}}]}, "exclusions[0].where[0].not: names no property (add property: "),
    ],
)
def test_conditions_of_an_exclusion_are_looked_at_as_those_of_a_step(problems, exclusion, expected):
    (found,) = problems(**exclude({"event": "x", **exclusion}))
    assert found.startswith(expected)


def test_a_range_is_not_judged_while_steps_are_wrong(problems):
    wrong = {"steps": [{"event": "a"}, {"event": 7}], "exclusions": [{"event": "x", "from": "b"}]}
    assert problems(**wrong) == ['steps[1].event: 7 is a number, not text (try "7")']


def test_all_that_cannot_be_together_is_said_at_once(problems):
    changes = {"order": "any", "open": True, "entry": "first", "events": ["x"]}
    found = problems(**changes, **exclude({"event": "x", "from": "b"}))
    assert {problem.partition(":")[0] for problem in found} == {
        "open", "entry", "events", "exclusions", "exclusions[0].from",
    }  # fmt: skip


@pytest.mark.parametrize("spoil", [None, *SPOILS], ids=str)
@given(seed=st.integers(0, 2**32))
def test_a_file_is_refused_exactly_if_the_oracle_refuses_its_funnel(tmp_path_factory, spoil, seed):
    rng = random.Random(seed)
    defined = in_seconds(random_funnel(rng))
    if spoil is not None:
        defined = spoiled(rng, defined, spoil)
    path = tmp_path_factory.getbasetemp() / "drawn.yaml"
    path.write_text(json.dumps(file_tree(defined)))
    if refusals(defined) or never_converts(defined):
        with pytest.raises(SettingsError):
            load_funnels(path)
    else:
        assert [read_back(loaded) for loaded in load_funnels(path)] == [defined]
