"""Real workers follow a promoted run of a changed definition, and back, under load and without a restart."""

import argparse
import asyncio
import re

import pytest

from stream.analyze.live import open_store
from stream.cli import replay_promote
from stream.settings.counting import counting_rules, following
from stream.worker.runs import Run, Start, change_runs, namespace_of
from support.shop import shop
from support.workers import SHOP, Site, Worker, until

pytestmark = [pytest.mark.service, pytest.mark.timeout(240)]

RECORDS = 24_000


@pytest.fixture
def site(stack, tmp_path):
    place = Site(tmp_path, stack.kafka, stack.redis_url)
    yield place
    place.close()


async def replay(*words):
    """Run a command of `funnel replay`; returns its exit status."""
    parser = argparse.ArgumentParser()
    replay_promote.register(parser.add_subparsers())
    args = parser.parse_args(words)
    return await asyncio.to_thread(args.run, args)


async def counted_run(site, name):
    """Let a run of the files as they are now count all there is, and stop."""
    starts = {number: Start(0) for number in range(site.partitions)}
    rules = counting_rules(site.settings, site.funnels)
    run = Run(name, site.settings.log_topic, rules, starts, None, made_ms=1, is_stopped=True)
    base = open_store(site.settings)
    await change_runs(base, lambda runs: runs.with_run(run))
    await base.close()
    folder = site.folder / name
    folder.mkdir()
    text = (site.folder / "tracker.yaml").read_text().replace("funnels: funnels", f"funnels: {site.folder}/funnels")
    text = text.replace(f"group: {site.name}", f"group: {site.name}-{name}")
    (folder / "tracker.yaml").write_text(text.replace(f"namespace: {site.name}", f"namespace: {site.name}.{name}"))
    process = Worker(folder, 0)
    store = open_store(following(site.settings, rules, namespace_of(site.name, name)))

    async def has_counted():
        heads = [await store.load_head(number) for number in starts]
        return all(head is not None and head.next_offset == ends[number] for number, head in enumerate(heads))

    try:
        ends = await site.ends()
        await until(has_counted, "the run has counted all", process)
    finally:
        await store.close()
        process.stop()


async def shown(worker):
    """Return which versions of the shop a worker shows, and the run of its counters."""
    page = await worker.page()
    counted = re.search(r'funnel_records_total\{verdict="accepted"(?:,run="(\w+)")?\}', page)
    return set(re.findall(r'funnel_entered\{funnel="shop",version="(\d)"', page)), counted and counted[1]


async def test_promote_and_roll_back_under_load(site, capsys):
    config = ("--config", str(site.folder / "tracker.yaml"))
    records = shop(RECORDS, seed=17)
    await site.make_topic()
    workers = site.start(2)
    await site.produce(records[:8_000])
    await site.caught_up()
    (site.folder / "funnels/shop.yaml").write_text(SHOP.format(version=2).replace("window: 1h", "window: 5m"))
    await counted_run(site, "r")
    assert [await shown(worker) for worker in workers] == [({"1"}, None)] * 2

    writing = asyncio.create_task(site.produce(records[8_000:16_000]))
    assert await replay("promote", "--name", "r", *config) == 0
    await writing
    await site.caught_up()

    async def shows_second():
        return [await shown(worker) for worker in workers] == [({"2"}, "r")] * 2

    await until(shows_second, "both workers show version 2", *workers)
    assert await site.differences() == []
    said = capsys.readouterr().out
    assert "run r is live now" in said
    assert len(re.findall(r"partition \d: a worker has taken it over after", said)) == site.partitions

    site.define(1)  # files of before the switch: a crash does not undo it
    workers[0].kill()
    workers[0] = site.start()
    await until(shows_second, "also the one that was started anew", *workers)
    assert "`funnel replay promote` or `rollback` has replaced" in workers[0].said()

    writing = asyncio.create_task(site.produce(records[16_000:]))
    assert await replay("rollback", *config) == 0
    await writing
    await site.caught_up()

    async def shows_first():
        return [await shown(worker) for worker in workers] == [({"1"}, None)] * 2

    await until(shows_first, "both workers show version 1 again", *workers)
    assert await site.differences() == []
    assert await site.oracle_differences() == []
    assert [worker.process.poll() for worker in workers] == [None, None]
