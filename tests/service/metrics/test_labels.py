"""What Prometheus reads from the page is what was meant."""

import pytest

from stream.metrics.collector import FunnelCollector
from stream.model.result import WindowRow
from support.rollups import SHOP, make_counts, shop_rollup, shop_source

pytestmark = pytest.mark.service


def test_prometheus_reads_any_segment_as_it_was(prometheus, serve):
    segments = ["tab\there", "cr\rhere", "new\nline", "\x01\x1b", "漢字 🙂", '"', "\\", "{}=,", " ", "a\0b"]
    rollup = shop_rollup()
    rollup.windows = [WindowRow("5m", False, "odd", text, make_counts([0, 0], [0, 0], at))
                      for at, text in enumerate(segments, start=1)]  # fmt: skip
    collector = FunnelCollector([SHOP])
    collector.update(shop_source(rollup), 0)
    serve(lambda: collector.render(0))
    found = prometheus.wait_for('max by (segment) (funnel_entered{breakdown="odd"})')
    seen = [text.replace("\0", "\\x00") for text in segments]
    assert found == {text: at for at, text in enumerate(seen, start=1)}
