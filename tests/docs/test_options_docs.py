"""docs/options: each page shows its example's file, its picture, and the answer that `funnel analyze` gives."""

import re
import shlex
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from stream.cli import main
from support.timeline import WIDTH, picture

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "options"
PAGES = sorted(FOLDER.glob("*.md"))
SVG = "{http://www.w3.org/2000/svg}"


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_words_of_the_picture_overlap_or_are_cut(page):
    """By the usual width of letters; look at a new picture all the same."""
    drawing = ET.parse(page.with_suffix(".svg"))  # noqa: S314 (drawn by us)
    written = [_extent(element) for element in drawing.iter(f"{SVG}text")]
    assert [text for text, _, begin, end in written if begin < 0 or end > WIDTH] == []
    for (one, y, begin, end), (other, other_y, other_begin, other_end) in combinations(written, 2):
        assert abs(y - other_y) > 8 or end <= other_begin or other_end <= begin, (one, other)


def _extent(element):
    """Return a text of a picture, its height in it, and where it begins and ends."""
    x, y = int(element.get("x")), int(element.get("y"))
    width = len(element.text) * int(element.get("font-size", 12)) * 0.5
    begin = x - width / 2 if element.get("text-anchor") == "middle" else x
    return element.text, y, begin, begin + width


def test_every_option_of_the_configuration_page_has_its_page_and_every_page_is_named_there():
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert {Path(link).stem for link in re.findall(r"\]\((options/[^)]*)\)", text)} == {page.stem for page in PAGES}
