"""How long until Alertmanager tells of a fall in conversion: a real worker, Kafka, Redis, Prometheus and Alertmanager.

In:  a place; how many funnels fall at once.
Out: a row for each: seconds from the fall, in event time, until the alert fired and until the webhook was called.

Each funnel is a run of its own: visitors enter at random moments, 100 a minute, and go on within ten seconds with a
probability of 40 %, from the fall on of 25 %. Thresholds are those of a tracker with one funnel, whose target within
15 s is 40 %; Alertmanager has the project's own configuration but for the receiver.
"""

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import msgspec
import yaml
from aiokafka import AIOKafkaProducer

from stream.alerts.rules import text
from stream.settings.load import load_funnels, load_tracker
from stream.stack import Stack
from stream.stack.ports import free_ports

from .bench_alerts import AFTER, BEFORE, ENTRANTS_PER_MINUTE
from .place import ROOT, BenchError, Place, page
from .standard import PARTITIONS
from .systems import start_workers

GO_ON_S = 10.0
AGE = "15s"
SCRAPE_S = 5
OPTIMUM_S = 168
"""The least mean delay that a test can have which raises one false alarm in sixty weeks, knows both rates and sees each
outcome at once. A budget of one in ten weeks leaves so much to one of six things that are watched."""
START_S = 60.0
ALERT = "FunnelDropOffSpike"


class Alerted(msgspec.Struct, tag_field="kind", tag="alerted", omit_defaults=True):
    """A fall; seconds from it to the alert's start and to the notification. false_alarms: notified before the fall."""

    funnel: str
    fired_s: float
    notified_s: float
    window: str
    false_alarms: int = 0


class Told(NamedTuple):
    """An alert that the webhook was told of: moments on the wall clock."""

    notified_s: float
    fired_s: float
    labels: Mapping[str, str]

    @property
    def is_drop(self) -> bool:
        """Whether it is about a fall in conversion."""
        return self.labels["alertname"] == ALERT


class Event(NamedTuple):
    """What is sent when, in seconds from the start."""

    at_s: float
    actor: str
    name: str


def run(place: Place, falls: int, before_s: float, after_s: float) -> list[Alerted]:
    """Let `falls` funnels fall after `before_s`; wait `after_s` at most. Raises `BenchError` for one not notified."""
    name = place.new_name()
    topic = f"{name}-falls"
    place.make_topics({topic: PARTITIONS})
    funnels = {f"fall-{number}": _funnel(f"fall-{number}") for number in range(falls)}
    tracker = place.tracker(name, topic, funnels)
    with tracker.open("a", encoding="utf-8") as file:
        file.write(f"age_matched: [{AGE}]\n")
    (port,) = free_ports(1)
    (worker,) = start_workers(place, tracker, name, [port])
    told: list[Told] = []

    def is_over() -> bool:
        after = [each.labels["funnel"] for each in told if each.is_drop and each.fired_s > began_s + before_s]
        return len(set(after)) == falls

    try:
        _until_ready(port)
        with _receiver(told) as receiver:
            rules, config = _files(tracker, receiver)
            with Stack.running(
                f"{name}-watch",
                services=("prometheus", "alertmanager"),
                scrape_targets=[f"127.0.0.1:{port}"],
                rule_files=[rules],
                alertmanager_config=config,
                scrape_seconds=SCRAPE_S,
                environ={},
            ):
                began_s = time.time()
                asyncio.run(_send(place.kafka, topic, _events(falls, before_s, after_s), began_s, is_over))
        worker.check()
    finally:
        worker.stop()
        place.drop_keys(name)
        place.delete_topics([topic])
    return [_row(funnel, told, began_s + before_s) for funnel in funnels]


def _funnel(name: str) -> str:
    return (
        f"funnel: {name}\nwindow: 1h\nsteps:\n"
        f"  - {{event: enter-{name}, target_within: {{{AGE}: {BEFORE:.0%}}}}}\n  - {{event: go-on-{name}}}\n"
    )


def _files(tracker: Path, receiver: str) -> tuple[Path, Path]:
    """Write the rules of one funnel, and the project's Alertmanager configuration with our receiver."""
    settings = load_tracker(tracker, {})
    rules, config = tracker.parent / "rules.yml", tracker.parent / "alertmanager.yml"
    rules.write_text(text(load_funnels(settings.funnels)[:1], settings), encoding="utf-8")
    tree = yaml.safe_load((ROOT / "config" / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8"))
    tree["receivers"] = [{"name": each["name"], "webhook_configs": [{"url": receiver}]} for each in tree["receivers"]]
    config.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return rules, config


def _events(falls: int, before_s: float, after_s: float) -> list[Event]:
    events = []
    for number in range(falls):
        rnd = random.Random(number)
        at_s, visitor = 0.0, 0
        while (at_s := at_s + rnd.expovariate(ENTRANTS_PER_MINUTE / 60)) < before_s + after_s:
            visitor += 1
            actor = f"{number}-{visitor}"
            events.append(Event(at_s, actor, f"enter-fall-{number}"))
            if rnd.random() < (BEFORE if at_s < before_s else AFTER):
                events.append(Event(at_s + rnd.random() * GO_ON_S, actor, f"go-on-fall-{number}"))
    return sorted(events)


async def _send(kafka: str, topic: str, events: Sequence[Event], began_s: float, is_over: Callable[[], bool]) -> None:
    """Send each event when it is due, until it is over."""
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=5) as producer:
        for at_s, actor, name in events:
            wait_s = began_s + at_s - time.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            now_ms = int(time.time() * 1000)
            value = {"event_id": f"{actor}-{name}", "user_id": actor, "event": name, "ts": now_ms}
            await producer.send(topic, json.dumps(value).encode(), key=actor.encode(), timestamp_ms=now_ms)
            if is_over():
                return


def _row(funnel: str, told: Sequence[Told], fall_s: float) -> Alerted:
    own = [each for each in told if each.is_drop and each.labels["funnel"] == funnel]
    after = [each for each in own if each.fired_s > fall_s]
    if not after:
        raise BenchError(f"nobody was told of the fall of {funnel}")
    first = min(after, key=lambda each: each.notified_s)
    return Alerted(
        funnel,
        fired_s=round(first.fired_s - fall_s, 1),
        notified_s=round(first.notified_s - fall_s, 1),
        window=first.labels["window"],
        false_alarms=len(own) - len(after),
    )


def _until_ready(port: int) -> None:
    deadline = time.monotonic() + START_S
    while "funnel_worker_partitions" not in (page(port) or ""):
        if time.monotonic() > deadline:
            raise BenchError(f"the worker was not ready within {START_S:g} s")
        time.sleep(0.1)


@contextmanager
def _receiver(told: list[Told]) -> Iterator[str]:
    """Note each alert that Alertmanager tells of; yields the URL for it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            now_s = time.time()
            told.extend(
                Told(now_s, datetime.fromisoformat(alert["startsAt"]).timestamp(), alert["labels"])
                for alert in body["alerts"]
                if alert["status"] == "firing"
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing: what comes is noted."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
