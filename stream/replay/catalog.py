"""Make, stop, resume, drop and look at runs: everything about a run that is not counting.

In:  the store of the configured namespace, the settings.
Out: the document of the runs, changed; or `ReplayError`, and nothing was.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec

from stream.analyze.live import open_store, partition_count
from stream.analyze.read_topic import topic_spans
from stream.errors import KafkaRefused, KafkaUnavailable, ReplayError
from stream.replay.plan import Plan
from stream.replay.progress import WRITTEN_WITHIN_MS, Progress, State, progress_of, state_of
from stream.replay.run import read_heads
from stream.settings.counting import CountingRules, following
from stream.settings.texts import closest
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Store
from stream.store.redis_store import RedisStore
from stream.worker.refreshed import read_rollups
from stream.worker.runs import Files, Run, Runs, change_runs, namespace_of, read_runs

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_MAX_NAMESPACE = 64


@dataclass(frozen=True, slots=True)
class Look:
    """A run as it is now."""

    run: Run
    namespace: str
    state: State
    progress: Progress
    watermark_ms: int | None


def check_name(settings: TrackerSettings, name: str) -> None:
    """Raise `ReplayError` if a run cannot have this name."""
    if not _NAME.fullmatch(name):
        raise ReplayError(f'--name "{name}": 1 to 32 of a-z 0-9 _ - are right, the first a letter or digit')
    if len(namespace_of(settings.redis.namespace, name)) > _MAX_NAMESPACE:
        raise ReplayError(f'--name "{name}" makes a namespace of over {_MAX_NAMESPACE} letters: take a shorter one')


def settings_of(settings: TrackerSettings, run: Run) -> TrackerSettings:
    """Return the settings by which a run counts."""
    return following(settings, run.rules, namespace_of(settings.redis.namespace, run.name))


def group_of(live: str, run: str) -> str:
    """Return the consumer group of a run's processes."""
    return f"{live}.replay.{run}"


def open_run_store(settings: TrackerSettings, run: str) -> RedisStore:
    """Return the store of a run's namespace."""
    namespace = namespace_of(settings.redis.namespace, run)
    return open_store(replace(settings, redis=replace(settings.redis, namespace=namespace)))


async def make_run(base: Store, store: Store, run: Run) -> None:
    """Add a run. `store`: of its namespace. Raises `ReplayError` if its name is taken."""

    def add(runs: Runs) -> Runs:
        if run.name in runs.runs:
            raise ReplayError(
                f"there is a run {run.name} already: `funnel replay resume --name {run.name}` goes on with it, "
                "`funnel replay drop` removes it; or take another name"
            )
        return runs.with_run(run)

    add((await read_runs(base)).runs)
    if await partition_count(store):
        raise ReplayError(
            f"run {run.name} cannot be made: its namespace holds counts already, of a run that is not in the list "
            f"(`funnel replay drop --name {run.name} --unlisted` removes them) or of another tracker; take another name"
        )
    await change_runs(base, add)
    # A process of a run that was dropped may have written its funnels here once more, and these may be other ones.
    if await store.active_funnel_set() is not None:  # removing takes an operator's rights, counting does not
        await store.drop_namespace()


def new_run(name: str, topic: str, rules: CountingRules, plan: Plan, files: Files | None = None) -> Run:
    """Return a run that is made now."""
    return Run(name, topic, rules, plan.starts, plan.until, int(time.time() * 1000), gaps=plan.gaps, files=files)


async def find_run(base: Store, name: str) -> Run:
    """Return a run. Raises `ReplayError` if there is none of this name."""
    return named((await read_runs(base)).runs, name)


def named(runs: Runs, name: str) -> Run:
    """Return a run by its name. Raises `ReplayError` if there is none, or if it is being dropped."""
    run = runs.runs.get(name)
    if run is None:
        guess = closest(name, runs.runs)
        there = f'did you mean "{guess}"?' if guess else f"there are {len(runs.runs)}: {', '.join(sorted(runs.runs))}"
        raise ReplayError(f"there is no run {name} ({there if runs.runs else 'there is none at all'})")
    if run.is_dropped:
        raise ReplayError(f"run {name} is being dropped: `funnel replay drop --name {name}` once more ends that")
    return run


async def stop_run(base: Store, name: str) -> None:
    """Let a run's processes end at their next look. Raises `ReplayError` where that makes no sense."""

    def stop(runs: Runs) -> Runs:
        run = named(runs, name)
        _refuse_live(runs, name, "stopped")
        if run.is_stopped:
            raise ReplayError(f"run {name} is stopped already")
        return runs.with_run(msgspec.structs.replace(run, is_stopped=True))

    await change_runs(base, stop)


async def resume_run(base: Store, name: str, change: Callable[[Run], Run] = lambda run: run) -> Run:
    """Let a run go on, changed as `change` says; returns it. Raises `ReplayError` where that makes no sense."""

    def resume(runs: Runs) -> Runs:
        _refuse_live(runs, name, "resumed")
        return runs.with_run(msgspec.structs.replace(change(named(runs, name)), is_stopped=False))

    return named(await change_runs(base, resume), name)


async def check_end(store: Store, run: Run, until: Mapping[int, int] | None) -> None:
    """Raise `ReplayError` if a run cannot be given these end offsets. `store`: of its namespace."""
    if not run.is_stopped and await _is_counting(store, run):
        raise ReplayError(
            f"run {run.name} is counting up to the end it has: `funnel replay stop --name {run.name}` first, then it "
            "can be given another one"
        )
    for number, head in (await read_heads(store, run)).items():
        if until is not None and head.next_offset > until[number]:
            raise ReplayError(
                f"run {run.name} has counted partition {number} up to offset {head.next_offset} already, --to lies at "
                f"{until[number]}: give a later end, or start another run"
            )


async def drop_run(base: Store, store: Store, name: str) -> None:
    """Remove a run and all that it counted; interrupted, it is said again.

    Raises `ReplayError` while the run is live, needed, or counting.
    """
    runs = (await read_runs(base)).runs
    is_begun = name in runs.runs and runs.runs[name].is_dropped
    run = runs.runs[name] if is_begun else named(runs, name)
    _refuse_live(runs, name, "dropped")
    if not (run.is_stopped or is_begun) and await _is_counting(store, run):
        raise ReplayError(f"run {name} is still counting: `funnel replay stop --name {name}` first")

    def mark(runs: Runs) -> Runs:
        _refuse_live(runs, name, "dropped")
        return runs.with_run(msgspec.structs.replace(run, is_dropped=True))

    def remove(runs: Runs) -> Runs:
        return msgspec.structs.replace(runs, runs={key: each for key, each in runs.runs.items() if key != name})

    # First the mark, then the epochs: a process of the run that is still there can write no more, and ends.
    await change_runs(base, mark)
    await _remove(store, run.starts)
    await change_runs(base, remove)


async def drop_unlisted(base: Store, store: Store, name: str) -> None:
    """Remove the counts of a run that is not in the list, because Redis went back to before it was made.

    Raises `ReplayError` if it is there, or nothing is.
    """
    if name in (await read_runs(base)).runs.runs:
        raise ReplayError(f"run {name} is in the list: `funnel replay drop --name {name}` without --unlisted drops it")
    count = await partition_count(store)
    if not count:
        raise ReplayError(f"there is no run {name}, and no counts are left of one")
    await _remove(store, range(count))


async def drop_replaced(base: Store, opened: Callable[[str], Store]) -> list[str]:
    """Remove what was live before the newest promotion, earlier runs too; interrupted, it is said again.

    opened: the store of a run's namespace. Returns the namespaces that are gone, of runs by name and "" for the
    configured one. Raises `ReplayError` if no run is live.
    """

    def finish(runs: Runs) -> Runs:
        if not runs.promotions:
            raise ReplayError("no run is live, so that nothing was replaced")
        *earlier, last = runs.promotions
        return msgspec.structs.replace(runs, promotions=(*earlier, msgspec.structs.replace(last, is_final=True)))

    def forget(runs: Runs) -> Runs:
        left = {name: run for name, run in runs.runs.items() if name not in replaced}
        # Later switches stay: what is behind the mark is what they go back to.
        kept = runs.promotions[runs.promotions.index(last) :] if last in runs.promotions else runs.promotions
        return msgspec.structs.replace(runs, runs=left, promotions=kept)

    # First the mark: from then on nobody goes back to what is being removed.
    *earlier, last = (await change_runs(base, finish)).promotions
    replaced = [promotion.run for promotion in earlier]
    for store in [base, *map(opened, replaced)]:
        await _remove(store, range(await partition_count(store)))
    await change_runs(base, forget)
    return ["", *replaced]


async def _remove(store: Store, numbers: Iterable[int]) -> None:
    """Shut out whoever still writes these partitions, and remove all that the namespace holds."""
    for number in numbers:
        await store.raise_epoch(number)
    await store.drop_namespace()


def _refuse_live(runs: Runs, name: str, what: str) -> None:
    if any(promotion.run == name for promotion in runs.promotions):
        is_live = runs.promotions[-1].run == name
        why, way = (
            ("is live", "`funnel replay rollback` goes back")
            if is_live
            else ("was live before, and rolling back may need it", "`funnel replay drop --replaced` gives that up")
        )
        raise ReplayError(f"run {name} {why}, so that it cannot be {what}; {way}")


async def look_at(settings: TrackerSettings, store: Store, runs: Runs, run: Run, now_ms: int) -> Look:
    """Return what a run is doing. `store`: of its namespace."""
    heads = await read_heads(store, run)
    ends = None
    if run.until is None:
        try:
            ends = {number: span.end for number, span in (await topic_spans(settings.kafka, run.topic)).items()}
        except (KafkaUnavailable, KafkaRefused):
            ends = None  # what is stored can be told without Kafka
    progress = progress_of(run, heads, time.monotonic(), ends)
    is_live = runs.live is not None and runs.live.name == run.name
    state = state_of(
        run,
        progress,
        is_live=is_live,
        has_files_left=run.files is not None and heads.keys() < run.starts.keys(),
        written_ms=await _written_ms(store, run),
        now_ms=now_ms,
    )
    marks = [head.watermark_ms for head in heads.values() if head.watermark_ms is not None]
    return Look(run, namespace_of(settings.redis.namespace, run.name), state, progress, max(marks, default=None))


async def _is_counting(store: Store, run: Run) -> bool:
    written_ms = await _written_ms(store, run)
    if written_ms is None or time.time() * 1000 - written_ms >= WRITTEN_WITHIN_MS:
        return False
    return not progress_of(run, await read_heads(store, run), time.monotonic()).is_complete


async def _written_ms(store: Store, run: Run) -> int | None:
    partitions = (await read_rollups(store, len(run.starts))).partitions
    return max((each.written_ms for each in partitions.values()), default=None)
