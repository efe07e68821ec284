"""The runs beside a live namespace, and which namespace live numbers come from: one document in the store.

In:  the store of the configured namespace.
Out: its `Runs`: each run's plan and rules, and the promotions; changed by compare and swap.

A run counts in the namespace `<live>.<name>`. The last promotion points to the run that is live now; without
one the configured namespace is. Pointer and runs are one document, so that a switch is one write.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from stream.errors import StoreRefused
from stream.settings.counting import CountingRules
from stream.store.contract import Store

FORMAT = 1


class Start(msgspec.Struct, frozen=True):
    """Where a run begins on a partition.

    offset: of the first record that is read. since_ms: what entered from this instant on (ms UTC) is counted, what
    was read before is its warm-up; None where all is counted. seam_ms: record time of that record, where files are
    counted before it; None without files.
    """

    offset: int
    since_ms: int | None = None
    seam_ms: int | None = None


class File(msgspec.Struct, frozen=True):
    """A file as it was when the run was made. digest: of its bytes as they lie there."""

    path: str
    size_bytes: int
    digest: str


class Files(msgspec.Struct, frozen=True):
    """The older part of a run's log. partitioner: how its actors are spread over the topic's partitions.

    source: whose mapping reads the rows. format: json or csv; None for each by its name.
    """

    files: tuple[File, ...]
    partitioner: str
    source: str
    format: str | None = None


class Run(msgspec.Struct, frozen=True):
    """A named replay.

    topic: the log that is read. starts: by partition, all of them. until: end offsets by partition, None for a run
    that follows the log. made_ms: wall clock. is_stopped: whether its processes shall end. is_dropped: whether all of
    it is being removed. gaps: what could not be covered and was accepted, in words. files: what is counted before the
    topic, in the partitions' own heads.
    """

    name: str
    topic: str
    rules: CountingRules
    starts: dict[int, Start]
    until: dict[int, int] | None
    made_ms: int
    is_stopped: bool = False
    is_dropped: bool = False
    gaps: tuple[str, ...] = ()
    files: Files | None = None


class Promotion(msgspec.Struct, frozen=True):
    """A switch of live to a run. at_ms: wall clock. replaced: the rules that live counted by until then.

    `rollback` lets live go on by them. is_final: whether what was live before is being removed, so that it cannot.
    """

    run: str
    at_ms: int
    replaced: CountingRules
    is_final: bool = False


class Runs(msgspec.Struct, frozen=True):
    """All runs by name, and the promotions in force, newest last.

    rules: what live counts by since the last switch, there or back; None before the first. overruled: ids of the
    rules and of the sets of funnels (`activation.rules_id`, `funnel_set_id`) that are out of force since: who has these
    in its files follows `rules`.
    """

    runs: dict[str, Run] = {}
    promotions: tuple[Promotion, ...] = ()
    rules: CountingRules | None = None
    overruled: tuple[str, ...] = ()
    format: int = FORMAT

    @property
    def live(self) -> Run | None:
        """The run that is live; None where the configured namespace is."""
        return self.runs[self.promotions[-1].run] if self.promotions else None

    def with_run(self, run: Run) -> "Runs":
        """Return these with a run added, or put in the place of the one with its name."""
        return msgspec.structs.replace(self, runs={**self.runs, run.name: run})


class ReadRuns(NamedTuple):
    """The document as it was read: `bytes` for the swap, None if there is none."""

    runs: Runs
    document: bytes | None


_encode = msgspec.json.Encoder().encode


def namespace_of(live: str, run: str) -> str:
    """Return the namespace that a run of the live namespace counts in."""
    return f"{live}.{run}"


async def read_runs(store: Store) -> ReadRuns:
    """Read the document. Raises `StoreRefused` if a later release wrote it."""
    document = await store.runs_document()
    if document is None:
        return ReadRuns(Runs(), None)
    try:
        runs = msgspec.json.decode(document, type=Runs)
    except msgspec.DecodeError as error:
        raise StoreRefused(
            f"the document of the runs cannot be read ({error})", "use the release that wrote it"
        ) from error
    if runs.format != FORMAT:
        raise StoreRefused(
            f"the document of the runs has format {runs.format}, this release reads {FORMAT}",
            "use the release that wrote it",
        )
    return ReadRuns(runs, document)


async def change_runs(store: Store, change: Callable[[Runs], Runs]) -> Runs:
    """Read, change and write the document; begins anew where another process was faster."""
    while True:
        read = await read_runs(store)
        changed = change(read.runs)
        if changed == read.runs or await store.set_runs_document(_encode(changed), read.document):
            return changed
