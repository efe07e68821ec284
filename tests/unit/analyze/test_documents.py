"""Documents and tables of funnels whose chains may skip steps or start at any."""

import json
from dataclasses import replace

import pytest
from msgspec import UNSET
from msgspec import json as wire

from stream.aggregate.report import FunnelReport
from stream.aggregate.rings import WHOLE
from stream.analyze.compare import broken_laws
from stream.analyze.count import Analysis
from stream.analyze.document import analysis_document, live_funnels, outcome
from stream.analyze.forms import SourceDoc
from stream.analyze.show import _show_funnel, _show_live_funnel, _show_steps, console
from stream.analyze.times import StepTimes
from stream.engine.match import FunnelSet
from stream.model.verdict import Verdict
from support.rollups import SHOP, TOUR, make_counts, shop_source, tour_rollup

COUNTS = tour_rollup().windows[0].counts


def text(show, *shown) -> list[str]:
    """Return what is printed, line by line, with single spaces."""
    out = console()
    with out.capture() as captured:
        show(*shown, out)
    return [" ".join(line.split()) for line in captured.get().splitlines()]


def test_the_numbers_of_a_tour_obey_the_laws():
    assert broken_laws(shop_source(tour_rollup())) == []


@pytest.mark.parametrize(
    ("change", "law"),
    [
        pytest.param({"skipped": [5, 10, 1]}, "step 2 has 4 times for 5", id="an-optional-step-without-its-times"),
        pytest.param({"skipped": [5, 2, 1]}, "reached optional step 2 13 of 12", id="more-at-an-optional-step"),
        pytest.param({"skipped": [0, 6, 1]}, "-1 entered at step 3", id="fewer-entered-than-none"),
        pytest.param({"converted": 10}, "step total has 9 times for 10", id="a-conversion-without-a-time"),
    ],
)
def test_what_cannot_be_is_named(change, law):
    rollup = tour_rollup()
    for name, value in change.items():
        setattr(rollup.windows[0].counts, name, value)
    lines = broken_laws(shop_source(rollup))
    assert any(law in line for line in lines), lines


def test_entries_at_other_steps_are_a_fault_where_the_funnel_is_not_open():
    rollup = tour_rollup()
    rollup.is_open = False
    assert any("4 entered at step 3" in line for line in broken_laws(shop_source(rollup)))


def test_an_outcome_says_what_an_optional_step_has_and_no_more():
    seen, asked, booked, paid = outcome(COUNTS, TOUR).steps
    assert [step.reached for step in (seen, asked, booked, paid)] == [12, 4, 11, 9]
    assert (asked.optional, asked.conversion, asked.dropoff, asked.dropped, asked.pending) == (True, None, None, 0, 0)
    assert (asked.reached_share, asked.entered_at) == (4 / 17, UNSET)
    assert (seen.optional, seen.entered_at, seen.conversion, seen.dropped, seen.pending) == (UNSET, 12, 7 / 12, 2, 3)
    assert (booked.entered_at, paid.entered_at, booked.conversion) == (4, 1, 8 / 11)


def test_a_live_funnel_leaves_optional_steps_out_of_stages_and_ages():
    (funnel,) = live_funnels(shop_source(tour_rollup()), [TOUR])
    assert funnel.optional_steps == [2]
    assert [step.step for step in funnel.age_matched[0].steps] == [1, 3]
    lines = text(_show_live_funnel, funnel)
    assert "standing at each stage: Seen 3, Booked 1, Paid 9" in lines


def test_the_table_of_steps_shows_entries_and_brackets_what_is_optional():
    lines = text(_show_steps, outcome(COUNTS, TOUR))
    assert lines == [
        "step entered reached of all goes on drop-off dropped pending",
        "1 Seen 12 12 70.6% 58.3% 16.7% 2 3",
        "2 [Asked] - 4 23.5% - - - -",
        "3 Booked 4 11 64.7% 72.7% 18.2% 2 1",
        "4 Paid 1 9 52.9% - - 0 0",
    ]


def test_the_table_shows_the_excluded_where_there_are_some():
    excluded = make_counts([1, 0], [0, 0], 1, excluded=[0, 2])
    assert (
        text(_show_steps, outcome(excluded, SHOP))[0] == "step reached of all goes on drop-off dropped excluded pending"
    )
    assert "excluded" not in text(_show_steps, outcome(make_counts([1, 0], [0, 0], 1), SHOP))[0]


def test_an_analysis_counts_actors_by_the_step_they_entered_at():
    (compiled,) = FunnelSet([TOUR]).funnels
    report = FunnelReport(compiled, 0, {(None, WHOLE): COUNTS}, {(None, WHOLE): COUNTS})
    analysis = Analysis(0, (0,) * len(Verdict), (report,), None, (StepTimes(),))
    document = analysis_document(analysis, [TOUR], SourceDoc(kind="file", name="f", next_offsets={}))
    (funnel,) = document.funnels
    assert (funnel.actors.entered, funnel.actors.converted) == (17, 9)
    assert [step.conversion for step in funnel.actors.steps] == [7 / 12, None, 8 / 11, None]
    assert [step.entered_at for step in funnel.actors.steps] == [12, UNSET, 4, 1]
    assert "1 Seen 12 12 70.6% 58.3% 16.7% 2 3 12" in text(_show_funnel, funnel)


def test_a_plain_funnel_says_nothing_of_either():
    written = json.loads(wire.encode(outcome(make_counts([1, 0], [0, 0], 1), SHOP)))
    assert not {"optional", "entered_at"} & written["steps"][0].keys()
    closed = replace(TOUR, is_open=False)
    counts = make_counts([0, 1, 0], [0, 0, 0], 1)
    assert [step.entered_at for step in outcome(counts, closed).steps] == [UNSET] * 4
