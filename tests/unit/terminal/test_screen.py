"""A terminal gets a picture, everything else plain lines."""

import io

from rich.console import Console

from stream.terminal.screen import screen


def shown(*times, **console):
    paper = Console(file=io.StringIO(), width=80, height=30, **console)
    clock = iter([0.0, *times])
    now = [next(clock)]
    with screen(paper, "picture of {}".format, "line about {}".format, lambda: now[0]) as show:
        for at_s in clock:
            now[0] = at_s
            show(at_s)
    return paper.file.getvalue()


def test_without_a_terminal_there_is_a_line_every_two_seconds():
    assert shown(0.0, 0.5, 1.9, 2.0, 2.5) == "line about 0.0\nline about 2.0\n"


def test_a_dumb_terminal_gets_lines_too(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert shown(0.0, force_terminal=True).startswith("line about 0.0")


def test_a_terminal_gets_the_picture(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "picture of" in shown(0.5, force_terminal=True)
