"""What a receiver is sent, and what becomes of its answers: a real HTTP server that answers as it is told to."""

import asyncio
import base64
import math
import struct

import cramjam
import pytest
from aiohttp import web

from stream.errors import HistoryError
from stream.history import push as pushing
from stream.history import remote_write
from stream.history.push import Receiver, push

STALE_BITS = struct.pack("<Q", 0x7FF0000000000002)


class Server:
    """Answers with the statuses of `answers`, then 204; keeps what it was sent."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.headers = []
        self.requests = []

    async def take(self, request):
        self.headers.append(request.headers)
        self.requests.append(message_of(await request.read()))
        status, text, headers = self.answers.pop(0) if self.answers else (204, "", {})
        return web.Response(status=status, text=text, headers=headers)

    async def push(self, instants, **login):
        app = web.Application()
        app.router.add_post("/api/v1/write", self.take)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            port = site._server.sockets[0].getsockname()[1]
            return await push(instants, 60_000, Receiver(f"http://127.0.0.1:{port}/api/v1/write", **login))
        finally:
            await runner.cleanup()


def message_of(body):
    """Return (segment, [(time, value or "stale")]) of each series of a request."""
    request = remote_write._WriteRequest()
    request.ParseFromString(bytes(cramjam.snappy.decompress_raw(body)))
    return [
        (
            next(label.value for label in one.labels if label.name == "segment"),
            [
                (each.timestamp, "stale" if struct.pack("<d", each.value) == STALE_BITS else each.value)
                for each in one.samples
            ],
        )
        for one in request.timeseries
    ]


def past(series, *instants):
    """Return instants a minute apart, at each of which the segments have the values given."""
    return [
        (number * 60_000, [(series(segment=name), str(value)) for name, value in values.items()])
        for number, values in enumerate(instants)
    ]


def test_a_series_that_ends_is_marked_where_it_is_gone_and_all_before_the_next_instant(series):
    server = Server()
    done = asyncio.run(server.push(past(series, {"a": 1, "b": 2}, {"a": 3})))
    assert server.requests == [[
        ("a", [(0, 1.0), (60_000, 3.0), (119_999, "stale")]),
        ("b", [(0, 2.0), (60_000, "stale")]),
    ]]  # fmt: skip
    assert done == (5, 1)
    (headers,) = server.headers
    assert (headers["Content-Encoding"], headers["Content-Type"]) == ("snappy", "application/x-protobuf")
    assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert "Authorization" not in headers


def test_requests_are_cut_between_instants(series, monkeypatch):
    monkeypatch.setattr(pushing, "MAX_SAMPLES", 2)
    server = Server()
    done = asyncio.run(server.push(past(series, *[{"a": at} for at in range(5)])))
    assert [[time for _, points in request for time, _ in points] for request in server.requests] == [
        [0, 60_000],
        [120_000, 180_000],
        [240_000, 299_999],
    ]
    assert done == (6, 3)


@pytest.mark.parametrize(
    ("login", "header"),
    [
        pytest.param({"token": "secret", "user": "me"}, "Bearer secret", id="a-token-wins"),
        pytest.param(
            {"user": "me", "password": "pä"},
            "Basic " + base64.b64encode("me:pä".encode()).decode(),
            id="user-and-password",
        ),
    ],
)
def test_who_has_to_log_in_does(series, login, header):
    server = Server()
    asyncio.run(server.push(past(series, {"a": 1}), **login))
    assert server.headers[0]["Authorization"] == header
    assert "secret" not in repr(Receiver("http://127.0.0.1", **login))


def test_what_a_receiver_cannot_take_now_is_sent_again(series, monkeypatch):
    monkeypatch.setattr(pushing, "FIRST_PAUSE_S", 0.001)
    server = Server((503, "starting", {}), (429, "slow down", {"Retry-After": "0"}), (500, "", {}))
    done = asyncio.run(server.push(past(series, {"a": 1})))
    assert server.requests == [[("a", [(0, 1.0), (59_999, "stale")])]] * 4
    assert done == (2, 1)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(
            (400, "out of bounds", {}), r"from 1970-01-01T00:00:00Z on: 400 out of bounds.*out_of_order_time_window"
        ),
        pytest.param((500, "too old sample", {}), r"too old sample.*out_of_order_time_window"),
        pytest.param((404, "", {}), "--web.enable-remote-write-receiver"),
        pytest.param((401, "no", {}), "FUNNEL_PUSH_TOKEN"),
        pytest.param((403, "no", {}), "may not write"),
        pytest.param((302, "", {"Location": "/login"}), "302"),
    ],
)
def test_what_is_refused_for_good_ends_the_push(series, answer, told):
    server = Server(answer)
    with pytest.raises(HistoryError, match=told):
        asyncio.run(server.push(past(series, {"a": 1})))
    assert len(server.requests) == 1


def test_a_receiver_that_stays_away_is_given_up(series):
    server = Server(*[(503, "starting", {})] * 3)
    with pytest.raises(
        HistoryError, match="503 starting, for 0 s; what came before is there: push again with this --from"
    ):
        asyncio.run(server.push(past(series, {"a": 1}), patience_s=0))
    receiver = Receiver("http://127.0.0.1:1/api/v1/write", patience_s=0)
    with pytest.raises(HistoryError, match=r"127\.0\.0\.1:1"):
        asyncio.run(push(past(series, {"a": 1}), 60_000, receiver))


@pytest.mark.parametrize(
    ("url", "told"),
    [("prometheus:9090", "is no http:// or https:// URL"), ("http://me:secret@host/x", "FUNNEL_PUSH_USER")],
)
def test_a_url_that_cannot_be_is_refused_and_not_shown(url, told):
    with pytest.raises(HistoryError, match=told) as refused:
        Receiver(url)
    assert "secret" not in str(refused.value)


def test_a_marker_is_no_number():
    assert math.isnan(remote_write.STALE)
