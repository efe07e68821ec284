"""The promise above all others: what live has stored, and an analysis of the same log, say the same.

A case is a log of 1 to 4 partitions: duplicates, late, future and broken records, records ahead of the
watermark, busy actors. Live is the worker's own `Partition` over a store in memory: random batch cuts,
commits that get lost, restarts from what is stored, sweeps. The analysis reads the same records with other
cuts. Every row of both rollups must be equal at any `as_of`, and the attempts, actors and age-matched counts those
of the oracle.
"""

import asyncio
import json
import random
from binascii import crc32
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream.aggregate.rollup import merge
from stream.analyze.compare import broken_laws, compare
from stream.analyze.count import Analysis, LogCount
from stream.analyze.live import LiveView, read_live
from stream.analyze.past import Past
from stream.engine.advance import NO_CAP
from stream.engine.match import FunnelSet
from stream.ingest.admission import Limits
from stream.ingest.decode import EventDecoder
from stream.ingest.identify import actor_key
from stream.ingest.mapping import Mapping
from stream.metrics.samples import Floor, blocks, shown_windows, with_zeros
from stream.model.funnel import Attribution, Breakdown, Funnel, Period, PeriodUnit, Step, ValueRule
from stream.model.result import FunnelRollup, Rollup
from stream.model.window import Age, AlertWindow, RollingWindow
from stream.settings.tracker import ExportSettings, SourceSettings, TrackerSettings
from stream.store.contract import Done, PartitionHead
from stream.store.memory import MemoryServer, MemoryStore
from stream.worker.activation import next_active_set
from stream.worker.contract import PartitionBatch
from stream.worker.partition import Counting, Partition
from support.options.cases import in_units_of, random_funnel
from support.oracle import OAttempt, OEvent, OFunnel, ORecord, actor_result, age_matched, attempts, counted_events
from support.product import product_funnel

TOPIC = "shop"
SHAPES = ["A>B>C", "A>B", "A>B>A", "A>AB>B", "A>A>A", "A>B>C>D>E", "C>AB"]
START_MS = 1_699_999_000_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
EVER = 10**15
TICK_MS = 5_000
"""Length of a unit of time of the funnels with options, whose windows have up to 14."""
WINDOWS = [
    (),
    (RollingWindow("1m", 60_000, alerts=(AlertWindow("7s", 7_000, "20s"),)), RollingWindow("10m", 600_000)),
    (
        RollingWindow("30s", 30_000, slots=10, alerts=(AlertWindow("30s", 30_000, "5s"), AlertWindow("6s", 6_000))),
        RollingWindow("1h", 3_600_000, alerts=(AlertWindow("30m", 1_800_000, "7m"),)),
    ),
]
AGES = [(), (Age("5s", 5_000),), (Age("7m", 420_000), Age("20s", 20_000))]
BULK_CASES = 80
ACTORS_PER_BULK_CASE = 260


@dataclass(frozen=True)
class Arrival:
    """A record: event time and the broker's stamp in ms; no `name` makes it a broken record."""

    actor: int
    time: int
    recorded: int
    id: str
    name: str


@dataclass(frozen=True)
class Case:
    shapes: tuple[tuple[str, int], ...]
    arrivals: tuple[Arrival, ...]
    partitions: int
    limits: Limits
    windows: tuple[RollingWindow, ...]
    bot_cap: int
    hourly: bool
    seed: int
    ages: tuple[Age, ...] = ()
    has_options: bool = False


def funnels_of(case: Case) -> tuple[Funnel, ...]:
    period = Period(PeriodUnit.HOUR if case.hourly else PeriodUnit.DAY)
    attribution = (Attribution.FIRST_DEFINED, Attribution.LAST_TOUCH, Attribution.STEP)[case.seed % 3]
    step = 2 if attribution is Attribution.STEP else None
    touched = Breakdown("touched", ("device", "amount"), attribution, step, is_combined=case.seed % 2 == 0)
    breakdowns = Breakdown("device", ("device",)), Breakdown("either", ("missing", "device"))
    plain = [
        Funnel("", 1, tuple(Step(f"s{k}", tuple(names)) for k, names in enumerate(shape.split(">"))), window_ms)
        for shape, window_ms in case.shapes
    ]
    with_options = [
        product_funnel(in_units_of(random_funnel(random.Random(f"{case.seed} {number}")), TICK_MS))
        for number in range(len(case.shapes))
    ]
    return tuple(
        replace(
            funnel,
            name=f"f{number}",
            steps=tuple(replace(step, value=ValueRule("amount", "currency", "EUR")) for step in funnel.steps),
            breakdowns=(*breakdowns[: number % 3], *(touched,) * (case.has_options and number > 0)),
            period=period,
        )
        for number, funnel in enumerate(with_options if case.has_options else plain)
    )


def amount_of(arrival: Arrival) -> str:
    return f"{arrival.time % 7}.{int(arrival.id[1:]) % 100:02}"


def device_of(arrival: Arrival) -> str | None:
    return (None, "phone", "desk")[(arrival.time + int(arrival.id[1:])) % 3]


def value_of(arrival: Arrival) -> bytes:
    if not arrival.name:
        return b'{"user_id": "broken'
    drawn = crc32(f"{arrival.id} {arrival.time}".encode())
    record = {
        "user_id": f"a{arrival.actor}",
        "time": arrival.time,
        "id": arrival.id,
        "event": arrival.name,
        "amount": amount_of(arrival),
        "device": device_of(arrival),
        "os": "aab"[drawn % 3],
        "sid": "abc"[drawn % 7] if drawn % 7 < 3 else "d",
    }
    if drawn % 5:
        record["plan"] = "xy"[drawn % 2]
    return json.dumps(record).encode()


def logs_of(case: Case) -> dict[int, list[Arrival]]:
    logs: dict[int, list[Arrival]] = {number: [] for number in range(case.partitions)}
    for arrival in case.arrivals:
        logs[arrival.actor % case.partitions].append(arrival)
    return logs


def cut(rng: random.Random, count: int) -> Iterator[tuple[int, int]]:
    """Yield [first, end) of consecutive batches, small and large ones."""
    longest = rng.choice([2, 10, 100, 10_000] if count < 100 else [30, 300, 3_000])
    start = 0
    while start < count:
        end = min(count, start + rng.randrange(1, longest + 1))
        yield start, end
        start = end


def settings_of(case: Case) -> TrackerSettings:
    source = SourceSettings(
        "shop",
        (TOPIC,),
        is_keyed_by_actor=True,
        allowed_lateness_ms=case.limits.allowed_lateness_ms,
        max_future_skew_ms=case.limits.max_future_skew_ms,
    )
    return TrackerSettings((source,), "unused", rolling=case.windows, age_matched=case.ages)


def batch_of(number: int, arrivals: list[Arrival], start: int, end: int) -> PartitionBatch:
    part = arrivals[start:end]
    return PartitionBatch(
        number,
        start,
        start,
        end,
        [value_of(arrival) for arrival in part],
        [arrival.recorded for arrival in part],
        range(start, end),
        [None] * len(part),
        len(arrivals),
    )


class Live:
    """Workers over one store, of which every now and then one is lost with all it remembers."""

    def __init__(self, case: Case) -> None:
        self.case, self.rng = case, random.Random(case.seed)
        self.store = MemoryStore(MemoryServer(), shards=4)
        self.funnels = funnels_of(case)
        self.active = next_active_set(self.funnels, None)
        self.running: list[Partition] = []

    def counting(self) -> Counting:
        compiled = FunnelSet(self.funnels, self.active.numbers)
        return Counting(
            compiled,
            self.active.id,
            EventDecoder(Mapping(), compiled.property_paths),
            self.case.limits,
            self.case.windows,
            TOPIC,
            lambda actor: actor_key(actor, b"secret"),
            self.case.bot_cap,
            self.rng.choice([1, 5, 10_000]),
            must_be_keyed_by_actor=False,
            ages=self.case.ages,
        )

    async def load(self, number: int) -> Partition:
        head = await self.store.load_head(number)
        partition = Partition(number, head, self.counting())
        partition.restore(await self.store.load_cells(number))
        return partition

    async def run(self) -> LiveView:
        assert await self.store.set_active_funnel_set(msgspec.json.encode(self.active), None)
        for number, arrivals in logs_of(self.case).items():
            await self.store.create_head(number, PartitionHead(0, epoch=1, partition_count=self.case.partitions))
            partition = await self.load(number)
            for start, end in cut(self.rng, len(arrivals)):
                partition = await self.process(partition, batch_of(number, arrivals, start, end))
            self.running.append(partition)
        return await read_live(self.store, self.funnels, settings_of(self.case))

    def page(self, as_of_ms: int) -> Rollup:
        """Return what the workers themselves show, without reading it back from the store."""
        return merge([partition.roll_up(partition.head, as_of_ms, {}, 0, 0) for partition in self.running])

    async def process(self, partition: Partition, batch: PartitionBatch) -> Partition:
        if self.rng.random() < 0.1:
            partition = await self.load(partition.number)
        if self.rng.random() < 0.05:  # a crash between counting and the store: counted again by the next one
            await self.count(partition, batch)
            partition = await self.load(partition.number)
        await self.commit(partition, await self.count(partition, batch))
        if self.rng.random() < 0.2:
            shard = self.rng.randrange(self.store.shards)
            swept = partition.sweep(await self.store.scan_shard(partition.number, shard))
            await self.commit(partition, partition.touch(swept))
        return partition

    async def count(self, partition: Partition, batch: PartitionBatch):
        judged = partition.admit(batch)
        missing = partition.table.missing(judged.by_actor)
        blobs = await self.store.load_states(partition.number, [key for _, key in missing])
        for (actor, key), blob in zip(missing, blobs, strict=True):
            partition.table.put(actor, key, blob)
        return partition.count(batch, judged).commit

    async def commit(self, partition: Partition, commit) -> None:
        (result,) = await self.store.commit([commit])
        assert isinstance(result, Done)
        partition.head = commit.head


def analyzed(case: Case, as_of_ms: int | None) -> Analysis:
    with stretches_of(case):
        return taken(case, LogCount).finish(as_of_ms)


def stretches_of(case: Case):
    rng = random.Random(case.seed + 1)
    stretch = rng.choice([7, 40, 20_000] if len(case.arrivals) > 100 else [1, 3, 20_000])
    return patch.multiple("stream.analyze.fold", STRETCH=stretch, BUSY_STRETCH=stretch, BUSY=rng.choice([4, 1_000]))


def taken(case: Case, kind: type[LogCount] | type[Past]) -> LogCount | Past:
    rng = random.Random(case.seed + 2)
    count = kind(funnels_of(case), Mapping(), case.limits, case.windows, bot_cap=case.bot_cap, ages=case.ages[::-1])
    for number, arrivals in logs_of(case).items():
        for start, end in cut(rng, len(arrivals)):
            batch = batch_of(number, arrivals, start, end)
            origin = f"{TOPIC}/{number}/"
            count.take(number, batch.values, batch.record_times, batch.offsets, origin, batch.next_offset)
    return count


def check(case: Case) -> int:
    """Compare live, analysis and oracle; returns how many actors were compared."""
    workers = Live(case)
    live = asyncio.run(workers.run())
    mark_ms = live.watermark_ms
    for ahead_ms in (
        0,
        random.Random(case.seed).choice([1, case.limits.max_future_skew_ms, case.shapes[0][1] + 1, HOUR_MS]),
    ):
        as_of_ms = None if mark_ms is None else mark_ms + ahead_ms
        found, expected = live.roll_up(as_of_ms), analyzed(case, as_of_ms)
        if found is None:
            assert expected.as_of_ms is None
            assert sum(expected.verdicts) == len(case.arrivals)
            return 0
        assert compare(found, expected.rollup) == []
        assert compare(workers.page(as_of_ms), expected.rollup) == []
        assert broken_laws(found) == []
        assert broken_laws(expected.rollup) == []
        assert found.verdicts == list(expected.verdicts) == expected.rollup.verdicts
        assert sum(found.verdicts) == len(case.arrivals) == found.next_offset == expected.rollup.next_offset
        assert found.watermark_ms == expected.rollup.watermark_ms == mark_ms
    if case.bot_cap == NO_CAP and not case.has_options:
        check_oracle(case, live)
        check_ages(case, live)
    return len({arrival.actor for arrival in case.arrivals})


def check_past(case: Case, instants: int) -> int:
    """Hold what the log came to at many instants equal to an analysis at each; returns how many were compared."""
    past = taken(case, Past)
    since_ms, latest_ms = past.first_ms, past.latest_ms
    if since_ms is None or latest_ms <= since_ms:
        return 0
    rng = random.Random(case.seed + 3)
    # An analysis at the largest watermark counts what lies ahead of it too, as live does.
    drawn = sorted({rng.randrange(since_ms, latest_ms) for _ in range(instants)})
    export = ExportSettings(rng.choice([0, 1, 20]))
    with stretches_of(case):
        for as_of_ms, found in zip(drawn, past.rollups(drawn, export, case.limits.allowed_lateness_ms), strict=True):
            expected = shown_as(analyzed(case, as_of_ms).rollup, found)
            assert found.as_of_ms == as_of_ms
            for own, other, funnel in zip(found.funnels, expected.funnels, funnels_of(case), strict=True):
                assert own.since_ms == since_ms
                since = msgspec.structs.replace(other, since_ms=since_ms)
                assert lines_of(case, funnel, own, as_of_ms) == lines_of(case, funnel, since, as_of_ms)
    return len(drawn)


def lines_of(case: Case, funnel: Funnel, rollup: FunnelRollup, as_of_ms: int) -> list[str]:
    """Return what is shown of a funnel; whether a segment of nobody is there depends on where batches were cut."""
    found = blocks(funnel, with_zeros(rollup, shown_windows(funnel, case.windows)), as_of_ms, Floor(), case.windows)
    lines = [line for block in found for own in block.lines.values() for line in own]
    return sorted(line for line in lines if not line.endswith(" 0") or 'segment=""' in line)


def shown_as(rollup: Rollup, other: Rollup) -> Rollup:
    """Return a rollup with those segments by name that another one has by name."""
    rows = ("windows", "occupancy", "periods", "settled", "ages")
    named = {
        (funnel.key, row.breakdown, row.segment)
        for funnel in other.funnels
        for name in rows
        for row in getattr(funnel, name)
    }
    for funnel in rollup.funnels:
        for name in rows:
            for row in getattr(funnel, name):
                if (funnel.key, row.breakdown, row.segment) not in named:
                    row.segment = "__other__"
    return merge([rollup])


def oracle_events(case: Case, funnel: OFunnel) -> Iterator[list[OEvent]]:
    """Yield each actor's counted events."""
    for arrivals in logs_of(case).values():
        log = [
            ORecord(
                f"a{arrival.actor}",
                OEvent(arrival.time, arrival.id, arrival.name, Decimal(amount_of(arrival)), "EUR", device_of(arrival)),
                arrival.recorded,
            )
            for arrival in arrivals
            if arrival.name
        ]
        limits = case.limits
        yield from counted_events(log, funnel, limits.allowed_lateness_ms, limits.max_future_skew_ms).values()


def check_oracle(case: Case, live: LiveView) -> None:
    """Hold the exact report at two instants, and live's totals once all is over, equal to the oracle."""
    middle = sorted(arrival.time for arrival in case.arrivals)[len(case.arrivals) // 2]
    for as_of_ms in (middle, EVER) if case.seed % 2 else (EVER,):
        analysis = analyzed(case, as_of_ms)
        for report, (shape, window_ms) in zip(analysis.reports, case.shapes, strict=True):
            funnel = OFunnel(tuple(frozenset(names) for names in shape.split(">")), window_ms)
            actors = list(oracle_events(case, funnel))
            tried = [attempt for events in actors for attempt in attempts(events, funnel, as_of_ms)]
            counts = report.attempts.get((None, (0, "")))
            assert counted(counts, len(funnel.steps)) == expected_counts(tried, len(funnel.steps))
            segments = Counter(attempt.entry_segment or "__none__" for attempt in tried)
            if report.funnel.definition.breakdowns:
                of_segment = {
                    split[1]: found.entered
                    for (start, split), found in report.attempts.items()
                    if start is None and split[0] == 1 and found.entered
                }
                assert of_segment == segments
            depths = Counter(actor_result(events, funnel, -EVER, EVER, as_of_ms)[0] for events in actors)
            found = report.actors.get((None, (0, "")))
            reached = [0] * len(funnel.steps) if found is None else found.reached
            assert reached == [
                sum(count for depth, count in depths.items() if depth >= step)
                for step in range(1, len(funnel.steps) + 1)
            ]
            if as_of_ms == EVER:
                total = next((row for rollup in live.roll_up(EVER).funnels if rollup.key == report.funnel.definition.key
                              for row in rollup.total if not row.breakdown), None)  # fmt: skip
                assert counted(None if total is None else total.counts, len(funnel.steps)) == expected_counts(
                    tried, len(funnel.steps)
                )


def check_ages(case: Case, live: LiveView) -> None:
    """Hold age-matched counts equal to the oracle.

    Live's at instants at which no event lies ahead, the analysis' at some that live has passed.
    """
    if not (case.ages and case.windows):
        return
    times = sorted(arrival.time for arrival in case.arrivals if arrival.name)
    for part in (0.4, 0.7, 0.9):
        as_of_ms = times[int(part * len(times))] + case.seed % 1_000
        if as_of_ms < live.watermark_ms:
            check_age_rows(case, analyzed(case, as_of_ms).rollup, as_of_ms)
    for wait_ms in (0, 13_337):
        as_of_ms = live.watermark_ms + case.limits.max_future_skew_ms + wait_ms
        check_age_rows(case, live.roll_up(as_of_ms), as_of_ms)


def check_age_rows(case: Case, rollup: Rollup, as_of_ms: int) -> None:
    rows = {funnel.key: funnel.ages for funnel in rollup.funnels}
    for definition, (shape, window_ms) in zip(funnels_of(case), case.shapes, strict=True):
        funnel = OFunnel(tuple(frozenset(names) for names in shape.split(">")), window_ms)
        tried = [attempt for events in oracle_events(case, funnel) for attempt in attempts(events, funnel, as_of_ms)]
        places = {("", ""): tried}
        if definition.breakdowns:
            for attempt in tried:
                places.setdefault(("device", attempt.entry_segment or "__none__"), []).append(attempt)
        expected = {
            (span.name, age.name, *place): counts
            for span, segment_age in spans_of(case.windows)
            for age in case.ages
            for place, part in places.items()
            if place == ("", "") or segment_age in {"", age.name}
            if any(map(any, counts := oracle_ages(part, span, age, as_of_ms, len(funnel.steps))))
        }
        found = {
            (row.window, row.age, row.breakdown, row.segment): list(zip(row.reached, row.went_on, strict=True))
            for row in rows[definition.key]
            if row.breakdown in {"", "device"} and any(row.reached)
        }
        assert found == expected
        SEEN.update(key[1] for key in found)


SEEN: Counter[str] = Counter()
"""Rows by age that were held equal to the oracle."""


def spans_of(windows: Sequence[RollingWindow]) -> Iterator[tuple[RollingWindow, str]]:
    """Yield what is asked about, and for alert windows the age at which segments are; "" for any."""
    for window in windows:
        yield window, ""
        for alert in window.alerts:
            if alert.name != window.name:
                slots = alert.window_ms // window.slot_ms
                yield RollingWindow(alert.name, alert.window_ms, slots), alert.segment_age or "never"


def oracle_ages(
    tried: list[OAttempt], window: RollingWindow, age: Age, as_of_ms: int, steps: int
) -> list[tuple[int, int]]:
    """Count what reached each step in the last window of whole slots all of which are older than the age."""
    until = as_of_ms - age.age_ms
    until -= (until + 1) % window.slot_ms
    return [age_matched(tried, step, age.age_ms, until - window.window_ms, until) for step in range(1, steps)]


def counted(counts, steps: int) -> tuple:
    if counts is None:
        return (0, [0] * (steps - 1), [0] * (steps - 1), {}, {}, {}, {})
    values, lost, at_stake = [
        {
            (step, currency): (money.count, money.total)
            for step, by_currency in sums.items()
            for currency, money in by_currency.items()
        }
        for sums in (counts.values, counts.lost, counts.at_stake)
    ]
    took = {step: total for step, total in counts.duration_ms.items() if total and step}
    return counts.converted, counts.pending, counts.dropped, values, lost, at_stake, took


def expected_counts(tried: list[OAttempt], steps: int) -> tuple:
    def stopped(outcome: str) -> list[int]:
        at = Counter(attempt.best for attempt in tried if attempt.outcome == outcome)
        return [at[step] for step in range(1, steps)]

    def add(sums: dict[tuple[int, str], tuple[int, Decimal]], step: int, event: OEvent) -> None:
        count, total = sums.get((step, event.currency), (0, Decimal(0)))
        sums[step, event.currency] = count + 1, total + event.value

    values, lost, at_stake = {}, {}, {}
    took: Counter[int] = Counter()
    for attempt in tried:
        if attempt.outcome != "converted":
            add(lost if attempt.outcome == "dropped" else at_stake, attempt.best, attempt.chain[-1])
        for step, event in enumerate(attempt.chain, start=1):
            add(values, step, event)
            if step > 1:
                took[step] += event.time - attempt.chain[step - 2].time
    converted = sum(attempt.outcome == "converted" for attempt in tried)
    return converted, stopped("pending"), stopped("dropped"), values, lost, at_stake, dict(+took)


def random_case(rng: random.Random, actors: int, grain_ms: int = 1) -> Case:
    """Make a log in which the same things happen as in a real one, only more often; times are multiples of a grain."""

    def near(length_ms: int) -> int:
        return rng.randrange(length_ms // grain_ms + 1) * grain_ms

    lateness, skew = rng.choice([0, 20_000, 600_000]), rng.choice([0, 30_000, 300_000])
    span = rng.choice([2 * MINUTE_MS, 20 * MINUTE_MS, 180 * MINUTE_MS])
    names = rng.choice(["ABCX", "AABBC", "ABCDE", "AABX"])
    arrivals = []
    for actor in range(actors):
        events = rng.randrange(1, 8) if rng.random() < 0.97 else rng.randrange(20, 40)
        since = START_MS + near(span)
        for _ in range(events):
            time_ms = since + near(rng.choice([3_000, MINUTE_MS, span]))
            event_id, name = f"i{rng.randrange(1000)}", rng.choice(names)
            for _ in range(1 if rng.random() < 0.8 else rng.randrange(2, 4)):
                delay = near(rng.choice([1_000, 20_000, lateness + 1_000])) - (near(skew + 2_000)) * (
                    rng.random() < 0.1
                )
                arrivals.append(Arrival(actor, time_ms, time_ms + delay, event_id, "" if rng.random() < 0.01 else name))
    arrivals.sort(key=lambda arrival: arrival.recorded)
    shapes = tuple(
        (rng.choice(SHAPES), rng.choice([0, 1_000, 45_000, 600_000, 3_600_000]))
        for _ in range(rng.choice([1, 1, 2, 3]))
    )
    return Case(
        shapes,
        one_name_an_identity(arrivals),
        rng.randrange(1, 5),
        Limits(lateness, skew),
        rng.choice(WINDOWS),
        rng.choice([NO_CAP, NO_CAP, NO_CAP, 5, 20]),
        rng.random() < 0.5,
        rng.randrange(1 << 30),
        rng.choice(AGES),
    )


def one_name_an_identity(arrivals: list[Arrival]) -> tuple[Arrival, ...]:
    """Give copies one name: an identity is (actor, id, time)."""
    known: dict[tuple[int, str, int], str] = {}
    return tuple(
        replace(each, name=each.name and known.setdefault((each.actor, each.id, each.time), each.name))
        for each in arrivals
    )


@pytest.mark.parametrize("part", range(4))
def test_twenty_thousand_random_actors_come_out_live_as_analyzed_and_as_the_oracle_says(part):
    rng = random.Random(f"live equals analyze {part}")
    compared = sum(check(random_case(rng, ACTORS_PER_BULK_CASE)) for _ in range(BULK_CASES // 4))
    assert compared * 4 >= 20_000
    assert any(all(SEEN[age.name] for age in ages) for ages in AGES if ages)


@pytest.mark.parametrize("part", range(4))
def test_funnels_with_any_options_come_out_live_as_analyzed(part):
    rng = random.Random(f"options {part}")
    assert sum(check(replace(random_case(rng, 40), has_options=True)) for _ in range(40)) > 500


@pytest.mark.parametrize("has_options", [False, True])
def test_the_past_is_at_each_instant_what_an_analysis_says_of_it(has_options):
    rng = random.Random(f"past {has_options}")
    assert sum(check_past(replace(random_case(rng, 30), has_options=has_options), 4) for _ in range(30)) > 80


@st.composite
def cases(draw: st.DrawFn) -> Case:
    time = st.integers(0, 12).map(lambda tick: START_MS + tick * 7_500) | st.integers(0, 90_000).map(
        lambda ms: START_MS + ms
    )
    delay = st.sampled_from([0, 1, 400, 10_000, 40_000, -1, -9_000, -31_000])
    name = st.sampled_from(["A", "B", "C", "X", ""])
    drawn = st.lists(st.tuples(st.integers(0, 5), time, delay, st.integers(0, 3), name), max_size=25)
    arrivals = [
        Arrival(actor, at, at + after, f"i{number}", called) for actor, at, after, number, called in draw(drawn)
    ]
    if draw(st.booleans()):
        arrivals.sort(key=lambda arrival: arrival.recorded)
    shape = st.tuples(st.sampled_from(SHAPES), st.sampled_from([0, 1_000, 7_500, 7_501, 20_000, 600_000]))
    return Case(
        tuple(draw(st.lists(shape, min_size=1, max_size=3))),
        one_name_an_identity(arrivals),
        draw(st.integers(1, 4)),
        Limits(draw(st.sampled_from([0, 7_500, 10_001, 600_000])), draw(st.sampled_from([0, 9_000, 30_000]))),
        draw(st.sampled_from(WINDOWS)),
        draw(st.sampled_from([NO_CAP, NO_CAP, 0, 1, 3])),
        draw(st.booleans()),
        draw(st.integers(0, 1000)),
        draw(st.sampled_from(AGES)),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_any_log_in_any_batches_comes_out_live_as_analyzed(case):
    check(case)


def test_settled_attempts_do_not_depend_on_where_batches_were_cut():
    times = ((0, "A"), (2_100, "X"), (2_600, "X"))
    arrivals = tuple(Arrival(0, START_MS + ms, START_MS + ms, f"i{at}", name) for at, (ms, name) in enumerate(times))
    for seed in range(6):
        check(Case((("A>B", 1_500),), arrivals, 1, Limits(0, 0), (), NO_CAP, False, seed))
