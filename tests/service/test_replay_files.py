"""`funnel replay start --files` against real servers: files, then the topic, are one log, also through a kill -9."""

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from zlib import crc32

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from stream.analyze.live import read_live
from stream.cli.main import main
from stream.model.verdict import Verdict
from stream.replay.catalog import open_run_store
from stream.settings.clients import kafka_arguments
from stream.settings.sources import mapping_of
from stream.simulate.shop import bounded, shop_records
from stream.simulate.traffic import ShopTraffic
from stream.stack.processes import dying_with_parent
from stream.worker.envelope import EnvelopeWriter
from stream.worker.log_topic import ensure_log_topic
from support import shop
from support.workers import ROOT, Site, until

pytestmark = pytest.mark.service

RECORDS, PARTITIONS = 6_000, 3
OVERLAP = 500
"""Records of the topic that the files have too."""


class Process:
    """One `funnel replay` process."""

    def __init__(self, site, *words):
        self.log = site.folder / "replay.log"
        environ = {
            name: value for name, value in os.environ.items() if name not in {"KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL"}
        }
        command = [sys.executable, "-m", "stream", "replay", *words, "--config", str(site.folder / "tracker.yaml")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(dying_with_parent(command), cwd=ROOT, env=environ, stdout=log, stderr=log)

    def said(self):
        return self.log.read_text(errors="replace")

    async def ended(self):
        await until(lambda: self.process.poll() is not None, "the process ends", self)
        return self.process.returncode

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
async def site(stack, tmp_path):
    site = Site(tmp_path, stack.kafka, stack.redis_url, partitions=PARTITIONS)
    await site.make_topic()
    yield site
    site.close()


def records_of():
    """Return an hour and a half of the shop: delays and copies, nothing late or from the future."""
    start_ms = int(time.time() * 1000) - 6_000_000
    traffic = ShopTraffic(
        seed=5, start_ms=start_ms, events_per_second=1, duplicate_share=0.1, late_share=0, future_share=0
    )
    drawn = bounded(shop_records(traffic), RECORDS, None)
    return [record for record in drawn if record.value and b"\n" not in record.value]


def by_partition(records):
    """Return (value, record time) of each partition as Kafka's own clients spread them, in log order."""
    place = DefaultPartitioner()
    rows = {number: [] for number in range(PARTITIONS)}
    for record in records:
        if record.key is not None:  # one that is broken
            rows[place(record.key, range(PARTITIONS), None)].append((record.value, record.record_ms))
    return rows


def write_files(folder, records):
    """Write two exports: one packed, from the middle on; one plain, backwards."""
    lines = [record.value + b"\n" for record in records]
    half = len(lines) // 2
    (folder / "one.ndjson").write_bytes(b"".join(lines[:half][::-1]))
    with gzip.open(folder / "two.ndjson.gz", "wb") as packed:
        packed.writelines(lines[half:])
    return [str(folder / "two.ndjson.gz"), str(folder / "one.ndjson")]


def run(site, *words):
    return main(["replay", *words, "--config", str(site.folder / "tracker.yaml")])


async def heads_of(site, name):
    store = open_run_store(site.settings, name)
    try:
        return [head for number in range(PARTITIONS) if (head := await store.load_head(number)) is not None]
    finally:
        await store.close()


async def shown(site, name):
    """Return what the run's namespace says once every window has run out."""
    store = open_run_store(site.settings, name)
    try:
        return (await read_live(store, site.funnels, site.settings)).roll_up(shop.EVER)
    finally:
        await store.close()


async def test_files_and_the_topic_come_to_what_the_whole_stream_does_through_kills(site, capsys):
    records = records_of()
    cut = len(records) // 2
    paths = write_files(site.folder, records[: cut + OVERLAP])
    await site.produce([(record.key, record.value, record.record_ms) for record in records[cut:]])

    slow = Process(site, "start", "--name", "past", "--files", *paths, "--max-rate", "1500")

    async def is_counting():
        heads = await heads_of(site, "past")
        return any(head.first_offset is None and head.next_offset > 0 for head in heads)

    await until(is_counting, "some rows are counted", slow)
    slow.kill()
    assert all(head.next_offset < cut for head in await heads_of(site, "past"))
    again = Process(site, "resume", "--name", "past")
    assert await again.ended() == 0, again.said()
    assert "run past is complete" in again.said()
    assert f"{cut + OVERLAP:,} rows in the files".replace(",", " ") in again.said()

    capsys.readouterr()
    assert await asyncio.to_thread(run, site, "status", "--name", "past", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["state"], document["files"]) == ("complete", paths)
    found = await shown(site, "past")
    assert shop.differences(found, by_partition(records)) == []
    assert found.verdicts[Verdict.LATE] == found.verdicts[Verdict.FUTURE] == 0


async def test_the_topic_begins_where_it_is_told_to(site):
    records = records_of()
    cut, after = len(records) // 3, len(records) // 2
    await site.produce([(record.key, record.value, record.record_ms) for record in records[cut:]])
    paths = write_files(site.folder, records[: after + OVERLAP])
    begin = datetime.fromtimestamp(records[after].record_ms / 1000, UTC).isoformat()
    process = Process(site, "start", "--name", "later", "--files", *paths, "--from", begin)
    assert await process.ended() == 0, process.said()
    assert shop.differences(await shown(site, "later"), by_partition(records)) == []
    heads, ends = await heads_of(site, "later"), await site.ends()
    assert [head.next_offset for head in heads] == list(ends.values())
    assert all(head.first_offset > 0 for head in heads), "what the topic has of before was not read"


async def test_files_are_all_where_the_topic_is_empty_but_its_partitioner_must_be_said(site, capsys):
    records = records_of()
    paths = write_files(site.folder, records)
    for words, text in (
        (["--files", *paths], "0 actors where the run begins are too few to tell"),
        (["--files", *paths, "--partitioner", "random"], "--partitioner random: there is no such one"),
        (["--files", *paths, "missing.csv"], "missing.csv: is no file"),
        (["--files", *paths, "--files-source", "shop"], "--files-source shop: there is no such source"),
        (["--partitioner", "murmur2"], "--partitioner are for --files"),
    ):
        assert await asyncio.to_thread(run, site, "start", "--name", "past", *words) == 1
        assert text in capsys.readouterr().err
    assert await asyncio.to_thread(run, site, "list") == 0
    assert capsys.readouterr().out == "there are no runs\n"
    process = Process(site, "start", "--name", "past", "--files", *paths, "--partitioner", "murmur2")
    assert await process.ended() == 0, process.said()
    assert shop.differences(await shown(site, "past"), by_partition(records)) == []


async def test_a_log_of_our_own_is_gone_on_with_where_it_has_each_actor(stack, tmp_path):
    site = Site(tmp_path, stack.kafka, stack.redis_url, keyed=False)
    records, log = records_of(), site.settings.log_topic
    cut = len(records) // 2
    await ensure_log_topic(kafka_arguments(site.settings.kafka), log, PARTITIONS, ())
    writer = EnvelopeWriter(mapping_of(site.settings.sources[0]), 1 << 20)
    rows = {number: [] for number in range(PARTITIONS)}
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka, linger_ms=5) as producer:
        for offset, record in enumerate(records):
            key, value, _ = writer.write(record.value, f"shop/0/{offset}")
            number = crc32(key) % PARTITIONS
            rows[number].append((record.value, record.record_ms))
            if offset >= cut:
                await producer.send(log, value, key=key, partition=number, timestamp_ms=record.record_ms)
    process = Process(site, "start", "--name", "past", "--files", *write_files(site.folder, records[: cut + OVERLAP]))
    assert await process.ended() == 0, process.said()
    assert shop.differences(await shown(site, "past"), rows) == []
