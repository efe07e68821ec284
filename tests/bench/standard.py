"""The standard topic: what is in it, how it gets there, and what a right count of it says.

In:  a number of events; a seed that never changes.
Out: the same events for everybody, in Kafka; the numbers that a funnel must come to.

Five-step shop events of 200 000 actors, about 200 bytes of JSON each, keyed by actor on eight partitions,
3 ms apart with clocks half a second off either way: a million of them are 50 minutes.
"""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from stream.analyze.count import Analysis
from stream.analyze.live import count_as_live
from stream.analyze.read_topic import read_topic
from stream.model.funnel import Funnel
from stream.settings.tracker import TrackerSettings
from stream.simulate.produce import TopicTarget, produce
from stream.simulate.shop import SimRecord

SEED = 1
ACTORS = 200_000
PARTITIONS = 8
START_MS = 1_764_000_000_000
EVENT_MS = 3
JITTER_MS = 500
DELIVERY_MS = 600
"""From an event to its record: longer than any clock is ahead, so that no event is from the future."""

STEPS = ("view_page", "view_product", "add_to_cart", "begin_checkout", "purchase")
WEIGHTS = (50, 25, 13, 8, 4)
WINDOW_MS = 3_600_000

STEP_OF = {name: number for number, name in enumerate(STEPS)}

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Drawn:
    """One event as it was drawn; `step` counts from 0."""

    actor: str
    step: int
    time_ms: int
    value: bytes


def draw(events: int) -> Iterator[Drawn]:
    """Draw the events in order of delivery; fewer events are a prefix of more."""
    rnd = random.Random(SEED)
    for number in range(events):
        actor = f"u{rnd.randrange(ACTORS)}"
        name = rnd.choices(STEPS, WEIGHTS)[0]
        time_ms = START_MS + number * EVENT_MS + rnd.randrange(-JITTER_MS, JITTER_MS)
        event = {
            "event_id": f"{number:016x}",
            "user_id": actor,
            "event": name,
            "ts": time_ms,
            "properties": {
                "device": rnd.choice(("mobile", "desktop", "tablet")),
                "country": rnd.choice(("FR", "DE", "US", "JP")),
                "utm_source": "google",
                "url": f"https://shop.example/p/{rnd.randrange(1000)}",
            },
        }
        yield Drawn(actor, STEP_OF[name], time_ms, _encode(event))


def fill(bootstrap: str, topic: str, events: int) -> None:
    """Make the topic and write the events to it."""
    records = (
        SimRecord(event.actor.encode(), event.value, START_MS + number * EVENT_MS + DELIVERY_MS)
        for number, event in enumerate(draw(events))
    )
    target = TopicTarget(bootstrap, topic, PARTITIONS)
    written = asyncio.run(produce(records, target, stop=asyncio.Event()))
    if written != events:
        raise RuntimeError(f"topic {topic}: {written} of {events} events were acknowledged")


def furthest(progress: list[int], step: int, time_ms: int) -> int | None:
    """Advance one actor by the plain rule, in order of arrival; return a step newly reached, None for none.

    progress: start of the latest chain at each step (0: none), then the furthest step (-1: none). Nothing
    is changed if the event continues no chain.
    """
    if step:
        start = progress[step - 1]
        if not start or time_ms - start > WINDOW_MS:
            return None
        progress[step] = start
    else:
        progress[0] = time_ms
    if step <= progress[-1]:
        return None
    progress[-1] = step
    return step


def nobody() -> list[int]:
    """Return the progress of an actor that was not seen yet."""
    return [0] * len(STEPS) + [-1]


def plainly_reached(events: int) -> list[int]:
    """Return how many actors reached each step, by the plain rule in order of arrival."""
    progress: dict[str, list[int]] = {}
    reached = [0] * len(STEPS)
    for event in draw(events):
        step = furthest(progress.setdefault(event.actor, nobody()), event.step, event.time_ms)
        if step is not None:
            reached[step] += 1
    return reached


def analyzed(settings: TrackerSettings, funnels: tuple[Funnel, ...]) -> Analysis:
    """Count the topic with `funnel analyze`'s own count: exact, in order of time, without the worker."""
    count = count_as_live(settings, funnels)
    asyncio.run(read_topic(settings.kafka, settings.log_topic, count.take))
    return count.finish()
