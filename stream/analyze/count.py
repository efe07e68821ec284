"""Count a file or the snapshot of a topic with the core that counts live.

In:  records by partition, in log order; the instant `as_of`.
Out: per funnel an exact report of the events up to `as_of`; and, if asked for, the rollup
     that live would show for the same log.

Admission is live's, partition by partition. Because everything is at hand, each partition's
events are then taken in order of time (`analyze.fold`).

Live counts an event that is ahead of the watermark (by the allowed skew at most) as soon as
it comes. So does the rollup, unless `as_of` lies before the largest watermark: that is an
instant that live has passed, and the rollup then says what was so at it.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from stream.aggregate.report import FunnelReport, Tally, whole_range
from stream.aggregate.rollup import merge, roll_up
from stream.aggregate.totals import PartitionTotals, undecided_from_ms
from stream.analyze.fold import Ordered, Part, TimeFold, in_time_order
from stream.analyze.intake import Intake, Log
from stream.analyze.next_actions import NextActions, StepActions
from stream.analyze.times import StepTimes
from stream.engine.advance import NO_CAP, Change
from stream.engine.match import CompiledFunnel, FunnelSet
from stream.engine.periods import PeriodOf
from stream.ingest.admission import Limits
from stream.ingest.mapping import Mapping
from stream.model.funnel import Funnel
from stream.model.result import Rollup
from stream.model.verdict import Verdict
from stream.model.window import Age, RollingWindow

UNDECIDED = (Verdict.DUPLICATE, Verdict.BOT, Verdict.ACCEPTED)
"""Verdicts that the engine gives, in the order in which the actor table counts them."""


@dataclass(frozen=True)
class Analysis:
    """What was counted.

    verdicts: of every record, by `Verdict`, whatever `as_of_ms` is. ahead: admitted events after `as_of_ms`, which
    the reports leave out. reports, times: in the order of the funnels. rollup: live's view, None if not asked for.
    next_offsets, watermarks: by partition. earlier: reports at other instants before `as_of_ms`, by instant.
    next_actions: what came next after drops, in the order of the funnels; () if not asked for.
    """

    as_of_ms: int | None
    verdicts: tuple[int, ...]
    reports: tuple[FunnelReport, ...]
    rollup: Rollup | None
    times: tuple[StepTimes, ...] = ()
    ahead: int = 0
    next_offsets: dict[int, int] = field(default_factory=dict)
    watermarks: dict[int, int | None] = field(default_factory=dict)
    earlier: dict[int, tuple[FunnelReport, ...]] = field(default_factory=dict)
    next_actions: tuple[StepActions, ...] = ()


class LogCount(Intake):
    """Takes records in, then says what they come to.

    trend: entry periods of the trend, None for each funnel's own. The rest is as in `Intake`.
    """

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        funnels: Sequence[Funnel],
        mapping: Mapping,
        limits: Limits,
        windows: Sequence[RollingWindow] | None = None,
        trend: PeriodOf | None = None,
        bot_cap: int = NO_CAP,
        ages: Sequence[Age] = (),
        *,
        next_actions: bool = False,
    ) -> None:
        super().__init__(funnels, mapping, limits, windows, bot_cap, ages)
        self._trend = trend
        self._next_actions = NextActions(self._funnels, mapping, limits) if next_actions else None

    def take(  # noqa: PLR0913, PLR0917
        self,
        partition: int,
        values: Sequence[bytes | None],
        record_times: Sequence[int | None],
        offsets: Sequence[int | str],
        origin: str,
        next_offset: int | None = None,
    ) -> None:
        """Take in the next records of a partition, as `Intake.take` does."""
        if self._next_actions is not None:
            log = self._logs.get(partition)
            mark_ms = None if log is None else log.watermark_ms
            self._next_actions.take(partition, values, record_times, offsets, origin, mark_ms)
        super().take(partition, values, record_times, offsets, origin, next_offset)

    @property
    def work(self) -> int:
        """How many events will be folded: once for attempts, for each way to count actors, and for next actions."""
        passes = (2 if self._trend is None else 3) + (self._next_actions is not None)
        return sum(len(log.events) for log in self._logs.values()) * passes

    def finish(
        self,
        as_of_ms: int | None = None,
        told: Callable[[int], Any] | None = None,
        earlier: Collection[int] = (),
    ) -> Analysis:
        """Return the analysis at `as_of_ms`, by default the largest watermark. Ends the count.

        told: called with numbers of events as they are folded; together they are at most `work`, for `as_of_ms` and
        for each of the instants before it that are in `earlier`.
        """
        self._shared.clear()
        latest_ms = self.latest_ms
        if as_of_ms is None:
            as_of_ms = latest_ms
        until_ms = 0 if as_of_ms is None else as_of_ms
        counted = _Counted(self._funnels, self._trend, self._definitions, until_ms, told)
        counted_at = {
            instant: _Counted(self._funnels, self._trend, self._definitions, instant, told)
            for instant in sorted(earlier)
        }
        rollups = []
        for partition, log in sorted(self._logs.items()):
            ordered = in_time_order(log.events, self._funnels, self._bot_cap)
            log.events = []
            for verdict, count in ordered.verdicts.items():
                log.verdicts[verdict] += count
            for own in counted_at.values():
                own.count_all(list(ordered.cut(own.instants))[:-1])
            *before, after = ordered.cut(counted.instants)
            ordered.events.clear()
            is_past = latest_ms is not None and until_ms < latest_ms
            self._count(log, before, after, counted, until_ms if is_past else None)
            counted.count_actors(before)
            if self._next_actions is not None:
                # A drop is decided before the last instant begins, so that no more of that is needed.
                self._next_actions.count(partition, before[0], until_ms, told or (lambda _: None))
            if log.totals is not None and as_of_ms is not None:
                rollups.append(self._roll_up(log, log.totals, as_of_ms))
        verdicts = [sum(column) for column in zip(*[log.verdicts for log in self._logs.values()], strict=True)]
        analysis = Analysis(
            as_of_ms,
            tuple(verdicts or [0] * len(Verdict)),
            counted.reports(),
            merge(rollups),
            tuple(counted.times[funnel.number] for funnel in self._funnels.funnels),
            counted.ahead,
            {number: log.next_offset for number, log in sorted(self._logs.items())},
            {number: log.watermark_ms for number, log in sorted(self._logs.items())},
            {instant: own.reports() for instant, own in counted_at.items()},
            () if self._next_actions is None else self._next_actions.counts(),
        )
        self._logs.clear()
        return analysis

    def _count(
        self, log: Log, before: Sequence[Ordered], after: Ordered, counted: "_Counted", past_ms: int | None
    ) -> None:
        """Fold one partition, before `as_of` in pieces as `_Counted.instants` says.

        Its totals take what lies after `as_of` too, unless that is in the past (`past_ms`).
        """
        mark_ms = log.watermark_ms
        if mark_ms is not None and past_ms is not None:
            mark_ms = min(mark_ms, past_ms)
        fold = TimeFold(self._funnels)
        for place, piece in enumerate(before):
            for part in fold.take(piece):
                known = part._replace(changes=counted.known(part.changes, place))
                counted.take(known)
                if place:
                    counted.ahead += part.events
                self._add(log, part if past_ms is None else known, mark_ms)
        for part in fold.take(after):
            counted.take_ahead(part)
            self._add(log, part if past_ms is None else part._replace(changes=()), mark_ms)
        if log.totals is not None and mark_ms is not None:
            self._move_on(log.totals, mark_ms)

    def _add(self, log: Log, part: Part, mark_ms: int | None) -> None:
        for verdict, count in zip(UNDECIDED, part.verdicts, strict=True):
            log.verdicts[verdict] += count
        if log.totals is not None:
            log.totals.take(part.changes)
            if part.next_ms is not None and mark_ms is not None:
                # Nothing to come lies before it, so that what is final can be put away already.
                self._move_on(log.totals, min(part.next_ms, mark_ms))

    def _move_on(self, totals: PartitionTotals, watermark_ms: int) -> None:
        totals.move_on(watermark_ms, watermark_ms - self._limits.allowed_lateness_ms)

    def _roll_up(self, log: Log, totals: PartitionTotals, as_of_ms: int) -> Rollup:
        return Rollup(
            as_of_ms=as_of_ms,
            watermark_ms=log.watermark_ms,
            next_offset=log.next_offset,
            verdicts=log.verdicts,
            corrections=0,
            written_ms=0,
            funnels=[roll_up(own, as_of_ms, {}, None) for own in totals.by_number.values()],
        )


def known_until(definition: Funnel, as_of_ms: int) -> int:
    """Return the last ms that a funnel knows as of an instant: an instant of floored times is known whole."""
    return definition.floor(as_of_ms) + definition.granularity_ms - 1


class _Counted:
    """The reports of all funnels as of an instant, as partition after partition is added."""

    def __init__(
        self,
        funnels: FunnelSet,
        trend: PeriodOf | None,
        definitions: Sequence[Funnel],
        as_of_ms: int,
        told: Callable[[int], Any] | None,
    ) -> None:
        self._funnels = funnels
        self._trend = trend
        self._definitions = definitions
        self._tell = told or (lambda _: None)
        self._tallies = {
            funnel.number: Tally(funnel, trend or funnel.period_of, as_of_ms) for funnel in funnels.funnels
        }
        self.times = {
            funnel.number: StepTimes(undecided_from_ms(funnel.definition, as_of_ms)) for funnel in funnels.funnels
        }
        self.ahead = 0
        self._until = {funnel.number: known_until(funnel.definition, as_of_ms) for funnel in funnels.funnels}
        self.instants = sorted({as_of_ms, *self._until.values()})
        """Up to which events count for all funnels, and then for those whose times are floored, which reach further."""

    def take(self, part: Part) -> None:
        """Add changes of the attempts, and of the actors where the funnel's periods are those of the trend."""
        for funnel, change in part.changes:
            tally = self._tallies[funnel.number]
            tally.take(change)
            self.times[funnel.number].take(change)
            if self._trend is None:
                tally.take_periods(change)
        self._tell(part.events)

    def take_ahead(self, part: Part) -> None:
        """Only count the events."""
        self.ahead += part.events
        self._tell(part.events)

    def known(
        self, changes: Sequence[tuple[CompiledFunnel, Change]], place: int
    ) -> Sequence[tuple[CompiledFunnel, Change]]:
        """Return which changes of the piece at `place` count: of funnels whose floored times lie before `as_of`."""
        if place == 0:
            return changes
        return [(funnel, change) for funnel, change in changes if self._until[funnel.number] >= self.instants[place]]

    def count_all(self, pieces: Sequence[Ordered]) -> None:
        """Count a partition's attempts and actors: it ends with these events."""
        fold = TimeFold(self._funnels)
        for place, piece in enumerate(pieces):
            for part in fold.take(piece):
                self.take(part._replace(changes=self.known(part.changes, place)))
        self.count_actors(pieces)

    def count_actors(self, pieces: Sequence[Ordered]) -> None:
        """Count unique actors by the periods that the funnels themselves do not have: each takes a fold of its own."""
        wanted: list[tuple[PeriodOf, Callable[[Tally, Change], None]]] = [(whole_range, Tally.take_range)]
        if self._trend is not None:
            wanted.append((self._trend, Tally.take_periods))
        for period_of, take in wanted:
            funnels = FunnelSet(self._definitions)
            for funnel in funnels.funnels:
                funnel.period_of = period_of
            fold = TimeFold(funnels)
            for place, piece in enumerate(pieces):
                for part in fold.take(piece):
                    for funnel, change in self.known(part.changes, place):
                        take(self._tallies[funnel.number], change)
                    self._tell(part.events)

    def reports(self) -> tuple[FunnelReport, ...]:
        """Return the reports in the order of the funnels."""
        return tuple(self._tallies[funnel.number].report() for funnel in self._funnels.funnels)
