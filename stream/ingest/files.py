"""Rows of a file as records, so that a file takes the same road as a topic.

In:  the header and the cells of one CSV row.
Out: the bytes of a flat JSON record, all values text; times and amounts in text form are read by the mapping.
"""

import json
from collections.abc import Sequence


def csv_row_to_record(header: Sequence[str], row: Sequence[str]) -> bytes:
    """Return `row` as one JSON object keyed by `header`; empty and absent cells are left out.

    A row with more cells than the header has lost its columns: it becomes a JSON array of the cells,
    which is an invalid record, so that it is counted and shown instead of being read askew.
    """
    if len(row) > len(header):
        return json.dumps(list(row)).encode()
    return json.dumps({column: cell for column, cell in zip(header, row, strict=False) if cell}).encode()
