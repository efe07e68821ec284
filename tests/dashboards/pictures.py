"""Draw the dashboards over a simulated week and write docs/images/dashboard-*.png (`make pictures`)."""

import sys
import tempfile
import time
from pathlib import Path

from stream.settings.load import load_funnels, load_tracker
from support.boards import committed
from support.drawn import drawing
from support.past_shop import pages
from support.prometheus import openmetrics, prometheus

ROOT = Path(__file__).parents[2]
CHOICES = {
    "funnel": "checkout", "version": "1", "counts": "attempts", "window": "1h", "form": "rolling", "cohort": "1h",
    "breakdown": "channel", "segment": "$__all", "control": "search", "job": "$__all", "instance": "$__all",
    "__rate_interval": "4m",
}  # fmt: skip


def main(folder: Path) -> None:
    """Write the pictures into `folder`."""
    settings = load_tracker(ROOT / "config" / "tracker.yaml", {})
    funnels = [funnel for funnel in load_funnels(settings.funnels, settings.period) if funnel.name == "checkout"]
    now_s = int(time.time())
    past = [
        line
        for at_ms, instance, page in pages(settings, funnels, now_s * 1000)
        for line in openmetrics(page, [at_ms // 1000], instance)
    ]
    with tempfile.TemporaryDirectory() as data, prometheus("pictures", Path(data), past) as server, drawing() as drawn:
        for name, board in committed().items():
            page = drawn.draw(server, board, CHOICES, now_s)
            page.screenshot(path=folder / f"dashboard-{Path(name).stem}.png", full_page=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
