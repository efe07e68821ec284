"""A sink that only counts, with the next offset stored beside the counts in an SQLite file.

Stands in for `stream.worker.tracker.Tracker` where a test is about Kafka: one compare-and-set transaction
per call, as the real store has. Run as a program it is a whole worker:

    python -m support.counting FILE BOOTSTRAP TOPIC GROUP [METRICS_PORT [INSTANCE_ID]]
"""

import asyncio
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from stream.errors import StoreUnavailable
from stream.worker.tracker_app import TrackerApp, WorkerOptions, run_worker

TABLE = """create table if not exists stored (
    part integer primary key, next integer not null, records integer not null, total integer not null, calls integer)"""


def open_file(path):
    db = sqlite3.connect(path, timeout=10, isolation_level=None)
    db.execute("pragma journal_mode=wal")
    db.execute("pragma synchronous=off")  # kill -9 of a process is what the tests do, not of the machine
    db.execute(TABLE)
    return db


def read_stored(path):
    """Partition -> (next offset, records, sum over records of offset + 1)."""
    if not Path(path).exists():
        return {}
    with closing(open_file(path)) as db:
        return {part: (n, records, total) for part, n, records, total in
                db.execute("select part, next, records, total from stored")}  # fmt: skip


class CountingSink:
    """`BatchSink` over a file. `delay_s` is awaited inside each call, as a store's round trip would be."""

    def __init__(self, path, delay_s=0.0):
        self.path, self.delay_s = path, delay_s
        self.expected = {}
        self.lag = {}
        self.is_away = False
        self.calls = []
        self.busy, self.last = False, None

    async def start(self):
        if self.is_away:
            raise StoreUnavailable("start", (), "it is away")
        self.db = open_file(self.path)

    async def stop(self):
        self.db.close()

    async def assign(self, partitions):
        self._check("assign")
        offsets = {}
        for partition, state in partitions.items():
            row = self.db.execute("select next from stored where part=?", (partition,)).fetchone()
            if row is None:
                self.db.execute("insert or ignore into stored values (?,?,0,0,0)", (partition, state.beginning_offset))
                row = (state.beginning_offset,)
            offsets[partition] = row[0]
        self.expected = dict(offsets)
        return offsets

    async def revoke(self, partitions):
        for partition in partitions:
            self.expected.pop(partition, None)

    async def count(self, batches):
        self._check("count")
        self.last = asyncio.create_task(self.store(batches, self.last))
        return self.last

    async def store(self, batches, before):
        if before is not None and not before.done():
            await asyncio.wait([before])
        assert not self.busy, "two groups were stored at once"
        self.busy = True
        await asyncio.sleep(self.delay_s)
        moved = {}
        self.db.execute("begin immediate")
        for batch in batches:
            assert batch.from_offset == self.expected[batch.partition], batch
            done = self.db.execute(
                "update stored set next=?, records=records+?, total=total+?, calls=calls+1 where part=? and next=?",
                (batch.next_offset, len(batch.values), sum(batch.offsets) + len(batch.offsets),
                 batch.partition, batch.from_offset),
            ).rowcount  # fmt: skip
            if done:
                self.expected[batch.partition] = batch.next_offset
            else:
                found = self.db.execute("select next from stored where part=?", (batch.partition,)).fetchone()[0]
                moved[batch.partition] = self.expected[batch.partition] = found
        self.db.execute("commit")
        self.calls.append({batch.partition: len(batch.values) for batch in batches})
        self.busy = False
        return moved

    async def tick(self, lag):
        self._check("tick")
        self.lag = dict(lag)

    def is_ready(self):
        return True, ""

    def _check(self, operation):
        if self.is_away:
            raise StoreUnavailable(operation, tuple(self.expected), "it is away")


def main():
    path, bootstrap, topic, group, *rest = sys.argv[1:]
    options = WorkerOptions(
        group=group,
        servers=tuple(bootstrap.split(",")),
        topic=topic,
        metrics_port=int(rest[0]) if rest else 0,
        instance_id=rest[1] if len(rest) > 1 else "",
        session_timeout_s=float(os.environ.get("SESSION_S", "6")),
        heartbeat_s=1.0,
    )
    sink = CountingSink(path)

    async def page():
        return repr(sink.lag).encode()

    raise SystemExit(run_worker(TrackerApp(options, sink, metrics=page), "INFO"))


if __name__ == "__main__":
    main()
