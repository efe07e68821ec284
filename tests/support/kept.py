"""What the store would hold of a partition's counts."""

from collections.abc import MutableMapping

from stream.aggregate.totals import PartitionTotals


def keep(stored: MutableMapping[bytes, bytes], totals: PartitionTotals) -> None:
    """Write what changed since the last time, and delete what is gone."""
    changed, deleted = totals.fields()
    stored.update(changed)
    for key in deleted:
        stored.pop(key, None)
