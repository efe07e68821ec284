"""The engine against a brute-force oracle and ClickHouse: same attempts, actors and verdicts for any log.

A case is a partition's log with several actors, cut into batches, run through `ActorTable` (the hot
path) and, hit by hit, through `advance` (the clear form). Between batches states are sealed, and now
and then written, forgotten and read again, as after a crash. What must come out is worked out from
the log alone: a model of the verdicts, and the oracle's exhaustive search over the accepted events.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stream.engine import in_order
from stream.engine.advance import NO_CAP, Change, advance
from stream.engine.attempts import NOTHING, SHARED, first_times
from stream.engine.codec import decode_states, encode_whole
from stream.engine.fold import advance_fold
from stream.engine.in_order import take_in_order
from stream.engine.match import CompiledFunnel, FunnelSet
from stream.engine.ordered import alive
from stream.engine.state import EMPTY_BASE, FunnelState, base_of, expires_ms, fold_of, seal_entries
from stream.engine.table import ActorTable, by_actor
from stream.model.funnel import Breakdown, Funnel, Step, ValueRule
from stream.model.verdict import Verdict
from support.clickhouse import window_funnel
from support.notation import LATE_MS
from support.oracle import OAttempt, OEvent, OFunnel, actor_result, attempts
from support.roles import steps_of

BULK_CASES = 100
ACTORS_PER_BULK_CASE = 210
LONG_AGO = -(10**9)

SHAPES = ["A>B>C", "A>B", "A>A", "A>B>A", "A>AB>B", "AB>BC>C>A", "A>A>A", "A>B>C>D>E", "AB>AB>AB", "C>AB", "B>X>C"]


@dataclass(frozen=True)
class Shape:
    """A funnel of a case: names of one letter, "A>BC" has steps A and B-or-C; `touched` asks for touches."""

    steps: str
    window: int
    period: int
    touched: bool


@dataclass(frozen=True)
class Arrival:
    """A record of the log; equal ones are copies. After `cuts` the batch ends, after `reload` the cache is lost."""

    actor: int
    time: int
    id: str
    name: str
    cuts: bool = False
    reload: bool = False


@dataclass(frozen=True)
class Case:
    shapes: tuple[Shape, ...]
    log: tuple[Arrival, ...]
    lateness: int
    bot_cap: int = NO_CAP


def compiled(shapes: Sequence[Shape]) -> FunnelSet:
    funnels = FunnelSet(
        [
            Funnel(
                f"f{number}",
                1,
                tuple(
                    Step(f"s{k}", tuple(names), value=ValueRule("amount") if shape.touched else None)
                    for k, names in enumerate(shape.steps.split(">"))
                ),
                shape.window,
                breakdowns=(Breakdown("tag", ("tag",)),) if shape.touched else (),
            )
            for number, shape in enumerate(shapes)
        ]
    )
    for funnel, shape in zip(funnels.funnels, shapes, strict=True):
        length = shape.period
        funnel.period_of = lambda ms, length=length: (ms - ms % length, ms - ms % length + length)
    return funnels


def oracle_funnel(shape: Shape) -> OFunnel:
    return OFunnel(tuple(frozenset(names) for names in shape.steps.split(">")), shape.window)


def tag_of(arrival: Arrival) -> str:
    return f"{arrival.id}@{arrival.time}"


def amount_of(arrival: Arrival) -> str:
    return str(1 + int(arrival.id[1:]) * 1000 + arrival.time % 1000)


def admitted(case: Case) -> Iterator[tuple[Arrival, int]]:
    """Yield the records that are not late, each with the limit before it."""
    watermark = LONG_AGO
    for arrival in case.log:
        limit = watermark - case.lateness
        if arrival.time >= limit:
            yield arrival, limit
        watermark = max(watermark, arrival.time)


class Model:
    """Verdicts from the log prefix: identity per funnel, the bot cap over what is not behind the limit."""

    def __init__(self, shapes: Sequence[Shape], bot_cap: int) -> None:
        self.funnels = [oracle_funnel(shape) for shape in shapes]
        self.bot_cap = bot_cap
        self.accepted: list[dict[int, list[OEvent]]] = [{} for _ in shapes]

    def judge(self, arrival: Arrival, limit: int) -> Verdict | None:
        event = OEvent(arrival.time, arrival.id, arrival.name, Decimal(amount_of(arrival)), None, tag_of(arrival))
        verdicts = []
        for funnel, accepted in zip(self.funnels, self.accepted, strict=True):
            if not funnel.serves(event):
                continue
            known = accepted.setdefault(arrival.actor, [])
            if any((other.time, other.id) == (event.time, event.id) for other in known):
                verdicts.append(Verdict.DUPLICATE)
            elif sum(other.time >= limit for other in known) > self.bot_cap:
                verdicts.append(Verdict.BOT)
            else:
                verdicts.append(Verdict.ACCEPTED)
                known.append(event)
        if not verdicts:
            return None
        return Verdict.ACCEPTED if Verdict.ACCEPTED in verdicts else min(verdicts)


class Sums:
    """What the changes of one funnel come to; nothing may be taken that was not given."""

    def __init__(self) -> None:
        self.attempts: Counter[tuple] = Counter()
        self.periods: Counter[tuple] = Counter()
        self.corrections = 0

    def add(self, change: Change | None) -> None:
        if change is None:
            return
        self.attempts.update(change.given)
        self.attempts.subtract(change.taken)
        self.periods.update((start, best, chain) for start, _, _, best, chain in change.given_periods)
        self.periods.subtract((start, best, chain) for start, _, _, best, chain in change.taken_periods)
        self.corrections += change.corrections
        assert min(self.attempts.values(), default=0) >= 0
        assert min(self.periods.values(), default=0) >= 0

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Sums)
        return (
            +self.attempts == +other.attempts
            and +self.periods == +other.periods
            and self.corrections == other.corrections
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{+self.attempts} {+self.periods} {self.corrections}"


def run_table(case: Case, funnels: FunnelSet) -> tuple[list[Sums], Counter[Verdict]]:
    """Run the log through the hot path, a batch at a time."""
    sums = [Sums() for _ in case.shapes]
    verdicts: Counter[Verdict] = Counter()
    stored: dict[bytes, bytes] = {}
    table = ActorTable(funnels, lambda actor: actor.encode(), bot_cap=case.bot_cap)
    batch = []
    watermark = LONG_AGO

    def apply_batch() -> None:
        grouped = by_actor(batch)
        for actor, key in table.missing(grouped):
            table.put(actor, key, stored.get(key))
        applied = table.apply(grouped, watermark - case.lateness)
        assert sum(applied.verdicts) == len(batch)
        verdicts.update(dict(zip((Verdict.DUPLICATE, Verdict.BOT, Verdict.ACCEPTED), applied.verdicts, strict=True)))
        for funnel, change in applied.changes:
            sums[funnel.number].add(change)
        written = [*applied.states, *applied.additions]
        assert len({key for key, _ in written}) == len(written)
        stored.update(applied.states)
        for key, addition in applied.additions:
            stored[key] += addition
        batch.clear()

    for arrival, limit in admitted(case):
        watermark = max(watermark, arrival.time)
        if arrival.name in funnels.serving:
            values = {"amount": amount_of(arrival), "tag": tag_of(arrival)}
            properties = tuple(values[path] for path in funnels.property_paths)
            batch.append((f"a{arrival.actor}", arrival.time, arrival.id, arrival.name, properties, limit))
        if arrival.cuts:
            apply_batch()
        if arrival.reload and not batch:
            table = ActorTable(funnels, lambda actor: actor.encode(), bot_cap=case.bot_cap)
    apply_batch()
    return sums, verdicts


def run_clear(case: Case, funnels: FunnelSet) -> tuple[list[Sums], Counter[Verdict]]:
    """Run the log through `advance`, a record at a time, sealing and rewriting at other moments than the table."""
    sums = [Sums() for _ in case.shapes]
    verdicts: Counter[Verdict] = Counter()
    states: dict[tuple[int, int], object] = {}
    for place, (arrival, limit) in enumerate(admitted(case)):
        values = {"amount": amount_of(arrival), "tag": tag_of(arrival)}
        properties = tuple(values[path] for path in funnels.property_paths)
        own: list[Verdict] = []
        for funnel, steps in funnels.serving.get(arrival.name, ()):
            place_of = (arrival.actor, funnel.number)
            state = states.setdefault(place_of, FunnelState([EMPTY_BASE]))
            hit = (arrival.time, arrival.id, steps, funnel.touch(steps, properties), 0)
            sums[funnel.number].add(advance(funnel, state, [hit], own, case.bot_cap, [limit]))
            if place % 3 == 0:
                seal_entries(funnel, state.entries, limit)
            if place % 5 == 0:
                blob = encode_whole([funnel], {funnel.slot: state.entries})
                states[place_of] = decode_states(blob, funnels.by_number)[funnel.number]
            if (end := expires_ms(funnel, state)) is not None and end < limit:
                del states[place_of]
        if own:
            verdicts[Verdict.ACCEPTED if Verdict.ACCEPTED in own else min(own)] += 1
    return sums, verdicts


def check(case: Case) -> int:
    """Hold both forms equal to the model and the oracle; returns how many actors were compared."""
    funnels = compiled(case.shapes)
    model = Model(case.shapes, case.bot_cap)
    verdicts = Counter(
        verdict for arrival, limit in admitted(case) if (verdict := model.judge(arrival, limit)) is not None
    )
    by_table, table_verdicts = run_table(case, funnels)
    by_clear, clear_verdicts = run_clear(case, funnels)
    assert +table_verdicts == verdicts
    assert clear_verdicts == verdicts
    assert by_table == by_clear
    for shape, accepted, sums in zip(case.shapes, model.accepted, by_table, strict=True):
        funnel = oracle_funnel(shape)
        tried = [attempt for events in accepted.values() for attempt in attempts(events, funnel, LATE_MS)]
        assert +Counter(map(attempt_of_engine, sums.attempts.elements())) == Counter(
            attempt_of_oracle(attempt, shape) for attempt in tried
        )
        assert Counter(
            (start, best, chain_of_engine(chain)) for start, best, chain in sums.periods.elements()
        ) == Counter(
            (start, depth, chain_of_oracle(chain, shape))
            for events in accepted.values()
            for start, depth, chain in oracle_periods(events, funnel, shape.period)
        )
    return len({arrival.actor for arrival in case.log})


def oracle_periods(events: list[OEvent], funnel: OFunnel, length: int) -> Iterator[tuple[int, int, tuple[OEvent, ...]]]:
    for start in {event.time - event.time % length for event in events}:
        depth, chain = actor_result(events, funnel, start, start + length, LATE_MS)
        if depth:
            yield start, depth, chain


def chain_of_engine(chain: tuple) -> tuple:
    """Return (time, segment of the first event, amount) of each step; without touches the last two are None."""
    items = []
    for at in range(0, len(chain), 2):
        time_ms, touch = chain[at], chain[at + 1]
        segments, values = touch if touch is not None else ((), ())
        amount = next((value for step, _, value in values if step == at // 2 + 1), None)
        items.append((time_ms, segments[0] if segments and not at else None, amount))
    return tuple(items)


def chain_of_oracle(chain: Sequence[OEvent], shape: Shape) -> tuple:
    return tuple(
        (event.time, event.segment if shape.touched and not at else None, str(event.value) if shape.touched else None)
        for at, event in enumerate(chain)
    )


def attempt_of_engine(attempt: tuple) -> tuple:
    entry_ms, best, chain, entry, _, _ = attempt
    segment = None if entry is None else entry[0][0]
    return entry_ms, best, chain_of_engine(chain), segment, first_times(attempt)


def attempt_of_oracle(attempt: OAttempt, shape: Shape) -> tuple:
    return (
        attempt.entry_ms,
        attempt.best,
        chain_of_oracle(attempt.chain, shape),
        attempt.entry_segment if shape.touched else None,
        attempt.firsts,
    )


def random_shape(rng: random.Random) -> Shape:
    return Shape(rng.choice(SHAPES), rng.choice([0, 3, 10, 20]), rng.choice([7, 15, 1000]), rng.random() < 0.5)


def random_case(rng: random.Random, actors: int) -> Case:
    """Make a log whose events arrive out of order by about the lateness, a third of them more than once."""
    shapes = tuple(random_shape(rng) for _ in range(rng.choice([1, 1, 2, 3])))
    lateness = rng.choice([0, 5, 100])
    span = rng.choice([5, 15, 40])
    names = rng.choice(["ABCX", "AABBC", "ABCDE"])
    arrivals = []
    for actor in range(actors):
        for _ in range(rng.randrange(1, 10)):
            event = (actor, rng.randrange(span), f"i{rng.randrange(100)}", rng.choice(names))
            copies = 1 if rng.random() < 0.7 else rng.randrange(2, 4)
            arrivals += [(event[1] + rng.random() * (lateness + 2), event) for _ in range(copies)]
    arrivals.sort(key=lambda pair: pair[0])
    # Copies have one name: the identity is (actor, id, time).
    known: dict[tuple[int, int, str], str] = {}
    log = []
    cut = rng.choice([0.02, 0.2, 0.7])
    for _, (actor, time_ms, event_id, drawn) in arrivals:
        name = known.setdefault((actor, time_ms, event_id), drawn)
        log.append(Arrival(actor, time_ms, event_id, name, rng.random() < cut, rng.random() < 0.2))
    return Case(shapes, tuple(log), lateness, rng.choice([NO_CAP, NO_CAP, 0, 2, 5]))


@pytest.mark.parametrize("part", range(4))
def test_twenty_thousand_random_actors_come_out_as_the_oracle_says(part):
    rng = random.Random(f"bulk {part}")
    compared = sum(check(random_case(rng, ACTORS_PER_BULK_CASE)) for _ in range(BULK_CASES // 4))
    assert compared * 4 >= 20_000


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = st.builds(Shape, st.sampled_from(SHAPES), st.integers(0, 12), st.sampled_from([4, 9, 1000]), st.booleans())
    arrival = st.builds(
        Arrival,
        st.integers(0, 1),
        st.integers(-2, 14),
        st.integers(0, 2).map(lambda number: f"i{number}"),
        st.sampled_from("ABCX"),
        st.booleans(),
        st.booleans(),
    )
    known: dict[tuple[int, int, str], str] = {}
    log = []
    for found in draw(st.lists(arrival, max_size=12)):
        name = known.setdefault((found.actor, found.time, found.id), found.name)
        log.append(Arrival(found.actor, found.time, found.id, name, found.cuts, found.reload))
    return Case(
        tuple(draw(st.lists(shape, min_size=1, max_size=2))),
        tuple(log),
        draw(st.sampled_from([0, 4, 100])),
        draw(st.sampled_from([NO_CAP, NO_CAP, 1, 3])),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
@example(Case((Shape("A>A", 10, 1000, True),), (Arrival(0, 5, "i2", "A"), Arrival(0, 5, "i1", "A")), 100))
def test_any_log_in_any_batches_comes_out_as_the_oracle_says(case):
    check(case)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(), st.randoms(use_true_random=False))
def test_arrival_order_within_the_lateness_changes_no_number(case, rng):
    in_order = Case(case.shapes, case.log, 10**6)
    shuffled = list(case.log)
    rng.shuffle(shuffled)
    first, second = (
        run_table(Case(case.shapes, tuple(log), 10**6), compiled(case.shapes))[0] for log in (in_order.log, shuffled)
    )
    assert [(+sums.attempts, +sums.periods) for sums in first] == [(+sums.attempts, +sums.periods) for sums in second]


def comparable(fold: tuple, time_ms: int, window_ms: int) -> tuple:
    """Return a fold without levels that have left the window, and with shared levels written out."""
    levels, attempt, periods = fold
    return (
        alive(levels, time_ms, window_ms),
        attempt,
        [
            (start, end, alive(levels if own is SHARED else own, time_ms, window_ms) if own else own, best, chain)
            for start, end, own, best, chain in periods
        ],
    )


def test_the_hot_path_says_what_the_clear_fold_says(monkeypatch):
    rng = random.Random("hot path")
    asked = 0
    clear_fold = Mock(wraps=advance_fold)
    monkeypatch.setattr(in_order, "advance_fold", clear_fold)
    for _ in range(6_000):
        shape = Shape(
            rng.choice(["A>B", "A>B>C", "A>B>C>D>E", "AB>BC"]), rng.choice([3, 10]), rng.choice([7, 30, 1000]), False
        )
        funnel = compiled([shape]).funnels[0]
        steps = steps_of(funnel)
        clear = {LONG_AGO: base_of(NOTHING)}
        entries = [(LONG_AGO, *base_of(NOTHING)[1:])]
        now = 0
        for _ in range(rng.randrange(1, 4)):
            run = []
            for _ in range(rng.randrange(1, 8)):
                now += rng.randrange(1, rng.choice([3, 9]))
                run.append((now, f"i{now}", steps[rng.choice([name for name in "AAABBCDE" if name in steps])], None))
            seal_below = rng.choice([LONG_AGO, now - 5, now + 1])
            take_in_order(funnel, entries, run, seal_below)
            for hit in run:
                fold, closed = advance_fold(funnel, fold_of(clear[max(clear)]), hit[0], ((*hit, 0),))
                clear[hit[0]] = (*hit, *fold, closed)
            asked += len(run)
            for time_ms, *_ in entries:
                assert time_ms in clear
            for entry in entries[1:]:
                time_ms = entry[0]
                assert entry[:4] == clear[time_ms][:4]
                assert comparable(fold_of(entry), time_ms, shape.window) == comparable(
                    fold_of(clear[time_ms]), time_ms, shape.window
                )
                assert entry[7] == clear[time_ms][7]
            # Of the run's events the last before the instant has an entry, and all from there on.
            kept = [hit[0] for hit in run if hit[0] >= seal_below]
            assert [time_ms for time_ms, *_ in entries if time_ms >= max(seal_below, run[0][0])] == kept
            below = [hit[0] for hit in run if hit[0] < seal_below]
            assert [time_ms for time_ms, *_ in entries if run[0][0] <= time_ms < seal_below] == below[-1:]
    assert clear_fold.call_count < 0.4 * asked


def engine_depths(funnel: CompiledFunnel, actors: dict[str, list[OEvent]]) -> dict[str, int]:
    """Return each actor's deepest step by the engine, its events in the given order."""
    depths = dict.fromkeys(actors, 0)
    for actor, events in actors.items():
        sums = Sums()
        state = FunnelState([EMPTY_BASE])
        hits = [
            (event.time, event.id, steps_of(funnel)[event.name], None, 0)
            for event in events
            if event.name in steps_of(funnel)
        ]
        sums.add(advance(funnel, state, hits, []))
        best = [attempt[1] for attempt in (+sums.attempts)]
        assert max(best, default=0) == max((depth for _, depth, _ in +sums.periods), default=0)
        depths[actor] = max(best, default=0)
    return depths


@pytest.mark.parametrize(
    ("steps", "window", "span"), [("A>B", 3, 8), ("A>B>C", 10, 20), ("AD>B>C", 0, 3), ("A>B>C>D>E", 20, 25)]
)
def test_clickhouse_finds_the_same_depth_for_disjoint_steps(steps, window, span):
    rng = random.Random(f"clickhouse {steps}")
    shape = Shape(steps, window, 1000, touched=False)
    actors = {
        f"u{number}": [
            OEvent(rng.randrange(span), f"i{place}", rng.choice("AABBCDEX")) for place in range(rng.randrange(1, 12))
        ]
        for number in range(5_500)
    }
    assert engine_depths(compiled([shape]).funnels[0], actors) == window_funnel(actors, oracle_funnel(shape))
