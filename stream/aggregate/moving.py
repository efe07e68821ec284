"""A funnel's counts at one instant after another: sums of spans that move on with T, instead of slots added up anew.

In:  changes of the events up to T, partition by partition; then T, ascending.
Out: the rollup at T, the same that `aggregate.rollup` makes of the slots.

A rollup asks for the same spans of slots at every instant (a window, its matured form, one for each age). From one
instant to the next a few slots enter a span, a few leave it, and a few become decided; only these are added and taken
away, so that an instant costs what is new and what is shown. A week of minutes is 10 080 of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from stream.aggregate.ages import AgeCounts
from stream.aggregate.cells import Cell, add_cell, bump, empty_cell
from stream.aggregate.rings import Ring, Split
from stream.aggregate.rollup import Shown, by_entry, merge_funnel, standing_and_settled
from stream.aggregate.segments import CountedValues
from stream.aggregate.totals import FunnelTotals, undecided_from_ms
from stream.model.result import FunnelRollup

Slots = Mapping[int, Mapping[Split, Cell]]


class _Sums:
    """The slots of one span added up: apart those that begin before a border, which are decided, and the others."""

    def __init__(self, step_count: int, slot_ms: int) -> None:
        self._step_count = step_count
        self._slot_ms = slot_ms
        self._span = (0, 0, 0)
        self.decided: dict[Split, Cell] = {}
        self.undecided: dict[Split, Cell] = {}

    def count(self, start_ms: int, splits: Mapping[Split, Cell], sign: int = 1) -> None:
        """Add what a slot has more than before, or take it away, if the slot lies in the span."""
        side = self._side(start_ms, self._span)
        if side is None:
            return
        for split, cell in splits.items():
            known = side.get(split)
            if known is None:
                known = side[split] = empty_cell(self._step_count)
            add_cell(known, cell, sign)
            for code, count in cell.ages.items():
                bump(known.ages, code, sign * count)
            if known.is_empty and not known.ages:
                del side[split]  # else whoever once was in the span would be shown as zeros

    def _side(self, start_ms: int, span: tuple[int, int, int]) -> dict[Split, Cell] | None:
        after_ms, last_ms, border_ms = span
        if not after_ms < start_ms <= last_ms:
            return None
        return self.decided if start_ms < border_ms else self.undecided

    def move_to(self, slots: Slots, span: tuple[int, int, int]) -> None:
        """Move on to the span (after, last, border), all ms, of a ring with these slots."""
        before, self._span = self._span, span
        moved = [self._starts(old_ms, new_ms) for old_ms, new_ms in zip(before, span, strict=True)]
        if sum(map(len, moved)) > len(slots) or any(new < old for old, new in zip(before, span, strict=True)):
            self.decided, self.undecided = {}, {}
            for start_ms, splits in slots.items():
                self.count(start_ms, splits)
            return
        for start_ms in {start_ms for starts in moved for start_ms in starts if start_ms in slots}:
            if self._side(start_ms, before) is not self._side(start_ms, span):
                self._span = before
                self.count(start_ms, slots[start_ms], -1)
                self._span = span
                self.count(start_ms, slots[start_ms])

    def _starts(self, old_ms: int, new_ms: int) -> range:
        """Return the slots that one end of the span passes: they begin at `old_ms` or later, up to `new_ms`."""
        return range(old_ms - old_ms % self._slot_ms, new_ms + 1, self._slot_ms) if new_ms != old_ms else range(0)


class MovingRing(Ring):
    """A ring that tells the slots of a span as two: the sum of the decided ones, and that of the others.

    Spans are told apart by the order in which they are asked for after `begin`; another order would only be slower.
    """

    def __init__(self, step_count: int, slot_ms: int, keep_ms: int) -> None:
        super().__init__(step_count, slot_ms, keep_ms)
        self._sums: list[_Sums] = []
        self._asked = 0
        self._border_ms = 0

    def begin(self, border_ms: int) -> None:
        """Begin an instant, at which slots that begin before `border_ms` are decided."""
        self._border_ms = border_ms
        self._asked = 0
        self.changed.clear()
        self.dropped.clear()

    def add(self, time_ms: int, split: Split, cell: Cell) -> None:
        """Add a cell to the slot of `time_ms` and to the spans that it lies in."""
        super().add(time_ms, split, cell)
        self._count(time_ms - time_ms % self.slot_ms, {split: cell})

    def add_ages(self, split: Split, counts: AgeCounts, codes: int) -> None:
        """Add counts by age to their slots and spans."""
        super().add_ages(split, counts, codes)
        by_start: defaultdict[int, dict[int, int]] = defaultdict(dict)
        for key, count in counts.items():
            if count:
                number, code = divmod(key, codes)
                by_start[number * self.slot_ms][code] = count
        for start_ms, own in by_start.items():
            self._count(start_ms, {split: msgspec.structs.replace(empty_cell(self.step_count), ages=own)})

    def _count(self, start_ms: int, splits: Mapping[Split, Cell], sign: int = 1) -> None:
        if self.keeps(start_ms) or sign < 0:
            for sums in self._sums:
                sums.count(start_ms, splits, sign)

    def remove(self, start_ms: int) -> dict[Split, Cell]:
        """Take a slot out of the ring and its spans, and return what it held."""
        splits = super().remove(start_ms)
        self._count(start_ms, splits, -1)
        return splits

    def between(self, after_ms: int, last_ms: int) -> Iterable[tuple[int, dict[Split, Cell]]]:
        """Return the sums of slots with after_ms < start <= last_ms, each with an instant on its side of the border."""
        if self._asked == len(self._sums):
            self._sums.append(_Sums(self.step_count, self.slot_ms))
        sums = self._sums[self._asked]
        self._asked += 1
        sums.move_to(self.slots, (after_ms, last_ms, self._border_ms))
        return (self._border_ms - 1, sums.decided), (self._border_ms, sums.undecided)


class MovingTotals(FunnelTotals):
    """Counts of one funnel on one of the partitions that are rolled up together."""

    ring = MovingRing

    def show(self, shown: Shown, beside: FunnelTotals) -> None:
        """Count values that are not shown as `__other__`, and windows and periods together with `beside`.

        What is settled goes by each partition's own watermark, so that partitions count it apart. Before anything is
        counted.
        """
        for number, values in enumerate(self.counted, start=1):
            kept = values.known if number not in shown else values.known.keys() & shown[number]
            self.counted[number - 1] = CountedValues(0, kept)
        self.windows = beside.windows
        self.periods = beside.periods

    def begin(self, as_of_ms: int) -> None:
        """Begin an instant."""
        undecided_ms = undecided_from_ms(self.funnel.definition, as_of_ms)
        for ring in (*self.windows, self.ledger, self.closings):
            if isinstance(ring, MovingRing):
                ring.begin(undecided_ms - ring.slot_ms)


def roll_up_together(parts: Sequence[MovingTotals], as_of_ms: int, since_ms: int | None) -> FunnelRollup:
    """Return what is shown of one funnel on all partitions, which count windows and periods together, at `as_of_ms`.

    What /metrics does not show is left out: attempts since the beginning, and candidates for being shown by name.
    """
    for part in parts:
        part.begin(as_of_ms)
    standing = [standing_and_settled(part, as_of_ms, {}) for part in parts]
    return merge_funnel([by_entry(parts[0], as_of_ms, {}, since_ms), *standing])
