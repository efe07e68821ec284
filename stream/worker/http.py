"""Serve /metrics, /healthz and /readyz of one worker, and whatever is added to them.

In:  functions that give the text of the series and the reasons for not being ready; what adds further routes.
Out: a small HTTP server, on the loopback address unless told otherwise.

Faust's own web server binds every interface and serves the contents of tables; it stays off.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from mode import Service

from stream.metrics.exposition import CONTENT_TYPE

SHUTDOWN_SECONDS = 2.0
"""How long requests under way may take when it ends; whoever reads no more holds nothing up."""


class HealthServer(Service):
    """HTTP server as a Faust service; `host` and `port` are where it listens (port 0: any free one)."""

    def __init__(
        self,
        host: str,
        port: int,
        metrics: Callable[[], Awaitable[bytes]],
        ready: Callable[[], tuple[bool, str]],
        add_routes: Callable[[web.Application], None] = lambda _: None,
        **kwargs: Any,
    ) -> None:
        self.host, self.port = host, port
        self._metrics, self._ready, self._add_routes = metrics, ready, add_routes
        self._runner: web.AppRunner | None = None
        super().__init__(**kwargs)

    async def on_start(self) -> None:
        """Listen. Raises `OSError` if the port is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._serve_metrics)
        app.router.add_get("/healthz", self._serve_health)
        app.router.add_get("/readyz", self._serve_ready)
        self._add_routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.log.info("metrics at http://%s:%d/metrics", self.host, self.port)

    async def on_stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self._metrics(), headers={"Content-Type": CONTENT_TYPE})

    async def _serve_health(self, _request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _serve_ready(self, _request: web.Request) -> web.Response:
        is_ready, reason = self._ready()
        return web.Response(text=f"{'ready' if is_ready else reason}\n", status=200 if is_ready else 503)
