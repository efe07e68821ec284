"""What `LogCount` makes of small logs."""

import json

import pytest

from stream.analyze.count import LogCount
from stream.analyze.times import FROM_ENTRY, FROM_PREVIOUS
from stream.engine.advance import NO_CAP
from stream.ingest.admission import UNLIMITED, Limits
from stream.ingest.mapping import Mapping
from stream.model.funnel import Breakdown, Funnel, Step, ValueRule
from stream.model.times import MAX_MS, MIN_MS
from stream.model.verdict import Verdict
from stream.model.window import RollingWindow

WHOLE = (None, (0, ""))
FUNNEL = Funnel(
    "shop",
    1,
    (Step("view", ("view",)), Step("cart", ("cart",)), Step("buy", ("buy",), value=ValueRule("total", currency="EUR"))),
    10_000,
    breakdowns=(Breakdown("device", ("device",)),),
)


def line(actor: str, time: int, event: str, number: int = 0, **properties) -> bytes:
    record = {"user_id": actor, "time": time, "event": event, **properties}
    return json.dumps(record | ({"id": f"e{number}"} if number else {})).encode()


def analysis_of(*lines: bytes, as_of=None, limits=UNLIMITED, windows=None, bot_cap=NO_CAP, funnel=FUNNEL):
    count = LogCount([funnel], Mapping(), limits, windows, bot_cap=bot_cap)
    count.take(0, list(lines), [None] * len(lines), list(range(len(lines))), "file:")
    return count.finish(as_of)


def test_a_file_in_any_order_is_neither_late_nor_future():
    lines = [line("a", MAX_MS, "view"), line("a", MIN_MS, "view"), line("a", 5_000, "buy"), line("a", 0, "view"),
             line("a", 4_000, "cart")]  # fmt: skip
    analysis = analysis_of(*lines)
    assert analysis.verdicts[Verdict.ACCEPTED] == 5
    assert analysis.as_of_ms == MAX_MS
    assert analysis.reports[0].attempts[WHOLE].converted == 1
    assert analysis.reports[0].attempts[WHOLE].entered == 3


def test_as_of_is_the_largest_event_time_and_events_that_no_funnel_knows_count_for_it():
    analysis = analysis_of(line("a", 0, "view"), line("b", 11_000, "scroll"))
    assert analysis.as_of_ms == 11_000
    assert analysis.reports[0].attempts[WHOLE].dropped == [1, 0]


def test_an_attempt_whose_window_ends_at_as_of_is_pending():
    lines = (line("a", 0, "view"), line("b", 10_000, "scroll"))
    assert analysis_of(*lines).reports[0].attempts[WHOLE].pending == [1, 0]
    assert analysis_of(*lines, as_of=10_001).reports[0].attempts[WHOLE].dropped == [1, 0]


def test_events_after_as_of_do_not_exist_yet_but_have_their_verdicts():
    lines = (line("a", 0, "view"), line("a", 3_000, "cart"), line("a", 3_000, "cart", 1), line("a", 3_000, "cart", 1))
    analysis = analysis_of(*lines, as_of=2_999)
    assert analysis.reports[0].attempts[WHOLE].reached == [1, 0, 0]
    assert analysis.ahead == 3
    assert (analysis.verdicts[Verdict.ACCEPTED], analysis.verdicts[Verdict.DUPLICATE]) == (3, 1)


def test_every_record_has_one_verdict():
    analysis = analysis_of(b"{", line("a", 0, "view"), line("a", 0, "scroll"), b"[]")
    assert analysis.verdicts == (2, 0, 1, 0, 0, 0, 1)
    assert analysis.next_offsets == {0: 4}


def test_an_empty_file_and_one_of_junk_have_no_as_of():
    for lines in ((), (b"junk",)):
        analysis = analysis_of(*lines, windows=())
        assert analysis.as_of_ms is None
        assert analysis.rollup is None
        assert analysis.reports[0].attempts == {}


def test_lines_without_an_id_are_told_apart_by_their_place():
    assert analysis_of(line("a", 0, "view"), line("a", 0, "view")).verdicts[Verdict.ACCEPTED] == 2


def test_times_are_exact_from_the_step_before_and_from_the_first():
    analysis = analysis_of(
        line("a", 0, "view"), line("a", 1_000, "cart"), line("a", 4_000, "buy"),
        line("b", 0, "view"), line("b", 2_500, "cart"),
    )  # fmt: skip
    times = analysis.times[0]
    assert times.of((0, ""), 2, FROM_PREVIOUS) == (2, 1_750.0, 1_750.0)
    assert times.of((0, ""), 3, FROM_PREVIOUS) == (1, 3_000.0, 3_000.0)
    assert times.of((0, ""), 3, FROM_ENTRY) == (1, 4_000.0, 4_000.0)
    assert times.of((1, "__none__"), 2, FROM_ENTRY) == (2, 1_750.0, 1_750.0)


def test_live_counts_what_is_ahead_of_the_watermark_and_the_report_does_not():
    count = LogCount([FUNNEL], Mapping(), Limits(0, 60_000), (RollingWindow("1m", 60_000),))
    values = [line("a", 0, "view"), line("a", 5_000, "cart")]
    count.take(0, values, [0, 1_000], [0, 1], "t/0/", 7)
    analysis = count.finish()
    assert analysis.as_of_ms == 1_000
    assert analysis.ahead == 1
    assert analysis.reports[0].attempts[WHOLE].reached == [1, 0, 0]
    assert next(row.counts.reached for row in analysis.rollup.funnels[0].total if not row.breakdown) == [1, 1, 0]
    assert analysis.rollup.next_offset == 7


def test_an_instant_that_live_has_passed_leaves_out_what_came_later():
    windows = (RollingWindow("1m", 60_000),)
    lines = [line("a", 0, "view"), line("a", 5_000, "cart"), line("b", 500_000, "view")]
    rollup = analysis_of(*lines, limits=Limits(0, 0), windows=windows, as_of=4_000).rollup.funnels[0]
    assert [row.counts.reached for row in rollup.windows if not row.breakdown and not row.matured] == [[1, 0, 0]]
    assert [row.counts.entered for row in rollup.settled if not row.breakdown] == []
    assert [row.standing for row in rollup.occupancy if not row.breakdown] == [[1, 0, 0]]


@pytest.mark.parametrize("cap", [0, 3])
def test_the_bot_cap_looks_at_the_log_in_its_order(cap):
    """The first cap + 1 of the log count, though others lie before them in time."""
    times = [900, 800, 700, 600, 500, 400, 300]
    lines = [line("bot", time, "view", at + 1) for at, time in enumerate(times)]
    analysis = analysis_of(*lines, line("man", 0, "view"), limits=Limits(10_000, 0), bot_cap=cap)
    assert analysis.verdicts[Verdict.BOT] == len(times) - cap - 1
    assert analysis.verdicts[Verdict.ACCEPTED] == cap + 2
    assert sum(analysis.verdicts) == len(times) + 1
    assert analysis.reports[0].attempts[WHOLE].entered == 2


def test_a_busy_actor_without_cap_is_counted_in_time_linear_in_its_events():
    lines = [line("bot", at // 50, "view", at) for at in range(1, 15_001)]
    analysis = analysis_of(*lines)
    assert analysis.verdicts[Verdict.ACCEPTED] == 15_000
    assert analysis.reports[0].attempts[WHOLE].entered == 1


def test_the_work_told_is_the_work_announced():
    count = LogCount([FUNNEL], Mapping(), UNLIMITED)
    count.take(0, [line("a", 0, "view"), line("a", 9, "scroll"), line("b", 1, "buy")], [None] * 3, [0, 1, 2], "")
    told: list[int] = []
    work = count.work
    count.finish(None, told.append)
    assert sum(told) == work == 4
