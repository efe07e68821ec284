"""One counted site for all tests of the live page, and a Chromium for each module."""

import time

import pytest
from playwright.sync_api import expect, sync_playwright

from stream.stack.programs import prepare
from stream.stack.state import cache_folder
from support.pages import PageServer, PageSite, ask, awaited, visits
from support.workers import until

PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def site(stack, tmp_path_factory):
    """Count the visits of `support.pages` with a real worker."""
    made = PageSite(tmp_path_factory.mktemp("pages"), stack.kafka, stack.redis_url)

    now_ms = int(time.time() * 1000)
    records = visits(now_ms)
    made.records, made.last_actor = len(records), records[-1][0].decode()
    try:
        awaited(made.make_topic())
        awaited(made.produce(records))
        worker = made.start()
        awaited(until(lambda: _has_counted(worker, len(records)), "all is counted", worker))
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")  # while it is open this thread has a running loop, which other modules do not expect
def chromium():
    """Debian's Chromium, installed if need be."""
    _, programs = prepare(("chromium",), cache_folder())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=programs.chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, site):
    """Open the page with a query; at the end nothing may have been complained about in its console."""
    contexts, complaints = [], []

    def opened(query="", url=None, **options):
        context = chromium.new_context(**{"locale": "en-GB", "timezone_id": "UTC", **options})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto(f"{url or site.workers[0].url}?{query}")
        return page

    opened.complaints = complaints
    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def serve(site):
    """Start `funnel serve` with these options and variables."""
    servers = []

    def started(*options, **environ):
        server = PageServer(site.folder, *options, **environ)
        servers.append(server)
        awaited(until(lambda: server.url, "the page is served", server))
        return server

    yield started
    for server in servers:
        server.stop()


def _has_counted(worker, records):
    return worker.url is not None and ask(f"{worker.url}api/v1/health")["records"]["accepted"] == records
