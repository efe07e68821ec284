"""Real workers as child processes on a topic of a test's own, and what they have stored."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.analyze.compare import broken_laws, compare
from stream.analyze.live import count_as_live, open_live, read_live
from stream.analyze.read_topic import read_topic, topic_spans
from stream.model.verdict import Verdict
from stream.settings.load import load_funnels, load_tracker
from stream.stack.processes import dying_with_parent
from support import shop

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60.0
POLL_S = 0.1
AHEAD_MS = 400_000  # behind every admitted event: skew is five minutes

TRACKER = """\
kafka: {{bootstrap: "{kafka}", group: {name}}}
redis: {{url: "{redis}", namespace: {name}}}
sources:
  - topics: [{name}]
    fields: {{actor: anonymous_id}}
    keyed_by_actor: {keyed}
repartition: {{topic: {name}-log}}
funnels: funnels
worker: {{{worker}}}
dead_letter: {{topic: {name}-dead}}
"""

SHOP = """\
funnel: shop
version: {version}
window: 1h
steps:
  - event: view_page
  - event: view_product
  - event: add_to_cart
  - event: begin_checkout
  - event: purchase
breakdowns: [device]
"""

VISIT = """\
funnel: visit
window: 1h
time_granularity: 1s
entry: first
session: {gap: 20m}
hold_constant: [device]
steps:
  - event: view_page
  - {event: view_product, optional: true}
  - {event: add_to_cart, within: 10m}
  - {event: purchase, not_before: 1s, where: [{property: device, in: [mobile, desktop]}]}
exclusions:
  - {event: begin_checkout, from: view_page, to: add_to_cart}
"""


class Worker:
    """One `funnel worker` process, or one of another command."""

    def __init__(self, folder, number, words=("worker", "--metrics-port", "0")):
        self.log = folder / f"worker-{number}.log"
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "stream", *words, "--config", str(folder / "tracker.yaml")]
            environ = {k: v for k, v in os.environ.items() if k not in {"KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL"}}
            self.process = subprocess.Popen(dying_with_parent(command), cwd=ROOT, env=environ, stdout=log, stderr=log)

    def said(self):
        return self.log.read_text(errors="replace")

    def send(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    async def ended(self):
        """Wait until the process ends by itself; returns its exit status."""
        await until(lambda: self.process.poll() is not None, "the worker ends", self)
        return self.process.returncode

    async def ready(self):
        """Return (status, text) of /readyz, or None if nothing answers."""
        return await self._ask("/readyz")

    async def page(self):
        """Return the text of /metrics, "" if nothing answers."""
        answer = await self._ask("/metrics")
        return "" if answer is None else answer[1]

    @property
    def address(self):
        """host:port of its pages, None before it listens."""
        found = re.search(r"metrics at http://(.*?)/metrics", self.said())
        return found and found[1]

    @property
    def url(self):
        """Where it serves, with a slash at the end; None until it does."""
        return self.address and f"http://{self.address}/"

    async def _ask(self, path):
        return await asyncio.to_thread(_fetch, f"http://{self.address}{path}") if self.address else None


def _fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310 - our own loopback URL
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().strip()
    except OSError:
        return None


async def until(condition, what, *workers, seconds=DEADLINE_S):
    """Wait until `condition` (plain or async) holds; fails with the ends of the workers' logs."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            logs = "\n".join(f"--- {worker.log.name}\n{worker.said()[-3000:]}" for worker in workers)
            raise AssertionError(f"waited {seconds} s in vain until {what}\n{logs}")
        await asyncio.sleep(POLL_S)


class Site:
    """A topic, a namespace and a tracker file of a test's own; not `keyed`, the topic is repartitioned.

    `options`: with a funnel beside the shop's that has many of them.
    """

    def __init__(
        self, folder, kafka, redis, *, partitions=4, worker="shards: 64", version=1, keyed=True, options=False
    ):
        self.name = f"t{uuid4().hex[:12]}"
        self.folder, self.kafka, self.partitions = folder, kafka, partitions
        (folder / "funnels").mkdir()
        self.define(version)
        if options:
            (folder / "funnels/visit.yaml").write_text(VISIT)
        text = TRACKER.format(kafka=kafka, redis=redis, name=self.name, worker=worker, keyed=str(keyed).lower())
        (folder / "tracker.yaml").write_text(text)
        self.settings = load_tracker(folder / "tracker.yaml", {})
        self.workers = []

    def define(self, version):
        (self.folder / "funnels/shop.yaml").write_text(SHOP.format(version=version))

    @property
    def funnels(self):
        return load_funnels(self.settings.funnels, self.settings.period)

    def start(self, count=1):
        started = [Worker(self.folder, len(self.workers) + number) for number in range(count)]
        self.workers += started
        return started[0] if count == 1 else started

    def start_run(self, name):
        """Start a run of the files as they are now, which follows the log."""
        run = Worker(self.folder, f"run-{name}", ("replay", "start", "--name", name, "--to", "follow"))
        self.workers.append(run)
        return run

    def close(self):
        for worker in self.workers:
            with contextlib.suppress(ProcessLookupError):
                worker.send(signal.SIGCONT)
            worker.stop()

    async def make_topic(self, partitions=None):
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(self.name, partitions or self.partitions, 1)])
            with contextlib.suppress(Exception):
                await admin.create_topics([NewTopic(f"{self.name}-dead", 1, 1)])
        finally:
            await admin.close()

    async def drop_topic(self):
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        try:
            await admin.delete_topics([self.name])

            async def is_gone():
                return self.name not in await admin.list_topics()

            await until(is_gone, "the topic is gone")
        finally:
            await admin.close()

    async def produce(self, records, **options):
        """Write (key, value, record time in ms or None[, partition]) records."""
        options = {"max_request_size": 16 << 20, **options}
        async with AIOKafkaProducer(bootstrap_servers=self.kafka, linger_ms=5, **options) as producer:
            if "transactional_id" in options:
                raise AssertionError("use a producer of your own for transactions")
            sent = []
            for key, value, at_ms, *partition in records:
                sent.append(
                    await producer.send(
                        self.name, value, key=key, timestamp_ms=at_ms, partition=partition[0] if partition else None
                    )
                )
            await asyncio.gather(*sent)

    async def ends(self):
        spans = await topic_spans(self.settings.kafka, self.settings.log_topic)
        return {number: span.end for number, span in spans.items()}

    async def live(self):
        """Return what is live, and what it has counted."""
        async with open_live(self.settings, self.funnels) as (store, live):
            return live, await read_live(store, live.funnels, live.settings)

    async def view(self):
        return (await self.live())[1]

    async def stored(self):
        """Next offset by partition."""
        return {number: each.head.next_offset for number, each in (await self.view()).partitions.items()}

    async def caught_up(self, seconds=DEADLINE_S):
        """Wait until everything in the log is counted."""
        ends = await self.ends()

        async def is_counted():
            stored = await self.stored()
            return all(stored.get(number, 0) >= end for number, end in ends.items() if end)

        await until(is_counted, f"all of {ends} is counted", *self.workers, seconds=seconds)

    async def differences(self):
        """Return what is wrong: live against an analysis of the log, the laws, and the sum of verdicts."""
        of, view = await self.live()
        as_of_ms = max(int(time.time() * 1000), view.watermark_ms or 0) + AHEAD_MS
        live = view.roll_up(as_of_ms)
        count = count_as_live(of.settings, of.funnels)
        await read_topic(self.settings.kafka, self.settings.log_topic, count.take)
        analysis = count.finish(as_of_ms)
        lines = compare(live, analysis.rollup) + broken_laws(live)
        for verdict in Verdict:
            counted = sum(each.head.verdicts[verdict] for each in view.partitions.values())
            if counted != analysis.verdicts[verdict]:
                lines.append(f"{verdict.label}: live {counted}, analysis {analysis.verdicts[verdict]}")
        return lines

    async def oracle_differences(self):
        """Return where live's totals, once every window has run out, are not those of the exhaustive search."""
        rows = {}

        def take(partition, values, record_times, *_):
            rows.setdefault(partition, []).extend(zip(values, record_times, strict=True))

        await read_topic(self.settings.kafka, self.name, take)
        return shop.differences((await self.view()).roll_up(shop.EVER), rows)

    async def dead_letters(self, count):
        """Read `count` dead letters: their values."""
        consumer = AIOKafkaConsumer(
            f"{self.name}-dead", bootstrap_servers=self.kafka, auto_offset_reset="earliest", group_id=None
        )
        await consumer.start()
        try:
            found = []
            async with asyncio.timeout(DEADLINE_S):
                while len(found) < count:
                    got = await consumer.getmany(timeout_ms=500)
                    found += [record for records in got.values() for record in records]
            return found
        finally:
            await consumer.stop()
