"""The notation reads what it documents and refuses the rest by name."""

from decimal import Decimal

import pytest

from support.notation import funnel, path
from support.oracle import OEvent, OFunnel


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        pytest.param("A@0", OEvent(0, "e1", "A"), id="name-and-time"),
        pytest.param("A#x@-7", OEvent(-7, "x", "A"), id="own-id-and-negative-time"),
        pytest.param("A@1=12.5EUR", OEvent(1, "e1", "A", Decimal("12.5"), "EUR"), id="value-with-currency"),
        pytest.param("A@1=-3", OEvent(1, "e1", "A", Decimal(-3)), id="value-alone"),
        pytest.param("page view@1", None, id="no-space-in-a-name"),
        pytest.param("buy.now#o-1@1=2USD[]", OEvent(1, "o-1", "buy.now", Decimal(2), "USD", ""), id="empty-segment"),
        pytest.param("A@1[mobile]", OEvent(1, "e1", "A", segment="mobile"), id="segment"),
        pytest.param("A@1{plan=pro,v=}", OEvent(1, "e1", "A", properties={"plan": "pro", "v": ""}), id="properties"),
        pytest.param("A@1{}", None, id="no-empty-properties"),
        pytest.param("A@1{plan}", None, id="no-property-without-a-value"),
        pytest.param("A@1.5", None, id="no-fractions-of-a-ms"),
        pytest.param("A", None, id="no-event-without-time"),
    ],
)
def test_path(token, expected):
    if expected is None:
        with pytest.raises(ValueError, match="is not an event"):
            path(token)
    else:
        assert path(token) == [expected]


def test_ids_count_the_tokens():
    assert [e.id for e in path("A@0 B#x@1 C@2")] == ["e1", "x", "e3"]


def test_funnel():
    assert funnel("A>B|D>C/10") == OFunnel((frozenset("A"), frozenset("BD"), frozenset("C")), 10)


@pytest.mark.parametrize("text", ["A>B", "A>B/", "A>/10", "A>B/-1", "A>B|/3"])
def test_a_broken_funnel_is_refused(text):
    with pytest.raises(ValueError, match="is not a funnel"):
        funnel(text)
