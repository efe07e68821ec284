"""What the workers' /metrics say, as the live view needs it.

In:  the text of each worker's page.
Out: `Seen`: the largest value over the workers of each funnel series, sums of what is each worker's own.
"""

import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from stream.metrics import names

TIMEOUT_S = 2.0

# name of the series, and its labels in order of their names
Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass
class Seen:
    """Values at `at_s` (monotonic seconds). `shared`: largest over the workers. `own`: by worker."""

    at_s: float
    shared: dict[Key, float] = field(default_factory=dict)
    own: list[dict[Key, float] | None] = field(default_factory=list)

    def value(self, series: names.Series, **labels: str) -> float | None:
        """Return a funnel series' value, None if no worker shows it."""
        return self.shared.get((series.name, tuple(sorted(labels.items()))))

    def total(self, series: names.Series, **labels: str) -> float:
        """Return the sum over workers, and over all labels not given, of a series that each worker has of its own."""
        wanted = set(labels.items())
        return sum(
            value
            for page in self.own
            for (name, found), value in (page or {}).items()
            if name == series.name and wanted <= set(found)
        )

    @property
    def is_complete(self) -> bool:
        """Whether every worker answered."""
        return all(page is not None for page in self.own)


def parse(text: str) -> dict[Key, float]:
    """Return the samples of a page."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def combine(pages: Iterable[dict[Key, float] | None], at_s: float) -> Seen:
    """Return what the pages say together; None stands for a worker that does not answer."""
    seen = Seen(at_s)
    for page in pages:
        seen.own.append(page)
        for key, value in (page or {}).items():
            seen.shared[key] = max(value, seen.shared.get(key, value))
    return seen


def look(ports: Sequence[int]) -> Seen:
    """Ask the workers on these loopback ports."""
    return combine([_page(port) for port in ports], time.monotonic())


def _page(port: int) -> dict[Key, float] | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_S) as answer:
            text: str = answer.read().decode()
    except (OSError, urllib.error.URLError):
        return None
    return parse(text)
