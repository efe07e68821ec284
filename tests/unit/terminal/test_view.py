"""The live view shows what the server says, and nothing where it says nothing."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from stream.aggregate.cells import empty_counts
from stream.terminal.view import fitting, health_rows, keys_row, live_view, plain_line, speed, watermark_age
from stream.web.forms import BottleneckDoc, Form, State, Unit
from support.looks import ANY_ORDER, SHOP, health, info, looked, side, view

OTHERS = [replace(SHOP, name=name, title="") for name in ("second", "third")]
THREE = [(info(funnel), view(funnel)) for funnel in (SHOP, *OTHERS)]
PEOPLE = {"counts": Unit.PEOPLE, "window": "day", "form": Form.CURRENT}


def drawn(now, before=None, width=80, height=None):
    paper = Console(file=io.StringIO(), width=width)
    paper.print(live_view(now, [*health_rows(now, before), keys_row()], height))
    return paper.file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_every_number_stands_in_the_table_uncut(width):
    text = drawn(looked(), width=width)
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert rows["view"][2:] == ["200", "25.0%", "50.0%", "33"]
    assert rows["buy"][2:] == ["50"]
    assert rows["overall"][1:] == ["50", "25.0%", "50.0%", "33"]
    assert "…" not in text


def test_a_bar_is_as_long_as_the_share_that_got_there():
    assert [line.count("█") for line in drawn(looked()).splitlines() if "█" in line] == [16, 4]


def test_the_bottleneck_is_named():
    worst = BottleneckDoc(step=1, name="view", next_step=2, next_name="buy", lost=117, share=0.585)
    assert "most are lost from view to buy: 117 lost (58.5%)" in drawn(looked((info(), view(bottleneck=worst))))


@pytest.mark.parametrize(
    ("choice", "about", "title"),
    [
        pytest.param({}, {}, "The shop: attempts that entered in the last 1h, so far", id="attempts"),
        pytest.param({"form": Form.MATURED}, {}, "attempts that entered in 1h, all decided", id="matured"),
        pytest.param(PEOPLE, {}, "people that entered in this day, so far", id="people"),
        pytest.param(PEOPLE | {"form": Form.PREVIOUS}, {}, "people that entered in the day before", id="yesterday"),
        pytest.param(PEOPLE, {"counts_units": True}, "units that entered in this day", id="sessions"),
    ],
)
def test_the_title_says_what_is_counted(choice, about, title):
    assert title in drawn(looked((info(**about), view(choice=choice))))


def test_units_say_of_how_many_people_they_are():
    assert "units that entered in this day, so far (of 1,234 people)" in drawn(
        looked((info(counts_units=True), view(choice=PEOPLE, distinct=1234)))
    )


def test_old_numbers_do_not_pass_for_live_ones():
    old = looked((info(), view(state=State.STALE)))
    assert "NOT LIVE, as of 2026-01-01T00:00:10.000Z" in drawn(old, width=120)
    assert "NOT LIVE as of 2026" in plain_line(old, None)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (State.WAITING, "nothing is counted yet"),
        (State.NOT_COUNTED, "no worker counts this funnel yet"),
        (State.LIVE, "the funnel did not count yet then"),
        (State.STALE, "the numbers are too old to show"),
    ],
)
def test_a_view_without_numbers_says_why(state, text):
    without = looked((info(), view(counts=None, state=state)))
    assert text in drawn(without)
    assert plain_line(without, None) == f"shop: {text}"


def test_where_nobody_entered_there_is_no_share():
    text = drawn(looked((info(), view(counts=empty_counts(2)))))
    assert "%" not in text
    assert "█" not in text


def test_segments_stand_side_by_side_with_the_share_that_went_on_from_each_step():
    segments = [side("mobile", 120, [0.061]), side("desktop", 80, [None])]
    lines = drawn(looked((info(), view(choice={"breakdown": "device"}, segments=segments)))).splitlines()
    found = [line.split() for line in lines if line.split()[:1] in (["by"], ["mobile"], ["desktop"])]
    assert found == [
        ["by", "device", "entered", "1→2", "overall"],
        ["mobile", "120", "6.1%", "6.1%"],
        ["desktop", "80", "-", "-"],
    ]


def test_of_many_segments_the_first_are_shown_and_how_many_more_there_are():
    segments = [side(f"s{number}", 200 - number, [0.5]) for number in range(200)]
    text = drawn(looked((info(), view(choice={"breakdown": "device"}, segments=segments))))
    assert "s7" in text
    assert "s8" not in text
    assert "and 192 more" in text


def test_names_from_outside_do_not_steer_the_terminal():
    segments = [side("\x1b[31m[red]", 1, [0.5])]
    text = drawn(looked((info(title="A\x1b]0;B"), view(choice={"breakdown": "device"}, segments=segments))))
    assert "\x1b" not in text
    assert "[31m[red]" in text


def test_the_pipeline_is_shown_with_verdicts_lag_and_age():
    text = drawn(looked(accepted=900, late=2, lags=(12, None, 30), marks=("2026-01-01T00:00:07.500Z", None, None)))
    assert "902 = 900 accepted + 2 late" in text
    assert "lag 42 records" in text
    assert "watermark 2.5 s old" in text


def test_what_is_not_known_yet_is_said_to_be_so():
    text = drawn(looked(lags=(None,), marks=(None,)))
    assert "lag unknown, no watermark yet" in text


def test_a_low_terminal_shows_the_first_funnel_and_says_how_many_more_there_are():
    text = drawn(looked(*THREE), height=15)
    assert "The shop" in text
    assert "second" not in text
    assert "2 more funnels in a higher terminal" in text
    assert len(text.splitlines()) <= 15


def test_a_high_terminal_shows_all_funnels():
    text = drawn(looked(*THREE), height=40)
    assert "third" in text
    assert "more funnels" not in text


@pytest.mark.parametrize(("lines", "expected"), [(-5, 1), (6, 1), (11, 1), (12, 2), (18, 3), (99, 3)])
def test_as_many_funnels_as_fit_and_always_one(lines, expected):
    assert len(fitting(THREE, lines)) == expected


@pytest.mark.parametrize(("lines", "segments"), [(9, False), (10, True)])
def test_the_first_funnel_goes_without_its_segments_where_there_is_no_room(lines, segments):
    split = view(choice={"breakdown": "device"}, segments=[side("mobile", 1, [0.5]), side("desktop", 2, [0.5])])
    ((_, shown),) = fitting([(info(), split)], lines)
    assert bool(shown.segments) == segments


def test_twenty_steps_with_long_names_stay_within_the_width():
    steps = tuple(replace(SHOP.steps[0], name=f"a step with a very long name indeed, number {n}") for n in range(20))
    funnel = replace(SHOP, steps=steps)
    segments = [side("mobile", 7, [0.5] * 19)]
    shown = view(funnel, empty_counts(20), choice={"breakdown": "device"}, segments=segments)
    text = drawn(looked((info(funnel), shown)))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" in text


def test_events_per_second_come_from_two_looks():
    assert speed(looked(at_s=12.0, accepted=400), looked(at_s=10.0, accepted=100)) == "150 events/s, "


def test_one_look_has_no_speed():
    assert "events/s" not in drawn(looked())


def test_a_store_that_went_back_shows_no_negative_rate():
    assert speed(looked(at_s=12.0, accepted=0), looked(at_s=10.0, accepted=400)) == "0 events/s, "


def test_the_age_is_that_of_the_newest_watermark():
    marks = ("2026-01-01T00:00:01.000Z", "2026-01-01T00:00:09.000Z")
    assert watermark_age(health(lags=(0, 0), marks=marks)) == "watermark 1.0 s old"


def test_without_a_terminal_one_line_says_it():
    assert plain_line(looked(), None) == "shop: view 200 > buy 50 | conversion 25.0% | lag 12 records"


def test_in_any_order_steps_are_named_by_how_many_are_reached():
    now = looked((info(ANY_ORDER), view(ANY_ORDER)))
    lines = drawn(now).splitlines()
    assert [line.partition("█")[0].strip() for line in lines if "█" in line] == ["any 1 of 2", "any 2 of 2"]
    assert "any 1 of 2 200 > any 2 of 2 50" in plain_line(now, None)
