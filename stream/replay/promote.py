"""Switch live to a run, and back.

In:  the stores of the configured namespace and of those that are switched between; where the log's partitions end.
Out: the document of the runs, changed by compare and swap; or `ReplayError`, and nothing was changed.

First the run is held still, by raising its epochs, until live has come as far: so whatever live has not counted yet,
dead letters and all, is counted by the workers that follow. Then the epochs of what is live are raised, so that nobody
can write there who does not look at the document; then the document is changed, which is the switch. Whoever is
interrupted in between says the same again: until then workers, and processes of the run, go on where they were.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from stream.analyze.live import partition_count
from stream.analyze.read_topic import Span
from stream.errors import ReplayError
from stream.replay.catalog import named
from stream.settings.counting import CountingRules
from stream.store.contract import PartitionHead, Store
from stream.worker.activation import SECRET, ActiveSet, counted_otherwise, counting_of
from stream.worker.pointer import promoted, rolled_back
from stream.worker.runs import Run, Runs, change_runs, read_runs

MAX_LAG_RECORDS = 10_000
LIVE_COMES_WITHIN_S = 2.0
"""Live counts what a run has counted within a fraction of a second, or it is far behind."""
POLL_S = 0.05


class Place(NamedTuple):
    """Where a switch happens. opened: returns the store of a run by its name, of the configured namespace for "".

    topic, spans: the log, and its offsets by partition. patience_s: how long live may take to come as far as the run.
    """

    opened: Callable[[str], Store]
    topic: str
    spans: Mapping[int, Span]
    patience_s: float = LIVE_COMES_WITHIN_S


class Side(NamedTuple):
    """What is live before or after a switch. name: of the run, "" for the configured namespace."""

    name: str
    store: Store

    @property
    def title(self) -> str:
        """What it is, in words."""
        return f"run {self.name}" if self.name else "the configured namespace"


class Switch(NamedTuple):
    """A switch that was made. epochs: of `now` when it was made, by partition; a worker that takes one over raises it.

    lag_records: what was not counted there yet. at_offsets: where `before` stood. ahead: records that were counted in
    `now` and not yet in `before`; of these there are no dead letters.
    """

    before: Side
    now: Side
    epochs: Mapping[int, int]
    lag_records: int
    at_offsets: Mapping[int, int]
    ahead: int = 0


async def promote(place: Place, name: str, files: CountingRules, max_lag: int, now_ms: int) -> Switch:
    """Make a run live. `files`: the rules of the caller's files. Raises `ReplayError` where the run cannot be live."""
    base = place.opened("")
    runs = (await read_runs(base)).runs
    run = named(runs, name)
    _check_run(runs, run, place.topic)
    before, now = _side(runs, place), Side(name, place.opened(name))
    live, own = await _active_set(before.store), await _active_set(now.store)
    _check_counted(run, live, own)
    heads = await _heads(now, place.spans)
    lag = _lag(heads, place.spans)
    if lag > max_lag:
        raise ReplayError(
            f"run {name} is {lag} records behind, at most {max_lag} are right (--max-lag): wait until it has caught "
            f"up; `funnel replay status --name {name}` shows how far it is"
        )
    # Where no worker ever began, or one of a release that did not note it, the files are what is known.
    replaced = files if live is None else counting_of(live) or files
    heads = await _held_still(now, before.store, place)
    left = await _shut(before.store)

    def switch(newest: Runs) -> Runs:
        _check_unchanged(runs, newest)
        if named(newest, name) != run:
            raise ReplayError(f"run {name} was stopped, resumed or made anew just now: say it again")
        return promoted(newest, name, now_ms, replaced, _known_sets(live))

    await change_runs(base, switch)
    ahead = sum(max(0, head.next_offset - left[number]) for number, head in heads.items() if number in left)
    return Switch(before, now, _epochs(heads), lag, left, ahead)


async def roll_back(place: Place) -> Switch:
    """Let live go on where it was before the newest promotion. Raises `ReplayError` where it cannot."""
    base = place.opened("")
    runs = (await read_runs(base)).runs
    if not runs.promotions:
        raise ReplayError("no run is live, so that there is nothing to go back from")
    last = runs.promotions[-1]
    if last.is_final:
        raise ReplayError(f"what run {last.run} replaced was dropped (drop --replaced): there is nothing to go back to")
    before = _side(runs, place)
    now = _side(msgspec.structs.replace(runs, promotions=runs.promotions[:-1]), place)
    heads = await _heads(now, place.spans) if await partition_count(now.store) else {}
    live = await _active_set(before.store)
    counted = (None if live is None else counting_of(live)) or runs.runs[last.run].rules
    left = await _shut(before.store)

    def switch(newest: Runs) -> Runs:
        _check_unchanged(runs, newest)
        return rolled_back(newest, counted, _known_sets(live))

    await change_runs(base, switch)
    return Switch(before, now, _epochs(heads), _lag(heads, place.spans), left)


async def taken_over(switch: Switch, within_s: float) -> dict[int, float]:
    """Wait until workers have taken over what is live now; returns after how many seconds, by partition.

    Partitions that nobody has taken over `within_s` seconds are left out.
    """
    began_s = time.monotonic()
    found: dict[int, float] = {}
    while len(found) < len(switch.epochs):
        waited_s = time.monotonic() - began_s
        for number in switch.epochs.keys() - found.keys():
            head = await switch.now.store.load_head(number)
            if head is not None and head.epoch > switch.epochs[number]:
                found[number] = waited_s
        if waited_s > within_s:
            break
        await asyncio.sleep(POLL_S)
    return found


def _check_run(runs: Runs, run: Run, topic: str) -> None:
    """Refuse a run that by its plan cannot be what comes next."""
    live = runs.live
    if live is not None and live.name == run.name:
        raise ReplayError(f"run {run.name} is live already")
    if run.until is not None:
        raise ReplayError(
            f"run {run.name} ends at offsets that are fixed, so that live could not go on from it: "
            f"`funnel replay resume --name {run.name} --to follow` lets it follow the log"
        )
    if run.topic != topic:
        raise ReplayError(f"run {run.name} counts topic {run.topic}, live counts {topic}")
    if live is not None and run.made_ms < live.made_ms:
        raise ReplayError(
            f"run {run.name} is older than run {live.name}, which is live: make a new one, or go back with "
            "`funnel replay rollback`"
        )


def _check_counted(run: Run, live: ActiveSet | None, own: ActiveSet | None) -> None:
    """Refuse a run that does not count all that live does, by definitions as new, under the same keys of actors."""
    if own is None:
        raise ReplayError(f"run {run.name} has counted nothing yet: `funnel replay resume --name {run.name}` counts on")
    if live is None:
        return
    newest = _versions(own)
    for name, version in sorted(_versions(live).items()):
        if name not in newest:
            raise ReplayError(
                f"run {run.name} does not count funnel {name}, which live counts: start a run with all funnels of live"
            )
        if newest[name] < version:
            raise ReplayError(
                f"run {run.name} counts {name}@{newest[name]}, live counts {name}@{version} already: the run is older; "
                "start a new one, or raise the version of the definition that is to come back"
            )
    otherwise = [key for key in counted_otherwise(run.rules.funnels, live) if key in live.numbers]
    if otherwise:
        raise ReplayError(
            f"run {run.name} counts {', '.join(otherwise)} with another definition than live does: give the changed "
            "one a new version, and start a new run"
        )
    if live.rules.get(SECRET) != own.rules.get(SECRET):
        raise ReplayError(
            f"run {run.name} was counted with another actor_secret than live: start a new run with live's"
        )


def _versions(active: ActiveSet) -> dict[str, int]:
    """Return the newest version of each funnel in a set."""
    versions: dict[str, int] = {}
    for key in active.numbers:
        name, _, version = key.rpartition("@")
        versions[name] = max(versions.get(name, 0), int(version))
    return versions


def _check_unchanged(known: Runs, newest: Runs) -> None:
    if known.promotions != newest.promotions:
        raise ReplayError("somebody else has switched live just now: look again with `funnel replay list`")


def _side(runs: Runs, place: Place) -> Side:
    name = "" if runs.live is None else runs.live.name
    return Side(name, place.opened(name))


async def _active_set(store: Store) -> ActiveSet | None:
    document = await store.active_funnel_set()
    return None if document is None else msgspec.json.decode(document, type=ActiveSet)


def _known_sets(active: ActiveSet | None) -> list[str]:
    """Return the ids of all sets of funnels, and of rules, that are or were counted there."""
    return [] if active is None else [*active.replaced, active.id]


async def _heads(side: Side, spans: Mapping[int, Span]) -> dict[int, PartitionHead]:
    """Return the heads of all partitions of the log.

    Raises `ReplayError` where one is missing, or the log has not what comes next any more.
    """
    found = {number: await side.store.load_head(number) for number in sorted(spans)}
    # That of a run without an offset of the log at which it began is still in the files that come first.
    heads = {n: head for n, head in found.items() if head is not None and not (side.name and head.first_offset is None)}
    missing = [str(number) for number in found if number not in heads]
    if missing:
        raise ReplayError(f"{side.title} has not begun with partitions {', '.join(missing)} of the topic: wait until "
                          "it has")  # fmt: skip
    other = [head.partition_count for head in heads.values() if head.partition_count != len(spans)]
    if other:
        raise ReplayError(f"{side.title} was counted from {other[0]} partitions, the log has {len(spans)} now")
    for number, head in heads.items():
        if head.next_offset < spans[number].first:
            raise ReplayError(
                f"{side.title} stands at offset {head.next_offset} of partition {number}, and the log begins at "
                f"{spans[number].first}: what lies between was deleted, so that live cannot go on there"
            )
    return heads


def _lag(heads: Mapping[int, PartitionHead], spans: Mapping[int, Span]) -> int:
    return sum(max(0, spans[number].end - head.next_offset) for number, head in heads.items())


def _epochs(heads: Mapping[int, PartitionHead]) -> dict[int, int]:
    return {number: head.epoch for number, head in heads.items()}


async def _held_still(side: Side, live: Store, place: Place) -> dict[int, PartitionHead]:
    """Let nobody count a run on for some seconds, and wait until live has come as far; returns where it stands."""
    for number in place.spans:
        await side.store.raise_epoch(number)
    heads = await _heads(side, place.spans)
    deadline = time.monotonic() + place.patience_s
    while time.monotonic() < deadline:
        counted = {number: await live.load_head(number) for number in heads}
        if all(head is None or head.next_offset >= heads[number].next_offset for number, head in counted.items()):
            break
        await asyncio.sleep(POLL_S)
    return heads


async def _shut(store: Store) -> dict[int, int]:
    """Raise the epochs of what is live, partition by partition; returns where each stands."""
    left: dict[int, int] = {}
    for number in range(await partition_count(store)):
        if await store.raise_epoch(number) is not None:
            head = await store.load_head(number)
            left[number] = 0 if head is None else head.next_offset
    return left
