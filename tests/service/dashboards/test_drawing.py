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
NO_COHORT = "no cohort is decided yet: it takes the funnel's window and the cohort's length"


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
    reasons = look(page, prometheus, file, SHOP, time.time())
    assert reasons.keys() <= {"Entry cohorts  Last 7d"}, "a cohort shows only once an hour has struck"


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("file", ABOUT_FUNNELS)
def test_people_instead_of_attempts(page, prometheus, file):
    look(page, prometheus, file, SHOP | PEOPLE, time.time())


@pytest.mark.parametrize("file", ABOUT_FUNNELS)
def test_a_long_funnel_with_many_segments_stays_readable(page, prometheus, file):
    look(page, prometheus, file, SHOP | CAMPAIGNS | {"funnel": LARGE.name}, prometheus.large_s)
    if file == "funnel.json":
        drawn = page.page
        steps = drawn.locator(".panel", has_text="Funnel by step").locator(".bars > div")
        assert [text.split(" ", 2)[1] for text in steps.all_inner_texts()] == [str(at) for at in range(1, STEPS + 1)]
        assert f"of {SEGMENTS} rows" in drawn.locator(".panel", has_text="The segments").first.inner_text()


@pytest.mark.parametrize("file", ABOUT_FUNNELS)
def test_a_funnel_that_nobody_entered_says_so_and_shows_no_share(page, prometheus, file):
    reasons = look(page, prometheus, file, SHOP | CAMPAIGNS | {"funnel": EMPTY.name}, prometheus.large_s)
    assert "%" not in page.page.locator("main").inner_text()
    if file == "funnel.json":
        assert reasons["Conversion"] == reasons["Drop-off"] == "nothing decided yet"
        assert reasons["Largest loss"] == "nobody was dropped"
        assert page.page.locator(".panel", has_text="Entered").first.locator("strong").inner_text() == "0"
