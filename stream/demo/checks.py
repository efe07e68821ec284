"""The demo's last word: nothing lost, nothing doubled, and live equals a batch computation over the same topic.

In:  the demo's settings, what the workers show.
Out: findings, one a check; a check that does not hold says how.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from stream.analyze.compare import broken_laws, compare
from stream.analyze.live import LiveView, count_as_live, open_live, read_live
from stream.analyze.read_topic import Span, read_topic, topic_spans
from stream.demo.scrape import Page, of_page, parse
from stream.errors import DemoError
from stream.metrics import names
from stream.metrics.collector import FunnelCollector
from stream.model.funnel import Funnel
from stream.model.result import Rollup
from stream.model.verdict import Verdict
from stream.settings.tracker import TrackerSettings

CAUGHT_UP_S = 60.0
SHOWN_S = 20.0
POLL_S = 0.2
SHOWN_DIFFERENCES = 10
FAST_CLOCKS_MS = 5_000
"""The simulator's clocks are fast by 2 s at most: this much later every admitted event has happened."""
ABOUT_THE_PAGE = {names.SHOWN.name, names.REFUSED.name}
SHARED = {name for series in names.ABOUT_FUNNELS for name in series.sample_names} - ABOUT_THE_PAGE


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what holds, and where it does not."""

    text: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """What is compared, all of it once everything was counted.

    spans: the topic's offsets. next_offsets: of the partitions that have been counted. verdicts: by `Verdict`.
    live, analyzed: rollups at one `as_of`. unlike_metrics: differences between /metrics and the store.
    """

    spans: Mapping[int, Span]
    next_offsets: Mapping[int, int]
    verdicts: Sequence[int]
    live: Rollup
    analyzed: Rollup
    unlike_metrics: Sequence[str] = ()


def judge(counted: Counted) -> tuple[Finding, ...]:
    """Return every check with what is wrong."""
    shown = sum(span.end - span.first for span in counted.spans.values())
    texts = (
        (f"consumed {shown:,} records = sum of verdicts = end offsets of the topic", _lost(counted, shown)),
        ("conservation laws hold in every window, period and segment", broken_laws(counted.live)),
        ("live == funnel analyze over the same topic", compare(counted.live, counted.analyzed)),
        ("every worker's /metrics shows the stored counts", counted.unlike_metrics),
    )
    return tuple(Finding(text, _shortened(problems)) for text, problems in texts)


def _lost(counted: Counted, records: int) -> list[str]:
    problems = [
        f"partition {number} ends at {span.end}, counted up to {counted.next_offsets.get(number, 0)}"
        for number, span in sorted(counted.spans.items())
        if counted.next_offsets.get(number, 0) != span.end
    ]
    if (by_verdict := sum(counted.verdicts)) != records:
        problems.append(f"the topic holds {records:,} records, the verdicts add up to {by_verdict:,}")
    return problems


def _shortened(problems: Sequence[str]) -> tuple[str, ...]:
    more = len(problems) - SHOWN_DIFFERENCES
    return (*problems[:SHOWN_DIFFERENCES], *([f"and {more:,} more"] if more > 0 else []))


async def check(
    settings: TrackerSettings,
    funnels: Sequence[Funnel],
    read_pages: Callable[[], Sequence[Page | None]],
    are_up: Callable[[], None],
) -> tuple[Finding, ...]:
    """Make every check; `read_pages` gives the workers' /metrics, `are_up` raises if a worker has ended.

    Raises `DemoError` if the workers do not get to the end of the topic, or there is nothing in it.
    """
    view, spans = await _caught_up(settings, funnels, are_up)
    as_of_ms = max(int(time.time() * 1000), view.watermark_ms or 0) + FAST_CLOCKS_MS
    live = view.roll_up(as_of_ms)
    analyzed = await _analyze(settings, funnels, as_of_ms)
    if live is None or analyzed is None:
        raise DemoError("nothing was counted: the simulator wrote no valid record")
    counted = Counted(
        spans=spans,
        next_offsets={number: partition.head.next_offset for number, partition in view.partitions.items()},
        verdicts=[sum(each.head.verdicts[verdict] for each in view.partitions.values()) for verdict in Verdict],
        live=live,
        analyzed=analyzed,
        unlike_metrics=await _unlike_metrics(settings, funnels, view, read_pages),
    )
    return judge(counted)


async def _caught_up(
    settings: TrackerSettings, funnels: Sequence[Funnel], are_up: Callable[[], None]
) -> tuple[LiveView, dict[int, Span]]:
    """Wait until everything in the topic is counted and stored."""
    async with open_live(settings, funnels) as (store, live):
        spans = await topic_spans(settings.kafka, settings.log_topic)
        wanted = {number: span.end for number, span in spans.items() if span.end > span.first}
        deadline = time.monotonic() + CAUGHT_UP_S
        while True:
            are_up()
            view = await read_live(store, live.funnels, live.settings)
            stored = {number: partition.head.next_offset for number, partition in view.partitions.items()}
            behind = [number for number, end in wanted.items() if stored.get(number, 0) < end]
            if not behind:
                return view, spans
            if time.monotonic() > deadline:
                places = ", ".join(f"{number}: {stored.get(number, 0)} of {wanted[number]}" for number in behind)
                raise DemoError(f"not everything was counted within {CAUGHT_UP_S:.0f} s; by partition: {places}")
            await asyncio.sleep(POLL_S)


async def _analyze(settings: TrackerSettings, funnels: Sequence[Funnel], as_of_ms: int) -> Rollup | None:
    """Count the whole topic in one go, without any state."""
    count = count_as_live(settings, funnels)
    await read_topic(settings.kafka, settings.log_topic, count.take)
    return count.finish(as_of_ms).rollup


async def _unlike_metrics(
    settings: TrackerSettings,
    funnels: Sequence[Funnel],
    view: LiveView,
    read_pages: Callable[[], Sequence[Page | None]],
) -> list[str]:
    """Return what a worker's page shows otherwise than the store has it, once no look shows them equal.

    A worker reads the rollups four times a second, and they are written at slightly different
    instants; while a border of a rolling window lies between these, pages differ for a moment.
    """
    deadline = time.monotonic() + SHOWN_S
    while True:
        pages = await asyncio.to_thread(read_pages)
        lines = [
            f"worker {number}: {line}"
            for number, page in enumerate(pages, start=1)
            for line in unlike_page(page, settings, funnels, view)
        ]
        if not lines or time.monotonic() > deadline:
            return lines
        await asyncio.sleep(POLL_S)


def unlike_page(page: Page | None, settings: TrackerSettings, funnels: Sequence[Funnel], view: LiveView) -> list[str]:
    """Return the funnel series of a page, single segments left out, that differ from the stored counts at its as_of."""
    found = of_page(page, names.AS_OF)
    as_of_ms = round(found[0] * 1000) if found else 0
    if page is None or as_of_ms < (view.watermark_ms or 0):
        return ["its page does not show the newest numbers"]
    rollup = view.roll_up(as_of_ms)
    if rollup is None:
        return ["its page shows numbers, the store has none"]
    collector = FunnelCollector(funnels, windows=settings.rolling)
    collector.update(rollup, as_of_ms)
    stored = parse(collector.render(as_of_ms).decode())
    shown = {key: value for key, value in page.items() if key[0] in SHARED}
    stored = {key: value for key, value in stored.items() if key[0] in SHARED}
    return [
        f"{name}{{{', '.join(f'{label}={text}' for label, text in labels if text)}}}: "
        f"/metrics {shown.get((name, labels))}, stored {stored.get((name, labels))}"
        for name, labels in sorted(shown.keys() | stored.keys())
        if shown.get((name, labels)) != stored.get((name, labels))
    ]
