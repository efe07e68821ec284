"""Runs beside live: equal to it whoever counts them, and live does not notice.

One small log with everything in it, counted by a live worker; each test makes runs of its own over it.
"""

import asyncio
import signal

import msgspec
import pytest

from stream.replay.plan import Word
from support.run_processes import Replays, sampled
from support.shop import shop
from support.workers import Site, until

pytestmark = [pytest.mark.service, pytest.mark.timeout(240)]

RECORDS = 1_200
DAY_MS = 86_400_000
OF_THE_PROCESS = ("process_", "python_", "funnel_worker_")
CLOCK = "funnel_as_of_seconds"  # goes on by itself while nothing waits


@pytest.fixture(scope="module")
def counted(stack, tmp_path_factory):
    """Let a live worker count a log of long ago of which nothing changes any more as time goes by."""
    site = Site(tmp_path_factory.mktemp("runs"), stack.kafka, stack.redis_url, options=True)

    async def count():
        await site.make_topic()
        await site.produce(shop(RECORDS, seed=4, ago_ms=40 * DAY_MS))
        worker = site.start()
        await site.caught_up()
        worker.stop()

    asyncio.run(count())
    yield site
    site.close()


@pytest.fixture
def replays(counted):
    return Replays(counted)


async def funnel_lines(worker):
    """Return what a page says of funnels."""
    lines = (await worker.page()).splitlines()
    return [line for line in lines if not line.startswith(("#", CLOCK, *OF_THE_PROCESS))]


async def settled_lines(worker):
    """Return the same once breakdown values are shown: these are chosen when all is counted."""

    async def shows_values():
        lines = await funnel_lines(worker)
        return lines if any('segment="mobile"' in line for line in lines) else None

    return await until(shows_values, "the page shows breakdown values", worker)


async def test_a_run_is_byte_equal_to_live_whoever_counts_it_and_no_live_series_changes(counted, replays):
    """One process with the largest batches, three with batches of ten, both at once, and a live worker beside them."""
    worker = counted.start()
    lines = await settled_lines(worker)
    topics = await replays.topics()
    small = replays.with_worker("small", "max_batch_records: 10")

    async def run():
        whole = replays.start("start", "whole", "--from", "live", "--log-level", "INFO")
        await replays.make("parts", Word.LIVE)
        parts = [replays.start("resume", "parts", folder=small) for _ in range(3)]
        return [await process.ended() for process in (whole, *parts)], whole.said(), parts[0].said()

    pages, (statuses, said, said_by_first) = await sampled(lambda: funnel_lines(worker), run())
    worker.stop()
    assert statuses == [0] * 4, said + said_by_first
    assert said.endswith("run whole is complete\n")
    assert len(pages) > 10
    assert [line for page in pages for line in {*page} ^ {*lines}] == []
    live = await replays.result()
    assert len(live) > 5_000
    assert await replays.result("whole") == live
    assert await replays.result("parts") == live
    assert await replays.topics() == topics


async def test_a_run_is_ended_resumed_shared_killed_stopped_and_completed_and_live_is_untouched(
    counted, replays, capsys
):
    live, topics = await replays.stored(), await replays.topics()
    slowly = ("--max-rate", "10")
    first = replays.start("start", "slow", *slowly)
    done = await replays.counts_on("slow", 0, first)
    first.send(signal.SIGTERM)
    assert await first.ended() == 1
    assert first.said().endswith("run slow: this process was ended; `funnel replay resume --name slow` goes on\n")
    pair = [replays.start("resume", "slow", *slowly, "--log-level", "INFO") for _ in range(2)]
    await replays.counts_on("slow", done, *pair)
    for process in pair:
        await until(lambda process=process: "taking over 2 partitions" in process.said(), "each has its share", process)
        assert 'funnel_run_records_total{run="slow"}' in await process.page()
        assert "funnel_entered" not in await process.page()
    pair[1].kill()
    assert await replays.say("stop", "--name", "slow") == 0
    assert (await pair[0].ended(), pair[0].said().rpartition("run ")[2]) == (1, "slow is stopped\n")
    capsys.readouterr()
    assert await replays.say("status", "--name", "slow", "--json") == 0
    status = msgspec.json.decode(capsys.readouterr().out)
    assert (status["state"], status["done"] + status["left"]) == ("stopped", sum((await counted.ends()).values()))
    last = replays.start("resume", "slow")
    assert (await last.ended(), last.said().rpartition("run ")[2]) == (0, "slow is complete\n")
    assert await replays.result("slow") == await replays.result()
    assert await replays.say("drop", "--name", "slow") == 0
    assert [key for key in await replays.stored(".") if b".slow" in key] == []
    assert (await replays.stored(), await replays.topics()) == (live, topics)
