"""Funnel files: the texts of every problem, and the definitions that right files become."""

import pytest
from jsonschema import Draft202012Validator

from stream.errors import SettingsError
from stream.model.funnel import Breakdown, Operator, Period, PeriodUnit, Predicate, Step, ValueRule
from stream.settings.load import load_funnels
from stream.settings.schema import FUNNEL_SCHEMA


def steps(*changes):
    """Two steps, with a third and more as given."""
    return [{"event": "a"}, {"event": "b"}, *changes]


STEP_WORDS = "name, event, events, stage, value, where, optional, within, not_before, target, target_within"
NO_CONVERSION = "has no conversion of its own (give the target to a required step before it)"
STAGES = "awareness, interest, consideration, intent, evaluation, action"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"window": "3 dys"}, 'window: "3 dys" is not a duration (try "3d")'),
        ({"window": "1h\n"}, 'window: "1h\\n" is not a duration (try "1h")'),
        ({"target": "5"}, 'target: "5" is not a share (above 0 % and at most 100 %, such as "2.35%")'),
        ({"target": "0.0%"}, 'target: "0.0%" is not a share (above 0 % and at most 100 %, such as "2.35%")'),
        ({"target": "101%"}, 'target: "101%" is not a share (above 0 % and at most 100 %, such as "2.35%")'),
        ({"target": 0.05}, 'target: 0.05 is a number, not a share (try "5%")'),
        (
            {"benchmarks": [{"name": "x", "conversion": "1%"}, {"name": "x", "conversion": "2%"}]},
            'benchmarks: names "x" twice (keep one)',
        ),
        (
            {"steps": steps({"event": "c", "target": "5%"})},
            f"steps[2].target: the last step {NO_CONVERSION}",
        ),
        (
            {
                "steps": [
                    {"event": "a"},
                    {"event": "x", "optional": True, "target_within": {"1m": "5%"}},
                    {"event": "b"},
                ]
            },
            f"steps[1].target_within: an optional step {NO_CONVERSION}",
        ),
        (
            {"steps": [{"event": "a", "target_within": {"a minute": "5%"}}, {"event": "b"}]},
            'steps[0].target_within.a minute: "a minute" is not an age (try "15m")',
        ),
        ({"window": 90}, 'window: 90 is not a duration (try "90s")'),
        ({"window": "500ms"}, 'window: "500ms" is too short, at least 1s (try "1s")'),
        ({"window": "401d"}, 'window: "401d" is too long, at most 400d (try "400d")'),
        ({"window": None}, ': "window" is missing (add window: ...)'),
        ({"window": ""}, 'window: "" is not a duration (try "15m")'),
        ({"windw": "1h"}, 'windw: "windw" is not a known key (did you mean "window"?)'),
        (
            {"funnel": "my shop"},
            'funnel: "my shop" is not a name (letters, digits, "_", ".", "-", at most 64; try "my-shop")',
        ),
        ({"funnel": 7}, 'funnel: 7 is a number, not a name (try "7")'),
        ({"version": "2"}, 'version: "2" is text, not a whole number (try 2)'),
        ({"version": 1.0}, "version: 1.0 is a number, not a whole number"),
        ({"version": True}, "version: true is true or false, not a whole number"),
        ({"version": 0}, "version: 0 is too small (at least 1)"),
        ({"title": ["x"]}, 'title: ["x"] is a list, not text'),
        ({"steps": [{"event": "a"}]}, "steps: has 1 entries, needs at least 2"),
        ({"steps": "a"}, 'steps: "a" is text, not a list (try [a])'),
        ({"steps": steps({})}, "steps[2]: names no event (add event: ... or events: [...])"),
        ({"steps": steps({"event": "c", "events": ["d"]})}, "steps[2]: has both event and events (keep one)"),
        ({"steps": steps({"event": 404})}, 'steps[2].event: 404 is a number, not text (try "404")'),
        ({"steps": steps({"event": False})}, 'steps[2].event: false is true or false, not text (try "false")'),
        ({"steps": steps({"event": ""})}, "steps[2].event: is empty, not text"),
        ({"steps": steps({"events": []})}, "steps[2].events: has 0 entries, needs at least 1"),
        ({"steps": steps({"events": ["c", "c"]})}, 'steps[2].events: names "c" twice (keep one)'),
        ({"steps": steps({"event": "a"})}, 'steps[2].event: "a" is already the name of steps[0] (try name: a-3)'),
        (
            {"steps": steps({"event": "c", "name": "b"})},
            'steps[2].name: "b" is already the name of steps[1] (try name: b-3)',
        ),
        (
            {"steps": steps("c")},
            f'steps[2]: "c" is text, not a mapping with {STEP_WORDS}',
        ),
        (
            {"steps": steps({"event": "c", "stage": "intent"})},
            "steps[2].stage: names a stage, but the funnel has no stage_model (add stage_model: six)",
        ),
        (
            {"stage_model": "six", "steps": steps({"event": "c", "stage": "intnt"})},
            f'steps[2].stage: "intnt" is not a stage of the model: {STAGES} (try "intent")',
        ),
        ({"stage_model": "sixx"}, 'stage_model: "sixx" is not one of six, five (try "six")'),
        ({"stage_model": 6}, "stage_model: 6 is a number, not text or a list"),
        ({"stage_model": ["x", {"stage": "x"}]}, 'stage_model: names "x" twice (keep one)'),
        (
            {"stage_model": [{"stage": "x", "group": "mid"}]},
            'stage_model[0].group: "mid" is not one of top, middle, bottom (try "middle")',
        ),
        (
            {"steps": steps({"event": "c", "value": {"property": "a..b"}})},
            'steps[2].value.property: "a..b" is not a property path (keys joined by dots, no quotes, as in page.url)',
        ),
        ({"steps": steps({"event": "c", "value": {}})}, 'steps[2].value: "property" is missing (add property: ...)'),
        (
            {"steps": steps({"event": "c", "value": {"property": "x", "curency": "EUR"}})},
            'steps[2].value.curency: "curency" is not a known key (did you mean "currency"?)',
        ),
        ({"breakdowns": ["x", "x"]}, 'breakdowns[1]: "x" is already the name of breakdowns[0] (keep one)'),
        ({"breakdowns": [3]}, "breakdowns[0]: 3 is a number, not a property path or a mapping"),
        ({"breakdowns": [""]}, "breakdowns[0]: is empty, not a property path"),
        ({"period": {"unit": "dya"}}, 'period.unit: "dya" is not one of hour, day, week, month (try "day")'),
        ({"period": {"zone": "Europe/Berln"}}, 'period.zone: "Europe/Berln" is not a time zone (try "Europe/Berlin")'),
        (
            {"period": {"zone": "../../etc/passwd"}},
            'period.zone: "../../etc/passwd" is not a time zone (try "Europe/Berlin")',
        ),
        ({"period": "day"}, 'period: "day" is text, not a mapping with unit, zone'),
    ],
)
def test_a_problem_says_where_what_and_what_would_be_right(problems, changes, expected):
    assert problems(**changes) == [expected]


def test_a_folder_of_time_zones_is_none(problems):
    (problem,) = problems(period={"zone": "Europe"})
    assert problem.startswith('period.zone: "Europe" is not a time zone (try "')


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": steps({"event": "c", "match": "x"})},
        {"steps": steps({"event": "c", "predicates": []})},
    ],
)
def test_an_option_of_a_later_version_is_refused_as_such(problems, changes):
    (problem,) = problems(**changes)
    assert "not supported yet in version 0.1: " in problem


def test_everything_wrong_is_said_at_once_in_the_order_of_the_lines(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text(
        'funnel: shop\nsteps:\n  - event: a\n  - {event: 1}\nwindow: "3 dys"\nwindow: 1h\nperiod: {zone: X/Y}\n'
    )
    with pytest.raises(SettingsError) as raised:
        load_funnels(path)
    assert [(problem.line, problem.path) for problem in raised.value.problems] == [
        (4, "steps[1].event"),
        (5, "window"),
        (6, "window"),
        (7, "period.zone"),
    ]
    assert str(raised.value).splitlines()[1] == f'{path}:5: window: "3 dys" is not a duration (try "3d")'


def test_a_whole_file_becomes_a_whole_definition(load):
    funnel = load(
        version=3,
        title="Läden",
        window="90s",
        stage_model="six",
        steps=[
            {"name": "view", "event": "view_page", "stage": "awareness"},
            {"events": ["buy", "quick_buy"], "stage": "action", "value": {"property": "cart.total", "currency": "EUR"}},
        ],
        breakdowns=["device", {"name": "source", "properties": ["utm_source", "channel"]}],
        period={"unit": "week", "zone": "Europe/Berlin"},
    )
    assert funnel.key == "shop@3"
    assert (funnel.title, funnel.window_ms, funnel.stage_model) == ("Läden", 90_000, "six")
    assert funnel.steps == (
        Step("view", ("view_page",), "awareness", None, "top"),
        Step("buy", ("buy", "quick_buy"), "action", ValueRule("cart.total", None, "EUR"), "bottom"),
    )
    assert funnel.breakdowns == (Breakdown("device", ("device",)), Breakdown("source", ("utm_source", "channel")))
    assert funnel.period == Period(PeriodUnit.WEEK, "Europe/Berlin")


def test_stages_of_ones_own_may_have_groups(load):
    funnel = load(
        stage_model=["trial", {"stage": "paid", "group": "bottom"}],
        steps=[{"event": "a", "stage": "trial"}, {"event": "b", "stage": "paid"}],
    )
    assert [(step.stage, step.group) for step in funnel.steps] == [("trial", ""), ("paid", "bottom")]
    assert funnel.stage_model == "custom"


def test_an_event_may_serve_several_steps_that_differ_in_name(load):
    funnel = load(steps=[{"event": "a"}, {"event": "a", "name": "again"}])
    assert [step.events for step in funnel.steps] == [("a",), ("a",)]


@pytest.mark.parametrize("count", [2, 32, 33, 64, 500])
def test_the_number_of_steps_has_no_silent_limit(load, count):
    assert len(load(steps=[{"event": f"e{index}"} for index in range(count)]).steps) == count


@pytest.mark.parametrize(("window", "expected_ms"), [("1s", 1_000), ("1000ms", 1_000), ("400d", 34_560_000_000)])
def test_the_limits_of_the_window_are_allowed(load, window, expected_ms):
    assert load(window=window).window_ms == expected_ms


@pytest.mark.parametrize(
    "changes", [{}, {"steps": steps({"events": ["c"]})}, {"breakdowns": ["a.b", {"name": "x", "properties": ["y"]}]}]
)
def test_what_loads_passes_the_published_schema(load, good_funnel, changes):
    load(**changes)
    assert Draft202012Validator(FUNNEL_SCHEMA).is_valid({**good_funnel, **changes})


def test_an_option_is_off_unless_it_is_named(load):
    assert (load().strict_time, load(strict_time=True).strict_time) == (False, True)


def where(*conditions):
    """Change the steps to three, the last with conditions."""
    return {"steps": steps({"event": "c", "where": list(conditions)})}


OPERATORS = "equals, in, contains, regex, less_than, at_most, more_than, at_least, exists"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"property": "p"}, f": has no condition (keep one of: {OPERATORS})"),
        ({"equals": 1}, ': names no property (add property: ..., such as "plan")'),
        ({"property": "p", "equals": 1, "exists": True}, f": has more than one condition (keep one of: {OPERATORS})"),
        ({"not": {"property": "p"}}, f".not: has no condition (keep one of: {OPERATORS})"),
        (
            {"not": {"property": "p", "exists": True}, "property": "q", "equals": 1},
            ": has more than `not` (move it below `not`, or into an entry of its own)",
        ),
        ({"not": {"not": {"property": "p"}}}, None),
        ({"property": "p", "equal": 1}, None),
        ({"property": "p", "equals": None}, ".equals: null is nothing, not text or a number or true or false"),
        ({"property": "p", "equals": [1]}, None),
        ({"property": "p", "in": []}, ".in: has 0 entries, needs at least 1"),
        ({"property": "p", "contains": ""}, ".contains: is empty, not text"),
        ({"property": "p", "exists": False}, ".exists: is false (put `exists: true` below `not`)"),
        ({"property": "p", "regex": "a("}, '.regex: "a(" is not a regular expression: missing ): a('),
        ({"property": "p", "regex": "(?=a)"}, None),
        (
            {"property": "p", "at_least": "soon"},
            '.at_least: "soon" is neither a number nor a time (try 100 or "2026-01-31T12:00:00Z")',
        ),
        ({"property": "", "exists": True}, ".property: is empty, not a property path"),
    ],
)
def test_a_wrong_condition_is_told(problems, condition, expected):
    found = problems(**where(condition))
    assert found
    assert all(text.startswith("steps[2].where[0]") for text in found)
    if expected is not None:
        assert found == ["steps[2].where[0]" + expected]


def test_conditions_become_predicates(load):
    conditions = [
        {"property": "a.b", "equals": "x"},
        {"property": "n", "in": [1, "two", True]},
        {"not": {"property": "f", "exists": True}},
        {"property": "t", "at_least": "2026-01-31"},
        {"property": "r", "regex": "^a+$"},
    ]
    funnel = load(**where(*conditions))
    assert funnel.steps[2].where == (
        Predicate("a.b", Operator.EQUALS, ("x",)),
        Predicate("n", Operator.IN, (1, "two", True)),
        Predicate("f", Operator.EXISTS, (), negated=True),
        Predicate("t", Operator.AT_LEAST, ("2026-01-31",)),
        Predicate("r", Operator.REGEX, ("^a+$",)),
    )
    assert funnel.needed_properties == ("a.b", "f", "n", "r", "t")
