"""Files and then the topic are one log: the run says what a count of the whole stream says."""

import asyncio
import random
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.analyze.compare import broken_laws, compare
from stream.model.verdict import Verdict
from stream.replay import files_count
from stream.store.memory import MemoryServer
from support.exported import counted_files, counted_topic, expected, log_of, run_over, shown, write_ndjson


@given(
    seed=st.integers(0, 1 << 30),
    partitions=st.integers(1, 3),
    share=st.floats(0, 1),
    overlap=st.sampled_from([0, 5, 40]),
)
def test_a_run_over_files_and_topic_says_what_the_whole_log_says(files_in, seed, partitions, share, overlap):
    """The file has all that the topic lost, in any order, and `overlap` records that the topic has too."""
    rng = random.Random(seed)
    has_ids = overlap > 0 or rng.random() < 0.5
    rows = log_of(seed, rng.randrange(2, 120), partitions, has_ids=has_ids)
    cut = max(1, int(share * (len(rows) - partitions)))
    older, newer = rows[:cut], rows[cut:]
    exported = older + newer[: min(overlap, len(newer) - partitions)]
    rng.shuffle(exported)
    half = rng.randrange(len(exported) + 1)
    paths = [write_ndjson(files_in / f"{name}.ndjson", part) for name, part in
             (("one", exported[:half]), ("two", exported[half:]))]  # fmt: skip
    run = run_over(older, newer, paths, partitions)
    server = MemoryServer()

    async def counted():
        read = await counted_files(server, run)
        await counted_topic(server, run, newer)
        return read, await shown(server, run)

    with patch.object(files_count, "BATCH_ROWS", rng.choice([1, 7, 500])):
        read, found = asyncio.run(counted())
    wanted = expected(rows)
    assert read.rows == len(exported)
    assert read.left <= overlap
    assert found.verdicts[Verdict.LATE] == wanted.verdicts[Verdict.LATE] == 0
    assert found.watermark_ms == wanted.watermark_ms
    assert compare(found, wanted) == []
    assert broken_laws(found) == []


@pytest.fixture(scope="module")
def files_in(tmp_path_factory):
    return tmp_path_factory.mktemp("exported")
