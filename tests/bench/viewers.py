"""Many open live pages: streams that are read as they come, and what a page asks for besides, until the server ends.

    python -m tests.bench.viewers PORT PAGES FUNNEL FILE

In:  a worker's port, how many pages, a funnel (version 1).
Out: FILE, with how many bytes of events have come over all streams, renewed every half second once all are open.
"""

import asyncio
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

CHOICES = tuple(itertools.product(("5m", "1h", "24h"), ("rolling", "matured")))
"""What the pages show, in turn."""
NOTE_SECONDS = 0.5
TRY_SECONDS = 0.1
HEALTH_SECONDS, COHORTS_SECONDS = 5.0, 10.0  # as stream/web/static/app.js has them


async def watch(port: int, pages: int, funnel: str, note: Callable[[int], object]) -> None:
    """Read all streams until they end, and ask for what a page asks for; `note` is told of the bytes received."""
    received = [0] * pages
    opened = await asyncio.gather(*[_open(port, _stream(funnel, number)) for number in range(pages)])
    reading = [asyncio.create_task(_read(reader, received, number)) for number, (reader, _) in enumerate(opened)]
    asking = [asyncio.create_task(_ask_on(port, path, seconds)) for path, seconds in _asked(funnel, pages)]
    while any(not task.done() for task in reading):
        note(sum(received))
        await asyncio.wait(reading, timeout=NOTE_SECONDS)
    for task in asking:
        task.cancel()


def _stream(funnel: str, number: int) -> str:
    window, form = CHOICES[number % len(CHOICES)]
    return f"/api/v1/stream?funnel={funnel}&version=1&window={window}&form={form}"


def _asked(funnel: str, pages: int) -> Iterator[tuple[str, float]]:
    for number in range(pages):
        window, _ = CHOICES[number % len(CHOICES)]
        yield f"/api/v1/funnels/{funnel}/1/cohorts?window={window}", COHORTS_SECONDS
        yield "/api/v1/health", HEALTH_SECONDS


async def _ask_on(port: int, path: str, seconds: float) -> None:
    while True:
        reader, writer = await _open(port, path, "Connection: close\r\n")
        await reader.read()
        writer.close()
        await asyncio.sleep(seconds)


async def _open(port: int, path: str, headers: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:  # the worker is still starting
            await asyncio.sleep(TRY_SECONDS)
            continue
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"{path}: {head.decode(errors='replace')}")
        return reader, writer  # a writer that nobody holds closes the connection


async def _read(reader: asyncio.StreamReader, received: list[int], number: int) -> None:
    while chunk := await reader.read(65_536):
        received[number] += len(chunk)


if __name__ == "__main__":
    file = Path(sys.argv[4])
    asyncio.run(watch(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], lambda count: file.write_text(f"{count}\n")))
