"""The past in a real Prometheus, by blocks and by remote write: at each instant what the oracle says of the topic."""

import asyncio
import json
import random
import time
import uuid
from collections import Counter

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.cli.main import main
from support.oracle import OEvent, OFunnel, ORecord, actor_result, attempts, counted_events
from support.prometheus import load, served
from support.prometheus import prometheus as running

pytestmark = pytest.mark.service

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
WINDOW_MS = 10 * MINUTE_MS
ROLLING = {"5m": 5 * MINUTE_MS, "1h": HOUR_MS}
SLOTS = 60
FINE_MS = 5_000
LATENESS_MS, SKEW_MS = 2 * MINUTE_MS, MINUTE_MS
STEP_MS = 7 * MINUTE_MS
SHOP = OFunnel((frozenset({"view"}), frozenset({"cart"}), frozenset({"buy"})), WINDOW_MS)
FUNNEL = """
funnel: shop
window: 10m
period: {unit: hour}
steps: [{event: view}, {event: cart}, {event: buy}]
breakdowns: [device]
"""
TRACKER = """
sources: [{{name: shop, topics: [{topic}], keyed_by_actor: true, allowed_lateness: 2m, max_future_skew: 1m}}]
kafka: {{bootstrap: "{kafka}"}}
funnels: funnels
rolling: [5m, 1h]
age_matched: []
export: {{top_segments: 2}}
"""


def shop_log(partition, start_ms):
    """Return what one partition's actors did in three hours: disorder, copies, some too late and some ahead."""
    rng = random.Random(f"history {partition}")
    records = []
    for actor in range(60):
        at_ms = start_ms + rng.randrange(3 * HOUR_MS)
        device = rng.choice(["phone", "phone", "desk", "tablet", "watch", None])
        for number in range(rng.randrange(1, 6)):
            at_ms += rng.randrange(1, 2 * MINUTE_MS)
            event = OEvent(at_ms, f"e{number}", rng.choice(["view", "view", "cart", "buy"]), segment=device)
            delay_ms = rng.choice([0, 0, 500, 30_000, 5 * MINUTE_MS, -20_000, -2 * MINUTE_MS])
            records += [ORecord(f"{partition}-{actor}", event, at_ms + delay_ms)] * rng.choice([1, 1, 1, 2])
    return sorted(records, key=lambda record: record.recorded)


def value_of(record):
    happened = record.event
    fields = {"user_id": record.actor, "time": happened.time, "id": happened.id, "event": happened.name}
    return json.dumps(fields | ({"device": happened.segment} if happened.segment else {})).encode()


async def write(kafka, topic, logs):
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, len(logs), 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    for partition, log in enumerate(logs):
        for record in log:
            await producer.send(topic, value_of(record), partition=partition, timestamp_ms=record.recorded)
    await producer.stop()


class Oracle:
    """What each series is worth at an instant, by exhaustive search over the log."""

    def __init__(self, logs):
        self.events = [counted_events(log, SHOP, LATENESS_MS, SKEW_MS) for log in logs]
        self.marks = [
            max(min(record.event.time, record.recorded) for record in log
                if record.event.time <= record.recorded + SKEW_MS) for log in logs
        ]  # fmt: skip
        entries = Counter(
            attempt.entry_segment or "__none__"
            for actors in self.events
            for events in actors.values()
            for attempt in attempts(events, SHOP, 10**15)
            if attempt.entry_ms >= self.first_ms
        )
        self.named = sorted(entries, key=lambda value: (-entries[value], value))[:2]

    @property
    def first_ms(self):
        first = min(event.time for actors in self.events for events in actors.values() for event in events)
        return -(-first // STEP_MS) * STEP_MS

    @property
    def last_ms(self):
        return max(self.marks) // STEP_MS * STEP_MS

    def at(self, as_of_ms):
        """Return the value by (name, and whatever tells the series from others); without zeros."""
        found = Counter()
        for actors, mark_ms in zip(self.events, self.marks, strict=True):
            settled_ms = min(mark_ms, as_of_ms) - LATENESS_MS
            settled_ms -= settled_ms % FINE_MS
            for events in actors.values():
                for attempt in attempts(events, SHOP, as_of_ms):
                    value = attempt.entry_segment or "__none__"
                    for place in (("", ""), ("device", value if value in self.named else "__other__")):
                        self.add(found, attempt, place, as_of_ms)
                        self.settle(found, attempt, place, settled_ms)
                for start_ms, form in self.periods(as_of_ms):
                    depth, _ = actor_result(events, SHOP, start_ms, start_ms + HOUR_MS, as_of_ms)
                    for step in range(1, depth + 1):
                        found["funnel_reached", "people", "hour", form, "", "", str(step)] += 1
        return dict(found)

    @staticmethod
    def periods(as_of_ms):
        start_ms = as_of_ms - as_of_ms % HOUR_MS
        return (start_ms, "current"), (start_ms - HOUR_MS, "previous")

    @staticmethod
    def add(found, attempt, place, as_of_ms):
        for name, window_ms in ROLLING.items():
            slot_ms = window_ms // SLOTS
            slot = attempt.entry_ms // slot_ms * slot_ms
            newest = (as_of_ms - WINDOW_MS - slot_ms - 1) // slot_ms * slot_ms
            spans = {"rolling": (as_of_ms - window_ms, as_of_ms), "matured": (newest - window_ms, newest)}
            is_over = slot + slot_ms < as_of_ms - WINDOW_MS
            for form, (after, until) in spans.items():
                if after < slot <= until:
                    for step in range(1, attempt.best + 1):
                        found["funnel_reached", "attempts", name, form, *place, str(step)] += 1
                    if attempt.outcome != "converted":
                        outcome = "funnel_dropped" if is_over else "funnel_pending"
                        found[outcome, "attempts", name, form, *place, str(attempt.best)] += 1

    @staticmethod
    def settle(found, attempt, place, settled_ms):
        if attempt.outcome == "converted":
            is_settled = attempt.closed_ms // FINE_MS * FINE_MS + FINE_MS <= settled_ms
        else:
            is_settled = attempt.entry_ms // FINE_MS * FINE_MS + FINE_MS + WINDOW_MS < settled_ms
        if is_settled:
            outcome = "converted" if attempt.outcome == "converted" else "dropped"
            found["funnel_settled_attempts_total", *place, outcome, str(attempt.best)] += 1


def known_to(server, instance, at_ms):
    """Return what Prometheus knows at an instant, in the oracle's form; the segments of people are left out."""
    query = f'{{__name__=~"funnel_(reached|dropped|pending|settled_attempts_total)",instance="{instance}"}}'
    found = {}
    for sample in server.ask("query", query=query, time=at_ms / 1000)["result"]:
        labels = sample["metric"]
        assert (labels["job"], labels["funnel"], labels["version"]) == ("funnel", "shop", "1")
        assert "" not in labels.values(), "an empty label is none"
        is_settled = labels["__name__"] == "funnel_settled_attempts_total"
        names = (
            ("breakdown", "segment", "outcome") if is_settled else ("counts", "window", "form", "breakdown", "segment")
        )
        key = tuple(labels.get(name, "") for name in ("__name__", *names, "step"))
        is_asked = key[1] != "people" or (key[0] == "funnel_reached" and not key[4])
        if float(sample["value"][1]) and is_asked:
            found[key] = float(sample["value"][1])
    return found


@pytest.fixture(scope="module")
def place(stack, tmp_path_factory):
    """Make a topic of two days ago and its tracker file; with the oracle's reading of it."""
    folder = tmp_path_factory.mktemp("history")
    now_ms = int(time.time() * 1000)
    logs = [shop_log(partition, now_ms - 2 * DAY_MS) for partition in range(3)]
    topic = f"history-{uuid.uuid4().hex[:8]}"
    asyncio.run(write(stack.kafka, topic, logs))
    (folder / "funnels").mkdir()
    (folder / "funnels" / "shop.yaml").write_text(FUNNEL)
    (folder / "tracker.yaml").write_text(TRACKER.format(topic=topic, kafka=stack.kafka))
    return folder, Oracle(logs)


@pytest.fixture(scope="module")
def exported(place):
    folder, _ = place
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
        assert main(["history", "export", *config(folder), "--out", str(folder / "past")]) == 0
    return sorted((folder / "past").iterdir())


@pytest.fixture(scope="module")
def server(place, exported):
    """Start a Prometheus that has the exported blocks, scrapes a page of now, and has been pushed the same past."""
    folder, _ = place
    for file in exported:
        load(file, folder)
    with running("history", folder) as server, served(server) as serve:
        serve(lambda: b'funnel_reached{funnel="shop"} 1\n')
        server.wait_for('funnel_reached{funnel="shop"}')
        url = f"{server.url}/api/v1/write"
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
            assert main(["history", "push", *config(folder), "--url", url, "--label", "instance=pushed"]) == 0
        yield server


def config(folder):
    return ["--config", str(folder / "tracker.yaml"), "--step", "7m"]


def test_the_past_that_prometheus_tells_is_at_each_instant_the_oracles(place, server):
    _, oracle = place
    instants = range(oracle.first_ms, oracle.last_ms + 1, STEP_MS)
    assert len(instants) > 20
    for at_ms in instants:
        expected = oracle.at(at_ms)
        assert known_to(server, "history", at_ms) == expected
        assert known_to(server, "pushed", at_ms) == expected
    assert len(oracle.named) == 2


def test_what_was_pushed_is_over_when_the_next_instant_would_be_and_blocks_are_seen_for_five_minutes(place, server):
    _, oracle = place
    assert known_to(server, "pushed", oracle.last_ms + STEP_MS - 1) == {}
    assert known_to(server, "pushed", oracle.last_ms + 5 * MINUTE_MS - 1)
    assert known_to(server, "history", oracle.last_ms + 5 * MINUTE_MS - 1)


def test_files_are_cut_where_prometheus_cuts_its_blocks(exported):
    starts = [file.name for file in exported]
    assert len(starts) in {2, 3}
    assert all(file.suffix == ".om" for file in exported)


def test_pushing_it_again_changes_nothing(place, server):
    folder, oracle = place
    before = known_to(server, "pushed", oracle.first_ms + 10 * STEP_MS)
    url = f"{server.url}/api/v1/write"
    assert main(["history", "push", *config(folder), "--url", url, "--label", "instance=pushed"]) == 0
    assert known_to(server, "pushed", oracle.first_ms + 10 * STEP_MS) == before


def test_what_is_too_old_for_a_receiver_is_refused_with_what_to_do(place, server, capsys):
    folder, _ = place
    old_s = int(time.time()) - 60 * 86_400
    (folder / "old.jsonl").write_text(json.dumps({"user_id": "a", "time": old_s // 60 * 60_000, "event": "view"}))
    push = ["history", "push", str(folder / "old.jsonl"), "--config", str(folder / "tracker.yaml"), "--step", "1m"]
    assert main([*push, "--url", f"{server.url}/api/v1/write"]) == 1
    told = capsys.readouterr().err
    assert "400" in told
    assert "out_of_order_time_window" in told
    assert main([*push, "--url", f"{server.url}/api/v1/nowhere"]) == 1
    assert "--web.enable-remote-write-receiver" in capsys.readouterr().err
