"""Past samples: what /metrics would have shown of the funnels at an instant, known apart from the page.

In:  rollups, each as of its instant, ascending; labels that Prometheus adds to what it scrapes.
Out: series, each with its labels, and the value of each at the instant, as text.

Names and labels are those of the page, because the page is what is read. What a page says besides funnels is left out:
records by verdict, corrections and gaps are of a log's prefix, not of an instant.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from stream.errors import HistoryError
from stream.metrics import names
from stream.metrics.collector import FunnelCollector, PageLimits
from stream.metrics.exposition import labels
from stream.metrics.names import Series
from stream.model.funnel import Funnel
from stream.model.result import Rollup
from stream.model.window import RollingWindow

SHOWN = tuple(
    series
    for series in names.ABOUT_FUNNELS
    if series not in {names.RECORDS, names.CORRECTIONS, names.GAPS, names.SHOWN, names.REFUSED}
)
"""The families of the past, in the page's order."""


@dataclass(frozen=True, slots=True, eq=False)
class PastSeries:
    """One series, of which there is one object: its family, the name of its samples, its labels, and both as text.

    metric: what tells it from others of its family, in text form; the buckets of one histogram are one metric.
    """

    family: Series
    name: str
    labels: Mapping[str, str]
    text: str
    metric: str


Sample = tuple[PastSeries, str]


class PastPages:
    """Says what each instant shows. `added`: labels of every series, `job` and `instance` usually."""

    def __init__(
        self,
        definitions: Sequence[Funnel],
        windows: Sequence[RollingWindow],
        added: Mapping[str, str],
        max_series: int,
    ) -> None:
        taken = {name for series in SHOWN for name in series.labels} & added.keys()
        if taken:
            raise HistoryError(f"--label {min(taken)}: our series have this label already (add another)")
        self._page = FunnelCollector(definitions, PageLimits(max_series), None, windows)
        self._added = dict(added)
        self._known: dict[str, PastSeries] = {}

    def samples(self, rollup: Rollup) -> Iterator[Sample]:
        """Yield each series that has a value at the rollup's instant, family by family."""
        shown = self._page.lines(rollup)
        for family in SHOWN:
            for line in shown.get(family.name, ()):
                text, _, value = line.rpartition(" ")
                series = self._known.get(text)
                if series is None:
                    series = self._known[text] = self._read(family, text)
                yield series, value

    def _read(self, family: Series, text: str) -> PastSeries:
        ((sample,),) = [metric.samples for metric in text_string_to_metric_families(f"{text} 0\n")]
        own = sample.labels | self._added
        metric = labels(**{name: value for name, value in own.items() if name != "le"})
        return PastSeries(family, sample.name, own, f"{sample.name}{{{labels(**own)}}}", metric)
