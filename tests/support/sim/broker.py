"""A Kafka broker of one topic behind aiokafka's connections: everything above the socket is the real client.

In:  typed requests of aiokafka, in order for each connection.
Out: typed responses, after a drawn delay; connections that break or are refused.

`Broker.open` stands in for `aiokafka.client.create_conn`. What a client has sent arrives even if it dies.
"""

import asyncio
import random
from collections import deque
from contextvars import Context, copy_context
from typing import Any

from aiokafka.conn import CloseReason
from aiokafka.errors import KafkaConnectionError
from aiokafka.util import wait_for

from support.sim.group import Group
from support.sim.log import PartitionLog
from support.sim.loop import CURRENT, Process
from support.sim.store import USUAL_S

HOST, PORT, NODE = "sim", 9092, 1
VERSIONS = dict.fromkeys(range(40), (0, 1)) | {1: (4, 4), 2: (2, 2), 8: (3, 3), 9: (3, 3), 11: (5, 5), 14: (3, 3)}
OFFSET_OUT_OF_RANGE, NOT_LEADER = 1, 6
EARLIEST = -2


class Broker:
    """One node that leads all partitions of `topic` and coordinates one group."""

    def __init__(self, loop: asyncio.AbstractEventLoop, draw: random.Random, topic: str, partitions: int) -> None:
        self.loop, self.draw, self.topic = loop, draw, topic
        self.logs = {number: PartitionLog() for number in range(partitions)}
        self.group = Group()
        self.is_away = self.is_confused = False
        self.garbled = 0
        self.slowest_s = USUAL_S
        self.connections: list[Connection] = []
        self.context = copy_context()
        self._news: asyncio.Future[None] = loop.create_future()

    async def open(self, host: str, port: int, **options: Any) -> "Connection":
        """Connect the process that asks. Raises `KafkaConnectionError` while the broker is away."""
        assert (host, port) == (HOST, PORT)
        await asyncio.sleep(self.pause())
        if self.is_away:
            raise KafkaConnectionError("the broker is away")
        return Connection(self, options["request_timeout_ms"] / 1000, options.get("on_close"))

    def pause(self) -> float:
        """Draw a delay."""
        return self.draw.random() * self.slowest_s

    def arrived(self) -> None:
        """Tell waiting fetches that there are new records."""
        self._news.set_result(None)
        self._news = self.loop.create_future()

    def leave(self) -> None:
        """Break all connections and refuse new ones, until `is_away` is taken back."""
        self.is_away = True
        for connection in list(self.connections):
            connection.break_off()

    async def answer(self, request: Any) -> Any:
        """Return the response to a request."""
        name = type(request).__name__.partition("Request")[0].lower()
        return await getattr(self, f"_on_{name}")(request)

    async def _on_metadata(self, request: Any) -> Any:
        partitions = [(0, number, NODE, [NODE], [NODE]) for number in self.logs]
        wanted = request.topics is None or self.topic in request.topics
        topics = [(0, self.topic, False, partitions)] if wanted else []
        return request.RESPONSE_TYPE([(NODE, HOST, PORT, None)], NODE, topics)

    async def _on_findcoordinator(self, request: Any) -> Any:
        return request.RESPONSE_TYPE(0, 0, "", NODE, HOST, PORT)

    async def _on_joingroup(self, request: Any) -> Any:
        said = await self.group.join(request)
        return request.RESPONSE_TYPE(
            0, said["error"], said["generation"], said["protocol"], said["leader"], said["member"], said["members"]
        )

    async def _on_syncgroup(self, request: Any) -> Any:
        return request.RESPONSE_TYPE(0, *await self.group.sync(request))

    async def _on_heartbeat(self, request: Any) -> Any:
        return request.RESPONSE_TYPE(0, self.group.heartbeat(request))

    async def _on_leavegroup(self, request: Any) -> Any:
        return request.RESPONSE_TYPE(0, self.group.leave(request.member_id))

    async def _on_offsetcommit(self, request: Any) -> Any:
        ((topic, partitions),) = request.topics
        error = self.group.commit(request, partitions)
        return request.RESPONSE_TYPE(0, [(topic, [(partition, error) for partition, *_ in partitions])])

    async def _on_offsetfetch(self, request: Any) -> Any:
        ((topic, partitions),) = request.topics
        rows = [(partition, self.group.committed.get(partition, -1), "", 0) for partition in partitions]
        return request.RESPONSE_TYPE(0, [(topic, rows)], 0)

    async def _on_offset(self, request: Any) -> Any:
        ((topic, partitions),) = request.topics
        rows = []
        for number, which in partitions:
            log = self.logs[number]
            rows.append((number, 0, -1, log.begin if which == EARLIEST else log.stable_end))
        return request.RESPONSE_TYPE(0, [(topic, rows)])

    async def _on_fetch(self, request: Any) -> Any:
        deadline = self.loop.time() + request.max_wait_time / 1000
        while True:
            topics = [(topic, [self._read(*each) for each in sorted(wanted)]) for topic, wanted in request.topics]
            left_s = deadline - self.loop.time()
            if left_s <= 0 or any(row[1] or row[-1] for _, rows in topics for row in rows):
                return request.RESPONSE_TYPE(0, topics)
            await asyncio.wait([self._news], timeout=left_s)

    def _read(self, number: int, offset: int, max_bytes: int) -> tuple[Any, ...]:
        log = self.logs[number]
        if self.is_confused:
            return number, NOT_LEADER, -1, -1, [], b""
        if not log.begin <= offset <= log.end:
            return number, OFFSET_OUT_OF_RANGE, -1, -1, [], b""
        data, aborted = log.read(offset, max_bytes)
        if data and self.garbled:
            self.garbled -= 1
            data = data[:-1] + bytes([data[-1] ^ 1])
        return number, 0, log.end, log.stable_end, aborted, data


class Connection:
    """Has of `aiokafka.conn.AIOKafkaConnection` what the client uses."""

    host, port = HOST, PORT

    def __init__(self, broker: Broker, timeout_s: float, on_close: Any) -> None:
        self._broker, self._timeout_s, self._on_close = broker, timeout_s, on_close
        self.owner: Process | None = CURRENT.get()
        self._context: Context = copy_context()
        self._waiting: deque[tuple[Any, asyncio.Future[Any]]] = deque()
        self._asked = asyncio.Event()
        self._is_open = True
        broker.connections.append(self)
        self._serving = broker.loop.create_task(self._serve(), context=broker.context)

    def connected(self) -> bool:
        """Whether requests may be sent."""
        return self._is_open

    def send(self, request: Any, expect_response: bool = True) -> Any:  # noqa: ARG002, FBT001, FBT002 (aiokafka's)
        """Send a request; the awaitable gives its response."""
        if not self._is_open:
            raise KafkaConnectionError("no connection")
        answer = self._broker.loop.create_future()
        self._waiting.append((request.prepare(VERSIONS), answer))
        self._broker.loop.call_soon(self._asked.set, context=self._broker.context)
        return wait_for(answer, self._timeout_s)

    def close(self, reason: Any = None, exc: Any = None) -> "asyncio.Future[None]":  # noqa: ARG002 (aiokafka's)
        """Close; what waits for a response fails."""
        closed = self._broker.loop.create_future()
        closed.set_result(None)
        if self._is_open:
            self._is_open = False
            self._broker.connections.remove(self)
            for _, answer in self._waiting:
                if not answer.done():
                    answer.set_exception(KafkaConnectionError("the connection was closed"))
            if self._on_close is not None:
                self._on_close(self, reason)
        return closed

    def break_off(self) -> None:
        """Lose the connection."""
        self._broker.loop.call_soon(self.close, CloseReason.CONNECTION_BROKEN, context=self._context)

    async def _serve(self) -> None:
        """Answer one request after the other, as a broker does for a connection."""
        while self._is_open:
            if not self._waiting:
                self._asked.clear()
                await self._asked.wait()
                continue
            request, answer = self._waiting[0]
            await asyncio.sleep(self._broker.pause())
            response = await self._broker.answer(request)
            await asyncio.sleep(self._broker.pause())
            if self._waiting:
                self._waiting.popleft()
            if self._is_open and not answer.done():
                answer.set_result(response)
