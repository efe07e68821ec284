"""What each option of a funnel costs, beside the plain funnel in the same run; no server needed.

The events are those of one partition of the standard topic. What is measured is the worker's way from bytes to
what it commits: admit, engine, counts, fields. Rounds take turns, so that what disturbs the machine for a while
disturbs all. Run it on a quiet machine: `python -m tests.bench.bench_options [events of the topic]`.
"""

import gc
import sys
from dataclasses import replace
from time import process_time
from zlib import crc32

from stream.aggregate.totals import PartitionTotals
from stream.engine.match import FunnelSet
from stream.engine.table import ActorTable, by_actor
from stream.ingest.admission import Limits, admit_batch
from stream.ingest.decode import EventDecoder
from stream.ingest.identify import actor_keys
from stream.ingest.mapping import Mapping
from stream.model.funnel import Effect, Exclusion, Funnel, Operator, Order, Predicate, Session, Step
from stream.settings.tracker import DEFAULT_AGES, DEFAULT_ROLLING

from .standard import DELIVERY_MS, EVENT_MS, PARTITIONS, START_MS, STEPS, WINDOW_MS, draw

EVENTS = 400_000
BATCH = 5_000
ROUNDS = 3
MINUTE_MS = 60_000

PLAIN = Funnel("plain", 1, tuple(Step(name, (name,)) for name in STEPS), WINDOW_MS)


def on_steps(funnel: Funnel, *places: int, **changes: object) -> Funnel:
    """Return the funnel with these steps changed."""
    steps = tuple(replace(step, **changes) if at in places else step for at, step in enumerate(funnel.steps))
    return replace(funnel, steps=steps)


MOBILE = (Predicate("device", Operator.EQUALS, ("mobile",)),)
CANCEL = Exclusion(("view_product",), 2, 5, where=(Predicate("country", Operator.EQUALS, ("JP",)),))

FUNNELS: dict[str, tuple[Funnel, ...]] = {
    "plain": (PLAIN,),
    "where": (on_steps(PLAIN, 1, where=MOBILE),),
    "strict_time": (replace(PLAIN, strict_time=True),),
    "order: strict": (replace(PLAIN, order=Order.STRICT),),
    "order: any": (replace(PLAIN, order=Order.ANY),),
    "open": (replace(PLAIN, is_open=True),),
    "optional": (on_steps(PLAIN, 1, 3, optional=True),),
    "within": (on_steps(PLAIN, 2, 4, within_ms=10 * MINUTE_MS),),
    "not_before": (on_steps(PLAIN, 2, 4, not_before_ms=MINUTE_MS),),
    "exclusions": (replace(PLAIN, exclusions=(CANCEL,)),),
    "exclusions, remove_actor": (replace(PLAIN, exclusions=(replace(CANCEL, effect=Effect.REMOVE_ACTOR),)),),
    "hold_constant": (replace(PLAIN, hold=("device",)),),
    "entry: first": (replace(PLAIN, entry_first=True),),
    "session: property": (replace(PLAIN, session=Session(property="country")),),
    "session: gap": (replace(PLAIN, session=Session(gap_ms=30 * MINUTE_MS)),),
    "time_granularity": (replace(PLAIN, granularity_ms=1_000),),
    "many at once": (
        on_steps(
            on_steps(
                replace(
                    PLAIN,
                    strict_time=True,
                    exclusions=(CANCEL, replace(CANCEL, effect=Effect.REMOVE_ACTOR, events=("search",))),
                    hold=("device",),
                    entry_first=True,
                    session=Session(gap_ms=30 * MINUTE_MS),
                    granularity_ms=1_000,
                ),
                2,
                optional=True,
                where=MOBILE,
            ),
            3,
            within_ms=10 * MINUTE_MS,
            not_before_ms=MINUTE_MS,
        ),
    ),
    "20 plain funnels": tuple(
        replace(PLAIN, name=f"plain{number}", steps=PLAIN.steps[: 2 + number % 4]) for number in range(20)
    ),
}


def partition(events: int) -> tuple[list[bytes], list[int]]:
    """Return values and record times of the topic's first partition."""
    drawn = [
        (event.value, START_MS + number * EVENT_MS + DELIVERY_MS)
        for number, event in enumerate(draw(events))
        if crc32(event.actor.encode()) % PARTITIONS == 0
    ]
    return [value for value, _ in drawn], [at for _, at in drawn]


def run(funnels: tuple[Funnel, ...], values: list[bytes], times: list[int]) -> tuple[float, float]:
    """Return CPU us an event, and the bytes written for one."""
    compiled = FunnelSet(funnels)
    decoder = EventDecoder(
        Mapping.preset("flat", time="ts", id="event_id", properties="properties"), compiled.property_paths
    )
    limits = Limits()
    table = ActorTable(compiled, actor_keys(b""), is_complete=True)
    totals = PartitionTotals(compiled.funnels, DEFAULT_ROLLING, DEFAULT_AGES)
    watermark_ms: int | None = None
    seconds, written = 0.0, 0
    for start in range(0, len(values), BATCH):
        end = min(start + BATCH, len(values))
        begun = process_time()
        admitted = admit_batch(
            values[start:end], times[start:end], range(start, end), decoder, compiled.serving, limits, watermark_ms,
            "t/0/", kinds=compiled.kinds,
        )  # fmt: skip
        watermark_ms = admitted.watermark_ms
        assert watermark_ms is not None
        totals.note(admitted.events, compiled.serving)
        batch = by_actor(admitted.events)
        table.missing(batch)
        applied = table.apply(batch, watermark_ms - limits.allowed_lateness_ms)
        totals.take(applied.changes)
        totals.move_on(watermark_ms, watermark_ms - limits.allowed_lateness_ms)
        totals.fields()
        seconds += process_time() - begun
        written += sum(len(blob) for _, blob in (*applied.states, *applied.additions))
    return seconds / len(values) * 1e6, written / len(values)


def main() -> None:
    """Print the table."""
    values, times = partition(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)
    costs: dict[str, list[float]] = {label: [] for label in FUNNELS}
    sizes: dict[str, float] = {}
    gc.freeze()
    gc.disable()
    for _ in range(ROUNDS):
        for label, funnels in FUNNELS.items():
            cost, sizes[label] = run(funnels, values, times)
            costs[label].append(cost)
            gc.collect()
    plain = min(costs["plain"])
    print(f"{len(values):,} events, batches of {BATCH:,}, {ROUNDS} rounds")
    print("| funnel | us an event | spread | of plain | bytes written an event |\n| --- | ---: | ---: | ---: | ---: |")
    for label, own in costs.items():
        spread = f"{min(own):.2f}-{max(own):.2f}"
        print(f"| {label} | {min(own):.2f} | {spread} | {min(own) / plain:.2f} | {sizes[label]:.0f} |")


if __name__ == "__main__":
    main()
