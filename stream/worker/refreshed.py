"""All partitions' rollups as the store has them at one moment, and their sum.

In:  a store, how many partitions the log has.
Out: what /metrics and the pages show until the next reading.
"""

import time
from collections.abc import Mapping
from typing import NamedTuple

from stream.aggregate.rollup import merge
from stream.model.result import Rollup
from stream.store.contract import Store
from stream.worker.partition import decode_rollup


class Refreshed(NamedTuple):
    """Rollups by partition, and `merged`, their sum; read at `read_ms` (wall clock).

    Of a partition's rollup only its own figures are of use: rows of its funnels were added to for the sum.
    A partition to which no valid record was ever written has none.
    """

    partitions: Mapping[int, Rollup]
    partition_count: int
    merged: Rollup | None
    read_ms: int


async def read_rollups(store: Store, partition_count: int) -> Refreshed:
    """Read all partitions' rollups in one round trip. Raises `StoreUnavailable`."""
    blobs = await store.load_rollups(partition_count)
    partitions = {number: decode_rollup(blob) for number, blob in enumerate(blobs) if blob is not None}
    return Refreshed(partitions, partition_count, merge(partitions.values()), int(time.time() * 1000))
