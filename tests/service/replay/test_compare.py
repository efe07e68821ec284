"""`funnel replay compare` of real namespaces in Redis, over the log in Kafka, while live goes on."""

import argparse
import asyncio
import json
import subprocess
import sys

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from stream.cli import replay_compare
from stream.replay.catalog import open_run_store
from stream.stack.processes import dying_with_parent
from stream.worker.partition import SINCE_KEY
from support import shop
from support.workers import ROOT, Site, until

pytestmark = pytest.mark.service

CELL_KEY = msgspec.msgpack.Decoder(tuple[int, str, int, int, int, str]).decode


@pytest.fixture
def site(stack, tmp_path, monkeypatch):
    for variable in ("FUNNEL_TRACKER", "KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL"):
        monkeypatch.delenv(variable, raising=False)
    made = Site(tmp_path, stack.kafka, stack.redis_url, partitions=3, options=True)
    yield made
    made.close()


async def replay(site, *words):
    """Be a process of a run until it ends."""
    command = [sys.executable, "-m", "stream", "replay", *words, "--config", str(site.folder / "tracker.yaml")]
    ended = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr


def following(site, name):
    """Begin a run that follows."""
    command = [sys.executable, "-m", "stream", "replay", "start", "--name", name, "--to", "follow"]
    command += ["--config", str(site.folder / "tracker.yaml")]
    with (site.folder / "run.log").open("wb") as log:
        return subprocess.Popen(dying_with_parent(command), cwd=ROOT, stdout=log, stderr=log)


async def compare(site, capsys, name):
    parser = argparse.ArgumentParser()
    replay_compare.register(parser.add_subparsers())
    args = parser.parse_args(["compare", "--name", name, "--config", str(site.folder / "tracker.yaml"), "--json"])
    status = await asyncio.to_thread(args.run, args)
    return status, json.loads(capsys.readouterr().out)


async def one_more(site, name, number):
    """Change an attempt's count in one stored cell of a run."""
    store = open_run_store(site.settings, name)
    cells = await store.load_cells(number)
    key = next(key for key in sorted(cells) if key != SINCE_KEY and CELL_KEY(key)[1] == "w")
    cell = msgspec.msgpack.decode(cells[key])
    cell[0][0] += 1
    await store._client.hset(store._keys.cells(number), key, msgspec.msgpack.encode(cell))
    await store.close()


async def test_a_run_is_equal_to_live_that_has_gone_on_and_a_changed_bucket_is_named(site, capsys):
    await site.make_topic()
    await site.produce(shop.shop(6_000, seed=11, ago_ms=60_000))
    site.start()
    await replay(site, "start", "--name", "whole", "--from", "earliest")
    await site.produce(shop.shop(2_000, seed=12))
    await site.caught_up()
    status, found = await compare(site, capsys, "whole")
    assert (status, found["equal"], found["differences"], found["not_covered"]) == (0, True, [], [])
    assert found["rows"] > 100
    assert found["live"]["digest"] == found["run"]["digest"]
    assert all(each["compared"] == each["live"] >= each["run"] for each in found["offsets"].values())
    assert sum(each["live"] - each["run"] for each in found["offsets"].values()) == 2_000
    await one_more(site, "whole", 1)
    status, changed = await compare(site, capsys, "whole")
    assert (status, changed["equal"]) == (1, False)
    assert "slot" in {each["row"][0] for each in changed["differences"]}
    assert changed["live"]["digest"] == found["live"]["digest"] != changed["run"]["digest"]


async def test_a_run_that_follows_is_equal_to_live_while_both_go_on(site, capsys):
    await site.make_topic()
    records = shop.shop(20_000, seed=13, ago_ms=60_000)
    await site.produce(records[:2_000])
    live = site.start()
    run = following(site, "along")
    is_enough = asyncio.Event()

    async def keep_writing():
        async with AIOKafkaProducer(bootstrap_servers=site.kafka, linger_ms=0) as producer:
            for key, value, at_ms in records[2_000:]:
                await producer.send_and_wait(site.name, value, key=key, timestamp_ms=at_ms)
                if is_enough.is_set():
                    return
        raise AssertionError("all was written before the comparing was done")

    store = open_run_store(site.settings, "along")

    async def has_begun():
        return all([await store.load_head(number) for number in range(site.partitions)])

    try:
        await site.caught_up()
        await until(has_begun, "the run goes on", live)
        writing = asyncio.create_task(keep_writing())
        compared = set()
        for _ in range(3):
            status, found = await compare(site, capsys, "along")
            assert (status, found["differences"], found["not_covered"]) == (0, [], [])
            compared.add(sum(each["compared"] for each in found["offsets"].values()))
        is_enough.set()
        await writing
        assert len(compared) == 3
    finally:
        await store.close()
        run.terminate()
        run.wait(20)
