"""Samples as Prometheus' remote write 1.0 has them: a snappy block of one protobuf message.

In:  samples by series, each in order of time.
Out: the body of a request.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import cramjam
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from stream.metrics.history import PastSeries

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}

STALE: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""The one NaN that means: from here on the series is not there any more."""

_FIELDS = {
    "Label": [("name", 1, "string"), ("value", 2, "string")],
    "Sample": [("value", 1, "double"), ("timestamp", 2, "int64")],
    "TimeSeries": [("labels", 1, "Label"), ("samples", 2, "Sample")],
    "WriteRequest": [("timeseries", 1, "TimeSeries")],
}
"""The part of prometheus/prompb that is sent; a message within one is repeated."""

Samples = Mapping[PastSeries, Sequence[tuple[int, float]]]


def request_body(samples: Samples) -> bytes:
    """Return the request for samples (time in ms, value) by series."""
    request = _WriteRequest()
    for series, points in samples.items():
        one = request.timeseries.add()
        # Receivers want labels sorted, and the name is one of them; an empty one is a label that is not there.
        for name, value in sorted([("__name__", series.name), *series.labels.items()]):
            if value:
                one.labels.add(name=name, value=value)
        for time_ms, number in points:
            one.samples.add(value=number, timestamp=time_ms)
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


def _message_class(name: str) -> Any:
    file = FileDescriptorProto(name="remote_write.proto", package="prometheus", syntax="proto3")
    for message, fields in _FIELDS.items():
        described = file.message_type.add(name=message)
        for field, number, kind in fields:
            if kind in _FIELDS:
                described.field.add(
                    name=field,
                    number=number,
                    label=FieldDescriptorProto.LABEL_REPEATED,
                    type=FieldDescriptorProto.TYPE_MESSAGE,
                    type_name=f".prometheus.{kind}",
                )
            else:
                described.field.add(
                    name=field,
                    number=number,
                    label=FieldDescriptorProto.LABEL_OPTIONAL,
                    type=FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}"),
                )
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"prometheus.{name}"))


_WriteRequest = _message_class("WriteRequest")
