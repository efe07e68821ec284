"""Real workers follow a promoted run of a changed definition, and back, under load and without a restart."""

import asyncio
import json
import re
from dataclasses import replace

import pytest

from stream.analyze.live import open_store
from stream.cli.main import main
from stream.worker.runs import namespace_of
from support.shop import shop
from support.workers import SHOP, Site, until

pytestmark = [pytest.mark.service, pytest.mark.timeout(240)]

RECORDS = 24_000


@pytest.fixture
def site(stack, tmp_path):
    place = Site(tmp_path, stack.kafka, stack.redis_url)
    yield place
    place.close()


async def funnel(site, *words):
    """Run a command; returns its exit status."""
    return await asyncio.to_thread(main, [*words, "--config", str(site.folder / "tracker.yaml")])


async def caught_up_run(site, name):
    """Wait until a run has counted what is in the log now."""
    redis = replace(site.settings.redis, namespace=namespace_of(site.name, name))
    store, ends = open_store(replace(site.settings, redis=redis)), await site.ends()

    async def has_counted():
        heads = {number: await store.load_head(number) for number in ends}
        return all(head is not None and head.next_offset >= ends[number] for number, head in heads.items())

    try:
        await until(has_counted, "the run has counted all")
    finally:
        await store.close()


async def shown(worker):
    """Return which versions of the shop a worker shows, and the run of its counters."""
    page = await worker.page()
    counted = re.search(r'funnel_records_total\{verdict="accepted"(?:,run="(\w+)")?\}', page)
    return set(re.findall(r'funnel_entered\{funnel="shop",version="(\d)"', page)), counted and counted[1]


async def test_promote_and_roll_back_under_load(site, capsys):
    records = shop(RECORDS, seed=17)
    await site.make_topic()
    workers = site.start(2)
    await site.produce(records[:8_000])
    await site.caught_up()
    (site.folder / "funnels/shop.yaml").write_text(SHOP.format(version=2).replace("window: 1h", "window: 5m"))
    run = site.start_run("r")
    await caught_up_run(site, "r")
    assert [await shown(worker) for worker in workers] == [({"1"}, None)] * 2

    writing = asyncio.create_task(site.produce(records[8_000:16_000]))
    assert await funnel(site, "replay", "promote", "--name", "r") == 0
    assert await run.ended() == 0
    assert "run r is promoted: it is live now, and workers go on with it" in run.said()
    await writing
    await site.caught_up()

    async def shows_second():
        return [await shown(worker) for worker in workers] == [({"2"}, "r")] * 2

    await until(shows_second, "both workers show version 2", *workers)
    assert await site.differences() == []
    said = capsys.readouterr().out
    assert "run r is live now" in said
    assert len(re.findall(r"partition \d: a worker has taken it over after", said)) == site.partitions

    assert await funnel(site, "report", "--compare-topic") == 0
    assert await funnel(site, "explain", "--actor", json.loads(records[0][1])["anonymous_id"]) == 0
    said = capsys.readouterr().out
    assert f"namespace {site.name}.r" in said

    site.define(1)  # files of before the switch: a crash does not undo it
    workers[0].kill()
    workers[0] = site.start()
    await until(shows_second, "also the one that was started anew", *workers)
    assert "`funnel replay promote` or `rollback` has replaced" in workers[0].said()

    writing = asyncio.create_task(site.produce(records[16_000:]))
    assert await funnel(site, "replay", "rollback") == 0
    await writing
    await site.caught_up()

    async def shows_first():
        return [await shown(worker) for worker in workers] == [({"1"}, None)] * 2

    await until(shows_first, "both workers show version 1 again", *workers)
    assert await site.differences() == []
    assert await site.oracle_differences() == []
    assert [worker.process.poll() for worker in workers] == [None, None]
