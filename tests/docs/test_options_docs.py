"""docs/options: each page shows its example's file, its picture, and the answer that `funnel analyze` gives."""

import re
import shlex
from pathlib import Path

import pytest

from stream.cli import main
from support.timeline import picture

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "options"
PAGES = sorted(FOLDER.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_shows_the_answer_of_its_example(page, capsys, monkeypatch):
    text = page.read_text(encoding="utf-8")
    (command,) = re.findall(r"^\$ funnel (.*)$", text, re.MULTILINE)
    (answer,) = re.findall(r"^\$ funnel .*\n((?:.*\n)*?)```", text, re.MULTILINE)
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "120")
    assert main(shlex.split(command)) == 0
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == answer.splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_shows_its_funnel_and_picture(page):
    text = page.read_text(encoding="utf-8")
    assert f"```yaml\n{page.with_suffix('.yaml').read_text(encoding='utf-8')}```" in text
    assert f"]({page.stem}.svg)" in text
    drawn = page.with_suffix(".svg").read_text(encoding="utf-8")
    assert picture(page.with_suffix("")) == drawn, "run: PYTHONPATH=tests python -m support.timeline docs/options"
