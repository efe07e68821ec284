"""One timed run of one system over a filled topic.

In:  a system that was just started; the number of events in its topic.
Out: a row: events/s by the wall clock, CPU seconds, memory, and whether the counts are right.

The clock starts when the system has its partitions and begins to read, and stops when the last event is
counted; both are seen by looking every 20 ms. Start-up and joining the group are outside.
"""

import time

import msgspec

from . import machine
from .place import BenchError, Place
from .systems import System

LOOK_SECONDS = 0.02
START_SECONDS = 60.0
STALL_SECONDS = 60.0


class Throughput(msgspec.Struct, tag_field="kind", tag="throughput", omit_defaults=True):
    """A run. CPU in seconds per million events; `others` in cores: what the rest of the machine used meanwhile."""

    system: str
    events: int
    events_per_s: float
    wall_s: float
    cpu_s_per_million: float
    redis_s_per_million: float
    memory_mib: float
    broker_s_per_million: float | None = None
    other_cores: float | None = None
    actors: int = 0
    redis_bytes_per_actor: float | None = None
    wrong: list[str] = []
    notes: dict[str, float] = {}


def run(label: str, place: Place, system: System, events: int) -> Throughput:
    """Time `system` until it has counted `events`, stop it, check it and remove what it stored.

    Raises `BenchError` if it ends or stands still.
    """
    try:
        row = _timed(label, place, system, events)
        for child in system.children:
            child.stop()
        kept = system.kept()
        if kept is not None:
            row.actors, row.wrong = kept.actors, list(kept.wrong)
            row.redis_bytes_per_actor = round(kept.state_bytes / kept.actors, 1) if kept.actors else None
        return row
    finally:
        for child in system.children:
            child.stop()
        place.drop_keys(system.name)


def _timed(label: str, place: Place, system: System, events: int) -> Throughput:
    pids = [child.pid for child in system.children]

    def look() -> machine.Mark:
        return machine.mark(pids, place.servers, place.broker, place.redis)

    before = _wait(system, 0, START_SECONDS)
    began_s, at_first = time.monotonic(), look()
    _wait(system, events, STALL_SECONDS)
    wall_s, at_last = time.monotonic() - began_s, look()
    notes = system.notes()
    used, millions = at_first.until(at_last), (events - before) / 1e6
    if not millions:
        raise BenchError(f"{label}: all {events} events were counted before the first look: give it more events")
    return Throughput(
        system=label,
        events=events - before,
        events_per_s=round((events - before) / wall_s),
        wall_s=round(wall_s, 3),
        cpu_s_per_million=round(used.system / millions, 2),
        redis_s_per_million=round(used.redis / millions, 2),
        broker_s_per_million=None if used.broker is None else round(used.broker / millions, 2),
        other_cores=None if used.others is None else round(used.others / wall_s, 2),
        memory_mib=round(sum(map(machine.most_memory_bytes, pids)) / 2**20),
        notes=notes,
    )


def _wait(system: System, wanted: int, seconds: float) -> int:
    """Look until at least `wanted` events are counted, and return how many; give up when nothing moves for so long."""
    seen, moved_s = None, time.monotonic()
    while True:
        counted = system.counted()
        if counted is not None and counted >= wanted:
            return counted
        now_s = time.monotonic()
        if counted != seen:
            seen, moved_s = counted, now_s
        if now_s - moved_s > seconds:
            raise BenchError(f"{system.name} stands still at {seen} of {wanted} events for {seconds:g} s")
        for child in system.children:
            child.check()
        time.sleep(LOOK_SECONDS)
