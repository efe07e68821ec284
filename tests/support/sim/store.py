"""A Redis that answers late, fails before or after it has written, loses its last seconds, or everything.

In:  the calls of a worker's store, each in the context of its process.
Out: the answers of `stream.store.memory`, after a drawn delay; `StoreUnavailable` where a call's fate is to fail.

What a worker has sent is carried out even if the worker dies or sleeps meanwhile; a sleeper finds the answer later.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from enum import Enum
from typing import Any

from stream.errors import StoreUnavailable
from stream.store.memory import MemoryServer, MemoryStore

SNAPSHOTS = 40
USUAL_S = 0.002  # the longest that a call takes on its way there, and back
LATE_S = 3.0
WRITES = frozenset({"commit", "raise_epoch", "create_head", "set_active_funnel_set", "set_runs_document"})


class Fate(Enum):
    """What becomes of a call."""

    ANSWERED = "is answered"
    LOST = "fails, and is not carried out"
    UNHEARD = "fails, though it was carried out"
    LATE = "fails, and is carried out afterwards"


class SimServer(MemoryServer):
    """The data of a Redis, and what is wrong with it.

    odds: how probable each failure is. fate_of: what becomes of calls by number. calls: how many came so far.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, draw: random.Random) -> None:
        super().__init__()
        self.loop, self.draw = loop, draw
        self.context = copy_context()
        self.slowest_s = USUAL_S
        self.is_away = False
        self.odds: dict[Fate, float] = {}
        self.fate_of: dict[int, Fate] = {}
        self.calls = 0
        self._alarms: dict[int, list[Callable[[], None]]] = {}
        self.history: deque[Any] = deque(maxlen=SNAPSHOTS)

    @property
    def has_alarms(self) -> bool:
        """Whether some `at_call` is still to come."""
        return bool(self._alarms)

    def at_call(self, number: int, act: Callable[[], None]) -> None:
        """Call `act` when the call with this number arrives."""
        self._alarms.setdefault(number, []).append(act)

    def lose_tail(self, share: float) -> None:
        """Go back to an older state: `share` of what is remembered is lost."""
        if self.history:
            self.restore(self.history[int(len(self.history) * (1 - share)) % len(self.history)])
            self.history.clear()

    def pause(self) -> float:
        """Draw a delay."""
        return self.draw.random() * self.slowest_s

    def fate(self) -> Fate:
        """Decide what becomes of the next call."""
        self.calls += 1
        for act in self._alarms.pop(self.calls, ()):
            act()
        if self.is_away:
            return Fate.LOST
        drawn = self.draw.random()
        for fate, odds in self.odds.items():
            drawn -= odds
            if drawn < 0:
                return fate
        return self.fate_of.get(self.calls, Fate.ANSWERED)


class SimStore:
    """A worker's `stream.store.contract.Store` on a `SimServer`."""

    def __init__(
        self, server: SimServer, shards: int, kind: type[MemoryStore] = MemoryStore, namespace: str = "live"
    ) -> None:
        self._server = server
        self._inner = kind(server, namespace, shards)
        self.shards = shards

    def __getattr__(self, name: str) -> Any:
        """Return an operation of the store."""

        async def call(*args: Any) -> Any:
            answer = self._server.loop.create_future()
            self._server.loop.create_task(self._carry_out(name, args, answer), context=self._server.context)
            return await answer

        return call

    async def _carry_out(self, name: str, args: tuple[Any, ...], answer: "asyncio.Future[Any]") -> None:
        server = self._server
        await asyncio.sleep(server.pause())
        fate, result = server.fate(), None
        if fate is Fate.LATE:
            self._reply(answer, fate, name, None)
            await asyncio.sleep(server.draw.random() * LATE_S)
        if fate is not Fate.LOST:
            result = await getattr(self._inner, name)(*args)
            if name in WRITES:
                server.history.append(server.snapshot())
        await asyncio.sleep(server.pause())
        self._reply(answer, fate, name, result)

    def _reply(self, answer: "asyncio.Future[Any]", fate: Fate, name: str, result: Any) -> None:
        if answer.done():
            return
        if fate is Fate.ANSWERED:
            answer.set_result(result)
        else:
            answer.set_exception(StoreUnavailable(name, (), "the simulated Redis gave no answer"))
