"""What the workers' /metrics say, for the final check.

In:  the ports of the workers.
Out: the samples of each one's page.
"""

import urllib.request
from collections.abc import Sequence

from prometheus_client.parser import text_string_to_metric_families

from stream.metrics import names

TIMEOUT_S = 2.0

# name of the series, and its labels in order of their names
Key = tuple[str, tuple[tuple[str, str], ...]]
Page = dict[Key, float]


def of_page(page: Page | None, series: names.Series) -> list[float]:
    """Return a series' values on one page."""
    return [value for (name, _), value in (page or {}).items() if name == series.name]


def parse(text: str) -> Page:
    """Return the samples of a page, those of single segments left out: they are most of it."""
    lines = [line for line in text.splitlines() if "breakdown=" not in line or 'breakdown=""' in line]
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families("\n".join(lines) + "\n")
        for sample in family.samples
    }


def read_pages(ports: Sequence[int]) -> list[Page | None]:
    """Return the pages of the workers on these loopback ports; None for one that does not answer."""
    return [_page(port) for port in ports]


def _page(port: int) -> Page | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_S) as answer:
            text: str = answer.read().decode()
    except OSError:
        return None
    return parse(text)
