"""Promote and roll back: what is refused and changes nothing, what an interruption leaves, who is shut out."""

import asyncio
from dataclasses import replace

import msgspec
import pytest

from stream.errors import ReplayError, StoreUnavailable
from stream.model.funnel import Step
from stream.model.verdict import Verdict
from stream.replay.catalog import drop_replaced
from stream.replay.promote import promote, taken_over
from stream.store.contract import Commit, Moved
from stream.store.memory import MemoryStore
from stream.worker.runs import change_runs
from support.switched import FIRST, NOW_MS, OTHER, PLAIN, SECOND, THIRD, Site, rules
from support.workers import until


@pytest.fixture
def site():
    site = Site()
    site.write(0, "A", "B")
    site.write(1, "A", "C", actor="bob")
    return site


async def live_counts(site, *funnels):
    """Let a worker of the configured namespace count all there is; returns it."""
    worker = await site.worker(*funnels)
    await site.count(worker)
    return worker


# --- what is refused: each prepares the site and returns the call that cannot be


async def unknown(site):
    await site.run("march", SECOND)
    return lambda: site.promote("marsh", FIRST)


async def none_at_all(site):
    return lambda: site.promote("march", FIRST)


async def ended(site):
    await site.run("r", SECOND, until={0: 2, 1: 2})
    return lambda: site.promote("r", FIRST)


async def behind(site):
    await site.run("r", SECOND)
    site.write(0, "A", "A", "A")
    return lambda: site.promote("r", FIRST, max_lag=2)


async def not_begun_with_a_partition(site):
    await site.run("r", SECOND)
    site.logs[2] = []
    return lambda: site.promote("r", FIRST)


async def still_in_its_files(site):
    await site.run("r", SECOND)
    head = await site.head(1, "r")
    await site.opened("r").commit([Commit(1, head.position, replace(head, first_offset=None))])
    return lambda: site.promote("r", FIRST)


async def records_behind_it_gone(site):
    """Of a run that was stopped for longer than the topic keeps records: its lag is small all the same."""
    await site.run("r", SECOND, is_stopped=True)
    site.write(0, "A", "A")
    site.begin = 3
    return lambda: site.promote("r", FIRST)


async def nothing_counted(site):
    await site.run("r", SECOND)
    await site.opened("r").drop_namespace()
    return lambda: site.promote("r", FIRST)


async def not_all_funnels(site):
    await site.run("r", SECOND)
    await live_counts(site, FIRST, OTHER)
    return lambda: site.promote("r", FIRST)


async def an_older_version(site):
    await site.run("r", FIRST)
    await live_counts(site, SECOND)
    return lambda: site.promote("r", SECOND)


async def another_definition(site):
    await site.run("r", replace(FIRST, steps=(*FIRST.steps, Step("c", ("C",)))))
    return lambda: site.promote("r", FIRST)


async def another_secret(site):
    await site.run("r", SECOND, settings=replace(PLAIN, actor_secret="another"))  # noqa: S106
    return lambda: site.promote("r", FIRST)


async def another_topic(site):
    await site.run("r", SECOND, topic="elsewhere")
    return lambda: site.promote("r", FIRST)


async def live_already(site):
    await site.run("r", SECOND)
    await site.promote("r", FIRST)
    return lambda: site.promote("r", FIRST)


async def made_before_what_is_live(site):
    await site.run("older", SECOND, made_ms=NOW_MS - 1)
    await site.run("newer", SECOND)
    await site.promote("newer", FIRST)
    return lambda: site.promote("older", SECOND)


async def nothing_to_go_back_from(site):
    return site.roll_back


async def records_gone(site):
    await site.run("r", SECOND)
    await site.promote("r", FIRST)
    site.write(0, "A")
    site.begin = 3
    return site.roll_back


REFUSALS = {
    unknown: r'there is no run marsh \(did you mean "march"\?\)',
    none_at_all: r"there is no run march \(there is none at all\)",
    ended: "run r ends at offsets that are fixed.*`funnel replay resume --name r --to follow`",
    behind: r"run r is 3 records behind, at most 2 are right \(--max-lag\)",
    not_begun_with_a_partition: "run r has not begun with partitions 2",
    still_in_its_files: "run r has not begun with partitions 1 of the topic",
    records_behind_it_gone: "run r stands at offset 2 of partition 0, and the log begins at 3",
    nothing_counted: "run r has counted nothing yet",
    not_all_funnels: "run r does not count funnel other, which live counts",
    an_older_version: "run r counts ab@1, live counts ab@2 already: the run is older",
    another_definition: "run r counts ab@1 with another definition than live does",
    another_secret: "run r was counted with another actor_secret than live",
    another_topic: "run r counts topic elsewhere, live counts shop",
    live_already: "run r is live already",
    made_before_what_is_live: "run older is older than run newer, which is live",
    nothing_to_go_back_from: "no run is live, so that there is nothing to go back from",
    records_gone: "the configured namespace stands at offset 2 of partition 0, and the log begins at 3",
}


@pytest.mark.parametrize("wrong", REFUSALS, ids=lambda wrong: wrong.__name__.replace("_", "-"))
async def test_what_cannot_be_is_refused_and_changes_nothing(site, wrong):
    if wrong not in {not_all_funnels, an_older_version}:
        await live_counts(site, FIRST)
    switch = await wrong(site)
    before = held(site)
    with pytest.raises(ReplayError, match=REFUSALS[wrong]):
        await switch()
    assert held(site) == before


def held(site):
    """Return all that is stored."""
    return {name: space for name, space in site.server.snapshot().items() if space.partitions or space.document}


# --- what is done


async def test_live_is_shut_out_and_goes_on_where_the_run_stands(site):
    worker = await live_counts(site, FIRST)
    site.write(0, "C")
    await site.run("r", SECOND)
    left = await site.head(0)
    switch = await site.promote("r", FIRST)
    assert (switch.before.title, switch.now.title, switch.lag_records) == ("the configured namespace", "run r", 0)
    assert switch.at_offsets == {0: 2, 1: 2}
    stale = Commit(0, left.position, replace(left, next_offset=3))
    assert await site.opened().commit([stale]) == [Moved(2, left.epoch + 1)]
    await site.count(worker)
    assert set(await taken_over(switch, 0.0)) == {0, 1}
    assert (await site.head(0)).next_offset == 2
    assert (await site.runs()).live.name == "r"


async def test_who_counted_the_run_is_shut_out_by_the_worker_that_goes_on(site):
    worker = await live_counts(site, FIRST)
    process = await site.run("r", SECOND)
    await site.promote("r", FIRST)
    await site.count(worker)
    site.write(0, "A")
    with pytest.raises(StoreUnavailable, match="another worker has taken it over"):
        await (await process.count([site.batch(0, 2)]))


async def test_the_run_waits_until_live_has_sent_the_dead_letters_of_what_it_has_counted_already(site):
    worker = await live_counts(site, FIRST)
    site.write(0, "")
    process = await site.run("r", SECOND)
    place = site.place()._replace(patience_s=60.0)
    switching = asyncio.create_task(promote(place, "r", rules(FIRST), 10, NOW_MS))
    held = (await site.head(0, "r")).position

    async def is_held_still():
        return (await site.head(0, "r")).position != held

    await until(is_held_still, "the run is held still")
    site.write(0, "A")
    with pytest.raises(StoreUnavailable, match="another worker has taken it over"):
        await (await process.count([site.batch(0, 3)]))
    assert not switching.done()
    await (await worker.count([site.batch(0, 2)]))
    switch = await switching
    assert (switch.ahead, switch.at_offsets[0], len(worker.letters.sent)) == (0, 4, 1)


async def test_records_that_live_does_not_come_to_are_told(site):
    await live_counts(site, FIRST)
    site.write(0, "", "A")
    await site.run("r", SECOND)
    assert (await site.promote("r", FIRST)).ahead == 2


async def test_nobody_who_follows_is_told(site):
    await live_counts(site, FIRST)
    await site.run("r", SECOND)
    assert await taken_over(await site.promote("r", FIRST), 0.0) == {}


async def test_a_stopped_run_can_be_promoted_if_it_is_close_enough(site):
    await live_counts(site, FIRST)
    await site.run("r", SECOND, is_stopped=True)
    site.write(0, "A", "A")
    assert (await site.promote("r", FIRST, max_lag=2)).lag_records == 2


async def test_a_run_can_be_live_where_nothing_ever_was(site):
    """After a total loss: the run is all there is."""
    await site.run("r", FIRST)
    switch = await site.promote("r", FIRST)
    assert switch.at_offsets == {}
    worker = await live_counts(site, FIRST)
    assert worker.made[-1].run_name == "r"


async def test_rolling_back_goes_on_from_the_offsets_of_before(site):
    worker = await live_counts(site, FIRST)
    await site.run("r", SECOND)
    await site.promote("r", FIRST)
    site.write(0, "A", "B")
    await site.count(worker)
    switch = await site.roll_back()
    assert (switch.before.title, switch.now.title, switch.lag_records) == ("run r", "the configured namespace", 2)
    await site.count(worker)
    assert set(await taken_over(switch, 0.0)) == {0, 1}
    assert ((await site.head(0)).next_offset, (await site.head(0)).verdicts[Verdict.ACCEPTED]) == (4, 4)
    assert (await site.runs()).live is None


async def test_two_switches_are_taken_back_one_by_one_and_a_run_can_come_back(site):
    worker = await live_counts(site, FIRST)
    await site.run("r", SECOND)
    await site.run("s", THIRD)
    await site.promote("r", FIRST)
    await site.count(worker)
    await site.promote("s", FIRST)
    await site.count(worker)
    seen = [worker.made[-1].run_name]
    for switch in (site.roll_back, site.roll_back, lambda: site.promote("r", FIRST)):
        await switch()
        await site.count(worker)
        seen.append(worker.made[-1].run_name)
    assert seen == ["s", "r", "", "r"]
    assert worker.made[-1].funnels == (SECOND,)


async def test_what_live_counted_by_is_known_although_the_files_of_who_switches_are_the_runs(site):
    """The files are edited before a run is started; the workers still have the old ones in memory."""
    await live_counts(site, FIRST)
    await site.run("r", SECOND)
    await site.promote("r", SECOND)
    (promotion,) = (await site.runs()).promotions
    assert promotion.replaced.funnels == (FIRST,)
    await site.roll_back()
    restarted = await site.worker(SECOND)
    assert (restarted.made[-1].run_name, restarted.made[-1].funnels) == ("", (FIRST,))


# --- without a way back


async def test_what_was_replaced_can_be_dropped_and_then_nobody_goes_back(site):
    worker = await live_counts(site, FIRST)
    await site.run("r", SECOND)
    await site.run("s", THIRD)
    for name in ("r", "s"):
        await site.promote(name, FIRST)
        await site.count(worker)
    before = held(site)
    assert await drop_replaced(site.opened(), site.opened) == ["", "r"]
    assert [await site.head(0, name) for name in ("", "r")] == [None, None]
    assert held(site)["live.s"] == before["live.s"]
    runs = await site.runs()
    assert (runs.live.name, [*runs.runs]) == ("s", ["s"])
    with pytest.raises(ReplayError, match=r"what run s replaced was dropped \(drop --replaced\)"):
        await site.roll_back()
    site.write(0, "A")
    await site.count(worker)
    assert (worker.made[-1].run_name, (await site.head(0, "s")).next_offset) == ("s", 3)
    # A later switch has what it replaced, and there is a way back from it.
    await site.run("t", replace(THIRD, version=4))
    await site.promote("t", FIRST)
    await site.roll_back()
    assert (await site.runs()).live.name == "s"


async def test_a_drop_of_what_was_replaced_is_said_again_where_it_was_interrupted(site, monkeypatch):
    await live_counts(site, FIRST)
    await site.run("r", SECOND)
    await site.promote("r", FIRST)

    async def away(_store):
        raise StoreUnavailable("drop_namespace", (), "away")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, "drop_namespace", away)
        with pytest.raises(StoreUnavailable):
            await drop_replaced(site.opened(), site.opened)
    with pytest.raises(ReplayError, match="dropped"):
        await site.roll_back()
    assert await drop_replaced(site.opened(), site.opened) == [""]
    assert await site.head(0) is None


async def test_a_switch_while_what_was_replaced_is_dropped_can_be_taken_back_to_what_was_live_then(site, monkeypatch):
    await live_counts(site, FIRST)
    await site.run("r", SECOND)
    await site.run("s", THIRD)
    await site.promote("r", FIRST)
    drop, is_first = MemoryStore.drop_namespace, True

    async def drop_with_a_switch(self):
        nonlocal is_first
        if is_first:
            is_first = False
            await site.promote("s", SECOND)
        await drop(self)

    monkeypatch.setattr(MemoryStore, "drop_namespace", drop_with_a_switch)
    assert await drop_replaced(site.opened(), site.opened) == [""]
    assert (await site.roll_back()).now.title == "run r"
    assert (await site.runs()).live.name == "r"


async def test_a_run_that_is_made_anew_while_it_is_looked_at_is_not_switched_to(site, monkeypatch):
    await live_counts(site, FIRST)
    await site.run("r", SECOND)
    raise_epoch = MemoryStore.raise_epoch

    async def raise_and_make_anew(self, partition):
        again = msgspec.structs.replace((await site.runs()).runs["r"], made_ms=NOW_MS + 1)
        await change_runs(site.opened(), lambda runs: runs.with_run(again))
        return await raise_epoch(self, partition)

    monkeypatch.setattr(MemoryStore, "raise_epoch", raise_and_make_anew)
    with pytest.raises(ReplayError, match="run r was stopped, resumed or made anew just now: say it again"):
        await site.promote("r", FIRST)
    assert (await site.runs()).live is None


async def test_where_no_run_is_live_nothing_was_replaced(site):
    await live_counts(site, FIRST)
    before = held(site)
    with pytest.raises(ReplayError, match="no run is live, so that nothing was replaced"):
        await drop_replaced(site.opened(), site.opened)
    assert held(site) == before


# --- interrupted


class Interrupted(Exception):  # noqa: N818
    """What a kill is to the code that it meets."""


@pytest.mark.parametrize(
    ("way", "writes"), [*(("promote", writes) for writes in range(5)), *(("rollback", writes) for writes in range(3))]
)
async def test_interrupted_anywhere_live_goes_on_and_the_same_again_ends_it(site, way, writes, monkeypatch):
    worker = await live_counts(site, FIRST)
    await site.run("r", SECOND)
    if way == "rollback":
        await site.promote("r", FIRST)
        await site.count(worker)
    switch = (lambda: site.promote("r", FIRST)) if way == "promote" else site.roll_back
    was, becomes = ("", "r") if way == "promote" else ("r", "")
    left = writes

    def interrupted(method):
        async def call(self, *args):
            nonlocal left
            left -= 1
            if left < 0:
                raise Interrupted
            return await method(self, *args)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, "raise_epoch", interrupted(MemoryStore.raise_epoch))
        patch.setattr(MemoryStore, "set_runs_document", interrupted(MemoryStore.set_runs_document))
        with pytest.raises(Interrupted):
            await switch()
    site.write(0, "A")
    await site.count(worker)
    assert (worker.made[-1].run_name, (await site.head(0, was)).next_offset) == (was, 3)
    await switch()
    await site.count(worker)
    assert (worker.made[-1].run_name, (await site.head(0, becomes)).next_offset) == (becomes, 3)


async def test_a_worker_that_meets_the_raised_epochs_before_the_pointer_waits_and_then_follows_at_once(
    site, monkeypatch
):
    worker = await live_counts(site, FIRST)
    await site.run("r", SECOND)

    async def killed(*_):
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, "set_runs_document", killed)
        with pytest.raises(Interrupted):
            await site.promote("r", FIRST)
    site.write(0, "A")
    with pytest.raises(StoreUnavailable, match="another worker has taken it over"):
        await (await worker.count([site.batch(0, 2)]))
    with pytest.raises(StoreUnavailable, match="another worker has taken it over"):
        await site.count(worker)  # it may be so: the fence stands for some seconds
    await site.promote("r", FIRST)
    await site.count(worker)
    assert (await site.head(0, "r")).next_offset == 3


async def test_another_switch_at_the_same_time_wins_or_loses_as_a_whole(site, monkeypatch):
    await live_counts(site, FIRST)
    await site.run("r", SECOND)
    await site.run("s", THIRD)
    raise_epoch = MemoryStore.raise_epoch

    async def and_somebody_else(self, partition):
        with monkeypatch.context() as patch:
            patch.setattr(MemoryStore, "raise_epoch", raise_epoch)
            if (await site.runs()).live is None:
                await site.promote("s", FIRST)
        return await raise_epoch(self, partition)

    monkeypatch.setattr(MemoryStore, "raise_epoch", and_somebody_else)
    with pytest.raises(ReplayError, match="somebody else has switched live just now"):
        await site.promote("r", FIRST)
    assert [promotion.run for promotion in (await site.runs()).promotions] == ["s"]
