"""What a log comes to at one instant after another, each as of that instant, later arrivals included.

In:  records by partition, in log order; then instants, ascending.
Out: a rollup at each: that of `LogCount.finish` at the same instant, in one pass over the events.

Records are admitted once, as live does. Each partition's events are then taken in order of time, up to one instant
and then on to the next.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from stream.aggregate.ages import Segments
from stream.aggregate.moving import MovingTotals, roll_up_together
from stream.aggregate.rollup import Shown
from stream.aggregate.segments import choose_shown
from stream.aggregate.totals import PartitionTotals
from stream.analyze.count import known_until
from stream.analyze.fold import Ordered, TimeFold, in_time_order
from stream.analyze.intake import Intake
from stream.engine.advance import Change
from stream.engine.match import CompiledFunnel, FunnelSet
from stream.errors import HistoryError
from stream.model.funnel import Breakdown
from stream.model.result import Rollup
from stream.model.verdict import Verdict
from stream.settings.tracker import ExportSettings

# entries by funnel number, breakdown number and value
Entries: TypeAlias = Counter[tuple[int, int, str]]


class _Partition:
    """One partition's events on their way, and what is counted of them so far."""

    def __init__(self, ordered: Ordered, totals: PartitionTotals, watermark_ms: int | None) -> None:
        self.ordered = ordered
        self.totals = totals
        self._watermark_ms = watermark_ms
        self._courses: list[tuple[Iterator[Ordered], Iterator[int], TimeFold]] = []

    def begin(self, funnels: FunnelSet, instants: Sequence[int]) -> None:
        """Set out; funnels that floor times alike know the same events at an instant, and share a fold."""
        alike: dict[int, list[CompiledFunnel]] = {}
        for funnel in funnels.funnels:
            alike.setdefault(funnel.definition.granularity_ms, []).append(funnel)
        for own in alike.values():
            ends = [known_until(own[0].definition, instant) for instant in instants]
            numbers = None if len(alike) == 1 else {funnel.number for funnel in own}
            self._courses.append((self.ordered.cut(ends), iter(ends), TimeFold(funnels, numbers)))

    def move_to(self, as_of_ms: int, settle_ms: int) -> None:
        """Count what is known at the next instant."""
        for pieces, ends, fold in self._courses:
            for part in fold.take(next(pieces), next(ends) + 1):
                self.totals.take(part.changes)
        if self._watermark_ms is not None:
            mark_ms = min(self._watermark_ms, as_of_ms)
            self.totals.move_on(mark_ms, mark_ms - settle_ms)


class Past(Intake):
    """Takes records in, then says what they came to at each of many instants."""

    def _new_totals(self) -> PartitionTotals:
        return PartitionTotals(self._funnels.funnels, self._windows or (), self._ages, totals=MovingTotals)

    @property
    def first_ms(self) -> int | None:
        """Time of the earliest event of any funnel; None if there is none."""
        return min((event[1] for log in self._logs.values() for event in log.events), default=None)

    def rollups(self, instants: Sequence[int], export: ExportSettings, settle_ms: int) -> Iterator[Rollup]:
        """Yield the rollup at each of some instants, ascending, none after the largest watermark. Ends the count.

        export: which breakdown values are shown; they are chosen once, by the entries between the first instant and the
        last. settle_ms: how long an outcome waits to be final, live's allowed lateness; in a file nothing is late, and
        outcomes are final all the same.
        """
        self._shared.clear()
        since_ms, latest_ms = self.first_ms, self.latest_ms
        if since_ms is None or latest_ms is None or not instants or instants[-1] > latest_ms:
            raise HistoryError("instants of the past lie between the first event and the largest watermark")
        partitions = self._partitions()
        shown = self._shown(partitions, export, (instants[0], instants[-1]))
        parts = {funnel.number: [_totals(each, funnel) for each in partitions] for funnel in self._funnels.funnels}
        for number, own in parts.items():
            for totals in own:
                totals.show(shown[number], own[0])
        for partition in partitions:
            partition.begin(self._funnels, instants)
        for instant in instants:
            for partition in partitions:
                partition.move_to(instant, settle_ms)
            funnels = [roll_up_together(own, instant, since_ms) for own in parts.values()]
            yield Rollup(instant, instant, 0, [0] * len(Verdict), 0, 0, funnels)

    def _partitions(self) -> list[_Partition]:
        partitions = []
        for _, log in sorted(self._logs.items()):
            ordered = in_time_order(log.events, self._funnels, self._bot_cap)
            log.events = []
            if log.totals is not None:
                partitions.append(_Partition(ordered, log.totals, log.watermark_ms))
        self._logs.clear()
        return partitions

    def _shown(
        self, partitions: Sequence[_Partition], export: ExportSettings, span: tuple[int, int]
    ) -> Mapping[int, Shown]:
        """Return which breakdown values are shown, by funnel number; to choose among too many takes a fold."""
        known: dict[tuple[int, int], set[str]] = {}
        for funnel in self._funnels.funnels:
            for partition in partitions:
                for place, values in enumerate(_totals(partition, funnel).counted, start=1):
                    known.setdefault((funnel.number, place), set()).update(values.known)
        breakdowns = {(number, place): self._breakdown(number, place) for number, place in known}
        is_choice = any(len(values) > export.limit(breakdowns[place]) for place, values in known.items())
        entries = self._entries(partitions, span) if is_choice else Counter()
        shown: dict[int, dict[int, frozenset[str]]] = {funnel.number: {} for funnel in self._funnels.funnels}
        for (number, place), breakdown in breakdowns.items():
            entered = {value: entries[number, place, value] for value in known[number, place]}
            shown[number][place] = choose_shown((entered,), export.limit(breakdown), export.always(breakdown))
        return shown

    def _breakdown(self, number: int, place: int) -> Breakdown:
        return self._funnels.by_number[number].definition.breakdowns[place - 1]

    def _entries(self, partitions: Sequence[_Partition], span: tuple[int, int]) -> Entries:
        """Count the attempts that entered in a span, ends included, by breakdown value."""
        entries: Entries = Counter()
        for partition in partitions:
            until, _ = partition.ordered.cut(span[1:])
            changes = (each for part in TimeFold(self._funnels).take(until) for each in part.changes)
            for funnel, change in changes:
                counted = _totals(partition, funnel).counted
                for segments, sign in _entered(change, span):
                    for place, (values, value) in enumerate(zip(counted, segments, strict=True), start=1):
                        entries[funnel.number, place, values.counted(value)] += sign
        return entries


def _entered(change: Change, span: tuple[int, int]) -> Iterator[tuple[Segments, int]]:
    """Yield the breakdown values of each attempt that entered in a span, -1 with one that is taken back."""
    for attempts, sign in ((change.taken, -1), (change.given, 1)):
        for entry_ms, _, _, touch, _, _ in attempts:
            if touch is not None and touch[0] and span[0] <= entry_ms <= span[1]:
                yield touch[0], sign


def _totals(partition: _Partition, funnel: CompiledFunnel) -> MovingTotals:
    totals = partition.totals.by_number[funnel.number]
    assert isinstance(totals, MovingTotals)  # noqa: S101 (`Past` makes no others)
    return totals
