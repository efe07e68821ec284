"""Panels over real workers, Kafka, Redis and Prometheus: the oracle's numbers, also while a worker dies."""

import json
import math
import re
import time
from datetime import UTC, datetime

import pytest

from stream.analyze.live import count_as_live
from stream.analyze.read_topic import read_topic
from stream.metrics.collector import FunnelCollector, PageLimits
from support.boards import everything, interpolate, panels, targets, variables
from support.prometheus import prometheus as running
from support.shop import STEPS, expected, shop
from support.workers import Site, until

pytestmark = [pytest.mark.service, pytest.mark.timeout(240)]

BOARDS = everything()
BOARD = BOARDS["funnel.json"]
CHOICES = {
    "funnel": "shop", "version": "1", "counts": "attempts", "window": "24h", "form": "rolling", "cohort": "24h",
    "breakdown": "device", "segment": "$__all", "control": "mobile", "job": "$__all", "instance": "$__all",
}  # fmt: skip
FUNNEL = """\
funnel: shop
window: 1h
steps:
  - event: view_page
  - event: view_product
  - event: add_to_cart
  - event: begin_checkout
  - {event: purchase, value: {property: revenue, currency_property: currency}}
breakdowns: [device]
"""
HALF = 6_000
AGO_MS = 7_500_000
"""The shop closed more than two hours ago. Once the clock has struck, every attempt is decided and final, and none
passes through a window of an hour while the test looks, not even one shifted back by an hour."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running("real", tmp_path_factory.mktemp("real")) as server:
        yield server


@pytest.fixture
def site(stack, tmp_path):
    place = Site(tmp_path, stack.kafka, stack.redis_url)
    (tmp_path / "funnels" / "shop.yaml").write_text(FUNNEL)
    yield place
    place.close()


async def rows_of(site):
    """Return (value, record time) of every record by partition."""
    rows = {}

    def take(partition, values, record_times, *_):
        rows.setdefault(partition, []).extend(zip(values, record_times, strict=True))

    await read_topic(site.settings.kafka, site.name, take)
    return rows


async def oracle(site):
    """Return (reached by step, dropped by step, entered by device) by exhaustive search over the topic."""
    converted, dropped, devices = expected(await rows_of(site))
    reached = [converted + sum(dropped[at] for at in range(step, len(STEPS))) for step in range(1, len(STEPS) + 1)]
    return reached, [dropped[step] for step in range(1, len(STEPS))], dict(devices)


def asked(title, letter="A"):
    (panel,) = [panel for panel in panels(BOARD) if panel["title"] == title]
    (target,) = [target for target in panel["targets"] if target["refId"] == letter]
    return interpolate(target["expr"], CHOICES, variables(BOARD))


def by_step(values):
    return {f" {step} {STEPS[step - 1]} {step}": value for step, value in enumerate(values, start=1)}


async def shows(server, title, wanted, *workers):
    """Wait until a panel shows what is wanted."""
    await until(lambda: server.now(asked(title)) == wanted, f"{title} shows {wanted}", *workers)


async def clock_strikes(site):
    """Move every partition's watermark to now, by records that serve no funnel."""
    now_ms = int(time.time() * 1000)
    at = datetime.fromtimestamp(now_ms / 1000, tz=UTC).isoformat()
    ticks = [
        {"id": f"tick-{number}", "anonymous_id": "clock", "event": "tick", "time": at, "properties": {}}
        for number in range(site.partitions)
    ]
    await site.produce([(b"clock", json.dumps(tick).encode(), now_ms, at) for at, tick in enumerate(ticks)])


async def series_of_analysis(site, as_of_ms):
    """Return the samples of the page that a batch count of the same log comes to, by name and labels."""
    count = count_as_live(site.settings, site.funnels)
    await read_topic(site.settings.kafka, site.settings.log_topic, count.take)
    collector = FunnelCollector(site.funnels, PageLimits(100_000), windows=site.settings.rolling)
    collector.update(count.finish(as_of_ms).rollup, 0)
    return samples(collector.render(0).decode())


EMPTY = re.compile(
    " offset |repartition|_target_|_benchmark_|_excluded|_entered_at|_optional_|_lost|_at_stake|age_matched|version!=|"
    'form="previous"|funnel_run_'
)
"""Of what a shop without these, that opened for a minute two hours ago, has no numbers."""
MOVE = (
    "funnel_as_of_seconds", "funnel_since_seconds", "funnel_series", "funnel_corrections", "funnel_worker", "process_",
)  # fmt: skip
"""Series that move with the clock, or that a batch count does not have."""


def samples(page):
    lines = [line.rpartition(" ") for line in page.splitlines() if line and not line.startswith(("#", *MOVE))]
    return {name: float(value) for name, _, value in lines}


def unanswered(server):
    """Return panels whose queries have no answer, or one that is no number."""
    for board in BOARDS.values():
        for panel, target in targets(board):
            found = server.now(interpolate(target["expr"], CHOICES, variables(board)))
            if any(map(math.isnan, found.values())) or not (found or EMPTY.search(target["expr"])):
                yield panel["title"], target["refId"], found


async def test_panels_show_the_oracles_numbers_also_while_a_worker_dies(site, server):
    records = shop(2 * HALF, seed=23, ago_ms=AGO_MS)
    await site.make_topic()
    await site.produce(records[:HALF])
    workers = site.start(2)
    await until(lambda: all(worker.address for worker in workers), "both listen", *workers)
    server.scrape(*(worker.address for worker in workers))
    await site.caught_up()
    reached, _, _ = await oracle(site)
    await shows(server, "Funnel by step", by_step(reached), *workers)
    both = f'count(funnel_entered{{counts="attempts",window="24h",form="rolling",breakdown=""}}) == {len(workers)}'
    await until(lambda: server.now(both), "both are scraped", *workers)

    victim, survivor = workers
    killed_s = time.time()
    victim.kill()
    owns_all = f'funnel_worker_partitions{{instance="{survivor.address}"}} == {site.partitions}'
    await until(lambda: server.now(owns_all), "the other has taken over", survivor)
    over = server.ask("query_range", query=asked("Funnel by step"), start=killed_s, end=time.time(), step=0.5)["result"]
    assert len({len(each["values"]) for each in over}) == 1, "no gap"
    assert {each["metric"]["at"]: {value for _, value in each["values"]} for each in over} == {
        f" {step} {STEPS[step - 1]}": {str(count)} for step, count in enumerate(reached, start=1)
    }, "no dip and no double count"

    site.start()
    await site.produce(records[HALF:])
    await clock_strikes(site)
    await site.caught_up()
    server.scrape(*(worker.address for worker in site.workers[1:] if worker.address))
    reached, dropped, devices = await oracle(site)
    await shows(server, "Entered", {"": reached[0]}, *site.workers[1:])
    await shows(server, "Pending", {"": 0}, *site.workers[1:])
    found = {title: server.now(asked(title)) for title in ("Converted", "Conversion", "Drop-off", "Largest loss")}
    most = dropped.index(max(dropped)) + 1
    assert found == {
        "Converted": {"": reached[-1]},
        "Conversion": pytest.approx({"": reached[-1] / reached[0]}),
        "Drop-off": pytest.approx({"": sum(dropped) / reached[0]}),
        "Largest loss": {f" {most} {STEPS[most - 1]} {most}": max(dropped)},
    }
    table = "Conversion and drop-off by step"
    assert server.now(asked(table)) == by_step(reached)
    going_on = {str(step): reached[step] / reached[step - 1] for step in range(1, len(STEPS))}
    assert server.now(asked(table, "B")) == pytest.approx(going_on)
    assert server.now(asked(table, "E")) == pytest.approx(
        {str(step): dropped[step - 1] / reached[step - 1] for step in range(1, len(STEPS))}
    )
    assert server.now(asked("Segments")) == devices

    assert list(unanswered(server)) == []
    # Whatever else the panels ask for: each series is what a batch count of the same log comes to.
    (as_of_s,) = server.now("max(funnel_as_of_seconds)").values()
    assert samples(await survivor.page()) == pytest.approx(await series_of_analysis(site, int(as_of_s * 1000)))
