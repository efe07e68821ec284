"""What the workers' /metrics and /readyz say, as the live view needs it.

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
Page = dict[Key, float]
READY = "ready"


@dataclass
class Seen:
    """Values at `at_s` (monotonic seconds). `shared`: largest over the workers; `own`, `readiness`: by worker."""

    at_s: float
    shared: Page = field(default_factory=dict)
    own: list[Page | None] = field(default_factory=list)
    readiness: list[str] = field(default_factory=list)

    def value(self, series: names.Series, **labels: str) -> float | None:
        """Return a funnel series' value, None if no worker shows it."""
        return self.shared.get((series.name, tuple(sorted(labels.items()))))

    def total(self, series: names.Series, **labels: str) -> float:
        """Return the sum over workers, and over all labels not given, of a series that each worker has of its own."""
        return sum(sum(of_page(page, series, **labels)) for page in self.own)

    def largest(self, series: names.Series, **labels: str) -> float | None:
        """Return the largest value over workers and over all labels not given; None if no worker shows it."""
        return max((value for page in self.own for value in of_page(page, series, **labels)), default=None)


def of_page(page: Page | None, series: names.Series, **labels: str) -> list[float]:
    """Return a series' values on one page that have these labels."""
    wanted = set(labels.items())
    return [value for (name, found), value in (page or {}).items() if name == series.name and wanted <= set(found)]


def parse(text: str) -> Page:
    """Return the samples of a page, those of single segments left out: they are most of it, and nobody shows them."""
    lines = [line for line in text.splitlines() if "breakdown=" not in line or 'breakdown=""' in line]
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families("\n".join(lines) + "\n")
        for sample in family.samples
    }


def combine(pages: Iterable[Page | None], at_s: float, readiness: Sequence[str] = ()) -> Seen:
    """Return what the pages say together; None stands for a worker that does not answer."""
    seen = Seen(at_s, readiness=list(readiness))
    for page in pages:
        seen.own.append(page)
        for key, value in (page or {}).items():
            seen.shared[key] = max(value, seen.shared.get(key, value))
    return seen


def look(ports: Sequence[int]) -> Seen:
    """Ask the workers on these loopback ports."""
    return combine([_page(port) for port in ports], time.monotonic(), [_readiness(port) for port in ports])


def _page(port: int) -> Page | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_S) as answer:
            text: str = answer.read().decode()
    except OSError:
        return None
    return parse(text)


def _readiness(port: int) -> str:
    """Return what a worker's readiness says: `ready`, or why it is not."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=TIMEOUT_S) as answer:
            text: str = answer.read().decode()
    except urllib.error.HTTPError as answer:
        text = answer.read().decode()
    except OSError:
        return "does not answer yet"
    return text.strip()
