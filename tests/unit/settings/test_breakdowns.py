"""Breakdowns of a funnel file: what each becomes, and the text of everything that cannot be."""

import pytest
from jsonschema import Draft202012Validator

from stream.model.funnel import Attribution, Breakdown
from stream.settings.schema import FUNNEL_SCHEMA

KNOWN = "known here: name, properties, combine, attribution, step, export"
ONLY_STEP = "is for attribution: step, but attribution is {} (remove it, or set attribution: step)"
ANY_ORDER = "is step, but with order: any a chain does not say which event served which step (try first_defined)"
NOT_HELD = 'is all_steps, but the events of a chain may differ in "{}" (add it to hold_constant, or use first_touch)'
NO_PROPERTY = "names no property (add properties: [...] or combine: [..., ...])"


def by(**more):
    """Change the funnel to one with a breakdown by `x`."""
    return {"breakdowns": [{"name": "x", "properties": ["p", "q"], **more}]}


def combined(**more):
    """Change the funnel to one with a breakdown by `p` and `q` together."""
    return {"breakdowns": [{"name": "x", "combine": ["p", "q"], **more}]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"breakdowns": ["a.b"]}, Breakdown("a.b", ("a.b",)), id="a-property"),
        pytest.param(by(), Breakdown("x", ("p", "q")), id="the-first-that-is-there"),
        pytest.param(combined(), Breakdown("x", ("p", "q"), is_combined=True), id="two-as-one"),
        pytest.param(by(attribution="first_touch"), Breakdown("x", ("p", "q")), id="the-default"),
        pytest.param(
            by(attribution="last_touch"), Breakdown("x", ("p", "q"), Attribution.LAST_TOUCH), id="another-event"
        ),
        pytest.param(
            by(attribution="step", step="b"), Breakdown("x", ("p", "q"), Attribution.STEP, 2), id="a-step-by-its-name"
        ),
        pytest.param(
            {**combined(attribution="all_steps"), "hold_constant": ["q", "p"]},
            Breakdown("x", ("p", "q"), Attribution.ALL_STEPS, is_combined=True),
            id="all-steps",
        ),
        pytest.param(
            by(export={"top_segments": 0, "allow": ["a", "b"]}),
            Breakdown("x", ("p", "q"), allow=("a", "b"), top_segments=0),
            id="what-is-exported",
        ),
    ],
)
def test_a_breakdown_of_the_funnel(load, good_funnel, changes, expected):
    assert load(**changes).breakdowns == (expected,)
    assert Draft202012Validator(FUNNEL_SCHEMA).is_valid({**good_funnel, **changes})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "p"}, '.name: "p" is already the name of breakdowns[0] (keep one)'),
        ({"properties": None}, f": {NO_PROPERTY}"),
        ({"combine": ["p", "q"]}, ": has both properties and combine (keep one)"),
        ({"properties": None, "combine": ["p"]}, ".combine: has 1 entries, needs at least 2"),
        ({"properties": None, "combine": ["p", "q", "r"]}, ".combine: has 3 entries, at most 2"),
        ({"properties": None, "combine": ["p", "p"]}, '.combine: names "p" twice (keep one)'),
        ({"name": None}, ': "name" is missing (add name: ...)'),
        (
            {"attribution": "last_tuch"},
            f'.attribution: "last_tuch" is not one of {", ".join(Attribution)} (try "last_touch")',
        ),
        ({"attribution": "step"}, ": has attribution: step, but names no step (add step: b)"),
        ({"attribution": "step", "step": "c"}, '.step: "c" is not the name of a step (try "b")'),
        ({"attribution": "step", "step": 2}, '.step: 2 is a number, not text (try "2")'),
        ({"step": "b"}, f".step: {ONLY_STEP.format('first_touch')}"),
        ({"attribution": "last_touch", "step": "b"}, f".step: {ONLY_STEP.format('last_touch')}"),
        ({"attribution": "all_steps"}, f".attribution: {NOT_HELD.format('p')}"),
        ({"export": {"top_segments": 1001}}, ".export.top_segments: 1001 is too large (at most 1000)"),
        ({"export": {"allow": []}}, ".export.allow: has 0 entries, needs at least 1"),
        ({"export": {"allow": ["a", "a"]}}, '.export.allow: names "a" twice (keep one)'),
        ({"export": {"top": 3}}, '.export.top: "top" is not a known key (known here: top_segments, allow)'),
        ({"show": {}}, f'.show: "show" is not a known key ({KNOWN})'),
    ],
)
def test_a_problem_says_where_what_and_what_would_be_right(problems, changes, expected):
    changed = {"name": "x", "properties": ["p"], **changes}
    written = {key: value for key, value in changed.items() if value is not None}
    assert problems(breakdowns=["p", written]) == [f"breakdowns[1]{expected}"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({**by(attribution="step", step="b"), "order": "any"}, f"breakdowns[0].attribution: {ANY_ORDER}"),
        (
            {**combined(attribution="all_steps"), "hold_constant": ["p"]},
            f"breakdowns[0].attribution: {NOT_HELD.format('q')}",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_reason(problems, changes, expected):
    assert problems(**changes) == [expected]


def test_a_file_whose_form_is_wrong_is_no_reason_to_fail(problems):
    written = {"name": 1, "combine": 3, "attribution": ["x"], "step": {}}
    found = {each.split(":")[0] for each in problems(breakdowns=[written], hold_constant="p")}
    assert found == {*(f"breakdowns[0].{key}" for key in written), "hold_constant"}
