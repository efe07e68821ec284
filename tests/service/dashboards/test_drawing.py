"""Every dashboard, drawn in a real Chromium from what a real Prometheus answers, can be read: with much, or none."""

import time

import pytest

from support.boards import everything
from support.drawn import drawing
from support.large import EMPTY, LARGE, SEGMENTS, STEPS

pytestmark = [pytest.mark.service, pytest.mark.browser]

BOARDS = everything()
SHOP = {
    "funnel": "shop", "version": "2", "counts": "attempts", "window": "1h", "form": "rolling", "cohort": "1h",
    "breakdown": "channel", "segment": "$__all", "control": "ads", "job": "$__all", "instance": "$__all",
}  # fmt: skip
PEOPLE = {"counts": "people", "window": "day", "form": "current"}
CAMPAIGNS = {"version": "1", "breakdown": "campaign", "control": "campaign 100 of a season with a long name"}
ABOUT_FUNNELS = ("funnel.json", "compare.json", "business.json")
DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def page():
    with drawing() as drawn:
        yield drawn


def look(page, server, file, choices, now_s):
    """Draw a dashboard; returns why panels show nothing."""
    page.said.clear()
    drawn = page.draw(server, BOARDS[file], choices, int(now_s), hours=0.05)
    assert drawn.evaluate("() => window.faults()") == []
    assert page.said == []
    return drawn.evaluate("() => window.reasons()")


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("file", BOARDS)
def test_a_funnel_with_everything_has_no_panel_without_numbers(page, prometheus, file):
    deadline = time.monotonic() + DEADLINE_S
    # A cohort shows only once an hour has struck, and a rate once the workers have been scraped twice.
    while missing := look(page, prometheus, file, SHOP, time.time()).keys() - {"Entry cohorts  Last 7d"}:
        assert time.monotonic() < deadline, missing


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("file", ABOUT_FUNNELS)
def test_people_instead_of_attempts(page, prometheus, file):
    look(page, prometheus, file, SHOP | PEOPLE, time.time())


@pytest.mark.parametrize("file", ABOUT_FUNNELS)
def test_a_long_funnel_with_many_segments_stays_readable(page, prometheus, file):
    look(page, prometheus, file, SHOP | CAMPAIGNS | {"funnel": LARGE.name}, prometheus.large_s)
    if file == "funnel.json":
        drawn = page.page
        steps = drawn.locator('.panel:has(h2:text-is("Funnel by step")) .bars > div').all_inner_texts()
        assert [int(text.split()[0]) for text in steps] == list(range(1, STEPS + 1))
        assert f"of {SEGMENTS} rows" in drawn.locator('.panel:has(h2:text-is("Segments"))').inner_text()


@pytest.mark.parametrize("file", ABOUT_FUNNELS)
def test_a_funnel_that_nobody_entered_says_so_and_shows_no_share(page, prometheus, file):
    reasons = look(page, prometheus, file, SHOP | CAMPAIGNS | {"funnel": EMPTY.name}, prometheus.large_s)
    assert "%" not in page.page.locator("main").inner_text()
    if file == "funnel.json":
        assert reasons["Conversion"] == reasons["Drop-off"] == "nothing decided yet"
        assert reasons["Largest loss"] == "nobody was dropped yet"
        assert page.page.locator('.panel:has(h2:text-is("Entered")) strong').inner_text() == "0"
