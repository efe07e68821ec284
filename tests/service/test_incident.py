"""The demo's incident raises an alert about phones, and about nobody else, on a real Prometheus with real workers."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml

from stream.demo.alerts import page_of
from stream.demo.children import Child, stop_all
from stream.demo.incident import LEFT, STEP
from stream.demo.place import make_place, make_rules, make_topics
from stream.simulate.produce import TopicTarget, produce
from stream.simulate.shop import ShopTraffic, bounded, shop_records
from stream.stack import Stack
from stream.stack.ports import free_ports

pytestmark = [pytest.mark.service, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60.0
POLL_S = 0.2
LONG_S = 240.0
ALERT = "FunnelSegmentDropOffSpike"
BEFORE_S, AFTER_S = 60, 90
AHEAD_S = 60
"""So much of the traffic lies ahead of the clock, and the numbers stand still until the clock is there."""


@pytest.fixture
def place(stack, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    return make_place(tmp_path, stack.kafka, stack.redis_url)


@pytest.fixture
def prometheus(place):
    """Start the demo's workers, and a Prometheus that scrapes them and has the demo's rules; return its URL."""
    ports = free_ports(2)
    asyncio.run(make_topics(place))
    command = ["worker", "--config", str(place.tracker), "--metrics-port"]
    workers = [Child(f"worker-{port}", place.folder, [*command, str(port)]) for port in ports]
    targets, rules = [f"127.0.0.1:{port}" for port in ports], [make_rules(place.folder)]
    name = f"incident-{os.getpid()}"
    try:
        with Stack.running(
            name, services=("prometheus",), scrape_targets=targets, rule_files=rules, environ={}
        ) as servers:
            yield servers.prometheus_url
    finally:
        stop_all(workers)


def nats_of_an_alert(place, window):
    """Return how surprising a drop of a segment must be for the alert."""
    rules = [rule for group in yaml.safe_load((place.folder / "funnel.yml").read_text())["groups"]
             for rule in group["rules"] if rule.get("alert") == ALERT]  # fmt: skip
    (rule,) = [rule for rule in rules if rule["labels"]["window"] == window]
    return float(re.search(r"drop_nats > ([\d.]+)", rule["expr"])[1])


def read(url):
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own loopback URL
        return answer.read()


def values(prometheus, expression):
    """Return the value of each series by breakdown and segment."""
    url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    found = json.loads(read(url))["data"]["result"]
    return {(each["metric"].get("breakdown"), each["metric"].get("segment")): float(each["value"][1]) for each in found}


async def test_after_a_minute_and_a_half_phones_are_far_beyond_chance_and_nobody_else_is(stack, place, prometheus):
    start_ms = time.time_ns() // 1_000_000 - (BEFORE_S + AFTER_S - AHEAD_S) * 1_000
    traffic = ShopTraffic(
        start_ms=start_ms, events_per_second=300, think_seconds=2, drop_step=STEP, drop_factor=LEFT,
        drop_segment=("device", "mobile"), drop_from_ms=start_ms + BEFORE_S * 1_000,
    )  # fmt: skip
    records = bounded(shop_records(traffic), None, start_ms + (BEFORE_S + AFTER_S) * 1_000)
    await produce(records, TopicTarget(stack.kafka, place.topic), stop=asyncio.Event())
    which = '{funnel="checkout",step="4",window="1m",age="15s"}'
    least = nats_of_an_alert(place, "1m")
    phones = ("device", "mobile")
    ratio, beyond, deadline = {}, {}, time.monotonic() + DEADLINE_S
    while ratio.get(phones, 1) > 0.2 or phones not in beyond:
        assert time.monotonic() < deadline, (ratio, beyond)
        await asyncio.sleep(POLL_S)
        ratio = values(prometheus, f"funnel:age_matched_conversion:ratio{which}")
        beyond = values(prometheus, f"funnel:age_matched_conversion:drop_nats{which} > {least}")
    assert set(beyond) == {phones}
    assert ALERT in read(page_of(prometheus)).decode()
    assert ratio["device", "desktop"] > 0.6


@pytest.mark.skipif(os.environ.get("FUNNEL_DEMO") != "long", reason="takes three minutes: make test-demo")
@pytest.mark.timeout(LONG_S)
def test_the_demo_shows_the_alert_about_a_minute_after_the_incident():
    own = ("KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "PROMETHEUS_URL", "ALERTMANAGER_URL")
    environ = {name: value for name, value in os.environ.items() if name not in own}
    demo = subprocess.Popen(
        [sys.executable, "-m", "stream", "demo"], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
    )
    try:
        alert = next(line for line in demo.stdout if line.startswith("alert "))
    finally:
        demo.terminate()
        demo.communicate()
    found = re.fullmatch(r"alert +(\w+): checkout: .* device mobile, (\d+) s after the incident began\n", alert)
    assert found[1] == ALERT
    assert 20 < int(found[2]) < 120
