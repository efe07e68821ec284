"""The routes: who is let in, what is refused and how, and that nothing is ever written."""

import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from stream.ingest.identify import actor_key
from stream.settings.tracker import SourceSettings, TrackerSettings, WebSettings
from stream.store.memory import MemoryServer, MemoryStore
from stream.web.pages import Pages
from stream.worker.refreshed import Refreshed
from support.rollups import AS_OF_MS, SHOP, shop_rollup, shop_source

TOKEN = "a-token-of-the-test"  # noqa: S105
TOKEN_RULE = WebSettings(token=TOKEN)
PROXY_RULE = WebSettings(trusted_header="X-Forwarded-User")
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def serve():
    """Serve pages of the shop's rollup under these rules; returns a client."""
    clients = []

    async def served(rule=WebSettings(), host="127.0.0.1"):  # noqa: B008 (it is frozen)
        settings = TrackerSettings((SourceSettings("shop", ("clicks",)),), "unused", web=rule)
        pages = Pages(settings, [SHOP], MemoryStore(MemoryServer()), host, lambda: (False, "it is a test"))
        app = web.Application()
        pages.add_routes(app)
        client = TestClient(TestServer(app))
        await client.start_server()
        clients.append(client)
        pages.publish(Refreshed({}, 1, shop_source(shop_rollup()), AS_OF_MS))
        return client

    yield served
    for client in clients:
        await client.close()


@pytest.mark.parametrize(
    ("rule", "host", "headers", "status"),
    [
        pytest.param(WebSettings(), "127.0.0.1", {}, 200, id="loopback-is-open"),
        pytest.param(WebSettings(), "127.0.0.1", {"Host": "localhost:1"}, 200, id="by-its-name-too"),
        pytest.param(WebSettings(), "127.0.0.1", {"Host": "[::1]:1"}, 200, id="and-by-its-other-address"),
        pytest.param(WebSettings(), "127.0.0.1", {"Host": "shop.example"}, 403, id="but-not-by-somebody-elses-name"),
        pytest.param(WebSettings(), "127.0.0.1", {"Host": "127.0.0.1.shop.example"}, 403, id="nor-by-one-like-it"),
        pytest.param(WebSettings(), "127.0.0.1", {"Host": "localhost:99999"}, 403, id="nor-by-what-is-no-name"),
        pytest.param(WebSettings(), "0.0.0.0", {}, 403, id="elsewhere-nothing-is-open"),  # noqa: S104
        pytest.param(TOKEN_RULE, "0.0.0.0", {}, 401, id="a-token-is-needed"),  # noqa: S104
        pytest.param(TOKEN_RULE, "127.0.0.1", {}, 401, id="on-loopback-too-where-there-is-one"),
        pytest.param(TOKEN_RULE, "0.0.0.0", {**BEARER, "Host": "shop.example"}, 200, id="and-lets-in"),  # noqa: S104
        pytest.param(TOKEN_RULE, "0.0.0.0", {"Authorization": f"bearer  {TOKEN}"}, 200, id="however-written"),  # noqa: S104
        pytest.param(TOKEN_RULE, "0.0.0.0", {"Authorization": f"Basic {TOKEN}"}, 401, id="as-a-bearer-token"),  # noqa: S104
        pytest.param(TOKEN_RULE, "0.0.0.0", {"Authorization": f"Bearer {TOKEN}x"}, 401, id="the-whole-of-it"),  # noqa: S104
        pytest.param(TOKEN_RULE, "0.0.0.0", {"Authorization": "Bearer ü"}, 401, id="whatever-bytes-come"),  # noqa: S104
        pytest.param(TOKEN_RULE, "0.0.0.0", {"X-Forwarded-User": "ann"}, 401, id="no-header-that-is-not-named"),  # noqa: S104
        pytest.param(PROXY_RULE, "0.0.0.0", {"X-Forwarded-User": "ann"}, 200, id="a-proxys-header-lets-in"),  # noqa: S104
        pytest.param(PROXY_RULE, "0.0.0.0", {"X-Forwarded-User": ""}, 401, id="but-not-an-empty-one"),  # noqa: S104
        pytest.param(PROXY_RULE, "127.0.0.1", {}, 401, id="and-loopback-alone-does-not"),
    ],
)  # fmt: skip
async def test_who_is_let_in(serve, rule, host, headers, status):
    client = await serve(rule, host)
    answer = await client.get("/api/v1/funnels", headers=headers)
    assert answer.status == status
    if status != 200:
        said = await answer.text()
        assert TOKEN not in said
        assert json.loads(said)["error"]
    stream = await client.get("/api/v1/stream?funnel=shop&version=2", headers=headers)
    assert stream.status == status
    stream.close()


async def test_the_pages_own_files_need_no_token_and_say_so_with_strict_headers(serve):
    client = await serve(TOKEN_RULE, "0.0.0.0")  # noqa: S104
    for path, kind in (("/", "text/html"), ("/static/app.js", "text/javascript"), ("/static/style.css", "text/css")):
        answer = await client.get(path)
        assert (answer.status, answer.content_type) == (200, kind)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in answer.headers
        again = await client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status == 304
    assert (await client.get("/static/..%2fpages.py")).status == 404
    assert (await client.get("/api/openapi.json")).status == 200


@pytest.mark.parametrize(
    ("path", "status", "allowed"),
    [
        ("/api/v1/funnels/shop/3", 404, ["shop@2"]),
        ("/api/v1/funnels/shop/2?window=2h", 400, ["5m", "1h", "24h"]),
        ("/api/v1/funnels/shop/2/cohorts?window=2h", 400, ["5m", "1h", "24h"]),
        ("/api/v1/stream?funnel=shop", 404, ["shop@2"]),
        ("/api/v1/actors/ann", 400, []),
        (f"/api/v1/actors/{actor_key('ann', b'').hex()}", 404, []),
    ],
)
async def test_a_refusal_says_what_would_be_right(serve, path, status, allowed):
    answer = await (await serve()).get(path)
    assert answer.status == status
    said = await answer.json()
    assert said["allowed"] == allowed
    assert said["error"]


async def test_what_there_is_not_is_answered_with_what_there_is(serve):
    said = await (await (await serve()).get("/api/v2/everything")).json()
    assert said["error"] == "there is no /api/v2/everything"
    assert "/api/v1/funnels" in said["allowed"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_nothing_can_be_changed(serve, method):
    client = await serve()
    assert (await client.request(method, "/api/v1/funnels")).status in {404, 405}
    assert (await client.request(method, "/")).status == 405


async def test_a_stream_begins_with_the_numbers_and_ends_with_the_server(serve):
    client = await serve()
    answer = await client.get("/api/v1/stream?funnel=shop&version=2&form=matured")
    assert answer.content_type == "text/event-stream"
    first = await answer.content.readuntil(b"\n\n")
    head, _, data = first.decode().partition("\n")
    assert head == f"id: {AS_OF_MS}"
    assert json.loads(data.removeprefix("data: "))["outcome"]["entered"] == 50
    async with asyncio.timeout(10):
        await client.server.close()
        assert await answer.content.read() == b""


async def test_health_tells_of_the_process_that_answers(serve):
    said = await (await (await serve()).get("/api/v1/health")).json()
    assert (said["ready"], said["reason"], said["state"]) == (False, "it is a test", "stale")


async def test_cohorts_of_a_store_without_counts_are_none(serve):
    said = await (await (await serve()).get("/api/v1/funnels/shop/2/cohorts")).json()
    assert (said["cohorts"], said["as_of"]) == ([], None)
