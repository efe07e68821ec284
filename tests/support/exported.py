"""A log of which the older part lies in a file, and a run over both: what its store then says, and what it should say.

In:  a seed, and what shall be so.
Out: the records by partition, the file's rows, the run; the counts of the run and of the whole log.
"""

import asyncio
import json
import random
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

from stream.analyze.live import count_as_live, read_live
from stream.model.funnel import Breakdown, Funnel, Step
from stream.model.window import Age, RollingWindow
from stream.replay.files import as_it_is
from stream.replay.files_count import FilesCount
from stream.settings.counting import counting_rules, following
from stream.settings.sources import mapping_of
from stream.settings.tracker import SourceSettings, TrackerSettings
from stream.store.memory import MemoryServer, MemoryStore
from stream.worker.contract import LogState, PartitionBatch
from stream.worker.runs import Files, Run, Start, change_runs, namespace_of
from stream.worker.tracker import Tracker

TOPIC = "shop"
BEGAN_MS = 1_700_000_000_000
LATENESS_MS, SKEW_MS = 60_000, 20_000
FUNNELS = (
    Funnel("abc", 1, tuple(Step(name, (name,)) for name in "ABC"), 90_000, breakdowns=(Breakdown("d", ("d",)),)),
    Funnel("ba", 1, (Step("b", ("B",)), Step("a", ("A",))), 30_000),
)
SETTINGS = TrackerSettings(
    (
        SourceSettings(
            "shop", (TOPIC,), is_keyed_by_actor=True, allowed_lateness_ms=LATENESS_MS, max_future_skew_ms=SKEW_MS
        ),
    ),
    Path("unused"),
    rolling=(RollingWindow("1m", 60_000), RollingWindow("10m", 600_000)),
    age_matched=(Age("20s", 20_000),),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A record of the log."""

    partition: int
    offset: int
    record_ms: int
    fields: dict[str, object]

    @property
    def value(self) -> bytes:
        return json.dumps(self.fields).encode()


def log_of(seed: int, records: int, partitions: int, *, has_ids: bool = True) -> list[Row]:
    """Return a log in the order in which it was written: delays and fast clocks within the limits, and copies.

    Without ids no actor has two events of one instant: which of them is the first goes by their ids, and these are
    file and line in the one, topic and offset in the other. The last record of each partition is on time, so that how
    far the watermark came is no matter of what was read how.
    """
    rng = random.Random(seed)
    at_ms, ends, rows = BEGAN_MS, [0] * partitions, []
    taken: set[tuple[str, int]] = set()
    for number in range(records):
        at_ms += rng.choice([0, 1, 500, 2_000])
        actor = f"u{rng.randrange(12)}"
        ahead_ms = rng.choice([0, 0, 0, -1_000, -LATENESS_MS // 2, SKEW_MS, 700])
        fields = {"user_id": actor, "event": rng.choice("ABCX"), "time": at_ms + ahead_ms, "d": rng.choice("xy")}
        while not has_ids and (actor, fields["time"]) in taken:
            fields["time"] -= 1
        taken.add((actor, fields["time"]))
        if has_ids:
            fields["id"] = f"e{number}"
            if rows and rng.random() < 0.1:
                fields = rng.choice(rows[-8:]).fields
        partition = crc32(str(fields["user_id"]).encode()) % partitions
        rows.append(Row(partition, ends[partition], at_ms, fields))
        ends[partition] += 1
    for partition in range(partitions):
        fields = {"user_id": "last", "event": "X", "time": at_ms + SKEW_MS, "id": f"last {partition}"}
        rows.append(Row(partition, ends[partition], at_ms + SKEW_MS, fields))
    return rows


def run_over(older: list[Row], newer: list[Row], paths: list[Path], partitions: int, **changes) -> Run:
    """Return a run that counts files, then a topic that has only `newer`."""
    firsts = {row.partition: row for row in reversed(newer)}
    ends = {number: sum(row.partition == number for row in older) for number in range(partitions)}
    starts = {
        number: Start(ends[number], seam_ms=firsts[number].record_ms if number in firsts else older[-1].record_ms)
        for number in range(partitions)
    }
    files = Files(tuple(map(as_it_is, paths)), "crc32", "shop")
    return Run("past", TOPIC, counting_rules(SETTINGS, FUNNELS), starts, None, 0, files=files, **changes)


def write_ndjson(path: Path, rows: list[Row]) -> Path:
    """Write an export, one record a line."""
    path.write_bytes(b"".join(row.value + b"\n" for row in rows))
    return path


def settings_of(run: Run) -> TrackerSettings:
    return following(SETTINGS, run.rules, namespace_of("live", run.name))


def store_of(server: MemoryServer, run: Run, kind=MemoryStore) -> MemoryStore:
    return kind(server, settings_of(run).redis.namespace, shards=4)


async def counted_files(server, run, kind=MemoryStore, *, told=lambda *_: None, stop=None, max_rate=None):
    """Count the run's files as one of its processes does; the run is made if there is none of its name."""
    base = MemoryStore(server)
    await change_runs(base, lambda runs: runs if run.name in runs.runs else runs.with_run(run))
    stop = stop or asyncio.Event()
    store = store_of(server, run, kind)
    return await FilesCount(settings_of(run), base, store, run, told=told, stop=stop, max_rate=max_rate).count()


async def counted_topic(server: MemoryServer, run: Run, newer: list[Row]) -> None:
    """Count the topic's records as a run's worker does."""
    settings = settings_of(run)
    store = store_of(server, run)
    tracker = Tracker(settings, FUNNELS, mapping_of(settings.sources[0]), store, None, starts=run.starts)
    await tracker.start()
    parts = {number: [row for row in newer if row.partition == number] for number in run.starts}
    states = {
        number: LogState(run.starts[number].offset, run.starts[number].offset + len(rows), None, len(parts))
        for number, rows in parts.items()
    }
    offsets = await tracker.assign(states)
    batches = [
        PartitionBatch(
            number, offsets[number], offsets[number], offsets[number] + len(rows), [row.value for row in rows],
            [row.record_ms for row in rows], [row.offset for row in rows],
            [str(row.fields["user_id"]).encode() for row in rows], None,
        )
        for number, rows in parts.items()
    ]  # fmt: skip
    assert await (await tracker.count(batches)) == {}


async def shown(server: MemoryServer, run: Run, as_of_ms=None):
    """Return what the run's namespace says."""
    return (await read_live(store_of(server, run), FUNNELS, settings_of(run))).roll_up(as_of_ms)


def expected(rows: list[Row], as_of_ms=None):
    """Return what the whole log comes to."""
    count = count_as_live(replace(SETTINGS), FUNNELS)
    for row in rows:
        count.take(row.partition, [row.value], [row.record_ms], [row.offset], f"{TOPIC}/{row.partition}/")
    return count.finish(as_of_ms).rollup
