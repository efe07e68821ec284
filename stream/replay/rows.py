"""Every number that a namespace keeps of one funnel, as rows that can be compared one by one.

In:  a funnel's totals on all partitions at one offset, and their sum at an instant.
Out: rows: what is shown (rolling windows, ages, stages, people, sums), and the slots below it that it is made of.

A row says of which times its attempts can be, so that it can be told whether two namespaces both have all of it
(`replay.coverage`), and which actors could have part in it (`replay.unsynced`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

from stream.aggregate.cells import Cell, counts_of
from stream.aggregate.rings import WHOLE, Ring, Split
from stream.aggregate.totals import DAY_MS, FunnelTotals, is_slot_decided, undecided_from_ms
from stream.analyze.compare import RowKey, fields_of
from stream.analyze.compare import rows_of as shown_rows
from stream.analyze.document import iso
from stream.model.funnel import Funnel
from stream.model.result import FunnelRollup

Number = int | Decimal
_EVER = 1 << 62


class Row(NamedTuple):
    """Numbers by name, without zeros. from_ms, until_ms: the times that count here lie in [from_ms, until_ms).

    These are entries, or for a row `of_events` whatever the attempts' events did then. is_sum: of everything since the
    beginning. is_people: of actors, who never are unsynced. breakdown "" is the whole funnel.
    """

    numbers: dict[str, Number]
    from_ms: int
    until_ms: int
    breakdown: str
    segment: str
    of_events: bool = False
    is_sum: bool = False
    is_people: bool = False


Rows = Mapping[RowKey, Row]


@dataclass(frozen=True, slots=True)
class Kept:
    """One funnel in one namespace. kept_ms: how far back slots are asked about, by window; of others they are not."""

    totals: Sequence[FunnelTotals]
    watermarks_ms: Sequence[int]
    rollup: FunnelRollup
    as_of_ms: int
    kept_ms: Mapping[str, int]

    @property
    def definition(self) -> Funnel:
        """What is counted."""
        return self.totals[0].funnel.definition


def rows_of(kept: Kept) -> dict[RowKey, Row]:
    """Return all rows that have a number other than 0."""
    found: dict[RowKey, Row] = {}
    for key, row in _all(kept):
        known = found.setdefault(key, row)
        if known is not row:
            for name, number in row.numbers.items():
                known.numbers[name] = known.numbers.get(name, 0) + number
    for row in found.values():
        for name in [name for name, number in row.numbers.items() if not number]:
            del row.numbers[name]
    return {key: row for key, row in found.items() if row.numbers}


def digest_of(rows: Mapping[str, Rows]) -> str:
    """Return a digest of the rows of all funnels, by key: equal if and only if all numbers are."""
    plain = {
        funnel: {
            json.dumps(key, ensure_ascii=False): {name: text_of(number) for name, number in row.numbers.items()}
            for key, row in own.items()
        }
        for funnel, own in rows.items()
    }
    return sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def text_of(number: Number) -> str:
    """Return a number as text, in one form: sums keep zeros at their end of what went through them."""
    if isinstance(number, int):
        return str(number)
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _all(kept: Kept) -> Iterator[tuple[RowKey, Row]]:
    yield from _shown(kept)
    for totals, watermark_ms in zip(kept.totals, kept.watermarks_ms, strict=True):
        yield from _windows(kept, totals, watermark_ms)
        yield from _entries(kept, totals)
        yield from _periods(kept, totals)
        yield from _days(totals, watermark_ms)


def _shown(kept: Kept) -> Iterator[tuple[RowKey, Row]]:
    spans = _Spans(kept)
    for key, row in shown_rows(kept.rollup).items():
        numbers: dict[str, Any] = dict(fields_of(row, kept.rollup.steps))
        breakdown, _, segment = key[-1].partition("=")
        if key[0] == "period":
            start_ms = int(key[1])
            yield (
                ("period", iso(start_ms), key[-1]),
                Row(numbers, start_ms, _EVER, breakdown, segment, is_people=True),
            )
        elif key[0] == "window":
            yield key, Row(numbers, *spans.of(key[1], key[2]), breakdown, segment, of_events=key[2].startswith("age"))
        elif key[0] == "occupancy":
            yield key, Row(numbers, spans.standing_from_ms, _EVER, breakdown, segment)
        else:
            yield key, Row(numbers, -_EVER, _EVER, breakdown, segment, is_sum=True)


class _Spans:
    """Which times the rolling windows show at an instant, by window and form."""

    def __init__(self, kept: Kept) -> None:
        totals = kept.totals[0]
        self._as_of_ms = kept.as_of_ms
        self._undecided_ms = undecided_from_ms(kept.definition, kept.as_of_ms)
        self._slots = {window.name: (window.window_ms, window.slot_ms) for window in totals.rolling}
        for window in totals.rolling:
            for alert in window.alerts:
                self._slots.setdefault(alert.name, (alert.window_ms, window.slot_ms))
        self._ages = {age.name: age.age_ms for age in totals.ages}
        self.standing_from_ms = self._undecided_ms - totals.ledger.slot_ms

    def of(self, window: str, form: str) -> tuple[int, int]:
        """Return the span [from, until) that holds the slots of a window."""
        window_ms, slot_ms = self._slots[window]
        newest_ms = self._as_of_ms
        if form == "matured":
            newest_ms = self._undecided_ms - slot_ms - 1
        elif form:
            newest_ms -= self._ages[form.removeprefix("age ")] + slot_ms - 1
        if form:
            newest_ms -= newest_ms % slot_ms
        oldest_ms = newest_ms - window_ms
        oldest_ms += slot_ms - oldest_ms % slot_ms
        return oldest_ms, newest_ms + slot_ms


def _windows(kept: Kept, totals: FunnelTotals, watermark_ms: int) -> Iterator[tuple[RowKey, Row]]:
    """Yield the entry slots of the rolling windows, and what attempts did in them, wherever they entered."""
    for window, ring in zip(totals.rolling, totals.windows, strict=True):
        from_ms = watermark_ms - kept.kept_ms.get(window.name, 0)
        for start_ms, split, cell in _cells(ring):
            if start_ms < from_ms or window.name not in kept.kept_ms:
                continue
            place = (start_ms, start_ms + ring.slot_ms, *_named(totals, split))
            where = (iso(start_ms), _label(totals, split))
            yield (
                ("slot", window.name, *where),
                Row(_numbers(cell, decided=_is_decided(kept, start_ms, ring.slot_ms)), *place),
            )
            if cell.ages:
                yield ("slot by age", window.name, *where), Row(_ages(cell, totals), *place, of_events=True)


def _entries(kept: Kept, totals: FunnelTotals) -> Iterator[tuple[RowKey, Row]]:
    """Yield what is not settled yet: by entry, and what an event closed by that event."""
    ring = totals.ledger
    for start_ms, split, cell in _cells(ring):
        numbers = _numbers(cell, decided=_is_decided(kept, start_ms, ring.slot_ms))
        place = (start_ms, start_ms + ring.slot_ms, *_named(totals, split))
        yield ("unsettled by entry", iso(start_ms), _label(totals, split)), Row(numbers, *place)
    ring = totals.closings
    for start_ms, split, cell in _cells(ring):
        place = (start_ms, start_ms + ring.slot_ms, *_named(totals, split))
        row = Row(_numbers(cell, decided=True), *place, of_events=True)
        yield ("unsettled by close", iso(start_ms), _label(totals, split)), row


def _periods(kept: Kept, totals: FunnelTotals) -> Iterator[tuple[RowKey, Row]]:
    """Yield the people of the periods that are shown, and of one that has just begun: all that surely are kept."""
    current_ms = totals.funnel.period_of(kept.as_of_ms)[0]
    previous_ms = totals.funnel.period_of(current_ms - 1)[0]
    for start_ms, splits in totals.periods.items():
        if start_ms >= previous_ms:
            for split, cell in splits.items():
                place = (start_ms, _EVER, *_named(totals, split))
                row = Row(_numbers(cell, decided=False), *place, is_people=True)
                yield ("people by entry", iso(start_ms), _label(totals, split)), row


def _days(totals: FunnelTotals, watermark_ms: int) -> Iterator[tuple[RowKey, Row]]:
    """Yield how many entered on a UTC day with each breakdown value; what is exported by name is chosen by it."""
    for start_ms, counts in totals.days.items():
        for split, count in counts.items():
            if start_ms <= watermark_ms:
                place = (start_ms, start_ms + DAY_MS, *_named(totals, split))
                yield ("day", iso(start_ms), _label(totals, split)), Row({"entered": count}, *place)


def _cells(ring: Ring) -> Iterator[tuple[int, Split, Cell]]:
    for start_ms, splits in ring.slots.items():
        for split, cell in splits.items():
            yield start_ms, split, cell


def _is_decided(kept: Kept, start_ms: int, slot_ms: int) -> bool:
    return is_slot_decided(kept.definition, start_ms, slot_ms, kept.as_of_ms)


def _named(totals: FunnelTotals, split: Split) -> tuple[str, str]:
    """Return the breakdown's name and the segment."""
    number, segment = split
    return ("" if split == WHOLE else totals.funnel.definition.breakdowns[number - 1].name), segment


def _label(totals: FunnelTotals, split: Split) -> str:
    breakdown, segment = _named(totals, split)
    return f"{breakdown}={segment}" if breakdown else ""


def _numbers(cell: Cell, *, decided: bool) -> dict[str, Any]:
    """Return a cell's numbers, those included that will only be told apart once its attempts are decided."""
    numbers: dict[str, Any] = dict(fields_of(counts_of(cell, decided=decided), len(cell.at)))
    if cell.options is not None:
        numbers |= _by_step("cleared at step", cell.options.cleared)
    if cell.leaving is not None:
        numbers |= _by_step("leaving at step", cell.leaving.at)
    return numbers


def _by_step(name: str, column: Iterable[int]) -> dict[str, int]:
    return {f"{name} {step}": count for step, count in enumerate(column, start=1) if count}


def _ages(cell: Cell, totals: FunnelTotals) -> dict[str, Any]:
    """Return how many reached a step, and went on within which age, by name."""
    numbers = {}
    for code, count in cell.ages.items():
        step, place = divmod(code, len(totals.ages) + 1)
        if place:
            numbers[f"went on from step {step + 1} within {totals.ages[place - 1].name}"] = count
        else:
            numbers[f"reached step {step + 1}"] = count
    return numbers
