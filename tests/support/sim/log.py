"""One partition's log as a broker keeps it: record batches in Kafka's own format.

In:  records, transactions that commit or abort, offsets that compaction has removed.
Out: bytes for a fetch; the end of what may be read; the rows that a reader must see.
"""

from dataclasses import dataclass
from typing import NamedTuple

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

_BASE_OFFSET, _CRC, _ATTRIBUTES = slice(0, 8), slice(17, 21), 21
_CONTROL_BIT = 0x20
_ABORT, _COMMIT = b"\0\0\0\0", b"\0\0\0\1"  # keys of markers: version, type
NOBODY = -1


class Row(NamedTuple):
    """A record that a reader of committed records gets."""

    offset: int
    key: bytes | None
    value: bytes | None
    record_ms: int


@dataclass(slots=True)
class _Batch:
    base: int
    next: int
    data: bytes
    rows: list[Row]
    producer: int


@dataclass(slots=True)
class _Aborted:
    producer: int
    first: int
    marker: int


class PartitionLog:
    """Offsets 0 .. end; `begin` and `stable_end` bound what may be read."""

    def __init__(self) -> None:
        self.begin = self.end = 0
        self._batches: list[_Batch] = []
        self._open: dict[int, int] = {}  # producer -> first offset of its transaction
        self._aborted: list[_Aborted] = []

    @property
    def stable_end(self) -> int:
        """The last stable offset: the first of an open transaction, else the end."""
        return min(self._open.values(), default=self.end)

    def append(self, rows: list[tuple[bytes | None, bytes | None]], record_ms: int, producer: int = NOBODY) -> None:
        """Add a record batch; `producer` >= 0: inside that producer's transaction."""
        if producer != NOBODY:
            self._open.setdefault(producer, self.end)
        kept = [Row(self.end + index, key, value, record_ms) for index, (key, value) in enumerate(rows)]
        self._add(kept, producer, _encode(self.end, kept, producer))

    def finish(self, producer: int, record_ms: int, *, is_commit: bool) -> None:
        """Write the marker that ends a producer's transaction."""
        first = self._open.pop(producer)
        if not is_commit:
            self._aborted.append(_Aborted(producer, first, self.end))
        marker = [Row(self.end, _COMMIT if is_commit else _ABORT, b"\0\0\0\0\0\0", record_ms)]
        data = bytearray(_encode(self.end, marker, producer))
        data[_ATTRIBUTES + 1] |= _CONTROL_BIT
        data[_CRC] = calc_crc32c(data[_ATTRIBUTES:]).to_bytes(4, "big")
        self._batches.append(_Batch(self.end, self.end + 1, bytes(data), [], producer))
        self.end += 1

    def skip(self, count: int) -> None:
        """Leave offsets out, as compaction and rolled-back appends do."""
        self.end += count

    def trim(self) -> None:
        """Forget the first half, as retention does."""
        if self._batches:
            self._batches = self._batches[len(self._batches) // 2 :]
            self.begin = self._batches[0].base

    def read(self, offset: int, max_bytes: int) -> tuple[bytes, list[tuple[int, int]]]:
        """Return record batches from the one that holds `offset`, and the aborted transactions among them."""
        parts, size, last = [], 0, offset
        for batch in self._batches:
            if batch.next <= offset or batch.next > self.stable_end or (parts and size + len(batch.data) > max_bytes):
                continue
            parts.append(batch.data)
            size += len(batch.data)
            last = batch.next
        return b"".join(parts), [
            (each.producer, each.first) for each in self._aborted if each.first < last and each.marker >= offset
        ]

    def rows(self) -> list[Row]:
        """Return every committed record."""
        return [row for batch in self._batches for row in batch.rows if not self._is_aborted(batch)]

    def _is_aborted(self, batch: _Batch) -> bool:
        return any(each.producer == batch.producer and each.first <= batch.base < each.marker for each in self._aborted)

    def _add(self, rows: list[Row], producer: int, data: bytes) -> None:
        self._batches.append(_Batch(self.end, self.end + len(rows), data, rows, producer))
        self.end += len(rows)


def _encode(base: int, rows: list[Row], producer: int) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, producer != NOBODY, producer, 0, 0, 1 << 20)
    for row in rows:
        builder.append(row.offset - base, row.record_ms, row.key, row.value, [])
    data = bytearray(builder.build())
    data[_BASE_OFFSET] = base.to_bytes(8, "big")
    return bytes(data)
