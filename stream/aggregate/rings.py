"""Counts by slot of time, kept only as long as something shows them.

In:  cells with the instant they belong to.
Out: the slots of a span; and for the store, which slots changed and which are gone.

A ring has slots of one length, aligned to the epoch. Slots are sparse. What it keeps
depends on the watermark alone, so it is the same after a replay.
"""

from collections.abc import Iterable

from stream.aggregate.ages import AgeCounts
from stream.aggregate.cells import Cell, add_cell, bump, empty_cell

# (breakdown number, segment); breakdown 0 with segment "" is the whole funnel
Split = tuple[int, str]
WHOLE: Split = (0, "")


class Ring:
    """Slots of `slot_ms`; those that ended more than `keep_ms` before the watermark are dropped."""

    def __init__(self, step_count: int, slot_ms: int, keep_ms: int) -> None:
        self.slot_ms = slot_ms
        self.keep_ms = keep_ms
        self.slots: dict[int, dict[Split, Cell]] = {}
        self.changed: set[tuple[int, Split]] = set()
        self.dropped: list[tuple[int, Split]] = []
        self.step_count = step_count
        self._floor_ms: int | None = None

    def add(self, time_ms: int, split: Split, cell: Cell) -> None:
        """Add a cell to the slot of `time_ms`; a slot that is no longer kept takes nothing."""
        start = time_ms - time_ms % self.slot_ms
        if not self.keeps(start):
            return
        splits = self.slots.setdefault(start, {})
        known = splits.get(split)
        if known is None:
            known = splits[split] = empty_cell(self.step_count)
        add_cell(known, cell)
        self.changed.add((start, split))

    def add_ages(self, split: Split, counts: AgeCounts, codes: int) -> None:
        """Add counts by age to their slots, which are numbered in this ring's length; see `ages.AgeRule`."""
        slots, slot_ms = self.slots, self.slot_ms
        for key, count in counts.items():
            number, code = divmod(key, codes)
            start = number * slot_ms
            if not count or not self.keeps(start):
                continue
            splits = slots.get(start)
            if splits is None:
                splits = slots[start] = {}
            known = splits.get(split)
            if known is None:
                known = splits[split] = empty_cell(self.step_count)
            bump(known.ages, code, count)
            self.changed.add((start, split))

    def keeps(self, start_ms: int) -> bool:
        """Whether the slot that begins then is not dropped."""
        return self._floor_ms is None or start_ms >= self._floor_ms

    def put(self, start_ms: int, split: Split, cell: Cell) -> None:
        """Put back a slot as the store had it."""
        self.slots.setdefault(start_ms, {})[split] = cell

    def expire(self, watermark_ms: int) -> None:
        """Drop the slots that nothing shows any more."""
        floor_ms = watermark_ms - self.keep_ms
        floor_ms -= floor_ms % self.slot_ms
        if self._floor_ms is not None and floor_ms <= self._floor_ms:
            return
        self._floor_ms = floor_ms
        for start in [start for start in self.slots if start < floor_ms]:
            self.remove(start)

    def forget_ages(self) -> None:
        """Take all counts by age out of its cells."""
        for start, splits in self.slots.items():
            for split, cell in splits.items():
                if cell.ages:
                    cell.ages.clear()
                    self.changed.add((start, split))

    def remove(self, start_ms: int) -> dict[Split, Cell]:
        """Take a slot out and return what it held."""
        splits = self.slots.pop(start_ms)
        for split in splits:
            self.changed.discard((start_ms, split))
            self.dropped.append((start_ms, split))
        return splits

    def between(self, after_ms: int, last_ms: int) -> Iterable[tuple[int, dict[Split, Cell]]]:
        """Return (start, cells by split) of slots with after_ms < start <= last_ms."""
        return ((start, splits) for start, splits in self.slots.items() if after_ms < start <= last_ms)
