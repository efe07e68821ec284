"""The newest numbers for all who look: each choice is encoded once per reading, and the same bytes go to everybody.

In:  readings of the rollups, whenever there is one.
Out: a choice's document; and its server-sent events, the newest at once and then whenever it has changed.

Nothing is queued: whoever is ready for the next event gets the newest one, so a slow reader skips what it missed.
Encoding is paced, so that many choices cost a worker a small share of its core and the page some of its speed.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable

import msgspec

from stream.web.choices import Catalog, Choice
from stream.web.forms import State
from stream.web.views import state_of, view_document
from stream.worker.refreshed import Refreshed

HEARTBEAT = b": still here\n\n"
HEARTBEAT_S = 5.0  # proxies cut what is silent for a minute; the page asks anew after three of these
PACE = 30.0
"""A round of events waits until 30 times as long has gone by as encoding the last one took: about 3 % of a core."""
MAX_ENCODED = 1_000
"""Documents kept at once: a segment can be any text, and while nothing is read none is thrown away."""

_encode = msgspec.json.Encoder().encode


class Feed:
    """Holds the last reading; used from one event loop."""

    def __init__(self, catalog: Catalog, now_ms: Callable[[], int] = lambda: int(time.time() * 1000)) -> None:
        self.catalog = catalog
        self.refreshed: Refreshed | None = None
        self.now_ms = now_ms
        self._encoded: dict[tuple[Choice, State], bytes] = {}
        self._changed = asyncio.Event()
        self._spent_s = self._woke_s = 0.0
        self._waking: asyncio.TimerHandle | None = None
        self.is_closed = False

    def publish(self, refreshed: Refreshed) -> None:
        """Take a reading, and wake those who follow as soon as the pace allows."""
        if self.is_closed:
            return
        self.refreshed = refreshed
        self._encoded.clear()
        if self._waking is None:
            loop = asyncio.get_running_loop()
            self._waking = loop.call_at(max(loop.time(), self._woke_s + PACE * self._spent_s), self._wake)

    def close(self) -> None:
        """End all streams."""
        self.is_closed = True
        if self._waking is not None:
            self._waking.cancel()
        self._changed.set()

    def document(self, choice: Choice) -> bytes:
        """Return the JSON of a choice's newest numbers."""
        now_ms = self.now_ms()
        key = choice, state_of(self.refreshed, now_ms)  # numbers grow stale while nothing is read
        encoded = self._encoded.get(key)
        if encoded is None:
            if len(self._encoded) >= MAX_ENCODED:
                self._encoded.clear()
            began_s = time.perf_counter()
            encoded = self._encoded[key] = _encode(view_document(self.catalog, choice, self.refreshed, now_ms))
            self._spent_s += time.perf_counter() - began_s
        return encoded

    async def events(self, choice: Choice) -> AsyncGenerator[bytes]:
        """Yield server-sent events until the feed is closed, and a comment when nothing has changed for a while."""
        loop = asyncio.get_running_loop()
        sent, due_s = b"", loop.time()
        while not self.is_closed:
            changed = self._changed
            document = self.document(choice)
            if document != sent:
                sent, due_s = document, loop.time() + HEARTBEAT_S
                yield self._event(document)
            elif loop.time() >= due_s:  # however many readings there were that changed nothing
                due_s = loop.time() + HEARTBEAT_S
                yield HEARTBEAT
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due_s):
                    await changed.wait()

    def _event(self, document: bytes) -> bytes:
        merged = None if self.refreshed is None else self.refreshed.merged
        at_ms = None if merged is None else merged.as_of_ms
        return b"id: %d\ndata: %b\n\n" % (at_ms or 0, document)

    def _wake(self) -> None:
        self._waking = None
        self._woke_s, self._spent_s = asyncio.get_running_loop().time(), 0.0
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
