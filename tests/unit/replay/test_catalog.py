"""Runs are made, stopped, resumed and dropped; whatever is refused has changed nothing."""

import asyncio
from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_run

from stream.errors import ReplayError, StoreUnavailable
from stream.replay import catalog
from stream.settings.tracker import RedisSettings
from stream.store.contract import PartitionHead
from stream.store.memory import MemoryStore
from stream.worker.runs import read_runs
from support.runs import SETTINGS, Place, now_ms, run_named


@pytest.fixture
def place():
    return Place()


async def names(place):
    return sorted((await read_runs(place.base)).runs.runs)


async def refused(place, work):
    """Await what must be refused, and see that it has changed nothing; returns the error's text."""
    before = place.held()
    with pytest.raises(ReplayError) as raised:
        await work
    assert place.held() == before
    return str(raised.value)


async def make(place, run):
    await catalog.make_run(place.base, place.store(run.name), run)


@pytest.mark.parametrize("name", ["r", "0", "january-2026", "a_b-c", "a" * 32])
def test_names_of_runs(name):
    catalog.check_name(SETTINGS, name)


@pytest.mark.parametrize("name", ["", "R", "-a", "_a", "a.b", "a b", "a/b", "a:b", "ä", "\u0661", "a\n", "a" * 33])
def test_what_is_no_name(name):
    with pytest.raises(ReplayError, match="1 to 32 of a-z 0-9 _ - are right, the first a letter or digit"):
        catalog.check_name(SETTINGS, name)


def test_the_namespace_may_become_too_long():
    settings = replace(SETTINGS, redis=RedisSettings(namespace="n" * 60))
    catalog.check_name(settings, "abc")
    with pytest.raises(ReplayError, match="makes a namespace of over 64 letters: take a shorter one"):
        catalog.check_name(settings, "abcd")


async def test_a_name_is_taken_once(place):
    await make(place, run_named("r", made_ms=1))
    said = await refused(place, make(place, run_named("r", made_ms=2)))
    assert said == (
        "there is a run r already: `funnel replay resume --name r` goes on with it, `funnel replay drop` removes it; "
        "or take another name"
    )
    assert await names(place) == ["r"]


async def test_of_two_processes_that_make_a_run_at_once_one_does(place):
    """Both have read the document before either writes it."""
    writing = asyncio.Barrier(2)

    class Slow(MemoryStore):
        async def set_runs_document(self, document, expected):
            await writing.wait()
            return await super().set_runs_document(document, expected)

    base = Slow(place.server)
    made = [catalog.make_run(base, place.store("r"), run_named("r", made_ms=number)) for number in (0, 1)]
    results = await asyncio.gather(*made, return_exceptions=True)
    winner = (await catalog.find_run(place.base, "r")).made_ms
    assert results[winner] is None
    assert "there is a run r already" in str(results[1 - winner])


async def test_counts_that_no_run_of_the_list_has_made_are_not_counted_on(place):
    await place.store("r").create_head(3, PartitionHead(0, partition_count=4))
    said = await refused(place, make(place, run_named("r")))
    assert said.startswith("run r cannot be made: its namespace holds counts already, of a run that is not in the list")


async def test_what_redis_has_of_a_run_that_it_has_forgotten_can_be_dropped(place):
    await place.has(run_named("other"))
    await place.counted("r", 10, 20)
    assert "is in the list" in await refused(place, catalog.drop_unlisted(place.base, place.store("other"), "other"))
    await catalog.drop_unlisted(place.base, place.store("r"), "r")
    assert await place.store("r").load_head(0) is None
    assert await refused(place, catalog.drop_unlisted(place.base, place.store("r"), "r")) == (
        "there is no run r, and no counts are left of one"
    )
    await make(place, run_named("r"))
    assert await names(place) == ["other", "r"]


@pytest.mark.parametrize(("name", "expected"), [
    ("januar", 'there is no run januar (did you mean "january"?)'),
    ("x", "there is no run x (there are 2: first, january)"),
])  # fmt: skip
@pytest.mark.parametrize("work", [
    catalog.find_run,
    catalog.stop_run,
    catalog.resume_run,
    lambda base, name: catalog.drop_run(base, base, name),
], ids=["look", "stop", "resume", "drop"])  # fmt: skip
async def test_a_run_that_is_not_there(place, work, name, expected):
    await place.has(run_named("january"), run_named("first"))
    assert await refused(place, work(place.base, name)) == expected


async def test_where_there_are_no_runs_it_says_so(place):
    said = await refused(place, catalog.find_run(place.base, "x"))
    assert said == "there is no run x (there is none at all)"


async def test_stopped_once_and_resumed(place):
    await make(place, run_named("r"))
    await catalog.stop_run(place.base, "r")
    assert (await catalog.find_run(place.base, "r")).is_stopped
    assert await refused(place, catalog.stop_run(place.base, "r")) == "run r is stopped already"
    resumed = await catalog.resume_run(place.base, "r")
    assert not resumed.is_stopped
    assert resumed == await catalog.find_run(place.base, "r")
    assert await catalog.resume_run(place.base, "r") == resumed


@pytest.mark.parametrize("until", [{0: 10, 1: 20}, {0: 11, 1: 99}, None])
async def test_an_end_that_is_not_passed_yet_may_be_given(place, until):
    await place.counted("r", 10, 20)
    await catalog.check_end(place.store("r"), run_named("r", {0: 10, 1: 20}), until)


async def test_an_end_before_what_is_counted_may_not(place):
    await place.counted("r", 10, 20)
    said = await refused(place, catalog.check_end(place.store("r"), run_named("r"), {0: 10, 1: 19}))
    assert said == (
        "run r has counted partition 1 up to offset 20 already, --to lies at 19: give a later end, or start another run"
    )


async def test_the_end_of_a_run_that_is_counting_is_not_changed(place):
    await place.counted("r", 10, 20, written_ms=now_ms())
    said = await refused(place, catalog.check_end(place.store("r"), run_named("r"), None))
    assert said.startswith("run r is counting up to the end it has: `funnel replay stop --name r` first")
    await catalog.check_end(place.store("r"), replace_run(run_named("r"), is_stopped=True), None)


async def test_a_dropped_run_leaves_nothing_and_the_others_alone(place):
    await place.has(run_named("r"), run_named("other"))
    for namespace in ("r", "other"):
        await place.counted(namespace, 10, 20)
    await catalog.drop_run(place.base, place.store("r"), "r")
    assert await names(place) == ["other"]
    assert await place.store("r").load_head(0) is None
    assert (await place.store("other").load_head(1)).next_offset == 20


async def test_a_run_that_was_written_lately_is_dropped_only_when_it_was_stopped(place):
    await place.has(run_named("r"))
    await place.counted("r", 10, 20, written_ms=now_ms())
    drop = lambda: catalog.drop_run(place.base, place.store("r"), "r")  # noqa: E731
    assert await refused(place, drop()) == "run r is still counting: `funnel replay stop --name r` first"
    await catalog.stop_run(place.base, "r")
    await drop()
    assert await names(place) == []


async def test_a_complete_run_may_be_dropped_at_once(place):
    await place.has(run_named("r", {0: 10, 1: 20}))
    await place.counted("r", 10, 20, written_ms=now_ms())
    await catalog.drop_run(place.base, place.store("r"), "r")
    assert await names(place) == []


LIVE = "run r is live, so that it cannot be {}; `funnel replay rollback` goes back"
BEFORE = (
    "run r was live before, and rolling back may need it, so that it cannot be {}; `funnel replay drop --replaced` "
    "gives that up"
)


@pytest.mark.parametrize(("promotions", "expected"), [(("r",), LIVE), (("r", "other"), BEFORE), (("other", "r"), LIVE)])
@pytest.mark.parametrize(("work", "what"), [
    (catalog.stop_run, "stopped"),
    (catalog.resume_run, "resumed"),
    (lambda base, name: catalog.drop_run(base, base, name), "dropped"),
])  # fmt: skip
async def test_what_is_live_or_may_be_again_is_left_alone(place, promotions, expected, work, what):
    await place.has(run_named("r"), run_named("other"), promotions=promotions)
    assert await refused(place, work(place.base, "r")) == expected.format(what)


async def test_where_nothing_was_left_no_right_to_remove_is_needed(place):
    await catalog.make_run(place.base, Breaking(place.server, "live.r", 4), run_named("r"))
    assert await names(place) == ["r"]


class Breaking(MemoryStore):
    """Goes away when it is to drop the namespace."""

    is_away = True

    async def drop_namespace(self):
        if self.is_away:
            raise StoreUnavailable("drop_namespace", (), "away")
        await super().drop_namespace()


async def test_a_drop_that_was_interrupted_is_said_again_and_nothing_else_is_done_with_the_run(place):
    await place.has(run_named("r"))
    await place.counted("r", 10, 20, written_ms=now_ms() - 60_000)
    store = Breaking(place.server, "live.r", 4)
    with pytest.raises(StoreUnavailable):
        await catalog.drop_run(place.base, store, "r")
    for work in (catalog.find_run, catalog.stop_run, catalog.resume_run):
        said = await refused(place, work(place.base, "r"))
        assert said == "run r is being dropped: `funnel replay drop --name r` once more ends that"
    said = await refused(place, make(place, run_named("r", made_ms=2)))
    assert "there is a run r already" in said
    store.is_away = False
    await catalog.drop_run(place.base, store, "r")
    assert (await names(place), await store.load_head(0)) == ([], None)


async def test_whoever_still_counts_a_dropped_run_can_write_no_more(place):
    """The epochs are raised before anything is removed."""
    await place.has(run_named("r"))
    await place.counted("r", 10, 20)
    store = Breaking(place.server, "live.r", 4)
    with pytest.raises(StoreUnavailable):
        await catalog.drop_run(place.base, store, "r")
    assert [(await store.load_head(number)).epoch for number in (0, 1)] == [2, 2]


async def test_funnels_that_a_process_of_a_dropped_run_has_left_do_not_bind_the_next_one(place):
    await place.store("r").set_active_funnel_set(b"of the dropped run", None)
    await make(place, run_named("r"))
    assert await place.store("r").active_funnel_set() is None
