"""What may befall workers, broker and store; a fault is a function of the world, called between two callbacks.

In:  a draw.
Out: faults, each with its place: the number of the callback, or of the call of the store, before which it happens.

Whatever a fault breaks is put right after a while, so that a run can end.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from copy import deepcopy
from functools import partial

from stream.analyze.read_topic import Span
from stream.errors import ReplayError, StoreUnavailable
from stream.replay import promote as replay_promote
from stream.replay.promote import Place
from stream.settings.counting import counting_rules
from stream.store.memory import MemoryStore
from stream.worker.runs import Run, Start, change_runs, namespace_of
from support.sim.judge import live_in
from support.sim.loop import within
from support.sim.store import USUAL_S, Fate, SimStore
from support.sim.traffic import SHARDS, TOPIC
from support.sim.worker import RESTART_S, SESSION_S
from support.sim.world import AtCall, AtTurn, Fault, Strike, World

SHORT_S, LONG_S = 0.4 * SESSION_S, 2.5 * SESSION_S
SPANS_S = (0.05, 0.3, SHORT_S, SESSION_S, LONG_S)
KINDS = 16
ANY_LAG = 10**9
USUAL_CALLS, USUAL_TURNS = 200, 4_000  # a run without faults takes half as many of either


def kill(world: World, number: int = 0, restart_s: float = RESTART_S) -> None:
    """Kill a worker; its supervisor starts it anew after a while."""
    world.note(f"kill {number}, start it after {restart_s:.2f} s")
    world.workers[number].kill()
    _later(world, restart_s, world.workers[number].start)


def stop(world: World, number: int = 0, restart_s: float = 0.0) -> None:
    """Stop a worker as a deploy does, and start it anew."""
    world.note(f"stop {number}, start it after {restart_s:.2f} s")
    worker = world.workers[number]

    async def restart() -> None:
        await worker.stop()
        _later(world, restart_s, worker.start)

    with within(None):
        world.loop.create_task(restart())


def power_cut(world: World, restart_s: float = RESTART_S, share: float = 0.1) -> None:
    """Kill all workers at once; the store has lost what it wrote last."""
    for number in range(len(world.workers)):
        kill(world, number, restart_s)
    lose_tail(world, share)


def freeze(world: World, number: int = 0, seconds: float = LONG_S) -> None:
    """Let a worker sleep; it wakes up in the middle of what others have done meanwhile."""
    world.note(f"freeze {number} for {seconds:.2f} s")
    world.workers[number].freeze(seconds)


def expel(world: World, number: int = 0) -> None:
    """Take a member out of the group; until its next heartbeat two workers believe that they own its partitions."""
    members = list(world.broker.group.members)
    world.note(f"expel one of {members}")
    if members:
        with within(None):
            world.broker.group.expel(members[number % len(members)])


def cut(world: World, number: int = 0) -> None:
    """Break all connections of a worker to Kafka; it may connect again at once."""
    world.note(f"cut {number}")
    for connection in [each for each in world.broker.connections if each.owner is world.workers[number].process]:
        connection.break_off()


def garble(world: World, count: int = 1) -> None:
    """Let bits flip in the next answers with records."""
    world.note(f"{count} fetches are garbled")
    world.broker.garbled = count


def broker_confused(world: World, seconds: float = SHORT_S) -> None:
    """Let the broker say for a while that it does not lead the partitions."""
    world.note(f"broker confused for {seconds:.2f} s")
    world.broker.is_confused = True
    _later(world, seconds, lambda: setattr(world.broker, "is_confused", False))


def broker_away(world: World, seconds: float = SHORT_S) -> None:
    """Take Kafka away for a while."""
    world.note(f"broker away for {seconds:.2f} s")
    world.broker.leave()
    _later(world, seconds, lambda: setattr(world.broker, "is_away", False))


def store_away(world: World, seconds: float = SHORT_S) -> None:
    """Take Redis away for a while."""
    world.note(f"store away for {seconds:.2f} s")
    world.server.is_away = True
    _later(world, seconds, lambda: setattr(world.server, "is_away", False))


def store_fails(world: World, odds: float = 0.2, seconds: float = SHORT_S) -> None:
    """Let calls of Redis fail, each in one of the ways there are."""
    world.note(f"store fails for {seconds:.2f} s: {odds:.2f} in each way")
    world.server.odds = dict.fromkeys((Fate.LOST, Fate.UNHEARD, Fate.LATE), odds)
    _later(world, seconds, world.server.odds.clear)


def fail_call(world: World, number: int, fate: Fate) -> None:
    """Let the call of Redis with this number fail."""
    world.note(f"store call {number} {fate.value}")
    world.server.fate_of[number] = fate


def store_slow(world: World, slowest_s: float = 0.5, seconds: float = SHORT_S) -> None:
    """Let Redis take long."""
    world.note(f"store slow ({slowest_s} s) for {seconds:.2f} s")
    world.server.slowest_s = slowest_s
    _later(world, seconds, lambda: setattr(world.server, "slowest_s", USUAL_S))


def broker_slow(world: World, slowest_s: float = 0.5, seconds: float = SHORT_S) -> None:
    """Let Kafka take long."""
    world.note(f"broker slow ({slowest_s} s) for {seconds:.2f} s")
    world.broker.slowest_s = slowest_s
    _later(world, seconds, lambda: setattr(world.broker, "slowest_s", USUAL_S))


def letters_away(world: World, seconds: float = SHORT_S) -> None:
    """Let nobody take dead letters for a while."""
    world.note(f"letters away for {seconds:.2f} s")
    world.letters.is_away = True
    _later(world, seconds, lambda: setattr(world.letters, "is_away", False))


def lose_tail(world: World, share: float = 0.5) -> None:
    """Set Redis back to what it was a while ago."""
    world.note(f"the store loses {share:.2f} of what it has written lately")
    world.server.lose_tail(share)


def flush(world: World) -> None:
    """Empty Redis."""
    world.note("the store is emptied")
    world.server.flush()
    world.server.history.clear()


def promote(world: World) -> None:
    """Take a copy of what is live for a run that has counted as much by itself, and make it live."""
    name = f"r{len(world.said)}"
    server, live = world.server, live_in(world.server)
    if live not in server.namespaces or live != "live":
        return
    world.note(f"promote {name}")
    server.namespaces[namespace_of("live", name)] = deepcopy(server.namespaces[live])
    rules = counting_rules(world.case.settings, world.case.funnels)
    run = Run(name, TOPIC, rules, {number: Start(0) for number in world.broker.logs}, None, 0)
    documents = MemoryStore(server, shards=SHARDS)

    async def switch(place: Place) -> None:
        await change_runs(documents, lambda runs: runs if runs.live else runs.with_run(run))
        await replay_promote.promote(place, name, rules, ANY_LAG, 0)

    _switch(world, switch)


def roll_back(world: World) -> None:
    """Let live go on where it was before."""
    if live_in(world.server) != "live":
        world.note("roll back")
        _switch(world, replay_promote.roll_back)


def _switch(world: World, switch: Callable[[Place], Awaitable[object]]) -> None:
    """Do what an operator does: say it again until it is done or refused."""

    def opened(name: str) -> SimStore:
        return SimStore(world.server, SHARDS, namespace=namespace_of("live", name) if name else "live")

    async def until_done() -> None:
        try:
            while True:
                place = Place(opened, TOPIC, {n: Span(log.begin, log.end) for n, log in world.broker.logs.items()})
                try:
                    await switch(place)
                except StoreUnavailable:
                    await asyncio.sleep(RESTART_S)
                except ReplayError as error:
                    world.note(f"refused: {error}")
                    return
                else:
                    return
        finally:
            world.troubles -= 1

    world.troubles += 1
    with within(None):
        world.loop.create_task(until_done())


def _later(world: World, seconds: float, mend: Callable[[], None]) -> None:
    world.troubles += 1

    def put_right() -> None:
        world.troubles -= 1
        mend()

    with within(None):
        world.loop.call_later(seconds, put_right)


def plan(seed: int, workers: int) -> list[Strike]:
    """Draw what befalls a run: a few kinds of faults, once or several times, half of them while the store is asked."""
    draw = random.Random(f"faults {seed}")
    kinds = draw.sample(range(KINDS), draw.randrange(1, 5))
    count = draw.choice([1, 2, 4, 8])
    strikes = []
    for _ in range(count):
        fault = _drawn(draw, workers)[draw.choice(kinds)]
        place = (
            AtCall(draw.randrange(1, USUAL_CALLS)) if draw.random() < 0.5 else AtTurn(draw.randrange(1, USUAL_TURNS))
        )
        strikes.append((place, fault))
    return strikes


def switches(seed: int) -> list[Strike]:
    """Draw when live is switched to a run, and mostly back, once or twice."""
    draw = random.Random(f"switches {seed}")
    turns = sorted(draw.randrange(1, USUAL_TURNS) for _ in range(draw.choice([1, 2, 2, 4])))
    return [(AtTurn(turn), (promote, roll_back)[place % 2]) for place, turn in enumerate(turns)]


def _drawn(draw: random.Random, workers: int) -> list[Fault]:
    """Return one fault of each kind."""
    number, seconds, slowest_s = draw.randrange(workers), draw.choice(SPANS_S), draw.choice([0.02, 0.3, 2.0])
    return [
        partial(kill, number=number, restart_s=seconds),
        partial(stop, number=number, restart_s=seconds),
        partial(power_cut, restart_s=seconds, share=draw.random()),
        partial(freeze, number=number, seconds=seconds),
        partial(expel, number=draw.randrange(9)),
        partial(cut, number=number),
        partial(garble, count=draw.randrange(1, 4)),
        partial(broker_confused, seconds=seconds),
        partial(broker_away, seconds=seconds),
        partial(store_away, seconds=seconds),
        partial(store_fails, odds=draw.random() / 3, seconds=seconds),
        partial(store_slow, slowest_s=slowest_s, seconds=seconds),
        partial(broker_slow, slowest_s=slowest_s, seconds=seconds),
        partial(letters_away, seconds=seconds),
        partial(lose_tail, share=draw.random()),
        flush,
    ]
