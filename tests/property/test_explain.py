"""What is explained is what was counted, and every reason is true: laws on random cases, most against the oracle.

The oracle lists every chain there is, so that it can tell whether an event could have been part of one.

`CASES` sets how many cases there are of each option (default 40).
"""

import os
import random
from dataclasses import replace

import pytest

from stream.engine.chains import start_of
from stream.engine.codec import decode_states
from stream.engine.explain import Outcome, Why, explain, explainable, stored_units
from stream.engine.option_fold import options_of
from support.explained import Explained
from support.option_engine import ACTOR, _of_engine, _Run, by_engine, by_oracle
from support.option_engine import Outcome as Result
from support.options.actors import actor_results
from support.options.attempts import anchors, attempts
from support.options.cases import OPTIONS, random_case
from support.options.chains import Path, chains
from support.options.units import units

CASES = int(os.environ.get("CASES", "40"))
KINDS = [(option,) for option in OPTIONS] + [None, ()]
NOTHING_MADE = {
    Why.TOO_SOON, Why.EXCLUDED, Why.BROKEN, Why.CONSUMED, Why.OUTSIDE_WINDOW, Why.OTHER_UNIT, Why.NOT_FIRST, Why.ORDER,
}  # fmt: skip


def drawn(options):
    for seed in range(CASES):
        yield random_case(random.Random(f"explain {options} {seed}"), options)


def told(case, events=None):
    return Explained(case.events if events is None else events, case.funnel, case.as_of, case.periods)


def found(explained):
    """Return the results in the form in which the engine's and the oracle's are compared."""
    tried = [
        Result(each.attempt[0], each.attempt[1], str(each.outcome), _of_engine(each.attempt[2]))
        for story in explained.stories
        for each in story.tried
        if each.outcome is not Outcome.REMOVED
    ]
    results = [
        Result(each.start_ms, each.level, "", _of_engine(each.chain))
        for story in explained.stories
        for each in story.periods
        if each.level
    ]
    return sorted(tried), sorted(results)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_the_attempts_and_periods_explained_are_the_engines(options):
    for case in drawn(options):
        assert found(told(case)) == by_engine(case, random.Random(1), None)[:2] == by_oracle(case)[:2], case


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_an_event_counts_iff_it_is_in_a_reported_chain(options):
    for case in drawn(options):
        explained = told(case)
        reported = {
            event.id for attempt in attempts(case.events, case.funnel, case.as_of, case.periods)
            for event in attempt.chain.events
        } | {
            event.id for result in actor_results(case.events, case.funnel, case.periods, case.as_of)
            if not result.removed for event in result.chain.events
        }  # fmt: skip
        counted = {
            event.id for event in explained.events if any(act.why is Why.COUNTED for _, act in explained.acts(event))
        }
        assert counted == reported, case


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_only_an_event_without_a_role_matches_nothing(options):
    for case in drawn(options):
        explained = told(case)
        for event in explained.events:
            acts = [act.why for _, act in explained.acts(event)]
            has_role = bool(explained.roles(event))
            assert (set(acts) <= {Why.NO_MATCH}) == (not has_role), (case, event, acts)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_without_what_matches_nothing_nothing_changes(options):
    for case in drawn(options):
        explained = told(case)
        for event in explained.events:
            if explained.roles(event) is None:
                others = [other for other in case.events if other is not event]
                assert found(told(case, others)) == found(explained), (case, event)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_chain_was_made_or_not_as_it_is_said(options):
    """The oracle looks for a chain with it among the events up to it that no conversion has consumed."""
    for case in drawn(options):
        explained = told(case)
        for event in explained.events:
            for story, act in explained.acts(event):
                if act.why is Why.OTHER_CHAIN and act.period_ms is None:
                    assert could(case, event, story), (case, event, act)
                if act.why in NOTHING_MADE:
                    assert not could(case, event, story), (case, event, act)


def could(case, event, story):
    time_ms = case.funnel.floor(event.time)
    conversions = [each.closed_ms for each in story.tried if each.outcome is Outcome.CONVERTED]
    consumed = max((each for each in conversions if each < time_ms), default=-(10**9))
    for own in units(case.events, case.funnel, case.as_of).values():
        if not any(other.id == event.id for other in own):
            continue
        anchored = anchors(own, case.funnel, case.periods)
        known = [other for other in own if consumed < other.time <= time_ms]
        made = chains(Path(known, case.funnel, anchored))
        return any(any(other.id == event.id for other in chain.events) for chain in made)
    return False


@pytest.mark.parametrize("options", [("exclude",), ("range",), ("strict",), ("events",), ("remove_actor",)], ids=str)
def test_without_exclusions_or_strict_order_there_would_have_been_the_chain_that_they_ended(options):
    for case in drawn(options):
        explained = told(case)
        for event in explained.events:
            for story, act in explained.acts(event):
                if act.why not in {Why.EXCLUDED, Why.BROKEN}:
                    continue
                time_ms = explained.key(event)[0]
                assert act.by, (case, event)
                assert all(start_of(act.chain) < by_ms < time_ms for by_ms, _ in act.by), (case, event, act)
                free = replace(case.funnel, **({"exclusions": ()} if act.why is Why.EXCLUDED else {"order": "ordered"}))
                assert could(replace(case, funnel=free), event, story), (case, event, act)


def test_a_plain_funnel_is_explained_with_the_fold_of_options_and_comes_to_the_same():
    plain = 0
    for case in drawn(()):
        (funnel,) = told(case).funnels.funnels
        if options_of(funnel.definition) is None:
            plain += 1
            assert funnel.options is None
            assert found(told(case)) == by_engine(case, random.Random(2), 3)[:2], case
    assert plain > CASES / 2


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_what_is_stored_is_explained_as_far_as_it_is_known(options):
    """Of what is sealed only the fold is known: its last attempts and chains, and every event after it."""
    for case in drawn(options):
        whole = told(case)
        run = _Run(case, 3, ())
        for event in sorted(whole.events, key=lambda event: event.time):
            run.take([event])
        blob = run._stored.get(ACTOR.encode())
        if blob is None:
            assert not any(story.acts for story in whole.stories)
            continue
        (state,) = decode_states(blob, run._funnels.by_number).values()
        units = stored_units(run._funnel, state)
        funnel = explainable(run._funnel)
        stories = explain(funnel, units, case.as_of)
        every = results(whole.stories)
        stored = results(stories)
        assert not stored - every, case
        if case.funnel.session_gap is None:  # a session that is over may be sealed while its attempt is pending
            assert {each for each in every if each[0] == "a" and each[3] == "pending"} <= stored, case
        for story in stories:
            known = next(each for each in whole.stories if each.unit == story.unit)
            for key in story.acts:
                if story.act(key).why is Why.COUNTED:
                    assert known.act(key).why is Why.COUNTED, (case, key)


def results(stories):
    return {
        ("a", each.attempt[0], each.attempt[1], str(each.outcome), _of_engine(each.attempt[2]))
        for story in stories
        for each in story.tried
    } | {("p", each.start_ms, each.level, _of_engine(each.chain)) for story in stories for each in story.periods}


def test_removing_a_copy_changes_nothing():
    for case in drawn(None):
        if case.events:
            rng = random.Random(case.as_of)
            copy = rng.choice(case.events)
            assert found(told(replace(case, events=(*case.events, copy)))) == found(told(case)), case
