"""Funnels with options, an event at a time: verdicts, what is said of the entry and of values, what is kept."""

from dataclasses import replace

import pytest

from stream.engine.advance import NO_CAP
from stream.engine.attempts import first_times
from stream.engine.codec import decode_states, encode_whole
from stream.engine.match import FunnelSet
from stream.engine.option_fold import Standing
from stream.engine.optioned import UnitStates, says_nothing, seal_in_record, seal_units, take_event
from stream.engine.periods import DAY_MS
from stream.engine.state import FunnelState, fold_of
from stream.model.funnel import Breakdown, ValueRule
from support.notation import path
from support.options.notation import funnel
from support.product import product_funnel

NO_LIMIT = -(10**9)


class Run:
    """One actor; properties `tag` and `amount` are what events say."""

    def __init__(self, text, events="", bot_cap=NO_CAP, limit=NO_LIMIT):
        defined = product_funnel(funnel(text))
        steps = tuple(replace(step, value=ValueRule("amount")) for step in defined.steps)
        self.funnels = FunnelSet([replace(defined, steps=steps, breakdowns=(Breakdown("tag", ("tag",)),))])
        (self.funnel,) = self.funnels.funnels
        self.record = [b"", None]
        self.bot_cap = bot_cap
        self.verdicts = []
        self.attempts = []
        self.take(events, limit)

    def take(self, events, limit=NO_LIMIT):
        for event in path(events):
            properties = [event.properties.get(name) for name in self.funnels.property_paths]
            for compiled, roles in self.funnels.served(event.name, properties):
                admitted = ("u", event.time, event.id, event.name, properties, limit)
                verdict, changes, _ = take_event(self.record, compiled, roles, admitted, self.bot_cap)
                self.verdicts.append(verdict.label)
                for change in changes:
                    for attempt in change.taken:
                        self.attempts.remove(attempt)
                    self.attempts += change.given

    @property
    def shown(self):
        return [f"{entry} {best}: {' '.join(map(str, chain[::2]))}" for entry, best, chain, *_ in sorted(self.attempts)]

    @property
    def standing(self):
        return Standing(*fold_of(self.record[1][-1])[0])


@pytest.mark.parametrize(
    ("text", "events", "expected"),
    [
        pytest.param("A>B/10 hold p", "A#x@0{p=a} A#x@0{p=a}", "accepted duplicate", id="a-copy"),
        pytest.param("A>B/10 hold p", "A#x@0{p=a} A#x@1{p=a}", "accepted accepted", id="another-time-is-no-copy"),
        pytest.param("A>B/10 strict hold p", "X#x@0 X#x@0", "accepted duplicate", id="a-copy-that-has-no-unit"),
        pytest.param("A>B/10 strict hold p", "A#a@0{p=a} X#x@1 X#x@1", "accepted accepted duplicate",
                     id="a-copy-that-breaks-every-unit"),
        pytest.param("A>A/10 granularity 5", "A#x@0 A#x@1 A#x@1", "accepted accepted duplicate",
                     id="identity-goes-by-the-events-own-time"),
    ],
)  # fmt: skip
def test_duplicates(text, events, expected):
    assert Run(text, events).verdicts == expected.split()


@pytest.mark.parametrize(
    ("text", "cap", "events", "last", "expected"),
    [
        pytest.param("A>B/10 hold p", 1, "A@0{p=a}", "A@1{p=a}", "accepted", id="reached-is-not-exceeded"),
        pytest.param("A>B/10 hold p", 1, "A@0{p=a} A@1{p=b}", "A#c@2{p=a}", "bot", id="over-all-units"),
        pytest.param("A>B/10 hold p", 1, "A@0{p=a} A@1{p=a}", "A#c@5{p=a} 1", "accepted", id="above-the-limit-only"),
        pytest.param("A>B/10 gap 9 hold p", 2, "A@0{p=a} A@1{p=b}", "A#c@2{p=a}", "accepted",
                     id="an-event-that-happened-in-two-units-is-one"),
        pytest.param("A>B/10 strict hold p", 1, "X@0 X@1", "X#c@2", "bot", id="events-without-a-unit-too"),
        pytest.param("A>B/10 strict hold p", 1, "X@0 X@1", "X#c@5 1", "accepted", id="these-above-the-limit-only-too"),
        pytest.param("A>B/10 granularity 5", 1, "A@0 A@1", "A#c@6 3", "bot", id="the-limit-is-floored"),
        pytest.param("A>B not_before 9/20", 2, "A@0 A@1 A@2", "A#c@5 4", "bot", id="starts-whose-gap-is-not-over-too"),
        pytest.param("A>B not_before 9/20", 2, "A@0 A@1", "A#c@5 0", "accepted", id="but-none-twice"),
        pytest.param("A>B>C/20", 1, "A@0 B@1", "A#c@5 4", "accepted", id="no-other-chain-that-is-kept"),
        pytest.param("A>B not_before 9/20 hold p", 2, "A@0{p=a} A@1{p=a} A@2{p=b}", "A#c@5{p=a} 4", "bot",
                     id="kept-starts-over-all-units"),
        pytest.param("A>B not_before 9/20 hold p", 2, "A@0{p=a} A@1{p=b}", "A#c@5{p=a} 0", "accepted",
                     id="of-units-none-twice"),
        pytest.param("A>B not_before 9/20", 1, "A@0 A@1 A@2", "A#c@15 12", "accepted", id="none-whose-gap-is-over"),
        pytest.param("A>B/10 hold p", 1, "A@0{p=a} A@1{p=b}", "A#c@5{p=c} 4", "bot", id="each-sealed-unit-is-one"),
        pytest.param("A>B/10 hold p", 1, "A@0{p=a} A@1{p=b}", "A#c@5000000000{p=c} 4000000000", "accepted",
                     id="as-long-as-it-matters"),
    ],
)  # fmt: skip
def test_the_bot_cap(text, cap, events, last, expected):
    """`last` is EVENT or EVENT LIMIT."""
    actor = Run(text, events, cap)
    event, _, limit = last.partition(" ")
    actor.take(event, int(limit or NO_LIMIT))
    assert actor.verdicts[-1] == expected


@pytest.mark.parametrize("text", ["A>B not_before 9/20", "A>B not_before 9/20 hold p"])
def test_kept_starts_count_for_the_bot_cap_although_their_events_are_sealed(text):
    actor = Run(text, "A@0{p=a} A@1{p=a} A@2{p=a}", bot_cap=2)
    seal_in_record(actor.record, actor.funnel, 4)
    actor.take("A#c@5{p=a}", limit=4)
    assert actor.verdicts[-1] == "bot"


def test_what_happened_for_all_units_is_kept_until_it_is_below_the_limit():
    actor = Run("A>B/10 strict hold p", "X#x@5 X#y@4")
    seal_units(actor.funnel, actor.record[1], 5)
    assert [hit[0] for _, hit in actor.record[1].shared] == [5]
    actor.take("X#x@5", limit=5)
    assert actor.verdicts[-1] == "duplicate"


def test_units_come_back_from_their_bytes_with_what_happened_for_all():
    actor = Run("A>B/10 strict hold p", "A@0{p=a} X@1 A@2{p=b} X@3")
    seal_units(actor.funnel, actor.record[1], 3)
    read = decode_states(encode_whole([actor.funnel], actor.record), {actor.funnel.number: actor.funnel})[0]
    assert isinstance(read, UnitStates)
    assert [hit[0] for _, hit in read.shared] == [3]
    assert read.shared == actor.record[1].shared
    assert {unit: [fold_of(entry) for entry in entries] for unit, entries in read.entries.items()} == {
        unit: [fold_of(entry) for entry in entries] for unit, entries in actor.record[1].entries.items()
    }


def test_a_unit_that_says_nothing_any_more_is_forgotten_and_others_stay():
    actor = Run("A>B/10 hold p", "A@0{p=a} A@86400000{p=b}")
    seal_units(actor.funnel, actor.record[1], 86_399_999)
    assert list(actor.record[1].entries) == [("a",), ("b",)]
    seal_units(actor.funnel, actor.record[1], 86_400_000)
    assert isinstance(actor.record[1], UnitStates)
    assert list(actor.record[1].entries) == [("b",)]


def test_a_unit_is_kept_while_another_units_result_of_its_period_may_change():
    actor = Run("A>B/10 hold p", f"A@{-DAY_MS}{{p=a}} A@0{{p=b}} A@{DAY_MS - 1}{{p=c}}")
    seal_units(actor.funnel, actor.record[1], DAY_MS + 9)
    assert {unit: [period[0] for period in entries[0][6]] for unit, entries in actor.record[1].entries.items()} == {
        ("b",): [0],
        ("c",): [0],
    }
    seal_units(actor.funnel, actor.record[1], DAY_MS + 10)
    assert actor.record[1].entries == {}


def test_a_unit_that_is_removed_is_kept_as_long_as_its_period_may_change():
    actor = Run("A>B>C/10 hold p exclude X remove_actor", "A@0{p=a} B@1{p=a} X@2{p=a}")
    seal_units(actor.funnel, actor.record[1], DAY_MS + 9)
    assert actor.record[1].entries == {}
    actor = Run("A>B>C/10 hold p exclude X remove_actor", "A@0{p=a} B@1{p=a} X@2{p=a}")
    seal_units(actor.funnel, actor.record[1], DAY_MS - 1)
    assert list(actor.record[1].entries) == [("a",)]


def test_a_result_of_a_session_is_kept_while_another_of_its_period_may_change():
    actor = Run("A>B/10 gap 3", f"A@0 A@{DAY_MS - 1} A@{2 * DAY_MS}")
    seal_in_record(actor.record, actor.funnel, DAY_MS + 9)
    assert [period[0] for period in actor.record[1][0][6]] == [0, 0]
    seal_in_record(actor.record, actor.funnel, DAY_MS + 10)
    assert [period[0] for period in actor.record[1][0][6]] == []


def test_what_is_below_the_limit_is_sealed_in_each_unit():
    actor = Run("A>B/10 hold p", f"A@0{{p=a}} A@{DAY_MS}{{p=a}}")
    seal_units(actor.funnel, actor.record[1], DAY_MS + 1)
    ((_, (base,)),) = actor.record[1].entries.items()
    assert [period[0] for period in base[6]] == [DAY_MS]


def test_with_a_granularity_units_are_sealed_below_the_floored_limit():
    actor = Run("A>B/10 strict hold p granularity 5", "A@6{p=a} X@7")
    seal_units(actor.funnel, actor.record[1], 8)
    assert [hit[0] for _, hit in actor.record[1].shared] == [5]
    assert [entry[0] for entry in actor.record[1].entries["a",][1:]] == [5, 5]


@pytest.mark.parametrize(
    ("text", "events", "until_ms"),
    [
        pytest.param("A>B/10 granularity 5", f"A@{DAY_MS - 5}", DAY_MS + 9, id="an-event-may-be-floored-to-its-end"),
        pytest.param("A>B/10 open", f"A@{DAY_MS - 5} B@{DAY_MS - 4}", DAY_MS + 5,
                     id="in-an-open-funnel-a-chain-that-an-attempt-consumed-still-waits"),
        pytest.param("A>B not_before 5/100000000", f"A@{DAY_MS - 1} A@{2 * DAY_MS - 3} B@{2 * DAY_MS - 1}",
                     2 * DAY_MS - 3 + 100_000_000, id="a-period-keeps-a-chain-that-an-attempt-consumed"),
        pytest.param("A>B/10 strict hold p", "X@5", 5, id="what-happened-may-break-the-chains-of-a-unit-to-come"),
    ],
)  # fmt: skip
def test_an_actor_is_kept_as_long_as_it_can_matter(text, events, until_ms):
    for limit_ms, is_over in ((until_ms, False), (until_ms + 1, True)):
        actor = Run(text, events)
        state = actor.record[1] if actor.funnel.units is not None else FunnelState(actor.record[1])
        assert says_nothing(actor.funnel, state, limit_ms) is is_over


@pytest.mark.parametrize(
    ("text", "events", "expected"),
    [
        pytest.param("A>B/10 strict hold p", "X@5 B@6{p=a} A@4{p=a}", ["4 1: 4"], id="a-foreign-event-broke-it"),
        pytest.param("A>B/10 strict hold p session s", "X@5{s=1} B@6{p=a,s=2} A@4{p=a,s=2}", ["4 2: 4 6"],
                     id="but-not-one-of-another-session"),
        pytest.param("A>B/10 strict hold p session s", "A@4{p=a,s=2} X@5{s=1} B@6{p=a,s=2}", ["4 2: 4 6"],
                     id="nor-while-the-unit-is-there"),
        pytest.param("A>B/10 gap 3 hold p", "X@3{p=b} A@0{p=a} B@6{p=a}", ["0 2: 0 6"],
                     id="an-event-of-another-value-filled-the-gap"),
        pytest.param("A>B/10 gap 3 hold p", "X@3 A@0{p=a} B@6{p=a}", ["0 2: 0 6"], id="so-does-one-without-a-value"),
    ],
)  # fmt: skip
def test_a_unit_that_begins_late_knows_what_happened_before(text, events, expected):
    assert Run(text, events).shown == expected


@pytest.mark.parametrize(
    ("text", "events", "tag"),
    [
        pytest.param("A>B/10 strict", "A@0{tag=a} B@1{tag=b}", "a", id="strict"),
        pytest.param("A>B>C/10 open", "B@0{tag=b} C@1{tag=c}", "b", id="in-an-open-funnel-the-step-entered-at"),
        pytest.param("A>B>C/10 strict", "A@0{tag=a} B@0{tag=b} X@1", "a", id="of-a-tie-the-first-step"),
        pytest.param("A>B/10 any", "A#z@0{tag=z} A#y@0{tag=y} B@1{tag=b}", "y", id="in-any-order-the-smallest-id"),
    ],
)
def test_first_touch_is_that_of_the_entry_event(text, events, tag):
    ((_, _, _, entry, _, _),) = Run(text, events).attempts
    assert entry[0] == (tag,)


def test_in_any_order_a_value_is_that_of_the_place_its_event_has():
    ((_, _, chain, _, _, _),) = Run("A>B/10 any", "B@0{amount=5} A@1{amount=7}").attempts
    assert [touch[1] for touch in chain[1::2]] == [((1, "", "5"),), ((2, "", "7"),)]


def test_in_any_order_the_smallest_ids_are_reported():
    ((_, _, chain, _, _, _),) = Run("A>B/10 any", "B#z@1{amount=9} B#y@1{amount=8} A@0").attempts
    assert chain[3][1] == ((2, "", "8"),)


@pytest.mark.parametrize(
    ("text", "events", "expected"),
    [
        pytest.param("A>B?>C/10", "A@0 B@2 C@5", (0, 2, 5), id="when-the-chains-events-happened"),
        pytest.param("A>B?>C/10", "A@0 C@5", (0, 5, 5), id="a-step-that-was-skipped-with-the-next-one"),
        pytest.param("A>B?>C>D/10", "A@0 A@2 C@3 A@11", (2, 3, 3), id="also-before-the-attempt-entered-at-the-chain"),
        pytest.param("A>B>C/10 open", "B@0 C@5", (None, 0, 5), id="never-the-steps-below-the-entry"),
        pytest.param("A>B>C within 5/10", "A@0 B@1 A@2 B@3 C@4", (0, 1, 4), id="whichever-chain-is-reported-later"),
        pytest.param("A>B?>C/10", "A@0 A@2 B@2 C@3", (0, 2, 3), id="a-new-start-is-no-new-entry"),
    ],
)
def test_when_the_last_attempt_first_reached_its_steps(text, events, expected):
    attempt = max(Run(text, events).attempts)
    assert first_times(attempt) == expected


@pytest.mark.parametrize(
    ("text", "events", "count"),
    [
        pytest.param("A>B within 9>C within 3/10", "A@0 B@1 A@20", 1, id="a-chain-whose-limit-is-over-goes"),
        pytest.param("A>B>C within 3/10", "A@0 A@1 A@2", 1, id="a-later-start-that-can-come-as-far-replaces"),
        pytest.param("A>B not_before 3/10", "A@0 A@1 A@2", 3, id="each-start-whose-gap-is-not-over-stays"),
        pytest.param("A>B>C not_before 1/10", "A@0 B@3 B@4", 2, id="a-later-event-that-can-come-no-further-goes"),
        pytest.param("A>B>C/10 any", "A@0 B@20", 1, id="in-any-order-what-left-the-window-goes"),
        pytest.param("A>B>C/10 any", "A@0 A@1 A@2", 1, id="in-any-order-one-event-a-step"),
    ],
)
def test_only_what_can_still_matter_is_kept(text, events, count):
    assert len(Run(text, events).standing.kept) == count
