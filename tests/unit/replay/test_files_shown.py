"""What people are told of a run with files: how far it is, and what the files held."""

import msgspec
import pytest

from stream.errors import ReplayError
from stream.replay.files import HowRead, plan_files
from stream.replay.files_count import FilesRead, are_counted
from stream.replay.progress import State, progress_of, state_of
from stream.replay.run import read_heads
from stream.replay.show import RunProgress, files_text
from stream.store.contract import PartitionHead
from stream.store.memory import MemoryServer
from support.exported import BEGAN_MS, SETTINGS, log_of, run_over, store_of, write_ndjson

NOW_MS = BEGAN_MS + 10_000_000


@pytest.fixture
def run(tmp_path):
    rows = log_of(3, 20, 2)
    return run_over(rows[:10], rows[10:], [write_ndjson(tmp_path / "past.ndjson", rows[:10])], 2)


async def test_a_partition_whose_rows_are_being_counted_has_read_nothing_of_the_topic(run):
    server = MemoryServer()
    store = store_of(server, run)
    await store.create_head(0, PartitionHead(900, epoch=1))
    await store.create_head(1, PartitionHead(run.starts[1].offset + 3, epoch=1, first_offset=run.starts[1].offset))
    heads = await read_heads(store, run)
    assert heads.keys() == {1}
    assert progress_of(run, heads, 0.0, {number: start.offset + 5 for number, start in run.starts.items()}).done == 3
    assert not await are_counted(store, run)


@pytest.mark.parametrize(("is_stopped", "state"), [(False, State.FILES), (True, State.STOPPED)])
def test_until_the_files_are_counted_the_state_says_so(run, is_stopped, state):
    run = msgspec.structs.replace(run, is_stopped=is_stopped)
    progress = progress_of(run, {}, 0.0)
    assert state_of(run, progress, is_live=False, written_ms=None, now_ms=NOW_MS, has_files_left=True) is state


def test_what_the_files_held_is_told_in_full(run):
    read = FilesRead(rows=1_200, invalid=7, left=30, without_id=4, first_ms=BEGAN_MS, last_ms=BEGAN_MS + 60_000)
    spans = "2023-11-14T22:13:20.000Z to 2023-11-14T22:14:20.000Z; the topic begins at 2023-11-14T22:13:30.503Z"
    assert files_text(run, read) == [
        f"1 200 rows in the files, 1 163 counted before the topic ({spans})",
        "30 left to Kafka: they are of when the topic had begun",
        "7 mean no event; `funnel probe FILE` says why",
        "4 without an id are of when the topic began: those that it has too are counted twice",
    ]


def test_what_is_not_so_is_not_told(run):
    assert files_text(run, FilesRead(0, 0, 0, 0, None, None)) == ["0 rows in the files, 0 counted before the topic"]


def test_each_part_of_the_way_has_a_pace_of_its_own(run, capsys):
    with RunProgress(run) as progress:
        progress.tell_files("reading files (bytes)", 1_000, 1_000)
        progress.tell_files("counting files (rows)", 50, 50)
        progress.tell(progress_of(run, {}, 1e9))
    assert capsys.readouterr().err.splitlines() == [
        "run past: reading files (bytes) 100% of 1 000",
        "run past: counting files (rows) 100% of 50",
        "run past: 0 read",
    ]


@pytest.mark.parametrize(
    ("how", "text"),
    [
        (HowRead(partitioner="fnv"), "--partitioner fnv: there is no such one"),
        (HowRead(source="shopp"), r"--files-source shopp: there is no such source \(try one of: shop\)"),
    ],
)
async def test_what_cannot_be_is_refused_before_anybody_is_asked(how, text):
    with pytest.raises(ReplayError, match=text):
        await plan_files(SETTINGS, {}, [], how, NOW_MS)
