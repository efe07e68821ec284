"""Every query of every dashboard, asked of a real Prometheus that scrapes two workers, has the right answer."""

import math
import re
import time
from typing import NamedTuple

import pytest

from stream.model.verdict import Verdict
from support.boards import everything, interpolate, panels, targets, variables
from support.known_workers import ODD_SEGMENT, PAST, WATERMARK_AGE_S
from support.rollups import AS_OF_MS

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("workers")]

BOARDS = everything()
CHOICES = {
    "funnel": "shop", "version": "2", "counts": "attempts", "window": "1h", "form": "rolling", "cohort": "1h",
    "breakdown": "channel", "segment": "$__all", "control": "ads", "job": "$__all", "instance": "$__all",
}  # fmt: skip
TOUR = {"funnel": "tour", "version": "1"}
PEOPLE = {"counts": "people", "window": "day", "form": "current"}


class When(NamedTuple):
    """What is expected with other choices."""

    choices: dict
    expected: object


def asked(file, choices=CHOICES):
    """(panel, letter, expression) of every query of a dashboard."""
    board = BOARDS[file]
    for panel, target in targets(board):
        yield panel, target["refId"], interpolate(target["expr"], choices, variables(board))


NAMES = ("Product seen", "Cart filled", "Paid")


def steps(*values, first=1, tail=""):
    """Values by step, under the label `at` and the step's number."""
    return {f" {at} {NAMES[at - 1]}{tail} {at}": value for at, value in enumerate(values, start=first)}


def numbers(*values):
    return {str(at): value for at, value in enumerate(values, start=1)}


def one(value):
    return {"": value}


def difference(share, entered, base, base_entered):
    """(points, lower, upper end of the interval, z) of two shares."""
    error = math.sqrt(share * (1 - share) / entered + base * (1 - base) / base_entered)
    apart = share - base
    return 100 * apart, 100 * (apart - 1.96 * error), 100 * (apart + 1.96 * error), apart / error


SEGMENTS = {"mail": 15 / 40, "ads": 5 / 60, ODD_SEGMENT: 0.4}
MAIL = difference(15 / 40, 40, 5 / 60, 60)
WEEK = difference(0.2, 100, 0.3, 200)
FIRST = difference(0.2, 100, 0.2, 100)
OUTCOMES = {"converted", "dropped", "excluded"}
VERDICTS = {verdict.label for verdict in Verdict}
ANY = "any instance"
BUCKETS = {f"{float(bound)}" for bound in (15, 60)}

# Exact values; a set means: these, all above 0 (their rate depends on when Prometheus came by).
EXPECTED = {
    "funnel.json": {
        "Entered": [one(100)],
        "Converted": [one(20)],
        "Pending": [one(15)],
        "Conversion": [one(0.2)],
        "Drop-off": [one(0.6)],
        "To the target": [one(-5)],
        "Conversion before": [one(100 * (0.2 - 0.15)), one(100 * (0.2 - 0.3))],
        "Largest loss": [steps(45)],
        "Funnel by step": [steps(100, 45, 20)],
        "Conversion and drop-off by step": [
            steps(100, 45, 20),
            numbers(0.45, 20 / 45),
            numbers(5, 100 * (20 / 45 - 30 / 80)),
            numbers(-5, 100 * (20 / 45 - 0.6)),
            numbers(0.4, 20 / 45),
            numbers(-20, 100 * (20 / 45 - 50 / 80)),
            numbers(-10, 100 * (20 / 45 - 0.4)),
            numbers(40, 20),
            numbers(10, 5),
            numbers(5, 0),
            When(TOUR, {"1": 12, "3": 4, "4": 1}),
            When(TOUR, {"2": 4 / 17}),
        ],
        "Beside target and benchmarks": [one(0.2), one(0.25), {"average": 0.0235, "top quarter": 0.0531}],
        "Conversion over time": [
            {"rolling": 0.2, "matured": 0.2},
            one(0.25),
            {"average": 0.0235, "top quarter": 0.0531},
        ],
        "Conversion by step": [steps(0.45, 20 / 45)],
        "Drop-off by step": [steps(0.4, 20 / 45)],
        "Entrants": [one(100), one(20), one(15)],
        "Age-matched conversion by step": [
            {"15m  1 Product seen 1": 0.25, "15m  2 Cart filled 2": 0.2, "1h  1 Product seen 1": 0.5},
            {"15m  1 Product seen 1": 0.3},
        ],
        "Time to convert, as it settles": [set()],
        "Time to convert": [one(10 + 5 * 10 / 12), one(30 + 30 * 6 / 8)],
        "Time from the step before": [steps(3.5, 7.5, first=2)],
        "Time to convert since counting began": [{""}, {""}, {""}],
        "Conversion by segment": [SEGMENTS],
        "Segments": [
            {"mail": 40, "ads": 60, ODD_SEGMENT: 10},
            {"mail": 15, "ads": 5, ODD_SEGMENT: 4},
            SEGMENTS,
            {"mail": 15 / 40, "ads": 45 / 60, ODD_SEGMENT: 0.4},
        ],
        "Conversion by segment and step": [
            {
                f" {at} {NAMES[at - 1]} {segment} {at}": value
                for segment, values in {
                    "mail": (0.525, 15 / 21),
                    "ads": (14 / 60 + 10 / 60, 5 / 24),
                    ODD_SEGMENT: (0.7, 4 / 7),
                }.items()
                for at, value in enumerate(values, start=1)
            }
        ],
        "Entry cohorts": [
            {"   entered until": AS_OF_MS - 1_800_000, "  entered": 50, " 2 Cart filled": 0.4, " 3 Paid": 0.2}
        ],
        "Standing at each stage now": [steps(10, 5, 3)],
        "Final outcomes per second": [OUTCOMES],
    },
    "compare.json": {
        "Conversion": [one(0.2)],
        "Conversion before": [one(5), one(100 * (0.2 - 0.25)), one(-10)],
        "z of the change since a week ago": [one(WEEK[3])],
        "Best segment": [{"mail": 15 / 40}],
        "Lowest segment": [{"ads": 5 / 60}],
        "Segments beside the control": [
            {"mail": 40, "ads": 60, ODD_SEGMENT: 10},
            {"mail": 15, "ads": 5, ODD_SEGMENT: 4},
            SEGMENTS,
            {"mail": MAIL[0], ODD_SEGMENT: 100 * (0.4 - 5 / 60)},
            {"mail": MAIL[1]},
            {"mail": MAIL[2]},
            {"mail": MAIL[3]},
        ],
        "Conversion by segment": [SEGMENTS],
        "Conversion by segment over time": [SEGMENTS],
        "Versions beside the chosen one": [
            {"1": 100, "2": 100},
            {"1": 20, "2": 20},
            {"1": 0.2, "2": 0.2},
            {"1": 0},
            {"1": FIRST[1]},
            {"1": FIRST[2]},
            {"1": 0},
        ],
        "Conversion by version": [{"1": 0.2, "2": 0.2}],
        "Conversion now and before": [one(0.2), one(0.25), one(0.3)],
        "Conversion by step, now and before": [
            steps(0.45, 20 / 45),
            numbers(0.4, 30 / 80),
            numbers(0.45, 50 / 90),
            numbers(0.5, 0.6),
        ],
        "People of the current and the previous period": [
            steps(64, 26, 12),
            steps(100, 50, 30),
            numbers(26 / 64, 12 / 26),
            numbers(0.5, 0.6),
        ],
    },
    "business.json": {
        "Value": [{"EUR": 1234.5, "USD": 10}],
        "Value vs a week ago": [{"EUR": 0.25, "USD": -0.75}],
        "Average order value": [{"EUR": 1234.5 / 20, "USD": 10}],
        "Value per entrant": [{"EUR": 12.345, "USD": 0.1}],
        "Value lost": [{"EUR": 499.6, "USD": 7}],
        "At stake": [{"EUR": 12, "USD": 0}],
        "Value by step and currency": [
            {" 3 Paid EUR 3": 1234.5, " 3 Paid USD 3": 10},
            {" 3 Paid EUR 3": 20, " 3 Paid USD 3": 1},
            {" 3 Paid EUR 3": 1234.5 / 20, " 3 Paid USD 3": 10},
            {" 1 Product seen EUR 1": 400.1, " 2 Cart filled EUR 2": 99.5, " 2 Cart filled USD 2": 7},
            {" 1 Product seen EUR 1": 0, " 2 Cart filled EUR 2": 12, " 2 Cart filled USD 2": 0},
        ],
        "Value lost by step": [
            {" 1 Product seen, EUR EUR 1": 400.1, " 2 Cart filled, EUR EUR 2": 99.5, " 2 Cart filled, USD USD 2": 7}
        ],
        "Value over time": [{" 3 Paid EUR 3": 1234.5, " 3 Paid USD 3": 10}],
        "Average value over time": [{" 3 Paid EUR 3": 1234.5 / 20, " 3 Paid USD 3": 10}],
        "Lost and at stake over time": [{"EUR": 499.6, "USD": 7}, {"EUR": 12, "USD": 0}],
        "Value by segment and currency": [
            {f"EUR {ODD_SEGMENT}": 50},
            {f"EUR {ODD_SEGMENT}": 4},
            {f"EUR {ODD_SEGMENT}": 12.5},
            {f"EUR {ODD_SEGMENT}": 5},
            {f"EUR {ODD_SEGMENT}": 5},
            {f"EUR {ODD_SEGMENT}": 0},
        ],
        "Value by segment over time": [{f"EUR {ODD_SEGMENT}": 50}],
    },
    "health.json": {
        "Behind now": [{""}],
        "Records waiting": [one(42 + 2 * 3)],
        "Records per second": [{""}],
        "Workers": [one(2)],
        "Partitions held": [one(4)],
        "Oldest rollup": [one(1.25)],
        "Dead letters per second": [{""}],
        "Series left out": [one(0)],
        "Records by verdict": [VERDICTS],
        "Records by worker": [{ANY}],
        "Corrections and dead letters": [{""}, {"invalid", "future", "late"}],
        "Lag by partition": [{"0": 30, "1": 12}],
        "Lag in time": [{ANY: 4}],
        "Watermark age": [{"0", "1"}],
        "Batch size": [one(650), one(930), one(993)],
        "Batch duration": [one(0.035), one(0.047), one(0.0497)],
        "Commit duration": [one(0.0035), one(0.0047), one(0.00497)],
        "Commit failures": [{"moved", "unknown"}],
        "Rollup age": [{ANY: 1.25}, {ANY: 0.5}],
        "Series": [{""}, one(0)],
        "Cache hits": [{ANY: 0.75}],
        "Cached actors": [{ANY: 77}],
        "CPU": [{ANY}],
        "Memory": [{ANY}],
        "Repartitioned": [{ANY}, {""}],
        "Repartition lag": [{ANY: 3}, one(7)],
        "Read": [{"march": 0.75}],
        "Left": [{"march": 4000}],
        "Read per second": [{"march"}],
    },
}


def for_each_worker(expected, workers):
    """Repeat what is expected of any instance for each of them."""
    if isinstance(expected, set):
        return set(workers) if expected == {ANY} else expected
    return dict.fromkeys(workers, expected[ANY]) if ANY in expected else expected


@pytest.mark.parametrize("file", EXPECTED)
def test_every_query_has_the_right_answer(prometheus, workers, file):
    board = BOARDS[file]
    expected_of = EXPECTED[file]
    assert {panel["title"]: len(panel["targets"]) for panel in panels(board)} == {
        title: len(answers) for title, answers in expected_of.items()
    }, "a query nobody checks"
    for panel, target in targets(board):
        title, ref = panel["title"], target["refId"]
        expected = expected_of[title]["ABCDEFGHIJKLMNOP".index(ref)]
        choices = CHOICES
        if isinstance(expected, When):
            choices, expected = CHOICES | expected.choices, expected.expected
        expression = interpolate(target["expr"], choices, variables(board))
        expected = for_each_worker(expected, workers)
        found = prometheus.wait_for(expression)
        if isinstance(expected, set):
            assert set(found) >= expected, f"{title} {ref}: {expression}"
            assert expected == set(found) or not expected
            assert all(value >= 0 for value in found.values()), f"{title} {ref}: {found}"
            assert any(value > 0 for value in found.values()), f"{title} {ref}: {found}"
        else:
            assert found == pytest.approx(expected), f"{title} {ref}: {expression}"
        if target["range"]:
            now = time.time()
            series = prometheus.ask("query_range", query=expression, start=now - 5, end=now, step=1)["result"]
            assert series, f"{title} {ref} over time: {expression}"


def test_a_watermark_grows_old(prometheus):
    (age,) = [expression for panel, _, expression in asked("health.json") if panel["title"] == "Watermark age"]
    assert all(WATERMARK_AGE_S <= value < WATERMARK_AGE_S + 60 for value in prometheus.now(age).values())


def test_an_earlier_cohort_is_the_matured_window_as_it_stood_then(prometheus):
    (cohorts,) = [expression for panel, _, expression in asked("funnel.json") if panel["title"] == "Entry cohorts"]
    for ago, counts in PAST.items():
        found = prometheus.now(cohorts, time=time.time() - ago)
        entered, reached, converted = counts.reached[0], counts.reached[1], counts.converted
        assert found == pytest.approx({
            "   entered until": AS_OF_MS - 1_800_000, "  entered": entered,
            " 2 Cart filled": reached / entered, " 3 Paid": converted / entered,
        })  # fmt: skip


def test_people_are_counted_where_people_are_chosen(prometheus):
    found = {}
    for file in ("funnel.json", "compare.json", "business.json"):
        for panel, ref, expression in asked(file, CHOICES | PEOPLE):
            found[file, panel["title"], ref] = prometheus.now(expression)
    assert found["funnel.json", "Entered", "A"] == one(64)
    assert found["funnel.json", "Converted", "A"] == one(12)
    assert found["funnel.json", "Conversion and drop-off by step", "A"] == steps(64, 26, 12)
    assert found["funnel.json", "Conversion and drop-off by step", "C"] == pytest.approx(
        numbers(100 * (26 / 64 - 0.4), 100 * (12 / 26 - 30 / 80))
    )
    assert found["compare.json", "Conversion", "A"] == one(12 / 64)
    assert not any(math.isnan(value) for values in found.values() for value in values.values())


def test_nothing_is_shown_where_nothing_is_known(prometheus):
    """A funnel that does not exist, a window that is not kept: no number, and above all no NaN and no 0 %."""
    for other in (
        {"funnel": "none"},
        {"window": "7d", "cohort": "7d"},
        {"breakdown": "", "control": ""},
        {"breakdown": "c++ (old)", "control": ""},
    ):
        for file in ("funnel.json", "compare.json", "business.json"):
            for panel, ref, expression in asked(file, CHOICES | other):
                found = prometheus.now(expression)
                assert not any(math.isnan(value) for value in found.values()), (panel["title"], ref, other)
                if "funnel" in other:
                    assert not found, (panel["title"], ref, expression)


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        pytest.param("mail", {"Entered": 40, "Converted": 15, "Conversion": 15 / 40, "Pending": 5}, id="a-plain-one"),
        pytest.param(ODD_SEGMENT, {"Entered": 10, "Converted": 4, "Conversion": 0.4, "Pending": 2},
                     id="one-full-of-signs-that-patterns-know"),
    ],
)  # fmt: skip
def test_choosing_a_segment_shows_that_segment(prometheus, segment, expected):
    found = {}
    for panel, _, expression in asked("funnel.json", CHOICES | {"segment": segment}):
        if panel["title"] in expected:
            found[panel["title"]] = prometheus.wait_for(expression)[""]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        pytest.param(CHOICES, {"window": ["1h"], "form": ["matured", "rolling"]}, id="attempts"),
        pytest.param(CHOICES | PEOPLE, {"window": ["day"], "form": ["current", "previous"]}, id="people"),
    ],
)
def test_every_choice_at_the_top_offers_what_there_is(prometheus, workers, choices, expected):
    offered = {}
    for board in BOARDS.values():
        for name, variable in variables(board).items():
            if variable["type"] != "query":
                continue
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            match = interpolate(selector, choices, variables(board))
            start = time.time() - 10
            offered[name] = prometheus.ask(f"label/{label}/values", **{"match[]": match, "start": start})
    assert offered == {
        "funnel": ["shop", "tour"],
        "version": ["1", "2"],
        "breakdown": ["channel"],
        "segment": sorted(["mail", "ads", ODD_SEGMENT]),
        "control": sorted(["mail", "ads", ODD_SEGMENT]),
        "cohort": ["1h"],
        "job": ["funnel"],
        "instance": sorted(workers),
        **expected,
    }
