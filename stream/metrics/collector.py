"""The /metrics page of one worker: the whole funnel from merged rollups, and its own process.

In:  a merged `Rollup` whenever all partitions' rollups were read, and now.
Out: Prometheus text.

Promises: no counter below the value last shown; no funnel series from rollups older
than 10 s, so that `max` over instances never trusts a stale one; never more series
than the limit, and the same ones on every worker. The text is made at most once per
refresh and only if somebody scrapes; another thread may ask for it, since a large page takes a while.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stream.metrics import names
from stream.metrics.exposition import Lines, page, seconds
from stream.metrics.process import ProcessPage, ProcessStats
from stream.metrics.samples import Block, Floor, blocks, counters, shown_windows, with_zeros
from stream.model.funnel import Funnel
from stream.model.result import Rollup
from stream.model.verdict import Verdict
from stream.model.window import RollingWindow

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PageLimits:
    """How much one page shows, and how old its rollups may be."""

    max_series: int = 5_000
    stale_after_ms: int = 10_000


class FunnelCollector:
    """Renders /metrics; one per worker.

    `windows`: the rolling windows in the order they are configured. `floor`: the one to go on with. `update` and
    `process_text` belong to one thread, `funnel_text` to any.
    """

    def __init__(
        self,
        definitions: Sequence[Funnel],
        limits: PageLimits | None = None,
        process: ProcessStats | None = None,
        windows: Sequence[RollingWindow] = (),
        floor: Floor | None = None,
    ) -> None:
        self._windows = tuple(windows)
        self._definitions = {funnel.key: funnel for funnel in definitions}
        self._limits = limits or PageLimits()
        self._process = ProcessPage(process) if process is not None else None
        self._floor = floor or Floor()
        self._newest: tuple[Rollup, int] | None = None
        self._rendering = threading.Lock()
        self._text: tuple[Rollup, bytes] | None = None
        self._has_told = False

    def update(self, merged: Rollup, refreshed_ms: int) -> None:
        """Take the sum of all partitions' rollups, read at `refreshed_ms` (wall clock, ms).

        A funnel in it that has no definition here is left to the workers that have one
        (two sets of funnels during a rolling deploy).
        """
        self._newest = merged, refreshed_ms

    def render(self, now_ms: int) -> bytes:
        """Return the page at `now_ms`; its content type is `exposition.CONTENT_TYPE`."""
        return self.funnel_text(now_ms) + self.process_text(now_ms)

    def process_text(self, now_ms: int) -> bytes:
        """Return the part about this process."""
        refreshed_ms = None if self._newest is None else self._newest[1]
        return b"" if self._process is None else self._process.render(now_ms, refreshed_ms)

    def funnel_text(self, now_ms: int) -> bytes:
        """Return the part about the funnels."""
        newest = self._newest
        if newest is None or now_ms - newest[1] > self._limits.stale_after_ms:
            return b""
        with self._rendering:  # who asks meanwhile waits for the same text
            if self._text is None or self._text[0] is not newest[0]:
                self._text = newest[0], page(names.ABOUT_FUNNELS, self.lines(newest[0]))
            return self._text[1]

    def lines(self, merged: Rollup) -> Lines:
        """Return the samples that a page shows of a merged rollup."""
        shown: Lines = defaultdict(list)
        _log_wide(shown, merged, self._floor)
        # The two series about the page itself are part of it.
        count = _count(shown) + 2
        left_out = 0
        refused = []
        for key, block in self._in_order(merged):
            size = _count(block.lines)
            if count + size > self._limits.max_series:
                left_out += size
                refused.append(f"{key} by {block.breakdown} {block.window}".rstrip())
                continue
            count += size
            for name, samples in block.lines.items():
                shown[name] += samples
        shown[names.SHOWN.name].append(f"{names.SHOWN.name} {count}")
        shown[names.REFUSED.name].append(f"{names.REFUSED.name} {left_out}")
        self._tell(refused, left_out)
        return shown

    def _in_order(self, merged: Rollup) -> list[tuple[str, Block]]:
        """Blocks of all funnels, what matters most first: totals, then rolling windows, then matured ones."""
        rollups = {rollup.key: rollup for rollup in merged.funnels}
        ranked: list[tuple[tuple[bool, bool, int], str, Block]] = []
        for key, funnel in self._definitions.items():
            if key not in rollups:
                continue
            rollup = with_zeros(rollups[key], shown_windows(funnel, self._windows))
            windows = [
                "",
                *[window.name for window in self._windows],
                *dict.fromkeys(row.window for row in rollup.windows),
                *dict.fromkeys(row.window for row in rollup.ages),
                str(funnel.period.unit),
            ]
            for block in blocks(funnel, rollup, merged.as_of_ms, self._floor, self._windows):
                rank = (block.breakdown != "", block.is_matured, windows.index(block.window))
                ranked.append((rank, key, block))
        ranked.sort(key=lambda item: item[0])
        return [(key, block) for _, key, block in ranked]

    def _tell(self, refused: list[str], left_out: int) -> None:
        if refused and not self._has_told:
            self._has_told = True
            logger.warning(
                "/metrics leaves out %d series (%s): more than %d would be shown; "
                "use fewer windows, breakdowns or exported segments, or raise the limit",
                left_out, ", ".join(refused), self._limits.max_series,
            )  # fmt: skip


def _log_wide(lines: Lines, merged: Rollup, floor: Floor) -> None:
    if merged.as_of_ms is not None:
        lines[names.AS_OF.name].append(f"{names.AS_OF.name} {seconds(merged.as_of_ms)}")
    name = names.RECORDS.name
    by_verdict = [(floor.sample(name, verdict=verdict.label), merged.verdicts[verdict]) for verdict in Verdict]
    counters(lines, name, by_verdict, floor)
    for series, count in ((names.CORRECTIONS, merged.corrections), (names.GAPS, merged.gaps)):
        counters(lines, series.name, [(floor.sample(series.name), count)], floor)


def _count(lines: Mapping[str, list[str]]) -> int:
    return sum(map(len, lines.values()))
