"""Dashboards drawn in a real Chromium from their JSON and what a Prometheus answers (tests/dashboards/drawing).

The drawing is ours: Grafana's server and its components are not to be had here. Grid, units, thresholds, texts for
missing values and transformations are Grafana's; fonts and colours are near to them.
"""

import contextlib
import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright

from stream.stack.programs import find_programs, prepare
from stream.stack.state import cache_folder
from support.boards import interpolate, panels, variables

DRAWING = Path(__file__).parents[1] / "dashboards" / "drawing"
WIDTH = 1800
LINE_POINTS = 60


class Drawing:
    """A page that draws dashboards."""

    def __init__(self, page):
        self.page = page
        self.said = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))

    def draw(self, server, board, choices, now_s, hours=1.0):
        """Draw `board` as of `now_s` with the last `hours`; returns the page."""
        answers = {
            panel["id"]: ask_all(server, panel, choices, variables(board), now_s=now_s, hours=hours)
            for panel in panels(board)
        }
        shown = {"board": board, "answers": answers, "choices": choices, "from": (now_s - hours * 3600) * 1000,
                 "to": now_s * 1000}  # fmt: skip
        self.page.evaluate("(shown) => window.draw(shown)", shown)
        return self.page


def ask_all(server, panel, choices, models, *, now_s, hours):
    """Return the results of a panel's queries by letter, asked as Grafana would."""
    found = {}
    for target in panel["targets"]:
        query = interpolate(target["expr"], choices, models)
        if not target["range"]:
            found[target["refId"]] = server.ask("query", query=query, time=now_s)["result"]
            continue
        span = 7 * 86_400 if panel.get("timeFrom") else int(hours * 3600)
        least = seconds(interpolate(target.get("interval", "1s"), choices, models))
        step = max(least, span // panel.get("maxDataPoints", LINE_POINTS))
        end = now_s - now_s % step
        asked = {"query": query, "start": end - span, "end": end, "step": step}
        found[target["refId"]] = server.ask("query_range", **asked)["result"]
    return found


def seconds(duration):
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400}[duration[-1]]


@contextlib.contextmanager
def drawing():
    """Open the page that draws, in Debian's Chromium."""
    prepare(("chromium",), cache_folder())
    handler = functools.partial(_Quiet, directory=str(DRAWING))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as files, sync_playwright() as started:
        thread = threading.Thread(target=files.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        browser = started.chromium.launch(executable_path=find_programs().chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": WIDTH, "height": 1000})
            drawn = Drawing(page)
            page.goto(f"http://127.0.0.1:{files.server_address[1]}/page.html")
            page.wait_for_function("() => window.draw !== undefined")
            yield drawn
        finally:
            browser.close()
            files.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing: requests are no news."""
