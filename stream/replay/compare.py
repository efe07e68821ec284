"""Is a run equal to live: every number that both keep, at the same offsets and the same instant.

In:  the document of the runs, both namespaces, the log.
Out: a `Comparison`: what differs, what differs only as far as unsynced attempts can, what is not covered.

Nothing is written. Partitions are read one after the other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

from stream.aggregate.rollup import merge
from stream.analyze.compare import RowKey
from stream.analyze.document import iso
from stream.analyze.live import partition_count
from stream.analyze.read_topic import Log
from stream.errors import ReplayError
from stream.model.funnel import Funnel
from stream.model.result import FunnelRollup
from stream.replay.catalog import named
from stream.replay.coverage import Both, Coverage, coverage, totals_of
from stream.replay.rows import Kept, Number, Row, Rows, digest_of, rows_of
from stream.replay.scan import began_times, unsynced_actors, unsynced_of_run
from stream.replay.sides import Namespace, Side, at_one_offset, read_side
from stream.replay.unsynced import Unsynced
from stream.settings.counting import CountingRules, counting_rules, following
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Store
from stream.worker.activation import definition_id
from stream.worker.partition import Partition
from stream.worker.pointer import what_is_live
from stream.worker.runs import Run, Runs, namespace_of, read_runs

OpenStore = Callable[[TrackerSettings], Store]
"""Opens the store of the namespace that settings name."""

OpenLog = Callable[[str], AbstractAsyncContextManager[Log]]
"""Opens a topic."""

NO_ROWS = digest_of({})

_AMOUNTS = ("duration_ms ", "value ")
"""How the names of sums of amounts begin; all other numbers count attempts."""


class Place(NamedTuple):
    """Offsets of a partition: the one at which both are compared, and those up to which either is stored."""

    at: int
    live: int
    run: int


class Difference(NamedTuple):
    """A number of a row that is not the same. unsynced: how many unsynced attempts could have part in it, at most."""

    funnel: str
    row: RowKey
    name: str
    live: Number
    run: Number
    unsynced: int = 0


@dataclass
class Comparison:
    """What came out.

    live, run: the namespaces. rows: how many were compared. since_ms: by funnel, from when on both have all; absent
    where they have everything. differences: what must not be. unsynced: what differs, but only where and as much as
    unsynced attempts can. not_covered: in words, what only one of them can know. digests: of all rows compared, of
    live and of the run. stored_digest: of all rows of the run at its stored offsets, whatever live is.
    """

    live: Namespace
    run: Namespace
    as_of_ms: int | None
    places: Mapping[int, Place]
    rows: int = 0
    since_ms: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    unsynced: list[Difference] = field(default_factory=list)
    unsynced_actors: Mapping[str, Unsynced] = field(default_factory=dict)
    not_covered: list[str] = field(default_factory=list)
    digests: tuple[str, str] = (NO_ROWS, NO_ROWS)
    stored_digest: str = NO_ROWS

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs but what cannot be known."""
        return not self.differences


async def compare_run(
    settings: TrackerSettings, funnels: Sequence[Funnel], name: str, open_log: OpenLog, open_store: OpenStore
) -> Comparison:
    """Compare a run with live; one that is live, with what it replaced.

    Raises `ReplayError` where there is nothing to compare, `FunnelError` where the operator must act.
    """
    async with AsyncExitStack() as stack:

        def opened(settings: TrackerSettings) -> Store:
            store = open_store(settings)
            stack.push_async_callback(store.close)
            return store

        async def read(namespace: Namespace) -> Side:
            own = following(settings, namespace.rules, namespace.name)
            return await read_side(namespace, own, opened(own))

        runs = (await read_runs(opened(settings))).runs
        live, run = namespaces_of(runs, settings, funnels, name)
        if live.topic != run.topic:
            raise ReplayError(
                f"{run} reads topic {run.topic}, {live} reads {live.topic}: they have no offsets in common"
            )
        sides = await read(live), await read(run)
        return await _compare(*sides, await stack.enter_async_context(open_log(run.topic)))


def namespaces_of(
    runs: Runs, settings: TrackerSettings, funnels: Sequence[Funnel], name: str
) -> tuple[Namespace, Namespace]:
    """Return what a run is compared with, and the run. Raises `ReplayError` if there is no such run."""
    live = what_is_live(settings, funnels, runs)
    # Workers may go on in it by newer files than those it was made with, or by older rules than their files say.
    by_rules = counting_rules(live.settings, live.funnels)
    run = named(runs, name)
    if live.run is None or live.run.name != name:
        return _namespace(settings, "live", live.run, by_rules), _namespace(settings, f"run {name}", run, run.rules)
    *earlier, last = runs.promotions
    if last.is_final:
        raise ReplayError(f"run {name} is live, and what it replaced was dropped: nothing is left to compare it with")
    before = runs.runs[earlier[-1].run] if earlier else None
    replaced = _namespace(settings, "what it replaced", before, last.replaced)
    return replaced, _namespace(settings, f"run {name}", run, by_rules)


def _namespace(settings: TrackerSettings, label: str, run: Run | None, rules: CountingRules) -> Namespace:
    """Return where a run counts by these rules; without one, the configured namespace."""
    base = settings.redis.namespace
    if run is None:
        return Namespace(label, base, following(settings, rules, base).log_topic, rules)
    return Namespace(label, namespace_of(base, run.name), run.topic, rules, run.starts, run.gaps)


async def unsynced_of(
    settings: TrackerSettings, run: Run, open_log: OpenLog, open_store: OpenStore
) -> Mapping[str, Unsynced]:
    """Return what is unsynced of a run as it is stored, by funnel. Raises as `compare_run` does."""
    namespace = _namespace(settings, f"run {run.name}", run, run.rules)
    own = following(settings, run.rules, namespace.name)
    store = open_store(own)
    try:
        async with open_log(run.topic) as log:
            return await unsynced_of_run(await read_side(namespace, own, store), log)
    finally:
        await store.close()


async def _compare(live: Side, run: Side, log: Log) -> Comparison:
    numbers = await _partitions(live, run)
    both = {number: await at_one_offset(live, run, number, log) for number in numbers}
    found = Comparison(live.namespace, run.namespace, _as_of_ms(both), _places(both))
    common = _funnels_of_both(found)
    found.not_covered += _gaps(live, run, both)
    if found.as_of_ms is None:
        return found
    began_ms = await began_times((live, run), numbers, log)
    covers = {funnel.key: coverage(funnel, live, run, both, began_ms) for funnel in common}
    found.since_ms = {key: cover.since_ms for key, cover in covers.items() if cover.since_ms is not None}
    found.unsynced_actors = await unsynced_actors(run, both, covers, log)
    live_rows, run_rows = (
        _rows([own[side].partition for own in both.values()], covers, found.as_of_ms) for side in (0, 1)
    )
    for key, cover in covers.items():
        live_rows[key], run_rows[key] = (_covered(rows, key, cover, found) for rows in (live_rows[key], run_rows[key]))
        found.rows += len(live_rows[key].keys() | run_rows[key].keys())
        unsynced = found.unsynced_actors.get(key, Unsynced())
        for difference in _differences(key, live_rows[key], run_rows[key], unsynced):
            (found.unsynced if difference.unsynced else found.differences).append(difference)
    if not found.rows and found.since_ms:
        raise ReplayError(
            f"nothing of {live.namespace} and {run.namespace} can be compared yet: both have all of what enters from "
            f"{iso(min(found.since_ms.values()))} on, and nothing has"
        )
    found.digests = digest_of(live_rows), digest_of(run_rows)
    found.stored_digest = _stored_digest([own[1].stored for own in both.values()])
    return found


def _covered(rows: Rows, funnel: str, cover: Coverage, found: Comparison) -> Rows:
    """Return the rows that can be compared; notes what the others are of."""
    covered = {key: row for key, row in rows.items() if cover.has(key, row)}
    texts = {f"{funnel}: {_uncovered(key, row, cover)}" for key, row in rows.items() if key not in covered}
    found.not_covered += sorted(texts.difference(found.not_covered))
    return covered


async def _partitions(live: Side, run: Side) -> list[int]:
    """Return the log's partitions. Raises `ReplayError` if the two have not counted the same ones."""
    counts = [await partition_count(side.store) for side in (live, run)]
    for side, count in zip((live, run), counts, strict=True):
        if not count:
            raise ReplayError(f"{side.namespace} has counted nothing yet")
    if counts[0] != counts[1]:
        raise ReplayError(
            f"{live.namespace} has counted a log of {counts[0]} partitions, {run.namespace} one of {counts[1]}: "
            "the log was repartitioned in between, so they cannot be compared"
        )
    return list(range(counts[0]))


def _as_of_ms(both: Both) -> int | None:
    marks = [own.partition.head.watermark_ms for counted in both.values() for own in counted]
    return max((mark for mark in marks if mark is not None), default=None)


def _places(both: Both) -> dict[int, Place]:
    return {
        number: Place(ours.partition.head.next_offset, ours.stored.head.next_offset, theirs.stored.head.next_offset)
        for number, (ours, theirs) in both.items()
    }


def _funnels_of_both(found: Comparison) -> list[Funnel]:
    """Return the funnels that both count alike; notes what one alone counts, and which rules are not the same.

    Raises `ReplayError` if there are none.
    """
    live, run = found.live.rules, found.run.rules
    ours, theirs = ({funnel.key: funnel for funnel in rules.funnels} for rules in (live, run))
    for label, own, other in ((found.live.label, ours, theirs), (found.run.label, theirs, ours)):
        found.not_covered += [f"{key}: only {label} counts it" for key in sorted(own.keys() - other.keys())]
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        raise ReplayError(
            f"{found.run} counts {', '.join(sorted(theirs))}, {found.live} counts {', '.join(sorted(ours))}: they have "
            "no funnel in common that could be compared"
        )
    for key in common:
        if definition_id(ours[key]) != definition_id(theirs[key]):
            raise ReplayError(f"{key} has another definition in {found.run} than in {found.live}: compare has no use")
    names = {"sources": "sources", "rolling": "rolling windows", "age_matched": "ages", "bot_cap": "bot cap"}
    found.not_covered += [
        f"{text}: {found.live.label} and {found.run.label} go by different settings"
        for name, text in names.items()
        if getattr(live, name) != getattr(run, name)
    ]
    return [theirs[key] for key in common]


def _gaps(live: Side, run: Side, both: Both) -> Iterator[str]:
    """Yield what either could not count or was told to skip, in words: a reason why much may differ."""
    for side in (live, run):
        yield from side.namespace.gaps
    for number, counted in both.items():
        for side, own in zip((live, run), counted, strict=True):
            gaps = own.partition.head.gaps
            if gaps:
                yield f"partition {number}: {side.namespace.label} has skipped {gaps} records (funnel resume)"


def _rows(partitions: Sequence[Partition], covers: Mapping[str, Coverage], as_of_ms: int) -> dict[str, Rows]:
    """Return all rows of one side by funnel."""
    rollups = _rollups(partitions, as_of_ms)
    return {
        key: rows_of(_kept(partitions, key, rollups[key], as_of_ms, cover.windows_ms)) for key, cover in covers.items()
    }


def _rollups(partitions: Sequence[Partition], as_of_ms: int) -> dict[str, FunnelRollup]:
    merged = merge([partition.roll_up(partition.head, as_of_ms, {}, 0, 0) for partition in partitions])
    return {} if merged is None else {funnel.key: funnel for funnel in merged.funnels}


def _kept(
    partitions: Sequence[Partition], key: str, rollup: FunnelRollup, as_of_ms: int, kept_ms: Mapping[str, int]
) -> Kept:
    totals = [totals_of(partition, key) for partition in partitions]
    marks = [partition.head.watermark_ms for partition in partitions]
    return Kept(totals, [as_of_ms if mark is None else mark for mark in marks], rollup, as_of_ms, kept_ms)


def _uncovered(key: RowKey, row: Row, cover: Coverage) -> str:
    """Return what a row that is not compared is of, without its segment."""
    kind, *place = key[:-1]
    if row.breakdown in cover.full:
        return f"segments of {row.breakdown}, of which more came than are counted by name"
    if kind in {"total", "settled", "occupancy"}:
        return kind
    if kind in {"window", "period"}:
        return " ".join([kind, *filter(None, place)])
    since_ms = cover.events_since_ms if row.of_events else cover.since_ms
    before = "" if since_ms is None else f" before {iso(since_ms)}"
    return f"{' '.join([kind, *place[:-1]])}{before}"


def _differences(funnel: str, live: Rows, run: Rows, unsynced: Unsynced) -> Iterator[Difference]:
    for key in sorted(live.keys() | run.keys()):
        ours, theirs = live.get(key), run.get(key)
        row = ours or theirs
        assert row is not None  # noqa: S101 - it is in one of them
        left: Mapping[str, Number] = {} if ours is None else ours.numbers
        right: Mapping[str, Number] = {} if theirs is None else theirs.numbers
        names = [name for name in sorted(left.keys() | right.keys()) if left.get(name, 0) != right.get(name, 0)]
        within = unsynced.within(row) if names else 0
        for name in names:
            one, other = left.get(name, 0), right.get(name, 0)
            # An unsynced attempt is one: it cannot be the reason why more of them differ.
            is_reason = name.startswith(_AMOUNTS) or -within <= one - other <= within
            yield Difference(funnel, key, name, one, other, within if is_reason else 0)


def _stored_digest(partitions: Sequence[Partition]) -> str:
    """Return the digest of all that is stored, at the instant of the largest watermark in it."""
    as_of_ms = max((each.head.watermark_ms for each in partitions if each.head.watermark_ms is not None), default=0)
    rows = {}
    for key, rollup in _rollups(partitions, as_of_ms).items():
        totals = totals_of(partitions[0], key)
        kept_ms = {window.name: ring.keep_ms for window, ring in zip(totals.rolling, totals.windows, strict=True)}
        rows[key] = rows_of(_kept(partitions, key, rollup, as_of_ms, kept_ms))
    return digest_of(rows)
