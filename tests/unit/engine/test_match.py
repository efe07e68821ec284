"""Which steps an event serves, and what it says for breakdowns and values."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.engine.match import FunnelSet
from stream.engine.touches import MAX_SEGMENT_LENGTH, NO_VALUE, exact_amount, segment_text
from stream.model.funnel import Breakdown, Funnel, Step, ValueRule
from support.roles import steps_of

MONEY = ValueRule("total", "currency", "EUR")


def shop(name="shop", breakdowns=(), value=None):
    steps = (Step("look", ("view", "visit")), Step("buy", ("buy", "visit"), value=value))
    return Funnel(name, 1, steps, 10, breakdowns=breakdowns)


def touch(funnels, steps, **properties):
    compiled = funnels.funnels[0]
    return compiled.touch(steps, tuple(properties.get(path) for path in funnels.property_paths))


def test_a_name_serves_every_step_that_lists_it():
    (funnel,) = FunnelSet([shop()]).funnels
    assert steps_of(funnel) == {"view": (0,), "visit": (0, 1), "buy": (1,)}


def test_a_set_knows_each_funnel_that_a_name_serves():
    funnels = FunnelSet([shop("one"), Funnel("two", 3, (Step("a", ("buy",)), Step("b", ("end",))), 10)])
    assert [(funnel.definition.key, steps) for funnel, steps in funnels.serving["buy"]] == [
        ("one@1", (1,)),
        ("two@3", (0,)),
    ]
    assert set(funnels.serving) == {"view", "visit", "buy", "end"}


def test_numbers_of_stored_state_are_given_not_counted():
    funnels = FunnelSet([shop("one"), shop("two")], {"one@1": 7, "two@1": 3})
    assert [funnel.number for funnel in funnels.funnels] == [7, 3]
    assert funnels.by_number[3].definition.name == "two"


def test_the_decoder_is_asked_for_each_property_once():
    funnels = FunnelSet(
        [shop("one", (Breakdown("by", ("utm", "ref")),), MONEY), shop("two", (Breakdown("x", ("utm",)),))]
    )
    assert funnels.property_paths == ("currency", "ref", "total", "utm")


def test_a_funnel_without_breakdowns_and_values_has_no_touch():
    funnels = FunnelSet([shop()])
    assert not funnels.funnels[0].has_touch
    assert touch(funnels, (0,)) is None


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        pytest.param({"utm": "mail"}, "mail", id="the-first-property"),
        pytest.param({"ref": "blog"}, "blog", id="the-first-that-the-event-has"),
        pytest.param({"utm": "", "ref": "blog"}, "blog", id="empty-text-is-none"),
        pytest.param({"utm": [1], "ref": {"a": 1}}, NO_VALUE, id="no-list-and-no-object"),
        pytest.param({}, NO_VALUE, id="none-at-all"),
        pytest.param({"utm": 1}, "1", id="a-number"),
        pytest.param({"utm": True}, "true", id="a-truth-value-is-no-number"),
        pytest.param({"utm": 1.5}, "1.5", id="a-fraction"),
    ],
)
def test_a_breakdown_takes_the_first_property_that_says_something(properties, expected):
    funnels = FunnelSet([shop(breakdowns=(Breakdown("by", ("utm", "ref")),))])
    assert touch(funnels, (0,), **properties) == ((expected,), ())
    assert touch(funnels, (0,), **properties) == ((expected,), ())


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        pytest.param({"utm": "mail", "ref": "blog"}, "mail / blog", id="both"),
        pytest.param({"utm": "mail"}, "mail / __none__", id="the-first-alone"),
        pytest.param({"ref": "blog"}, "__none__ / blog", id="the-second-alone"),
        pytest.param({"utm": "", "ref": []}, NO_VALUE, id="none-at-all"),
        pytest.param({"utm": "a/b", "ref": "c"}, "a\\/b / c", id="a-slash-inside"),
        pytest.param({"utm": "a\\", "ref": "/"}, "a\\\\ / \\/", id="a-backslash-inside"),
        pytest.param({"utm": NO_VALUE, "ref": "c"}, "\\__none__ / c", id="a-value-that-looks-like-none"),
        pytest.param({"utm": 1, "ref": True}, "1 / true", id="no-text"),
    ],
)
def test_two_properties_together_are_one_value(properties, expected):
    funnels = FunnelSet([shop(breakdowns=(Breakdown("by", ("utm", "ref"), is_combined=True),))])
    assert touch(funnels, (0,), **properties) == ((expected,), ())
    assert touch(funnels, (0,), **properties) == ((expected,), ())


TRICKY = st.one_of(st.none(), st.sampled_from([NO_VALUE, "/", "\\", " / ", "\\/"]), st.text("a/\\ ", max_size=4))


@given(st.tuples(TRICKY, TRICKY), st.tuples(TRICKY, TRICKY))
def test_different_pairs_never_become_the_same_value(one, other):
    funnels = FunnelSet([shop(breakdowns=(Breakdown("by", ("utm", "ref"), is_combined=True),))])
    values = [touch(funnels, (0,), utm=utm, ref=ref)[0] for utm, ref in (one, other)]
    are_equal = [text or None for text in one] == [text or None for text in other]
    assert (values[0] == values[1]) == are_equal


def test_segments_that_are_equal_as_keys_stay_apart():
    funnels = FunnelSet([shop(breakdowns=(Breakdown("by", ("utm",)),))])
    assert [touch(funnels, (0,), utm=value)[0] for value in ("1", 1, True, 1.0)] == [
        ("1",),
        ("1",),
        ("true",),
        ("1.0",),
    ]


def test_equal_touches_are_one_object():
    funnels = FunnelSet([shop(breakdowns=(Breakdown("by", ("utm",)),))])
    assert touch(funnels, (0,), utm="mail") is touch(funnels, (0,), utm="mail")


def test_only_an_event_that_can_be_the_entry_has_segments():
    funnels = FunnelSet([shop(breakdowns=(Breakdown("by", ("utm",)),), value=MONEY)])
    assert touch(funnels, (1,), utm="mail") is None
    assert touch(funnels, (1,), utm="mail", total=5) == ((), ((2, "EUR", "5"),))
    assert touch(funnels, (0, 1), utm="mail", total=5) == (("mail",), ((2, "EUR", "5"),))


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        pytest.param({"total": "12.50", "currency": "USD"}, (2, "USD", "12.50"), id="the-events-own-currency"),
        pytest.param({"total": 3}, (2, "EUR", "3"), id="the-rules-currency"),
        pytest.param({"total": 3, "currency": ""}, (2, "EUR", "3"), id="empty-is-none"),
        pytest.param({"total": 3, "currency": 978}, (2, "EUR", "3"), id="a-currency-is-text"),
    ],
)
def test_a_step_value(properties, expected):
    assert touch(FunnelSet([shop(value=MONEY)]), (1,), **properties) == ((), (expected,))


def test_an_amount_that_is_none_leaves_the_value_out():
    assert touch(FunnelSet([shop(value=MONEY)]), (1,), total="a lot") is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (12, "12"),
        (-3, "-3"),
        (0.1, "0.1"),
        (1e3, "1000.0"),
        ("19.90", "19.90"),
        ("1e3", "1000"),
        (Decimal("0.000000001"), "0.000000001"),
        ("0.0000000010", "0.0000000010"),
        ("0.0000000001", None),
        (True, None),
        (None, None),
        ("", None),
        ("12 EUR", None),
        ("NaN", None),
        ("Infinity", None),
        (float("nan"), None),
        (1e15, None),
        ("-1000000000000000", None),
        ("999999999999999", "999999999999999"),
        ([1], None),
        ({}, None),
        pytest.param("1" * 5000, None, id="thousands-of-digits"),
        pytest.param(10**5000, None, id="a-number-that-python-will-not-print"),
    ],
)
def test_an_amount_is_exact_or_none(raw, expected):
    assert exact_amount(raw) == expected


def test_a_long_segment_is_cut():
    assert segment_text("x" * 1000) == "x" * MAX_SEGMENT_LENGTH


def test_a_huge_number_is_no_segment_and_no_crash():
    assert segment_text(10**5000) is None
