"""The API of a worker, served from rollups that the test gives."""

import asyncio
import threading
import time

from aiohttp import web

from stream.settings.load import load_tracker
from stream.store.memory import MemoryServer, MemoryStore
from stream.web.pages import Pages
from stream.worker.refreshed import Refreshed
from support.rollups import SHOP

TRACKER = "sources: [{topics: [clicks], keyed_by_actor: true}]\n"


class Api:
    """Serves from a thread of its own until it is stopped."""

    def __init__(self, folder, settings=""):
        tracker = folder / "tracker.yaml"
        tracker.write_text(TRACKER + settings)
        self.reason = ""
        self._settings = load_tracker(tracker, {})
        self._pages = Pages(self._settings, [SHOP], MemoryStore(MemoryServer()), "127.0.0.1", self._ready)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._runner, self.url = self._call(self._start())

    def publish(self, merged):
        """Show these numbers, as read now."""
        read_ms = time.time_ns() // 1_000_000
        merged.written_ms = read_ms

        async def publish():
            self._pages.publish(Refreshed({}, 0, merged, read_ms))

        self._call(publish())

    def follow(self, *funnels):
        """Show these funnels from now on, as after a switch."""

        async def follow():
            self._pages.follow(self._settings, funnels, MemoryStore(MemoryServer()))

        self._call(follow())

    def stop(self):
        """End it; harmless if it has ended."""
        if self._thread.is_alive():
            self._call(self._runner.cleanup())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _ready(self):
        return not self.reason, self.reason

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self):
        app = web.Application()
        self._pages.add_routes(app)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"
