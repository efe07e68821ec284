"""The demo's last word: nothing lost, nothing doubled, and live equals a batch computation over the same topic.

In:  the demo's settings, what the workers show.
Out: findings, one a check; a check that does not hold says how.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stream.analyze.compare import broken_laws, compare
from stream.analyze.count import Analysis, LogCount
from stream.analyze.live import LiveView, open_store, read_live
from stream.analyze.read_topic import Span, read_topic, topic_spans
from stream.demo.scrape import Seen
from stream.errors import DemoError
from stream.ingest.admission import Limits
from stream.metrics import names
from stream.model.funnel import Funnel
from stream.model.result import Rollup
from stream.model.verdict import Verdict
from stream.settings.sources import mapping_of
from stream.settings.tracker import TrackerSettings

CAUGHT_UP_S = 60.0
SHOWN_S = 10.0
POLL_S = 0.2
SHOWN_DIFFERENCES = 10
FAST_CLOCKS_MS = 5_000
"""The simulator's clocks are fast by 2 s at most: this much later every admitted event has happened."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what holds, and where it does not."""

    text: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """All findings, and the numbers they are about."""

    findings: tuple[Finding, ...]
    live: Rollup
    records: int

    @property
    def is_good(self) -> bool:
        """Whether everything holds."""
        return not any(finding.problems for finding in self.findings)


async def wait_caught_up(settings: TrackerSettings, funnels: Sequence[Funnel]) -> tuple[LiveView, dict[int, Span]]:
    """Wait until everything in the topic is counted and stored. Raises `DemoError` after a minute."""
    store = open_store(settings)
    try:
        spans = await topic_spans(settings.kafka, settings.log_topic)
        wanted = {number: span.end for number, span in spans.items() if span.end > span.first}
        deadline = time.monotonic() + CAUGHT_UP_S
        while True:
            view = await read_live(store, funnels, settings)
            stored = {number: partition.head.next_offset for number, partition in view.partitions.items()}
            if all(stored.get(number, 0) >= end for number, end in wanted.items()):
                return view, spans
            if time.monotonic() > deadline:
                raise DemoError(f"not everything was counted within {CAUGHT_UP_S:.0f} s: {stored} of {wanted}")
            await asyncio.sleep(POLL_S)
    finally:
        await store.close()


async def analyze_topic(settings: TrackerSettings, funnels: Sequence[Funnel], as_of_ms: int) -> Analysis:
    """Count the whole topic in one go, without any state."""
    count = LogCount(
        funnels,
        mapping_of(settings.sources[0]),
        Limits(settings.allowed_lateness_ms, settings.max_future_skew_ms),
        settings.rolling,
        bot_cap=settings.worker.bot_cap,
    )
    await read_topic(settings.kafka, settings.log_topic, count.take)
    return count.finish(as_of_ms)


async def check(settings: TrackerSettings, funnels: Sequence[Funnel], look: Callable[[], Seen]) -> Outcome:
    """Make every check. Raises `DemoError` if the workers do not get to the end of the topic."""
    view, spans = await wait_caught_up(settings, funnels)
    as_of_ms = max(int(time.time() * 1000), view.watermark_ms or 0) + FAST_CLOCKS_MS
    live = view.roll_up(as_of_ms)
    analysis = await analyze_topic(settings, funnels, as_of_ms)
    if live is None or analysis.rollup is None:
        raise DemoError("nothing was counted: the simulator wrote no valid record")
    records = sum(span.end - span.first for span in spans.values())
    verdicts = [sum(each.head.verdicts[v] for each in view.partitions.values()) for v in Verdict]
    differences = tuple(compare(live, analysis.rollup))
    findings = (
        Finding(
            f"consumed {records:,} records = sum of verdicts",
            () if sum(verdicts) == records else (f"the verdicts add up to {sum(verdicts):,}",),
        ),
        Finding("conservation laws hold in every window, period and segment", tuple(broken_laws(live))),
        Finding("live == funnel analyze over the same topic", differences[:SHOWN_DIFFERENCES]),
        Finding("/metrics shows the stored counts", tuple(await _unlike_metrics(verdicts, look))),
    )
    return Outcome(findings, live, records)


async def _unlike_metrics(verdicts: Sequence[int], look: Callable[[], Seen]) -> list[str]:
    """Return the verdicts whose counters differ from the store's; a worker reads the rollups four times a second."""
    deadline = time.monotonic() + SHOWN_S
    while True:
        seen = await asyncio.to_thread(look)
        lines = [
            f"{verdict.label}: /metrics {shown}, stored {verdicts[verdict]}"
            for verdict in Verdict
            if (shown := seen.value(names.RECORDS, verdict=verdict.label)) != verdicts[verdict]
        ]
        if not lines or time.monotonic() > deadline:
            return lines
        await asyncio.sleep(POLL_S)
