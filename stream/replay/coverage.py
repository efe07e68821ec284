"""What two namespaces both have, though they may not have begun at the same record.

In:  a funnel on all partitions, as live and a run have counted it up to the same records.
Out: from which instant on both have everything, and from which every event was read by both.

The one that began later knows less. A run that was planned from an instant (`worker.runs.Start.since_ms`) has read
whatever can belong to a chain that starts there, and counts from there. One that began cold, at some record, or
with a funnel that was added to it then, has every event that is further ahead of that record's time than a clock may
be; chains that start one window after that can be compared.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from stream.aggregate.ages import EVER
from stream.aggregate.segments import MAX_COUNTED
from stream.aggregate.totals import FunnelTotals
from stream.analyze.compare import RowKey
from stream.model.funnel import Funnel
from stream.model.window import AlertWindow, RollingWindow
from stream.replay.rows import Row
from stream.replay.sides import Counted, Side
from stream.worker.partition import Partition

Both = Mapping[int, tuple[Counted, Counted]]
"""By partition, as live and as the run have counted it."""

_BY_SLOT = frozenset({"unsettled by entry", "unsettled by close", "occupancy", "settled", "total"})
"""Kinds of rows that go by slots as long as the shortest one of the rolling windows."""
_BY_WINDOW = frozenset({"window", "slot", "slot by age"})


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of a funnel can be compared.

    since_ms: entries from here on; None: all, as both began at the same record. events_since_ms: what attempts did,
    from here on. sure_ms: by partition, from which instant on both have read every event; not where both have read the
    same records. windows_ms: rolling and alert windows that both have, and how far back both keep their slots.
    full: breakdowns whose values are counted by name in the order they came, as all places are taken.
    has_other_slots, has_other_ages: whether the two count in slots of other lengths, or by other ages.
    """

    since_ms: int | None
    events_since_ms: int
    sure_ms: Mapping[int, int]
    windows_ms: Mapping[str, int]
    full: frozenset[str] = frozenset()
    has_other_slots: bool = False
    has_other_ages: bool = False

    def has(self, key: RowKey, row: Row) -> bool:
        """Whether both sides have all of a row, and by the same rule."""
        kind, *place = key
        if row.breakdown in self.full or (kind in _BY_WINDOW and place[0] not in self.windows_ms):
            return False
        if (self.has_other_slots and kind in _BY_SLOT) or (self.has_other_ages and is_by_age(key)):
            return False
        if row.of_events and row.from_ms < self.events_since_ms:
            return False
        return self.since_ms is None or (not row.is_sum and row.from_ms >= self.since_ms)


def is_by_age(key: RowKey) -> bool:
    """Whether a row is of age-matched conversion."""
    return key[0] == "slot by age" or (key[0] == "window" and key[2].startswith("age "))


class Known(NamedTuple):
    """From when on a side has read every event, and from when on what enters can be compared."""

    sure_ms: int
    since_ms: int


def coverage(funnel: Funnel, live: Side, run: Side, both: Both, began_ms: Mapping[int, int]) -> Coverage:
    """Return what both have of a funnel.

    began_ms: record time of a run's first record, for partitions on which its warm-up is not whole.
    """
    window_ms = longest_ms(funnel)
    since: list[int] = []
    sure: dict[int, int] = {}
    for number, counted in both.items():
        since += [each for each in (live.since_ms(number), run.since_ms(number)) if each is not None]
        known = list(_later(funnel, (live, run), number, counted, began_ms.get(number)))
        if known:
            since.append(max(each.since_ms for each in known))
            sure[number] = max(each.sure_ms for each in known)
    since_ms = max(since, default=None)
    totals = [totals_of(own.partition, funnel.key) for own in chain.from_iterable(both.values())]
    ages_since = {own.age_rule.since_ms for own in totals}
    events_since_ms = max(ages_since) if len(ages_since) > 1 else EVER
    if since_ms is not None:
        events_since_ms = max(events_since_ms, since_ms + window_ms)
    full = {
        breakdown.name
        for own in totals
        for breakdown, values in zip(funnel.breakdowns, own.counted, strict=True)
        if len(values.known) >= MAX_COUNTED
    }
    return Coverage(
        since_ms,
        events_since_ms,
        sure,
        _windows_of_both(totals),
        frozenset(full if sure else ()),
        has_other_slots=len({own.fine_ms for own in totals}) > 1,
        has_other_ages=len({own.ages for own in totals}) > 1,
    )


def _windows_of_both(totals: Sequence[FunnelTotals]) -> dict[str, int]:
    """Return the rolling and alert windows that all have, and how far back all keep their slots."""
    kept_ms: dict[RollingWindow, list[int]] = {}
    alerts: dict[AlertWindow, int] = {}
    for own in totals:
        for window, ring in zip(own.rolling, own.windows, strict=True):
            kept_ms.setdefault(replace(window, alerts=()), []).append(ring.keep_ms)
            for alert in window.alerts:
                alerts[alert] = alerts.get(alert, 0) + 1
    everywhere = {alert.name: 0 for alert, count in alerts.items() if count == len(totals)}
    return everywhere | {window.name: min(own) for window, own in kept_ms.items() if len(own) == len(totals)}


def longest_ms(funnel: Funnel) -> int:
    """Return the longest time between two events of one chain, however their times are floored."""
    return funnel.window_ms + funnel.granularity_ms - 1


def totals_of(partition: Partition, key: str) -> FunnelTotals:
    """Return what a partition has counted of a funnel (name@version)."""
    return next(own for own in partition.totals.by_number.values() if own.funnel.definition.key == key)


def _later(
    funnel: Funnel, sides: tuple[Side, Side], number: int, counted: tuple[Counted, Counted], began_ms: int | None
) -> Iterator[Known]:
    """Yield what those sides know that began later than the other, with the partition or with this funnel."""
    most = max(own.records for own in counted)
    marks = [own.partition.head.watermark_ms for own in counted]
    # Who has read nothing yet begins behind all that the other has.
    newest_ms = max((mark for mark in marks if mark is not None), default=None)
    begins: list[int] = []
    for side, own in zip(sides, counted, strict=True):
        began = own.since.get(funnel.key, newest_ms)
        if began is None:
            continue
        if began > min(own.since.values(), default=began):
            yield _cold(funnel, side, began)  # live took it in later, may it be a run that was planned from an instant
        elif own.records < most:
            yield known_from(funnel, side, number, began, began_ms)
        elif side.since_ms(number) is None:
            begins.append(began)
    if len(set(begins)) > 1:  # of as many records, one took the funnel in later, and those before it are gone
        yield _cold(funnel, sides[0], max(begins))


def known_from(funnel: Funnel, side: Side, number: int, began: int, began_ms: int | None) -> Known:
    """Return what a side knows that has not read all there is.

    began: record time from which it counts the funnel, of a run without a start. began_ms: as for `coverage`.
    """
    since_ms = side.since_ms(number)
    if since_ms is None:
        return _cold(funnel, side, began)
    whole = Known(since_ms - longest_ms(funnel) - side.counting.limits.allowed_lateness_ms, since_ms)
    if began_ms is None:
        return whole
    cut = _cold(funnel, side, began_ms)
    return Known(max(whole.sure_ms, cut.sure_ms), max(since_ms, cut.since_ms))


def _cold(funnel: Funnel, side: Side, began_ms: int) -> Known:
    """Return what is known from a record of that time on: an event before it may be ahead of it by the skew."""
    sure_ms = began_ms + side.counting.limits.max_future_skew_ms + 1
    return Known(sure_ms, sure_ms + longest_ms(funnel))
