"""Ready means that the service itself says so."""

import socket
import struct
import threading

import pytest

from stream.stack.ports import free_ports
from stream.stack.probes import http_is_ready, kafka_is_ready, redis_is_ready


@pytest.fixture
def answering():
    """Serve one connection with fixed bytes; returns the port."""
    servers = []

    def serve(answer):
        server = socket.create_server(("127.0.0.1", 0))

        def talk():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=talk)
        thread.start()
        servers.append((server, thread))
        return server.getsockname()[1]

    yield serve
    for server, thread in servers:
        thread.join(30)
        server.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(b"+PONG\r\n", True, id="pong"),
        pytest.param(b"-LOADING Redis is loading the dataset in memory\r\n", False, id="still-loading"),
        pytest.param(b"", False, id="closed-at-once"),
    ],
)
def test_redis(answering, answer, expected):
    assert redis_is_ready(f"redis://127.0.0.1:{answering(answer)}") is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(struct.pack(">iihi", 10, 7, 0, 0), True, id="no-error"),
        pytest.param(struct.pack(">iihi", 10, 7, 35, 0), False, id="an-error"),
        pytest.param(struct.pack(">iihi", 10, 8, 0, 0), False, id="not-our-answer"),
        pytest.param(b"HTTP", False, id="something-else"),
    ],
)
def test_kafka(answering, answer, expected):
    assert kafka_is_ready(f"127.0.0.1:{answering(answer)}") is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True, id="ok"),
        pytest.param(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", False, id="not-yet"),
        pytest.param(b"+PONG\r\n", False, id="something-else"),
    ],
)
def test_http(answering, answer, expected):
    assert http_is_ready(f"http://127.0.0.1:{answering(answer)}") is expected


def test_nobody_there_means_not_ready():
    port = free_ports(1)[0]
    assert not redis_is_ready(f"redis://127.0.0.1:{port}")
    assert not kafka_is_ready(f"127.0.0.1:{port}")
    assert not http_is_ready(f"http://127.0.0.1:{port}")
