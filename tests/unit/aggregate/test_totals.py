"""Totals of a partition: slots, settling, expiry, and the way through the store and back."""

import random
from dataclasses import replace

import pytest

from stream.aggregate.rollup import roll_up
from stream.aggregate.totals import DAY_MS, KEPT_DAYS, KEPT_PERIODS, FunnelTotals, PartitionTotals, splits_of
from stream.engine.advance import Change
from stream.engine.match import FunnelSet
from stream.model.funnel import Attribution, Breakdown, Exclusion, Funnel, Order, Period, PeriodUnit, Step, ValueRule
from stream.model.window import Age, RollingWindow

WINDOW_MS = 60_000
HOUR_MS = 3_600_000
FUNNEL = Funnel(
    "shop",
    1,
    (Step("view", ("view",)), Step("buy", ("buy",), value=ValueRule("total"))),
    WINDOW_MS,
    breakdowns=(Breakdown("device", ("device",)),),
    period=Period(PeriodUnit.HOUR),
)
WINDOWS = (RollingWindow("1m", 60_000), RollingWindow("1h", HOUR_MS))
AGES = (Age("10s", 10_000), Age("5m", 300_000))


def new_totals(ages: tuple[Age, ...] = AGES) -> PartitionTotals:
    return PartitionTotals(FunnelSet([FUNNEL]).funnels, WINDOWS, ages)


def entered(time_ms: int, device: str = "phone") -> tuple:
    touch = ((device,), ())
    return time_ms, 1, (time_ms, touch), touch, None, None


def bought(time_ms: int, after_ms: int, device: str = "phone", amount: str = "2.50") -> tuple:
    touch = ((device,), ())
    return time_ms, 2, (time_ms, touch, time_ms + after_ms, ((), ((2, "EUR", amount),))), touch, None, None


def period(time_ms: int, *, best: int = 1, device: str = "phone") -> tuple:
    start_ms = time_ms - time_ms % HOUR_MS
    chain = (time_ms, ((device,), ()), time_ms + 1, None)[: 2 * best]
    return start_ms, start_ms + HOUR_MS, True, best, chain


def take(totals: PartitionTotals, change: Change) -> int:
    (own,) = totals.by_number.values()
    for attempt in (*change.given, *change.taken):
        own.note(attempt[3][0])
    for each in (*change.given_periods, *change.taken_periods):
        own.note(each[4][1][0])
    return totals.take([(own.funnel, change)])


def shop(totals: PartitionTotals) -> FunnelTotals:
    return totals.by_number[0]


def settled_at(totals: PartitionTotals) -> list[int]:
    cell = shop(totals).settled.get((0, ""))
    return [0, 0] if cell is None else cell.at


def test_an_attempt_lies_in_the_slot_of_its_entry_in_every_window():
    totals = new_totals()
    take(totals, Change((), (entered(61_500),)))
    short, long = shop(totals).windows
    assert list(short.slots) == [61_000]
    assert list(long.slots) == [60_000]
    assert set(short.slots[61_000]) == {(0, ""), (1, "phone")}


def test_what_goes_on_moves_from_step_to_step_within_its_slot():
    totals = new_totals()
    take(totals, Change((), (entered(500),)))
    take(totals, Change((entered(500),), (bought(500, 20_000),)))
    assert shop(totals).windows[0].slots[0][0, ""].at == [0, 1]
    assert shop(totals).ledger.slots[0][0, ""].at == [0, 1]
    assert shop(totals).closings.slots[20_000][0, ""].at == [0, 1]


def test_corrections_are_added_up():
    totals = new_totals()
    assert take(totals, Change((), (entered(1),), corrections=2)) == 2


def test_a_conversion_settles_once_its_event_is_wholly_behind_the_limit():
    totals = new_totals()
    take(totals, Change((), (bought(0, 20_500),)))
    totals.move_on(20_999, 20_999)
    assert settled_at(totals) == [0, 0]
    totals.move_on(21_000, 21_000)
    assert settled_at(totals) == [0, 1]
    assert shop(totals).closings.slots == {}


def test_a_drop_settles_once_its_slot_and_window_are_behind_the_limit():
    totals = new_totals()
    take(totals, Change((), (entered(500),)))
    totals.move_on(61_000, 61_000)
    assert settled_at(totals) == [0, 0]
    totals.move_on(62_000, 62_000)
    assert settled_at(totals) == [1, 0]
    assert shop(totals).ledger.slots == {}


def test_nothing_settles_twice():
    totals = new_totals()
    take(totals, Change((), (entered(500), bought(700, 100))))
    for limit_ms in (62_000, 70_000, 10 * HOUR_MS):
        totals.move_on(limit_ms, limit_ms)
        assert settled_at(totals) == [1, 1]


def test_lateness_holds_settling_back_and_not_the_windows():
    totals = new_totals()
    take(totals, Change((), (entered(500),)))
    totals.move_on(10 * HOUR_MS, 30_000)
    assert settled_at(totals) == [0, 0]
    assert all(not ring.slots for ring in shop(totals).windows)


def test_a_period_is_kept_as_long_as_it_may_be_shown_or_change():
    totals = new_totals()
    times = [hour * HOUR_MS for hour in range(KEPT_PERIODS + 2)]
    for time_ms in times:
        take(totals, Change((), (), (), (period(time_ms),)))
    totals.move_on(HOUR_MS + WINDOW_MS, HOUR_MS + WINDOW_MS)
    assert sorted(shop(totals).periods) == times
    totals.move_on(100 * HOUR_MS, 100 * HOUR_MS)
    assert sorted(shop(totals).periods) == times[-KEPT_PERIODS:]


def test_a_touch_counts_for_the_whole_and_for_each_breakdown():
    assert splits_of(None) == ((0, ""),)
    assert splits_of(((), ())) == ((0, ""),)
    assert splits_of((("phone", "mail"), ())) == ((0, ""), (1, "phone"), (2, "mail"))


def test_values_beyond_the_cap_are_counted_as_other_and_stay_so(monkeypatch):
    totals = new_totals()
    for values in shop(totals).counted:
        monkeypatch.setattr(values, "_limit", 2)
    for device in ("a", "b", "c", "d"):
        take(totals, Change((), (entered(0, device),)))
    segments = {split: cell.at[0] for split, cell in shop(totals).ledger.slots[0].items()}
    assert segments == {(0, ""): 4, (1, "a"): 1, (1, "b"): 1, (1, "__other__"): 2}
    take(totals, Change((entered(0, "d"),), ()))
    assert shop(totals).ledger.slots[0][1, "__other__"].at[0] == 1


def test_of_days_those_are_kept_by_which_the_export_is_chosen():
    totals = new_totals()
    days = [day * DAY_MS for day in range(6)]
    for day_ms in days:
        take(totals, Change((), (entered(day_ms),)))
    totals.fields()
    totals.move_on(days[-1] + 5, days[-1])
    assert sorted(shop(totals).days) == days[-KEPT_DAYS:]
    _, deleted = totals.fields()
    assert len([key for key in deleted if b"\xa1d" in key]) == len(days) - KEPT_DAYS
    take(totals, Change((entered(0),), ()))
    assert sorted(shop(totals).days) == days[-KEPT_DAYS:], "what is not kept takes nothing"


def test_who_goes_on_has_entered_once_and_who_is_taken_back_never():
    totals = new_totals()
    take(totals, Change((), (entered(0), entered(5))))
    take(totals, Change((entered(0),), (bought(0, 7),)))
    take(totals, Change((entered(5),), ()))
    assert shop(totals).days == {0: {(1, "phone"): 1}}


def test_a_step_that_is_not_reached_has_no_value_and_is_never_other():
    by_step = Breakdown("plan", ("plan",), Attribution.STEP, 2)
    totals = PartitionTotals(FunnelSet([replace(FUNNEL, breakdowns=(by_step,))]).funnels, WINDOWS)
    (own,) = totals.by_number.values()
    own.note(("pro",))
    touch = (("__none__",), ())
    totals.take([(own.funnel, Change((), ((0, 1, (0, touch), touch, None, None),)))])
    assert own.ledger.slots[0].keys() == {(0, ""), (1, "__none__")}


@pytest.mark.parametrize(
    ("changes", "noted"),
    [
        pytest.param({}, ["a"], id="entry-events"),
        pytest.param({"order": Order.ANY}, ["a", "b"], id="any-order-starts-with-any-step"),
        pytest.param({"is_open": True}, ["a", "b"], id="an-open-funnel-too"),
        pytest.param(
            {"breakdowns": (Breakdown("d", ("device",), Attribution.LAST_TOUCH),)}, ["a", "b"], id="by-other-events"
        ),
        pytest.param({"exclusions": (Exclusion(("view",), 1, 2),)}, ["a"], id="an-entry-event-that-excludes-too"),
    ],
)
def test_the_values_are_noted_of_all_events_that_can_bring_one(changes, noted):
    funnels = FunnelSet([replace(FUNNEL, **changes)])
    totals = PartitionTotals(funnels.funnels, WINDOWS)
    column = {path: place for place, path in enumerate(funnels.property_paths)}
    events = []
    for name, device in (("view", "a"), ("buy", "b"), ("other", "c")):
        properties = [None] * len(column)
        properties[column["device"]] = device
        if funnels.served(name, properties):
            events.append(("u", 0, name, name, properties, 0))
    totals.note(events, funnels.serving)
    assert [*totals.by_number[0].counted[0].known] == noted


def random_change(rng: random.Random, now_ms: int) -> Change:
    given = []
    for _ in range(rng.randrange(4)):
        time_ms = now_ms - rng.randrange(30_000)
        device = rng.choice(["phone", "desk"])
        given.append(rng.choice([entered(time_ms, device), bought(time_ms, rng.randrange(1, 20_000), device, "1.10")]))
    periods = [period(now_ms, best=rng.randrange(1, 3))] if rng.random() < 0.5 else []
    return Change((), tuple(given), (), tuple(periods))


def shown(totals: PartitionTotals, as_of_ms: int) -> object:
    rollup = roll_up(shop(totals), as_of_ms, {}, None)
    for rows in (rollup.windows, rollup.periods, rollup.settled, rollup.total, rollup.occupancy, rollup.ages):
        rows.sort(key=lambda row: row.__struct_fields__ and [str(getattr(row, name)) for name in row.__struct_fields__])
    return rollup


def test_what_the_store_holds_is_what_memory_holds_at_any_moment():
    """Settle, expire, write the changed fields, delete the deleted ones, read them back: nothing is lost or doubled."""
    rng = random.Random("round trip")
    totals = new_totals()
    stored: dict[bytes, bytes] = {}
    now_ms = 0
    for step in range(400):
        now_ms += rng.choice([1_000, 7_000, 60_000, 3_000_000])
        take(totals, random_change(rng, now_ms))
        totals.move_on(now_ms, now_ms - 30_000)
        changed, deleted = totals.fields()
        assert not set(changed) & set(deleted)
        stored.update(changed)
        for key in deleted:
            stored.pop(key, None)
        if step % 40 == 0:
            restored = new_totals()
            assert restored.restore(stored.items()) == []
            restored.move_on(now_ms, now_ms - 30_000)
            assert shown(restored, now_ms) == shown(totals, now_ms)
            assert shown(restored, now_ms + HOUR_MS) == shown(totals, now_ms + HOUR_MS)
            totals = restored if step % 80 == 0 else totals
    assert len(stored) < 1_500


def test_nothing_changed_means_nothing_to_write():
    totals = new_totals()
    take(totals, Change((), (entered(1),)))
    totals.fields()
    assert totals.fields() == ({}, [])


def test_fields_of_a_funnel_that_is_gone_are_told_as_orphans():
    totals = new_totals()
    take(totals, Change((), (entered(1),)))
    changed, _ = totals.fields()
    other = PartitionTotals(FunnelSet([FUNNEL], {"shop@1": 7}).funnels, WINDOWS)
    assert sorted(other.restore(changed.items())) == sorted(changed)
    assert shop(totals).ledger.slots
    assert not other.by_number[7].ledger.slots


def by_age(totals: PartitionTotals, as_of_ms: int) -> dict[str, tuple[int, int]]:
    """Return age -> (reached step 1, went on) of the longest window."""
    rows = roll_up(shop(totals), as_of_ms, {}, None).ages
    return {row.age: (row.reached[0], row.went_on[0]) for row in rows if (row.window, row.breakdown) == ("1h", "")}


def restarted(totals: PartitionTotals, ages: tuple[Age, ...], counted_until_ms: int | None = 90_000) -> PartitionTotals:
    """Store everything, and go on with what is read back."""
    stored, _ = totals.fields()
    result = new_totals(ages)
    assert result.restore(stored.items(), counted_until_ms) == []
    return result


def test_counts_by_age_come_back_from_the_store():
    totals = new_totals()
    take(totals, Change((), (bought(0, 20_000), bought(0, 5_000), entered(0))))
    assert by_age(totals, 400_000) == {"10s": (3, 1), "5m": (3, 2)}
    again = restarted(totals, AGES[::-1])
    assert by_age(again, 400_000) == {"10s": (3, 1), "5m": (3, 2)}
    assert again.fields() == ({}, [])


def test_under_other_ages_they_begin_anew_behind_all_that_was_counted():
    totals = new_totals((Age("10s", 10_000),))
    take(totals, Change((), (bought(0, 5_000), entered(80_000))))
    totals = restarted(totals, AGES)
    take(totals, Change((entered(80_000),), (bought(80_000, 30_000),)))
    take(totals, Change((), (bought(150_000, 4_000),)))
    assert by_age(totals, 999_000) == {"10s": (1, 1), "5m": (1, 1)}
    assert by_age(restarted(totals, AGES), 999_000) == {"10s": (1, 1), "5m": (1, 1)}


def test_a_namespace_from_before_there_were_ages_begins_them_too():
    old = new_totals(())
    take(old, Change((), (entered(80_000),)))
    totals = restarted(old, AGES)
    take(totals, Change((entered(80_000),), (bought(80_000, 5_000),)))
    take(totals, Change((), (entered(150_000),)))
    assert by_age(totals, 999_000) == {"10s": (1, 0), "5m": (1, 0)}


def test_a_funnel_of_which_nothing_is_stored_counts_from_its_first_event():
    totals = new_totals()
    assert totals.restore([], 90_000) == []
    take(totals, Change((), (bought(0, 5_000),)))
    assert by_age(totals, 400_000)["10s"] == (1, 1)


def test_without_ages_the_store_forgets_them():
    totals = new_totals()
    take(totals, Change((), (bought(0, 5_000),)))
    stored, _ = totals.fields()
    none = new_totals(())
    none.restore(stored.items(), 90_000)
    changed, deleted = none.fields()
    left = {key: value for key, value in {**stored, **changed}.items() if key not in deleted}
    assert len(deleted) == 1
    plain = new_totals(())
    take(plain, Change((), (bought(0, 5_000),)))
    assert left == plain.fields()[0]
