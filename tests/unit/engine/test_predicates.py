"""What each condition says of each kind of value, and how an event's conditions tell its steps."""

from decimal import Decimal

import pytest

from stream.engine.match import FunnelSet
from stream.engine.predicates import same_text
from stream.engine.predicates import test_of as predicates_of
from stream.model.funnel import Funnel, Operator, Predicate, Step

BIG = 10**5_000


def meets(operator, values, value, *, negated=False):
    return predicates_of([Predicate("p", Operator(operator), values, negated)], {"p": 0}, ())([value])


@pytest.mark.parametrize(
    ("operator", "values", "meeting", "failing"),
    [
        ("equals", ("pro",), ["pro"], ["Pro", "pro ", "", 1, True]),
        ("equals", ("",), [""], ["x", 0, False]),
        ("equals", (10,), [10, Decimal("10.0"), "10"], ["10.0", " 10", 11, True]),
        ("equals", (0.1,), [Decimal("0.1"), Decimal("0.10"), "0.1"], [Decimal("0.1000000001"), 0]),
        ("equals", ("10",), ["10", 10], [Decimal("10.0"), "10.0"]),
        ("equals", ("100",), [Decimal("1E+2"), 100], [Decimal("1E+3")]),
        ("equals", ("0.0000001",), [Decimal("1E-7")], []),
        ("equals", (0.0000001,), ["0.0000001"], ["1e-07"]),
        ("at_least", (5,), ["7", "1e3", "+7.5"], ["1_0", " 7 ", "\u0667", "7."]),
        ("regex", ("z",), ["a" * 4_095 + "z"], ["a" * 4_096 + "z"]),
        ("equals", (True,), [True, "true"], [1, "True", False, "1"]),
        ("equals", ("false",), [False, "false"], [0, ""]),
        ("equals", (1,), [1, "1"], [True]),
        ("in", ("a", 2, False), ["a", 2, "2", Decimal("2.00"), False, "false"], ["b", "2.00", 0, True]),
        ("contains", ("Straße",), ["HAUPTSTRASSE 1", "straße"], ["weg"]),
        ("contains", ("1",), [10, "21", Decimal("0.1")], [20]),
        ("contains", ("rue",), [True], [False]),
        ("regex", ("^/p/[0-9]+$",), ["/p/12"], ["/p/", "/p/12\n", "x/p/12"]),
        ("regex", ("b",), ["abc", "b"], ["ac", ""]),
        ("regex", ("(a|a)*(a|a)*c",), ["ac"], ["a" * 100_000]),
        ("less_than", (10,), [9, Decimal("9.99"), "9", -5], [10, "10", "nine", True, "", "NaN", "Infinity"]),
        ("at_most", (10,), [10, "10.0"], [Decimal("10.01")]),
        ("more_than", (0.5,), [Decimal("0.51"), BIG], [Decimal("0.5"), Decimal("-1E+999999")]),
        ("at_least", (10,), [10, Decimal("1E+999999")], [9]),
        ("at_least", ("2026-03-01",), ["2026-03-01", "2026-03-01T00:00:00+00:00"], ["2026-02-28T23:59:59Z", 20260301]),
        ("less_than", ("2026-03-01T01:00:00+01:00",), ["2026-02-28T23:59:59.999Z"], ["2026-03-01T00:00:00Z", "soon"]),
        ("exists", (), ["", 0, False, "x"], []),
    ],
)  # fmt: skip
def test_a_condition_on_each_kind_of_value(operator, values, meeting, failing):
    for value in meeting:
        assert meets(operator, values, value), value
        assert not meets(operator, values, value, negated=True), value
    for value in failing:
        assert not meets(operator, values, value), value
        assert meets(operator, values, value, negated=True), value
    assert not meets(operator, values, None)
    assert meets(operator, values, None, negated=True)


@pytest.mark.parametrize(("value", "other", "expected"), [("a", 5, True), ("a", 4, False), ("b", 5, False)])
def test_all_conditions_of_a_step_hold(value, other, expected):
    conditions = [Predicate("p", Operator.EQUALS, ("a",)), Predicate("q", Operator.AT_LEAST, (5,))]
    assert predicates_of(conditions, {"p": 0, "q": 1}, ())([value, other]) is expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([1, 1.0, Decimal("1.0"), "1"], "1", id="equal-numbers-and-the-text-of-the-whole-one"),
        pytest.param([Decimal("1.5"), 1.5], "1.5", id="a-fraction"),
        pytest.param([True, "true"], "true", id="true-is-no-number"),
        pytest.param([None, [1], {"a": 1}], None, id="no-plain-value"),
    ],
)
def test_what_is_equal_is_held_as_one_value(values, expected):
    assert [same_text(value) for value in values] == [expected] * len(values)


def where(value):
    return (Predicate("os", Operator.EQUALS, (value,)),)


def test_steps_of_one_name_are_told_apart_by_the_properties():
    """A name with NUL and a number in it is no kind of another name."""
    first = Funnel("f", 1, (Step("a", ("open",), where=where("a")), Step("b", ("open", "buy"))), 10)
    second = Funnel("g", 1, (Step("a", ("see",)), Step("b", ("open",), where=where("b"))), 10)
    funnels = FunnelSet([first, second])
    assert set(funnels.kinds) == {"open"}
    assert set(funnels.serving) == {"buy", "see"}

    def served(value):
        kind = funnels.kinds["open"]([value])
        return [(funnel.definition.name, steps) for funnel, steps in funnels.serving[kind]]

    assert served("a") == [("f", (0, 1))]
    assert served("b") == [("f", (1,)), ("g", (1,))]
    assert served(None) == [("f", (1,))]
    for unknown in ("open", "other", ("open", 0), "open\x001"):
        with pytest.raises(KeyError):
            funnels.serving[unknown]
    assert (
        FunnelSet([Funnel("f", 1, (Step("a", ("A",), where=where("a")), Step("b", ("B",))), 10)]).kinds["A"](["b"])
        is None
    )
