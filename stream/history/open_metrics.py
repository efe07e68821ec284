"""Samples of some hours as an OpenMetrics text, which wants a family's samples together.

In:  the samples of one instant after another.
Out: the text's lines.

A file of promtool's is read once for each block of two hours in it, so a text holds no more than one block's time; that
much fits into memory.
"""

from collections.abc import Iterable, Iterator

from stream.metrics.exposition import seconds
from stream.metrics.history import SHOWN, Sample
from stream.metrics.names import Kind, Series


class OpenMetricsText:
    """Gathers samples; instants must ascend, as a series' samples follow each other in time."""

    def __init__(self) -> None:
        self.size = 0
        self._families: dict[str, dict[str, list[str]]] = {}

    def add(self, time_ms: int, samples: Iterable[Sample]) -> None:
        """Add the samples of an instant."""
        at = seconds(time_ms)
        for series, value in samples:
            family = self._families.setdefault(series.family.name, {})
            family.setdefault(series.metric, []).append(f"{series.text} {value} {at}\n")
            self.size += 1

    def lines(self) -> Iterator[str]:
        """Yield the text, a family after the other."""
        for series in SHOWN:
            metrics = self._families.get(series.name)
            if metrics:
                name = family_name(series)
                yield f"# HELP {name} {series.meaning}\n# TYPE {name} {series.kind}\n"
                for lines in metrics.values():
                    yield from lines
        yield "# EOF\n"


def family_name(series: Series) -> str:
    """Return a family's name as OpenMetrics has it: a counter's without what its samples end in."""
    return series.name.removesuffix("_total") if series.kind is Kind.COUNTER else series.name
