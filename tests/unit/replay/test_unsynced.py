"""Who is unsynced until when, by hand; a path is actor:NAME@time tokens in log order."""

from dataclasses import replace

import pytest

from stream.aggregate.totals import PartitionTotals
from stream.engine.match import FunnelSet
from stream.model.funnel import Attribution, Breakdown, Funnel, Period, PeriodUnit, Step
from stream.replay.rows import Row
from stream.replay.unsynced import Bounds, Watch

EVER = 1 << 60
A_TO_B = Funnel("ab", 1, (Step("a", ("A",)), Step("b", ("B",))), 10)
HOUR = 3_600_000


def watched(text, sure, since, funnel=A_TO_B, lateness=0):
    """Follow a path; returns the watch and the funnel's totals."""
    funnels = FunnelSet([funnel])
    totals = PartitionTotals(funnels.funnels, ())
    watch = Watch(totals.by_number.values(), {funnel.key: Bounds(sure, since)}, funnels.serving)
    newest = -EVER
    for place, token in enumerate(text.split()):
        actor, _, event = token.partition(":")
        name, _, time = event.partition("@")
        time, _, device = time.partition("/")
        newest = max(newest, int(time))
        events = [(actor, int(time), f"e{place}", name, (device or None,), 0)] if name in "AB" else []
        totals.note(events, funnels.serving)
        watch.take(events, newest - lateness)
    return watch


def unsynced(text, sure, since, **changes):
    (found,) = watched(text, sure, since, **changes).finish().values()
    return found


@pytest.mark.parametrize(
    ("text", "since", "expected"),
    [
        pytest.param("u:A@3 u:A@9 u:B@12 u:A@30", 3, (1, 1), id="until-its-first-pause-longer-than-the-window"),
        pytest.param("u:A@3 u:A@9 u:B@12 u:A@30", 5, (0, 1), id="attempts-that-began-earlier-are-none-of-them"),
        pytest.param("u:A@3 u:A@9 u:B@12 u:A@15", 3, (2, 1), id="as-long-as-no-pause-comes"),
        pytest.param("u:A@3 u:A@14", 5, (0, 0), id="a-pause-before-the-start-is-as-good"),
        pytest.param("u:A@3 u:A@13 u:A@23", 5, (1, 1), id="a-pause-as-long-as-the-window-is-none"),
        pytest.param("u:A@11", 5, (0, 0), id="who-was-not-seen-for-a-window-has-paused"),
        pytest.param("u:A@10", 5, (1, 1), id="who-was-not-seen-for-less-may-not-have"),
        pytest.param("u:A@-9 u:A@11", 5, (0, 0), id="events-of-which-not-all-are-known-delay-nothing"),
        pytest.param("u:A@3 v:A@4 u:A@9 v:A@15", 5, (0, 1), id="each-actor-by-itself"),
        pytest.param("u:A@8 u:X@12 u:A@19", 5, (1, 1), id="what-the-funnel-does-not-take-is-no-event"),
        pytest.param("u:A@8 u:A@8 u:A@30", 5, (1, 1), id="a-tie-is-one-instant"),
    ],
)
def test_attempts_and_actors_that_are_unsynced(text, since, expected):
    found = unsynced(text, 0, since)
    assert (found.attempts, found.actors) == expected


def test_a_late_event_that_fills_the_pause_is_waited_for():
    assert unsynced("u:A@3 u:A@14 u:A@9", 0, 5, lateness=5).actors == 1
    assert unsynced("u:A@3 u:A@14", 0, 5, lateness=5).actors == 0


def test_an_attempt_may_lie_wherever_one_of_the_actors_events_is():
    """The run has the attempt of 3 only; live, which knows A@0, has one that enters at 9."""
    funnel = replace(A_TO_B, breakdowns=(Breakdown("device", ("device",)),))
    found = unsynced("u:A@3/desk u:A@2009/phone u:B@2012 v:A@2020/tv", 0, 5, funnel=replace(funnel, window_ms=2010))

    def within(from_ms, until_ms, breakdown="", segment="", **kind):
        return found.within(Row({}, from_ms, until_ms, breakdown, segment, **kind))

    assert within(2000, 3000) == 2
    assert within(2000, 3000, "device", "phone") == 2
    assert within(2000, 3000, "device", "desk") == 0, "that event began before what is counted"
    assert within(2000, 3000, "device", "tv") == 0, "who had paused"
    assert within(0, 2000) == 0
    assert within(0, EVER, is_people=True) == 0


def test_a_value_that_comes_later_in_an_attempt_may_be_that_of_its_entry():
    last = Breakdown("device", ("device",), Attribution.LAST_TOUCH)
    found = unsynced("u:A@9/desk u:A@1010/phone", 0, 5, funnel=replace(A_TO_B, window_ms=1001, breakdowns=(last,)))
    for segment in ("desk", "phone", "__none__"):
        assert found.within(Row({}, 0, 1000, "device", segment)) == 1


def test_whose_period_may_have_been_entered_before_is_unsynced_until_the_next_one():
    """Only the first entry of a period counts, and that of this hour may lie before what is known."""
    funnel = replace(A_TO_B, entry_first=True, period=Period(PeriodUnit.HOUR))
    text = f"u:A@100 v:A@{HOUR + 50} u:A@{HOUR + 60} w:A@{HOUR - 100}"
    found = unsynced(text, 0 + 1, 5, funnel=funnel, lateness=HOUR)
    assert found.actors == 2
    assert unsynced(text, 0, 5, funnel=funnel, lateness=HOUR).actors == 0


def test_nobody_is_held_whose_pause_has_come_and_nobody_new_once_all_can_have():
    watch = watched(" ".join(f"u{number}:A@{number}" for number in range(200)), 0, 5)
    (own,) = watch._watched.values()
    assert len(own._actors) == 0
    assert watch.is_done
    (found,) = watch.finish().values()
    assert found.actors == len(range(5, 11))
