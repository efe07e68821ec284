"""Documents are what the rollup says; what cannot be said is null, and what nobody did is 0."""

from dataclasses import replace

import msgspec
import pytest

from stream.analyze.document import outcome
from stream.model.result import PeriodRow, Rollup
from stream.model.window import RollingWindow
from stream.web.choices import Catalog, Choice
from stream.web.forms import Form, State, Unit
from stream.web.views import bottleneck, funnels_document, health_document, state_of, view_document
from stream.worker.refreshed import Refreshed
from support.rollups import (
    AS_OF_MS,
    DAY_MS,
    MAIL,
    MATURED,
    SHOP,
    TODAY_MS,
    TOTAL,
    TOUR,
    make_counts,
    nothing,
    shop_rollup,
    shop_source,
    tour_rollup,
)

HOUR = RollingWindow("1h", 3_600_000)
CATALOG = Catalog([SHOP, TOUR], [RollingWindow("5m", 300_000), HOUR])
ATTEMPTS = Choice("shop@2", Unit.ATTEMPTS, "1h", Form.ROLLING)
PEOPLE = Choice("shop@2", Unit.PEOPLE, "day", Form.CURRENT)


def reading(*funnels, read_ms=AS_OF_MS, **changes):
    merged = msgspec.structs.replace(shop_source(*funnels), **changes)
    part = Rollup(AS_OF_MS, AS_OF_MS - 5, 921, [0] * 7, 0, AS_OF_MS - 400, [], lag_records=-1)
    return Refreshed({1: part}, 3, merged, read_ms)


def view(choice, refreshed=None, now_ms=AS_OF_MS):
    return view_document(CATALOG, choice, refreshed or reading(), now_ms)


@pytest.mark.parametrize(
    ("choice", "counts"),
    [
        pytest.param(ATTEMPTS, TOTAL, id="so-far"),
        pytest.param(replace(ATTEMPTS, form=Form.MATURED), MATURED, id="matured"),
        pytest.param(replace(ATTEMPTS, breakdown="channel"), TOTAL, id="a-breakdown-leaves-the-whole-as-it-is"),
        pytest.param(replace(ATTEMPTS, breakdown="channel", segment="mail"), MAIL, id="one-segment"),
        pytest.param(replace(ATTEMPTS, window="5m"), nothing(), id="a-window-nobody-entered-is-zeros"),
        pytest.param(replace(ATTEMPTS, breakdown="channel", segment="?"), nothing(), id="so-is-an-unknown-segment"),
        pytest.param(PEOPLE, make_counts([8, 4], [30, 10], 12), id="people-of-the-period"),
        pytest.param(replace(PEOPLE, form=Form.PREVIOUS), make_counts([0, 0], [50, 20], 30), id="and-of-the-last"),
    ],
)
def test_the_numbers_are_those_of_the_rollups_row(choice, counts):
    document = view(choice)
    assert document.outcome == outcome(counts, SHOP)
    assert document.state is State.LIVE
    assert document.standing == ([4, 1, 2] if choice.segment == "mail" else [0, 0, 0] if choice.segment else [10, 5, 3])


def test_the_example_by_hand():
    found = view(ATTEMPTS).outcome
    assert (found.entered, found.converted, found.dropped, found.excluded, found.pending) == (100, 20, 60, 5, 15)
    assert [step.reached for step in found.steps] == [100, 45, 20]
    assert [step.conversion for step in found.steps] == [0.45, 20 / 45, None]
    assert found.time_to_convert.timed == 20


def test_unknown_is_null_and_never_a_number():
    pending = shop_rollup()
    pending.windows = [msgspec.structs.replace(pending.windows[0], counts=make_counts([3, 1], [0, 0], 0))]
    found = view(ATTEMPTS, reading(pending)).outcome
    assert (found.entered, found.conversion, found.dropoff, found.time_to_convert) == (4, None, None, None)
    nobody = view(replace(ATTEMPTS, window="5m")).outcome
    assert (nobody.entered, nobody.conversion) == (0, None)
    assert [step.reached_share for step in nobody.steps] == [None] * 3


def test_segments_stand_side_by_side_the_largest_first():
    sides = view(replace(ATTEMPTS, breakdown="channel", segment="ads")).segments
    assert [(side.segment, side.entered, side.converted, side.reached) for side in sides] == [
        ("ads", 60, 5, [60, 24, 5]),
        ("mail", 40, 15, [40, 21, 15]),
    ]
    assert view(ATTEMPTS).segments is None


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        pytest.param(TOTAL, (1, 2, 45), id="dropped-and-excluded"),
        pytest.param(make_counts([0, 0], [5, 5], 1), (1, 2, 5), id="of-equals-the-first"),
        pytest.param(make_counts([9, 0], [1, 7], 1), (2, 3, 7), id="who-is-pending-is-not-lost"),
        pytest.param(make_counts([9, 1], [0, 0], 1), None, id="nobody"),
    ],
)
def test_the_bottleneck_is_where_most_were_lost(counts, expected):
    found = bottleneck(counts, SHOP)
    assert expected == (found and (found.step, found.next_step, found.lost))


def test_the_bottleneck_of_a_funnel_with_optional_steps_lies_between_required_ones():
    found = bottleneck(tour_rollup().windows[0].counts, TOUR)
    assert (found.step, found.next_step, found.lost) == (1, 3, 2)


def test_a_period_in_which_nobody_entered_is_zeros_and_one_before_the_funnel_is_null():
    empty = shop_rollup()
    empty.periods = []
    assert view(PEOPLE, reading(empty)).outcome.entered == 0
    assert view(replace(PEOPLE, form=Form.PREVIOUS), reading(empty)).outcome.entered == 0
    empty.since_ms = TODAY_MS
    assert view(replace(PEOPLE, form=Form.PREVIOUS), reading(empty)).outcome is None


def test_where_units_are_counted_it_is_said_of_how_many_people():
    document = view(Choice("tour@1", Unit.PEOPLE, "day", Form.CURRENT), reading(tour_rollup()))
    assert (document.outcome.entered, document.distinct) == (17, 6)
    assert view(PEOPLE).distinct is None


@pytest.mark.parametrize(
    ("refreshed", "now_ms", "state"),
    [
        pytest.param(None, AS_OF_MS, State.WAITING, id="nothing-read"),
        pytest.param(Refreshed({}, 4, None, AS_OF_MS), AS_OF_MS, State.WAITING, id="nothing-counted"),
        pytest.param(reading(), AS_OF_MS + 10_000, State.LIVE, id="ten-seconds-are-live"),
        pytest.param(reading(), AS_OF_MS + 10_001, State.STALE, id="more-are-not"),
        pytest.param(
            reading(read_ms=AS_OF_MS + 60_000), AS_OF_MS + 60_000, State.STALE, id="read-now-written-long-ago"
        ),
        pytest.param(reading(written_ms=AS_OF_MS + 60_000), AS_OF_MS + 60_000, State.STALE, id="the-other-way-round"),
    ],
)
def test_what_is_live(refreshed, now_ms, state):
    assert state_of(refreshed, now_ms) is state
    assert view_document(CATALOG, ATTEMPTS, refreshed, now_ms).state is state


def test_a_funnel_that_no_worker_counts_has_no_numbers():
    document = view(Choice("tour@1", Unit.ATTEMPTS, "1h", Form.ROLLING))
    assert (document.state, document.outcome, document.segments) == (State.NOT_COUNTED, None, None)


def test_people_rows_of_other_periods_are_left_out():
    rollup = shop_rollup()
    rollup.periods = [PeriodRow(TODAY_MS - 2 * DAY_MS, "", "", make_counts([0, 0], [1, 1], 1))]
    assert view(PEOPLE, reading(rollup)).outcome.entered == 0


def test_the_funnels_say_what_can_be_chosen():
    shop, tour = funnels_document(CATALOG, reading(), AS_OF_MS).funnels
    assert (shop.funnel, shop.version, shop.title, shop.window_seconds) == ("shop", 2, "Shop", 1800)
    first = shop.steps[0]
    assert (first.name, first.stage, first.group, first.optional) == ("Product seen", "interest", "middle", False)
    assert shop.breakdowns == ["channel"]
    assert {each.window: each.forms for each in shop.attempts} == {key: ["rolling", "matured"] for key in ("5m", "1h")}
    assert (shop.people.unit, shop.counts_units, tour.counts_units) == ("day", False, True)
    assert [step.step for step in tour.steps if step.optional] == [2]


def test_health_says_what_is_known_and_what_is_missing():
    health = health_document(CATALOG, reading(), AS_OF_MS + 100, (False, "waits for Kafka"))
    assert (health.ready, health.reason, health.state) == (False, "waits for Kafka", State.LIVE)
    assert (health.records.accepted, health.records.late, health.corrections, health.gaps) == (900, 4, 11, 1)
    (partition,) = health.partitions
    assert (partition.partition, partition.lag, partition.age_seconds) == (1, None, 0.5)
    assert (health.without_rollup, health.not_counted) == ([0, 2], ["tour@1"])
