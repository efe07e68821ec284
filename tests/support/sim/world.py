"""One run: a case, its broker, store and workers, and what befalls them; then the judgement.

In:  a case and faults.
Out: an outcome: what differs in the end, what nobody has caught, how long it took in turns.
"""

import asyncio
import gc
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

from aiokafka import client

from stream.store.memory import MemoryStore
from stream.worker import agent, fences, tracker, transport
from stream.worker.tracker import Tracker
from support.sim.broker import Broker
from support.sim.judge import Judge, live_in
from support.sim.log import PartitionLog
from support.sim.loop import START_S, VirtualLoop, virtual_time
from support.sim.store import SimServer
from support.sim.traffic import TOPIC, Case, Deed
from support.sim.worker import HEARTBEAT_S, Letters, Worker

PATIENCE_S = 150.0
LOOK_S = 0.05
QUIET_S = 1.2

Fault = Callable[["World"], None]


class AtTurn(NamedTuple):
    """Before the callback with this number."""

    number: int


class AtCall(NamedTuple):
    """When the store is about to carry out the call with this number."""

    number: int


Strike = tuple[AtTurn | AtCall, Fault]


@dataclass(slots=True)
class Outcome:
    """How a run ended; `wrong` is empty if nothing is."""

    wrong: list[str]
    turns: int
    busy_turns: int
    seconds: float
    calls: int
    said: list[str] = field(default_factory=list)

    def story(self, again: str) -> str:
        """Return what happened, for people; `again` is the command that makes it happen again."""
        return "\n".join(["", again, *self.said, *self.wrong])


class World:
    """What a fault may lay hands on."""

    def __init__(self, case: Case, judge: Judge, kind: type[MemoryStore], make: Callable[..., Tracker]) -> None:
        self.case, self.judge = case, judge
        self.draw = random.Random(f"world {case.seed}")
        self.loop = VirtualLoop(self.draw)
        self.broker = Broker(self.loop, self.draw, TOPIC, case.partitions)
        self.server = SimServer(self.loop, self.draw)
        self.letters = Letters(self.server)
        self.troubles = self.busy_turns = 0
        self.said: list[str] = []
        self.unsettled: list[str] = []
        self._kind, self._make = kind, make
        self.workers = [self._worker(f"w{number}") for number in range(case.workers)]

    def _worker(self, name: str) -> Worker:
        return Worker(name, self.case, self.loop, self.server, self.letters, kind=self._kind, make=self._make)

    async def differences(self) -> list[str]:
        """Return what in the end is not as it must be."""
        return await self.judge.differences(self.server, self.letters.sent)

    def note(self, text: str) -> None:
        """Remember what befell whom, and when."""
        self.said.append(f"{self.loop.time() - START_S:8.4f} s, turn {self.loop.turns}: {text}")

    def is_caught_up(self) -> bool:
        """Whether every partition is counted to its end."""
        held = self.server.namespaces.get(live_in(self.server))
        if held is None or self.server.is_away:
            return False
        return all(
            number in held.partitions and held.partitions[number].head.next_offset == log.end
            for number, log in self.broker.logs.items()
        )

    async def live(self) -> None:
        """Produce, count, and go on until everything is counted, shown and quiet."""
        producing = self.loop.create_task(self._produce())
        for worker in self.workers:
            worker.start()
        await producing
        deadline = self.loop.time() + PATIENCE_S
        quiet_since = None
        while self.loop.time() < deadline:
            await asyncio.sleep(LOOK_S)
            self.unsettled = self._unsettled()
            if self.unsettled:
                quiet_since = None
            elif quiet_since is None:
                quiet_since, self.busy_turns = self.loop.time(), self.loop.turns
            elif self.loop.time() - quiet_since > QUIET_S:
                break
        await asyncio.gather(*[worker.stop() for worker in self.workers])

    def _unsettled(self) -> list[str]:
        """Return what is not yet as it must be in the end."""
        if self.troubles or self.loop.has_alarms or self.server.has_alarms:
            return ["faults are still to come"]
        if not self.is_caught_up():
            return ["not everything is counted"]
        return [line for worker in self.workers for line in worker.unsettled(self.judge)]

    async def _produce(self) -> None:
        for deed in self.case.deeds:
            due_s = START_S + deed.after_s
            if due_s > self.loop.time():
                await asyncio.sleep(due_s - self.loop.time())
            do(self.broker.logs[deed.partition], deed)
            self.broker.arrived()


def do(log: PartitionLog, deed: Deed) -> None:
    """Write to a log what a deed says."""
    if deed.kind == "trim":
        log.trim()
    elif deed.kind == "append":
        log.append(list(deed.rows), deed.record_ms, deed.producer)
    elif deed.kind == "skip":
        log.skip(3)
    else:
        log.finish(deed.producer, deed.record_ms, is_commit=deed.kind == "commit")


def judge_of(case: Case) -> Judge:
    """Return what the log of a case must come to."""
    logs = {number: PartitionLog() for number in range(case.partitions)}
    for deed in case.deeds:
        do(logs[deed.partition], deed)
    return Judge(case, logs)


def run(
    case: Case,
    strikes: Sequence[Strike] = (),
    *,
    judge: Judge | None = None,
    kind: type[MemoryStore] = MemoryStore,
    make: Callable[..., Tracker] = Tracker,
) -> Outcome:
    """Let workers count a case; each fault befalls them at its place."""
    return play(World(case, judge or judge_of(case), kind, make), strikes)


def play(world: World, strikes: Sequence[Strike] = ()) -> Outcome:
    """Let a world go its way; each fault befalls it at its place."""
    for place, fault in strikes:
        strike_at = world.loop.at_turn if isinstance(place, AtTurn) else world.server.at_call
        strike_at(place.number, partial(fault, world))
    with _simulated(world):
        world.loop.run(world.live())
        wrong = asyncio.run(world.differences())
    if any(worker.is_stillborn for worker in world.workers):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of coroutines that nobody will ever await
            gc.collect()
    wrong += world.unsettled
    wrong += [f"{worker.name} ended: {reason!r}" for worker in world.workers for reason in worker.crashes]
    wrong += [f"nobody caught: {_told(error)}" for error in world.loop.errors]
    seconds = world.loop.time() - START_S
    return Outcome(wrong, world.loop.turns, world.busy_turns, seconds, world.server.calls, world.said)


def _told(error: dict[str, object]) -> str:
    return f"{error.get('message')} {error.get('exception')!r}"


@contextmanager
def _simulated(world: World) -> Iterator[None]:
    ahead, clients, new_consumer = world.case.ahead, [], transport._new_consumer

    def remembered(*args: Any) -> Any:
        clients.append(new_consumer(*args))
        return clients[-1]

    with virtual_time(world.loop), ExitStack() as stack:
        for target, name, value in (
            (agent, "AHEAD", ahead.group),
            (tracker, "LOAD_AHEAD", ahead.load),
            (tracker, "COMMIT_STATES", ahead.states),
            (tracker, "uncollected", nullcontext),  # what is kept from the collector is never given back
            (fences, "FENCE_S", 2 * HEARTBEAT_S),
            (transport, "_new_consumer", remembered),
            (client, "create_conn", world.broker.open),
        ):
            stack.enter_context(patch.object(target, name, value))
        yield
    for each in clients:
        each._closed = True  # else those of killed processes complain
