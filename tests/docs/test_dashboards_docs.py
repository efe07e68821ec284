"""docs/dashboards.md lists every panel and says what its description says; its pictures are there."""

import re
from pathlib import Path

import pytest

from support.boards import everything, panels

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "dashboards.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("file", "board"), everything().items())
def test_the_page_lists_every_panel(file, board):
    part = PAGE.split(f"\n## {board['title']}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.*) \| (.*) \|$", part, flags=re.MULTILINE)[1:]
    assert rows == [(panel["title"], panel["description"]) for panel in panels(board)], file


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)", PAGE))
def test_every_link_leads_somewhere(target):
    assert (DOCS / target).exists()
