"""A terminal gets a picture, everything else plain lines, and the picture for the docs loads nothing."""

import io

from rich.console import Console

from stream.demo.scrape import READY, combine, parse
from stream.demo.screen import draw_picture, screen
from stream.demo.view import Link
from stream.model.funnel import Funnel, Step

SHOP = Funnel("shop", 1, (Step("view", ("view",)), Step("buy", ("buy",))), 60_000, title="The shop")
LINKS = [Link("Prometheus", "http://127.0.0.1:9090")]
PAGE = (
    'funnel_entered{funnel="shop",version="1",counts="attempts",window="1h",form="rolling",breakdown="",segment=""} 5\n'
)


def seen(at_s):
    return combine([parse(PAGE)], at_s, [READY])


def shown(*times, **console):
    paper = Console(file=io.StringIO(), width=80, height=30, **console)
    with screen(paper, [SHOP], LINKS) as draw:
        for at_s in times:
            draw(seen(at_s))
    return paper.file.getvalue()


def test_without_a_terminal_there_is_a_line_every_two_seconds():
    far = 1e9  # later than the clock that tells when the first line is due
    text = shown(far, far + 0.5, far + 1.9, far + 2.0, far + 2.5)
    assert [line.split(":")[0] for line in text.splitlines()] == ["shop", "shop"]


def test_a_dumb_terminal_gets_lines_too(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert "shop: view 0 > buy 0" in shown(1e9, force_terminal=True)


def test_a_terminal_gets_the_table(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    text = shown(0.0, force_terminal=True)
    assert "The shop" in text
    assert "median" in text


def test_the_picture_is_svg_and_loads_nothing_from_elsewhere(tmp_path):
    path = tmp_path / "live.svg"
    draw_picture(path, [SHOP], seen(1.0), seen(0.0), LINKS)
    text = path.read_text()
    assert text.startswith("<svg")
    assert "The&#160;shop" in text
    assert "@font-face" not in text
    assert "cdnjs" not in text
