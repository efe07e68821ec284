"""Query parameters: what is usual where nothing is said, and what would be right where something else is said."""

from dataclasses import replace

import pytest

from stream.errors import RequestRefused
from stream.model.window import RollingWindow
from stream.web.choices import Catalog, Choice
from stream.web.forms import Form, Unit
from support.rollups import SHOP

FIVE, HOUR = RollingWindow("5m", 300_000), RollingWindow("1h", 3_600_000)
CATALOG = Catalog([SHOP], [FIVE, HOUR])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, (Unit.ATTEMPTS, "1h", Form.ROLLING, "", None), id="attempts-of-the-usual-window-so-far"),
        pytest.param({"window": "5m", "form": "matured"}, (Unit.ATTEMPTS, "5m", Form.MATURED, "", None), id="matured"),
        pytest.param({"counts": "people"}, (Unit.PEOPLE, "day", Form.CURRENT, "", None), id="people-of-this-period"),
        pytest.param({"breakdown": "channel", "segment": ""}, (Unit.ATTEMPTS, "1h", Form.ROLLING, "channel", ""),
                     id="an-empty-text-is-a-segment"),
    ],
)  # fmt: skip
def test_what_is_asked_for(query, expected):
    assert CATALOG.choice(SHOP, query) == Choice("shop@2", *expected)


@pytest.mark.parametrize(
    ("query", "text", "allowed"),
    [
        ({"window": "2h"}, 'window="2h" is not one of those there are', ("5m", "1h")),
        ({"counts": "people", "window": "1h"}, 'window="1h" is not one of those there are', ("day",)),
        ({"counts": "people", "form": "matured"}, 'form="matured" is not one', ("current", "previous")),
        ({"counts": "visits"}, 'counts="visits" is not one', ("attempts", "people")),
        ({"breakdown": "colour"}, 'breakdown="colour" is not one', ("", "channel")),
        ({"segment": "mail"}, "segment is without a breakdown", ("channel",)),
        ({"windows": "1h"}, "there is no parameter windows", ("counts", "window", "form", "breakdown", "segment")),
    ],
)
def test_what_is_wrong_is_answered_with_what_is_right(query, text, allowed):
    with pytest.raises(RequestRefused) as refused:
        CATALOG.choice(SHOP, query)
    assert refused.value.status == 400
    assert text in str(refused.value)
    assert refused.value.allowed == allowed


def test_an_unknown_funnel_is_answered_with_the_known_ones():
    with pytest.raises(RequestRefused) as refused:
        CATALOG.funnel("shop", "3")
    assert (refused.value.status, refused.value.allowed) == (404, ("shop@2",))


def test_a_matured_form_that_is_not_kept_is_not_offered():
    year = replace(SHOP, window_ms=400 * 86_400_000)
    assert Catalog([year], [FIVE]).forms(year) == {"5m": [Form.ROLLING]}
    with pytest.raises(RequestRefused) as refused:
        Catalog([year], [FIVE]).choice(year, {"window": "5m", "form": "matured"})
    assert refused.value.allowed == ("rolling",)
