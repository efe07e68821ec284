"""kill -9 of a run's processes: each time it is resumed, and in the end it is byte-equal to live."""

import random

import pytest

from support.run_processes import Replays
from support.shop import shop

pytestmark = [pytest.mark.chaos, pytest.mark.service, pytest.mark.timeout(600)]


async def test_a_run_killed_at_random_moments_and_resumed_is_byte_equal_to_live(site, is_long):
    kills = 10 if is_long else 1  # the group waits for a killed member, six seconds each time
    rng, replays, records = random.Random(5), Replays(site), 10_000
    await site.make_topic()
    await site.produce(shop(records, seed=5))
    worker = site.start()
    await site.caught_up()
    worker.stop()
    slowly, done = ("--max-rate", "200"), 0
    process = replays.start("start", "killed", "--from", "live", *slowly)
    for number in range(kills):
        done = await replays.counts_on("killed", done + rng.randrange(200), process)
        assert process.process.poll() is None, process.said()
        process.kill()
        process = replays.start("resume", "killed", *(slowly if number < kills - 1 else ()))
    assert done < records
    assert await process.ended() == 0, process.said()
    assert await replays.result("killed") == await replays.result()
