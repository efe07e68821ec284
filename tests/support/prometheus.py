"""A real Prometheus: asked, given pages to scrape, and given a past."""

import contextlib
import json
import os
import re
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stream.metrics.exposition import CONTENT_TYPE
from stream.stack import Stack
from stream.stack.programs import prepare
from stream.stack.state import cache_folder

DEADLINE_S = 30.0
POLL_S = 0.1


class Prometheus:
    """The query side of a running Prometheus."""

    def __init__(self, stack):
        self._stack = stack

    @property
    def url(self):
        return self._stack.prometheus_url

    def scrape(self, *targets):
        self._stack.set_targets(targets)

    def ask(self, path, **parameters):
        """Return the answer's data; fails if Prometheus reports an error or a warning."""
        query = urllib.parse.urlencode(parameters, doseq=True)
        url = f"{self.url}/api/v1/{path}?{query}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own loopback URL
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            pytest.fail(f"{parameters}: {error.read().decode()}")
        assert found["status"] == "success"
        assert not found.get("warnings"), found
        return found["data"]

    def now(self, expression, **parameters):
        """Value of each series by its label values, in the order of the labels' names."""
        samples = self.ask("query", query=expression, **parameters)["result"]
        return {
            " ".join(value for _, value in sorted(sample["metric"].items())): float(sample["value"][1])
            for sample in samples
        }

    def wait_for(self, expression):
        """Like `now`, once there is anything; fails after the deadline."""
        deadline = time.monotonic() + DEADLINE_S
        while not (found := self.now(expression)):
            assert time.monotonic() < deadline, f"nothing for {expression}"
            threading.Event().wait(POLL_S)
        return found


class Page:
    """Serves `render()` as /metrics on a free loopback port."""

    def __init__(self, render):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = render()
                self.send_response(200)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Say nothing: requests are no news."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def prometheus(name, folder, past=()):
    """Start one, so that nobody else's targets are in it; `past`: what it knows, `openmetrics` in order of time."""
    if past:
        known = folder / "past.txt"
        known.write_text("".join([*past, "# EOF\n"]), encoding="utf-8")
        # It reads the whole file once a block, and would make one for every two hours.
        load(known, folder, "--max-block-duration=512h")
    with Stack.running(f"{name}-{os.getpid()}", services=("prometheus",), environ={}, directory=folder) as stack:
        yield Prometheus(stack)


def load(known, folder, *options):
    """Make blocks of an OpenMetrics file for the Prometheus that will be started in the folder."""
    prepare(("prometheus",), cache_folder())  # promtool comes with it
    blocks = folder / "prometheus" / "data"
    blocks.mkdir(parents=True, exist_ok=True)
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", *options]
    subprocess.run([*command, str(known), str(blocks)], check=True, stdout=subprocess.DEVNULL)


def openmetrics(page, at_s, instance="past:9108"):
    """Return the samples of a page as they were at some instants, as of an instance that is gone."""
    for line in page.decode().splitlines():
        found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if found is None:
            continue
        name, labels, value = found.groups()
        of = ",".join(filter(None, [labels, f'instance="{instance}"', 'job="funnel"']))
        yield from (f"{name}{{{of}}} {value} {at}\n" for at in at_s)


@contextlib.contextmanager
def served(server):
    """Serve pages and have `server` scrape them; yields what starts them and returns their addresses."""
    pages = []

    def start(*renders):
        pages.extend(Page(render) for render in renders)
        addresses = [page.address for page in pages]
        server.scrape(*addresses)
        return addresses

    try:
        yield start
    finally:
        server.scrape()
        for page in pages:
            page.close()
