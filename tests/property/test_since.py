"""A run that counts from an instant on counts exactly what a tracker from the same offset counts of that time.

Both read one log with everything in it, in batches cut anywhere, by trackers of which every now and then one is
lost. What entered from the instant on is the same in every slot and period, what entered before is in none; and the
totals of plain funnels are those of the exhaustive search.
"""

import random
from dataclasses import replace

import msgspec
import pytest

from stream.aggregate.cells import Cell
from stream.aggregate.totals import LEDGER, PERIOD, WINDOW
from stream.analyze.compare import broken_laws
from stream.analyze.live import read_live
from stream.settings.sources import mapping_of
from stream.store.memory import MemoryServer, MemoryStore
from stream.worker.contract import LogState, PartitionBatch
from stream.worker.partition import SINCE_KEY
from stream.worker.runs import Start
from stream.worker.tracker import Tracker
from support.sim.judge import EVER, oracle_totals, totals_of
from support.sim.log import PartitionLog
from support.sim.traffic import SHARDS, START_MS, random_case
from support.sim.world import do

CASES = 60
RECORDS = 120
SLOT_MS = 1_000

_decode_key = msgspec.msgpack.Decoder(tuple[int, str, int, int, int, str]).decode
_decode_cell = msgspec.msgpack.Decoder(Cell).decode


def batches_of(rng, number, log, begin):
    """Cut what a log holds from an offset on."""
    rows = [row for row in log.rows() if row.offset >= begin]
    while rows or begin < log.end:
        part, rows = rows[: (size := rng.choice([1, 3, 20, 200]))], rows[size:]
        after = rows[0].offset if rows else log.end
        yield PartitionBatch(
            number, begin, part[0].offset if part else after, after, [row.value for row in part],
            [row.record_ms for row in part], [row.offset for row in part], [row.key for row in part], log.end,
        )  # fmt: skip
        begin = after


async def counted(case, logs, rng, since_ms):
    """Count the logs from their first offset; returns the store."""
    store = MemoryStore(MemoryServer(), shards=SHARDS)
    starts = {number: Start(log.begin, since_ms) for number, log in logs.items()}
    states = {number: LogState(log.begin, log.end, None, len(logs)) for number, log in logs.items()}

    async def new_tracker(number):
        mapping = mapping_of(case.settings.sources[0])
        tracker = Tracker(case.settings, case.funnels, mapping, store, None, starts=starts)
        await tracker.start()
        await tracker.assign({number: states[number]})
        return tracker

    for number, log in logs.items():
        tracker = await new_tracker(number)
        for batch in batches_of(rng, number, log, log.begin):
            if rng.random() < 0.1:
                tracker = await new_tracker(number)
            assert await (await tracker.count([batch])) == {}
        await tracker.tick({})
    return store


async def cells_from(store, number, since_ms):
    """Return what a partition has counted by slot of the entry and by period, of those that begin at an instant."""
    found = {}
    for key, blob in (await store.load_cells(number)).items():
        if key == SINCE_KEY:
            continue
        funnel, kind, index, start_ms, *split = _decode_key(key)
        if kind in {WINDOW, LEDGER, PERIOD} and start_ms >= since_ms:
            cell = _decode_cell(blob)
            cell.ages.clear()  # in a slot of when a step was reached, whenever the attempt entered
            counts = _without_zeros(msgspec.to_builtins(cell))
            if counts:
                found[funnel, kind, index, start_ms, *split] = counts
    return found


def _without_zeros(counts):
    """Return what a cell counts, by place; what came and was taken back leaves zeros."""
    if not isinstance(counts, dict | list):
        return counts
    places = counts.items() if isinstance(counts, dict) else enumerate(counts)
    return {place: kept for place, inner in places if (kept := _without_zeros(inner))}


@pytest.mark.parametrize("seed", range(CASES))
async def test_what_entered_before_is_left_out_and_all_else_is_the_same(seed):
    case = replace(random_case(seed, RECORDS), cache_actors=3)
    logs = {number: PartitionLog() for number in range(case.partitions)}
    for deed in case.deeds:
        do(logs[deed.partition], deed)
    rng = random.Random(f"since {seed}")
    since_ms = START_MS - START_MS % SLOT_MS + SLOT_MS * rng.randrange(-2, 9)
    whole = await counted(case, logs, rng, None)
    run = await counted(case, logs, rng, since_ms)
    for number, log in logs.items():
        expected = await cells_from(whole, number, since_ms)
        assert await cells_from(run, number, since_ms) == expected
        assert await cells_from(run, number, 0) == expected
        heads = [await store.load_head(number) for store in (whole, run)]
        assert heads[0].verdicts == heads[1].verdicts
        assert heads[0].position.next_offset == heads[1].position.next_offset == log.end
    rollup = (await read_live(run, case.funnels, case.settings)).roll_up(EVER)
    assert rollup is None or broken_laws(rollup) == []
    for (shape, window_ms), found in zip(case.shapes, [] if rollup is None else rollup.funnels, strict=False):
        rows = [log.rows() for log in logs.values()]
        assert totals_of(found) == oracle_totals(rows, case.limits, shape, window_ms, since_ms)
