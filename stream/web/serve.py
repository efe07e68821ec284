"""The page by itself, without Kafka: it shows what the workers' rollups in the store say.

In:  a tracker's settings and funnels, a store, an address.
Out: an HTTP server that polls the store until it is told to stop.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import msgspec
from aiohttp import web

from stream.analyze.live import open_store, partition_count
from stream.errors import FunnelError
from stream.model.funnel import Funnel
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Store
from stream.web.pages import Pages
from stream.worker.activation import ROLLING, ActiveSet, counted_otherwise, rules_of, with_rules
from stream.worker.http import SHUTDOWN_SECONDS
from stream.worker.pointer import Live, what_is_live
from stream.worker.refreshed import Refreshed, read_rollups
from stream.worker.runs import read_runs

log = logging.getLogger(__name__)

POLL_S = 0.2
COUNT_EVERY_S = 5.0
"""How often the number of partitions is asked for again; while it is 0, at each poll."""


class Address(NamedTuple):
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int


class PageServer:
    """Polls the store and serves the page; `funnel serve`.

    `base`: the store of the configured namespace; `opened` returns another one, should a run be live.
    """

    def __init__(
        self,
        settings: TrackerSettings,
        funnels: Sequence[Funnel],
        base: Store,
        address: Address,
        opened: Callable[[TrackerSettings], Store] = open_store,
    ) -> None:
        self._settings, self._funnels, self._base, self._opened = settings, tuple(funnels), base, opened
        self._address = address
        self._pages = Pages(settings, funnels, base, address.host, self.is_ready)
        self._live = Live(settings, self._funnels)
        self._store = base
        self._otherwise: list[str] = []
        self._why_not = "the store was not read yet"
        self._partitions, self._asked_s = 0, -COUNT_EVERY_S

    def is_ready(self) -> tuple[bool, str]:
        """Whether the store is read, and if not, why."""
        return not self._why_not, self._why_not

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set. Raises `OSError` if the port is taken."""
        app = web.Application()
        app.router.add_get("/healthz", self._serve_health)
        app.router.add_get("/readyz", self._serve_ready)
        self._pages.add_routes(app)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, *self._address).start()
            log.info("page at http://%s:%d/", *_shown(runner.addresses[0]))
            await self._poll(stop)
        finally:
            await runner.cleanup()
            await self._close_run()

    async def _poll(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._read()
            try:
                async with asyncio.timeout(POLL_S):
                    await stop.wait()
            except TimeoutError:
                continue

    async def _read(self) -> None:
        try:
            await self._follow()
            if not self._partitions or time.monotonic() - self._asked_s >= COUNT_EVERY_S:
                self._partitions = await partition_count(self._store)
                self._otherwise = await self._counted_otherwise()
                self._asked_s = time.monotonic()
            self._pages.publish(_without(self._otherwise, await read_rollups(self._store, self._partitions)))
        except FunnelError as error:
            if str(error) != self._why_not:
                log.warning("%s", error)
            self._why_not = str(error)
            return
        self._why_not = "" if self._partitions else "nothing is counted: no worker has begun"
        if self._otherwise:
            self._why_not = (
                f"{', '.join(self._otherwise)} is counted with another definition than this process has: "
                "start it with the files that the workers run with"
            )

    async def _follow(self) -> None:
        """Show what is live now, if that is something else than before."""
        live = what_is_live(self._settings, self._funnels, (await read_runs(self._base)).runs)
        if live.is_as(self._live):
            return
        await self._close_run()
        self._store = self._base if live.run is None else self._opened(live.settings)
        self._live, self._partitions, self._otherwise = live, 0, []
        self._pages.follow(live.settings, live.funnels, self._store)
        log.info("%s is live", live.title)

    async def _close_run(self) -> None:
        """Give back the connections to a run's namespace; the configured one's belong to the caller."""
        store, self._store = self._store, self._base
        if store is not self._base:
            await store.close()

    async def _counted_otherwise(self) -> list[str]:
        """Return which funnels are not counted as they are defined here. Raises `StoreRefused` for other windows."""
        document = await self._store.active_funnel_set()
        if document is None:
            return []
        active, live = msgspec.json.decode(document, type=ActiveSet), self._live
        rolling = rules_of(live.settings.rolling, live.settings.actor_secret)[ROLLING]
        with_rules(active, active.rules | {ROLLING: rolling})
        return counted_otherwise(live.funnels, active)

    async def _serve_health(self, _request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _serve_ready(self, _request: web.Request) -> web.Response:
        is_ready, reason = self.is_ready()
        return web.Response(text=f"{'ready' if is_ready else reason}\n", status=200 if is_ready else 503)


def _without(keys: Collection[str], refreshed: Refreshed) -> Refreshed:
    """Leave out funnels whose numbers are of another definition: they would stand under the wrong steps."""
    if refreshed.merged is None or not keys:
        return refreshed
    left = [funnel for funnel in refreshed.merged.funnels if funnel.key not in keys]
    return refreshed._replace(merged=msgspec.structs.replace(refreshed.merged, funnels=left))


def _shown(address: tuple[str, int]) -> tuple[str, int]:
    host, port = address[:2]
    return (f"[{host}]" if ":" in host else host), port
