"""The client reads what a server shows; where it cannot, it says what is wrong and what would be right."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from stream.errors import ServerSilent, TopError
from stream.terminal.client import Client
from stream.terminal.picks import Picks
from stream.web.forms import Unit
from support.api import Api
from support.rollups import shop_rollup, shop_source


@pytest.fixture
def serve(tmp_path):
    """Serve the API, with more settings if need be."""
    started = []

    def start(settings=""):
        api = Api(tmp_path, settings)
        started.append(api)
        api.publish(shop_source(shop_rollup()))
        return api

    yield start
    for api in started:
        api.stop()


def test_it_reads_the_numbers_of_what_is_picked(serve):
    looked = Client(f"{serve().url}/?window=5m").look(Picks(breakdown="channel"))
    ((info, view),) = looked.views
    assert (info.funnel, info.version) == ("shop", 2)
    assert view.choice.window == "1h"
    assert view.outcome.entered == sum(side.entered for side in view.segments) > 0
    assert looked.health.records.accepted == 900


def test_people_are_asked_for_as_people(serve):
    ((_, view),) = Client(serve().url).look(Picks(counts=Unit.PEOPLE)).views
    assert (view.choice.counts, view.choice.window) == (Unit.PEOPLE, "day")


def test_a_server_says_why_it_is_not_ready(serve):
    api = serve()
    api.reason = "Kafka is away"
    health = Client(api.url).health()
    assert (health.ready, health.reason) == (False, "Kafka is away")


def test_a_funnel_that_is_not_there_is_refused_with_those_that_are(serve):
    with pytest.raises(TopError, match="there is no funnel tour, only shop@2"):
        Client(serve().url).look(Picks(funnel="tour"))


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_server_that_wants_a_token_says_so(serve, token):
    api = serve("web: {token: a-secret-of-ours}\n")
    with pytest.raises(TopError, match="wants its token: set FUNNEL_WEB_TOKEN"):
        Client(api.url, token).look(Picks())
    assert Client(api.url, "a-secret-of-ours").look(Picks()).views


def test_where_nobody_listens_it_says_so():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ServerSilent, match=r"does not answer \(.*refused\): is a worker .* --url names another place"):
        Client(url).look(Picks())


@pytest.mark.parametrize("url", ["127.0.0.1:9108", "ftp://127.0.0.1", "http://", "file:///etc/hostname"])
def test_what_is_no_url_of_a_server_is_refused(url):
    with pytest.raises(TopError, match=r"is no URL of a server \(try http://127.0.0.1:9108\)"):
        Client(url)


@pytest.fixture
def other_server():
    """Start a server that is no tracker: it answers everything in one way."""
    started = []

    def start(status, body):
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args):
                pass

        server = HTTPServer(("127.0.0.1", 0), Answer)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        started.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (200, b"<html>", "answers, but not as a tracker of this release does"),
        (200, b'{"funnels": 7}', "answers, but not as a tracker of this release does"),
        (404, b"nothing", "answers 404 Not Found: --url is that of a worker's /metrics port"),
        (503, b'{"error": "the store is away", "allowed": []}', "the store is away"),
        (400, b'{"error": "no such window", "allowed": ["1h", "24h"]}', r"no such window \(there are 1h, 24h\)"),
    ],
)
def test_an_answer_that_is_none_is_explained(other_server, status, body, complaint):
    with pytest.raises(TopError, match=complaint):
        Client(other_server(status, body)).look(Picks())
