"""Which breakdown values are counted, and which are shown.

In:  breakdown values as events bring them.
Out: the value, or `__other__` where a cap is reached. Two caps (SPEC section 6): state
     counts up to 10 000 values exactly; the export shows fewer, chosen once for all workers.
"""

from collections.abc import Iterable, Mapping

OTHER = "__other__"
MAX_COUNTED = 10_000
"""Values a breakdown counts exactly per partition: at about 100 bytes a slot, ten times more would be a user id."""


class CountedValues:
    """The values of one breakdown that have a count of their own, `always` and in the order they came."""

    def __init__(self, limit: int = MAX_COUNTED, always: Iterable[str] = ()) -> None:
        self.known: dict[str, None] = dict.fromkeys(always)
        self.added: list[str] = []
        self._limit = limit

    def note(self, value: str) -> None:
        """Give `value` a count of its own, unless the cap is reached."""
        if value not in self.known and len(self.known) < self._limit:
            self.known[value] = None
            self.added.append(value)

    def counted(self, value: str) -> str:
        """Return the value under which `value`, noted before, is counted: itself or `__other__`."""
        return value if value in self.known else OTHER


def choose_shown(days: Iterable[Mapping[str, int]], limit: int, always: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return the values to show, `limit` in all unless `always` are more: all of these, then those with most entrants.

    days: how many entered with each value, by day; a day's values come before those that only the next one has. Ties
    go by value.
    """
    ranked = dict.fromkeys(always)
    for entered in days:
        ranked.update(dict.fromkeys(sorted(entered, key=lambda value: (-entered[value], value))))
    return frozenset(list(ranked)[: max(limit, len(always))])
