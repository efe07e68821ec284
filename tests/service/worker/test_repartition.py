"""Repartitioning against a real Kafka: every record of every source, by actor, in order, at least once."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
import uuid
from collections import defaultdict
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from stream.errors import KafkaRefused
from stream.ingest.decode import EventDecoder, Invalid
from stream.settings.sources import mapping_of
from stream.settings.tracker import KafkaSettings, SourceSettings, TrackerSettings
from stream.stack import Stack
from stream.worker import repartition_session
from stream.worker.envelope import TOO_LARGE_REASON, log_mapping, provenance
from stream.worker.log_topic import TOPIC_CONFIG, topic_partitions
from stream.worker.repartition import Repartitioner, RepartitionService
from support.shop import shop
from support.workers import Site

pytestmark = pytest.mark.service
START_MS = 1_790_000_000_000
DEADLINE_S = 60
PATHS = ("device", "cart.total", "properties.device")


def fresh(name="orders"):
    return f"{name}-{uuid.uuid4().hex[:8]}"


def settings_of(bootstrap, *sources, log=None):
    """Return settings whose group and repartition topic are new, unless the topic is given."""
    log = log or fresh("log")
    return TrackerSettings(sources, Path(), KafkaSettings(bootstrap, log), repartition_topic=log)


def flat(actor, number):
    event = {"user_id": actor, "time": START_MS + number, "event": "buy", "properties": {"device": f"d{number}"}}
    return json.dumps({**event, "id": f"e{number}"} if number % 3 else event).encode()


def cloud(actor, number):
    at = f"2026-11-24T10:00:{number % 60:02d}Z"
    data = {"device": f"c{number}", "cart": {"total": number}}
    return json.dumps({"subject": actor, "time": at, "type": "view", "id": f"c{number}", "data": data}).encode()


@contextlib.asynccontextmanager
async def admin_of(bootstrap):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def make(bootstrap, topic, partitions=3, **config):
    async with admin_of(bootstrap) as admin:
        configs = {name.replace("_", "."): value for name, value in config.items()}
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)])
    await until(lambda: topic_partitions({"bootstrap_servers": bootstrap}), lambda found: topic in found)


@contextlib.asynccontextmanager
async def producer_of(bootstrap, **more):
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=1 << 23, **more)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def put(bootstrap, topic, values, partitions=3):
    """Produce values in turn to the partitions, keyed by nothing; the n-th has record time START_MS + n."""
    async with producer_of(bootstrap) as producer:
        for number, value in enumerate(values):
            place = number % partitions
            await producer.send(topic, value, partition=place, timestamp_ms=START_MS + number)
        await producer.flush()


async def read(bootstrap, topic):
    """Return everything committed in a topic as {partition: records}."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        held = [TopicPartition(topic, place) for place in sorted(await consumer._client._wait_on_metadata(topic))]
        consumer.assign(held)
        ends = await consumer.end_offsets(held)
        found = {tp.partition: [] for tp in held}
        async with asyncio.timeout(DEADLINE_S):
            while [tp for tp in held if await consumer.position(tp) < ends[tp]]:
                for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[tp.partition] += records
        return found
    finally:
        await consumer.stop()


async def until(ask, holds):
    """Wait until what `ask` answers holds; return the answer."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            answer = ask()
            answer = await answer if asyncio.iscoroutine(answer) else answer
            if holds(answer):
                return answer
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(repartitioner):
    """Run it; at the end let it commit and stop. What it raised is raised."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(repartitioner.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(task, DEADLINE_S)


async def caught_up(repartitioner):
    await until(repartitioner.figures, lambda figures: figures.lag_records == 0)


async def repartition(settings):
    """Repartition everything that is there."""
    repartitioner = Repartitioner(settings, {"bootstrap_servers": settings.kafka.bootstrap})
    async with running(repartitioner):
        await caught_up(repartitioner)
    return repartitioner


def in_order(log, sources):
    """Assert that first copies of an actor's records have the order of their source partition."""
    known = set()
    last = defaultdict(lambda: -1)
    for records in log.values():
        for record in records:
            source = provenance(record.value).source
            if source in known:
                continue
            known.add(source)
            topic, partition, offset = source.rsplit("/", 2)
            place = (record.key, topic, partition)
            assert int(offset) > last[place]
            last[place] = int(offset)
    assert {source.rsplit("/", 2)[0] for source in known} == set(sources)
    return known


def coordinates(topic, read_back):
    return {f"{topic}/{place}/{record.offset}" for place, records in read_back.items() for record in records}


async def test_two_sources_become_one_log_whose_events_are_those_of_the_sources(stack):
    flats, clouds = fresh("flat"), fresh("cloud")
    junk = [b"", b"[]", b"\xff", b'{"user_id":', b'{"user_id":"u","time":"then","event":"buy"}', b"{}"]
    odd = [
        b'{"user_id":"u1","time":5,"event":"buy","x":"\xff"}',
        b'\xef\xbb\xbf{"user_id":"u2","time":0,"event":"buy"}',
    ]
    for topic, values in (
        (flats, [*(flat(f"u{number % 7}", number) for number in range(600)), *junk, *odd]),
        (clouds, [*(cloud(f"u{number % 5}", number) for number in range(600)), *junk]),
    ):
        await make(stack.kafka, topic)
        await put(stack.kafka, topic, values)
    async with producer_of(stack.kafka) as producer:
        await producer.send_and_wait(flats, None, key=b"u1", partition=0, timestamp_ms=START_MS)
    async with producer_of(stack.kafka, transactional_id=fresh("tx")) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(flats, flat("aborted", 1), partition=1)
        await producer.abort_transaction()
    sources = (SourceSettings("flat", (flats,)), SourceSettings("cloud", (clouds,), preset="cloudevents"))
    settings = settings_of(stack.kafka, *sources)

    repartitioner = await repartition(settings)

    log = await read(stack.kafka, settings.repartition_topic)
    assert len(log) == 3
    decode = EventDecoder(repartitioner.log_mapping(), PATHS).decode
    found, places = {}, defaultdict(set)
    for place, records in log.items():
        for record in records:
            origin = provenance(record.value)
            assert origin.source not in found
            found[origin.source] = (decode(record.value), record.timestamp, record.key, origin.reason)
            places[record.key].add(place)
    assert all(len(where) == 1 for where in places.values())
    for topic, source in ((flats, sources[0]), (clouds, sources[1])):
        direct = EventDecoder(mapping_of(source), PATHS).decode
        for place, records in (await read(stack.kafka, topic)).items():
            for record in records:
                coords = f"{topic}/{place}/{record.offset}"
                event, record_ms, key, reason = found.pop(coords)
                assert record_ms == record.timestamp
                meant = direct(record.value)
                if isinstance(meant, Invalid):
                    assert (event, key, reason) == (Invalid("missing actor"), coords.encode(), meant.reason)
                else:
                    assert event == meant._replace(event_id=meant.event_id or coords)
                    assert (key, reason) == (event.actor.encode(), None)
    assert not found  # neither the aborted record nor anything twice
    in_order(log, [flats, clouds])
    figures = repartitioner.figures()
    assert figures.records == 600 + 600 + 2 * len(junk) + len(odd) + 1
    assert figures.invalid == 2 * len(junk) + 1


async def test_a_crash_between_writing_and_committing_repeats_records_with_the_same_identity(stack, monkeypatch):
    topic = fresh()
    await make(stack.kafka, topic)
    await put(stack.kafka, topic, [flat(f"u{number % 9}", number) for number in range(3000)])
    settings = settings_of(stack.kafka, SourceSettings("orders", (topic,)))
    with monkeypatch.context() as patch:
        patch.setattr(repartition_session, "COMMIT_S", 3600.0)
        crashing = Repartitioner(settings, {"bootstrap_servers": stack.kafka})
        task = asyncio.ensure_future(crashing.run(asyncio.Event()))
        await until(crashing.figures, lambda figures: figures.records == 3000)
        task.cancel()
        await asyncio.wait([task])
    await repartition(settings)
    decode = EventDecoder(log_mapping()).decode
    log = await read(stack.kafka, settings.repartition_topic)
    identities = defaultdict(list)
    for place, records in log.items():
        for record in records:
            event = decode(record.value)
            identities[event.actor, event.event_id, event.time_ms].append((place, record.timestamp, record.value))
    assert sum(map(len, identities.values())) == 6000
    assert len(identities) == 3000
    assert all(len(copies) == 2 and copies[0] == copies[1] for copies in identities.values())
    in_order(log, [topic])


async def test_stopping_in_order_repeats_nothing(stack):
    topic = fresh()
    await make(stack.kafka, topic)
    settings = settings_of(stack.kafka, SourceSettings("orders", (topic,)))
    for _ in range(2):
        await put(stack.kafka, topic, [flat("u", number) for number in range(100)])
        await repartition(settings)
    log = await read(stack.kafka, settings.repartition_topic)
    assert sum(map(len, log.values())) == 200


WORKER = """
import asyncio, sys
from pathlib import Path
from stream.settings.tracker import KafkaSettings, SourceSettings, TrackerSettings
from stream.worker.repartition import Repartitioner
bootstrap, topic, log = sys.argv[1:]
settings = TrackerSettings(
    (SourceSettings("orders", (topic,)),), Path(), KafkaSettings(bootstrap, log), repartition_topic=log
)
asyncio.run(Repartitioner(settings, {"bootstrap_servers": bootstrap}).run(asyncio.Event()))
"""


@pytest.mark.chaos
async def test_workers_killed_under_load_lose_nothing(stack):
    topic, count = fresh(), 60_000
    await make(stack.kafka, topic, partitions=4)
    settings = settings_of(stack.kafka, SourceSettings("orders", (topic,)))
    log = settings.repartition_topic

    async def start():
        return await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, stack.kafka, topic, log)

    async def written():
        if log not in await topic_partitions({"bootstrap_servers": stack.kafka}):
            return 0
        consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka)
        await consumer.start()
        try:
            held = [TopicPartition(log, place) for place in await consumer._client._wait_on_metadata(log)]
            return sum((await consumer.end_offsets(held)).values())
        finally:
            await consumer.stop()

    producing = asyncio.ensure_future(
        put(stack.kafka, topic, (flat(f"u{number % 50}", number) for number in range(count)), partitions=4)
    )
    workers = [await start(), await start()]
    try:
        for kill in range(2):
            before = await written()
            await until(written, lambda now, before=before: now > before + 2000)
            os.kill(workers[kill % 2].pid, signal.SIGKILL)
            await workers[kill % 2].wait()
            workers[kill % 2] = await start()
        await producing
    finally:
        for worker in workers:
            worker.kill()
            await worker.wait()
    wanted = coordinates(topic, await read(stack.kafka, topic))
    assert len(wanted) == count
    group = f"{settings.kafka.group}-repartition"
    async with (
        admin_of(stack.kafka) as admin,
        running(Repartitioner(settings, {"bootstrap_servers": stack.kafka})),
    ):  # the killed keep their partitions until their sessions end
        await until(
            lambda: admin.list_consumer_group_offsets(group),
            lambda offsets: sum(each.offset for each in offsets.values()) >= count,
        )
    assert in_order(await read(stack.kafka, log), [topic]) == wanted


async def test_a_second_worker_takes_its_share_and_gives_it_back_without_loss_or_repeats(stack):
    topic = fresh()
    await make(stack.kafka, topic, partitions=4)
    settings = settings_of(stack.kafka, SourceSettings("orders", (topic,)))
    first, second = (Repartitioner(settings, {"bootstrap_servers": stack.kafka}) for _ in range(2))
    async with running(first):
        await put(stack.kafka, topic, [flat("u", number) for number in range(400)], partitions=4)
        await caught_up(first)
        async with running(second):
            await caught_up(second)
            before = first.figures().records, second.figures().records
            await put(stack.kafka, topic, [flat("u", number) for number in range(400)], partitions=4)
            await until(lambda: first.figures().records + second.figures().records, lambda sent: sent >= 800)
            assert first.figures().records > before[0]
            assert second.figures().records > before[1]
        await put(stack.kafka, topic, [flat("u", number) for number in range(400)], partitions=4)
        await until(lambda: first.figures().records + second.figures().records, lambda sent: sent >= 1200)
    log = await read(stack.kafka, settings.repartition_topic)
    assert sum(map(len, log.values())) == 1200
    assert in_order(log, [topic]) == coordinates(topic, await read(stack.kafka, topic))


async def test_records_in_partitions_that_another_member_holds_are_lag_of_the_group(stack):
    """As they are while a worker that has died still holds them: nobody else can say that they wait."""
    topic = fresh()
    await make(stack.kafka, topic, partitions=4)
    settings = settings_of(stack.kafka, SourceSettings("orders", (topic,)))
    repartitioner = Repartitioner(settings, {"bootstrap_servers": stack.kafka})
    silent = AIOKafkaConsumer(
        topic,
        bootstrap_servers=stack.kafka,
        group_id=f"{settings.kafka.group}-repartition",
        enable_auto_commit=False,
        partition_assignment_strategy=(RoundRobinPartitionAssignor,),
    )
    async with running(repartitioner):
        await put(stack.kafka, topic, [flat("u", number) for number in range(400)], partitions=4)
        await until(repartitioner.figures, lambda figures: figures.records == 400)
        await until(repartitioner.group_lag, lambda lag: lag == 0)
        await silent.start()
        try:
            await until(silent.assignment, lambda held: len(held) == 2)
            await put(stack.kafka, topic, [flat("u", number) for number in range(400)], partitions=4)
            await until(repartitioner.figures, lambda figures: figures.records == 600 and figures.lag_records == 0)
            await until(repartitioner.group_lag, lambda lag: lag == 200)
        finally:
            await silent.stop()
        await until(repartitioner.group_lag, lambda lag: lag == 0)
    assert repartitioner.group_lag() is None


async def test_a_pattern_finds_topics_that_come_later(stack, monkeypatch):
    monkeypatch.setattr(repartition_session, "LOOK_FOR_TOPICS_S", 0.5)
    stem = fresh("shop")
    await make(stack.kafka, f"{stem}-a", partitions=2)
    await make(stack.kafka, f"{stem}-a-private", partitions=1)
    await put(stack.kafka, f"{stem}-a-private", [flat("u", 1)], partitions=1)
    settings = settings_of(stack.kafka, SourceSettings("shop", pattern=f"{stem}-[a-z]"))
    repartitioner = Repartitioner(settings, {"bootstrap_servers": stack.kafka})
    async with running(repartitioner):
        await put(stack.kafka, f"{stem}-a", [flat("u", number) for number in range(10)], partitions=2)
        await until(repartitioner.figures, lambda figures: figures.records == 10)
        await make(stack.kafka, f"{stem}-b", partitions=1)
        await put(stack.kafka, f"{stem}-b", [flat("u", number) for number in range(10)], partitions=1)
        await until(repartitioner.figures, lambda figures: figures.records == 20)
    in_order(await read(stack.kafka, settings.repartition_topic), [f"{stem}-a", f"{stem}-b"])


async def test_the_topic_waits_for_the_sources_and_gets_the_partitions_of_the_largest(stack):
    small, large = fresh("small"), fresh("large")
    await make(stack.kafka, small, partitions=2)
    settings = settings_of(stack.kafka, SourceSettings("a", (small,)), SourceSettings("b", (large,)))
    repartitioner = Repartitioner(settings, {"bootstrap_servers": stack.kafka})
    async with running(repartitioner):
        _, reason = await until(repartitioner.is_ready, lambda answer: large in answer[1])
        assert "create it" in reason
        assert settings.repartition_topic not in await topic_partitions({"bootstrap_servers": stack.kafka})
        await make(stack.kafka, large, partitions=5)
        await until(repartitioner.is_ready, lambda answer: answer == (True, ""))
    assert (await topic_partitions({"bootstrap_servers": stack.kafka}))[settings.repartition_topic] == 5


async def test_latest_begins_at_the_end_and_stays_there_over_a_restart(stack):
    topic = fresh()
    await make(stack.kafka, topic, partitions=1)
    await put(stack.kafka, topic, [flat("old", number) for number in range(10)], partitions=1)
    settings = settings_of(stack.kafka, SourceSettings("orders", (topic,), start_from="latest"))
    await repartition(settings)
    await put(stack.kafka, topic, [flat("new", number) for number in range(10)], partitions=1)  # while it is down
    await repartition(settings)
    log = await read(stack.kafka, settings.repartition_topic)
    assert [record.key for records in log.values() for record in records] == [b"new"] * 10


async def test_records_deleted_before_they_were_read_end_it_with_what_to_do(stack):
    topic = fresh()
    await make(stack.kafka, topic, partitions=1)
    await put(stack.kafka, topic, [flat("u", number) for number in range(10)], partitions=1)
    settings = settings_of(stack.kafka, SourceSettings("orders", (topic,)))
    await repartition(settings)
    await put(stack.kafka, topic, [flat("u", number) for number in range(10)], partitions=1)
    async with admin_of(stack.kafka) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=15)})
    with pytest.raises(KafkaRefused, match=rf"{topic}/0/10: records were deleted"):
        async with running(Repartitioner(settings, {"bootstrap_servers": stack.kafka})) as task:
            await asyncio.wait([task], timeout=DEADLINE_S)


@pytest.mark.parametrize(
    ("config", "remedy"),
    [
        pytest.param({"message_timestamp_type": "LogAppendTime"}, "set it to CreateTime", id="that-replaces-times"),
        pytest.param({"cleanup_policy": "compact"}, "set it to delete", id="that-is-compacted"),
    ],
)
async def test_a_topic_is_refused(stack, config, remedy):
    topic, log = fresh(), fresh("log")
    await make(stack.kafka, topic)
    await make(stack.kafka, log, **config)
    settings = settings_of(stack.kafka, SourceSettings("orders", (topic,)), log=log)
    with pytest.raises(KafkaRefused, match=remedy):
        await Repartitioner(settings, {"bootstrap_servers": stack.kafka}).prepare()


async def test_large_records_pass_and_those_the_topic_cannot_take_become_invalid(stack):
    topic, log = fresh(), fresh("log")
    await make(stack.kafka, topic, 1, max_message_bytes=str(1 << 23))
    await make(stack.kafka, log, 1, max_message_bytes=str(1 << 21))
    noise = os.urandom(1 << 20).hex()  # does not compress below half
    large = json.dumps({"user_id": "u", "time": 1, "event": "e", "x": noise[:1_900_000]}).encode()
    too_large = json.dumps({"user_id": "u", "time": 1, "event": "e", "x": noise}).encode()
    await put(stack.kafka, topic, [flat("u", 1), large, too_large, flat("u", 2)], partitions=1)
    settings = settings_of(stack.kafka, SourceSettings("orders", (topic,)), log=log)
    await repartition(settings)
    records = (await read(stack.kafka, log))[0]
    reasons = [provenance(record.value).reason for record in records]
    assert reasons[:2] == [*reasons[3:], None] == [None, None]
    assert reasons[2].startswith(TOO_LARGE_REASON)


async def test_record_times_that_are_absent_or_far_ahead_are_kept(stack):
    topic = fresh()
    await make(stack.kafka, topic, 1, message_timestamp_after_max_ms=TOPIC_CONFIG["message.timestamp.after.max.ms"])
    ahead_ms = int(time.time() * 1000) + 400 * 86_400_000
    async with producer_of(stack.kafka) as producer:
        for record_ms in (-1, ahead_ms, START_MS):
            batch = producer.create_batch()
            batch.append(timestamp=record_ms, key=None, value=flat("u", 1))
            await (await producer.send_batch(batch, topic, partition=0))
    settings = settings_of(stack.kafka, SourceSettings("orders", (topic,)))
    await repartition(settings)
    records = (await read(stack.kafka, settings.repartition_topic))[0]
    assert [record.timestamp for record in records] == [-1, ahead_ms, START_MS]


async def test_kafka_away_is_waited_for_and_nothing_is_lost():
    with Stack.running(f"repartition-{os.getpid()}", services=("kafka",), environ={}) as stack:
        topic = fresh()
        await make(stack.kafka, topic)
        settings = settings_of(stack.kafka, SourceSettings("orders", (topic,)))
        repartitioner = Repartitioner(settings, {"bootstrap_servers": stack.kafka})
        async with running(repartitioner):
            await put(stack.kafka, topic, [flat("u", number) for number in range(300)])
            await until(repartitioner.figures, lambda figures: figures.records == 300)
            await asyncio.to_thread(stack.kill, "kafka")
            _, reason = await until(repartitioner.is_ready, lambda answer: not answer[0])
            assert "Kafka has not answered" in reason or "Kafka is away" in reason
            await asyncio.to_thread(stack.restart, "kafka")
            await until(repartitioner.is_ready, lambda answer: answer[0])
            await put(stack.kafka, topic, [flat("u", number) for number in range(300)])
            await until(repartitioner.figures, lambda figures: figures.records >= 600)
            await caught_up(repartitioner)
        wanted = coordinates(topic, await read(stack.kafka, topic))
        assert in_order(await read(stack.kafka, settings.repartition_topic), [topic]) == wanted


async def test_a_worker_makes_its_log_first_then_counts_it_and_shows_how_far_it_is(stack, tmp_path):
    site = Site(tmp_path, stack.kafka, stack.redis_url, keyed=False)
    try:
        worker = site.start()
        _, reason = await until(worker.ready, lambda answer: answer is not None and site.name in answer[1])
        assert reason.startswith(f"repartition topic {site.name}-log gets as many partitions as the sources' topics")
        assert f"no topic {site.name} is there: create it" in reason
        await site.make_topic()
        await until(worker.ready, lambda answer: answer == (200, "ready"))
        count = 1_000
        await site.produce([(None, value, at_ms) for _, value, at_ms in shop(count, seed=5)])
        shown = {f"funnel_worker_repartition_{name}" for name in (
            f"records_total {count}.0", "lag_records 0.0", "lag_seconds 0.0", "group_lag_records 0.0",
        )}  # fmt: skip
        await until(worker.page, lambda page: shown <= set(page.splitlines()))
        await site.caught_up()
        assert sum((await site.stored()).values()) == count
        assert await site.differences() == []
    finally:
        site.close()


async def test_as_a_service_it_stops_cleanly_and_ends_the_worker_only_when_an_operator_must_act(stack):
    topic, log = fresh(), fresh("log")
    await make(stack.kafka, topic)
    await put(stack.kafka, topic, [flat("u", number) for number in range(30)])
    service = RepartitionService(
        Repartitioner(settings_of(stack.kafka, SourceSettings("orders", (topic,))), {"bootstrap_servers": stack.kafka})
    )
    await service.start()
    await until(service.repartitioner.figures, lambda figures: figures.records == 30)
    await service.stop()
    assert not service.crashed
    await make(stack.kafka, log, cleanup_policy="compact")
    refused = RepartitionService(
        Repartitioner(
            settings_of(stack.kafka, SourceSettings("orders", (topic,)), log=log), {"bootstrap_servers": stack.kafka}
        )
    )
    await refused.start()
    await until(lambda: refused.crashed, bool)
    assert isinstance(refused.crash_reason, KafkaRefused)
    await refused.stop()
