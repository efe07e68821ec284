"""Count a file or the snapshot of a topic with the core that counts live.

In:  records by partition, in log order; the instant `as_of`.
Out: per funnel an exact report, and the rollup that live would show for the same log.

Admission is live's, partition by partition. Because everything is at hand, each partition's
events are then taken in order of time, which spares all corrections; the engine's result
does not depend on the order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from stream.aggregate.report import FunnelReport, Tally, whole_range
from stream.aggregate.rollup import merge, roll_up
from stream.aggregate.totals import PartitionTotals
from stream.engine.advance import Change
from stream.engine.attempts import Fold
from stream.engine.match import FunnelSet
from stream.engine.periods import PeriodOf
from stream.engine.table import ActorTable, AdmittedEvent
from stream.ingest.admission import Limits, admit_batch
from stream.ingest.decode import EventDecoder
from stream.ingest.mapping import Mapping
from stream.model.funnel import Funnel
from stream.model.result import Rollup
from stream.model.verdict import Verdict
from stream.model.window import RollingWindow

UNDECIDED = (Verdict.DUPLICATE, Verdict.BOT, Verdict.ACCEPTED)
"""Verdicts that the engine gives, in the order in which the actor table counts them."""


@dataclass
class _Log:
    """One partition: its events so far, in log order, and where its watermark stands."""

    events: list[AdmittedEvent] = field(default_factory=list)
    watermark_ms: int | None = None
    next_offset: int = 0


@dataclass(frozen=True)
class Analysis:
    """What was counted: reports in the order of the funnels, verdict counts by `Verdict`, and live's view."""

    as_of_ms: int | None
    verdicts: tuple[int, ...]
    reports: tuple[FunnelReport, ...]
    rollup: Rollup | None


class LogCount:
    """Takes records in, then says what they come to. `trend`: entry periods of the trend, None for each funnel's own."""

    def __init__(
        self,
        funnels: Sequence[Funnel],
        mapping: Mapping,
        limits: Limits,
        windows: Sequence[RollingWindow] = (),
        trend: PeriodOf | None = None,
    ) -> None:
        self._definitions = tuple(funnels)
        self._funnels = FunnelSet(self._definitions)
        self._decoder = EventDecoder(mapping, self._funnels.property_paths)
        self._limits = limits
        self._windows = windows
        self._trend = trend
        self._logs: dict[int, _Log] = {}
        self._verdicts = [0] * len(Verdict)

    def take(
        self,
        partition: int,
        values: Sequence[bytes | None],
        record_times: Sequence[int | None],
        offsets: Sequence[int | str],
        origin: str,
    ) -> None:
        """Take in the next records of a partition; the columns are as in `ingest.admission.admit_batch`."""
        log = self._logs.setdefault(partition, _Log())
        admitted = admit_batch(
            values,
            record_times,
            offsets,
            self._decoder,
            self._funnels.serving,
            self._limits,
            log.watermark_ms,
            origin,
        )
        log.events += admitted.events
        log.watermark_ms = admitted.watermark_ms
        log.next_offset += len(values)
        self._verdicts = [a + b for a, b in zip(self._verdicts, admitted.counts, strict=True)]

    def finish(self, as_of_ms: int | None = None) -> Analysis:
        """Return the analysis at `as_of_ms`, by default the largest watermark. Ends the count."""
        if as_of_ms is None:
            marks = [log.watermark_ms for log in self._logs.values() if log.watermark_ms is not None]
            as_of_ms = max(marks, default=None)
        funnels = self._funnels.funnels
        tallies = {funnel.number: Tally(funnel, self._trend or funnel.period_of) for funnel in funnels}
        standings: dict[int, list[Fold]] = {funnel.number: [] for funnel in funnels}
        rollups = []
        for _, log in sorted(self._logs.items()):
            events = log.events if as_of_ms is None else [event for event in log.events if event[1] <= as_of_ms]
            events.sort(key=itemgetter(1))
            verdicts, totals = self._count(events, log.watermark_ms, tallies, standings)
            for verdict, count in zip(UNDECIDED, verdicts, strict=True):
                self._verdicts[verdict] += count
            if as_of_ms is not None:
                rollups.append(self._roll_up(log, totals, as_of_ms))
        self._logs.clear()
        reports = tuple(tallies[f.number].report(standings[f.number], as_of_ms or 0) for f in funnels)
        return Analysis(as_of_ms, tuple(self._verdicts), reports, merge(rollups))

    def _count(
        self,
        events: list[AdmittedEvent],
        watermark_ms: int | None,
        tallies: dict[int, Tally],
        standings: dict[int, list[Fold]],
    ) -> tuple[Sequence[int], PartitionTotals]:
        table = _full_table(self._funnels, events)
        applied = table.apply(events, None, write=False)
        totals = PartitionTotals(self._funnels.funnels, self._windows)
        totals.take(applied.changes)
        if watermark_ms is not None:
            totals.move_on(watermark_ms, watermark_ms - self._limits.allowed_lateness_ms)
        own_periods = self._trend is None
        for funnel, change in applied.changes:
            tallies[funnel.number].take(change)
            if own_periods:
                tallies[funnel.number].take_periods(change)
        for _, states in table.items():
            for number, state in states.items():
                standings[number].append(state.fold)
        if not own_periods:
            self._count_actors(events, self._trend or whole_range, Tally.take_periods, tallies)
        self._count_actors(events, whole_range, Tally.take_range, tallies)
        return applied.verdicts, totals

    def _count_actors(
        self,
        events: list[AdmittedEvent],
        period_of: PeriodOf,
        take: Callable[[Tally, Change], None],
        tallies: dict[int, Tally],
    ) -> None:
        """Count unique actors by other periods than the funnels' own: the engine folds them side by side."""
        funnels = FunnelSet(self._definitions)
        for funnel in funnels.funnels:
            funnel.period_of = period_of
        for funnel, change in _full_table(funnels, events).apply(events, None, write=False).changes:
            take(tallies[funnel.number], change)

    def _roll_up(self, log: _Log, totals: PartitionTotals, as_of_ms: int) -> Rollup:
        return Rollup(
            as_of_ms=as_of_ms,
            watermark_ms=log.watermark_ms,
            next_offset=log.next_offset,
            verdicts=[0] * len(Verdict),
            corrections=0,
            written_ms=0,
            funnels=[roll_up(own, as_of_ms, {}, None) for own in totals.by_number.values()],
        )


def _full_table(funnels: FunnelSet, events: list[AdmittedEvent]) -> ActorTable:
    """Return a table in which every actor of `events` has done nothing yet."""
    table = ActorTable(funnels, lambda _: b"")
    for actor, key in table.missing(events):
        table.put(actor, key, None)
    return table
