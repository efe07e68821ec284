"""A worker that follows what is live: where it counts before and after a switch, and what it shows meanwhile."""

from dataclasses import replace

import pytest

from stream.errors import StoreUnavailable
from stream.metrics import names
from stream.model.verdict import Verdict
from stream.worker import pointed
from stream.worker.activation import FunnelSetInactive
from stream.worker.pointed import LiveMoved
from support.switched import FIRST, NOW_MS, PLAIN, SECOND, THIRD, Site

ACCEPTED = Verdict.ACCEPTED


@pytest.fixture(autouse=True)
def look_at_every_tick(monkeypatch):
    monkeypatch.setattr(pointed, "LOOK_EVERY_S", 0.0)


@pytest.fixture
def site():
    site = Site()
    site.write(0, "A", "B", "C")
    site.write(1, "A", "C", actor="bob")
    return site


def page(worker):
    """Return what a worker shows about funnels: samples by their text."""
    text = worker.collector.funnel_text(0).decode()
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


async def test_a_switch_is_followed_where_partitions_are_held_by_having_them_assigned_anew(site):
    worker = await site.worker(FIRST)
    await site.count(worker)
    await site.run("r", SECOND)
    await worker.tick({})  # a run beside it is of no matter
    await site.promote("r", FIRST)
    with pytest.raises(LiveMoved, match=r"^run r is live now: taking its partitions over$"):
        await worker.tick({})
    site.write(0, "A")
    await site.count(worker)
    assert [live.title for live in worker.made] == ["the configured namespace", "run r"]
    assert ((await site.head(0)).next_offset, (await site.head(0, "r")).next_offset) == (3, 4)
    assert (await site.head(0, "r")).verdicts[ACCEPTED] == 3  # A and C; of version 2, B serves no step


async def test_a_worker_without_partitions_follows_in_a_tick_and_goes_on_showing_the_whole(site):
    busy, idle = await site.worker(FIRST), await site.worker(FIRST)
    await site.count(idle)
    await idle.revoke([0, 1])
    await site.count(busy)
    await site.run("r", SECOND)
    await site.promote("r", FIRST)
    await idle.tick({})
    assert idle.made[-1].run_name == "r"
    assert (
        'funnel_converted{funnel="ab",version="2",counts="attempts",window="1m",form="rolling",breakdown="",segment=""}'
        in page(idle)
    )


async def test_older_files_follow_the_run_and_say_so(site, caplog):
    await site.run("r", SECOND)
    await site.promote("r", FIRST)
    worker = await site.worker(FIRST)
    await site.count(worker)
    assert worker.made[-1].funnels == (SECOND,)
    assert "the files of this worker say what `funnel replay promote` or `rollback` has replaced" in caplog.text
    assert "counts by the rules of what is live (ab@2)" in caplog.text


async def test_files_that_say_what_is_live_are_no_matter_for_a_warning(site, caplog):
    await site.run("r", SECOND)
    await site.promote("r", FIRST)
    await site.worker(SECOND)
    assert not caplog.text


async def test_newer_files_change_the_definitions_where_the_run_counts_and_older_ones_do_not_bring_theirs_back(site):
    await site.run("r", SECOND)
    await site.promote("r", FIRST)
    newest = await site.worker(THIRD)
    await site.count(newest)
    assert newest.made[-1].run_name == "r"
    for files in (FIRST, SECOND):
        with pytest.raises(FunnelSetInactive, match="was replaced by"):
            await site.worker(files)


async def test_files_of_long_ago_do_not_come_back_with_a_switch(site):
    for files in (FIRST, SECOND):  # a change without any run
        await site.count(await site.worker(files))
    await site.run("r", THIRD)
    await site.promote("r", SECOND)
    worker = await site.worker(FIRST)
    assert worker.made[-1].funnels == (THIRD,)


async def test_a_worker_whose_mapping_was_corrected_under_it_follows_though_another_has_the_new_one_already(site):
    """The file is edited, one worker is started anew with it, and only then is the run promoted."""
    corrected = replace(PLAIN, sources=(replace(PLAIN.sources[0], allowed_lateness_ms=1),))
    worker = await site.worker(FIRST)
    await site.count(worker)
    await site.worker(FIRST, settings=corrected)
    await site.run("r", FIRST, settings=corrected)
    await site.promote("r", FIRST, settings=corrected)
    await site.count(worker)
    assert worker.made[-1].settings.sources == corrected.sources


async def test_insisting_holds_until_the_next_switch(site):
    await site.run("r", SECOND)
    await site.promote("r", FIRST)
    worker = await site.worker(FIRST, insists=True)
    await site.count(worker)
    await worker.tick({})
    assert (worker.made[-1].run_name, worker.made[-1].funnels) == ("r", (FIRST,))
    await site.run("s", THIRD)
    await site.promote("s", FIRST)
    with pytest.raises(LiveMoved):
        await worker.tick({})
    await site.count(worker)
    assert (worker.made[-1].run_name, worker.made[-1].funnels) == ("s", (THIRD,))


async def test_the_counters_of_a_promoted_run_are_new_series_and_those_of_before_go_on_after_a_rollback(site):
    worker = await site.worker(FIRST)
    await site.count(worker)
    before = page(worker)
    await site.run("r", SECOND)
    await site.promote("r", FIRST)
    await site.count(worker)
    during = page(worker)
    await site.roll_back()
    await site.count(worker)
    after = page(worker)
    assert before == after
    assert 'funnel_records_total{verdict="accepted"}' in before
    assert 'funnel_records_total{verdict="accepted",run="r"}' in during
    counters = {name.split("{")[0] for name in during if 'run="r"' in name}
    assert counters == {name for series in names.BY_RUN for name in series.sample_names}
    assert not any('run="' in name for name in before)


async def test_no_counter_falls_below_what_it_last_showed_though_the_store_went_back_while_a_run_was_live(site):
    worker = await site.worker(FIRST)
    await site.run("r", SECOND)
    await site.count(worker)
    site.write(0, "A", "B")
    older = site.server.snapshot()
    await site.count(worker)
    shown = page(worker)['funnel_records_total{verdict="accepted"}']
    await site.promote("r", FIRST)
    await site.count(worker)
    await site.roll_back()
    site.server.namespaces["live"] = older["live"]
    site.logs[0] = site.logs[0][:3]
    await site.count(worker)
    assert page(worker)['funnel_records_total{verdict="accepted"}'] == shown


async def test_what_was_shown_stays_until_there_is_something_to_show(site):
    worker = await site.worker(FIRST)
    await site.count(worker)
    shown = page(worker)
    await site.run("r", SECOND)
    await site.promote("r", FIRST)
    await worker.assign({})
    assert worker.made[-1].run_name == "r"
    assert page(worker) == shown


async def test_a_process_goes_on_with_its_own_figures(site):
    worker = await site.worker(FIRST)
    await site.count(worker)
    await site.run("r", SECOND)
    await site.promote("r", FIRST)
    site.write(0, "A")
    await site.count(worker)
    assert sum(worker.stats.verdicts) == 6  # five in the one namespace, one in the other


async def test_letters_go_on_too_and_a_run_beside_sends_none(site):
    worker = await site.worker(FIRST)
    site.write(0, "")
    await site.count(worker)
    await site.run("r", SECOND)
    await site.promote("r", FIRST)
    site.write(0, "")
    await site.count(worker)
    assert [letter.offset for letter in worker.letters.sent] == [3, 4]


async def test_a_store_that_is_away_during_the_switch_is_asked_again(site, monkeypatch):
    worker = await site.worker(FIRST)
    await site.count(worker)
    await site.run("r", SECOND)
    await site.promote("r", FIRST)
    opened = type(site.opened())

    async def away(_self):
        raise StoreUnavailable("check", (), "away")

    with monkeypatch.context() as patch:
        patch.setattr(opened, "check", away)
        with pytest.raises(StoreUnavailable, match="away"):
            await site.count(worker)
        assert not worker.is_ready()[0]
        await worker.tick({})  # is not asked for what only an assignment can do
    await site.count(worker)
    assert (await site.head(0, "r")).next_offset == 3
    assert worker.is_ready() == (True, "")


async def test_a_run_counts_on_in_live_only_what_entered_since_it_began(site):
    """The warm-up of a run that began in the middle is not counted by those that go on with it either."""
    since_ms = NOW_MS + 1_500
    process = await site.run("r", SECOND, since_ms=since_ms)
    assert process is not None
    await site.promote("r", FIRST)
    worker = await site.worker(SECOND)
    site.write(0, "A", actor="eve")
    await site.count(worker)
    name = (
        'funnel_entered{funnel="ab",version="2",counts="attempts",window="1m",form="rolling",breakdown="",segment=""}'
    )
    assert page(worker)[name] == "1"
