"""Laws of a file's analysis: the order of its lines and copies of them change no number; its times are exact."""

import json
import random
from dataclasses import replace
from statistics import median, quantiles
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace as replace_doc

from stream.analyze.count import Analysis, LogCount
from stream.analyze.document import analysis_document
from stream.analyze.forms import SourceDoc
from stream.analyze.previous import earlier_instants
from stream.analyze.times import FROM_ENTRY, FROM_PREVIOUS, histogram, percentile
from stream.engine.periods import period_of
from stream.ingest.admission import UNLIMITED
from stream.ingest.mapping import Mapping
from stream.metrics import ratios
from stream.model.funnel import Breakdown, Funnel, Period, PeriodUnit, Step, ValueRule
from stream.model.result import TOTAL_STEP
from stream.model.times import to_ms
from support.oracle import OEvent, OFunnel, attempts

HOUR_MS = 3_600_000
FUNNELS = (
    Funnel(
        "three", 1,
        (Step("a", ("A",)), Step("b", ("B", "A")), Step("c", ("C",), value=ValueRule("total", currency="EUR"))),
        HOUR_MS, breakdowns=(Breakdown("device", ("device",)),), period=Period(PeriodUnit.HOUR),
    ),
    Funnel("two", 1, (Step("b", ("B",)), Step("c", ("C",))), 90_000),
)  # fmt: skip

events = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 20).map(lambda tick: tick * 450_000) | st.integers(-5_000, 100_000),
        st.sampled_from("ABCX"),
        st.sampled_from([None, "phone", "desk"]),
        st.sampled_from([None, "1.10", "7"]),
    ),
    max_size=30,
)


def lines_of(drawn) -> list[bytes]:
    return [
        json.dumps(
            {"user_id": f"u{actor}", "time": time, "event": name, "id": f"e{number}", "device": device, "total": total}
        ).encode()
        for number, (actor, time, name, device, total) in enumerate(drawn)
    ]


def analysis_of(lines: list[bytes], *, stretch: int = 20_000, busy: int = 1_000, as_of=None, batch=10**9) -> Analysis:
    count = LogCount(FUNNELS, Mapping(), UNLIMITED)
    for start in range(0, len(lines), batch):
        part = lines[start : start + batch]
        count.take(0, part, [None] * len(part), list(range(start, start + len(part))), "file:")
    with patch.multiple("stream.analyze.fold", STRETCH=stretch, BUSY_STRETCH=stretch, BUSY=busy):
        return count.finish(as_of)


def numbers(analysis: Analysis) -> object:
    document = analysis_document(analysis, FUNNELS, SourceDoc(kind="file", name="f", next_offsets={}))
    return document.as_of, document.ahead_of_as_of, document.funnels


@given(events, st.randoms(use_true_random=False), st.integers(1, 40), st.integers(0, 6), st.integers(1, 30))
def test_order_of_lines_batches_and_stretches_change_no_number(drawn, rng, stretch, busy, batch):
    lines = lines_of(drawn)
    expected = numbers(analysis_of(lines))
    rng.shuffle(lines)
    assert numbers(analysis_of(lines, stretch=stretch, busy=busy, batch=batch)) == expected


@given(events, st.randoms(use_true_random=False), st.integers(1, 40))
def test_copies_of_lines_change_no_number(drawn, rng, stretch):
    lines = lines_of(drawn)
    expected = numbers(analysis_of(lines))
    copied = lines + [rng.choice(lines) for _ in range(len(lines) // 2)]
    rng.shuffle(copied)
    assert numbers(analysis_of(copied, stretch=stretch)) == expected


@given(events, st.integers(0, 100_000), st.integers(1, 40))
def test_an_earlier_instant_is_a_file_without_what_came_later(drawn, as_of, stretch):
    kept = [each for each in drawn if each[1] <= as_of]
    found = analysis_of(lines_of(drawn), as_of=as_of, stretch=stretch)
    expected = analysis_of(lines_of(kept), as_of=as_of)
    assert numbers(found)[2] == numbers(expected)[2]
    assert found.ahead == sum(name != "X" for _, time, name, *_ in drawn if time > as_of)


CALENDARS = [
    # a clock change lies inside; ticks of the drawn times as long as makes them cover some periods
    ("2026-03-28T00:00:00Z", 48, Period(PeriodUnit.DAY, "Europe/Berlin")),
    ("2026-10-24T00:00:00Z", 48, Period(PeriodUnit.DAY, "Europe/Berlin")),
    ("2017-10-14T00:00:00Z", 48, Period(PeriodUnit.DAY, "America/Sao_Paulo")),
    ("2026-03-20T00:00:00Z", 200, Period(PeriodUnit.WEEK, "Asia/Kolkata")),
    ("2026-01-20T00:00:00Z", 800, Period(PeriodUnit.MONTH, "Europe/Berlin")),
    ("2026-01-20T00:00:00Z", 1, None),
]


@given(events, st.sampled_from(CALENDARS), st.integers(0, 24), st.integers(1, 100))
def test_a_period_before_is_what_an_analysis_as_of_then_says_about_it(drawn, calendar, tick, hours):
    """Comparing equals two separate analyses; a matured period's change does not depend on when it is looked at."""
    first, scale, trend = calendar
    funnels = tuple(replace(funnel, window_ms=hours * HOUR_MS) for funnel in FUNNELS)
    begin_ms = to_ms(first, "iso")
    lines = lines_of([(actor, begin_ms + time * scale, *rest) for actor, time, *rest in drawn])
    as_of = begin_ms + tick * 450_000 * scale

    def trends(instant, earlier=(), *, compare=False):
        count = LogCount(funnels, Mapping(), UNLIMITED, trend=None if trend is None else period_of(trend))
        count.take(0, lines, [None] * len(lines), list(range(len(lines))), "file:")
        source = SourceDoc(kind="file", name="f", next_offsets={})
        analysis = count.finish(instant, earlier=earlier)
        return analysis_document(analysis, funnels, source, trend, compare_previous=compare).funnels

    earlier = earlier_instants(funnels, None if trend is None else period_of(trend), as_of)
    alone = trends(as_of)
    for number, funnel in enumerate(trends(as_of, earlier, compare=True)):
        entered = [row for row in funnel.trend if row.attempts.entered or row.actors.entered]
        assert [replace_doc(row, previous=UNSET) for row in entered] == alone[number].trend
        periods = period_of(trend or funnels[number].period)
        for row in funnel.trend:
            start, end = periods(to_ms(row.start, "iso"))
            instants = [to_ms(row.previous.as_of, "iso"), *([as_of - (end - start)] if row.is_matured else [])]
            assert to_ms(row.previous.start, "iso") == periods(start - 1)[0]
            for instant in instants:
                rows = [each for each in trends(instant)[number].trend if each.start == row.previous.start]
                if rows:
                    assert (row.previous.attempts, row.previous.actors) == (rows[0].attempts, rows[0].actors)
                else:
                    assert row.previous.attempts.entered == row.previous.actors.entered == 0


def oracle_times(actors: dict[str, list[OEvent]], funnel: Funnel, as_of: int) -> dict[tuple[int, int], list[int]]:
    steps = OFunnel(tuple(frozenset(step.events) for step in funnel.steps), funnel.window_ms)
    times: dict[tuple[int, int], list[int]] = {}
    for own in actors.values():
        for attempt in attempts(own, steps, as_of):
            chain = [event.time for event in attempt.chain]
            for step in range(2, len(chain) + 1):
                times.setdefault((step, FROM_PREVIOUS), []).append(chain[step - 1] - chain[step - 2])
                times.setdefault((step, FROM_ENTRY), []).append(chain[step - 1] - chain[0])
    return times


def check_times(drawn, *, stretch: int) -> None:
    analysis = analysis_of(lines_of(drawn), stretch=stretch)
    actors: dict[str, list[OEvent]] = {}
    for number, (actor, time, name, *_) in enumerate(drawn):
        actors.setdefault(f"u{actor}", []).append(OEvent(time, f"e{number}", name))
    for funnel, found, report in zip(FUNNELS, analysis.times, analysis.reports, strict=True):
        expected = oracle_times(actors, funnel, analysis.as_of_ms or 0)
        for step in range(2, len(funnel.steps) + 1):
            for start in (FROM_PREVIOUS, FROM_ENTRY):
                times = expected.get((step, start))
                own = found.of((0, ""), step, start)
                if times is None:
                    assert own is None
                else:
                    assert own == (len(times), median(times), sum(times) / len(times))
        counts = report.attempts.get((None, (0, "")))
        if counts is not None:
            # Exact times fall into the buckets that were counted one by one.
            for step in range(2, len(funnel.steps) + 1):
                assert histogram(found.ordered((0, ""), step, FROM_PREVIOUS)) == ratios.buckets(counts, step)
            total = found.ordered((0, ""), len(funnel.steps), FROM_ENTRY)
            assert histogram(total) == ratios.buckets(counts, TOTAL_STEP)


@given(st.lists(st.integers(0, 10**12), min_size=2))
def test_percentiles_are_those_of_the_standard_library(times):
    expected = quantiles(times, n=100, method="inclusive")
    assert [round(percentile(sorted(times), percent), 3) for percent in range(1, 100)] == [
        round(each, 3) for each in expected
    ]


@given(events, st.integers(1, 40))
def test_medians_and_means_are_those_of_the_oracles_chains(drawn, stretch):
    check_times(drawn, stretch=stretch)


def test_medians_and_means_of_many_actors_are_those_of_the_oracles_chains():
    rng = random.Random("times")
    drawn = [
        (actor, rng.randrange(4 * HOUR_MS), rng.choice("AABBCX"), None, None)
        for actor in range(400)
        for _ in range(rng.randrange(1, 9))
    ]
    rng.shuffle(drawn)
    check_times(drawn, stretch=50)
