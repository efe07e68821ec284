"""Files before a topic: killed anywhere, taken over, changed, stopped; and what is left to Kafka."""

import asyncio
import csv
import gzip
import json
from dataclasses import replace

import msgspec
import pytest

from stream.analyze.compare import compare
from stream.errors import AnalyzeError, ReplayError, StoreUnavailable
from stream.model.verdict import Verdict
from stream.replay import files_count
from stream.replay.catalog import drop_run
from stream.replay.files_count import FilesRead, are_counted
from stream.store.memory import MemoryServer, MemoryStore
from stream.worker.runs import Start, change_runs
from support.exported import (
    BEGAN_MS,
    LATENESS_MS,
    SKEW_MS,
    counted_files,
    counted_topic,
    expected,
    log_of,
    run_over,
    shown,
    store_of,
    write_ndjson,
)  # fmt: skip

PARTITIONS = 2


class Killed(BaseException):
    """Ends everything at once, as a signal does: nobody catches it."""


@pytest.fixture
def rows():
    return log_of(7, 90, PARTITIONS)


@pytest.fixture
def run(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(files_count, "BATCH_ROWS", 10)
    return run_over(rows[:60], rows[60:], [write_ndjson(tmp_path / "past.ndjson", rows[:60][::-1])], PARTITIONS)


def dies_at(call, moment):
    """Return a store whose process dies before or after its commit number `call` reaches it."""
    calls = 0

    class Store(MemoryStore):
        async def commit(self, commits):
            nonlocal calls
            calls += 1
            if calls != call:
                return await super().commit(commits)
            if moment == "after":
                await super().commit(commits)
            raise Killed

    return Store


async def counted_whole(run):
    server = MemoryServer()
    read = await counted_files(server, run)
    assert await are_counted(store_of(server, run), run)
    return server, read


async def heads(server, run):
    """Return the heads; an epoch says how often somebody took over, which is no matter."""
    return [replace(await store_of(server, run).load_head(number), epoch=0) for number in run.starts]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_killed_at_every_commit_and_gone_on_with_is_once_through(run, rows, moment):
    whole, _ = await counted_whole(run)
    commits = 0
    while True:
        commits += 1
        server = MemoryServer()
        try:
            await counted_files(server, run, dies_at(commits, moment))
        except Killed:
            is_done = await are_counted(store_of(server, run), run)
            assert (await counted_files(server, run) is None) is is_done
        else:
            break
        assert await heads(server, run) == await heads(whole, run)
        await counted_topic(server, run, rows[60:])
        assert compare(await shown(server, run), expected(rows)) == []
    assert commits > 60 // 10 + PARTITIONS, "each batch, and one that makes each partition ready"


async def test_killed_again_and_again(run, rows):
    server = MemoryServer()
    for moment in ("after", "before") * 4:
        with pytest.raises(Killed):
            await counted_files(server, run, dies_at(1, moment))
    await counted_files(server, run)
    await counted_topic(server, run, rows[60:])
    assert compare(await shown(server, run), expected(rows)) == []


async def test_the_partitions_are_ready_for_the_topic(run, rows):
    server, read = await counted_whole(run)
    assert read == FilesRead(60, 0, 0, 0, min(row.fields["time"] for row in rows[:60]), read.last_ms)
    for number, start in run.starts.items():
        head = await store_of(server, run).load_head(number)
        assert (head.next_offset, head.first_offset, head.checksum) == (start.offset, start.offset, 0)
        assert head.partition_count == PARTITIONS
        assert sum(head.verdicts) == sum(row.partition == number for row in rows[:60])
    assert await counted_files(server, run) is None, "there is nothing left to count"


async def test_whoever_takes_over_shuts_out_who_was_there(run, rows):
    server = MemoryServer()

    class Overtaken(MemoryStore):
        calls = 0

        async def commit(self, commits):
            Overtaken.calls += 1
            if Overtaken.calls == 3:
                await counted_files(server, run)
            return await super().commit(commits)

    with pytest.raises(ReplayError, match="run past: another process has begun to count its files"):
        await counted_files(server, run, Overtaken)
    await counted_topic(server, run, rows[60:])
    assert compare(await shown(server, run), expected(rows)) == []


async def test_who_was_overtaken_stores_nothing_more_though_the_other_has_not_begun(run):
    server, calls = MemoryServer(), 0

    class Overtaken(MemoryStore):
        async def commit(self, commits):
            nonlocal calls
            calls += 1
            if calls == 3:
                with pytest.raises(Killed):
                    await counted_files(server, run, dies_at(1, "before"))
            return await super().commit(commits)

    with pytest.raises(ReplayError, match="another process has begun"):
        await counted_files(server, run, Overtaken)
    assert (await store_of(server, run).load_head(0)).next_offset == 20


@pytest.mark.parametrize("is_stored", [True, False])
async def test_a_store_that_gives_no_clear_answer_is_asked_again(run, rows, monkeypatch, is_stored):
    monkeypatch.setattr(files_count, "FIRST_PAUSE_S", 0.01)
    calls = 0

    class Unclear(MemoryStore):
        async def commit(self, commits):
            nonlocal calls
            calls += 1
            if calls != 4:
                return await super().commit(commits)
            if is_stored:
                await super().commit(commits)
            raise StoreUnavailable("commit", (), "no reply")

    server = MemoryServer()
    await counted_files(server, run, Unclear)
    await counted_topic(server, run, rows[60:])
    assert compare(await shown(server, run), expected(rows)) == []


async def test_a_store_that_went_back_is_counted_from_where_it_is(run, rows, monkeypatch):
    monkeypatch.setattr(files_count, "FIRST_PAUSE_S", 0.01)
    server, calls, earlier = MemoryServer(), 0, None

    class WentBack(MemoryStore):
        async def commit(self, commits):
            nonlocal calls, earlier
            calls += 1
            if calls == 2:
                earlier = server.snapshot()
            if calls == 5:
                server.restore(earlier)
            return await super().commit(commits)

    await counted_files(server, run, WentBack)
    assert calls > 7, "some were counted twice"
    await counted_topic(server, run, rows[60:])
    assert compare(await shown(server, run), expected(rows)) == []


async def test_a_stop_is_gone_on_from(run, rows):
    server, stop = MemoryServer(), asyncio.Event()

    def told(what, done, total):
        assert 0 <= done <= total
        if what == "counting files (rows)" and done >= 20:
            stop.set()

    assert await counted_files(server, run, told=told, stop=stop) is None
    assert (await store_of(server, run).load_head(0)).next_offset == 20
    assert not await are_counted(store_of(server, run), run)
    await counted_files(server, run)
    await counted_topic(server, run, rows[60:])
    assert compare(await shown(server, run), expected(rows)) == []


async def test_a_stop_while_reading_counts_nothing(run):
    server, stop = MemoryServer(), asyncio.Event()
    assert await counted_files(server, run, told=lambda *_: stop.set(), stop=stop) is None
    assert await store_of(server, run).load_head(0) is None


@pytest.mark.parametrize("becomes", ["stopped", "dropped"])
async def test_a_run_that_is_stopped_or_dropped_meanwhile_is_not_counted_on(run, monkeypatch, becomes):
    monkeypatch.setattr(files_count, "LOOK_EVERY_S", 0.001)
    server = MemoryServer()
    base, counted = MemoryStore(server), []

    class Changed(MemoryStore):
        async def commit(self, commits):
            await change_runs(base, lambda runs: msgspec.structs.replace(
                runs, runs={} if becomes == "dropped" else {run.name: msgspec.structs.replace(run, is_stopped=True)}
            ))  # fmt: skip
            if not counted:
                async with asyncio.timeout(10):
                    await stop.wait()
            counted.append(commits)
            return await super().commit(commits)

    stop = asyncio.Event()
    assert await counted_files(server, run, Changed, stop=stop) is None
    assert len(counted) < 3, "what was on its way, and nothing more"


@pytest.mark.parametrize("call", [2, 7])
async def test_a_run_that_was_dropped_is_not_made_again(run, monkeypatch, call):
    monkeypatch.setattr(files_count, "FIRST_PAUSE_S", 0.001)
    server, calls = MemoryServer(), 0

    class Dropped(MemoryStore):
        async def commit(self, commits):
            nonlocal calls
            calls += 1
            if calls == call:
                await drop_run(MemoryStore(server), store_of(server, run), run.name)
            return await super().commit(commits)

    assert await counted_files(server, run, Dropped) is None
    assert calls == call
    left = server.namespaces["live.past"]
    assert (left.partitions, left.document) == ({}, None)


async def test_files_are_counted_at_a_pace(run, rows):
    server, loop, counted = MemoryServer(), asyncio.get_running_loop(), []
    started = loop.time()
    await counted_files(server, run, told=lambda *told: counted.append(told), max_rate=200)
    assert loop.time() - started >= (60 - 10) / 200
    await counted_topic(server, run, rows[60:])
    assert compare(await shown(server, run), expected(rows)) == []


@pytest.mark.parametrize("is_begun", [True, False])
async def test_the_topic_is_not_counted_before_the_files_are(run, rows, is_begun):
    server = MemoryServer()
    if is_begun:
        with pytest.raises(Killed):
            await counted_files(server, run, dies_at(2, "after"))
    with pytest.raises(StoreUnavailable, match="the run's files are counted before its topic"):
        await counted_topic(server, run, rows[60:])


# --- which files


async def test_files_of_which_no_row_is_an_event_are_refused_before_anything_is_counted(rows, tmp_path):
    path = write_lines(tmp_path / "other.ndjson", [b'{"who": "ann"}', b'{"who": "bob"}'])
    server = MemoryServer()
    with pytest.raises(ReplayError, match=r"none of the files' 2 rows .* \(the first: other.ndjson:1, missing actor\)"):
        await counted_files(server, run_over(rows[:60], rows[60:], [path], PARTITIONS))
    assert not any(held.partitions for held in server.namespaces.values())


async def test_another_file_is_refused_and_nothing_changed(run, tmp_path):
    server, path = MemoryServer(), tmp_path / "past.ndjson"
    with pytest.raises(Killed):
        await counted_files(server, run, dies_at(3, "after"))
    before, whole = server.snapshot(), path.read_bytes()
    path.write_bytes(whole.replace(b'"A"', b'"B"', 1))
    with pytest.raises(ReplayError, match=r"past.ndjson: is not the file that it was .*drop the run"):
        await counted_files(server, run)
    path.unlink()
    with pytest.raises(ReplayError, match=r"past\.ndjson: is no file"):
        await counted_files(server, run)
    assert server.snapshot() == before
    path.write_bytes(whole)
    assert await counted_files(server, run) is not None


async def test_a_broken_file_is_named(tmp_path, rows):
    packed = gzip.compress(b"".join(row.value + b"\n" for row in rows[:60]))
    (tmp_path / "cut.ndjson.gz").write_bytes(packed[:-20])
    with pytest.raises(AnalyzeError, match=r"cut.ndjson.gz: broken"):
        await counted_files(MemoryServer(), run_over(rows[:60], rows[60:], [tmp_path / "cut.ndjson.gz"], PARTITIONS))


async def test_packed_csv_counts_as_json_lines_do(run, rows, tmp_path):
    with gzip.open(tmp_path / "past.csv.gz", "wt", newline="") as file:
        writer = csv.DictWriter(file, ["user_id", "event", "time", "d", "id"])
        writer.writeheader()
        writer.writerows(row.fields for row in rows[:60])
    other = run_over(rows[:60], rows[60:], [tmp_path / "past.csv.gz"], PARTITIONS)
    server, _ = await counted_whole(other)
    assert await heads(server, other) == await heads((await counted_whole(run))[0], run)
    await counted_topic(server, other, rows[60:])
    assert compare(await shown(server, other), expected(rows)) == []


# --- what of them is counted

SEAM_MS = BEGAN_MS + 3_600_000


def lines_of(tmp_path, *events, ids=True):
    """Write (time, event) as rows of one person; `None` is a broken one."""
    return write_lines(tmp_path / "lines.ndjson", [
        b"{" if event is None else json.dumps(
            {"user_id": "ann", "event": event[1], "time": event[0], **({"id": f"e{number}"} if ids else {})}
        ).encode()
        for number, event in enumerate(events)
    ])  # fmt: skip


def write_lines(path, lines):
    path.write_bytes(b"\n".join(lines))
    return path


def one_partition(path, seam_ms=SEAM_MS):
    run = run_over(log_of(1, 1, 1), [], [path], 1)
    return msgspec.structs.replace(run, starts={0: Start(500, seam_ms=seam_ms)})


async def test_rows_that_the_topic_has_for_sure_are_left_to_it(tmp_path):
    path = lines_of(tmp_path, (SEAM_MS + SKEW_MS, "A"), (SEAM_MS + SKEW_MS + 1, "B"), None, (BEGAN_MS, "X"))
    server, read = await counted_whole(one_partition(path))
    assert read == FilesRead(rows=4, invalid=1, left=1, without_id=0, first_ms=BEGAN_MS, last_ms=SEAM_MS + SKEW_MS)
    (head,) = await heads(server, one_partition(path))
    assert head.watermark_ms == SEAM_MS, "a row ahead of the topic's first record makes nobody late"
    counted = {verdict: count for verdict, count in zip(Verdict, head.verdicts, strict=True) if count}
    assert counted == {Verdict.ACCEPTED: 1, Verdict.UNMATCHED: 1, Verdict.INVALID: 1}


async def test_the_watermark_ends_with_the_files_where_they_end_before_the_topic(tmp_path):
    path = lines_of(tmp_path, (BEGAN_MS + 9, "A"), (BEGAN_MS, "B"))
    server, _ = await counted_whole(one_partition(path))
    assert (await heads(server, one_partition(path)))[0].watermark_ms == BEGAN_MS + 9


async def test_rows_without_an_id_that_the_topic_may_have_too_are_told(tmp_path):
    near = SEAM_MS - LATENESS_MS
    path = lines_of(tmp_path, (near - 1, "A"), (near, "A"), (SEAM_MS, "B"), ids=False)
    _, read = await counted_whole(one_partition(path))
    assert read.without_id == 2


async def test_a_row_without_an_id_is_known_by_file_and_line(tmp_path):
    path = lines_of(tmp_path, (BEGAN_MS, "A"), (BEGAN_MS, "A"), ids=False)
    (tmp_path / "copy").mkdir()
    copy = write_lines(tmp_path / "copy" / path.name, path.read_bytes().splitlines())
    run = one_partition(path)
    run = msgspec.structs.replace(
        run, files=msgspec.structs.replace(run.files, files=(*run.files.files, *one_partition(copy).files.files))
    )
    server, _ = await counted_whole(run)
    verdicts = (await heads(server, run))[0].verdicts
    assert (verdicts[Verdict.ACCEPTED], verdicts[Verdict.DUPLICATE]) == (2, 2)


async def test_a_funnel_counts_from_the_first_row_on(run, rows):
    server, _ = await counted_whole(run)
    await counted_topic(server, run, rows[60:])
    firsts = [min(row.fields["time"] for row in rows[:60] if row.partition == number) for number in run.starts]
    assert {funnel.since_ms for funnel in (await shown(server, run)).funnels} == {max(firsts)}
