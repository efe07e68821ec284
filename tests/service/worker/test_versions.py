"""Two versions of a funnel by real workers on a real Redis, and what is left of one that was taken out."""

import pytest
import redis.asyncio

from stream.store.journal import Journal, Mark
from stream.store.keys import Keys
from support.shop import shop
from support.stored import numbers_in
from support.workers import Site, until

pytestmark = [pytest.mark.service, pytest.mark.timeout(240)]

SHARDS = 4
SECOND = """\
funnel: shop
version: 2
window: 30d
steps:
  - event: view_product
  - event: add_to_cart
"""


@pytest.fixture
def site(stack, tmp_path):
    place = Site(tmp_path, stack.kafka, stack.redis_url, partitions=2, worker=f"shards: {SHARDS}")
    yield place
    place.close()


async def stored(site):
    """Return which funnels, by number, have a part in the stored states, journals included, and how many those are."""
    keys = Keys(site.name, SHARDS)
    async with redis.asyncio.Redis.from_url(site.settings.redis.url) as client:
        states = []
        for partition in range(site.partitions):
            entries = await client.hgetall(keys.journal(partition))
            journal = Journal(Mark(0, 0), {int(number): entry for number, entry in entries.items()})
            states += [*journal.states.values(), *journal.additions.values()]
            for shard in keys.actors(partition):
                states += (await client.hgetall(shard)).values()
        return set().union(*map(numbers_in, states)), len(states)


async def funnel_differences(site):
    """Return where a funnel's numbers are wrong; verdicts depend on which funnels there were."""
    return [line for line in await site.differences() if line.startswith("shop@")]


async def test_versions_side_by_side_and_a_removed_one_leaves_nothing_behind(site):
    second = site.folder / "funnels" / "shop-2.yaml"
    second.write_text(SECOND)
    await site.make_topic()
    await site.produce(shop(8_000, seed=11))
    worker = site.start()
    await site.caught_up()
    assert {funnel.key for funnel in (await site.view()).roll_up().funnels} == {"shop@1", "shop@2"}
    assert await site.differences() == []
    numbers, actors = await stored(site)
    assert {0, 1} <= numbers
    worker.stop()
    (site.folder / "funnels" / "shop.yaml").unlink()
    worker = site.start()

    async def is_gone():
        return (await stored(site))[0] == {1}

    await until(is_gone, "nothing of the first version is left", worker)
    assert (await stored(site))[1] < actors, "who was in the first version alone is gone"
    assert await funnel_differences(site) == []
    await site.produce(shop(2_000, seed=12))
    await site.caught_up()
    assert await funnel_differences(site) == []
