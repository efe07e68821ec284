"""The live view shows what the workers say, and nothing where they say nothing."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from stream.demo.scrape import READY, combine, parse
from stream.demo.view import Link, duration, fitting, live_view, plain_line, rate, watermark_age
from stream.model.funnel import Funnel, Order, Step

SHOP = Funnel("shop", 1, (Step("view", ("view",)), Step("buy", ("buy",))), 60_000, title="The shop")
OTHERS = [Funnel(name, 1, SHOP.steps, 60_000) for name in ("second", "third")]
LABELS = 'funnel="shop",version="1",counts="attempts",window="1h",form="rolling",breakdown="",segment=""'
PEOPLE = 'funnel="shop",version="1",counts="people",window="day",form="current",breakdown="",segment=""'
LINKS = [
    Link("worker 1", "http://127.0.0.1:20000/metrics"),
    Link("Prometheus", "http://127.0.0.1:9090", "graph", "http://127.0.0.1:9090/graph?g0.expr=max%28x%29"),
]


def page(entered=200, bought=50, records=0):
    return parse(
        f"funnel_entered{{{LABELS}}} {entered}\n"
        f'funnel_reached{{{LABELS},step="1"}} {entered}\n'
        f'funnel_reached{{{LABELS},step="2"}} {bought}\n'
        f'funnel_step_conversion_ratio{{{LABELS},step="1"}} {bought / entered}\n'
        f'funnel_step_dropoff_ratio{{{LABELS},step="1"}} 0.5\n'
        f'funnel_pending{{{LABELS},step="1"}} 33\n'
        f"funnel_converted{{{LABELS}}} {bought}\n"
        f"funnel_conversion_ratio{{{LABELS}}} {bought / entered}\n"
        f'funnel_window_time_to_step_seconds{{{LABELS},step="2",quantile="0.5"}} 7.25\n'
        f"funnel_entered{{{PEOPLE}}} 180\n"
        f"funnel_worker_partitions 4\n"
        f'funnel_worker_lag_records{{partition="3"}} 12\n'
        f'funnel_worker_watermark_seconds{{partition="3"}} 1000.5\n'
        f'funnel_worker_watermark_seconds{{partition="4"}} 999\n'
        f'funnel_records_total{{verdict="accepted"}} {records}\n'
        f'funnel_records_total{{verdict="late"}} 2\n'
        f'funnel_worker_records_total{{verdict="accepted"}} {records}\n'
    )


def drawn(seen, funnels=(SHOP,), width=80, height=None, before=None):
    paper = Console(file=io.StringIO(), width=width)
    paper.print(live_view(funnels, seen, before, LINKS, height))
    return paper.file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_every_number_stands_in_the_table_uncut(width):
    text = drawn(combine([page()], 0.0), width=width)
    assert "The shop, entered in the last 1h (180 people)" in text
    view, buy = (next(line for line in text.splitlines() if line.startswith(f" {name}")) for name in ("view", "buy"))
    assert view.split()[-5:] == ["25.0", "%", "50.0", "%", "33"]
    assert buy.split()[-3:] == ["50", "7.2", "s"]
    assert "…" not in text


def test_a_bar_is_as_long_as_the_share_that_got_there():
    lines = drawn(combine([page()], 0.0)).splitlines()
    assert [line.count("█") for line in lines if "█" in line] == [16, 4]


def test_the_pipeline_is_shown_with_verdicts_lag_and_readiness():
    text = drawn(combine([page(records=900), None], 0.0, [READY, "does not answer yet"]))
    assert "902 = 900 accepted + 2 late" in text
    assert "lag 12 records" in text
    assert "http://127.0.0.1:20000/metrics ready, 4 partitions" in text
    assert "http://127.0.0.1:9090 graph" in text


def test_records_that_wait_to_be_repartitioned_are_lag_too():
    sources = parse("funnel_worker_repartition_lag_records 30\n")
    assert "lag 72 records" in drawn(combine([page() | sources, sources], 0.0))


def test_a_worker_that_is_not_ready_says_why():
    assert "/metrics taking over partitions" in drawn(combine([page()], 0.0, ["taking over partitions"]))


def test_before_the_first_number_there_is_no_rate_and_no_share():
    text = drawn(combine([None], 0.0, ["does not answer yet"]))
    assert "%" not in text
    assert "no watermark yet" in text
    assert "0 events/s" in text


def test_a_low_terminal_shows_the_first_funnel_and_says_how_many_more_there_are():
    text = drawn(combine([page()], 0.0), [SHOP, *OTHERS], height=15)
    assert "The shop" in text
    assert "second" not in text
    assert "2 more funnels in a higher terminal" in text
    assert len(text.splitlines()) <= 15


def test_a_high_terminal_shows_all_funnels():
    text = drawn(combine([page()], 0.0), [SHOP, *OTHERS], height=40)
    assert "third" in text
    assert "more funnels" not in text


@pytest.mark.parametrize(("lines", "expected"), [(-5, 1), (6, 1), (11, 1), (12, 2), (18, 3), (99, 3)])
def test_as_many_funnels_as_fit_and_always_one(lines, expected):
    assert len(fitting([SHOP, *OTHERS], lines)) == expected


def test_events_per_second_come_from_two_looks():
    before, now = combine([page(records=100)], 10.0), combine([page(records=400)], 12.0)
    assert rate(now, before) == 150


def test_a_restarted_worker_shows_no_negative_rate():
    before, now = combine([page(records=400)], 10.0), combine([page(records=0)], 12.0)
    assert rate(now, before) == 0


def test_the_age_is_that_of_the_newest_watermark():
    assert watermark_age(combine([page()], 0.0), 1003.0) == "watermark 2.5 s old"


@pytest.mark.parametrize(("seconds", "text"), [(None, ""), (7.25, "7.2 s"), (99.9, "99.9 s"), (600.0, "10 min")])
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


def test_without_a_terminal_one_line_says_it():
    line = plain_line(SHOP, combine([page()], 0.0), None)
    assert line == "shop: view 200 > buy 50 | conversion 25.0 % | 0 events/s, lag 12 records"


def test_without_numbers_the_line_says_what_the_workers_wait_for():
    line = plain_line(SHOP, combine([None, None], 0.0, ["does not answer yet", "Kafka is away"]), None)
    assert line == "no numbers yet: worker 1 does not answer yet; worker 2 Kafka is away"


def test_in_any_order_steps_are_named_by_how_many_are_reached():
    seen, funnel = combine([page()], 0.0), replace(SHOP, order=Order.ANY)
    lines = drawn(seen, (funnel,)).splitlines()
    assert [line.partition("█")[0].strip() for line in lines if "█" in line] == ["any 1 of 2", "any 2 of 2"]
    assert "any 1 of 2 200 > any 2 of 2 50" in plain_line(funnel, seen, None)
