"""A partition head as the fields of a Redis hash, readable with HGETALL, and back.

Numbers are decimal, None is the empty text. `format` is raised when a field changes
its meaning; another one is refused. `shards` stands beside the
head so that a worker with another number of shards is refused, not misled; so does `journal`.
"""

from collections.abc import Mapping

from stream.errors import StoreRefused
from stream.model.verdict import Verdict
from stream.store.contract import PartitionHead

FORMAT = 2
_COUNTS = ("next_offset", "epoch", "corrections", "partition_count", "checksum", "gaps")
_TIMES = ("watermark_ms", "as_of_ms")
_FIRST = "first_offset"
_VERDICTS = tuple(verdict.label for verdict in Verdict)


def encode_head(head: PartitionHead, shards: int, next_entry: int = 0) -> list[bytes]:
    """Return field, value, field, value, ... for HSET; `next_entry` is the number of the journal's next entry."""
    fields = [b"format", b"%d" % FORMAT, b"shards", b"%d" % shards, b"funnel_set", head.funnel_set.encode()]
    fields += (b"journal", b"%d" % next_entry)
    for name in _COUNTS:
        fields += (name.encode(), b"%d" % getattr(head, name))
    for name in (*_TIMES, _FIRST):
        value = getattr(head, name)
        fields += (name.encode(), b"" if value is None else b"%d" % value)
    for name, count in zip(_VERDICTS, head.verdicts, strict=True):
        fields += (name.encode(), b"%d" % count)
    return fields


def decode_head(fields: Mapping[bytes, bytes], where: str, shards: int) -> PartitionHead:
    """Return the head of these fields, found at `where` by a worker with so many `shards`.

    Raises `StoreRefused` if they were written by a later release, with another
    number of shards, or by something else.
    """
    found = fields.get(b"format", b"").decode(errors="replace")
    if found != str(FORMAT):
        raise StoreRefused(
            f'{where}: format "{found}", this release reads {FORMAT}',
            "run the release that wrote it, or another namespace",
        )
    stored = fields.get(b"shards", b"").decode(errors="replace")
    if stored != str(shards):
        raise StoreRefused(f"{where}: written with {stored} shards, configured are {shards}", f"set shards to {stored}")
    try:
        watermark_ms, as_of_ms = (_number(fields[name.encode()]) for name in _TIMES)
        counts = {name: int(fields[name.encode()]) for name in _COUNTS}
        return PartitionHead(
            verdicts=tuple(int(fields[name.encode()]) for name in _VERDICTS),
            funnel_set=fields[b"funnel_set"].decode(),
            watermark_ms=watermark_ms,
            as_of_ms=as_of_ms,
            # A head that an earlier release wrote has none.
            first_offset=_number(fields.get(_FIRST.encode(), b"")),
            **counts,
        )
    except (KeyError, ValueError) as error:
        raise StoreRefused(
            f"{where}: not a head of ours ({error!r})", "name a namespace that nothing else writes"
        ) from error


def _number(text: bytes) -> int | None:
    return int(text) if text else None
