"""A request's bytes, against those that Prometheus' own description of the message gives."""

import struct

import cramjam

from stream.history.remote_write import STALE, request_body
from stream.metrics import names


def field(number, payload):
    """Return a length-delimited field of protobuf."""
    return bytes([number << 3 | 2, len(payload)]) + payload


def label(name, value):
    return field(1, field(1, name.encode()) + field(2, value.encode()))


def point(value, time_ms):
    at = b"\x10" + varint(time_ms) if time_ms else b""
    return field(2, b"\x09" + struct.pack("<d", value) + at if value else at)


def varint(number):
    head = b""
    while number > 127:
        head += bytes([number & 127 | 128])
        number >>= 7
    return head + bytes([number])


def test_labels_are_sorted_with_the_name_among_them_and_empty_ones_are_left_out(series):
    one = series(names.AS_OF, breakdown="", segment="é", Zone="z")
    body = request_body({one: [(1_000, 2.5), (2_000, STALE)]})
    labels = {"Zone": "z", "__name__": "funnel_as_of_seconds"} | dict(sorted((one.labels | {"segment": "é"}).items()))
    labels = {name: value for name, value in sorted(labels.items()) if value}
    expected = b"".join(label(name, value) for name, value in labels.items()) + point(2.5, 1_000) + point(STALE, 2_000)
    assert bytes(cramjam.snappy.decompress_raw(body)) == field(1, expected).replace(
        field(1, expected)[:2], b"\x0a" + varint(len(expected)), 1
    )


def test_the_marker_of_an_ended_series_is_the_one_prometheus_knows():
    assert struct.pack(">d", STALE).hex() == "7ff0000000000002"
