"""Counting equals the oracle's sums for funnels with any options: as a tally, and by slots as live does."""

import random
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.aggregate.gather import gather, gather_any, is_plain
from stream.aggregate.outcomes import optional_steps, outcomes_of
from stream.aggregate.report import Tally, whole_range
from stream.aggregate.rollup import roll_up
from stream.aggregate.totals import FunnelTotals, undecided_from_ms
from stream.analyze.compare import broken_laws as broken_laws_of_rollup
from stream.analyze.times import FROM_ENTRY, FROM_PREVIOUS, StepTimes
from stream.engine.advance import Change
from stream.engine.match import FunnelSet
from stream.model.funnel import Funnel
from stream.model.result import TOTAL_STEP, Counts, Rollup
from stream.model.window import Age, RollingWindow
from support.options.attempts import Attempt, attempts, every_attempt, is_settled
from support.options.cases import Case, random_case, random_events
from support.options.funnels import OptionFunnel
from support.options.totals import broken_laws, totals
from support.options.tuples import SCALE, counting_funnel, tuples
from support.oracle import OEvent

DEVICES = ("desk", "phone")
LONG = (RollingWindow("1h", 3_600_000, 3_600),)
AGES = (Age("2s", 2 * SCALE), Age("7s", 7 * SCALE))
WHOLE = (0, "")
OPTIONS = ("open", "optional", "range", "remove_actor", "granularity", "not_before", "strict", "any", "within")


@dataclass(frozen=True)
class Drawn:
    """Some actors' events under a funnel, and what the engine gives of them, in changes that end there."""

    case: Case
    actors: dict[str, list[OEvent]]
    changes: tuple[Change, ...]

    @property
    def defined(self) -> OptionFunnel:
        return self.case.funnel

    @property
    def last(self) -> int:
        return max((event.time for events in self.actors.values() for event in events), default=0)

    def tried(self, as_of: int, device: str | None = None) -> list[Attempt]:
        return [
            attempt
            for actor, events in self.actors.items()
            if device is None or actor.startswith(device)
            for attempt in attempts(events, self.defined, as_of, self.case.periods)
        ]


def drawn(rng: random.Random, options) -> Drawn:
    """Draw actors and changes: attempts are given, some only after others were given and taken back."""
    case = random_case(rng, options)
    actors = {f"{rng.choice(DEVICES)} {number}": random_events(rng, case.funnel) for number in range(4)}
    changes = []
    for actor, events in actors.items():
        device = actor.split()[0]
        right = tuples(events, case.funnel, case.periods, device)
        wrong = tuples(random_events(rng, case.funnel), case.funnel, case.periods, device)
        changes += [Change((), wrong), Change(wrong, right)] if rng.random() < 0.5 else [Change((), right)]
    return Drawn(case, actors, tuple(changes))


def check(counts: Counts | None, tried: list[Attempt], defined: OptionFunnel, definition: Funnel) -> None:
    """Compare counts with the oracle's sums, times and values."""
    expected = totals(tried, defined)
    assert broken_laws(expected) == [] or defined.order == "any"
    counts = counts or Counts(*[[0] * (len(defined.steps) - 1) for _ in range(3)])
    found = outcomes_of(counts, optional_steps(definition))
    assert counts.entered == expected.entered
    assert counts.converted == expected.by_outcome["converted"]
    steps = defined.required
    for name, column in (
        ("reached", expected.with_step),
        ("entered_at", expected.entered_at),
        ("went_on", expected.continued),
        ("dropped", expected.dropped_at),
        ("excluded", expected.excluded_at),
        ("pending", expected.pending_at),
    ):
        own = dict(enumerate(getattr(found, name), start=1))
        assert {step: own.get(step, 0) for step in defined.numbers} == {
            step: column.get(step, 0) for step in defined.numbers
        }, name
    assert [expected.reached[step] for step in steps] == [found.reached[step - 1] for step in steps]
    took, worth = Counter(), Counter()
    for attempt in tried:
        chain = list(zip(attempt.chain.steps, [event.time for event in attempt.chain.events], strict=True))
        worth.update(attempt.chain.steps)
        for (_, before), (step, time) in pairwise(chain):
            took[step] += (time - before) * SCALE
        if attempt.outcome == "converted":
            took[TOTAL_STEP] += (chain[-1][1] - chain[0][1]) * SCALE
    assert {step: ms for step, ms in counts.duration_ms.items() if ms} == {step: ms for step, ms in took.items() if ms}
    values = {step: sums["EUR"] for step, sums in counts.values.items()}
    assert {step: money.count for step, money in values.items()} == worth
    assert all(money.total == Decimal("1.5") * money.count for money in values.values())


def check_tally(own: Drawn, as_of: int) -> None:
    definition = counting_funnel(own.defined)
    (compiled,) = FunnelSet([definition]).funnels
    tally, times = Tally(compiled, whole_range, as_of * SCALE), StepTimes(undecided_from_ms(definition, as_of * SCALE))
    for change in own.changes:
        tally.take(change)
        times.take(change)
    report = tally.report().attempts
    for split, device in ((WHOLE, None), *[((1, device), device) for device in DEVICES]):
        tried = own.tried(as_of, device)
        check(report.get((None, split)), tried, own.defined, definition)
        check_times(times, split, tried, own.defined)


def check_times(times: StepTimes, split, tried: list[Attempt], defined: OptionFunnel) -> None:
    for step in defined.numbers:
        before, since = [], []
        for attempt in tried:
            if step in attempt.chain.steps[1:]:
                place = attempt.chain.steps.index(step)
                before.append(attempt.chain.events[place].time - attempt.chain.events[place - 1].time)
                since.append(attempt.chain.events[place].time - attempt.chain.start)
        for start, expected in ((FROM_PREVIOUS, before), (FROM_ENTRY, since)):
            found = times.of(split, step, start)
            assert (found.timed if found else 0) == len(expected)
            assert not found or found.mean_ms == sum(expected) * SCALE / len(expected)


def check_slots(own: Drawn, as_of: int, lateness: int) -> None:
    """Compare a rollup; an instant at which slots are decided otherwise than single attempts is left out."""
    definition = counting_funnel(own.defined)
    (compiled,) = FunnelSet([definition]).funnels
    live = FunnelTotals(compiled, LONG, AGES)
    for device in DEVICES:
        live.note((device,))
    live.take(own.changes)
    every = [
        each for events in own.actors.values() for each in every_attempt(events, own.defined, as_of, own.case.periods)
    ]
    ends = {attempt.entry_ms + own.defined.window for attempt in every}
    limit = own.defined.floor(as_of - lateness)
    if ends & {own.defined.floor(as_of) - 1, limit - 1}:
        return
    for step in range(own.last - lateness, as_of - lateness + 1):
        live.move_on((step + lateness) * SCALE, step * SCALE)
    rollup = roll_up(live, as_of * SCALE, {}, None)
    assert broken_laws_of_rollup(Rollup(as_of * SCALE, None, 0, [], 0, 0, [rollup])) == []
    rows = {(kind, row.segment): row.counts for kind in ("total", "settled") for row in getattr(rollup, kind)}
    rows |= {("window", row.segment): row.counts for row in rollup.windows if not row.matured}
    for segment, device in (("", None), *[(device, device) for device in DEVICES]):
        tried = own.tried(as_of, device)
        settled = [attempt for attempt in tried if is_settled(attempt, own.defined, as_of, lateness)]
        check(rows.get(("total", segment)), tried, own.defined, definition)
        check(rows.get(("window", segment)), tried, own.defined, definition)
        check(rows.get(("settled", segment)), settled, own.defined, definition)


def hold(seed: int, options) -> None:
    rng = random.Random(seed)
    own = drawn(rng, options)
    as_of = own.last + rng.randrange(own.defined.window + 4)
    check_tally(own, as_of)
    check_slots(own, as_of, rng.randrange(8))


@pytest.mark.parametrize("options", [(), *[(each,) for each in OPTIONS], None], ids=str)
@settings(max_examples=80)
@given(st.integers(0, 2**32))
def test_counts_are_the_oracles(options, seed):
    hold(seed, options)


@settings(max_examples=200)
@given(
    st.integers(0, 2**32), st.sampled_from(list(combinations(("optional", "open", "remove_actor", "granularity"), 2)))
)
def test_counts_of_two_options_together_are_the_oracles(seed, pair):
    if set(pair) != {"open", "remove_actor"}:  # which is refused
        hold(seed, pair)


def filled(ages):
    """Return counts by age without zeros."""
    kept = {segments: {key: count for key, count in counts.items() if count} for segments, counts in ages.items()}
    return {segments: counts for segments, counts in kept.items() if counts}


@settings(max_examples=50)
@given(st.integers(0, 2**32))
def test_the_way_for_any_funnel_counts_a_plain_one_alike(seed):
    own = drawn(random.Random(seed), ())
    definition = counting_funnel(own.defined)
    assert is_plain(definition)
    (compiled,) = FunnelSet([definition]).funnels
    rule = FunnelTotals(compiled, LONG, AGES).age_rule
    parts = own.changes, compiled.step_count, SCALE, rule
    plain, any_way = gather(*parts), gather_any(*parts)
    assert (plain.open, plain.closed, plain.periods) == (any_way.open, any_way.closed, any_way.periods)
    assert filled(plain.ages) == filled(any_way.ages)
