"""What must hold of every funnel with options, on random cases; a failing case prints itself in notation."""

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings

from support import oracle
from support.notation import LATE_MS
from support.options.actors import actor_results
from support.options.attempts import anchors, attempts
from support.options.cases import OPTIONS, Case, cases, random_case
from support.options.chains import Chain, Path, chains, longest
from support.options.funnels import OptionFunnel, OStep, refusals
from support.options.notation import attempts_of, funnel, funnel_text, path, path_text
from support.options.totals import broken_laws, totals
from support.options.units import units

EVER = (-(10**6), 10**6)
MIXES = [
    None,
    *([option] for option in OPTIONS),
    ["strict", "within", "optional"],
    ["not_before", "within", "optional", "range"],
    ["strict", "not_before", "range"],
    ["strict_time", "optional", "within"],
    ["open", "within", "optional"],
    ["open", "not_before", "strict"],
    ["any", "remove_actor", "hold"],
    ["first", "range", "remove_actor"],
    ["hold", "gap", "strict", "exclude"],
]


def each_mix(n):
    """Every mix of options with `n` cases of it, drawn the same way every time."""
    return pytest.mark.parametrize(
        "drawn",
        [pytest.param((f"{mix}", mix, n), id="+".join(mix or ["some of all"]).replace(" ", "-")) for mix in MIXES],
    )


def draw(drawn, **limits):
    seed, mix, n = drawn
    rng = random.Random(seed)
    return [random_case(rng, mix, **limits) for _ in range(n)]


def kept_in(case: Case) -> Case:
    """Return the same case with exclusions that take nobody out."""
    exclusions = tuple(replace(exclusion, effect="end_attempt") for exclusion in case.funnel.exclusions)
    return replace(case, funnel=replace(case.funnel, exclusions=exclusions))


@each_mix(150)
def test_attempts_agree_with_the_longest_chain(drawn):
    for case in map(kept_in, draw(drawn)):
        tried = attempts(case.events, case.funnel, case.as_of, case.periods)
        for unit, own in units(case.events, case.funnel, case.as_of).items():
            mine = [a for a in tried if a.unit == unit]
            depth = longest(Path(own, case.funnel, anchors(own, case.funnel, case.periods)))
            assert max((a.best for a in mine), default=0) == depth, case
            assert any(a.outcome == "converted" for a in mine) == (depth == len(case.funnel.steps)), case


@each_mix(150)
def test_the_conservation_laws_hold(drawn):
    for case in draw(drawn):
        assert broken_laws(totals(attempts(case.events, case.funnel, case.as_of, case.periods), case.funnel)) == [], (
            case
        )


@each_mix(150)
def test_an_attempt_lies_in_its_window_and_holds_its_chain(drawn):
    for case in draw(drawn):
        window = case.funnel.window
        for unit in units(case.events, case.funnel, case.as_of):
            mine = [a for a in attempts(case.events, case.funnel, case.as_of, case.periods) if a.unit == unit]
            for a in mine:
                end = a.entry_ms + window if a.closed_ms is None else a.closed_ms
                assert a.entry_ms <= a.chain.start <= a.chain.last <= end <= a.entry_ms + window, case
                assert a.chain.level == a.best, case
                assert (a.closed_ms is None) == (a.outcome == "pending"), case
                assert a.outcome != "dropped" or a.closed_ms == a.entry_ms + window, case
            assert all(a.entry_ms < b.entry_ms for a, b in itertools.pairwise(mine)), case


@each_mix(60)
def test_log_order_changes_nothing(drawn):
    for case in draw(drawn):
        shuffled = random.Random(1).sample(case.events, len(case.events))
        for result in (
            attempts,
            lambda events, defined, as_of, periods: actor_results(events, defined, periods, as_of),
        ):
            assert result(shuffled, case.funnel, case.as_of, case.periods) == result(
                case.events, case.funnel, case.as_of, case.periods
            ), case


@each_mix(40)
def test_what_closed_stays_closed(drawn):
    for case in draw(drawn):
        final = attempts(case.events, case.funnel, LATE_MS, case.periods)
        for as_of in range(-4, 24, 3):
            tried = attempts(case.events, case.funnel, as_of, case.periods)
            assert [a for a in tried if a.outcome != "pending" and a not in final] == [], (case, as_of)


@each_mix(60)
def test_actors_over_all_time_reach_the_longest_chain(drawn):
    for case in map(kept_in, draw(drawn)):
        results = {r.unit: r.depth for r in actor_results(case.events, case.funnel, [EVER], case.as_of)}
        for unit, own in units(case.events, case.funnel, case.as_of).items():
            assert results.get(unit, 0) == longest(Path(own, case.funnel, anchors(own, case.funnel, [EVER]))), case


@each_mix(60)
def test_the_depth_over_a_range_is_the_largest_of_its_periods(drawn):
    """Not with remove_actor, and not with entry: first, whose anchor is another for another period."""
    for case in map(kept_in, draw(drawn)):
        if case.funnel.entry_first:
            continue
        whole = actor_results(case.events, case.funnel, [EVER], case.as_of)
        parts = actor_results(case.events, case.funnel, case.periods, case.as_of)
        assert all(r.depth == max(p.depth for p in parts if p.unit == r.unit) for r in whole), case


@pytest.mark.parametrize("mix", [["remove_actor"], ["remove_actor", "range"], ["remove_actor", "any"]], ids="+".join)
def test_remove_actor_only_ever_takes_out(mix):
    """An attempt or a period is as it was without the effect, or gone; something is gone, and something stays."""
    gone, stayed = 0, 0
    for case in draw(("removal", mix, 600)):
        lasting = kept_in(case)
        tried = attempts(case.events, case.funnel, case.as_of, case.periods)
        before = attempts(lasting.events, lasting.funnel, case.as_of, case.periods)
        assert [a for a in tried if replace(a, cleared=None) not in [replace(b, cleared=None) for b in before]] == []
        assert [b for b in before if b.outcome != "excluded" and b.best not in [a.best for a in tried]] == [], case
        results = actor_results(case.events, case.funnel, case.periods, case.as_of)
        entered = actor_results(lasting.events, lasting.funnel, case.periods, case.as_of)
        assert [(r.unit, r.period) for r in results] == [(r.unit, r.period) for r in entered], case
        assert all(r.removed or r == e for r, e in zip(results, entered, strict=True)), case
        gone += sum(r.removed for r in results)
        stayed += sum(not r.removed for r in results)
    assert gone > 50
    assert stayed > 50


def test_without_options_it_is_the_plain_oracle():
    rng = random.Random("plain")
    for _ in range(1_500):
        case = random_case(rng, [])
        plain = oracle.OFunnel(tuple(step.names for step in case.funnel.steps), case.funnel.window)
        ours = attempts(case.events, case.funnel, case.as_of)
        theirs = oracle.attempts(case.events, plain, case.as_of)
        assert [(a.entry_ms, a.best, a.outcome, a.chain.events, a.closed_ms, a.entry_segment) for a in ours] == [
            (a.entry_ms, a.best, a.outcome, a.chain, a.closed_ms, a.entry_segment) for a in theirs
        ], case
        for period in case.periods:
            depth, chain = oracle.actor_result(case.events, plain, *period, case.as_of)
            found = actor_results(case.events, case.funnel, [period], case.as_of)
            assert [(r.depth, r.chain.events) for r in found] == ([(depth, chain)] if depth else []), case


@each_mix(25)
def test_chains_lists_exactly_the_chains(drawn):
    """Against the definition itself: every ordered choice of events for steps, asked each rule in turn."""
    for case in draw(drawn, max_events=5, max_steps=4):
        if case.funnel.is_open:
            continue  # where a chain may start depends on the chains there are
        for own in units(case.events, case.funnel, case.as_of).values():
            found = chains(Path(own, case.funnel))
            assert len(found) == len(set(found)), case
            assert set(found) == set(by_definition(own, case.funnel)), case


def by_definition(events, defined):
    if defined.order == "any":
        return [
            Chain(size, tuple(range(1, size + 1)), tuple(sorted(chosen, key=lambda e: (e.time, e.id))))
            for size in defined.numbers
            for steps in itertools.combinations(defined.numbers, size)
            for chosen in itertools.permutations(events, size)
            if all(defined.serves(e, step) for e, step in zip(chosen, steps, strict=True))
            and is_set(chosen, events, defined)
        ]
    return [
        Chain(steps[-1], steps, chosen)
        for size in defined.numbers
        for steps in itertools.combinations(defined.numbers, size)
        if steps[0] == 1 and set(defined.required) - set(steps) <= set(range(steps[-1] + 1, len(defined.steps) + 1))
        for chosen in itertools.permutations(events, size)
        if is_chain(steps, chosen, events, defined)
    ]


def is_set(chosen, events, defined):
    times = sorted(e.time for e in chosen)
    excluding = [e.time for e in events for x in defined.exclusions if defined.excludes(e, x)]
    return (
        times[-1] - times[0] <= defined.window
        and (len(set(times)) == len(times) or not defined.strict_time)
        and not any(times[0] < time < times[-1] for time in excluding)
    )


def is_chain(steps, chosen, events, defined):
    times = dict(zip(steps, (e.time for e in chosen), strict=True))
    pairs = list(itertools.pairwise(steps))
    gaps = {after: times[after] - times[before] for before, after in pairs}
    foreign = [
        e
        for before, after in pairs
        for e in events
        if defined.order == "strict" and times[before] < e.time < times[after] and defined.breaks(e, before)
    ]
    hits = [
        e
        for x in defined.exclusions
        for e in events
        if defined.excludes(e, x)
        and defined.range_of(x)[0] in times
        and times[defined.range_of(x)[0]] < e.time < times[min(defined.range_of(x)[1], steps[-1])]
    ]
    return (
        all(defined.serves(e, step) for e, step in zip(chosen, steps, strict=True))
        and all(gap >= (1 if defined.strict_time else 0) for gap in gaps.values())
        and all(
            defined.steps[step - 1].not_before <= gap <= defined.steps[step - 1].within for step, gap in gaps.items()
        )
        and times[steps[-1]] - times[1] <= defined.window
        and not foreign
        and not hits
    )


@given(cases())
@settings(max_examples=60)
def test_hypothesis_can_draw_cases_too(case):
    assert refusals(case.funnel) == []
    assert broken_laws(totals(attempts(case.events, case.funnel, case.as_of, case.periods), case.funnel)) == []


@each_mix(60)
def test_a_case_is_read_back_from_its_text(drawn):
    for case in draw(drawn):
        assert funnel(funnel_text(case.funnel)) == case.funnel
        assert path(path_text(case.events)) == list(case.events)


def test_the_cases_meet_every_outcome_and_every_depth():
    rng = random.Random("coverage")
    outcomes, depths, removed = set(), set(), 0
    for _ in range(3_000):
        case = random_case(rng)
        tried = attempts(case.events, case.funnel, case.as_of, case.periods)
        outcomes |= {a.outcome for a in tried}
        depths |= {(a.best, len(case.funnel.steps)) for a in tried}
        removed += sum(r.removed for r in actor_results(case.events, case.funnel, case.periods, case.as_of))
    assert outcomes == {"converted", "dropped", "excluded", "pending"}
    assert depths == {(best, n) for n in range(2, 6) for best in range(1, n + 1)}
    assert removed > 20


def test_a_mix_that_is_refused_cannot_be_drawn():
    with pytest.raises(ValueError, match="cannot be combined"):
        random_case(random.Random(0), ["any", "open"])


def test_totals_count_what_the_laws_speak_of():
    tried = attempts_of("A@0 C@1 A@20 B@21 A@40 X@41 A@60", "A>B?>C>D/10 exclude X", as_of=60)
    t = totals(tried, funnel("A>B?>C>D/10 exclude X"))
    assert t.by_outcome == {"converted": 0, "dropped": 2, "excluded": 1, "pending": 1}
    assert (t.reached, t.continued) == ({1: 4, 3: 1, 4: 0}, {1: 1, 3: 0})
    assert (t.dropped_at, t.excluded_at, t.pending_at) == ({1: 1, 3: 1, 4: 0}, {1: 1, 3: 0, 4: 0}, {1: 1, 3: 0, 4: 0})
    assert t.with_step == {1: 4, 2: 1, 3: 1, 4: 0}
    assert broken_laws(t) == []


def test_totals_of_an_open_funnel_say_where_it_was_entered():
    defined = funnel("A>B>C/10 open")
    t = totals(attempts_of("A@0 C@20 B@40 C@41", "A>B>C/10 open"), defined)
    assert (t.entered_at, t.reached, t.continued) == ({1: 1, 2: 1, 3: 1}, {1: 1, 2: 1, 3: 2}, {1: 0, 2: 1})
    assert broken_laws(t) == []


def test_a_lost_attempt_breaks_a_law():
    t = totals(attempts_of("A@0 A@20 B@22", "A>B/10"), funnel("A>B/10"))
    t.dropped_at[1] = 0
    assert broken_laws(t) == ["reached(1) = continued(1) + dropped_at(1) + excluded_at(1) + pending_at(1)"]


def test_no_options_no_refusals():
    assert refusals(OptionFunnel((OStep(frozenset("A")), OStep(frozenset("B"))), 10)) == []
