"""Who gets to see the page of `funnel serve`, and what it says while numbers are not live or nobody answers."""

import signal

import pytest
from playwright.sync_api import expect

from support.pages import ask

pytestmark = [pytest.mark.service, pytest.mark.browser]

TOKEN = "a-token-for-this-test"  # noqa: S105


def test_a_token_is_asked_for_once_and_a_wrong_one_again(serve, open_page):
    server = serve(FUNNEL_WEB_TOKEN=TOKEN)
    page = open_page("funnel=checkout&version=1", url=server.url)
    box = page.get_by_role("textbox", name="Token")
    box.fill("“a-token-as-a-text-has-it”")  # no header can hold it: it must not be kept and tried for ever
    box.press("Enter")
    expect(box).to_have_js_property("validity.patternMismatch", True)
    box.fill("not-the-right-token")
    box.press("Enter")
    expect(page.get_by_role("heading", name="That token is not the right one")).to_be_visible()
    box.fill(TOKEN)
    box.press("Enter")
    expect(page.locator(".view [data-figure=entered] .value")).to_have_text("400")
    expect(page.locator("[data-table=cohorts]")).to_be_visible()
    page.reload()
    expect(page.locator(".view [data-figure=entered] .value")).to_have_text("400")
    assert TOKEN not in page.url
    assert all("401" in text for text in open_page.complaints)
    open_page.complaints.clear()  # the browser itself notes each 401 in its console


def test_a_stopped_worker_makes_the_page_say_that_it_is_not_live(serve, open_page, site):
    server = serve()
    page = open_page("funnel=checkout&version=1", url=server.url)
    expect(page.locator("#state")).to_contain_text("Live")
    site.workers[0].send(signal.SIGSTOP)
    try:
        expect(page.locator("#notice")).to_contain_text("These numbers are not live: they stand as of")
        expect(page.locator("#state")).to_contain_text("Not live")
        assert ask(f"{server.url}api/v1/health")["state"] == "stale"
    finally:
        site.workers[0].send(signal.SIGCONT)
    expect(page.locator("#state")).to_contain_text("Live")
    expect(page.locator("#notice")).to_be_hidden()


def test_a_server_that_ends_lets_go_at_once_and_the_page_says_so(serve, open_page):
    server = serve()
    page = open_page("funnel=checkout&version=1", url=server.url)
    expect(page.locator("#state")).to_contain_text("Live")
    assert server.stop() == 0
    expect(page.locator("#notice")).to_contain_text("The connection is lost, and is tried again.")
    page.close()
    open_page.complaints.clear()  # the browser itself notes that nobody answers
