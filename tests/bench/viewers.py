"""Many open live pages: streams that are read as they come, until the server ends them.

    python -m tests.bench.viewers PORT STREAMS FUNNEL FILE

In:  a worker's port, how many streams, a funnel (version 1).
Out: FILE, with how many bytes of events have come over all of them, renewed every half second once all are open.
"""

import asyncio
import itertools
import sys
from collections.abc import Callable
from pathlib import Path

CHOICES = tuple(itertools.product(("5m", "1h", "24h"), ("rolling", "matured")))
"""What the pages show, in turn."""
NOTE_SECONDS = 0.5
TRY_SECONDS = 0.1


async def watch(port: int, streams: int, funnel: str, note: Callable[[int], object]) -> None:
    """Read all streams until they end; `note` is told of the bytes received."""
    received = [0] * streams
    opened = await asyncio.gather(*[_open(port, funnel, number) for number in range(streams)])
    reading = [asyncio.create_task(_read(reader, received, number)) for number, (reader, _) in enumerate(opened)]
    while any(not task.done() for task in reading):
        note(sum(received))
        await asyncio.wait(reading, timeout=NOTE_SECONDS)


async def _open(port: int, funnel: str, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    window, form = CHOICES[number % len(CHOICES)]
    path = f"/api/v1/stream?funnel={funnel}&version=1&window={window}&form={form}"
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:  # the worker is still starting
            await asyncio.sleep(TRY_SECONDS)
            continue
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
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
