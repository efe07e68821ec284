"""The records of a simulated web shop, in the order a broker would log them.

In:  `ShopTraffic`.
Out: `SimRecord`s, `record_ms` never decreasing, endless; cut them where you like.

Promises: no I/O, no clock, one `random.Random(seed)`: equal settings give equal bytes on every machine. A record is
never delivered before its event happened, unless its clock is fast or from the future. Memory is bounded by rate x
(length of a visit + delays) and `max_visitors`, however long it runs. One second of shop time is made at a time: each
is filled up with new visits to the wanted rate, so the rate holds from the first second on.

Speed: about 100 000 records/s on one core of the machine this was written on (Python 3.11).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count, islice, takewhile
from operator import attrgetter
from random import Random
from typing import NamedTuple

from stream.simulate.damage import damaged
from stream.simulate.people import DRAWS, Population, log_normal
from stream.simulate.traffic import FUTURE_AFTER_MS, ShopTraffic
from stream.simulate.visit import Planned, Planner

__all__ = ["ShopTraffic", "SimRecord", "bounded", "iso_time", "shop_records"]

DAY_MS = 86_400_000
MAX_CACHED_SECONDS = 512
FUTURE_MARGIN_MS = 60_000
"""Keeps a later copy of a record from the future in the future too."""


class SimRecord(NamedTuple):
    """One delivery: the record key (the actor; none if the record names no actor), JSON bytes, delivery time."""

    key: bytes | None
    value: bytes
    record_ms: int


def shop_records(traffic: ShopTraffic) -> Iterator[SimRecord]:
    """Yield the shop's records for ever, in delivery order, from `traffic.start_ms` on."""
    shop = _Shop(traffic)
    for second in count():
        yield from shop.deliver(second)


def bounded(records: Iterator[SimRecord], max_records: int | None, until_ms: int | None) -> Iterator[SimRecord]:
    """Cut the records after so many, and before the first delivered at `until_ms` or later; `None` is no bound."""
    if until_ms is not None:
        records = takewhile(lambda record: record.record_ms < until_ms, records)
    return islice(records, max_records)


def iso_time(time_ms: int) -> str:
    """Write a time in ISO 8601 with milliseconds and Z."""
    second, ms = divmod(time_ms, 1_000)
    return f"{_iso_second(second)}.{ms:03d}Z"


def _iso_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:19]


class _Shop:
    """What has been planned and what is under way, by second since the start."""

    def __init__(self, traffic: ShopTraffic) -> None:
        self._traffic = traffic
        self._draw = Random(traffic.seed)  # noqa: S311 - reproducible traffic is the point
        self._planner = Planner(self._draw, traffic, Population(self._draw, traffic))
        self._planned: dict[int, list[Planned]] = {}
        self._under_way: dict[int, list[SimRecord]] = {}
        self._wanted = 0.0  # events still missing to the rate; negative after a busy second
        self._iso_seconds: dict[int, str] = {}
        self._until_future = traffic.junk_share + traffic.future_share
        self._until_late = self._until_future + traffic.late_share
        self._until_offline = self._until_late + traffic.offline_share
        limit_ms = traffic.allowed_lateness_ms
        self._prompt_ms = log_normal(60, 0.8, limit_ms)
        self._offline_ms = log_normal(40_000, 1.2, limit_ms)
        self._retry_ms = log_normal(400, 1.0, limit_ms)

    def deliver(self, second: int) -> list[SimRecord]:
        """Let one second happen and return what arrives in it; call it for every second in turn."""
        planned = self._planned.pop(second, [])
        self._fill_up(second, planned)
        for each in planned:
            self._send(each)
        arrived = self._under_way.pop(second, [])
        arrived.sort(key=attrgetter("record_ms"))
        return arrived

    def _fill_up(self, second: int, planned: list[Planned]) -> None:
        """Start visits until the second holds the events it should."""
        random = self._draw.random
        begin_ms = self._traffic.start_ms + second * 1_000
        self._wanted += self._traffic.events_per_second / (1 + self._traffic.duplicate_share) - len(planned)
        while self._wanted >= 1 or random() < self._wanted:
            for event in self._planner.plan(begin_ms + int(random() * 1_000)):
                due = (event.moment_ms - self._traffic.start_ms) // 1_000
                if due == second:
                    planned.append(event)
                    self._wanted -= 1
                else:
                    self._planned.setdefault(due, []).append(event)

    def _send(self, planned: Planned) -> None:
        """Put the event on its way: its clock, its delay, its copies, its damage."""
        traffic, draw = self._traffic, self._draw
        random = draw.random
        moment_ms, visit, who, event, place = planned
        time_ms = moment_ms + visit.ahead_ms
        record_ms = moment_ms + self._prompt_ms[int(random() * DRAWS)]
        latest_ms = moment_ms + traffic.allowed_lateness_ms
        # One draw decides among fates that exclude each other; most records meet none of them.
        fate = random()
        if fate < self._until_future:
            if fate >= traffic.junk_share:
                time_ms = record_ms + FUTURE_AFTER_MS + FUTURE_MARGIN_MS + int(random() * DAY_MS)
        elif fate < self._until_late:
            record_ms = latest_ms + visit.ahead_ms + 1_000 + int(random() * 2 * traffic.allowed_lateness_ms)
            latest_ms = record_ms + traffic.allowed_lateness_ms
        elif fate < self._until_offline and visit.is_mobile:
            record_ms = moment_ms + self._offline_ms[int(random() * DRAWS)]
        value = (
            f'{{"id":"{visit.id_head}{draw.getrandbits(48):012x}",{who},"event":"{event}",'
            f'"time":"{self._iso(time_ms)}",{visit.tail}{place}}}}}'
        ).encode()
        if fate < traffic.junk_share:
            self._log(SimRecord(*damaged(draw, visit.key, value), record_ms))
            return
        self._log(SimRecord(visit.key, value, record_ms))
        if random() < traffic.duplicate_share:
            copied_ms = min(record_ms + self._retry_ms[int(random() * DRAWS)], latest_ms)
            self._log(SimRecord(visit.key, value, copied_ms))

    def _log(self, record: SimRecord) -> None:
        second = (record.record_ms - self._traffic.start_ms) // 1_000
        self._under_way.setdefault(second, []).append(record)

    def _iso(self, time_ms: int) -> str:
        second, ms = divmod(time_ms, 1_000)
        text = self._iso_seconds.get(second)
        if text is None:
            if len(self._iso_seconds) >= MAX_CACHED_SECONDS:
                self._iso_seconds.clear()
            text = self._iso_seconds[second] = _iso_second(second)
        return f"{text}.{ms:03d}Z"
