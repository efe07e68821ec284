"""Which events an attempt and an actor take their breakdown value from."""

import random
from dataclasses import replace

import pytest

from stream.engine.match import FunnelSet
from stream.engine.option_fold import Standing
from stream.engine.table import ActorTable, by_actor
from stream.model.funnel import Attribution, Breakdown, ValueRule
from support.notation import LATE_MS, path
from support.option_engine import Found, by_engine, by_oracle
from support.options.cases import Case
from support.options.notation import funnel
from support.options.segments import Split
from support.product import product_breakdown, product_funnel
from support.tables import states_in

EVER = ((-1000, 1000),)
FIRST_TOUCH = Split(("p",))
FIRST_DEFINED = Split(("p",), "first_defined")
LAST_TOUCH = Split(("p",), "last_touch")


def step(number):
    return Split(("p",), "step", number)


def said(path_text, funnel_text, split) -> tuple[list[str], list[str]]:
    """Return the values of the attempts and of the actors; engine and oracle agree, whatever the order of arrival."""
    case = Case(funnel(funnel_text), tuple(path(path_text)), LATE_MS, EVER)
    expected = by_oracle(case, [split])
    for seed in range(5):
        rng = random.Random(seed)
        events = tuple(rng.sample(case.events, len(case.events)))
        assert by_engine(replace(case, events=events), rng, None, [split]) == expected
    return _values(expected)


def _values(found: Found) -> tuple[list[str], list[str]]:
    return [value for each in found.attempts for value in each.segments], [
        value for each in found.periods for value in each.segments
    ]


@pytest.mark.parametrize(
    ("events", "defined", "split", "attempts", "actors"),
    [
        pytest.param("A@0{p=x} B@1{p=y}", "A>B/9", FIRST_TOUCH, ["x"], ["x"], id="the-entry-event"),
        pytest.param("A@0 B@1{p=y}", "A>B/9", FIRST_TOUCH, ["__none__"], ["__none__"], id="even-if-it-has-none"),
        pytest.param("A@0 B@1{p=y} C@2{p=z}", "A>B>C/9", FIRST_DEFINED, ["y"], ["y"], id="the-first-that-has-it"),
        pytest.param("A@0{p=x} B@1{p=y} C@2", "A>B>C/9", LAST_TOUCH, ["y"], ["y"], id="the-last-that-has-it"),
        pytest.param("A@0{p=x} B@1{p=y} C@2", "A>B>C/9", step(2), ["y"], ["y"], id="the-event-of-a-step"),
        pytest.param("A@0{p=x} B@1", "A>B>C/9", step(2), ["__none__"], ["__none__"], id="a-step-without-the-property"),
        pytest.param("A@0{p=x}", "A>B/9", step(2), ["__none__"], ["__none__"], id="a-step-that-is-not-reached"),
        pytest.param("A@0 C@2{p=z}", "A>B?>C/9", step(2), ["__none__"], ["__none__"], id="a-step-that-is-skipped"),
        pytest.param(
            "A@0 A@1{p=x} B@2", "A>B/9", FIRST_DEFINED, ["x"], ["x"], id="a-later-start-is-in-the-reported-chain"
        ),
        pytest.param(
            "A@0 B@1 B@2{p=y} C@3", "A>B>C/9", FIRST_DEFINED, ["y"], ["__none__"],
            id="what-serves-a-step-counts-in-attempts-and-what-is-reported-in-actors",
        ),
        pytest.param("A@0 X@1{p=x} B@2", "A>B/9", LAST_TOUCH, ["__none__"], ["__none__"], id="no-step-no-touch"),
        pytest.param("A@0 B@5 B@5{p=x} B@5{p=y}", "A>B/9", FIRST_DEFINED, ["x"], ["__none__"], id="ties-smallest-id"),
        pytest.param("A#b@5{p=x} B#a@5{p=y}", "A>B/9", FIRST_DEFINED, ["y"], ["y"], id="ties-inside-a-chain"),
        pytest.param("A#b@5{p=x} B#a@5{p=y}", "A>B/9", LAST_TOUCH, ["x"], ["x"], id="ties-largest-id-for-the-last"),
        pytest.param("A@0 B@1 A@2{p=x}", "A>B/9", LAST_TOUCH, ["__none__", "x"], ["__none__"], id="after-the-close"),
        pytest.param(
            "A@0 B@9 A@10{p=x}", "A>B>C/9", LAST_TOUCH, ["__none__", "x"], ["__none__"], id="after-the-window"
        ),
        pytest.param("A@0 B@1 B#z@1{p=x}", "A>B/9", LAST_TOUCH, ["x"], ["__none__"], id="at-the-closing-instant"),
        pytest.param(
            "A@-2 A@0 B@1{p=x} A@3 C@9", "A>B>C>D/10", LAST_TOUCH, ["x", "x"], ["x"],
            id="an-older-chain-of-several-brings-what-was-said-since-it-began",
        ),
        pytest.param(
            "A@-2 A@0 B@1{p=x} B@2{p=y} C@9{p=z}", "A>B>C>D/10", FIRST_DEFINED, ["x", "x"], ["x"],
            id="of-what-was-said-since-it-began-the-first",
        ),
        pytest.param(
            "A@-2 B@-1{p=w} A@0 B@5 C@9{p=z}", "A>B>C>D/10", FIRST_DEFINED, ["w", "z"], ["z"],
            id="what-was-said-before-it-began-is-not-its-own",
        ),
        pytest.param(
            "A@-2 A@0{p=x} B@1 A@3 C@9", "A>B>C>D/10", LAST_TOUCH, ["x", "x"], ["x"],
            id="what-was-said-at-its-start-is-its-own-although-a-later-start-has-come",
        ),
    ],
)  # fmt: skip
def test_the_value_is_that_of(events, defined, split, attempts, actors):
    assert said(events, defined, split) == (attempts, actors)


def test_an_attempt_that_opens_on_older_chains_has_the_first_and_the_last_since_it_began():
    case = Case(funnel("A>B>C>D/10"), tuple(path("A@-2 A@0 B@1{p=x} B@2{p=y} C@9")), LATE_MS, EVER)
    splits = [FIRST_DEFINED, LAST_TOUCH]
    found = by_engine(case, random.Random(0), None, splits)
    assert [each.segments for each in found.attempts] == [("x", "y"), ("x", "y")]
    assert found == by_oracle(case, splits)


def test_in_any_order_an_event_with_a_value_says_something_too():
    defined = product_funnel(funnel("A>B/10 any"))
    steps = tuple(replace(each, value=ValueRule("amount")) for each in defined.steps)
    funnels = FunnelSet([replace(defined, steps=steps, breakdowns=(product_breakdown(LAST_TOUCH, "last"),))])
    table = ActorTable(funnels, str.encode, is_complete=True)
    said = {"p": "x", "amount": 5}
    column = [said.get(name) for name in funnels.property_paths]
    batch = by_actor([("u", 0, "i0", "A", column, -1), ("u", 1, "i1", "B", [None, None], -1)])
    table.missing(batch)
    ((compiled_funnel, change),) = table.apply(batch, None).changes[-1:]
    ((_, _, _, level, chain),) = change.given_periods
    assert (level, compiled_funnel.touch_of_chain(chain)) == (2, (("x",), ()))


def compiled(*splits):
    """Compile A, B, C within 10 ms with these splits; returns the set and its funnel."""
    breakdowns = tuple(product_breakdown(split, str(place)) for place, split in enumerate(splits))
    funnels = FunnelSet([replace(product_funnel(funnel("A>B>C/10")), breakdowns=breakdowns)])
    return funnels, funnels.funnels[0]


def test_a_funnel_whose_values_are_those_of_entry_events_is_a_plain_one():
    _, plain = compiled(FIRST_TOUCH, Split(("q",), "all_steps"))
    assert plain.options is None
    assert plain.touch_of_chain((5, (("x", "y"), ()), 6, None)) == (("x", "y"), ())
    assert [plain.touch((step,), ("x", "y")) for step in (0, 1)] == [(("x", "y"), ()), None]


def test_in_another_funnel_every_event_of_a_step_says_something():
    _, other = compiled(FIRST_TOUCH, LAST_TOUCH)
    assert other.options is not None
    assert [other.touch((step,), ("x",)) for step in (0, 1, 2)] == [(("x", "x"), ())] * 3
    assert other.touch((-1,), ("x",)) is None


@pytest.mark.parametrize(("split", "most"), [(FIRST_TOUCH, 0), (step(2), 0), (LAST_TOUCH, 1), (FIRST_DEFINED, 2)])
def test_what_is_remembered_of_events_is_no_more_than_what_kept_chains_could_ask_for(split, most):
    funnels, _ = compiled(split, step(3))
    table = ActorTable(funnels, str.encode, is_complete=True)
    rng = random.Random("notes")
    column = [rng.choice(["x", "y", None]) for _ in range(300)]
    events = [("u", time_ms, f"i{time_ms}", rng.choice("AAB"), [text], -1) for time_ms, text in enumerate(column)]
    batch = by_actor(events)
    table.missing(batch)
    table.apply(batch, None)
    ((_, states),) = states_in(table)
    notes = [len(Standing(*entry[4]).notes) for entry in states[0].entries[1:]]
    assert max(notes) == most


def test_an_event_out_of_order_that_gives_an_attempt_another_value_corrects_it():
    funnels, _ = compiled(LAST_TOUCH)
    table = ActorTable(funnels, str.encode, is_complete=True)
    changes = []
    for time_ms, name, text in ((0, "A", "x"), (5, "B", None), (3, "C", "y"), (4, "C", None)):
        batch = by_actor([("u", time_ms, f"i{time_ms}", name, [text], -1)])
        table.missing(batch)
        changes.append([change for _, change in table.apply(batch, None).changes])
    assert [sum(change.corrections for change in own) for own in changes] == [0, 0, 1, 0]
    ((corrected,),) = changes[2:3]
    assert [(each[1], each[3][0]) for each in (*corrected.taken, *corrected.given)] == [(2, ("x",)), (2, ("y",))]


def test_a_chain_that_says_nothing_has_no_value():
    _, other = compiled(FIRST_TOUCH, LAST_TOUCH, step(2))
    assert other.touch_of_chain((5, None)) == (("__none__",) * 3, ())


def test_a_definition_without_attribution_is_one_of_entry_events():
    breakdown = Breakdown("device", ("device",))
    assert (breakdown.attribution, breakdown.is_by_entry) == (Attribution.FIRST_TOUCH, True)
