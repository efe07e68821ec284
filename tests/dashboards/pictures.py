"""Draw the dashboards and write docs/images/dashboard-*.png (`make pictures`, some minutes).

Funnel, Compare and Business over a week of the simulated shop; Pipeline health over two real
workers that count simulated traffic.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stream.settings.load import load_funnels, load_tracker
from stream.stack import Stack
from stream.stack.processes import dying_with_parent
from support.boards import committed
from support.drawn import drawing
from support.past_shop import pages
from support.prometheus import Prometheus, openmetrics, prometheus
from support.workers import Site, until

ROOT = Path(__file__).parents[2]
CHOICES = {
    "funnel": "checkout", "version": "1", "counts": "attempts", "window": "1h", "form": "matured", "cohort": "1h",
    "breakdown": "channel", "segment": "$__all", "control": "search", "job": "$__all", "instance": "$__all",
}  # fmt: skip
LIVE_S = 120


def draw_past(folder):
    """Draw the dashboards about funnels."""
    settings = load_tracker(ROOT / "config" / "tracker.yaml", {})
    funnels = [funnel for funnel in load_funnels(settings.funnels, settings.period) if funnel.name == "checkout"]
    now_s = int(time.time()) // 60 * 60
    past = [
        line for at_ms, page in pages(settings, funnels, now_s * 1000) for line in openmetrics(page, [at_ms // 1000])
    ]
    with tempfile.TemporaryDirectory() as data, prometheus("pictures", Path(data), past) as server, drawing() as drawn:
        for name in ("funnel", "compare", "business"):
            page = drawn.draw(server, committed()[f"{name}.json"], CHOICES | {"__rate_interval": "4m"}, now_s)
            page.screenshot(path=folder / f"dashboard-{name}.png", full_page=True)


def draw_live(folder):
    """Draw the dashboard about workers, while two of them work."""
    with tempfile.TemporaryDirectory() as data, Stack.running(f"pictures-{os.getpid()}", environ={}) as stack:
        site = Site(Path(data), stack.kafka, stack.redis_url)
        simulate = [sys.executable, "-m", "stream", "simulate", "--topic", site.name, "--realtime", "--rate", "400"]
        environ = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": stack.kafka}
        try:
            asyncio.run(site.make_topic())
            with subprocess.Popen(dying_with_parent(simulate), env=environ) as traffic:
                workers = site.start(2)
                asyncio.run(until(lambda: all(worker.address for worker in workers), "both listen", *workers))
                stack.set_targets([worker.address for worker in workers])
                time.sleep(LIVE_S)
                with drawing() as drawn:
                    hours = (LIVE_S - 20) / 3600
                    page = drawn.draw(Prometheus(stack), committed()["health.json"], CHOICES, int(time.time()), hours)
                    page.screenshot(path=folder / "dashboard-health.png", full_page=True)
                traffic.terminate()
        finally:
            site.close()


def main(folder):
    """Write the pictures into `folder`."""
    draw_live(folder)
    draw_past(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
