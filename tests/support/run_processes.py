"""Processes of runs beside a site's workers, what a run has counted, and all that a run must leave alone.

In:  a site.
Out: canonical bytes of counts; what lies in Redis; groups' offsets and topics' ends.
"""

import asyncio
import time
from dataclasses import replace

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from redis.asyncio import Redis

from stream.analyze.compare import fields_of, rows_of
from stream.analyze.live import open_store, read_live
from stream.analyze.read_topic import topic_spans
from stream.cli.main import main
from stream.replay import catalog
from stream.replay.plan import Log, Word, make_plan
from stream.settings.counting import counting_rules
from stream.settings.load import load_funnels
from support.workers import Worker, until

_encode = msgspec.json.Encoder(order="deterministic").encode
PAUSE_S = 0.05


class Replays:
    """Runs of a site: their processes, and what they have counted."""

    def __init__(self, site):
        self.site, self._started = site, 0

    def start(self, command, name, *words, folder=None):
        """Start a process of `funnel replay`; `folder`: of another tracker file."""
        self._started += 1
        words = ("replay", command, "--name", name, *words)
        process = Worker(folder or self.site.folder, f"{name}-{self._started}", words)
        self.site.workers.append(process)
        return process

    def with_worker(self, name, text):
        """Return the folder of a tracker file with other `worker` settings."""
        folder = self.site.folder / name
        folder.mkdir()
        was = (self.site.folder / "tracker.yaml").read_text()
        (folder / "tracker.yaml").write_text(was.replace("shards: 64", f"shards: 64, {text}"))
        (folder / "funnels").symlink_to(self.site.folder / "funnels")
        return folder

    async def say(self, command, *words):
        """Say something to `funnel replay` that needs no process of its own; returns the exit status."""
        config = str(self.site.folder / "tracker.yaml")
        return await asyncio.to_thread(main, ["replay", command, *words, "--config", config])

    async def make(self, name, begin):
        """Make a run up to now that nobody counts yet."""
        settings = self.site.settings
        rules = counting_rules(settings, self.site.funnels)
        store, own = open_store(settings), open_store(self.settings(name))
        try:
            first = {number: (await store.load_head(number)).first_offset for number in await self.site.ends()}
            log = Log(settings.kafka, settings.log_topic, first)
            plan = await make_plan(log, rules, begin, Word.NOW, int(time.time() * 1000))
            await catalog.make_run(store, own, catalog.new_run(name, settings.log_topic, rules, plan))
        finally:
            await store.close()
            await own.close()

    def settings(self, name=None):
        """Return settings of a run's namespace; of the configured one without a name."""
        settings = self.site.settings
        if name is None:
            return settings
        return replace(settings, redis=replace(settings.redis, namespace=f"{settings.redis.namespace}.{name}"))

    async def view(self, name=None):
        settings = self.settings(name)
        store = open_store(settings)
        try:
            return await read_live(store, load_funnels(settings.funnels, settings.period), settings)
        finally:
            await store.close()

    async def done(self, name):
        """How many offsets a run has counted."""
        return sum(part.head.next_offset for part in (await self.view(name)).partitions.values())

    async def counts_on(self, name, beyond, *workers):
        """Wait until a run has counted more than this; returns how much."""

        async def how_much():
            done = await self.done(name)
            return done if done > beyond else None

        return await until(how_much, f"run {name} counts on", *workers)

    async def result(self, name=None, as_of_ms=None):
        """Return what was counted as canonical bytes: every row, and of every partition offset and verdicts."""
        view = await self.view(name)
        rollup = view.roll_up(as_of_ms)
        rows = {
            f"{funnel.key} {' '.join(key)}": {k: str(v) for k, v in fields_of(row, funnel.steps).items()}
            for funnel in rollup.funnels
            for key, row in rows_of(funnel).items()
        }
        heads = {
            str(number): [part.head.next_offset, part.head.watermark_ms, part.head.verdicts, part.head.checksum]
            for number, part in view.partitions.items()
        }
        return _encode({"rows": {key: row for key, row in rows.items() if row}, "heads": heads})

    async def stored(self, of=":"):
        """Return what lies in Redis by key: of the configured namespace, with "." of its runs."""
        redis = self.site.settings.redis
        async with Redis.from_url(redis.url) as client:
            keys = [key async for key in client.scan_iter(match=f"{{{redis.namespace}[}}{of}]*")]
            return {key: await client.dump(key) for key in sorted(keys)}

    async def topics(self):
        """Return the ends of the site's topics, and the offsets that its own group has committed."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.site.kafka)
        await admin.start()
        try:
            committed = await admin.list_consumer_group_offsets(self.site.name)
        finally:
            await admin.close()
        kafka = self.site.settings.kafka
        spans = [await topic_spans(kafka, topic) for topic in (self.site.name, f"{self.site.name}-dead")]
        return spans, {tp.partition: at.offset for tp, at in committed.items()}


async def sampled(page, work):
    """Return the pages that `page` gives while `work` goes on, and what that comes to."""
    pages, doing = [], asyncio.create_task(work)
    while not doing.done():
        pages.append(await page())
        await asyncio.sleep(PAUSE_S)
    return pages, await doing
