"""Ask a service whether it is ready, in its own protocol, without a client library.

In:  the address under which clients would reach it.
Out: ready or not; any error on the way means not yet.
"""

import http.client
import socket
import struct
from urllib.parse import urlsplit

ANSWER_SECONDS = 2.0
API_VERSIONS = 18  # the one Kafka request every broker answers in its oldest form
CORRELATION = 7


def kafka_is_ready(address: str) -> bool:
    """Whether the broker at `host:port` answers an ApiVersions request without an error."""
    host, _, port = address.rpartition(":")
    client = b"funnel"
    body = struct.pack(">hhih", API_VERSIONS, 0, CORRELATION, len(client)) + client
    request = struct.pack(">i", len(body)) + body
    try:
        with socket.create_connection((host, int(port)), ANSWER_SECONDS) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.sendall(request)
            answer = _read_exactly(connection, 10)
    except OSError:
        return False
    _, correlation, error = struct.unpack(">iih", answer)
    return bool(correlation == CORRELATION and error == 0)


def redis_is_ready(url: str) -> bool:
    """Whether the Redis at `redis://host:port` answers PING; one that still loads its data is not ready."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 6379), ANSWER_SECONDS) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.sendall(b"PING\r\n")
            return _read_exactly(connection, 5) == b"+PONG"
    except OSError:
        return False


def http_is_ready(url: str) -> bool:
    """Whether Prometheus or Alertmanager at `url` says it is ready."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/-/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _read_exactly(connection: socket.socket, count: int) -> bytes:
    parts = b""
    while len(parts) < count:
        more = connection.recv(count - len(parts))
        if not more:
            raise ConnectionError("closed before the answer was whole")
        parts += more
    return parts
