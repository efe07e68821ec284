"""The page, its API and its event stream, as routes of an HTTP server.

In:  the feed, the store, the settings, a function that says whether the process is ready.
Out: routes for a worker's server or for `funnel serve`; they read and never write.
"""

import hashlib
import mimetypes
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from aiohttp import web

from stream.errors import RequestRefused
from stream.model.funnel import Funnel
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Store
from stream.web import openapi
from stream.web.access import HEADERS, Access, refusal
from stream.web.choices import Catalog
from stream.web.feed import Feed
from stream.web.stored import Stored
from stream.web.views import funnels_document, health_document
from stream.worker.refreshed import Refreshed

STATIC = Path(__file__).parent / "static"
MAX_STREAMS = 500
"""Streams open at once: each holds a socket, and the file descriptors of a worker are for Kafka and Redis too."""

_JSON = "application/json"
_encode = msgspec.json.Encoder().encode


class Pages:
    """Everything that is served; `publish` takes the readings that it shows."""

    def __init__(
        self,
        settings: TrackerSettings,
        funnels: Sequence[Funnel],
        store: Store,
        host: str,
        ready: Callable[[], tuple[bool, str]],
    ) -> None:
        self._show(settings, funnels, store)
        self._access = Access(settings.web, host)
        self._ready = ready
        self._streams = 0
        self._files = {path.name: _StaticFile(path) for path in sorted(STATIC.iterdir())}

    def follow(self, settings: TrackerSettings, funnels: Sequence[Funnel], store: Store) -> None:
        """Show these funnels, as that store has them, from the next reading on; ends the streams: browsers ask anew."""
        self._feed.close()
        self._show(settings, funnels, store)

    def _show(self, settings: TrackerSettings, funnels: Sequence[Funnel], store: Store) -> None:
        self._catalog = Catalog(funnels, settings.rolling)
        self._feed = Feed(self._catalog)
        self._stored = Stored(store, settings, funnels, self._catalog)

    def publish(self, refreshed: Refreshed) -> None:
        """Show what was read."""
        self._feed.publish(refreshed)

    def add_routes(self, app: web.Application) -> None:
        """Add the routes, and end the streams when the server ends."""
        add, guarded = app.router.add_get, self._access.guarded
        add("/", self._files["index.html"].serve)
        for name, file in self._files.items():
            add(f"/static/{name}", file.serve)
        add("/api/openapi.json", self._serve_openapi)
        api = {
            "/funnels": self._serve_funnels,
            "/funnels/{name}/{version}": self._serve_view,
            "/funnels/{name}/{version}/cohorts": self._serve_cohorts,
            "/actors/{pseudonym}": self._serve_actor,
            "/health": self._serve_health,
            "/stream": self._serve_stream,
        }
        for path, handler in api.items():
            add(f"/api/v1{path}", guarded(handler))
        add("/api/{path:.*}", guarded(self._serve_nothing))
        app.on_shutdown.append(self._close)

    async def _close(self, _app: web.Application) -> None:
        self._feed.close()

    async def _serve_openapi(self, _request: web.Request) -> web.Response:
        return _answer(openapi.text().encode())

    async def _serve_funnels(self, _request: web.Request) -> web.Response:
        return _answer(_encode(funnels_document(self._catalog, self._feed.refreshed, self._feed.now_ms())))

    async def _serve_view(self, request: web.Request) -> web.Response:
        funnel = self._funnel(request)
        return _answer(self._feed.document(self._catalog.choice(funnel, request.query)))

    async def _serve_cohorts(self, request: web.Request) -> web.Response:
        funnel, index = self._funnel(request), self._catalog.window_index(request.query.get("window"))
        return _answer(_encode(await self._stored.cohorts(funnel, index, self._feed.refreshed)))

    async def _serve_actor(self, request: web.Request) -> web.Response:
        return _answer(_encode(await self._stored.actor(request.match_info["pseudonym"])))

    async def _serve_health(self, _request: web.Request) -> web.Response:
        feed = self._feed
        return _answer(_encode(health_document(self._catalog, feed.refreshed, feed.now_ms(), self._ready())))

    async def _serve_stream(self, request: web.Request) -> web.StreamResponse:
        query, feed = dict(request.query), self._feed
        funnel = self._catalog.funnel(query.pop("funnel", ""), query.pop("version", ""))
        choice = self._catalog.choice(funnel, query)
        if self._streams >= MAX_STREAMS:
            raise RequestRefused(503, f"{MAX_STREAMS} streams are open already: use another worker, or `funnel serve`")
        response = web.StreamResponse(headers={
            **HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"
        })  # fmt: skip
        await response.prepare(request)
        self._streams += 1
        try:
            async for event in feed.events(choice):
                await response.write(event)
        except ConnectionResetError:
            pass  # whoever looked has left
        finally:
            self._streams -= 1
        return response

    async def _serve_nothing(self, request: web.Request) -> web.Response:
        return refusal(RequestRefused(404, f"there is no {request.path}", list(openapi.PATHS)))

    def _funnel(self, request: web.Request) -> Funnel:
        return self._catalog.funnel(request.match_info["name"], request.match_info["version"])


class _StaticFile:
    """A file of the page, in memory; a browser keeps it as long as its tag is the same."""

    def __init__(self, path: Path) -> None:
        self._body = path.read_bytes()
        self._etag = hashlib.sha256(self._body).hexdigest()[:20]
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self._headers = {**HEADERS, "Content-Type": f"{kind}; charset=utf-8", "Cache-Control": "no-cache"}

    async def serve(self, request: web.Request) -> web.Response:
        if request.if_none_match and any(tag.value == self._etag for tag in request.if_none_match):
            response = web.Response(status=304, headers=self._headers)
        else:
            response = web.Response(body=self._body, headers=self._headers)
        response.etag = self._etag
        return response


def _answer(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=_JSON, headers={**HEADERS, "Cache-Control": "no-store"})
