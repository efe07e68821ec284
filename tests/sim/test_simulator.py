"""The simulator itself: a seed is one story, and what is broken is noticed."""

import pytest

from stream.errors import StoreUnavailable
from stream.store.contract import Commit, CommitResult
from stream.store.memory import MemoryStore
from stream.worker.partition import Partition
from stream.worker.tracker import Tracker
from support.sim.faults import plan
from support.sim.traffic import random_case
from support.sim.world import run

RECORDS = 60
SEEDS = range(100)


class Trusting(MemoryStore):
    """Stores every commit, wherever the partition stands."""

    def _apply(self, commit: Commit) -> CommitResult:
        held = self._held(commit.partition)
        if held is not None:
            object.__setattr__(commit, "expected", held.head.position)
        return super()._apply(commit)


class Proud(Tracker):
    """Keeps what it has in memory after a commit was refused, and only goes on where the store stands."""

    async def _reload(self, refused: Partition) -> int:
        head = await self._store.load_head(refused.number)
        if head is None:
            raise StoreUnavailable("commit", (refused.number,), "the partition's head is gone")
        refused.head = head
        return head.next_offset


def test_a_seed_is_one_story():
    first, again = [run(random_case(7, RECORDS), plan(7, 2)) for _ in range(2)]
    assert first == again


@pytest.mark.parametrize("broken", [{"kind": Trusting}, {"make": Proud}], ids=["a-store", "a-tracker"])
def test_what_is_broken_is_noticed(broken):
    assert any(run(case, plan(seed, case.workers), **broken).wrong
               for seed in SEEDS for case in [random_case(seed, RECORDS)])  # fmt: skip
