"""The final check says equal only if everything is; whatever is changed, it says what."""

import json
from types import SimpleNamespace

import msgspec
import pytest

from stream.analyze.count import LogCount
from stream.analyze.read_topic import Span
from stream.demo.checks import Counted, judge, unlike_page
from stream.demo.scrape import parse
from stream.ingest.admission import Limits
from stream.ingest.mapping import Mapping
from stream.metrics.collector import FunnelCollector
from stream.model.funnel import Funnel, Step
from stream.model.result import Rollup
from stream.model.verdict import Verdict
from stream.model.window import RollingWindow

SHOP = Funnel("shop", 1, (Step("view", ("view",)), Step("buy", ("buy",))), 600_000)
HOUR = RollingWindow("1h", 3_600_000)
SETTINGS = SimpleNamespace(rolling=(HOUR,))
START_MS = 1_700_000_000_000
AS_OF_MS = START_MS + 60_000
RECORDS = 30


def rollup():
    """Twenty actors view, every other one buys; on two partitions."""
    count = LogCount([SHOP], Mapping.preset("flat", actor="who"), Limits(600_000, 300_000), (HOUR,))
    for part in (0, 1):
        events = [(who, "view", who) for who in range(10)] + [(who, "buy", 20 + who) for who in range(0, 10, 2)]
        values = [
            json.dumps(
                {"id": f"{number}", "who": f"{part}-{who}", "event": name, "time": START_MS + at * 1000}
            ).encode()
            for number, (who, name, at) in enumerate(events)
        ]
        count.take(part, values, [START_MS + at * 1000 for _, _, at in events], list(range(15)), f"t/{part}/")
    return count.finish(AS_OF_MS).rollup


def counted(**changes):
    same = {
        "spans": {0: Span(0, 15), 1: Span(0, 15)},
        "next_offsets": {0: 15, 1: 15},
        "verdicts": [RECORDS if verdict is Verdict.ACCEPTED else 0 for verdict in Verdict],
        "live": rollup(),
        "analyzed": rollup(),
    }
    return Counted(**(same | changes))


def problems(**changes):
    return [finding.problems for finding in judge(counted(**changes))]


def with_one_more_conversion():
    tampered = msgspec.convert(msgspec.to_builtins(rollup()), Rollup)
    tampered.funnels[0].windows[0].counts.converted += 1
    return tampered


def test_equal_numbers_pass_every_check():
    assert problems() == [(), (), (), ()]


def test_a_live_result_with_one_more_conversion_breaks_equality_and_a_law():
    lost, laws, unlike, metrics = problems(live=with_one_more_conversion())
    assert (lost, metrics) == ((), ())
    assert any("converted: live 11, analysis 10" in line for line in unlike)
    assert laws


def test_an_analysis_with_one_more_conversion_breaks_equality():
    assert any("live 10, analysis 11" in line for line in problems(analyzed=with_one_more_conversion())[2])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"next_offsets": {0: 15}}, "partition 1 ends at 15, counted up to 0", id="nobody-read-it"),
        pytest.param({"next_offsets": {0: 15, 1: 16}}, "partition 1 ends at 15, counted up to 16", id="beyond-the-end"),
        pytest.param({"spans": {0: Span(1, 15), 1: Span(0, 15)}}, "holds 29 records, the verdicts add up to 30",
                     id="a-record-that-is-gone"),
        pytest.param({"verdicts": [0, 0, 0, 0, 0, 0, 29]}, "holds 30 records, the verdicts add up to 29",
                     id="a-record-without-verdict"),
    ],
)  # fmt: skip
def test_a_record_lost_or_doubled_fails_the_first_check(changes, text):
    assert any(text in line for line in problems(**changes)[0])


def test_of_many_differences_the_first_ten_are_told_and_how_many_more_there_are():
    shown = problems(unlike_metrics=[f"line {number}" for number in range(25)])[3]
    assert len(shown) == 11
    assert shown[-1] == "and 15 more"


def page(shown=None):
    collector = FunnelCollector([SHOP], windows=(HOUR,))
    collector.update(shown or rollup(), AS_OF_MS)
    return parse(collector.render(AS_OF_MS).decode())


VIEW = SimpleNamespace(watermark_ms=AS_OF_MS - 1000, roll_up=lambda _as_of_ms: rollup())


def test_a_page_of_the_stored_counts_has_no_differences():
    assert unlike_page(page(), SETTINGS, [SHOP], VIEW) == []


def test_a_page_that_shows_another_number_is_named_with_both():
    lines = unlike_page(page(with_one_more_conversion()), SETTINGS, [SHOP], VIEW)
    assert any(line.startswith("funnel_converted{") and line.endswith("/metrics 11, stored 10") for line in lines)


def test_a_series_that_is_missing_on_the_page_is_a_difference():
    less = {key: value for key, value in page().items() if key[0] != "funnel_entered"}
    assert any("/metrics None, stored 20" in line for line in unlike_page(less, SETTINGS, [SHOP], VIEW))


@pytest.mark.parametrize("seen", [None, {}], ids=["no-answer", "no-funnel-series"])
def test_a_page_without_numbers_is_no_equal_page(seen):
    assert unlike_page(seen, SETTINGS, [SHOP], VIEW) == ["its page does not show the newest numbers"]


def test_a_page_from_before_the_last_record_is_no_equal_page():
    newer = SimpleNamespace(watermark_ms=AS_OF_MS + 1, roll_up=VIEW.roll_up)
    assert unlike_page(page(), SETTINGS, [SHOP], newer) == ["its page does not show the newest numbers"]
