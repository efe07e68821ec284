"""Which breakdown values all workers show, and that what is shown adds up whatever is chosen."""

import random
from dataclasses import replace

import msgspec
import pytest

from stream.aggregate.rollup import merge, roll_up
from stream.aggregate.totals import PartitionTotals
from stream.engine.advance import Change
from stream.engine.match import FunnelSet
from stream.model.funnel import Breakdown, Funnel, Step
from stream.model.result import FunnelRollup, Rollup
from stream.model.window import Age, RollingWindow
from stream.settings.tracker import ExportSettings, SourceSettings, TrackerSettings
from stream.store.memory import MemoryServer, MemoryStore
from stream.worker.activation import ActiveSet
from stream.worker.active_funnels import ActiveFunnels
from stream.worker.shown import DAY_MS, HOUR_MS, as_numbers, choose

DEVICE = Breakdown("device", ("device",))
FUNNEL = Funnel("shop", 1, (Step("view", ("view",)), Step("buy", ("buy",))), 1_800_000, breakdowns=(DEVICE,))
NOON_MS = 100 * DAY_MS + 12 * HOUR_MS


def rollup(as_of_ms: int, before: dict[str, int] | None = None, today: dict[str, int] | None = None) -> Rollup:
    """Return a merged rollup with the entries of the day before and of the day of the instant."""
    day_ms = as_of_ms - as_of_ms % DAY_MS
    days = {day_ms - DAY_MS: before, day_ms: today}
    largest = {DEVICE.name: {day: entered for day, entered in days.items() if entered}}
    return Rollup(as_of_ms, as_of_ms, 0, [], 0, 0, [FunnelRollup(FUNNEL.key, 2, None, [], [], [], [], largest)])


def chosen(merged, *, old=(), chosen_ms=None, breakdown=DEVICE, **export) -> list[str]:
    """Return the values that are shown of the breakdown."""
    known = {FUNNEL.key: {breakdown.name: [*old]}}
    settings = ExportSettings(**{"top_segments": 2, **export})
    return choose(known, chosen_ms, merged, [replace(FUNNEL, breakdowns=(breakdown,))], settings)[FUNNEL.key]["device"]


@pytest.mark.parametrize(
    ("before", "today", "expected"),
    [
        pytest.param({"a": 1, "b": 3, "c": 2}, {"a": 99}, ["b", "c"], id="by-the-entries-of-the-day-before"),
        pytest.param({}, {"a": 5, "b": 3, "c": 2}, ["a", "b"], id="on-the-first-day-by-those-so-far"),
        pytest.param({"b": 2, "c": 2, "a": 2}, {}, ["a", "b"], id="ties-go-by-value"),
        pytest.param({"a": 1}, {"b": 3, "c": 2}, ["a", "b"], id="what-is-left-goes-to-new-values"),
        pytest.param({}, {}, [], id="nothing-is-known"),
    ],
)
def test_the_largest_values_are_shown(before, today, expected):
    assert chosen(rollup(NOON_MS, before, today)) == expected


@pytest.mark.parametrize(
    ("breakdown", "export", "expected"),
    [
        pytest.param(DEVICE, {"top_segments": 0}, [], id="none"),
        pytest.param(DEVICE, {"allow": {"device": ("d",)}}, ["a", "d"], id="the-trackers-allow-list-first"),
        pytest.param(replace(DEVICE, allow=("d",)), {}, ["a", "d"], id="the-breakdowns-allow-list-first"),
        pytest.param(
            replace(DEVICE, allow=("d",)), {"allow": {"device": ("x", "d")}}, ["d", "x"], id="both-allow-lists"
        ),
        pytest.param(replace(DEVICE, allow=("x", "y", "z")), {}, ["x", "y", "z"], id="an-allow-list-has-no-limit"),
        pytest.param(DEVICE, {"allow": {"other": ("x",)}}, ["a", "b"], id="another-breakdowns-allow-list"),
        pytest.param(replace(DEVICE, top_segments=3), {}, ["a", "b", "c"], id="the-breakdowns-limit-wins"),
        pytest.param(replace(DEVICE, top_segments=0), {}, [], id="also-if-it-is-none"),
    ],
)
def test_the_allow_list_comes_first_and_then_as_many_as_the_limit_leaves(breakdown, export, expected):
    merged = rollup(NOON_MS, {"a": 9, "b": 8, "c": 7, "d": 1})
    assert chosen(merged, breakdown=breakdown, **export) == expected


@pytest.mark.parametrize(
    ("chosen_ms", "merged", "expected"),
    [
        pytest.param(NOON_MS - HOUR_MS, rollup(NOON_MS, {"a": 9, "b": 8}), ["x", "y"], id="for-the-day"),
        pytest.param(NOON_MS - 13 * HOUR_MS, rollup(NOON_MS, {"a": 9, "b": 8}), ["a", "b"], id="until-utc-midnight"),
        pytest.param(NOON_MS, rollup(NOON_MS + HOUR_MS - 1, {}, {"a": 9, "b": 8}), ["x", "y"], id="first-day-the-hour"),
        pytest.param(NOON_MS, rollup(NOON_MS + HOUR_MS, {}, {"a": 9, "b": 8}), ["a", "b"], id="first-day-hourly"),
        pytest.param(NOON_MS, rollup(NOON_MS - DAY_MS, {"a": 9, "b": 8}), ["x", "y"], id="not-in-a-day-gone-by"),
    ],
)
def test_a_choice_stands(chosen_ms, merged, expected):
    assert chosen(merged, old=["x", "y"], chosen_ms=chosen_ms) == expected


def test_while_there_is_room_new_values_join_and_none_leaves():
    merged = rollup(NOON_MS, {"a": 9}, {"b": 99, "c": 98})
    assert chosen(merged, old=["x"], chosen_ms=NOON_MS - 1) == ["a", "x"]
    assert chosen(merged, old=["x", "z", "y"], chosen_ms=NOON_MS - 1) == ["x", "y", "z"]


def test_a_value_that_is_always_shown_joins_a_choice_at_once():
    merged = rollup(NOON_MS, {"a": 9})
    assert chosen(merged, old=["x", "y"], chosen_ms=NOON_MS - 1, allow={"device": ("z",)}) == ["x", "y", "z"]


# --- what workers share


async def active(store, **export) -> ActiveFunnels:
    source = SourceSettings("shop", ("shop",), is_keyed_by_actor=True)
    settings = TrackerSettings((source,), "unused", export=ExportSettings(**{"top_segments": 1, **export}))
    funnels = ActiveFunnels(settings, [FUNNEL], store, activate=False)
    await funnels.activate()
    return funnels


async def shown(funnels: ActiveFunnels) -> list[str]:
    await funnels.activate()
    return sorted(funnels.shown[FUNNEL.key][1])


async def stored(store) -> ActiveSet:
    return msgspec.json.decode(await store.active_funnel_set(), type=ActiveSet)


async def test_one_worker_chooses_and_all_show_it():
    store = MemoryStore(MemoryServer(), shards=4)
    owner, other = await active(store), await active(store)
    await owner.choose_shown(rollup(NOON_MS, {"a": 2, "b": 1}))
    assert (await shown(owner), await shown(other)) == (["a"], ["a"])


async def test_a_choice_that_was_confirmed_at_midnight_stands_for_the_day():
    """It was chosen anew every second until it differed, so that it changed at any hour."""
    store = MemoryStore(MemoryServer(), shards=4)
    owner = await active(store)
    midnight_ms = 101 * DAY_MS
    await owner.choose_shown(rollup(NOON_MS, {"a": 2, "b": 1}))
    await shown(owner)
    await owner.choose_shown(rollup(midnight_ms + 1, {"a": 2, "b": 1}))
    await shown(owner)
    await owner.choose_shown(rollup(midnight_ms + 2_000, {"a": 2, "b": 3}))
    assert await shown(owner) == ["a"]
    await owner.choose_shown(rollup(midnight_ms + DAY_MS, {"a": 2, "b": 3}))
    assert await shown(owner) == ["b"]


async def test_the_document_is_written_only_when_something_is_due():
    store = MemoryStore(MemoryServer(), shards=4)
    owner = await active(store)
    written = []
    for minute in range(180):
        await owner.choose_shown(rollup(NOON_MS + minute * 60_000, {"a": 2}))
        await shown(owner)
        written.append((await stored(store)).shown_ms)
    assert sorted(set(written)) == [NOON_MS, NOON_MS + HOUR_MS, NOON_MS + 2 * HOUR_MS]


async def test_without_an_instant_nothing_is_chosen():
    store = MemoryStore(MemoryServer(), shards=4)
    owner = await active(store)
    await owner.choose_shown(replaced(rollup(NOON_MS, {"a": 2}), as_of_ms=None))
    assert (await stored(store)).shown_ms is None


def replaced(merged: Rollup, **changes) -> Rollup:
    return msgspec.structs.replace(merged, **changes)


# --- the sum over exported labels


def random_attempt(rng: random.Random, day: int, values) -> tuple:
    time_ms = day * DAY_MS + rng.randrange(DAY_MS)
    touch = ((rng.choice(values),), ())
    chain = (time_ms, touch, time_ms + rng.randrange(1_000_000), None)[: 2 * rng.randrange(1, 3)]
    return time_ms, len(chain) // 2, chain, touch, None, None


def differences(merged: Rollup) -> list[str]:
    """Name the kinds of rows in which the segments do not add up to the whole."""
    (funnel,) = merged.funnels
    wrong = []
    for name in ("windows", "periods", "settled", "total", "occupancy", "ages"):
        sums: dict[tuple, list[list[int]]] = {}
        for row in getattr(funnel, name):
            said = {field: getattr(row, field) for field in row.__struct_fields__}
            place = tuple(said.get(field) for field in ("window", "matured", "age", "start_ms"))
            known = sums.setdefault(place, [[0] * 20, [0] * 20])[row.breakdown != ""]
            counts = said.get("counts")
            numbers = said.get("standing") or [*said.get("reached", ()), *said.get("went_on", ())]
            if counts is not None:
                numbers = [*counts.pending, *counts.dropped, counts.converted, sum(counts.durations.values())]
            for at, number in enumerate(numbers):
                known[at] += number
        wrong += [f"{name} {place}" for place, (whole, parts) in sums.items() if whole != parts]
    return wrong


@pytest.mark.parametrize("seed", range(5))
def test_what_is_shown_adds_up_to_the_whole_after_every_change_of_the_choice_and_after_midnight(seed):
    """Partitions may for a moment differ in what they show; each of them adds up, and so does their sum."""
    rng = random.Random(seed)
    values = [f"v{number}" for number in range(6)]
    windows, ages = (RollingWindow("1h", HOUR_MS), RollingWindow("24h", DAY_MS)), (Age("15m", 900_000),)
    partitions = [PartitionTotals(FunnelSet([FUNNEL]).funnels, windows, ages) for _ in range(2)]
    choice, chosen_ms, seen = {}, None, []
    for day in (100, 101, 102):
        for totals in partitions:
            own = totals.by_number[0]
            attempts = tuple(random_attempt(rng, day, values[day - 100 :][:3] + values[5:]) for _ in range(200))
            for each in attempts:
                own.note(each[3][0])
            periods = tuple((day * DAY_MS, (day + 1) * DAY_MS, True, each[1], each[2]) for each in attempts)
            totals.take([(own.funnel, Change((), attempts, (), periods))])
        for as_of_ms in ((day + 1) * DAY_MS - 1, (day + 1) * DAY_MS, (day + 1) * DAY_MS + 2 * HOUR_MS):
            for totals in partitions:
                totals.move_on(as_of_ms, as_of_ms - 600_000)
            sets = [as_numbers(each, [FUNNEL])[FUNNEL.key] for each in (choice, seen[-1] if seen else {})]
            for pair in (sets, sets[::-1], sets[:1] * 2):
                rollups = [
                    Rollup(as_of_ms, as_of_ms, 0, [], 0, 0, [roll_up(totals.by_number[0], as_of_ms, own, None)])
                    for totals, own in zip(partitions, pair, strict=True)
                ]
                merged = merge(rollups)
                assert differences(merged) == []
            seen.append(choice)
            choice = choose(choice, chosen_ms, merged, [FUNNEL], ExportSettings(top_segments=2))
            chosen_ms = as_of_ms
    assert len({tuple(each.get(FUNNEL.key, {}).get("device", ())) for each in seen}) > 2
