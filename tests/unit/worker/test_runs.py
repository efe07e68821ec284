"""The document of the runs: it survives JSON, other releases' are refused, and nobody's change is lost."""

import json

import pytest
from msgspec.structs import replace

from stream.errors import StoreRefused
from stream.store.memory import MemoryStore
from stream.worker.runs import Promotion, Runs, Start, change_runs, namespace_of, read_runs
from support.runs import RULES, Place, run_named


@pytest.fixture
def place():
    return Place()


WARM = replace(run_named("warm", {0: 7, 1: 9}), starts={0: Start(3, 1_000), 1: Start(0)}, gaps=("a", "b"))


@pytest.mark.parametrize("runs", [
    Runs(),
    Runs({"r": run_named("r")}),
    Runs({"r": run_named("r"), "warm": WARM}, (Promotion("r", 5, RULES), Promotion("warm", 6, RULES))),
], ids=["none", "one", "promoted"])  # fmt: skip
async def test_what_is_written_is_read(place, runs):
    assert await change_runs(place.base, lambda _: runs) == runs
    assert (await read_runs(place.base)).runs == runs


async def test_before_the_first_there_are_none(place):
    read = await read_runs(place.base)
    assert (read.runs, read.document) == (Runs(), None)


async def test_the_last_promotion_says_which_run_is_live(place):
    await place.has(run_named("r"), run_named("s"))
    assert (await read_runs(place.base)).runs.live is None
    await place.has(run_named("r"), run_named("s"), promotions=("r", "s"))
    assert (await read_runs(place.base)).runs.live.name == "s"


async def test_a_change_that_changes_nothing_writes_nothing(place):
    await change_runs(place.base, lambda runs: runs)
    assert await place.base.runs_document() is None


def test_a_run_counts_beside_the_live_namespace():
    assert namespace_of("live", "r") == "live.r"


async def written(place, **changes):
    await place.has(run_named("r"))
    document = await place.base.runs_document()
    changed = json.dumps(json.loads(document) | changes).encode()
    assert await place.base.set_runs_document(changed, document)


async def test_the_format_of_a_later_release_is_refused_and_left_as_it_is(place):
    await written(place, format=2)
    before = place.held()
    with pytest.raises(StoreRefused) as raised:
        await change_runs(place.base, lambda runs: runs.with_run(run_named("s")))
    assert str(raised.value) == (
        "store: the document of the runs has format 2, this release reads 1; use the release that wrote it"
    )
    assert place.held() == before


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b'{"runs": {"r": {}}}', b"\xff"])
async def test_what_cannot_be_read_is_refused(place, document):
    await place.base.set_runs_document(document, None)
    with pytest.raises(StoreRefused, match=r"the document of the runs cannot be read .*use the release that wrote it"):
        await read_runs(place.base)


async def test_what_a_release_of_the_same_format_has_added_is_passed_over(place):
    await written(place, more=1)
    assert list((await read_runs(place.base)).runs.runs) == ["r"]


class Raced(MemoryStore):
    """Another process writes just before each of the first `races` writes."""

    races = 2

    async def set_runs_document(self, document, expected):
        if self.races:
            self.races -= 1
            other = MemoryStore(self._server, shards=self.shards)
            name = f"raced{self.races}"
            await change_runs(other, lambda runs: runs.with_run(run_named(name)))
        return await super().set_runs_document(document, expected)


async def test_whoever_was_slower_changes_what_the_faster_one_wrote(place):
    base = Raced(place.server, shards=4)
    seen = []

    def add(runs):
        seen.append(sorted(runs.runs))
        return runs.with_run(run_named("r"))

    changed = await change_runs(base, add)
    assert seen == [[], ["raced1"], ["raced0", "raced1"]]
    assert sorted(changed.runs) == ["r", "raced0", "raced1"]
    assert (await read_runs(place.base)).runs == changed
