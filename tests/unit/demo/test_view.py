"""The live view shows what the workers say, and nothing where they say nothing."""

import io

import pytest
from rich.console import Console

from stream.demo.scrape import combine, parse
from stream.demo.view import live_view, plain_line, rate
from stream.model.funnel import Funnel, Step

SHOP = Funnel("shop", 1, (Step("view", ("view",)), Step("buy", ("buy",))), 60_000, title="The shop")
LABELS = 'funnel="shop",version="1",window="1h",form="rolling",breakdown="",segment=""'


def page(entered=200, bought=50, records=0):
    return parse(
        f"funnel_entered{{{LABELS}}} {entered}\n"
        f'funnel_reached{{{LABELS},step="1"}} {entered}\n'
        f'funnel_reached{{{LABELS},step="2"}} {bought}\n'
        f'funnel_step_conversion_ratio{{{LABELS},step="1"}} {bought / entered}\n'
        f"funnel_converted{{{LABELS}}} {bought}\n"
        f"funnel_conversion_ratio{{{LABELS}}} {bought / entered}\n"
        f'funnel_worker_records_total{{verdict="accepted"}} {records}\n'
    )


def drawn(seen, before=None, width=80):
    paper = Console(file=io.StringIO(), width=width)
    paper.print(live_view([SHOP], seen, before, [("Prometheus", "http://127.0.0.1:9090/graph")]))
    return paper.file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_reached_and_conversion_stand_in_the_table_uncut(width):
    text = drawn(combine([page()], 0.0), width=width)
    assert "The shop" in text
    assert "200" in text
    assert "25.0 %" in text
    assert "…" not in text
    assert "http://127.0.0.1:9090/graph" in text


def test_before_the_first_number_there_is_no_rate_and_no_share():
    text = drawn(combine([None], 0.0))
    assert "%" not in text
    assert "workers 0 of 1" in text


def test_events_per_second_come_from_two_looks():
    before, now = combine([page(records=100)], 10.0), combine([page(records=400)], 12.0)
    assert rate(now, before) == 150


def test_a_restarted_worker_shows_no_negative_rate():
    before, now = combine([page(records=400)], 10.0), combine([page(records=0)], 12.0)
    assert rate(now, before) == 0


def test_without_a_terminal_one_line_says_it():
    line = plain_line(SHOP, combine([page()], 0.0), None)
    assert line == "shop: view 200 > buy 50 | conversion 25.0 % | 0 events/s"
