"""`funnel serve`: where it may listen, and that it lives through a store that is away."""

import asyncio
import json
import socket
import urllib.error
import urllib.request
from dataclasses import replace

import msgspec
import pytest

from stream.cli.main import main
from stream.errors import StoreUnavailable
from stream.model.funnel import Step
from stream.settings.counting import counting_rules
from stream.settings.load import load_tracker
from stream.store.contract import PartitionHead
from stream.store.memory import MemoryServer, MemoryStore
from stream.web.serve import Address, PageServer
from stream.worker.activation import ROLLING, next_active_set, with_rules
from stream.worker.partition import encode_rollup
from stream.worker.pointer import promoted, rolled_back
from stream.worker.runs import Run, Start, change_runs
from support.pages import ask
from support.rollups import SHOP, TOUR, shop_rollup, shop_source, tour_rollup
from support.workers import until


@pytest.fixture
def tracker(tmp_path):
    (tmp_path / "funnels").mkdir()
    (tmp_path / "funnels/shop.yaml").write_text(
        json.dumps({"funnel": "shop", "window": "1h", "steps": [{"event": "a"}, {"event": "b"}]})
    )
    path = tmp_path / "tracker.yaml"
    path.write_text(json.dumps({"sources": [{"topics": ["clicks"], "keyed_by_actor": True}]}))
    return path


def test_an_open_address_is_refused_without_a_rule(tracker, capsys, monkeypatch):
    monkeypatch.delenv("FUNNEL_WEB_TOKEN", raising=False)
    assert main(["serve", "--config", str(tracker), "--host", "0.0.0.0"]) == 1  # noqa: S104
    assert "--host 0.0.0.0 is no loopback address: configure web.token" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(tracker, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--config", str(tracker), "--port", str(port)]) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_a_worker_that_cannot_serve_the_page_is_noted_by_the_check(tracker, capsys):
    tracker.write_text(tracker.read_text()[:-1] + ', "metrics": {"host": "0.0.0.0"}}')
    assert main(["check", str(tracker)]) == 0
    assert "workers serve /metrics there, but not the live page" in capsys.readouterr().out


class ComingAndGoing(MemoryStore):
    """A store that can be away."""

    is_away = False

    async def load_rollups(self, partitions):
        if self.is_away:
            raise StoreUnavailable("load_rollups", (), "it is away")
        return await super().load_rollups(partitions)


async def test_an_outage_of_the_store_is_told_and_outlived(tracker, caplog):
    store = ComingAndGoing(MemoryServer())
    server = PageServer(load_tracker(tracker, {}), [SHOP], store, Address("127.0.0.1", 0))
    stop = asyncio.Event()
    with caplog.at_level("INFO"):
        running = asyncio.create_task(server.run(stop))
        await readiness(server, "nothing is counted: no worker has begun")
        await store.create_head(0, PartitionHead(0, partition_count=1))
        await readiness(server, "")
        store.is_away = True
        await readiness(server, "store: load_rollups got no clear answer: it is away")
        url = caplog.text.split("page at ")[1].split()[0]
        with pytest.raises(urllib.error.HTTPError) as refused:
            await asyncio.to_thread(urllib.request.urlopen, f"{url}readyz")
        assert refused.value.status == 503
        refused.value.close()
        store.is_away = False
        await readiness(server, "")
        stop.set()
        await running


class Counted(MemoryStore):
    """A store in which the shop and the tour are counted."""

    async def load_rollups(self, _partitions):
        return [encode_rollup(shop_source(shop_rollup(), tour_rollup()))]


async def test_a_definition_that_is_not_the_counted_one_shows_no_numbers_under_its_steps(tracker, caplog):
    store = Counted(MemoryServer())
    await store.create_head(0, PartitionHead(0, partition_count=1))
    counted = next_active_set([SHOP, TOUR], None)
    await store.set_active_funnel_set(msgspec.json.encode(counted), None)
    other = replace(SHOP, steps=(*SHOP.steps, Step("Praised", ("praised",))))
    server = PageServer(load_tracker(tracker, {}), [other, TOUR], store, Address("127.0.0.1", 0))
    stop = asyncio.Event()
    with caplog.at_level("INFO"):
        running = asyncio.create_task(server.run(stop))
        await readiness(server, "shop@2 is counted with another definition than this process has: start it with the "
                                "files that the workers run with")  # fmt: skip
        url = caplog.text.split("page at ")[1].split()[0]
        shop, tour = [await asyncio.to_thread(ask, f"{url}api/v1/funnels/{name}") for name in ("shop/2", "tour/1")]
        assert shop["outcome"] is None
        assert tour["outcome"]["entered"] > 0
        stop.set()
        await running


async def test_other_rolling_windows_than_the_counted_ones_are_told(tracker):
    store = MemoryStore(MemoryServer())
    await store.create_head(0, PartitionHead(0, partition_count=1))
    counted = with_rules(next_active_set([SHOP], None), {ROLLING: "7m/60"})
    await store.set_active_funnel_set(msgspec.json.encode(counted), None)
    server = PageServer(load_tracker(tracker, {}), [SHOP], store, Address("127.0.0.1", 0))
    stop = asyncio.Event()
    running = asyncio.create_task(server.run(stop))
    await until(
        lambda: "counted with rolling windows 7m/60" in server.is_ready()[1], "it says which windows are counted"
    )
    stop.set()
    await running


async def test_a_switch_is_followed_while_it_runs(tracker, caplog):
    """The page shows the run's funnels from its namespace, and ends its streams so that browsers ask anew."""
    memory = MemoryServer()
    base, run = MemoryStore(memory), Counted(memory, "live.r")
    settings = load_tracker(tracker, {})
    for store, funnel in ((base, SHOP), (run, TOUR)):
        await store.create_head(0, PartitionHead(0, partition_count=1))
        await store.set_active_funnel_set(msgspec.json.encode(next_active_set([funnel], None)), None)
    server = PageServer(settings, [SHOP], base, Address("127.0.0.1", 0), lambda _: run)
    stop = asyncio.Event()
    with caplog.at_level("INFO"):
        running = asyncio.create_task(server.run(stop))
        await readiness(server, "")
        url = caplog.text.split("page at ")[1].split()[0]
        stream = await asyncio.to_thread(urllib.request.urlopen, f"{url}api/v1/stream?funnel=shop&version=2")
        rules = counting_rules(settings, [TOUR])
        made = Run("r", "clicks", rules, {0: Start(0)}, None, 0)
        old = counting_rules(settings, [SHOP])
        await change_runs(base, lambda runs: promoted(runs.with_run(made), "r", 0, old))
        await until(lambda: "run r is live" in caplog.text, "the switch is followed")
        await until(lambda: asyncio.to_thread(names, url), "the run's funnels are shown")
        assert await asyncio.to_thread(names, url) == {"tour"}
        assert b"data: " in await asyncio.to_thread(stream.read)  # it ends
        stream.close()
        await change_runs(base, lambda runs: rolled_back(runs, rules))
        await until(lambda: "the configured namespace is live" in caplog.text, "and back")
        assert await asyncio.to_thread(names, url) == {"shop"}
        stop.set()
        await running


def names(url):
    return {funnel["funnel"] for funnel in ask(f"{url}api/v1/funnels")["funnels"]}


async def readiness(server, reason):
    """Wait until it is ready, or not ready for this reason."""
    await until(lambda: server.is_ready()[1] == reason, f"its readiness is {reason!r}")
