"""Decide where a run begins on each partition, and where it ends.

In:  what was asked for (`--from`, `--to`), the counting rules, and what Kafka says about the log.
Out: starts and end offsets by partition; in words, what retention no longer covers.

A run from an instant reads its warm-up first (SPEC section 8): from the record time before which no event can
belong to a chain that still runs at that instant, nor be missing where lateness is judged. The records' own clock
is that of the broker or the producer, and an event may be ahead of it by the allowed skew.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from stream.analyze.document import iso
from stream.analyze.read_topic import Span, first_record_times, offsets_at, topic_spans
from stream.engine.periods import period_of
from stream.errors import ReplayError
from stream.model.funnel import Funnel
from stream.model.times import to_ms
from stream.settings.counting import CountingRules
from stream.settings.tracker import KafkaSettings
from stream.worker.runs import Run, Start

_OFFSETS = re.compile(r"[0-9]+:[0-9]+(,[0-9]+:[0-9]+)*")


class Word(Enum):
    """What `--from` and `--to` may say besides an instant."""

    EARLIEST = "earliest"
    LIVE = "live"
    NOW = "now"
    FOLLOW = "follow"


From = Word | int | Mapping[int, int]
"""Where to begin: a word, an instant in ms UTC, or an offset for each partition."""
To = Word | int
"""Where to end: a word, or an instant in ms UTC of record time, which is not read any more."""


class Plan(NamedTuple):
    """Where a run begins and ends, as `worker.runs.Run` has it; gaps: what cannot be covered, in words."""

    starts: dict[int, Start]
    until: dict[int, int] | None
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Log:
    """The topic a run reads; `first` offsets of live's partitions, None where that is not known.

    live: where the run that is live was planned to begin, by partition; empty where none is live.
    """

    kafka: KafkaSettings
    topic: str
    first: Mapping[int, int | None]
    live: Mapping[int, Start] = field(default_factory=dict)


def from_of(text: str) -> From:
    """Read `--from`: `earliest`, `live`, an ISO 8601 instant, or `partition:offset,...`. Raises `ReplayError`."""
    if text in {Word.EARLIEST.value, Word.LIVE.value}:
        return Word(text)
    if _OFFSETS.fullmatch(text):
        pairs = [pair.split(":") for pair in text.split(",")]
        offsets = {int(partition): int(offset) for partition, offset in pairs}
        if len(offsets) < len(pairs):
            raise ReplayError(f"--from {text} names a partition twice")
        return offsets
    return _instant("--from", text, "earliest, live, 2026-01-31T12:00:00Z, or 0:1200,1:980 (partition:offset)")


def to_of(text: str, now_ms: int) -> To:
    """Read `--to`: `now`, `follow`, or an ISO 8601 instant that is past at `now_ms`. Raises `ReplayError`."""
    if text in {Word.NOW.value, Word.FOLLOW.value}:
        return Word(text)
    instant = _instant("--to", text, "now, follow, or 2026-01-31T12:00:00Z")
    if instant > now_ms:
        raise ReplayError(f"--to {text} lies in the future: --to follow reads on, --to now ends at what is there")
    return instant


def _instant(option: str, text: str, choices: str) -> int:
    instant = to_ms(text, "iso")
    if instant is None:
        raise ReplayError(f'{option} "{text}" is none of {choices}')
    return instant


def reads_from_ms(rules: CountingRules, since_ms: int) -> int:
    """Return the record time from which on a run reads that counts what entered from an instant on.

    The warm-up is the longest window, lateness and future skew. Where only the first entry of a period counts, whether
    there was one before is to be known too.
    """

    def begins_ms(funnel: Funnel) -> int:
        warm_ms = since_ms - funnel.window_ms - funnel.granularity_ms + 1
        return min(warm_ms, period_of(funnel.period)(since_ms)[0]) if funnel.entry_first else warm_ms

    source = rules.sources[0]
    return min(map(begins_ms, rules.funnels)) - source.allowed_lateness_ms - source.max_future_skew_ms


async def make_plan(  # noqa: PLR0913
    log: Log, rules: CountingRules, begin: From, end: To, now_ms: int, *, has_files: bool = False
) -> Plan:
    """Ask Kafka and decide. has_files: what is before the start is in files, so that no warm-up is read.

    Raises `ReplayError` if the range is empty or cannot be, and what `read_topic` raises.
    """
    spans = await topic_spans(log.kafka, log.topic)
    starts, gaps = await (_behind_files(log, begin, spans) if has_files else _starts(log, rules, begin, spans, now_ms))
    until = await _until(log, end, spans)
    if until is not None:
        counted = await _counted_from(log, begin, starts, spans)
        if not has_files and all(until[number] <= offset for number, offset in counted.items()):
            raise ReplayError(
                f"nothing lies between --from and --to in topic {log.topic}: "
                f"it holds {sum(span.end - span.first for span in spans.values())} offsets in all"
            )
        until = {number: max(offset, starts[number].offset) for number, offset in until.items()}
    return Plan(starts, until, tuple(gaps))


async def make_end(kafka: KafkaSettings, run: Run, end: To) -> dict[int, int] | None:
    """Return the end offsets of a run that is given another end; None if it shall follow.

    Raises `ReplayError` if the topic is not as it was planned for, and what `read_topic` raises.
    """
    spans = await topic_spans(kafka, run.topic)
    if spans.keys() != run.starts.keys():
        raise ReplayError(
            f"topic {run.topic} has {len(spans)} partitions, run {run.name} was planned for {len(run.starts)}: drop "
            "the run and start it anew"
        )
    until = await _until(Log(kafka, run.topic, {}), end, spans)
    return None if until is None else {n: max(offset, run.starts[n].offset) for n, offset in until.items()}


async def _counted_from(
    log: Log, begin: From, starts: Mapping[int, Start], spans: Mapping[int, Span]
) -> Mapping[int, int]:
    """Return the first offsets that are counted, after the warm-up."""
    if isinstance(begin, int):
        return await _offsets_at(log, spans, dict.fromkeys(spans, begin))
    return {number: start.offset for number, start in starts.items()} if isinstance(begin, Word) else begin


async def _offsets_at(log: Log, spans: Mapping[int, Span], times: Mapping[int, int]) -> dict[int, int]:
    """Return where the records from an instant on begin on each partition; its end where there are none."""
    found = await offsets_at(log.kafka, log.topic, times)
    return {number: found.get(number, span.end) for number, span in spans.items()}


async def _until(log: Log, end: To, spans: Mapping[int, Span]) -> dict[int, int] | None:
    if end is Word.FOLLOW:
        return None
    if isinstance(end, int):
        return await _offsets_at(log, spans, dict.fromkeys(spans, end))
    return {number: span.end for number, span in spans.items()}


async def _starts(
    log: Log, rules: CountingRules, begin: From, spans: Mapping[int, Span], now_ms: int
) -> tuple[dict[int, Start], list[str]]:
    if begin is Word.EARLIEST:
        return {number: Start(span.first) for number, span in spans.items()}, []
    if begin is Word.LIVE:
        if any(start.seam_ms is not None for start in log.live.values()):
            raise ReplayError(
                "--from live: live began with files, before the topic: give them with --files, or begin with earliest"
            )
        return _as_live(log, spans)
    since = await _since(log, begin, spans, now_ms)
    wanted = {number: reads_from_ms(rules, instant) for number, instant in since.items()}
    first = await _offsets_at(log, spans, wanted)
    starts = {number: Start(first[number], since[number]) for number in spans}
    cut = {number: span.first for number, span in spans.items() if 0 < span.first == starts[number].offset}
    began = await first_record_times(log.kafka, log.topic, cut)
    gaps = [
        f"partition {number}: a run from {iso(since[number])} reads its warm-up from {iso(wanted[number])}, the log "
        f"begins {f'at {iso(began[number])} ' if number in began else ''}at offset {first}: chains and attempts that "
        "began in between are cut"
        for number, first in cut.items()
        if began.get(number, now_ms) > wanted[number]
    ]
    return starts, gaps


async def _behind_files(log: Log, begin: From, spans: Mapping[int, Span]) -> tuple[dict[int, Start], list[str]]:
    """Begin just there; what the log does not hold, or not any more, is in the files."""
    if begin is Word.LIVE:
        return _as_live(log, spans)[0], []
    if isinstance(begin, int):
        begin = await _offsets_at(log, spans, dict.fromkeys(spans, begin))
    elif isinstance(begin, Word):
        begin = {number: span.first for number, span in spans.items()}
    else:
        _check_offsets(log, begin, spans)
    return {number: Start(offset) for number, offset in begin.items()}, []


def _as_live(log: Log, spans: Mapping[int, Span]) -> tuple[dict[int, Start], list[str]]:
    """Begin where live began, so that both count the same records."""
    unknown = [number for number in spans if log.first.get(number) is None]
    if unknown:
        raise ReplayError(
            f"--from live: where live began on partition {unknown[0]} is not known (it has not counted it, or an "
            "earlier release began it): give an instant, offsets, or earliest"
        )
    first = {number: log.first[number] or 0 for number in spans}
    # A run that is live may have begun with a warm-up, which it does not count.
    since = {number: start.since_ms for number, start in log.live.items()}
    starts = {number: Start(max(first[number], span.first), since.get(number)) for number, span in spans.items()}
    gaps = [
        f"partition {number}: live began at offset {first[number]}, the log still holds offsets from {span.first} on: "
        "what was deleted is missing from the run"
        for number, span in spans.items()
        if span.first > first[number]
    ]
    return starts, gaps


async def _since(
    log: Log, begin: int | Mapping[int, int] | Word, spans: Mapping[int, Span], now_ms: int
) -> dict[int, int]:
    """Return from which instant on each partition counts."""
    if isinstance(begin, int):
        if begin > now_ms:
            raise ReplayError(f"--from {iso(begin)} lies in the future: nothing has entered from then on")
        return dict.fromkeys(spans, begin)
    assert not isinstance(begin, Word)  # noqa: S101 - the caller has taken them
    _check_offsets(log, begin, spans)
    times = await first_record_times(log.kafka, log.topic, begin)
    # Behind the last record there is no time yet: what comes is counted.
    return {number: times.get(number, now_ms) for number in spans}


def _check_offsets(log: Log, begin: Mapping[int, int], spans: Mapping[int, Span]) -> None:
    if begin.keys() != spans.keys():
        wrong = sorted(begin.keys() ^ spans.keys())
        raise ReplayError(
            f"--from names {len(begin)} partitions, topic {log.topic} has {len(spans)} "
            f"(look at {', '.join(map(str, wrong))}): give an offset for each"
        )
    outside = [n for n, offset in begin.items() if not spans[n].first <= offset <= spans[n].end]
    if outside:
        number = outside[0]
        raise ReplayError(
            f"--from {number}:{begin[number]}: partition {number} of topic {log.topic} holds offsets "
            f"{spans[number].first} to {spans[number].end}"
        )
