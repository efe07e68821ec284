"""A run against live over a store in memory: what is equal, what differs, and what cannot be known."""

import random
from dataclasses import replace

import msgspec
import pytest

from stream.aggregate.cells import Cell
from stream.aggregate.segments import CountedValues
from stream.errors import ReplayError
from stream.model.funnel import Breakdown
from stream.model.window import RollingWindow
from stream.replay import coverage, sides
from stream.replay.compare import unsynced_of
from stream.settings.counting import counting_rules
from stream.store.memory import MemoryStore
from stream.worker.partition import SINCE_KEY
from stream.worker.pointer import promoted, rolled_back
from stream.worker.runs import Start, change_runs, read_runs
from support.replays import SHOP, START_MS, WINDOWS, World

KEY_PARTS = ("funnel", "kind", "ring", "start_ms", "breakdown", "segment")
CELL_KEY = msgspec.msgpack.Decoder(tuple[int, str, int, int, int, str]).decode


def shop(partitions=2, records=400, actors=30, step_ms=500, **changes) -> World:
    """Write visitors who come and go all the time, some events late, some out of order."""
    world, rng = World(partitions=partitions, **changes), random.Random(7)
    for number in range(records):
        at_ms = number * step_ms
        delay_ms = rng.choice([0, 0, 0, 2_000, 15_000, 25_000])
        device = rng.choice(["phone", "desk", None])
        world.write(f"u{rng.randrange(actors)}", rng.choice("AABCX"), at_ms - delay_ms, recorded=at_ms, device=device)
    return world


async def both_counted(world: World, until=None, **run) -> World:
    await world.count(until=until, rng=random.Random(1))
    await world.add_run("again")
    await world.count("again", until, rng=random.Random(2), starts=dict.fromkeys(world.logs, Start(0)), **run)
    return world


# --- equal


async def test_a_run_over_the_same_records_is_equal_whatever_batches_and_trackers_there_were():
    world = shop()
    await both_counted(world, trackers=2)
    found = await world.compare()
    assert (found.differences, found.unsynced, found.not_covered, found.since_ms) == ([], [], [], {})
    assert found.rows > 200
    assert found.digests[0] == found.digests[1]
    await world.add_run("third")
    await world.count("third", rng=random.Random(3), starts=dict.fromkeys(world.logs, Start(0)))
    third = await world.compare("third")
    assert third.stored_digest == found.stored_digest
    assert third.digests == found.digests


@pytest.mark.parametrize(("live", "run"), [(300, 90), (90, 300), (300, 0), (17, 18)])
async def test_whoever_is_behind_is_counted_on_without_writing(live, run):
    world = shop(partitions=1)
    await world.count(until={0: live}, rng=random.Random(1))
    await world.add_run("again")
    starts = {0: Start(0)}
    await world.count("again", {0: run}, rng=random.Random(2), starts=starts)
    before = world.server.snapshot()
    found = await world.compare()
    assert found.differences == []
    assert found.places == {0: (max(live, run), live, run)}
    assert found.digests[0] == found.digests[1]
    assert world.server.snapshot() == before


async def test_the_digest_of_what_is_stored_does_not_go_by_where_live_is():
    world = shop(partitions=1)
    await both_counted(world, until={0: 200})
    first = await world.compare()
    await world.count(rng=random.Random(5))
    second = await world.compare()
    assert second.differences == []
    assert first.stored_digest == second.stored_digest
    assert first.digests != second.digests


async def test_nothing_but_broken_records_is_equal():
    world = World()
    for _ in range(3):
        world.write("u1", "", 0)
    await both_counted(world)
    found = await world.compare()
    assert (found.differences, found.rows, found.as_of_ms) == ([], 0, None)


# --- different


def plant(world, namespace, change, **wanted):
    """Change a stored cell, the first whose key has these parts; returns the start of its slot."""
    cells = world.server.namespaces[namespace].partitions[0].cells
    for key, blob in sorted(cells.items()):
        parts = {} if key == SINCE_KEY else dict(zip(KEY_PARTS, CELL_KEY(key), strict=True))
        if parts.items() >= wanted.items():
            cell = msgspec.msgpack.decode(blob, type=Cell)
            change(cell)
            cells[key] = msgspec.msgpack.encode(cell)
            return parts["start_ms"]
    raise AssertionError(f"there is no cell with {wanted}")


async def test_one_attempt_too_many_in_one_slot_of_one_segment_is_found_and_named():
    world = await both_counted(shop(partitions=1))

    def one_more(cell):
        cell.at[1] += 1

    start_ms = plant(world, "live.again", one_more, kind="w", ring=0, breakdown=1, segment="phone")
    found = await world.compare()
    (slot,) = [each for each in found.differences if each.row[0] == "slot"]
    assert slot.row[1] == "1m"
    assert slot.row[3] == "device=phone"
    assert slot.run - slot.live == 1
    assert slot.name.endswith("at step 2")
    assert {each.row[0] for each in found.differences} <= {"slot", "window"}
    of_one_segment = [each for each in found.differences if "age" not in each.row[2]]
    assert all(each.row[-1] == "device=phone" for each in of_one_segment), "the whole by age is the sum of its segments"
    assert start_ms < found.as_of_ms - WINDOWS[0].window_ms, "no window shows that slot: only the slots tell"
    assert found.digests[0] != found.digests[1]


async def test_a_visitor_whom_only_the_run_has_shows_in_every_kind_of_row():
    world = shop(partitions=1)
    world.write("u99", "A", 199_000, device="phone")
    world.write("u99", "B", 199_500, device="phone")
    await world.count("again", rng=random.Random(2), starts={0: Start(0)})
    for place in (-1, -2):
        value, *rest = world.logs[0][place]
        world.logs[0][place] = (value.replace(b'"event": "', b'"event": "other '), *rest)
    await world.count(rng=random.Random(1))
    await world.add_run("again")
    found = await world.compare()
    assert {each.row[0] for each in found.differences} == {
        "slot", "slot by age", "window", "total", "occupancy", "unsettled by entry", "day", "period", "people by entry",
    }  # fmt: skip
    assert {each.row[-1] for each in found.differences} == {"", "device=phone"}


async def test_records_that_live_was_told_to_skip_are_said():
    world = await both_counted(shop(partitions=1))
    held = world.server.namespaces["live"].partitions[0]
    accepted, rest = held.head.verdicts[-1], held.head.verdicts[:-1]
    held.head = replace(held.head, verdicts=(*rest, accepted - 3), gaps=3)
    found = await world.compare()
    assert (found.differences, found.since_ms) == ([], {})
    assert found.not_covered == ["partition 0: live has skipped 3 records (funnel resume)"]


# --- while it is read


class Busy(MemoryStore):
    """Lets others write while it is read: calls `meanwhile` behind each load, as long as that is set."""

    meanwhile = None

    async def load_cells(self, partition):
        found = await super().load_cells(partition)
        await self.let_others()
        return found

    async def load_states(self, partition, keys):
        found = await super().load_states(partition, keys)
        await self.let_others()
        return found

    async def let_others(self):
        if self.meanwhile is not None and Busy.is_on:
            Busy.is_on = False
            try:
                await self.meanwhile()
            finally:
                Busy.is_on = True

    is_on = False


@pytest.mark.parametrize("moving", [("live",), ("live.again",), ("live", "live.again")])
@pytest.mark.parametrize(("live", "run"), [(200, 100), (100, 200)])
async def test_either_may_move_on_while_it_is_read(monkeypatch, moving, live, run):
    world = shop(partitions=1)
    world.log.most = 100
    await world.count(until={0: live}, rng=random.Random(1))
    await world.add_run("again")
    await world.count("again", {0: run}, rng=random.Random(2), starts={0: Start(0)})
    monkeypatch.setattr(sides, "STEADY_PAUSE_S", 0)
    at = {"live": live, "live.again": run}
    steps = {"live": iter([3, 2, 5, 1]), "live.again": iter([2, 4, 1, 6])}

    async def count(namespace):
        step = next(steps[namespace], 0)
        if step and namespace in moving:
            at[namespace] += step
            starts = None if namespace == "live" else {0: Start(0)}
            name = None if namespace == "live" else "again"
            await world.count(name, {0: at[namespace]}, rng=random.Random(3), starts=starts)

    def open_store(settings):
        name = settings.redis.namespace
        store = Busy(world.server, name, 4)
        store.meanwhile = lambda: count(name)
        return store

    monkeypatch.setattr(world, "open_store_of_compare", open_store)
    monkeypatch.setattr(Busy, "is_on", True)
    found = await world.compare()
    assert found.differences == []
    assert found.digests[0] == found.digests[1]
    assert found.since_ms == {}, "no record was counted twice"
    assert found.places[0].at >= max(live, run)
    assert sum(at.values()) > live + run, "it did move"


async def test_a_run_that_is_written_all_the_time_and_far_behind_is_to_be_stopped_first(monkeypatch):
    world = shop(partitions=1)
    await world.count(rng=random.Random(1))
    await world.add_run("again")
    await world.count("again", {0: 10}, starts={0: Start(0)})
    monkeypatch.setattr(sides, "STEADY_WITHIN_S", -1.0)
    at = [10]

    async def count():
        at[0] += 1
        await world.count("again", {0: at[0]}, starts={0: Start(0)})

    class Moving(MemoryStore):
        """Stands still while the first records are counted on, and then no more."""

        loads = 0

        async def load_states(self, partition, keys):
            found = await super().load_states(partition, keys)
            Moving.loads += 1
            if Moving.loads > 1:
                await count()
            return found

    live = world.base

    def open_store(settings):
        is_run = settings.redis.namespace == "live.again"
        return Moving(world.server, settings.redis.namespace, 4) if is_run else live

    monkeypatch.setattr(world, "open_store_of_compare", open_store)
    with pytest.raises(
        ReplayError, match=r"run again \(namespace live\.again\) was written all the time .* is stopped"
    ):
        await world.compare()


# --- runs that begin later


async def test_a_run_from_an_instant_is_compared_from_there_on():
    """Everybody pauses before it, so that nobody is unsynced."""
    world = World(partitions=1)
    rng = random.Random(9)
    for round_ms in (0, 60_000, 120_000, 180_000):
        for number in range(40):
            world.write(f"u{number % 8}", rng.choice("ABC"), round_ms + number * 100, device="phone")
    await world.count(rng=random.Random(1))
    starts = {0: Start(40, START_MS + 110_000)}
    await world.add_run("again", starts)
    await world.count("again", rng=random.Random(2), starts=starts)
    found = await world.compare()
    assert (found.differences, found.unsynced) == ([], [])
    assert [(each.attempts, each.actors) for each in found.unsynced_actors.values()] == [(0, 0)]
    assert found.since_ms == {"shop@1": START_MS + 110_000}
    assert found.rows > 20
    assert {line.removeprefix("shop@1: ") for line in found.not_covered} >= {
        "total",
        "settled",
        "window 10m",
        "slot 10m before 2023-11-14T22:15:10.000Z",
        "slot by age 10m before 2023-11-14T22:15:20.000Z",
        "period 2023-11-14T00:00:00.000Z",
    }


async def test_where_somebody_made_no_pause_the_run_may_differ_and_that_is_told_apart():
    """A@0 A@3 A@9 B@12, window 10: live has an attempt from 9 on, a run that did not read A@0 has one from 3 on."""
    world = World(funnels=(replace(SHOP, steps=SHOP.steps[:2]),), lateness_ms=0, skew_ms=0)
    for second, name in ((0, "A"), (3, "A"), (9, "A"), (12, "B"), (80, "X")):
        world.write("u1", name, second * 1000, device="phone")
    await world.count()
    starts = {0: Start(1, START_MS + 5_000)}
    await world.add_run("again", starts, gaps=("its warm-up is cut",))
    await world.count("again", starts=starts)
    with pytest.raises(ReplayError, match="have all of what enters from"):
        await world.compare()  # of a cut warm-up one window more is unknown
    starts = {0: Start(1, START_MS + 9_000)}
    await world.add_run("more", {0: Start(1, START_MS + 9_000)})
    await world.count("more", starts=starts)
    found = await world.compare("more")
    assert found.differences == []
    (each,) = found.unsynced_actors.values()
    assert (each.attempts, each.actors) == (0, 1)
    entered = {(one.row[:3], one.live, one.run) for one in found.unsynced if one.name == "converted"}
    assert (("slot", "1m", "2023-11-14T22:13:29.000Z"), 1, 0) in entered
    assert all(one.unsynced for one in found.unsynced)


async def test_a_run_by_itself_tells_whose_attempts_are_unsynced():
    world = shop(partitions=1, actors=4)
    starts = {0: Start(100, START_MS + 85_000)}
    await world.add_run("again", starts)
    await world.count("again", starts=starts)
    run = (await read_runs(world.open_store(world.settings))).runs.runs["again"]
    found = await unsynced_of(world.settings, run, world.open_log, world.open_store)
    await world.count()
    same = (await world.compare()).unsynced_actors
    assert found == same
    assert found["shop@1"].attempts > 3


async def test_more_attempts_than_are_unsynced_are_a_difference():
    world = World(funnels=(replace(SHOP, steps=SHOP.steps[:2]),), lateness_ms=0, skew_ms=0)
    for second, name in ((0, "A"), (3, "A"), (9, "A"), (12, "B"), (80, "X")):
        world.write("u1", name, second * 1000, device="phone")
    await world.count()
    starts = {0: Start(1, START_MS + 9_000)}
    await world.add_run("again", starts)
    await world.count("again", starts=starts)

    def two_more(cell):
        cell.at[-1] += 2

    plant(world, "live", two_more, kind="w", start_ms=START_MS + 9_000, breakdown=0)
    found = await world.compare()
    assert ("converted", 3, 0) in [(each.name, each.live, each.run) for each in found.differences]


async def test_a_cold_run_is_compared_one_window_after_its_first_record():
    world = shop(partitions=1)
    await world.count(rng=random.Random(1))
    starts = {0: Start(100)}
    await world.add_run("again", starts)
    await world.count("again", rng=random.Random(2), starts=starts)
    found = await world.compare()
    assert found.differences == []
    first_ms = world.logs[0][100][1]
    assert found.since_ms == {"shop@1": first_ms + 5_000 + 1 + SHOP.window_ms}


async def test_a_cold_run_may_not_have_read_an_event_that_was_ahead_of_its_clock():
    """A@5 came at 0, before the run's first record: to live A@11.5 is of the same attempt, to the run a new one."""
    world = World()
    for second, name, recorded in ((5, "A", 0), (1, "X", 1), (11.5, "A", 11.5), (40, "A", 40), (80, "X", 80)):
        world.write("u1", name, int(second * 1000), recorded=int(recorded * 1000), device="phone")
    await world.count()
    await world.add_run("again", {0: Start(1)})
    await world.count("again", starts={0: Start(1)})
    found = await world.compare()
    assert (found.differences, found.unsynced) == ([], [])
    assert found.rows > 3


async def test_a_funnel_that_live_took_in_later_is_compared_from_there_on():
    other = replace(SHOP, name="other")
    world = shop(partitions=1, funnels=(SHOP, other))
    await world.count(until={0: 150}, rng=random.Random(1), funnels=(SHOP,))
    await world.count(rng=random.Random(1))
    await world.add_run("again")
    await world.count("again", rng=random.Random(2), starts={0: Start(0)})
    found = await world.compare()
    assert found.differences == []
    assert found.since_ms.keys() == {"other@1"}
    assert found.unsynced_actors.keys() == {"other@1"}


async def test_segments_of_a_breakdown_whose_places_are_taken_are_left_out_where_the_beginnings_differ(monkeypatch):
    monkeypatch.setattr(CountedValues.__init__, "__defaults__", (30, ()))
    monkeypatch.setattr(coverage, "MAX_COUNTED", 30)
    world = World(lateness_ms=0, skew_ms=0)
    for number in range(100):
        world.write(f"v{number}", "A", number * 1_000, device=f"d{number}")
    await world.count()
    starts = {0: Start(20, START_MS + 40_000)}
    await world.add_run("again", starts)
    await world.count("again", starts=starts)
    found = await world.compare()
    assert (found.differences, found.unsynced) == ([], [])
    assert "shop@1: segments of device, of which more came than are counted by name" in found.not_covered
    assert found.rows > 10


# --- which two


async def promote(world, name):
    replaced = counting_rules(world.settings, world.funnels)
    await change_runs(world.base, lambda runs: promoted(runs, name, 0, replaced))


async def test_a_run_that_is_live_is_compared_with_what_it_replaced_and_others_with_it():
    world = await both_counted(shop(partitions=1))
    await promote(world, "again")
    found = await world.compare()
    assert [(each.label, each.name) for each in (found.live, found.run)] == [
        ("what it replaced", "live"),
        ("run again", "live.again"),
    ]
    await world.add_run("third")
    await world.count("third", starts={0: Start(0)})
    assert (await world.compare("third")).live.name == "live.again"
    await promote(world, "third")
    assert (await world.compare("third")).live.name == "live.again"
    assert (await world.compare("again")).live.name == "live.third"


async def test_funnels_that_only_one_counts_are_said_and_the_others_compared():
    other = replace(SHOP, name="other")
    world = shop(partitions=1, funnels=(SHOP, other))
    await world.count(rng=random.Random(1))
    await world.add_run("again", rules=counting_rules(world.settings, (SHOP,)))
    await world.count("again", starts={0: Start(0)}, funnels=(SHOP,))
    found = await world.compare()
    assert (found.differences, found.not_covered) == ([], ["other@1: only live counts it"])


@pytest.mark.parametrize(
    ("change", "setting", "left_out"),
    [
        ({"rolling": WINDOWS[:1]}, "rolling windows", "window 10m matured"),
        ({"rolling": (RollingWindow("10m", 600_000),)}, "rolling windows", "occupancy"),
        ({"age_matched": ()}, "ages", "window 1m age 5s"),
    ],
)
async def test_what_only_one_keeps_by_its_settings_is_said_and_all_else_compared(change, setting, left_out):
    world = shop(partitions=1)
    await world.count(rng=random.Random(1))
    changed = replace(world.settings, **change)
    await world.add_run("again", rules=counting_rules(changed, world.funnels))
    settings, world.settings = world.settings, changed
    await world.count("again", starts={0: Start(0)})
    world.settings = settings
    found = await world.compare()
    assert found.differences == []
    assert found.rows > 100
    assert f"{setting}: live and run again go by different settings" in found.not_covered
    assert f"shop@1: {left_out}" in found.not_covered


# --- wrong use


async def test_what_cannot_be_compared_is_refused_with_the_reason():
    world = shop(partitions=1, records=20)
    with pytest.raises(ReplayError, match="there is no run again"):
        await world.compare()
    await world.add_run("again")
    with pytest.raises(ReplayError, match=r"^live \(namespace live\) has counted nothing yet"):
        await world.compare()
    await world.count(until={0: 10})
    with pytest.raises(ReplayError, match=r"^run again \(namespace live.again\) has counted nothing yet"):
        await world.compare()
    await world.count("again", {0: 5}, starts={0: Start(0)})
    world.log.first[0] = 7
    with pytest.raises(ReplayError, match="stands at offset 5 and the other at 10, but the log holds 7 to 20"):
        await world.compare()
    world.log.first[0] = 0
    world.funnels = (replace(SHOP, window_ms=1),)
    with pytest.raises(ReplayError, match="by other definitions than those at hand"):
        await world.compare()
    world.funnels = (SHOP,)
    await world.add_run("topic", topic="elsewhere")
    with pytest.raises(ReplayError, match="reads topic elsewhere"):
        await world.compare("topic")


async def test_a_run_of_another_definition_or_of_none_in_common_is_refused():
    world = shop(partitions=1, records=20)
    await world.count()
    wider = replace(SHOP, breakdowns=(Breakdown("d", ("d",)),))
    for name, funnel, text in (
        ("wider", wider, "another definition"),
        ("other", replace(SHOP, version=2), "no funnel"),
    ):
        await world.add_run(name, rules=counting_rules(world.settings, (funnel,)))
        await world.count(name, starts={0: Start(0)}, funnels=(funnel,))
        with pytest.raises(ReplayError, match=text):
            await world.compare(name)


async def test_after_a_switch_back_live_goes_by_the_rules_of_before_whatever_the_files_say():
    """A mapping was changed, promoted, and taken back; the files with the change are still there."""
    world = shop(partitions=1)
    await world.count(until={0: 300})
    old = counting_rules(world.settings, world.funnels)
    changed = replace(world.settings.sources[0], preset="segment")
    new = replace(old, sources=(changed,))
    await world.add_run("wrong", rules=new)
    await world.add_run("again")
    await world.count("again", starts={0: Start(0)})
    await change_runs(world.base, lambda runs: rolled_back(promoted(runs, "wrong", 0, old), new))
    world.settings = replace(world.settings, sources=(changed,))
    found = await world.compare()
    assert (found.differences, found.not_covered, found.live.rules.sources) == ([], [], old.sources)


async def test_live_that_took_newer_files_after_a_switch_is_compared_by_them():
    world = await both_counted(shop(partitions=1))
    await promote(world, "again")
    world.funnels = (*world.funnels, replace(SHOP, name="other"))
    await world.count("again", starts={0: Start(0)})
    await world.add_run("third")
    await world.count("third", starts={0: Start(0)})
    found = await world.compare("third")
    assert (found.live.name, found.live.rules.funnels) == ("live.again", world.funnels)


async def test_a_funnel_that_live_took_in_after_a_switch_to_a_run_from_an_instant_is_compared_from_there_on():
    world = shop(partitions=1)
    half = {0: 200}
    starts = {0: Start(40, START_MS + 60_000)}
    await world.add_run("again", starts)
    await world.count("again", half, starts=starts)
    await promote(world, "again")
    world.funnels = (*world.funnels, replace(SHOP, name="other"))
    await world.count("again", starts=starts)
    await world.add_run("third")
    await world.count("third", starts={0: Start(0)})
    found = await world.compare("third")
    assert found.since_ms["shop@1"] == START_MS + 60_000
    assert found.since_ms["other@1"] > START_MS + 100_000
    assert found.differences == []
