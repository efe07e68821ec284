"""The transport against a real Kafka: every record once, whoever is killed, sought, or away."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import uuid
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.worker.contract import Limits
from stream.worker.epochs import Admission, FetchEpochs
from stream.worker.reading import BatchReader
from stream.worker.tracker_app import TrackerApp, WorkerOptions
from support.counting import CountingSink, open_file, read_stored

pytestmark = pytest.mark.service
PARTITIONS = 4
TESTS = Path(__file__).parents[2]


async def fresh_topic(bootstrap, partitions=PARTITIONS):
    topic = f"batches-{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
        for _ in range(100):
            found = await admin.describe_topics([topic])
            if len(found[0]["partitions"]) == partitions and all(p["leader"] >= 0 for p in found[0]["partitions"]):
                break
    finally:
        await admin.close()
    return topic


async def fill(bootstrap, topic, count, start=0, size=100, **options):
    """Write numbered records, round robin over the partitions."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, **options)
    await producer.start()
    try:
        for number in range(start, start + count):
            value = number.to_bytes(8, "big") + bytes(size)
            await producer.send(topic, value, key=b"k%d" % number, partition=number % PARTITIONS)
    finally:
        await producer.stop()


async def until(is_so, seconds=60):
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110 (files and other processes give no event)
            await asyncio.sleep(0.05)


def counted(path):
    return sum(records for _, records, _ in read_stored(path).values())


class Unbounded:
    room = 1 << 30

    async def wait_for_room(self):
        pass

    def expect(self, batch):
        pass


class Reading:
    """A reader over a consumer without a group, as the transport drives it."""

    def __init__(self, bootstrap, topic, limits):
        self.bootstrap, self.topic, self.limits = bootstrap, topic, limits
        self.epochs = FetchEpochs()

    async def __aenter__(self):
        self.kafka = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, isolation_level="read_committed", auto_offset_reset="none",
            group_id=f"g-{uuid.uuid4().hex}", enable_auto_commit=False, max_partition_fetch_bytes=20_000,
        )  # fmt: skip
        await self.kafka.start()
        self.kafka.assign([TopicPartition(self.topic, number) for number in range(PARTITIONS)])
        self.reader = BatchReader(self.kafka, self.topic, self.limits, Unbounded(), self.epochs)
        return self

    async def __aexit__(self, *error):
        await self.kafka.stop()

    async def to_the_end(self):
        """Partition -> batches until every position is at the end of what may be read."""
        tps = self.kafka.assignment()
        ends = await self.kafka.end_offsets(tps)
        self.reader.seek(dict.fromkeys(range(PARTITIONS), 0))
        found = {number: [] for number in range(PARTITIONS)}
        async with asyncio.timeout(30):
            while any(((found[tp.partition] and found[tp.partition][-1].next_offset) or 0) < ends[tp] for tp in tps):
                for partition, batches in (await self.reader.read(0.5)).items():
                    found[partition] += batches
        return found


async def transact(bootstrap, topic, count, start, *, commit):
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"t-{uuid.uuid4().hex}")
    await producer.start()
    try:
        await producer.begin_transaction()
        for number in range(start, start + count):
            await producer.send(topic, b"t%d" % number, key=None, partition=number % PARTITIONS)
        await producer.flush()
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    finally:
        await producer.stop()


async def test_aborted_transactions_are_not_read_and_their_markers_are_passed(stack):
    topic = await fresh_topic(stack.kafka)
    await fill(stack.kafka, topic, 200, compression_type="lz4")
    await transact(stack.kafka, topic, 40, 1_000, commit=False)
    await transact(stack.kafka, topic, 40, 2_000, commit=True)
    await fill(stack.kafka, topic, 200, start=200, compression_type="gzip")
    await transact(stack.kafka, topic, 40, 3_000, commit=False)
    theirs = AIOKafkaConsumer(
        bootstrap_servers=stack.kafka, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await theirs.start()
    expected = {number: [] for number in range(PARTITIONS)}
    try:
        theirs.assign([TopicPartition(topic, number) for number in expected])
        async with asyncio.timeout(30):
            while sum(map(len, expected.values())) < 440:
                for tp, records in (await theirs.getmany(timeout_ms=200)).items():
                    expected[tp.partition] += [(r.offset, r.value, r.key, r.timestamp) for r in records]
    finally:
        await theirs.stop()
    async with Reading(stack.kafka, topic, Limits(max_records=7)) as reading:
        found = await reading.to_the_end()
    for partition, batches in found.items():
        rows = [row for b in batches for row in zip(b.offsets, b.values, b.keys, b.record_times, strict=True)]
        assert rows == expected[partition]
        assert batches[0].from_offset == 0
        assert all(a.next_offset == b.from_offset for a, b in pairwise(batches))
        assert max(len(b.values) for b in batches) == 7
        assert not any(value.startswith((b"t1", b"t3")) for _, value, *_ in rows)


@pytest.mark.parametrize("seed", range(3))
async def test_after_seeks_during_fetches_the_next_accepted_record_is_always_the_one_sought(stack, seed):
    """Batches read before a seek arrive after it, and fetches are in flight when it comes."""
    draw = random.Random(seed)
    topic = await fresh_topic(stack.kafka)
    await fill(stack.kafka, topic, 8_000)
    last = 8_000 // PARTITIONS
    async with Reading(stack.kafka, topic, Limits(max_records=150, gather_ms=0)) as reading:
        on_the_way, due, stale, checked = [], {}, 0, 0

        def seek():
            offsets = {draw.randrange(PARTITIONS): draw.randrange(last - 400) for _ in range(2)}
            reading.reader.seek(offsets)
            due.update(offsets)

        async def disturb():
            while True:
                await asyncio.sleep(draw.random() * 0.004)
                seek()

        reading.reader.seek(dict.fromkeys(range(PARTITIONS), 0))
        due.update(dict.fromkeys(range(PARTITIONS), 0))
        disturbing = asyncio.create_task(disturb())
        try:
            async with asyncio.timeout(60):
                while stale < 20 or checked < 200:
                    for batches in (await reading.reader.read(0.2)).values():
                        on_the_way += batches
                    if draw.random() < 0.5:
                        await asyncio.sleep(draw.random() * 0.003)
                    for batch in on_the_way:
                        answer = reading.epochs.admit(batch)
                        stale += answer is Admission.STALE
                        if answer is Admission.NEXT:
                            assert batch.offsets[0] == due[batch.partition]
                            due[batch.partition] = batch.next_offset
                            checked += 1
                        else:
                            assert answer is Admission.STALE
                    on_the_way.clear()
                    if min(due.values()) >= last:
                        seek()
        finally:
            disturbing.cancel()


class Worker:
    """A worker process that counts into a file."""

    def __init__(self, path, bootstrap, topic, group, log):
        self.log = log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.counting", path, bootstrap, topic, group],
            cwd=TESTS, stdout=self.log, stderr=self.log, env={**os.environ, "PYTHONPATH": str(TESTS)},
        )  # fmt: skip

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        self.log.close()
        return code


def assert_exact(path, count):
    """Every record once: as many as there are, and the sum of their offsets is right."""
    stored, each = read_stored(path), count // PARTITIONS
    assert stored == dict.fromkeys(range(PARTITIONS), (each, each, each * (each + 1) // 2))


@pytest.mark.chaos
@pytest.mark.slow
async def test_kills_stops_and_rebalances_under_load_lose_and_double_nothing(stack, tmp_path):
    topic = await fresh_topic(stack.kafka)
    path, log, group = str(tmp_path / "stored.db"), tmp_path / "workers.log", f"g-{uuid.uuid4().hex[:8]}"
    draw = random.Random(7)
    workers = [Worker(path, stack.kafka, topic, group, log) for _ in range(2)]
    written = 0
    try:
        for _step in range(5):
            await fill(stack.kafka, topic, 20_000, start=written)
            written += 20_000
            await until(lambda: counted(path) > 0)
            await asyncio.sleep(draw.random())  # any moment is a fit one: this is not a wait for something
            victim = workers.pop(0)
            victim.end(draw.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            workers += [Worker(path, stack.kafka, topic, group, log) for _ in range(3 - len(workers))]
        await until(lambda: counted(path) >= written, 90)
    finally:
        codes = [worker.end() for worker in workers]
    assert_exact(path, written)
    assert codes == [0] * len(workers), log.read_text()[-4000:]


@pytest.mark.chaos
@pytest.mark.slow
async def test_a_stopped_worker_that_comes_back_writes_nothing_over_its_successor(stack, tmp_path):
    topic = await fresh_topic(stack.kafka)
    path, log, group = str(tmp_path / "stored.db"), tmp_path / "workers.log", f"g-{uuid.uuid4().hex[:8]}"
    zombie = Worker(path, stack.kafka, topic, group, log)
    other = None
    try:
        await fill(stack.kafka, topic, 4_000)
        await until(lambda: counted(path) == 4_000)
        zombie.process.send_signal(signal.SIGSTOP)
        await fill(stack.kafka, topic, 4_000, start=4_000)
        other = Worker(path, stack.kafka, topic, group, log)
        await until(lambda: counted(path) == 8_000)
        zombie.process.send_signal(signal.SIGCONT)
        await fill(stack.kafka, topic, 4_000, start=8_000)
        await until(lambda: counted(path) >= 12_000)
    finally:
        zombie.process.send_signal(signal.SIGCONT)
        codes = [worker.end() for worker in (zombie, other) if worker is not None]
    assert_exact(path, 12_000)
    assert codes == [0, 0], log.read_text()[-4000:]


async def test_a_stored_offset_that_the_log_does_not_have_ends_the_worker_loudly(stack, tmp_path):
    topic = await fresh_topic(stack.kafka)
    path, log = str(tmp_path / "stored.db"), tmp_path / "workers.log"
    db = open_file(path)
    db.execute("insert into stored values (1, 77, 0, 0, 0)")
    db.close()
    worker = Worker(path, stack.kafka, topic, f"g-{uuid.uuid4().hex[:8]}", log)
    try:
        await until(lambda: worker.process.poll() is not None)
    finally:
        code = worker.end()
    assert code not in (0, -signal.SIGTERM)
    assert "partition 1: the log has no offset 77" in log.read_text()


async def page():
    return b"# page\n"


class InProcess:
    """A whole worker in this process."""

    def __init__(self, stack, topic, sink, group, bootstrap=None):
        options = WorkerOptions(group=group, servers=(bootstrap or stack.kafka,), topic=topic, heartbeat_s=1.0)
        self.app = TrackerApp(options, sink, metrics=page)

    async def __aenter__(self):
        self.starting = asyncio.create_task(self.app.start())
        await until(lambda: self.app.health.port)
        return self

    async def __aexit__(self, *error):
        await self.app.stop()
        await asyncio.wait([self.starting], timeout=10)

    async def ask(self, path):
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.app.health.port}{path}") as answer,
        ):
            return answer.status, await answer.text()

    async def until_ready(self):
        await until(lambda: self.app.is_ready()[0])


async def test_a_store_that_is_away_at_start_and_later_makes_unready_and_loses_nothing(stack, tmp_path):
    topic = await fresh_topic(stack.kafka)
    sink = CountingSink(str(tmp_path / "stored.db"), delay_s=0.001)
    sink.is_away = True
    group = f"g-{uuid.uuid4().hex[:8]}"
    async with InProcess(stack, topic, sink, group) as worker:
        await until(lambda: worker.app.outage.reason)
        assert await worker.ask("/readyz") == (503, "store: start got no clear answer: it is away\n")
        assert await worker.ask("/healthz") == (200, "alive\n")
        assert await worker.ask("/metrics") == (200, "# page\n")
        sink.is_away = False
        await fill(stack.kafka, topic, 2_000)
        await until(lambda: counted(sink.path) == 2_000)
        await worker.until_ready()
        sink.is_away = True
        await fill(stack.kafka, topic, 2_000, start=2_000)
        await until(lambda: not worker.app.is_ready()[0])
        sink.is_away = False
        await until(lambda: counted(sink.path) == 4_000)
        await until(lambda: len(sink.lag) == PARTITIONS and all(lag.records == 0 for lag in sink.lag.values()))
        assert worker.app.is_ready() == (True, "")
    assert_exact(sink.path, 4_000)
    after = AIOKafkaConsumer(bootstrap_servers=stack.kafka, group_id=group, enable_auto_commit=False)
    await after.start()
    try:
        committed = {number: await after.committed(TopicPartition(topic, number)) for number in range(PARTITIONS)}
    finally:
        await after.stop()
    assert committed == dict.fromkeys(range(PARTITIONS), 1_000)


async def test_partitions_that_are_ready_share_calls_of_the_sink(stack, tmp_path):
    topic = await fresh_topic(stack.kafka)
    await fill(stack.kafka, topic, 4_000)
    sink = CountingSink(str(tmp_path / "stored.db"))
    async with InProcess(stack, topic, sink, f"g-{uuid.uuid4().hex[:8]}"):
        await until(lambda: counted(sink.path) == 4_000)
    assert max(map(len, sink.calls)) == PARTITIONS


async def test_a_topic_that_is_missing_is_named_and_waited_for(stack, tmp_path):
    topic = f"batches-{uuid.uuid4().hex[:8]}"
    sink = CountingSink(str(tmp_path / "stored.db"))
    async with InProcess(stack, topic, sink, f"g-{uuid.uuid4().hex[:8]}") as worker:
        await until(lambda: "is not there" in worker.app.is_ready()[1])
        admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
        await admin.start()
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
        await admin.close()
        await worker.until_ready()
        await fill(stack.kafka, topic, 400)
        await until(lambda: counted(sink.path) == 400)
