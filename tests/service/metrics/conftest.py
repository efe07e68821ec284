"""A real Prometheus that scrapes real /metrics pages with known numbers."""

import json
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stream.metrics.exposition import CONTENT_TYPE
from stream.stack import Stack

DEADLINE_S = 30.0
POLL_S = 0.1


class Prometheus:
    """The query side of a running Prometheus."""

    def __init__(self, stack):
        self._stack = stack

    def scrape(self, *targets):
        self._stack.set_targets(targets)

    def ask(self, path, **parameters):
        """Return the answer's data; fails if Prometheus reports an error or a warning."""
        query = urllib.parse.urlencode(parameters, doseq=True)
        url = f"{self._stack.prometheus_url}/api/v1/{path}?{query}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own loopback URL
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            pytest.fail(f"{parameters}: {error.read().decode()}")
        assert found["status"] == "success"
        assert not found.get("warnings"), found
        return found["data"]

    def now(self, expression):
        """Value of each series by its label values, in the order of the labels' names."""
        samples = self.ask("query", query=expression)["result"]
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


@pytest.fixture(scope="session")
def prometheus():
    """Its own instance, so that nobody else's targets are in it."""
    with Stack.running(f"metrics-{os.getpid()}", services=("prometheus",), environ={}) as stack:
        yield Prometheus(stack)


@pytest.fixture
def serve(prometheus):
    """Serve these pages and have them scraped until the test ends; returns their addresses."""
    pages = []

    def start(*renders):
        pages.extend(Page(render) for render in renders)
        addresses = [page.address for page in pages]
        prometheus.scrape(*addresses)
        return addresses

    yield start
    prometheus.scrape()
    for page in pages:
        page.close()
