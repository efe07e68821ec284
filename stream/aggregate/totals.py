"""One funnel's counts on one partition, by entry slot, period and settlement.

In:  changes from the engine; the watermark as it moves on.
Out: rings that `aggregate.rollup` reads; and for the store, changed and deleted fields.

A slot of a rolling window also says how soon those went on that reached a step in it
(`aggregate.ages`). These counts depend on the configured ages: where the store has counts of
others, or none, they begin anew, with steps that are reached after all that was counted before.

An attempt that has not converted lies in the slot of its entry, under its deepest step;
whether that means pending or dropped is only a question of the instant asked about
(SPEC section 5), so nothing has to happen here when a window runs out. So it is with
attempts that an exclusion cleared, which then are excluded, and with those that count
nowhere then. Settled counts grow when a slot is certain to be final: what an event closed
(conversions, and attempts that an exclusion ended) by the slot of that event, the others
by the slot of their entry plus the window.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from math import gcd
from typing import Any

import msgspec

from stream.aggregate.ages import EVER, AgeCounts, AgeRule, Segments
from stream.aggregate.cells import Cell, add_cell, count_distinct, decided, empty_cell, unconverted
from stream.aggregate.gather import Gathered, changes_since, gather, gather_any, is_plain
from stream.aggregate.rings import WHOLE, Ring, Split
from stream.aggregate.segments import MAX_COUNTED, CountedValues
from stream.engine.advance import Change
from stream.engine.match import CompiledFunnel, Served
from stream.engine.touches import NO_VALUE
from stream.model.event import AdmittedEvent, Kind
from stream.model.funnel import Attribution, Funnel
from stream.model.window import Age, RollingWindow

MIN_FINE_MS = 1000
DAY_MS = 86_400_000
SLOTS_PER_LEDGER = 1000
"""A drop settles at most a 1000th of the window after it is certain."""
KEPT_PERIODS = 3
KEPT_DAYS = 3
"""UTC days whose entries are known by value: today, the day before, and one more for a watermark that is behind."""

WINDOW, LEDGER, CLOSING, PERIOD, SETTLED, VALUE, AGES, DAY = "w", "l", "c", "p", "s", "v", "a", "d"

_encode = msgspec.msgpack.Encoder().encode
_decode_cell = msgspec.msgpack.Decoder(Cell).decode
_decode_count = msgspec.msgpack.Decoder(int).decode
_decode_key = msgspec.msgpack.Decoder(tuple[int, str, int, int, int, str]).decode


class FunnelTotals:
    """Counts of one funnel on one partition.

    since_ms: attempts and periods that began before this instant are not counted; None counts all.
    """

    ring = Ring

    def __init__(
        self,
        funnel: CompiledFunnel,
        windows: Sequence[RollingWindow],
        ages: Sequence[Age] = (),
        since_ms: int | None = None,
    ) -> None:
        self.funnel = funnel
        count, window_ms = funnel.step_count, funnel.window_ms
        self.rolling = tuple(windows)
        kept = [age for age in ages if any(window.has_age(age) for window in windows)]
        self.ages = tuple(sorted(kept, key=lambda age: age.age_ms))
        self.fine_ms = gcd(*[window.slot_ms for window in windows]) if windows else MIN_FINE_MS
        definition = funnel.definition
        required = [number for number, step in enumerate(definition.steps, start=1) if not step.optional]
        ages_ms = tuple(age.age_ms for age in self.ages)
        self._since_ms = since_ms
        # What entered before the instant may reach steps for one window after it.
        ages_since_ms = EVER if since_ms is None else since_ms + window_ms
        self.age_rule = AgeRule(ages_ms, count, self.fine_ms, ages_since_ms, required)
        self._gather = (
            partial(gather, has_values=any(step.value is not None for step in definition.steps))
            if is_plain(definition)
            else partial(gather_any, touch_of_chain=funnel.touch_of_chain)
        )
        self.windows = [self.ring(count, window.slot_ms, self._keep_ms(window)) for window in windows]
        # The ledger is emptied by settling, the closings too; neither may drop a slot by age.
        ledger_ms = self.fine_ms * max(1, -(-window_ms // SLOTS_PER_LEDGER // self.fine_ms))
        never = 1 << 61
        self.ledger = self.ring(count, ledger_ms, never)
        self.closings = self.ring(count, self.fine_ms, never)
        self.periods: dict[int, dict[Split, Cell]] = {}
        self.days: dict[int, dict[Split, int]] = {}
        """By start of a UTC day, how many entered with each breakdown value; what is exported is chosen by it."""
        self._first_day_ms = -(1 << 61)
        self.settled: dict[Split, Cell] = {}
        # Without an event of its step a result has no value, although no event may lack one.
        by_step = [breakdown.attribution is Attribution.STEP for breakdown in definition.breakdowns]
        self.counted = [CountedValues(always=(NO_VALUE,) if each else ()) for each in by_step]
        self._noted: set[tuple[str, ...]] = set()
        self._changed: set[tuple[str, int, Split]] = set()
        self._deleted: list[tuple[str, int, Split]] = []
        self._settled_below: int | None = None
        self._stored_rule: tuple[int, Split] | None = None
        self._is_rule_stored = not self.ages

    def _keep_ms(self, window: RollingWindow) -> int:
        """Return how long a window's slots are kept: as long as its most shifted form shows them."""
        shifts = [age.age_ms for age in self.ages if window.has_age(age)]
        if window.has_matured(self.funnel.window_ms):
            shifts.append(self.funnel.window_ms + self.funnel.definition.granularity_ms - 1)
        return window.window_ms + 2 * window.slot_ms + max(shifts, default=0)

    def note(self, segments: tuple[str, ...]) -> None:
        """Note the breakdown values of an event; in log order, the first have a count of their own."""
        if segments not in self._noted:
            if len(self._noted) >= MAX_COUNTED:
                self._noted.clear()
            self._noted.add(segments)
            for values, value in zip(self.counted, segments, strict=True):
                values.note(value)

    def splits(self, segments: Segments) -> tuple[Split, ...]:
        """Return where entries with these breakdown values are counted."""
        counted = enumerate(zip(self.counted, segments, strict=True), start=1)
        return (WHOLE, *[(number, values.counted(value)) for number, (values, value) in counted])

    def take(self, changes: Iterable[Change]) -> int:
        """Add a batch's changes; returns how many corrections they hold."""
        if self._since_ms is not None:
            changes = changes_since(changes, self._since_ms)
        gathered = self._gather(changes, self.funnel.step_count, self.fine_ms, self.age_rule if self.ages else None)
        for (time_ms, segments), cell in gathered.open.items():
            for split in self.splits(segments):
                for ring in (*self.windows, self.ledger):
                    ring.add(time_ms, split, cell)
        for (time_ms, closed_ms, segments), cell in gathered.closed.items():
            for split in self.splits(segments):
                for ring in self.windows:
                    ring.add(time_ms, split, cell)
                if any(cell.at):
                    self.ledger.add(time_ms, split, Cell(cell.at))
                self.closings.add(closed_ms, split, cell)
        self._take_periods(gathered)
        self._take_ages(gathered.ages)
        self._take_days(gathered)
        return gathered.corrections

    def _take_days(self, gathered: Gathered) -> None:
        """Add the entries to those of their UTC days; whoever only went on has entered before."""
        if not self.counted:
            return
        entered: defaultdict[tuple[int, Segments], int] = defaultdict(int)
        for (time_ms, segments), cell in gathered.open.items():
            entered[time_ms - time_ms % DAY_MS, segments] += sum(cell.at) + sum(cell.excluded)
        for (time_ms, _, segments), cell in gathered.closed.items():
            entered[time_ms - time_ms % DAY_MS, segments] += sum(cell.at) + sum(cell.excluded)
        for (day_ms, segments), count in entered.items():
            if count and day_ms >= self._first_day_ms:
                counts = self.days.setdefault(day_ms, {})
                for split in self.splits(segments)[1:]:
                    counts[split] = counts.get(split, 0) + count
                    self._changed.add((DAY, day_ms, split))

    def _take_periods(self, gathered: Gathered) -> None:
        for (start_ms, segments), cell in gathered.periods.items():
            for split in self.splits(segments):
                add_cell(self._period_cell(start_ms, split), cell)
        for start_ms, count in gathered.actors.items():
            count_distinct(self._period_cell(start_ms, WHOLE), count)

    def _period_cell(self, start_ms: int, split: Split) -> Cell:
        """Return the cell of an entry period, which is to be changed."""
        self._changed.add((PERIOD, start_ms, split))
        return self.periods.setdefault(start_ms, {}).setdefault(split, empty_cell(self.funnel.step_count))

    def _take_ages(self, ages: Mapping[Segments, AgeCounts]) -> None:
        """Add counts by age to the segments; those of the first breakdown are the whole, which has none of its own."""
        by_split: dict[Split, defaultdict[int, int]] = {}
        for segments, counts in ages.items():
            for split in self.splits(segments)[1:] or (WHOLE,):
                known = by_split.get(split)
                if known is None:
                    by_split[split] = defaultdict(int, counts)
                    continue
                for key, count in counts.items():
                    known[key] += count
        for ring in self.windows:
            for split, own in by_split.items():
                ring.add_ages(split, self.age_rule.in_slots_of(ring.slot_ms, own), self.age_rule.codes)

    def move_on(self, watermark_ms: int, limit_ms: int) -> None:
        """Settle what is final below `limit_ms` (watermark - lateness) and drop what nothing shows."""
        last = self.funnel.definition.floor(limit_ms)
        last -= last % self.fine_ms
        if self._settled_below == last:
            return
        self._settled_below = last
        for start in [s for s in self.closings.slots if s + self.closings.slot_ms <= last]:
            self._settle(self.closings.remove(start), closed=True)
        length = self.ledger.slot_ms + self.funnel.window_ms
        for start in [s for s in self.ledger.slots if s + length < last]:
            self._settle(self.ledger.remove(start), closed=False)
        for ring in self.windows:
            ring.expire(watermark_ms)
        for start in sorted(self.periods)[:-KEPT_PERIODS]:
            if self.funnel.period_of(start)[1] + self.funnel.window_ms < last:
                self._deleted += [(PERIOD, start, split) for split in self.periods.pop(start)]
        self._first_day_ms = watermark_ms - watermark_ms % DAY_MS - (KEPT_DAYS - 1) * DAY_MS
        for start in [start for start in self.days if start < self._first_day_ms]:
            self._deleted += [(DAY, start, split) for split in self.days.pop(start)]

    def _settle(self, splits: dict[Split, Cell], *, closed: bool) -> None:
        for split, cell in splits.items():
            final = cell if closed else decided(unconverted(cell))
            known = self.settled.get(split)
            if known is None:
                known = self.settled[split] = empty_cell(self.funnel.step_count)
            add_cell(known, final)
            self._changed.add((SETTLED, 0, split))

    def fields(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return (changed, deleted) fields for the store since the last call."""
        changed: dict[bytes, bytes] = {}
        deleted: list[bytes] = []
        rings = [(WINDOW, index, ring) for index, ring in enumerate(self.windows)]
        for kind, index, ring in [*rings, (LEDGER, 0, self.ledger), (CLOSING, 0, self.closings)]:
            deleted += [self._key(kind, index, start, split) for start, split in ring.dropped]
            for start, split in ring.changed:
                changed[self._key(kind, index, start, split)] = _encode(ring.slots[start][split])
            ring.changed.clear()
            ring.dropped.clear()
        deleted += [self._key(kind, 0, start, split) for kind, start, split in self._deleted]
        for kind, start, split in self._changed:
            by_start: Mapping[int, Mapping[Split, Any]] = self.days if kind == DAY else self.periods
            cells = self.settled if kind == SETTLED else by_start.get(start, {})
            if split in cells:
                changed[self._key(kind, 0, start, split)] = _encode(cells[split])
        for breakdown, values in enumerate(self.counted):
            for value in values.added:
                changed[self._key(VALUE, 0, 0, (breakdown + 1, value))] = b""
            values.added.clear()
        if not self._is_rule_stored:
            changed[self._key(AGES, 0, self.age_rule.since_ms, (0, self.age_rule.text))] = b""
            self._is_rule_stored = True
        self._changed.clear()
        self._deleted.clear()
        return changed, [key for key in deleted if key not in changed]

    def _key(self, kind: str, index: int, start_ms: int, split: Split) -> bytes:
        return _encode((self.funnel.number, kind, index, start_ms, *split))

    def restore(self, key: tuple[int, str, int, int, int, str], blob: bytes) -> None:
        """Put back one field as `fields` wrote it."""
        _, kind, index, start_ms, breakdown, segment = key
        split = (breakdown, segment)
        if kind == VALUE:
            self.counted[breakdown - 1].known[segment] = None
            return
        if kind == AGES:
            self._stored_rule = (start_ms, split)
            return
        if kind == DAY:
            self.days.setdefault(start_ms, {})[split] = _decode_count(blob)
            return
        cell = _decode_cell(blob)
        if kind == WINDOW:
            self.windows[index].put(start_ms, split, cell)
        elif kind == LEDGER:
            self.ledger.put(start_ms, split, cell)
        elif kind == CLOSING:
            self.closings.put(start_ms, split, cell)
        elif kind == PERIOD:
            self.periods.setdefault(start_ms, {})[split] = cell
        else:
            self.settled[split] = cell

    def resume_ages(self, counted_until_ms: int | None) -> None:
        """Go on with restored age-matched counts, or begin them anew if they are not of the configured ages.

        counted_until_ms: no event that is counted already is later; None if there is none.
        """
        if self._stored_rule is not None and self._stored_rule[1][1] == self.age_rule.text:
            self.age_rule = self.age_rule.since(self._stored_rule[0])
            self._is_rule_stored = True
            return
        if self._stored_rule is not None:
            self._deleted.append((AGES, *self._stored_rule))
        if counted_until_ms is not None:
            self.age_rule = self.age_rule.since(counted_until_ms + 1)
        for ring in self.windows:
            ring.forget_ages()


def window_cells(fields: Mapping[bytes, bytes], number: int, index: int) -> Iterator[tuple[int, Split, Cell]]:
    """Yield (slot start, split, cell) of rolling window number `index` of funnel `number`, as the store has them."""
    for key, blob in fields.items():
        found, kind, ring, start_ms, breakdown, segment = _decode_key(key)
        if (found, kind, ring) == (number, WINDOW, index):
            yield start_ms, (breakdown, segment), _decode_cell(blob)


def undecided_from_ms(funnel: Funnel, as_of_ms: int) -> int:
    """Return the earliest entry whose window has not run out at `as_of_ms`; what entered before is decided."""
    return funnel.floor(as_of_ms) - funnel.window_ms


def is_slot_decided(funnel: Funnel, start_ms: int, slot_ms: int, as_of_ms: int) -> bool:
    """Whether every attempt of an entry slot has run out its window: the slot's end + window < T."""
    return start_ms + slot_ms < undecided_from_ms(funnel, as_of_ms)


def splits_of(touch: Any) -> tuple[Split, ...]:
    """Return the whole funnel and each breakdown's value of a touch."""
    if touch is None or not touch[0]:
        return (WHOLE,)
    return (WHOLE, *[(number, value) for number, value in enumerate(touch[0], start=1)])


class PartitionTotals:
    """All funnels' counts on one partition; with `since_ms`, only what entered from that instant on."""

    def __init__(
        self,
        funnels: Iterable[CompiledFunnel],
        windows: Sequence[RollingWindow],
        ages: Sequence[Age] = (),
        since_ms: int | None = None,
        *,
        totals: type[FunnelTotals] = FunnelTotals,
    ) -> None:
        self.by_number = {funnel.number: totals(funnel, windows, ages, since_ms) for funnel in funnels}

    def note(self, events: Iterable[AdmittedEvent], serving: Mapping[Kind, Served]) -> None:
        """Note the breakdown values of the events that can bring some, in log order, before `take`."""
        for _, _, _, name, properties, _ in events:
            for funnel, roles in serving[name]:
                if funnel.definition.breakdowns and funnel.has_segments(roles):
                    touch = funnel.touch(roles, properties)
                    if touch is not None and touch[0]:
                        self.by_number[funnel.number].note(touch[0])

    def take(self, changes: Iterable[tuple[CompiledFunnel, Change]]) -> int:
        """Add a batch's changes; returns how many corrections they hold."""
        by_number: dict[int, list[Change]] = {}
        for funnel, change in changes:
            by_number.setdefault(funnel.number, []).append(change)
        return sum(self.by_number[number].take(own) for number, own in by_number.items())

    def move_on(self, watermark_ms: int, limit_ms: int) -> None:
        """Settle and expire in every funnel; see `FunnelTotals.move_on`."""
        for totals in self.by_number.values():
            totals.move_on(watermark_ms, limit_ms)

    def fields(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return (changed, deleted) fields of all funnels since the last call."""
        changed: dict[bytes, bytes] = {}
        deleted: list[bytes] = []
        for totals in self.by_number.values():
            own, gone = totals.fields()
            changed.update(own)
            deleted += gone
        return changed, deleted

    def restore(self, fields: Iterable[tuple[bytes, bytes]], counted_until_ms: int | None = None) -> list[bytes]:
        """Put back what the store has; returns the keys of funnels that are no longer there.

        counted_until_ms: no event that is counted already is later; None if there is none.
        """
        orphans = []
        known: set[int] = set()
        for key, blob in fields:
            parts = _decode_key(key)
            totals = self.by_number.get(parts[0])
            if totals is None:
                orphans.append(key)
            else:
                totals.restore(parts, blob)
                known.add(parts[0])
        for number in known:
            self.by_number[number].resume_ages(counted_until_ms)
        return orphans
