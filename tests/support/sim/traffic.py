"""Cases: a funnel, settings, and a log with everything that a real one has, only more often.

In:  a seed, how many records.
Out: what producers do, and when: batches, transactions that commit or abort, offsets left out; the settings
     that must not show in any number (batch sizes, caches, how much is counted ahead).
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from stream.engine.advance import NO_CAP
from stream.ingest.admission import Limits
from stream.model.funnel import Breakdown, Funnel, Step
from stream.model.window import Age, RollingWindow
from stream.settings.tracker import SourceSettings, TrackerSettings, WorkerSettings
from support.options.cases import in_units_of, random_funnel
from support.product import product_funnel
from support.sim.log import NOBODY
from support.sim.loop import EPOCH_S

TOPIC = "shop"
SHARDS = 4
SHAPES = ["A>B>C", "A>B", "A>AB>B", "A>A>A", "A>B>A"]
START_MS = int(EPOCH_S * 1000)
OPTION_TICK_MS = 700
"""Unit of time of the funnels with options: windows of up to ten seconds."""


class Deed(NamedTuple):
    """What a producer does to a partition, `after_s` from the start.

    kind: "append" `rows` of (key, value), "commit" or "abort" the producer's transaction, "skip" some offsets,
    "trim" the first half of the log.
    """

    after_s: float
    partition: int
    kind: str
    record_ms: int = 0
    rows: tuple[tuple[bytes | None, bytes | None], ...] = ()
    producer: int = NOBODY


class Ahead(NamedTuple):
    """How much is counted ahead of what is stored: in records (committer, tracker) and in states."""

    group: int
    load: int
    states: int


@dataclass(frozen=True)
class Case:
    """One log and how it is counted. `seed` decides on everything else that happens to it."""

    seed: int
    shapes: tuple[tuple[str, int], ...]
    deeds: tuple[Deed, ...]
    partitions: int
    limits: Limits
    max_records: int
    cache_actors: int
    ahead: Ahead
    workers: int
    is_static: bool

    @property
    def funnels(self) -> tuple[Funnel, ...]:
        """The definitions of `shapes`; every other one has a breakdown. With every other seed one with options."""
        plain = tuple(
            Funnel(
                f"f{number}",
                1,
                tuple(Step(f"s{step}", tuple(names)) for step, names in enumerate(shape.split(">"))),
                window_ms,
                breakdowns=(Breakdown("device", ("device",)),)[: (number + 1) % 2],
            )
            for number, (shape, window_ms) in enumerate(self.shapes)
        )
        if self.seed % 2:
            return plain
        drawn = in_units_of(random_funnel(random.Random(f"options {self.seed}")), OPTION_TICK_MS)
        return (*plain, replace(product_funnel(drawn), name="options", breakdowns=(Breakdown("device", ("device",)),)))

    @property
    def settings(self) -> TrackerSettings:
        """What the tracker file would say."""
        source = SourceSettings(
            "shop",
            (TOPIC,),
            is_keyed_by_actor=True,
            allowed_lateness_ms=self.limits.allowed_lateness_ms,
            max_future_skew_ms=self.limits.max_future_skew_ms,
        )
        return TrackerSettings(
            (source,),
            "unused",
            rolling=(RollingWindow("10s", 10_000, slots=10),),
            age_matched=(Age("2s", 2_000),),
            worker=WorkerSettings(shards=SHARDS, cache_actors=self.cache_actors, bot_cap=NO_CAP),
        )

    @property
    def last_s(self) -> float:
        """When the last deed is done."""
        return max(deed.after_s for deed in self.deeds)


def small_case(seed: int, records: int = 40, workers: int = 1) -> Case:
    """Draw a case of 2 partitions: some records are there at the start, the others come within a second."""
    draw = random.Random(f"small {seed}")
    case = random_case(seed, records, 1.0)
    deeds = tuple(deed._replace(partition=deed.partition % 2) for deed in case.deeds)
    return replace(case, deeds=deeds, partitions=2, workers=workers, ahead=Ahead(draw.choice([1, 4]), 3, 2))


def random_case(seed: int, records: int, seconds: float | None = None) -> Case:
    """Draw a case whose records arrive over `seconds` (None: drawn too)."""
    draw = random.Random(f"case {seed}")
    seconds = seconds or draw.choice([1.5, 3.0, 8.0])
    partitions = draw.randrange(1, 5)
    limits = Limits(draw.choice([0, 2_000, 600_000]), draw.choice([0, 1_000]))
    shapes = tuple((draw.choice(SHAPES), draw.choice([0, 700, 5_000, 60_000])) for _ in range(draw.choice([1, 1, 2])))
    return Case(
        seed,
        shapes,
        tuple(sorted(_deeds(draw, records, seconds, partitions, limits), key=lambda deed: deed.after_s)),
        partitions,
        limits,
        draw.choice([3, 10, 1_000]),
        draw.choice([1, 4, 1_000]),
        Ahead(draw.choice([1, 5, 5_000]), draw.choice([1, 8, 5_000]), draw.choice([1, 6, 2_000])),
        draw.choice([1, 2, 2, 3]),
        draw.random() < 0.2,
    )


def _deeds(draw: random.Random, records: int, seconds: float, partitions: int, limits: Limits) -> Iterator[Deed]:
    """Yield what happens to each partition: about a third of it is there at the start."""
    events = list(_records(draw, records, seconds, limits))
    for partition in range(partitions):
        mine = [event for event in events if event[1] % partitions == partition]
        after_s, is_open = 0.0, set()
        while mine:
            part = [mine.pop(0) for _ in range(min(len(mine), draw.choice([1, 1, 2, 5])))]
            if part[-1][0] > seconds / 3:
                if not after_s and not is_open and draw.random() < 0.2:
                    yield Deed(0.0, partition, "trim")
                after_s = part[-1][0]
            record_ms = START_MS + int(part[-1][0] * 1000)
            producer = draw.choice([NOBODY, NOBODY, NOBODY, 1, 2])
            rows = tuple((key, value) for _, _, key, value in part)
            yield Deed(after_s, partition, "append", record_ms, rows, producer)
            if producer != NOBODY:
                is_open.add(producer)
            for writer in sorted(is_open):
                if draw.random() < 0.5 or not mine:
                    is_open.discard(writer)
                    yield Deed(after_s, partition, draw.choice(["commit", "commit", "abort"]), record_ms, (), writer)
            if mine and draw.random() < 0.1:
                yield Deed(after_s, partition, "skip")


def _records(
    draw: random.Random, records: int, seconds: float, limits: Limits
) -> Iterator[tuple[float, int, bytes, bytes]]:
    """Yield (when, actor, key, value) with copies, disorder within and beyond the lateness, fast clocks, junk."""
    actors = max(3, records // 6)
    known: list[tuple[int, bytes, bytes]] = []
    for number in range(records):
        at_s = seconds * number / records
        if known and draw.random() < 0.12:
            yield (at_s, *draw.choice(known[-8:]))
            continue
        actor = draw.randrange(actors)
        key = f"a{actor}".encode()
        if draw.random() < 0.06:
            yield at_s, actor, key, draw.choice([b"{", b"", b'{"user_id": "a1"}', b"[1]"])
            continue
        back = draw.choice([0, 0, 0, 50, 400, limits.allowed_lateness_ms, limits.allowed_lateness_ms + 900])
        ahead = limits.max_future_skew_ms + 500 if draw.random() < 0.04 else 0
        event = {
            "user_id": f"a{actor}",
            "time": START_MS + int(at_s * 1000) - back + ahead,
            "id": f"i{number}",
            "event": draw.choice("AABBCX"),
            "device": draw.choice(["phone", "desk", None]),
        }
        value = json.dumps(event).encode()
        known.append((actor, key, value))
        yield at_s, actor, key, value
