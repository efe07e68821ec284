"""What is asked for is checked against what there is; a key moves to the next thing there is."""

from dataclasses import replace

import pytest

from stream.errors import TopError
from stream.terminal.picks import Picks, pick, press
from stream.web.forms import Form, Unit
from support.looks import SHOP, info, view

TOUR = replace(SHOP, name="tour")
FUNNELS = [info(), info(version=2, breakdowns=[]), info(TOUR, breakdowns=["channel"])]
PEOPLE = Picks(counts=Unit.PEOPLE)


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        pytest.param("", ["shop@1", "shop@2", "tour@1"], id="all"),
        pytest.param("shop", ["shop@1", "shop@2"], id="a-name-is-all-its-versions"),
        pytest.param("shop@2", ["shop@2"], id="one-version"),
    ],
)
def test_a_funnel_is_picked_by_name_or_version(asked, keys):
    assert [f"{each.funnel}@{each.version}" for each in pick(Picks(funnel=asked), FUNNELS)] == keys


@pytest.mark.parametrize(
    ("picks", "complaint"),
    [
        (Picks(funnel="shopp"), "there is no funnel shopp, only shop@1, shop@2, tour@1"),
        (Picks(window="2h"), "--window 2h is not one of those there are: 5m, 1h"),
        (Picks(counts=Unit.PEOPLE, window="1h"), "--window 1h is not one of those there are: day"),
        (Picks(form="current"), "--form current is not one of those there are: rolling, matured"),
        (Picks(funnel="shop@2", breakdown="device"), "--breakdown device is not one of those there are: none"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(picks, complaint):
    with pytest.raises(TopError) as refused:
        pick(picks, FUNNELS)
    assert str(refused.value) == complaint


@pytest.mark.parametrize(
    ("picks", "query"),
    [
        pytest.param(Picks(), {"counts": "attempts"}, id="the-server-knows-what-is-usual"),
        pytest.param(Picks(window="5m", form="matured"), {"counts": "attempts", "window": "5m", "form": "matured"},
                     id="all-of-it"),
        pytest.param(Picks(window="1h", form="matured"), {"counts": "attempts", "window": "1h"},
                     id="not-a-form-that-the-window-has-not"),
        pytest.param(Picks(breakdown="channel"), {"counts": "attempts"}, id="not-a-breakdown-of-another-funnel"),
        pytest.param(Picks(counts=Unit.PEOPLE, form="previous"), {"counts": "people", "form": "previous"}, id="people"),
    ],
)  # fmt: skip
def test_a_funnel_is_asked_for_what_it_has(picks, query):
    assert picks.query(info()) == query


def pressed(picks, *keys):
    for key in keys:
        seen = {"counts": picks.counts, "window": picks.window or "1h", "form": Form(picks.form or "rolling")}
        picks = press(picks, key, FUNNELS, view(SHOP, choice=seen).choice)
    return picks


def test_f_goes_through_all_funnels_and_back_to_all_of_them():
    found = [pressed(Picks(), *"f" * times).funnel for times in range(5)]
    assert found == ["", "shop@1", "shop@2", "tour@1", ""]


def test_w_goes_on_from_the_window_that_is_shown():
    assert [pressed(Picks(), *"w" * times).window for times in range(1, 4)] == ["5m", "1h", "5m"]


def test_m_goes_through_the_forms_of_the_window_that_is_shown():
    assert pressed(Picks(), "w", "m").form == "matured"
    assert pressed(Picks(), "m").form == "rolling"


def test_b_shows_segments_and_the_whole_again():
    assert [pressed(Picks(), *"b" * times).breakdown for times in range(3)] == ["", "device", ""]


def test_c_goes_to_people_and_back_with_what_is_usual_there():
    assert pressed(Picks(window="5m", form="matured"), "c") == PEOPLE
    assert pressed(Picks(window="5m"), "c", "c") == Picks()


def test_any_other_key_changes_nothing():
    assert pressed(Picks(window="5m"), "x", "", "\x1b") == Picks(window="5m")
