"""Laws of next actions: they are what a reading of all events says, and add up to the drops of each step."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from stream.aggregate.rings import WHOLE
from stream.analyze.count import Analysis, LogCount
from stream.analyze.document import analysis_document
from stream.analyze.fold import in_time_order
from stream.analyze.forms import SourceDoc
from stream.analyze.next_actions import NextActions
from stream.engine.advance import NO_CAP
from stream.engine.match import FunnelSet
from stream.ingest.admission import UNLIMITED, Limits, admit_batch
from stream.ingest.decode import EventDecoder
from stream.ingest.mapping import Mapping
from stream.model.funnel import Funnel, Step
from stream.model.times import MAX_MS
from support.next_actions import StepNames, next_actions, next_actions_with_options
from support.options.cases import Case, cases
from support.oracle import OEvent, OFunnel, admit
from support.product import product_funnel

FUNNELS = (
    Funnel("three", 1, (Step("a", ("A",)), Step("b", ("B", "A")), Step("c", ("C",))), 12),
    Funnel("two", 1, (Step("b", ("B",)), Step("c", ("C",))), 5),
)
ORACLES = (
    OFunnel((frozenset("A"), frozenset("AB"), frozenset("C")), 12),
    OFunnel((frozenset("B"), frozenset("C")), 5),
)
LATENESS_MS, SKEW_MS = 8, 3

# Times are such that no record time is below 0, which would be none.
records = st.lists(
    st.tuples(st.integers(0, 3), st.integers(10, 50), st.sampled_from("AABBCXY"), st.integers(-12, 5)), max_size=40
)
stretches = st.integers(1, 40)


def analysis_of(
    lines: Sequence[bytes], recorded: Sequence[int | None], limits: Limits, as_of: int, cuts: tuple[int, int]
) -> Analysis:
    """Count lines that are taken in and folded in pieces: at most so many records, and so many events."""
    batch, stretch = cuts
    count = LogCount(FUNNELS, Mapping(), limits, next_actions=True)
    for start in range(0, len(lines), batch):
        part = slice(start, start + batch)
        count.take(0, lines[part], recorded[part], range(len(lines))[part], "log/")
    with patch.multiple("stream.analyze.fold", STRETCH=stretch, BUSY_STRETCH=stretch, BUSY=stretch):
        return count.finish(as_of)


def line_of(actor: str, event: OEvent) -> bytes:
    record = {"user_id": actor, "time": event.time, "event": event.name, "id": event.id, **event.properties}
    return json.dumps(record).encode()


def found_in(steps: Sequence[Counter[str | None]]) -> StepNames:
    return [Counter({name: count for name, count in step.items() if count}) for step in steps]


@given(
    records,
    st.integers(0, 60),
    st.tuples(st.integers(1, 5), stretches),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_they_are_what_a_reading_of_all_events_says_and_add_up_to_the_drops(drawn, as_of, cuts, rng, is_topic):
    """On a file in any order of its lines, with copies; on a topic with what its admission lets through."""
    log = [
        (f"u{actor}", OEvent(time, f"e{number % 7}-{number}", name), time - ahead)
        for number, (actor, time, name, ahead) in enumerate(drawn)
    ]
    if log:
        log += [rng.choice(log) for _ in range(len(log) // 3)]
    if not is_topic:
        rng.shuffle(log)
    recorded: list[int | None] = [at for _, _, at in log] if is_topic else [None] * len(log)
    limits = Limits(LATENESS_MS, SKEW_MS) if is_topic else UNLIMITED
    analysis = analysis_of([line_of(actor, e) for actor, e, _ in log], recorded, limits, as_of, cuts)
    times = [(event.time, at) for (_, event, _), at in zip(log, recorded, strict=True)]
    admitted = admit(times, limits.allowed_lateness_ms, limits.max_future_skew_ms)
    actors: dict[str, dict[OEvent, None]] = {}
    for (actor, event, _), admission in zip(log, admitted, strict=True):
        if admission.verdict == "accepted":
            actors.setdefault(actor, {})[event] = None
    for steps, report, oracle in zip(analysis.next_actions, analysis.reports, ORACLES, strict=True):
        found = found_in(steps)
        assert found == next_actions(map(list, actors.values()), oracle, as_of)
        counts = report.attempts.get((None, WHOLE))
        assert [step.total() for step in found] == ([0] * len(found) if counts is None else counts.dropped)


@given(cases(), stretches)
def test_in_funnels_with_options_they_are_what_a_reading_of_all_events_says(case, stretch):
    check_case(case, stretch)


@given(cases(["session"]) | cases(["gap"]) | cases(["session", "hold"]) | cases(["gap", "granularity"]), stretches)
def test_in_funnels_of_sessions_they_are_those_of_the_session(case, stretch):
    check_case(case, stretch)


@given(cases(max_events=12), st.integers(0, 6) | st.just(NO_CAP), stretches)
def test_they_add_up_to_the_drops_of_each_step(case, cap, stretch):
    """In any funnel, and whatever the bot cap has refused."""
    funnel = product_funnel(case.funnel)
    lines = [line_of(f"u{number % 2}", event) for number, event in enumerate(case.events)]
    count = LogCount([funnel], Mapping(), Limits(1 << 40, 0), bot_cap=cap, next_actions=True)
    count.take(0, lines, [None] * len(lines), range(len(lines)), "log/")
    with patch.multiple("stream.analyze.fold", STRETCH=stretch, BUSY_STRETCH=stretch, BUSY=stretch):
        analysis = count.finish(min(case.as_of, MAX_MS))
    source = SourceDoc(kind="file", name="f", next_offsets={})
    (document,) = analysis_document(analysis, [funnel], source, next_names=1).funnels
    steps = {step.step: step for step in document.attempts.steps}
    assert [step.step for step in document.next_actions] == [step for step in case.funnel.required if step < len(steps)]
    for step in document.next_actions:
        assert step.dropped == step.nothing + sum(event.attempts for event in step.events)
        assert step.dropped == steps[step.step].dropped


def check_case(case: Case, stretch: int) -> None:
    funnels = FunnelSet([product_funnel(case.funnel)])
    (funnel,) = funnels.funnels

    def period_of(time_ms: int) -> tuple[int, int]:
        return next((start, end) for start, end in case.periods if start <= time_ms < end)

    funnel.period_of = period_of
    if funnel.options is not None and case.funnel.entry_first:
        funnel.options.anchor_of = period_of
    lines = [line_of("u", event) for event in case.events]
    columns = (lines, [None] * len(lines), range(len(lines)))
    found = NextActions(funnels, Mapping(), UNLIMITED)
    found.take(0, *columns, "log/", None)
    decoder = EventDecoder(Mapping(), funnels.property_paths)
    events = admit_batch(*columns, decoder, funnels.serving, UNLIMITED, None, "log/", kinds=funnels.kinds).events
    with patch.multiple("stream.analyze.fold", STRETCH=stretch, BUSY_STRETCH=stretch, BUSY=stretch):
        ordered = in_time_order(events, funnels, NO_CAP)
        found.count(0, next(ordered.cut([case.as_of])), case.as_of, lambda _: None)
    expected = next_actions_with_options([case.events], case.funnel, case.as_of, case.periods)
    assert found_in(found.counts()[0]) == expected


def test_of_many_actors_they_are_what_a_reading_of_all_events_says():
    rng = random.Random("next actions")
    actors = {
        f"u{actor}": [
            OEvent(rng.randrange(60), f"e{actor}-{number}", rng.choice("AABBCXYZ"))
            for number in range(rng.randrange(12))
        ]
        for actor in range(300)
    }
    log = [(actor, event) for actor, own in actors.items() for event in own]
    rng.shuffle(log)
    lines = [line_of(actor, event) for actor, event in log]
    analysis = analysis_of(lines, [None] * len(lines), UNLIMITED, 59, (97, 20_000))
    for steps, oracle in zip(analysis.next_actions, ORACLES, strict=True):
        expected = next_actions(actors.values(), oracle, 59)
        assert found_in(steps) == expected
        assert all(step.total() > 50 for step in expected)
