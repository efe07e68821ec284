"""The /metrics page of a run's process: how far the run is, and nothing of any funnel.

In:  the run's name, and how far it is.
Out: Prometheus text; live's series do not occur in it, so that scraping it changes no dashboard.
"""

from collections import defaultdict

from stream.metrics import names
from stream.metrics.exposition import Lines, labels, page


def run_page(run: str, records: int, remaining: int | None, done: float | None) -> bytes:
    """Return the page. records: committed by this process; remaining, done: None where not known."""
    lines: Lines = defaultdict(list)
    for series, value in ((names.RUN_REMAINING, remaining), (names.RUN_DONE, done), (names.RUN_RECORDS, records)):
        if value is not None:
            lines[series.name].append(f"{series.name}{{{labels(run=run)}}} {value}")
    return page(names.ABOUT_RUNS, lines)
