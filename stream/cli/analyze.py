"""`funnel analyze`: count a file or a topic with the core that counts live, without any server of ours.

In:  the command line; the tracker file and its funnels, if there are any.
Out: tables or JSON (docs/analyze.md); exit status 0 if any record is an event, else 1.
"""

import argparse
import asyncio
import gc
import os
import re
import sys
import zoneinfo
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from stream.analyze.count import Analysis, LogCount
from stream.analyze.document import analysis_document
from stream.analyze.forms import SourceDoc
from stream.analyze.previous import earlier_instants
from stream.analyze.read_file import STDIN, read_lines, size_of
from stream.analyze.read_topic import read_topic
from stream.analyze.show import console, show_analysis
from stream.engine.advance import NO_CAP
from stream.engine.periods import period_of
from stream.errors import AnalyzeError
from stream.ingest.admission import UNLIMITED, Limits
from stream.ingest.mapping import PRESETS, Mapping
from stream.model.funnel import Funnel, Period, PeriodUnit
from stream.model.times import to_ms
from stream.model.verdict import Verdict
from stream.settings.load import load_funnels, load_tracker, tracker_path
from stream.settings.sources import mapping_of
from stream.settings.texts import closest
from stream.settings.tracker import KafkaSettings, SourceSettings, TrackerSettings, WorkerSettings

COLLECT = (100_000, 50, 1_000_000)
"""The garbage collector would walk all events again and again, and they hold no cycles: a third of the time."""

NEXT_NAMES = 5
"""Event names shown per step by --next-actions."""

FIELDS = ("actor", "time", "name", "id", "properties")


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `analyze`."""
    parser = subparsers.add_parser(
        "analyze",
        help="count a file or a topic: the same numbers as live, no server needed",
        description="Count the events of a file in any order, or of a topic as live counts it. A topic is read without "
        "a group up to its end of now, and nothing is committed.",
    )
    parser.add_argument("file", nargs="?", default=None, metavar="FILE",
                        help="JSON lines or CSV with a header; .gz is unpacked; - is standard input")  # fmt: skip
    parser.add_argument("--topic", help="read this Kafka topic instead of a file")
    register_log(parser)
    register_as_of(parser)
    parser.add_argument("--period", choices=[unit.value for unit in PeriodUnit], help="entry periods of the trend "
                        "(default: each funnel's own)")  # fmt: skip
    parser.add_argument("--zone", help="time zone of --period, such as Europe/Berlin (default: UTC)")
    parser.add_argument("--compare-previous", action="store_true", help="each period beside the one before it, which "
                        "is counted as it stood when it was as old")  # fmt: skip
    parser.add_argument("--next-actions", nargs="?", type=row_count, const=NEXT_NAMES, default=0, metavar="N",
                        help="what came next for those dropped at each step: the N events that came most "
                        f"(default: {NEXT_NAMES}), and for how many nothing did")  # fmt: skip
    parser.add_argument("--times", action="store_true", help="percentiles of the times, and the histogram of the "
                        "time to convert (JSON always has them)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON (config/schema/analysis.schema.json)")
    parser.set_defaults(run=run)


def register_log(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which funnels, and how a file or topic is read (`read_log`)."""
    parser.add_argument("--funnel", action="append", metavar="F",
                        help="funnel file, or name (name@version) of one in the configured folder; may be repeated "
                        "(default: all of the folder)")  # fmt: skip
    parser.add_argument("--config", type=Path, metavar="FILE", help="tracker file: mapping, lateness, funnels, servers "
                        "(default: FUNNEL_TRACKER, else config/tracker.yaml, if it is there)")  # fmt: skip
    mapping = parser.add_argument_group("how records are read (default: as the tracker file's first source, else flat)")
    mapping.add_argument("--preset", choices=list(PRESETS))
    mapping.add_argument("--field", action="append", default=[], type=_field, metavar="FIELD=PATH[,PATH...]",
                         help=f"path of {', '.join(FIELDS)}; of several the first with a value counts")  # fmt: skip
    mapping.add_argument("--time-unit", help="what a bare number at the time path counts: s, ms, us, ns or iso")
    mapping.add_argument("--format", choices=("json", "csv"), help="of the file (default: by its name, else json)")
    parser.add_argument("--bootstrap", help="Kafka servers (default: KAFKA_BOOTSTRAP_SERVERS, else the tracker file's)")


def register_as_of(parser: argparse.ArgumentParser) -> None:
    """Add the option that says of which instant the numbers are."""
    parser.add_argument("--as-of", type=as_of_ms, metavar="TIME",
                        help="ISO 8601 instant; later events do not exist yet (default: a file's largest event time, "
                        "a topic's largest watermark)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Count and print; returns the exit status. Raises `FunnelError` where the operator must act."""
    if (args.file is None) == (args.topic is None):
        raise AnalyzeError("give a file (- is standard input) or --topic T, one of the two")
    if args.zone is not None and args.period is None:
        raise AnalyzeError("--zone is for --period: give --period day, say")
    tracker = optional_tracker(args.config)
    funnels = chosen_funnels(args.funnel, tracker)
    trend = _trend(args)
    trend_of = None if trend is None else period_of(trend)
    asks_next = args.next_actions > 0
    gc.freeze()
    gc.set_threshold(*COLLECT)

    def new_count(mapping: Mapping, limits: Limits, bot_cap: int) -> LogCount:
        return LogCount(funnels, mapping, limits, None, trend_of, bot_cap, next_actions=asks_next)

    with progress_bar() as progress:
        count = read_log(args, tracker, new_count, progress)
        as_of = count.latest_ms if args.as_of is None else args.as_of
        earlier: set[int] = set()
        if args.compare_previous and as_of is not None:
            earlier = earlier_instants(funnels, trend_of, as_of)
        analysis = _finish(count, as_of, earlier, progress)
    read = source_document(args, analysis.next_offsets)
    document = analysis_document(
        analysis, funnels, read, trend, compare_previous=args.compare_previous, next_names=args.next_actions
    )
    if args.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")
    else:
        show_analysis(document, console(), times=args.times)
    return 0 if sum(analysis.verdicts) > analysis.verdicts[Verdict.INVALID] else 1


class TakesLog(Protocol):
    """Takes the records of partitions in, as `LogCount` does."""

    def take(  # noqa: PLR0913, PLR0917
        self,
        partition: int,
        values: Sequence[bytes | None],
        record_times: Sequence[int | None],
        offsets: Sequence[int | str],
        origin: str,
        next_offset: int | None = None,
    ) -> None:
        """Take in the next records of a partition."""


_Taker = TypeVar("_Taker", bound=TakesLog)


def read_log(
    args: argparse.Namespace,
    tracker: TrackerSettings | None,
    new: Callable[[Mapping, Limits, int], _Taker],
    progress: Progress,
) -> _Taker:
    """Read the file or topic of the command line into what `new` makes with its mapping, limits and bot cap."""
    source = _source(args, tracker)
    if args.topic is None:
        taker = new(_mapping(args, source), UNLIMITED, NO_CAP)
        _take_file(taker, args, progress)
        return taker
    topic_source = source or SourceSettings("topic")
    limits = Limits(topic_source.allowed_lateness_ms, topic_source.max_future_skew_ms)
    cap = (tracker.worker if tracker is not None else WorkerSettings()).bot_cap
    taker = new(topic_mapping(args, tracker, source), limits, cap)
    _take_topic(taker, args, tracker, progress)
    return taker


def source_document(args: argparse.Namespace, next_offsets: dict[int, int]) -> SourceDoc:
    """Return what was read, for a document."""
    name = args.topic or ("standard input" if args.file == STDIN else args.file)
    offsets = {str(number): offset for number, offset in next_offsets.items()}
    return SourceDoc(kind="file" if args.topic is None else "topic", name=name, next_offsets=offsets)


def optional_tracker(config: Path | None) -> TrackerSettings | None:
    """Read the tracker file; one that nobody named need not be there."""
    path = tracker_path(config, os.environ)
    is_named = config is not None or bool(os.environ.get("FUNNEL_TRACKER"))
    return load_tracker(path, os.environ) if is_named or path.exists() else None


def chosen_funnels(wanted: list[str] | None, tracker: TrackerSettings | None) -> tuple[Funnel, ...]:
    """Return the funnels that are asked for by path or name; without any, all of the configured folder."""
    period = tracker.period if tracker is not None else None
    folder = tracker.funnels if tracker is not None else Path("config/funnels")
    if not wanted:
        if not folder.exists():
            raise AnalyzeError(f"no funnel given, and there is no {folder}: give --funnel FILE")
        return load_funnels(folder, period)
    chosen: dict[str, Funnel] = {}
    for each in wanted:
        found = load_funnels(each, period) if Path(each).exists() else _named(each, folder, period)
        chosen |= {funnel.key: funnel for funnel in found}
    return tuple(chosen.values())


def _named(name: str, folder: Path, period: Period | None) -> tuple[Funnel, ...]:
    known = load_funnels(folder, period) if folder.exists() else ()
    found = tuple(funnel for funnel in known if name in {funnel.name, funnel.key})
    if not found:
        guess = closest(name, [funnel.name for funnel in known])
        hint = f'did you mean "{guess}"?' if guess else f"in {folder} there are {len(known)} funnels"
        raise AnalyzeError(f"--funnel {name}: neither a file nor a funnel's name ({hint})")
    return found


def _trend(args: argparse.Namespace) -> Period | None:
    if args.period is None:
        return None
    zone = args.zone or "UTC"
    try:
        zoneinfo.ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        guess = closest(zone, zoneinfo.available_timezones()) or "Europe/Berlin"
        raise AnalyzeError(f'--zone {zone}: there is no such time zone (try "{guess}")') from None
    return Period(PeriodUnit(args.period), zone)


def _source(args: argparse.Namespace, tracker: TrackerSettings | None) -> SourceSettings | None:
    """Return the source that reads the topic, else the tracker file's first."""
    if tracker is None:
        return None
    reading = (each for each in tracker.sources if args.topic is not None and reads(each, args.topic))
    return next(reading, tracker.sources[0])


def reads(source: SourceSettings, topic: str) -> bool:
    """Whether a source reads a topic."""
    return topic in source.topics or (source.pattern is not None and re.fullmatch(source.pattern, topic) is not None)


def _mapping(args: argparse.Namespace, source: SourceSettings | None) -> Mapping:
    changes: dict[str, Any] = dict(args.field)
    if args.time_unit is not None:
        changes["unit"] = args.time_unit
    if args.preset is not None or source is None:
        return Mapping.preset(args.preset or "flat", **changes)
    base = mapping_of(source)
    checked = Mapping.preset("flat", **changes)
    return replace(base, **{name: getattr(checked, name) for name in changes})


def topic_mapping(args: argparse.Namespace, tracker: TrackerSettings | None, source: SourceSettings | None) -> Mapping:
    """Return how a topic is read: the repartition topic as live reads it, another as its source says."""
    if tracker is not None and tracker.needs_repartition and args.topic == tracker.repartition_topic:
        from stream.worker.repartition import log_mapping  # noqa: PLC0415 (with it comes all of the Kafka worker)

        return log_mapping(tracker)
    return _mapping(args, source)


def _take_file(count: TakesLog, args: argparse.Namespace, progress: Progress) -> None:
    task = progress.add_task("reading", total=size_of(args.file))
    for lines in read_lines(args.file, args.format):
        count.take(0, lines.values, [None] * len(lines.values), list(lines.numbers), f"{Path(args.file).name}:")
        progress.update(task, completed=lines.read_bytes)
    progress.remove_task(task)


def _take_topic(count: TakesLog, args: argparse.Namespace, tracker: TrackerSettings | None, progress: Progress) -> None:
    kafka = kafka_settings(args.bootstrap, tracker)
    task = progress.add_task("reading", total=None)

    def told(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)

    asyncio.run(read_topic(kafka, args.topic, count.take, told=told))
    progress.remove_task(task)


def kafka_settings(bootstrap: str | None, tracker: TrackerSettings | None) -> KafkaSettings:
    """Return the servers: those of the command line, of the environment or of the tracker file, in this order."""
    kafka = tracker.kafka if tracker is not None else KafkaSettings()
    servers = bootstrap or os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    return replace(kafka, bootstrap=servers) if servers else kafka


def _finish(count: LogCount, as_of: int | None, earlier: set[int], progress: Progress) -> Analysis:
    task = progress.add_task("counting", total=count.work * (1 + len(earlier)))
    return count.finish(as_of, lambda events: progress.advance(task, events), earlier)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show a bar on standard error, and only to a person; it is gone when the work is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    out = console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), console=out, transient=True, disable=not sys.stderr.isatty()
    ) as progress:
        yield progress


def _field(text: str) -> tuple[str, tuple[str, ...]]:
    name, equals, paths = text.partition("=")
    if not equals or name not in FIELDS:
        raise argparse.ArgumentTypeError(f'"{text}" is no field and path (try actor=anonymous_id)')
    return name, tuple(paths.split(","))


def row_count(text: str) -> int:
    """Read how many rows to show: 1 or more."""
    if not (text.isdecimal() and text.isascii()) or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f'"{text}" is no number of rows (a file stands before the option, or write --next-actions={NEXT_NAMES})'
        )
    return int(text)


def as_of_ms(text: str) -> int:
    """Read an instant of the command line in ms UTC."""
    time_ms = to_ms(text, "iso")
    if time_ms is None:
        raise argparse.ArgumentTypeError(f'"{text}" is no ISO 8601 time (try 2026-01-31T12:00:00Z)')
    return time_ms
