"""`funnel replay`: count a topic again, in a namespace of its own, beside the live numbers.

In:  the command line; the tracker file and its funnels; the store's list of runs.
Out: a run and its progress on standard error; exit status 0, or 1 if it did not come to its end.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from stream.analyze.live import open_live, open_store, partition_count
from stream.analyze.read_topic import Topic
from stream.cli import replay_compare, replay_promote
from stream.cli.worker import port_number
from stream.errors import ReplayError
from stream.model.funnel import Funnel
from stream.replay import catalog
from stream.replay.catalog import Look, open_run_store
from stream.replay.compare import unsynced_of
from stream.replay.compared import unsynced_documents
from stream.replay.files import HowRead, plan_files
from stream.replay.files_count import FilesCount, are_counted
from stream.replay.partitioner import PARTITIONERS
from stream.replay.plan import From, Log, To, Word, from_of, make_end, make_plan, to_of
from stream.replay.show import RunProgress, files_text, run_document, show_run, show_runs
from stream.settings.counting import counting_rules
from stream.settings.load import load_funnels, load_tracker
from stream.settings.texts import closest
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Store
from stream.worker.runs import Run, Runs, read_runs

_Answer = TypeVar("_Answer")

_GO_ON = "`funnel replay resume --name {}` goes on"


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its own commands."""
    parser = subparsers.add_parser(
        "replay",
        help="count a topic again beside the live numbers; compare, switch to it, switch back",
        description="A run counts the topic again in a namespace of its own. Live numbers, topics and offsets are not "
        "touched. Started on several machines, its processes share the partitions.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    start = _command(commands, "start", "make a run and count until it ends", _start)
    start.add_argument("--funnel", action="append", metavar="NAME", help="count only this funnel (repeatable; by "
                       "default all, and only such a run can be promoted)")  # fmt: skip
    start.add_argument("--from", dest="begin", default="earliest", metavar="WHERE", help="earliest (default), live "
                       "(where live began), an ISO 8601 instant, or offsets (0:1200,1:980)")  # fmt: skip
    start.add_argument("--to", dest="end", default="now", metavar="WHERE", help="now (default), follow, or an ISO "
                       "8601 instant")  # fmt: skip
    start.add_argument("--allow-gap", action="store_true", help="go on although the log no longer holds all that the "
                       "run needs")  # fmt: skip
    past = start.add_argument_group("files of what the topic no longer holds (docs/replay.md)")
    past.add_argument("--files", nargs="+", type=Path, metavar="FILE", help="JSON lines or CSV with a header, packed "
                      "(.gz) or not: counted first, then the topic from --from on, without a warm-up")  # fmt: skip
    past.add_argument("--files-format", choices=("json", "csv"), help="of the files (default: by name, else json)")
    past.add_argument("--files-source", metavar="NAME", help="source of the tracker file that says how their records "
                      "are read (default: the first)")  # fmt: skip
    past.add_argument("--partitioner", help="how the topic's producers choose an actor's partition, if its records "
                      f"cannot tell: {', '.join(PARTITIONERS)}")  # fmt: skip
    _add_process_options(start)
    resume = _command(commands, "resume", "go on with a run, or help one that is running", _resume)
    resume.add_argument("--to", dest="end", metavar="WHERE", help="from now on end there (now, follow, or an instant)")
    _add_process_options(resume)
    _command(commands, "stop", "let a run's processes end; what is counted stays", _stop)
    drop = _command(commands, "drop", "remove a run and all that it counted", _drop, is_named=False)
    which = drop.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", metavar="RUN", help="name of the run")
    drop.add_argument("--unlisted", action="store_true", help="the counts of a run that is not in the list any more")
    which.add_argument("--replaced", action="store_true", help="what the live run replaced: there is no way back then")
    status = _command(commands, "status", "how far a run is", _status)
    status.add_argument("--unsynced", action="store_true", help="read the log to tell how many attempts of a run with "
                        "a warm-up cannot be known (docs/replay.md)")  # fmt: skip
    status.add_argument("--json", action="store_true", help="print JSON")
    runs = _command(commands, "list", "all runs", _list, is_named=False)
    runs.add_argument("--json", action="store_true", help="print JSON")
    replay_compare.register(commands)
    replay_promote.register(commands)


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    help_text: str,
    run: Callable[[argparse.Namespace], int],
    *,
    is_named: bool = True,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help_text, description=help_text.capitalize() + ".")
    if is_named:
        parser.add_argument("--name", required=True, metavar="RUN", help="name of the run: a-z 0-9 _ -")
    parser.add_argument("--config", type=Path, metavar="FILE", help="tracker file (default: config/tracker.yaml)")
    parser.set_defaults(run=run)
    return parser


def _add_process_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--max-rate", type=_rate, metavar="N", help="count at most N records a second in this process, "
                        "so that live ones are not held up")  # fmt: skip
    parser.add_argument("--metrics-port", type=port_number, default=0, metavar="N", help="serve the run's progress as "
                        "/metrics there (default: any free port)")  # fmt: skip
    parser.add_argument("--log-level", default="WARNING", choices=("DEBUG", "INFO", "WARNING", "ERROR"))


def _start(args: argparse.Namespace) -> int:
    tracker = load_tracker(args.config, os.environ)
    funnels = _chosen(load_funnels(tracker.funnels, tracker.period, is_live=True), args.funnel)
    catalog.check_name(tracker, args.name)
    if args.files is None and (args.files_format or args.files_source or args.partitioner):
        raise ReplayError("--files-format, --files-source and --partitioner are for --files: name the files")
    begin, end = from_of(args.begin), to_of(args.end, _now_ms())
    run = asyncio.run(_with_base(tracker, lambda base: _make(args, tracker, funnels, (begin, end), base)))
    for gap in run.gaps:
        _say(f"not covered: {gap}")
    return _count(args, tracker, run)


async def _make(
    args: argparse.Namespace, tracker: TrackerSettings, funnels: Sequence[Funnel], span: tuple[From, To], base: Store
) -> Run:
    begin, end = span
    rules = counting_rules(tracker, funnels)
    log = await _log_of_live(tracker) if begin is Word.LIVE else Log(tracker.kafka, tracker.log_topic, {})
    plan = await make_plan(log, rules, begin, end, _now_ms(), has_files=args.files is not None)
    if plan.gaps and not args.allow_gap:
        raise ReplayError(
            "the log no longer holds all that this run needs:\n  "
            + "\n  ".join(plan.gaps)
            + "\nbegin later, or accept it with --allow-gap"
        )
    files = None
    if args.files is not None:
        how = HowRead(args.files_format, args.files_source, args.partitioner)
        files, starts = await plan_files(tracker, plan.starts, args.files, how, _now_ms())
        plan = plan._replace(starts=starts)
    run = catalog.new_run(args.name, tracker.log_topic, rules, plan, files)
    async with _closing(open_run_store(tracker, args.name)) as store:
        await catalog.make_run(base, store, run)
    return run


async def _log_of_live(tracker: TrackerSettings) -> Log:
    """Return the log with where live's counting began on each partition."""
    async with open_live(tracker) as (store, live):
        heads = {number: await store.load_head(number) for number in range(await partition_count(store))}
    first = {number: None if head is None else head.first_offset for number, head in heads.items()}
    return Log(tracker.kafka, tracker.log_topic, first, {} if live.run is None else live.run.starts)


def _resume(args: argparse.Namespace) -> int:
    tracker = load_tracker(args.config, os.environ)
    end = None if args.end is None else to_of(args.end, _now_ms())
    run = asyncio.run(_with_base(tracker, lambda base: _go_on(args.name, tracker, end, base)))
    return _count(args, tracker, run)


async def _go_on(name: str, tracker: TrackerSettings, end: To | None, base: Store) -> Run:
    run = await catalog.find_run(base, name)
    if run.topic != tracker.log_topic:
        raise ReplayError(f"run {name} reads topic {run.topic}, the tracker file's log is {tracker.log_topic}")
    if end is None:
        return await catalog.resume_run(base, name)
    until = await make_end(tracker.kafka, run, end)
    async with _closing(open_run_store(tracker, name)) as store:
        await catalog.check_end(store, run, until)
    return await catalog.resume_run(base, name, lambda known: msgspec.structs.replace(known, until=until))


def _count(args: argparse.Namespace, tracker: TrackerSettings, run: Run) -> int:
    """Be a process of the run until it ends; returns the exit status."""
    from stream.app import build_run  # noqa: PLC0415 (with it comes all of the Kafka worker)
    from stream.replay.run import Ending  # noqa: PLC0415
    from stream.worker.tracker_app import run_worker  # noqa: PLC0415

    with RunProgress(run) as progress:
        if run.files is not None and not asyncio.run(
            _with_base(tracker, partial(_files, args, tracker, run, progress))
        ):
            sys.stderr.write(f"run {run.name}: its files are not all counted; {_GO_ON.format(run.name)}\n")
            return 1
        app, sink = build_run(tracker, run, metrics_port=args.metrics_port, max_rate=args.max_rate, told=progress.tell)
        status = run_worker(app, args.log_level)
    ending: Ending | None = sink.ending
    if ending is not None:
        _say(f"run {run.name} is {ending}")
    elif status == 0:
        _say(f"run {run.name}: this process was ended; {_GO_ON.format(run.name)}")
    # Whoever goes on with what the run has counted must know that it is not all.
    has_ended = ending in {Ending.COMPLETE, Ending.PROMOTED} or (run.until is None and ending is not Ending.DROPPED)
    return status if has_ended else status or 1


def _say(text: str) -> None:
    with suppress(OSError):  # a log whose disk is full changes nothing of how the run ends
        sys.stderr.write(f"{text}\n")


async def _files(
    args: argparse.Namespace, tracker: TrackerSettings, run: Run, progress: RunProgress, base: Store
) -> bool:
    """Count the run's files, unless that is done; False if it was stopped before."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _closing(open_run_store(tracker, run.name)) as store:
        settings = catalog.settings_of(tracker, run)
        files = FilesCount(settings, base, store, run, told=progress.tell_files, stop=stop, max_rate=args.max_rate)
        read = await files.count()
        is_counted = await are_counted(store, run)
    if read is not None:
        sys.stderr.write("".join(f"run {run.name}: {line}\n" for line in files_text(run, read)))
    return is_counted


def _stop(args: argparse.Namespace) -> int:
    tracker = load_tracker(args.config, os.environ)
    asyncio.run(_with_base(tracker, lambda base: catalog.stop_run(base, args.name)))
    sys.stdout.write(f"run {args.name} is stopped: its processes end within a few seconds\n")
    return 0


def _drop(args: argparse.Namespace) -> int:
    tracker = load_tracker(args.config, os.environ)
    if args.name is not None:
        catalog.check_name(tracker, args.name)
    for gone in asyncio.run(_with_base(tracker, lambda base: _dropped(args, tracker, base))):
        sys.stdout.write(f"{f'run {gone}' if gone else 'the configured namespace'} and its counts are gone\n")
    return 0


async def _dropped(args: argparse.Namespace, tracker: TrackerSettings, base: Store) -> list[str]:
    """Drop a run, or what live replaced; returns what is gone."""
    async with AsyncExitStack() as stack:

        def opened(run: str) -> Store:
            store = open_run_store(tracker, run)
            stack.push_async_callback(store.close)
            return store

        if args.replaced:
            return await catalog.drop_replaced(base, opened)
        drop = catalog.drop_unlisted if args.unlisted else catalog.drop_run
        await drop(base, opened(args.name), args.name)
        return [args.name]


def _status(args: argparse.Namespace) -> int:
    tracker = load_tracker(args.config, os.environ)
    (look,) = asyncio.run(_with_base(tracker, lambda base: _look(tracker, base, args.name)))
    unsynced = None
    if args.unsynced:
        found = asyncio.run(unsynced_of(tracker, look.run, lambda topic: Topic(tracker.kafka, topic), open_store))
        unsynced = unsynced_documents(found)
    if args.json:
        _print_json(run_document(look, unsynced))
    else:
        show_run(look, unsynced)
    return 0


def _list(args: argparse.Namespace) -> int:
    tracker = load_tracker(args.config, os.environ)
    looks = asyncio.run(_with_base(tracker, lambda base: _look(tracker, base)))
    if args.json:
        _print_json([run_document(look) for look in looks])
    elif looks:
        show_runs(looks)
    else:
        sys.stdout.write("there are no runs\n")
    return 0


def _print_json(document: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


async def _look(tracker: TrackerSettings, base: Store, name: str | None = None) -> list[Look]:
    runs: Runs = (await read_runs(base)).runs
    wanted = list(runs.runs.values()) if name is None else [catalog.named(runs, name)]
    looks = []
    for run in sorted(wanted, key=lambda run: run.made_ms):
        async with _closing(open_run_store(tracker, run.name)) as store:
            looks.append(await catalog.look_at(tracker, store, runs, run, _now_ms()))
    return looks


@asynccontextmanager
async def _closing(store: Store) -> AsyncIterator[Store]:
    try:
        yield store
    finally:
        await store.close()


async def _with_base(tracker: TrackerSettings, work: Callable[[Store], Awaitable[_Answer]]) -> _Answer:
    async with _closing(open_store(tracker)) as base:
        return await work(base)


def _chosen(funnels: Sequence[Funnel], wanted: Sequence[str] | None) -> tuple[Funnel, ...]:
    if not wanted:
        return tuple(funnels)
    names = {name for funnel in funnels for name in (funnel.name, funnel.key)}
    for each in wanted:
        if each not in names:
            guess = closest(each, names)
            hint = f'did you mean "{guess}"?' if guess else f"there are {', '.join(f.name for f in funnels)}"
            raise ReplayError(f"--funnel {each}: there is no such funnel ({hint})")
    return tuple(funnel for funnel in funnels if {funnel.name, funnel.key} & {*wanted})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _rate(text: str) -> int:
    rate = int(text) if text.isdecimal() and text.isascii() else 0
    if rate < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is no number of records a second (try 20000)')
    return rate
