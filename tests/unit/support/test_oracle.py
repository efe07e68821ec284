"""The oracle against the examples and laws of the counting rules, worked out by hand."""

import itertools
import random
from decimal import Decimal

import pytest

from support.notation import LATE_MS, attempts_of, funnel, outcomes, path, reached
from support.oracle import (
    OEvent,
    OFunnel,
    ORecord,
    actor_result,
    admit,
    age_matched,
    attempts,
    broken_laws,
    chains,
    counted_events,
    deduplicate,
    judge,
    longest_chain,
    totals,
)

ACTORS_PER_FUNNEL = 3_000
FUNNELS = ["A>B/3", "A>B>C/10", "A>A/4", "A>B>A/6", "A>A|B>C/5", "A|B>B|C>C/0", "A>B>C>D>E/20"]


def random_path(rng: random.Random, span: int = 20) -> list[OEvent]:
    """Up to nine events in no order; a short span makes ties."""
    return [OEvent(rng.randint(-4, span), f"i{n}", rng.choice("AABBCDEX")) for n in range(rng.randint(0, 9))]


def random_paths(seed: str, n: int = ACTORS_PER_FUNNEL) -> list[list[OEvent]]:
    rng = random.Random(seed)
    return [random_path(rng, span=rng.choice([2, 8, 20])) for _ in range(n)]


@pytest.mark.parametrize(
    ("text", "steps", "expected"),
    [
        pytest.param("", "A>B/10", 0, id="no-event-reaches-nothing"),
        pytest.param("X@0 B@1", "A>B/10", 0, id="without-the-first-step-nothing-is-reached"),
        pytest.param("A@0 B@4 X@5 C@9", "A>B>C/10", 3, id="foreign-events-do-not-matter"),
        pytest.param("A@0 B@10", "A>B/10", 2, id="the-window-is-inclusive"),
        pytest.param("A@0 B@11", "A>B/10", 1, id="one-ms-past-the-window-is-too-late"),
        pytest.param("A@0 B@5 C@11", "A>B>C/10", 2, id="the-window-runs-from-the-first-event"),
        pytest.param("A@0 B@0", "A>B/0", 2, id="a-window-of-zero-allows-a-tie"),
        pytest.param("B@0 A@0", "A>B/10", 2, id="a-tie-has-no-order"),
        pytest.param("C@5 B@5 A@5", "A>B>C/10", 3, id="a-tie-of-three-has-no-order"),
        pytest.param("B@4 A@5", "A>B/10", 1, id="steps-happen-in-order"),
        pytest.param("B@5 A@1", "A>B/10", 2, id="log-order-is-not-time-order"),
        pytest.param("A@0", "A>A/10", 1, id="one-event-never-serves-two-steps"),
        pytest.param("A@0 A@0", "A>A/10", 2, id="two-tied-events-serve-a-repeated-step"),
        pytest.param("A@0 B@0", "A|B>A/10", 2, id="the-tie-is-assigned-so-that-both-steps-are-served"),
        pytest.param("A@0 A@8 B@12", "A>B/10", 2, id="a-repeated-first-step-starts-a-better-chain"),
        pytest.param("A@0 B@5 A@8 C@9", "A>B>C/10", 3, id="a-repeated-first-step-does-not-delete-the-older-chain"),
        pytest.param("A@-5 B@0", "A>B/5", 2, id="zero-and-negative-times-are-times"),
        pytest.param(" ".join(f"s{n}@{n}" for n in range(40)), ">".join(f"s{n}" for n in range(40)) + "/99", 40,
                     id="forty-steps-are-no-limit"),
    ],
)  # fmt: skip
def test_longest_chain(text, steps, expected):
    assert reached(text, steps) == expected


@pytest.mark.parametrize(
    ("text", "steps", "expected"),
    [
        pytest.param("A@0 A@3 A@9", "A>B/10", ["0 dropped 1: e1"], id="time-alone-opens-no-attempt"),
        pytest.param("A@0 A@3 A@9 B@12", "A>B/10", ["0 dropped 1: e1", "9 converted 2: e3 e4"],
                     id="an-event-that-extends-a-live-chain-opens-one-at-that-chains-start"),
        pytest.param("A@0 A@5 B@6", "A>B/10", ["0 converted 2: e2 e3"],
                     id="entry-is-the-opening-event-and-the-chain-the-latest-start"),
        pytest.param("A@0 B@3 B@5", "A>B/10", ["0 converted 2: e1 e2"], id="one-completion-is-counted-once"),
        pytest.param("A@0 A@1 B@2 B@3", "A>B/10", ["0 converted 2: e2 e3"],
                     id="a-conversion-consumes-every-event-before-it"),
        pytest.param("A@0 B@2 A@2 B@3", "A>B/10", ["0 converted 2: e3 e2"], id="the-whole-tie-group-is-consumed"),
        pytest.param("A@0 B@2 A@3 B@4", "A>B/10", ["0 converted 2: e1 e2", "3 converted 2: e3 e4"],
                     id="after-a-conversion-the-next-attempt-starts-fresh"),
        pytest.param("A@0 B@10", "A>B/10", ["0 converted 2: e1 e2"], id="the-last-ms-of-the-window-converts"),
        pytest.param("A@0 A@11", "A>B/10", ["0 dropped 1: e1", "11 dropped 1: e2"],
                     id="a-first-step-past-the-window-opens-the-next"),
        pytest.param("A@0 A@9 B@10 B@12", "A>B>C/10", ["0 dropped 2: e2 e3", "9 dropped 2: e2 e3"],
                     id="an-intermediate-event-may-count-in-two-attempts"),
        pytest.param("A@0 A@9 B@10 A@13", "A>B>C/10", ["0 dropped 2: e2 e3", "9 dropped 2: e2 e3"],
                     id="a-first-step-beside-an-older-live-chain-enters-at-that-chain"),
        pytest.param("A@0 B@1 A@2 B@3", "A>B>C/10", ["0 dropped 2: e1 e2"],
                     id="the-chain-that-reached-the-level-first-is-reported"),
        pytest.param("A@0 B@1 A@2 B@3 C@4", "A>B>C/10", ["0 converted 3: e3 e4 e5"],
                     id="of-one-arrival-the-latest-start-is-reported"),
        pytest.param("A@0 B@3 B@1 C@4", "A>B>C/10", ["0 converted 3: e1 e3 e4"],
                     id="of-one-start-the-earliest-event-of-each-step-is-reported"),
        pytest.param("A#b@0 A#a@0 B#d@1 B#c@1", "A>B/10", ["0 converted 2: a c"], id="then-the-smallest-ids"),
        pytest.param("B@0 X@1", "A>B/10", [], id="nothing-opens-without-a-first-step"),
        pytest.param("B@0 A@0", "A>B/10", ["0 converted 2: e2 e1"], id="a-tie-opens-and-converts-at-once"),
        pytest.param("A@-9 B@0", "A>B/10", ["-9 converted 2: e1 e2"], id="negative-times-and-zero"),
    ],
)  # fmt: skip
def test_attempts(text, steps, expected):
    assert outcomes(text, steps) == expected


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        pytest.param(-1, [], id="before-the-first-event-there-is-none"),
        pytest.param(0, ["0 pending 1: e1"], id="an-event-at-the-instant-counts"),
        pytest.param(10, ["0 pending 1: e1"], id="at-the-windows-end-still-pending"),
        pytest.param(11, ["0 dropped 1: e1"], id="one-ms-later-dropped"),
        pytest.param(12, ["0 dropped 1: e1", "9 converted 2: e3 e4"], id="later-events-count-when-they-happen"),
    ],
)
def test_attempts_as_of(as_of, expected):
    assert outcomes("A@0 A@3 A@9 B@12", "A>B/10", as_of) == expected


def test_an_attempt_knows_when_it_closed():
    dropped, converted, pending = attempts_of("A@0 A@20 B@22 A@30", "A>B/10", as_of=30)
    assert (dropped.closed_ms, converted.closed_ms, pending.closed_ms) == (10, 22, None)


def test_an_attempt_knows_when_it_first_had_each_depth_by_whichever_chain():
    (only,) = attempts_of("A@0 B@1 A@2 B@3 C@4", "A>B>C/10")
    assert ([event.time for event in only.chain], only.firsts) == ([2, 3, 4], (0, 1, 4))
    _, second = attempts_of("A@0 A@3 A@9 B@12", "A>B/10")
    assert second.firsts == (9, 12)


@pytest.mark.parametrize(
    ("age", "after", "until", "expected"),
    [
        pytest.param(3, -1, 0, (1, 1), id="going-on-at-the-very-age-counts"),
        pytest.param(2, -1, 0, (1, 0), id="one-ms-later-does-not"),
        pytest.param(3, 0, 99, (1, 0), id="who-reached-it-at-the-windows-open-end-is-outside"),
        pytest.param(3, -1, 20, (2, 1), id="at-the-closed-end-inside"),
        pytest.param(3, -1, 19, (1, 1), id="and-behind-it-outside"),
    ],
)
def test_age_matched_counts(age, after, until, expected):
    assert age_matched(attempts_of("A@0 B@3 A@20", "A>B>C/10"), 1, age, after, until) == expected


def test_the_entry_segment_is_that_of_the_chain_alive_at_opening():
    first, second = attempts_of("A@0[web] A@9[app] B@12[mail]", "A>B/10")
    assert (first.entry_segment, second.entry_segment) == ("web", "app")
    (only,) = attempts_of("A@0[web] A@5[app] B@6", "A>B/10")
    assert (only.entry_segment, only.chain[0].segment) == ("web", "app")


@pytest.mark.parametrize(
    ("period", "as_of", "expected"),
    [
        pytest.param((0, 5), LATE_MS, (2, "e1 e2"), id="later-events-count-although-the-period-is-over"),
        pytest.param((5, 10), LATE_MS, (2, "e3 e4"), id="only-chains-that-start-in-the-period"),
        pytest.param((0, 10), LATE_MS, (2, "e1 e2"), id="of-several-conversions-the-first"),
        pytest.param((0, 5), 2, (1, "e1"), id="what-comes-after-the-instant-is-not-known"),
        pytest.param((6, 10), LATE_MS, (0, ""), id="an-actor-that-did-not-enter-reached-nothing"),
        pytest.param((-5, 0), LATE_MS, (0, ""), id="the-periods-end-is-outside-it"),
    ],
)
def test_actor_result(period, as_of, expected):
    depth, chain = actor_result(path("A@0 B@3 A@5 B@8"), funnel("A>B/10"), *period, as_of)
    assert (depth, " ".join(e.id for e in chain)) == expected


def test_totals_take_times_and_values_from_the_reported_chains():
    tried = attempts_of("A@0=1EUR A@20=2.50EUR B@22=10USD A@30=4EUR A@50", "A>B/10", as_of=50)
    sums = totals(tried, 2)
    assert (sums.entered, sums.converted, sums.reached) == (4, 1, {1: 4, 2: 1})
    assert (sums.dropped_at, sums.pending_at) == ({1: 2}, {1: 1})
    assert sums.step_times == {1: [0, 20, 30, 50], 2: [22]}
    assert sums.values == {1: {"EUR": (3, Decimal("7.50"))}, 2: {"USD": (1, Decimal(10))}}
    assert broken_laws(sums) == []
    assert broken_laws(totals([], 2)) == []


def test_a_lost_attempt_breaks_a_law():
    sums = totals(attempts_of("A@0 A@20 B@22", "A>B/10"), 2)
    sums.dropped_at[1] = 0
    assert broken_laws(sums) == [
        "entered = converted + dropped + pending",
        "reached(1) = reached(2) + dropped_at(1) + pending_at(1)",
    ]


@pytest.mark.parametrize("steps", FUNNELS)
def test_attempts_agree_with_the_longest_chain(steps):
    defined = funnel(steps)
    full = len(defined.steps)
    depths = set()
    for events in random_paths(f"agree {steps}"):
        tried, depth = attempts(events, defined, LATE_MS), longest_chain(events, defined)
        depths.add(depth)
        assert max((a.best for a in tried), default=0) == depth
        assert any(a.outcome == "converted" for a in tried) == (depth == full)
        assert all(len(a.chain) == a.best and a.chain[0].time >= a.entry_ms for a in tried)
        assert broken_laws(totals(tried, full)) == []
        assert actor_result(events, defined, -100, 100, LATE_MS)[0] == depth
    assert depths == set(range(full + 1)), "the random paths must reach every depth"


@pytest.mark.parametrize("steps", FUNNELS)
def test_log_order_and_foreign_events_change_nothing(steps):
    rng = random.Random(f"order {steps}")
    defined = funnel(steps)
    for events in random_paths(f"paths {steps}", 500):
        as_of = rng.randint(-4, 30)
        shuffled = rng.sample(events, len(events))
        serving = [e for e in shuffled if defined.serves(e)]
        assert attempts(serving, defined, as_of) == attempts(events, defined, as_of)
        assert actor_result(serving, defined, 0, 5, as_of) == actor_result(events, defined, 0, 5, as_of)


@pytest.mark.parametrize("steps", FUNNELS)
def test_what_closed_stays_closed(steps):
    """An outcome decided as of one instant is the same as of every later one."""
    defined = funnel(steps)
    for events in random_paths(f"closed {steps}", 200):
        final = attempts(events, defined, LATE_MS)
        for as_of in range(-4, 24):
            tried = attempts(events, defined, as_of)
            closed = [a for a in tried if a.outcome != "pending"]
            assert closed == final[: len(closed)]
            assert [a.entry_ms for a in tried] == [a.entry_ms for a in final[: len(tried)]]


def test_chains_lists_exactly_the_chains():
    """Against the definition itself: every ordered choice of events, tested for each condition."""
    for events, steps in itertools.product(random_paths("definition", 60), ["A>B>C/6", "A>A|B>C/4"]):
        defined = funnel(steps)
        allowed = [c for size in (1, 2, 3) for c in itertools.permutations(events, size) if is_chain(c, defined)]
        assert sorted(chains(events, defined), key=repr) == sorted(allowed, key=repr)


def is_chain(chosen: tuple[OEvent, ...], defined: OFunnel) -> bool:
    times = [e.time for e in chosen]
    serves = all(e.name in names for e, names in zip(chosen, defined.steps, strict=False))
    return serves and times == sorted(times) and times[-1] - times[0] <= defined.window


@pytest.mark.parametrize(
    ("records", "verdicts", "watermark"),
    [
        pytest.param([(10, 100), (5, 100), (4, 100)], "accepted accepted late", 10, id="at-the-limit-counts"),
        pytest.param([(10, 100), (4, 100), (1, 100)], "accepted late late", 10, id="a-late-event-moves-nothing"),
        pytest.param([(103, 100), (104, 100), (95, 100), (94, 100)], "accepted future accepted late", 100,
                     id="a-fast-clock-counts-as-now"),
        pytest.param([(0, 0), (-6, 0)], "accepted late", 0, id="zero-is-a-time-like-any-other"),
        pytest.param([(104, 100), (-90, 100)], "future accepted", -90, id="a-future-record-moves-nothing"),
        pytest.param([(900, None), (894, None)], "accepted late", 900, id="without-record-time-the-event-time-counts"),
    ],
)  # fmt: skip
def test_admit(records, verdicts, watermark):
    """Lateness 5, skew 3."""
    admissions = admit(records, 5, 3)
    assert [a.verdict for a in admissions] == verdicts.split()
    assert admissions[-1].watermark_after == watermark


def test_the_watermark_of_a_record_is_that_of_the_records_below_it():
    assert [(a.watermark, a.watermark_after) for a in admit([(3, 9), (1, 9), (8, 9)], 5, 3)] == [
        (None, 3),
        (3, 3),
        (3, 8),
    ]


@pytest.mark.parametrize(
    ("copies", "watermarks", "verdicts"),
    [
        pytest.param("A#i@5 A#i@5", [None, 5], "accepted duplicate", id="the-first-copy-counts"),
        pytest.param("A#i@5 A#i@5", [None, 10], "accepted duplicate", id="remembered-up-to-the-limit"),
        pytest.param("A#i@5 A#i@5", [None, 11], "accepted late", id="a-copy-behind-the-limit-is-late"),
        pytest.param("A#i@5 A#i@6", [None, 5], "accepted accepted", id="another-time-is-another-event"),
        pytest.param("A#i@5 B#i@5", [None, 5], "accepted duplicate", id="the-name-is-no-part-of-the-identity"),
        pytest.param("X#i@5 A#i@5", [None, 5], "unmatched accepted", id="a-copy-that-serves-nothing-is-no-first"),
    ],
)
def test_deduplicate(copies, watermarks, verdicts):
    events = [("ann", event) for event in path(copies)]
    assert deduplicate(events, watermarks, 5, funnel("A>B/10")) == verdicts.split()


def test_two_actors_may_use_one_id():
    assert deduplicate([("ann", path("A#i@5")[0]), ("bob", path("A#i@5")[0])], [None, 5], 5) == ["accepted"] * 2


def test_a_log_is_judged_whole():
    log = [ORecord(actor, path(token)[0], recorded=100) for actor, token in [
        ("ann", "A#1@50"), ("bob", "X#2@70"), ("ann", "B#3@104"), ("ann", "B#4@64"),
        ("bob", "A#5@65"), ("bob", "A#5@65"),
    ]]  # fmt: skip
    verdicts = judge(log, funnel("A>B/10"), allowed_lateness=5, max_future_skew=3)
    assert verdicts == ["accepted", "unmatched", "future", "late", "accepted", "duplicate"]
    assert counted_events(log, funnel("A>B/10"), 5, 3) == {"ann": path("A#1@50"), "bob": path("A#5@65")}
