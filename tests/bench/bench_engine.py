"""Cost of the engine, in us an event, and size of an actor; run it with the project's Python on a quiet machine.

The events are those of the standard topic: a million of 200 000 actors over 50 minutes on eight
partitions, a funnel of five steps and two that do not match. What is measured is
`ActorTable.apply`: advance, seal and write, at batches as large as a worker takes
when it catches up, and as small as it takes when it keeps up.
"""

import gc
import random
import tracemalloc
from time import process_time
from zlib import crc32

from stream.engine.match import FunnelSet
from stream.engine.table import ActorTable, by_actor
from stream.model.event import AdmittedEvent
from stream.model.funnel import Breakdown, Funnel, Step, ValueRule

EVENTS = 1_000_000
ACTORS = 200_000
PARTITIONS = 8
LATENESS_MS = 600_000
START_MS = 1_764_000_000_000
NAMES = ("view_page", "view_product", "add_to_cart", "begin_checkout", "purchase")
BATCHES = (500, 30_000, 130_000)
ROUNDS = 3


def funnels(*, touched: bool) -> FunnelSet:
    """Return the standard funnels; `touched` adds a breakdown and a value."""
    steps = tuple(
        Step(name, (name,), value=ValueRule("total", None, "EUR") if touched and name == "purchase" else None)
        for name in NAMES
    )
    standard = Funnel("standard", 1, steps, 3_600_000, breakdowns=(Breakdown("utm", ("utm",)),) if touched else ())
    others = [Funnel(f"other{n}", 1, (Step("a", (f"a{n}",)), Step("b", (f"b{n}",))), 3_600_000) for n in range(2)]
    return FunnelSet([standard, *others])


def partition(*, touched: bool) -> list[AdmittedEvent]:
    """Draw the events of one partition, seeded, each with the limit before it."""
    draw = random.Random(1)
    events: list[AdmittedEvent] = []
    watermark_ms = START_MS
    for at in range(EVENTS):
        actor = f"u{draw.randrange(ACTORS)}"
        name = draw.choices(NAMES, (50, 25, 13, 8, 4))[0]
        time_ms = START_MS + at * 3 + draw.randrange(-500, 500)
        if crc32(actor.encode()) % PARTITIONS == 0:
            properties = (19.9, f"campaign {at % 20}") if touched else ()
            events.append((actor, time_ms, f"{at:016x}", name, properties, watermark_ms - LATENESS_MS))
            watermark_ms = max(watermark_ms, time_ms)
    return events


def run(events: list[AdmittedEvent], batch: int, *, touched: bool) -> tuple[float, ActorTable, dict[bytes, int]]:
    """Return CPU seconds in `apply`, the table, and the size of each actor's bytes."""
    table = ActorTable(funnels(touched=touched), str.encode)
    sizes: dict[bytes, int] = {}
    seconds = 0.0
    for start in range(0, len(events), batch):
        part = events[start : start + batch]
        batch_by_actor = by_actor(part)
        for actor, key in table.missing(batch_by_actor):
            table.put(actor, key, None)
        limit_ms = max(event[1] for event in events[: start + batch][-batch - 1000 :]) - LATENESS_MS
        begun = process_time()
        applied = table.apply(batch_by_actor, limit_ms)
        seconds += process_time() - begun
        sizes.update((key, len(blob)) for key, blob in applied.states)
        for key, addition in applied.additions:
            sizes[key] += len(addition)
    return seconds, table, sizes


def main() -> None:
    """Print the figures."""
    gc.disable()
    for touched in (False, True):
        events = partition(touched=touched)
        label = "with a breakdown and a value" if touched else "plain"
        for batch in BATCHES:
            seconds = min(run(events, batch, touched=touched)[0] for _ in range(ROUNDS))
            print(f"{label}, batches of {batch:>7,}: {seconds / len(events) * 1e6:5.2f} us an event")
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        _, table, sizes = run(events, BATCHES[1], touched=touched)
        stored = sum(sizes.values()) / len(sizes)
        sizes.clear()
        held = (tracemalloc.get_traced_memory()[0] - before) / len(table)
        tracemalloc.stop()
        print(f"{label}: {stored:.0f} bytes stored and {held:.0f} bytes of memory an actor")


if __name__ == "__main__":
    main()
