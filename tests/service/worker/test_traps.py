"""The traps of a consumer whose offset lives with its state, each with real processes and servers."""

import signal
import time

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from stream.analyze.live import open_store
from stream.model.verdict import Verdict
from support.workers import Site, until

pytestmark = [pytest.mark.service, pytest.mark.timeout(240)]


def records(count, start=0, actors=50):
    """Return view_page and view_product records of some actors, a second apart, ending about now."""
    now_ms = int(time.time() * 1000)
    made = []
    for number in range(start, start + count):
        actor, at_ms = f"a{number % actors}", now_ms - (start + count - number)
        name = "view_page" if number // actors % 2 == 0 else "view_product"
        value = f'{{"id":"{number}","anonymous_id":"{actor}","event":"{name}","time":{at_ms}}}'
        made.append((actor.encode(), value.encode(), at_ms))
    return made


@pytest.fixture
def site(stack, tmp_path):
    place = Site(tmp_path, stack.kafka, stack.redis_url)
    yield place
    place.close()


async def test_a_zombie_that_wakes_up_writes_nothing_and_leaves_its_successor_alone(site):
    """It finds another epoch before Kafka tells it that the partitions are gone: it must not raise it again."""
    await site.make_topic()
    await site.produce(records(2_000))
    zombie = site.start()
    await site.caught_up()
    zombie.send(signal.SIGSTOP)
    await site.produce(records(2_000, start=2_000))
    heir = site.start()
    await site.caught_up()
    store = open_store(site.settings)
    try:
        epochs = {number: (await store.load_head(number)).epoch for number in range(site.partitions)}
        zombie.send(signal.SIGCONT)
        seen = []

        async def has_rejoined():
            seen.append({number: (await store.load_head(number)).epoch for number in range(site.partitions)})
            return zombie.said().count("taking over") > 1

        await until(has_rejoined, "Kafka gives the zombie partitions again", zombie, heir)
    finally:
        await store.close()
    raised = [{number: now[number] - epochs[number] for number in now} for now in seen]
    # Once by whom Kafka gave it; once more if the zombie began to look just as Kafka took it away.
    assert max(max(each.values()) for each in raised) <= 2
    await site.produce(records(2_000, start=4_000))
    await site.caught_up()
    assert [worker.process.poll() for worker in (zombie, heir)] == [None, None]
    assert await site.differences() == []


async def test_a_store_that_was_emptied_is_counted_anew_from_the_earliest_record(site):
    await site.make_topic()
    await site.produce(records(3_000))
    worker = site.start()
    await site.caught_up()
    store = open_store(site.settings)
    await store.drop_namespace()
    await store.close()
    await site.produce(records(500, start=3_000))
    await site.caught_up()
    assert "state was lost" in worker.said()
    assert await site.differences() == []


@pytest.mark.parametrize("more", [0, 5_000], ids=["shorter-than-before", "longer-than-before"])
async def test_a_topic_that_was_made_anew_stops_the_worker_loudly(site, more):
    await site.make_topic()
    await site.produce(records(1_000))
    worker = site.start()
    await site.caught_up()
    worker.stop()
    await site.drop_topic()
    await site.make_topic()
    await site.produce(records(100 + more, start=10_000))
    again = site.start()
    assert await again.ended() != 0
    assert "recreated" in again.said()
    assert "--accept-gap" in again.said()


async def test_a_topic_with_more_partitions_than_before_stops_the_worker(site):
    await site.make_topic()
    await site.produce(records(400))
    worker = site.start()
    await site.caught_up()
    worker.stop()
    await site.drop_topic()
    await site.make_topic(site.partitions + 2)
    await site.produce(records(400))
    again = site.start()
    assert await again.ended() != 0
    assert f"counted as a log of {site.partitions} partitions, now it has {site.partitions + 2}" in again.said()


async def delete_records(site):
    """Delete all records, as retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=site.kafka)
    await admin.start()
    ends = await site.ends()
    await admin.delete_records(
        {TopicPartition(site.name, number): RecordsToDelete(before_offset=end) for number, end in ends.items()}
    )
    await admin.close()


async def test_records_deleted_before_they_were_counted_stop_the_worker(site):
    await site.make_topic()
    await site.produce(records(400))
    worker = site.start()
    await site.caught_up()
    worker.stop()
    await site.produce(records(400, start=400))
    await delete_records(site)
    again = site.start()
    assert await again.ended() != 0
    assert "records were deleted before they were counted" in again.said()


async def test_an_older_set_of_funnels_waits_and_says_so_while_the_newer_counts(site):
    await site.make_topic()
    await site.produce(records(500))
    old = site.start()
    await site.caught_up()
    site.define(version=2)
    site.start()

    async def says_so():
        ready = await old.ready()
        return ready is not None and ready[0] == 503 and "was replaced by" in ready[1]

    await until(says_so, "the older worker is unready", old)
    old.stop()
    await site.produce(records(500, start=500))
    await site.caught_up()
    assert {funnel.key for funnel in (await site.view()).roll_up().funnels} == {"shop@2"}


async def test_aborted_transactions_are_not_counted(site):
    await site.make_topic()
    site.start()
    producer = AIOKafkaProducer(bootstrap_servers=site.kafka, transactional_id=site.name)
    await producer.start()
    try:
        for number, commits in enumerate([True, False, True, False]):
            await producer.begin_transaction()
            for key, value, at_ms in records(100, start=100 * number):
                await producer.send(site.name, value, key=key, timestamp_ms=at_ms)
            if commits:
                await producer.commit_transaction()
            else:
                await producer.abort_transaction()
    finally:
        await producer.stop()

    async def has_counted():
        partitions = (await site.view()).partitions.values()
        return sum(sum(each.head.verdicts) for each in partitions) >= 200

    await until(has_counted, "the committed records are counted", *site.workers)
    await site.produce(records(10, start=1_000))
    await site.caught_up()
    heads = [each.head for each in (await site.view()).partitions.values()]
    assert sum(head.verdicts[Verdict.ACCEPTED] for head in heads) == 210
    assert await site.differences() == []


async def test_a_source_that_is_not_keyed_by_actor_stops_with_the_text_that_helps(site):
    await site.make_topic()
    await site.produce([(b"somebody-else", value, at_ms) for _, value, at_ms in records(10)])
    worker = site.start()
    assert await worker.ended() != 0
    assert "keyed_by_actor" in worker.said()
    assert sum((await site.stored()).values()) == 0


async def test_counted_records_may_expire(site):
    """Also the one before the stored offset, which is otherwise read once more."""
    await site.make_topic()
    await site.produce(records(400))
    worker = site.start()
    await site.caught_up()
    worker.stop()
    await delete_records(site)
    again = site.start()
    await site.produce(records(400, start=400))
    await site.caught_up()
    assert again.process.poll() is None
    heads = [each.head for each in (await site.view()).partitions.values()]
    assert sum(head.verdicts[Verdict.ACCEPTED] for head in heads) == 800


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("worker: {shards: 128}", "written with 64 shards, configured are 128; set shards to 64"),
        ("worker: {shards: 64}\nrolling: [10m]", "rolling windows 5m/60 1h/60 24h/60, configured are 10m/60"),
    ],
    ids=["shards", "rolling-windows"],
)
async def test_settings_under_which_stored_counts_would_be_misread_stop_the_worker(site, settings, said):
    await site.make_topic()
    await site.produce(records(100))
    worker = site.start()
    await site.caught_up()
    worker.stop()
    file = site.folder / "tracker.yaml"
    file.write_text(file.read_text().replace("worker: {shards: 64}", settings))
    again = site.start()
    assert await again.ended() != 0
    assert said in again.said()
