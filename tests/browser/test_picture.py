"""The README's picture of the live page; `FUNNEL_WRITE_IMAGES=1 pytest tests/browser/test_picture.py` takes it anew.

Beside it lies what stands on the page: if that has changed, the picture is old.
"""

import os
import re

import pytest
from playwright.sync_api import expect

from support.workers import ROOT

pytestmark = [pytest.mark.service, pytest.mark.browser]

PICTURE = ROOT / "docs/images/live-page.png"
CONTENT = PICTURE.with_suffix(".txt")
SIZE = {"width": 1280, "height": 1130}
NAMED = re.compile(r"- (heading|columnheader|term|radio|combobox|textbox|button) \"([^\"]+)\"|- (term): (.+)")


def test_the_picture_shows_what_stands_on_the_page(open_page):
    page = open_page("funnel=checkout&version=1&breakdown=device", viewport=SIZE)
    expect(page.locator("[data-table=cohorts]")).to_be_visible()
    expect(page.locator("[data-table=partitions]")).to_be_visible()
    found = [[part for part in match if part] for match in NAMED.findall(page.locator("body").aria_snapshot())]
    content = "".join(f"{role}: {name}\n" for role, name in found)
    if os.environ.get("FUNNEL_WRITE_IMAGES"):
        page.screenshot(path=PICTURE)
        CONTENT.write_text(content)
    assert PICTURE.read_bytes().startswith(b"\x89PNG")
    assert CONTENT.read_text() == content, "take it anew: FUNNEL_WRITE_IMAGES=1 pytest tests/browser/test_picture.py"
