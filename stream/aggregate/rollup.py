"""One partition's finished summary at an instant, and the sum over partitions.

In:  a partition's totals and `as_of` T (ms UTC).
Out: `model.result.Rollup`. Partitions whose rollups have the same T add up exactly.

A rolling window w holds the entry slots with start > T - w; a slot's unconverted
attempts count as dropped when the slot's end + the funnel's window < T (SPEC section 5);
for that, T is floored to the funnel's granularity, as event times are. The matured form
holds as many slots, the newest being the last whose attempts are all decided. Age-matched
conversion too: of an age m the newest is the last that lies at or before T - m as a whole,
so that whoever reached a step in it has had m to go on.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from stream.aggregate.ages import EVER
from stream.aggregate.cells import Cell, add_counts, add_lists, add_outcomes, empty_counts
from stream.aggregate.outcomes import by_required, optional_steps
from stream.aggregate.rings import WHOLE, Ring, Split
from stream.aggregate.segments import OTHER
from stream.aggregate.totals import DAY_MS, FunnelTotals, is_slot_decided, undecided_from_ms
from stream.engine.periods import PeriodOf
from stream.model.result import (
    AgeRow,
    Counts,
    FunnelRollup,
    OccupancyRow,
    PeriodRow,
    Rollup,
    SplitRow,
    WindowRow,
)

CANDIDATES = 100
"""Values a partition proposes for being shown: actors are spread over partitions, so the largest are large in each."""

# breakdown number -> values that are shown by name; a breakdown that is not listed shows all
Shown = Mapping[int, frozenset[str]]


def roll_up(totals: FunnelTotals, as_of_ms: int, shown: Shown, since_ms: int | None) -> FunnelRollup:
    """Return one funnel's summary on one partition at `as_of_ms`."""
    names = _names(totals)
    standing = standing_and_settled(totals, as_of_ms, shown)
    return msgspec.structs.replace(
        by_entry(totals, as_of_ms, shown, since_ms),
        occupancy=standing.occupancy,
        total=_split_rows(_totals(totals, as_of_ms, shown), names),
        settled=standing.settled,
        largest=_largest_values(totals, as_of_ms, names, shown),
    )


def by_entry(totals: FunnelTotals, as_of_ms: int, shown: Shown, since_ms: int | None) -> FunnelRollup:
    """Return what the rolling windows, ages and entry periods show."""
    definition = totals.funnel.definition
    names = _names(totals)
    windows = []
    for index, window in enumerate(totals.rolling):
        for matured in (False, True):
            if matured and not window.has_matured(definition.window_ms):
                continue
            rows = window_counts(totals, index, as_of_ms, matured=matured, shown=shown)
            windows += [WindowRow(window.name, matured, names[b], value, counts) for (b, value), counts in rows.items()]
    return msgspec.structs.replace(
        _nothing(totals),
        since_ms=since_ms,
        windows=windows,
        periods=_periods(totals, as_of_ms, names, shown),
        ages=[row for row in _ages(totals, as_of_ms, names, shown) if any(row.reached)],
    )


def standing_and_settled(totals: FunnelTotals, as_of_ms: int, shown: Shown) -> FunnelRollup:
    """Return who stands at each stage, and what is final."""
    names = _names(totals)
    settled = _outcomes(((split, cell, True) for split, cell in totals.settled.items()), shown)
    return msgspec.structs.replace(
        _nothing(totals),
        occupancy=[OccupancyRow(names[b], value, at) for (b, value), at in _occupancy(totals, as_of_ms, shown).items()],
        settled=_split_rows(settled, names),
    )


def _nothing(totals: FunnelTotals) -> FunnelRollup:
    definition = totals.funnel.definition
    return FunnelRollup(
        key=definition.key,
        steps=totals.funnel.step_count,
        since_ms=None,
        windows=[],
        occupancy=[],
        periods=[],
        settled=[],
        optional=optional_steps(definition),
        is_open=definition.is_open,
    )


def _names(totals: FunnelTotals) -> list[str]:
    """Return the breakdowns' names by their numbers; 0 is the whole."""
    return ["", *[breakdown.name for breakdown in totals.funnel.definition.breakdowns]]


def _split_rows(counted: Mapping[Split, Counts], names: list[str]) -> list[SplitRow]:
    return [SplitRow(names[b], value, counts) for (b, value), counts in counted.items()]


def _largest_values(
    totals: FunnelTotals, as_of_ms: int, names: list[str], shown: Shown
) -> dict[str, dict[int, dict[str, int]]]:
    """Return per breakdown and UTC day, that of `as_of_ms` and the one before it, the values with most entrants."""
    today_ms = as_of_ms - as_of_ms % DAY_MS
    largest: dict[str, dict[int, dict[str, int]]] = {name: {} for name in names[1:]}
    for day_ms in (today_ms - DAY_MS, today_ms):
        entered: dict[int, dict[str, int]] = {}
        for (breakdown, value), count in totals.days.get(day_ms, {}).items():
            if value != OTHER and count > 0:  # others are not known by name
                entered.setdefault(breakdown, {})[value] = count
        for breakdown, known in entered.items():
            # Where more values are shown than is usual, more are needed to choose among.
            most = max(CANDIDATES, 2 * len(shown.get(breakdown, ())))
            largest[names[breakdown]][day_ms] = dict(sorted(known.items(), key=_rank)[:most])
    return largest


def _rank(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def window_counts(
    totals: FunnelTotals, index: int, as_of_ms: int, *, matured: bool, shown: Shown
) -> dict[Split, Counts]:
    """Return the outcomes of rolling window number `index` by split."""
    ring, window_ms = totals.windows[index], totals.rolling[index].window_ms
    if matured:
        # The last slot whose end + window < T; starts are multiples of the slot length.
        newest = undecided_from_ms(totals.funnel.definition, as_of_ms) - ring.slot_ms - 1
        newest -= newest % ring.slot_ms
        return _sum_slots(totals, ring, (newest - window_ms, newest), as_of_ms, shown)
    return _sum_slots(totals, ring, (as_of_ms - window_ms, as_of_ms), as_of_ms, shown)


def _sum_slots(
    totals: FunnelTotals, ring: Ring, span: tuple[int, int], as_of_ms: int, shown: Shown
) -> dict[Split, Counts]:
    result: dict[Split, Counts] = {}
    for start, splits in ring.between(*span):
        decided = _is_decided(totals, ring, start, as_of_ms)
        for split, cell in splits.items():
            if cell.shows_any(decided=decided):
                _add_outcomes(result, split, cell, shown, decided=decided)
    return result


def _ages(totals: FunnelTotals, as_of_ms: int, names: list[str], shown: Shown) -> list[AgeRow]:
    rows = []
    for window, ring in zip(totals.rolling, totals.windows, strict=True):
        for age in totals.ages:
            if not window.has_age(age):
                continue
            # The last slot whose end is not after T - m; starts are multiples of the slot length.
            newest = as_of_ms - age.age_ms - ring.slot_ms + 1
            newest -= newest % ring.slot_ms
            spans = {alert.name: (alert.window_ms, alert.segment_age == age.name) for alert in window.alerts}
            spans[window.name] = (window.window_ms, True)
            for name, (span_ms, has_segments) in spans.items():
                oldest = max(newest - span_ms, totals.age_rule.since_ms - 1)
                counted = _age_cells(totals, ring, (oldest, newest), shown if has_segments else None)
                for (b, value), cells in counted.items():
                    reached, went_on = totals.age_rule.at_age(cells, age.age_ms)
                    rows.append(AgeRow(name, age.name, names[b], value, reached, went_on))
    return rows


def _age_cells(totals: FunnelTotals, ring: Ring, span: tuple[int, int], shown: Shown | None) -> dict[Split, list[Cell]]:
    """Return the cells of a span with counts by age, by split; only those of the whole where nothing is `shown`."""
    whole = 1 if totals.counted else 0  # the first breakdown's segments, see `FunnelTotals`
    found: dict[Split, list[Cell]] = {}
    for _, splits in ring.between(*span):
        for split, cell in splits.items():
            if not (cell.ages or cell.has_attempts):
                continue
            if split[0] == whole:
                found.setdefault(WHOLE, []).append(cell)
            if shown is not None and split != WHOLE:
                found.setdefault(_label(split, shown), []).append(cell)
    return found


def _occupancy(totals: FunnelTotals, as_of_ms: int, shown: Shown) -> dict[Split, list[int]]:
    ring = totals.ledger
    optional = optional_steps(totals.funnel.definition)
    result: dict[Split, list[int]] = {}
    for start, splits in ring.between(EVER, as_of_ms):
        if _is_decided(totals, ring, start, as_of_ms):
            continue
        for split, cell in splits.items():
            standing = result.setdefault(_label(split, shown), [0] * totals.funnel.step_count)
            for own in (cell, cell.leaving):
                if own is not None:
                    for position, count in enumerate(own.at):
                        standing[position] += count
    return {label: by_required(standing, optional) for label, standing in result.items()}


def _is_decided(totals: FunnelTotals, ring: Ring, start_ms: int, as_of_ms: int) -> bool:
    return is_slot_decided(totals.funnel.definition, start_ms, ring.slot_ms, as_of_ms)


def _totals(totals: FunnelTotals, as_of_ms: int, shown: Shown) -> dict[Split, Counts]:
    """Return all attempts since the funnel began: the settled, the converted, and those of the ledger."""
    cells = [(split, cell, True) for split, cell in totals.settled.items()]
    for splits in totals.closings.slots.values():
        cells += [(split, cell, True) for split, cell in splits.items()]
    result = _outcomes(cells, shown)
    ledger = totals.ledger
    for start, splits in ledger.slots.items():
        decided = _is_decided(totals, ledger, start, as_of_ms)
        for split, cell in splits.items():
            # Conversions are among the settled and the closings.
            _add_outcomes(result, split, cell, shown, decided=decided).converted -= cell.at[-1]
    return result


def _periods(totals: FunnelTotals, as_of_ms: int, names: list[str], shown: Shown) -> list[PeriodRow]:
    current = totals.funnel.period_of(as_of_ms)
    previous = totals.funnel.period_of(current[0] - 1)
    rows = []
    for start_ms, end_ms in (current, previous):
        decided = end_ms < undecided_from_ms(totals.funnel.definition, as_of_ms)
        cells = totals.periods.get(start_ms, {})
        counted = _outcomes(((split, cell, decided) for split, cell in cells.items()), shown)
        for (b, value), counts in counted.items():
            rows.append(PeriodRow(start_ms, names[b], value, counts))
    return rows


def people_by_form(rollup: FunnelRollup, calendar: PeriodOf, as_of_ms: int) -> dict[str, tuple[int, list[PeriodRow]]]:
    """Return the start and the rows of the entry period of `as_of_ms`, "current", and of the "previous" one.

    A period has a row of the whole, zeros if nobody entered; it has no row if the funnel did not count then yet.
    """
    current_ms = calendar(as_of_ms)[0]
    nobody = [0] * (rollup.steps - 1)
    found = {}
    for form, start_ms in (("current", current_ms), ("previous", calendar(current_ms - 1)[0])):
        rows = [row for row in rollup.periods if row.start_ms == start_ms]
        began = rollup.since_ms is not None and (form == "current" or rollup.since_ms < current_ms)
        if began and not any(row.breakdown == "" for row in rows):
            rows.append(PeriodRow(start_ms, "", "", Counts(nobody, nobody, nobody)))
        found[form] = start_ms, rows
    return found


def _outcomes(cells: Iterable[tuple[Split, Cell, bool]], shown: Shown) -> dict[Split, Counts]:
    """Return the outcomes of cells, each with its split and whether its attempts are decided, by what is shown."""
    result: dict[Split, Counts] = {}
    for split, cell, decided in cells:
        _add_outcomes(result, split, cell, shown, decided=decided)
    return result


def _add_outcomes(result: dict[Split, Counts], split: Split, cell: Cell, shown: Shown, *, decided: bool) -> Counts:
    """Add a cell's outcomes to those of its split as it is shown, and return these."""
    label = _label(split, shown)
    counts = result.get(label)
    if counts is None:
        counts = result[label] = empty_counts(len(cell.at))
    add_outcomes(counts, cell, decided=decided)
    return counts


def _label(split: Split, shown: Shown) -> Split:
    breakdown, value = split
    values = shown.get(breakdown)
    return split if values is None or value in values else (breakdown, OTHER)


Row = TypeVar("Row", WindowRow, PeriodRow, SplitRow)


def merge(rollups: Iterable[Rollup]) -> Rollup | None:
    """Add the partitions' rollups; None if there are none.

    `as_of_ms` and `watermark_ms` are the largest, `written_ms` is the oldest.
    """
    merged: Rollup | None = None
    funnels: dict[str, list[FunnelRollup]] = {}
    for rollup in rollups:
        for funnel in rollup.funnels:
            funnels.setdefault(funnel.key, []).append(funnel)
        if merged is None:
            merged = Rollup(
                rollup.as_of_ms, rollup.watermark_ms, 0, [0] * len(rollup.verdicts), 0, rollup.written_ms, []
            )
        merged.as_of_ms = _largest(merged.as_of_ms, rollup.as_of_ms)
        merged.watermark_ms = _largest(merged.watermark_ms, rollup.watermark_ms)
        merged.next_offset += rollup.next_offset
        merged.verdicts = [a + b for a, b in zip(merged.verdicts, rollup.verdicts, strict=True)]
        merged.corrections += rollup.corrections
        merged.gaps += rollup.gaps
        merged.written_ms = min(merged.written_ms, rollup.written_ms)
    if merged is not None:
        merged.funnels = [merge_funnel(parts) for _, parts in sorted(funnels.items())]
    return merged


def _largest(left: int | None, right: int | None) -> int | None:
    return right if left is None else left if right is None else max(left, right)


def merge_funnel(parts: list[FunnelRollup]) -> FunnelRollup:
    """Add the rollups of one funnel on several partitions."""
    standing: dict[tuple[str, str], OccupancyRow] = {}
    for part in parts:
        for row in part.occupancy:
            known = standing.setdefault(
                (row.breakdown, row.segment), OccupancyRow(row.breakdown, row.segment, [0] * part.steps)
            )
            known.standing = [a + b for a, b in zip(known.standing, row.standing, strict=True)]
    starts = [part.since_ms for part in parts if part.since_ms is not None]
    return FunnelRollup(
        key=parts[0].key,
        steps=parts[0].steps,
        since_ms=max(starts, default=None),
        windows=_merge_rows([row for part in parts for row in part.windows]),
        occupancy=list(standing.values()),
        periods=_merge_rows([row for part in parts for row in part.periods]),
        total=_merge_rows([row for part in parts for row in part.total]),
        settled=_merge_rows([row for part in parts for row in part.settled]),
        largest=_merge_largest(parts),
        ages=_merge_ages([row for part in parts for row in part.ages]),
        optional=parts[0].optional,
        is_open=parts[0].is_open,
    )


def _merge_largest(parts: list[FunnelRollup]) -> dict[str, dict[int, dict[str, int]]]:
    merged: dict[str, dict[int, dict[str, int]]] = {}
    for part in parts:
        for breakdown, days in part.largest.items():
            for day_ms, entered in days.items():
                known = merged.setdefault(breakdown, {}).setdefault(day_ms, {})
                for value, count in entered.items():
                    known[value] = known.get(value, 0) + count
    return merged


def _merge_ages(rows: list[AgeRow]) -> list[AgeRow]:
    merged: dict[tuple[str, str, str, str], AgeRow] = {}
    for row in rows:
        known = merged.setdefault((row.window, row.age, row.breakdown, row.segment), row)
        if known is not row:
            known.reached = add_lists(known.reached, row.reached)
            known.went_on = add_lists(known.went_on, row.went_on)
    return list(merged.values())


def _merge_rows(rows: list[Row]) -> list[Row]:
    """Add the counts of rows that are alike but for them; the first of each kind is added to in place."""
    merged: dict[tuple[object, ...], Row] = {}
    for row in rows:
        key = tuple(getattr(row, field) for field in row.__struct_fields__ if field != "counts")
        known = merged.get(key)
        if known is None:
            merged[key] = row
        else:
            add_counts(known.counts, row.counts)
    return list(merged.values())
