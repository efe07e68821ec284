"""A sample of records, whatever it was read from.

Out: runs of records, each contiguous in its log, so that order within a run means something.
"""

from dataclasses import dataclass
from typing import NamedTuple

from stream.model.event import Record

DEFAULT_RECORDS = 20_000
MAX_BYTES = 256 << 20
"""Of keys and values together: 20 000 records of 10 MB would not fit into memory."""


class Run(NamedTuple):
    """Records that follow one another in one partition (a file is partition 0)."""

    partition: int
    records: list[Record]


@dataclass(frozen=True, slots=True)
class Sample:
    """What was read. `total_records`: in the whole topic or file, None if not known; `note`: why it is short."""

    origin: str
    is_topic: bool
    runs: tuple[Run, ...]
    partitions: int = 1
    total_records: int | None = None
    note: str = ""
