"""A Redis that answers late, fails before or after it has written, loses its last seconds, or everything.

In:  the calls of a worker's store, each in the context of its process.
Out: the answers of `stream.store.memory`, after a drawn delay; `StoreUnavailable` where a fault was drawn.

What a worker has sent is carried out even if the worker dies or sleeps meanwhile; a sleeper finds the answer later.
"""

import asyncio
import random
from collections import deque
from contextvars import copy_context
from typing import Any

from stream.errors import StoreUnavailable
from stream.store.memory import MemoryServer, MemoryStore

SNAPSHOTS = 40
USUAL_S = 0.002  # the longest that a call takes on its way there, and back
WRITES = frozenset({"commit", "raise_epoch", "create_head", "set_active_funnel_set"})


class SimServer(MemoryServer):
    """The data of a Redis, and what is wrong with it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, draw: random.Random) -> None:
        super().__init__()
        self.loop, self.draw = loop, draw
        self.context = copy_context()
        self.slowest_s = USUAL_S
        self.is_away = False
        self.fails_before = self.fails_after = 0.0
        self.fails_at: tuple[int, bool] | None = None  # number of a call, whether it fails after it was carried out
        self.calls = 0
        self.history: deque[Any] = deque(maxlen=SNAPSHOTS)

    def lose_tail(self, share: float) -> None:
        """Go back to an older state: `share` of what is remembered is lost."""
        if self.history:
            self.restore(self.history[int(len(self.history) * (1 - share)) % len(self.history)])
            self.history.clear()

    def pause(self) -> float:
        """Draw a delay."""
        return self.draw.random() * self.slowest_s


class SimStore:
    """A worker's `stream.store.contract.Store` on a `SimServer`."""

    def __init__(self, server: SimServer, shards: int, kind: type[MemoryStore] = MemoryStore) -> None:
        self._server = server
        self._inner = kind(server, shards=shards)
        self.shards = shards

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._inner, name)

        async def call(*args: Any) -> Any:
            return await self._call(name, operation, args)

        return call

    async def _call(self, name: str, operation: Any, args: tuple[Any, ...]) -> Any:
        server = self._server
        answer = server.loop.create_future()
        server.loop.create_task(_carry_out(server, name, operation, args, answer), context=server.context)
        return await answer


async def _carry_out(
    server: SimServer, name: str, operation: Any, args: tuple[Any, ...], answer: "asyncio.Future[Any]"
) -> None:
    await asyncio.sleep(server.pause())
    server.calls += 1
    failure = StoreUnavailable(name, (), "the simulated Redis gave no answer")
    if server.is_away or server.draw.random() < server.fails_before or server.fails_at == (server.calls, False):
        result: Any = failure
    else:
        result = await operation(*args)
        if name in WRITES:
            server.history.append(server.snapshot())
        if server.draw.random() < server.fails_after or server.fails_at == (server.calls, True):
            result = failure
    await asyncio.sleep(server.pause())
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
