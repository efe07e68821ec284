"""kill -9 of a run's processes: each time it is resumed, and in the end it is byte-equal to live."""

import os
import random

import pytest

from support.run_processes import Replays
from support.shop import shop

pytestmark = [pytest.mark.chaos, pytest.mark.service, pytest.mark.timeout(600)]


IS_LONG = os.environ.get("FUNNEL_CHAOS") == "long"
KILLS, RECORDS = 10, 10_000


@pytest.mark.skipif(
    not IS_LONG, reason="the group waits six seconds for a killed member; one kill: tests/service/replay"
)
async def test_a_run_killed_at_random_moments_and_resumed_is_byte_equal_to_live(site):
    rng, replays = random.Random(5), Replays(site)
    await site.make_topic()
    await site.produce(shop(RECORDS, seed=5))
    worker = site.start()
    await site.caught_up()
    worker.stop()
    slowly, done = ("--max-rate", "200"), 0
    process = replays.start("start", "killed", "--from", "live", *slowly)
    for number in range(KILLS):
        done = await replays.counts_on("killed", done + rng.randrange(200), process)
        assert process.process.poll() is None, process.said()
        process.kill()
        process = replays.start("resume", "killed", *(slowly if number < KILLS - 1 else ()))
    assert done < RECORDS
    assert await process.ended() == 0, process.said()
    assert await replays.result("killed") == await replays.result()
