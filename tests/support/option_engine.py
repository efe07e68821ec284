"""A random funnel with options through the engine as the worker uses it, beside what the exhaustive oracle says.

In:  a `Case`.
Out: attempts and period results of both, in one form.

The engine is fed batch by batch: copies come too, what is older than the lateness is sealed, tables are thrown away and
their actors read from the bytes that were written. The oracle lists every chain of all the events at once.
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from stream.engine.advance import NO_CAP
from stream.engine.chains import entry_of
from stream.engine.codec import decode_states
from stream.engine.match import FunnelSet
from stream.engine.optioned import says_nothing
from stream.engine.roles import Touch
from stream.engine.table import ActorTable, by_actor
from stream.ingest.admission import NO_LIMIT_MS
from stream.model.event import AdmittedEvent
from support.options.actors import actor_results
from support.options.attempts import attempts
from support.options.cases import Case
from support.options.segments import Split, segments_of_attempt, segments_of_result
from support.oracle import OEvent
from support.product import product_breakdown, product_funnel

ACTOR = "u"


class Outcome(NamedTuple):
    """An attempt or period result: t0 or the period's start, level, outcome, (step, time) of the chain's events.

    segments: the value of each split.
    """

    start_ms: int
    level: int
    outcome: str
    chain: tuple[tuple[int, int], ...]
    segments: tuple[str, ...] = ()


class Found(NamedTuple):
    """All results of an actor, sorted; `entered`: where units are counted, the periods in which the actor counts."""

    attempts: list[Outcome]
    periods: list[Outcome]
    entered: list[int]


def by_oracle(case: Case, splits: Sequence[Split] = ()) -> Found:
    """Return what the oracle says."""
    tried = attempts(case.events, case.funnel, case.as_of, case.periods)
    results = actor_results(case.events, case.funnel, case.periods, case.as_of)
    counts_units = bool(case.funnel.hold) or case.funnel.session is not None or case.funnel.session_gap is not None
    return Found(
        sorted(
            Outcome(
                each.entry_ms, each.best, each.outcome, _of_oracle(each.chain), segments_of_attempt(case, splits, each)
            )
            for each in tried
        ),
        sorted(
            Outcome(each.period[0], each.depth, "", _of_oracle(each.chain), segments_of_result(splits, each))
            for each in results
            if not each.removed
        ),
        sorted({each.period[0] for each in results if not each.removed}) if counts_units else [],
    )


def _of_oracle(chain: Any) -> tuple[tuple[int, int], ...]:
    return tuple((step, event.time) for step, event in zip(chain.steps, chain.events, strict=True))


def by_engine(case: Case, rng: random.Random, lateness_ms: int | None, splits: Sequence[Split] = ()) -> Found:
    """Return what the engine says of the case's events in an order that keeps to the lateness; None: in log order."""
    known = [event for event in case.events if case.funnel.floor(event.time) <= case.as_of]
    if lateness_ms is not None:
        known = sorted(known, key=lambda event: event.time + rng.uniform(0, lateness_ms))
    run = _Run(case, lateness_ms, splits)
    position = 0
    while position < len(known):
        batch = known[position : position + rng.randint(1, 3)]
        position += len(batch)
        if rng.random() < 0.2:
            batch = [*batch, rng.choice(known[:position])]
        run.take(batch)
        if rng.random() < 0.3:
            run.forget()
    return run.found()


class _Run:
    """The engine's table, what is stored of it, and the sum of all changes."""

    def __init__(self, case: Case, lateness_ms: int | None, splits: Sequence[Split], bot_cap: int = NO_CAP) -> None:
        self._bot_cap = bot_cap
        self.verdicts: list[int] = [0, 0, 0]
        self._case = case
        self._lateness_ms = lateness_ms
        breakdowns = tuple(product_breakdown(split, str(place)) for place, split in enumerate(splits))
        self._funnels = FunnelSet([replace(product_funnel(case.funnel), breakdowns=breakdowns)])
        (self._funnel,) = self._funnels.funnels
        self._funnel.period_of = self._period_of
        if self._funnel.options is not None and case.funnel.entry_first:
            self._funnel.options.anchor_of = self._period_of
        self._table = self._new_table(is_complete=True)
        self._stored: dict[bytes, bytes] = {}
        self._attempts: Counter[Any] = Counter()
        self._periods: Counter[Any] = Counter()
        self._entered: Counter[int] = Counter()
        self._watermark_ms: int | None = None

    def _period_of(self, time_ms: int) -> tuple[int, int]:
        return next((start, end) for start, end in self._case.periods if start <= time_ms < end)

    def _new_table(self, *, is_complete: bool = False) -> ActorTable:
        return ActorTable(self._funnels, str.encode, bot_cap=self._bot_cap, is_complete=is_complete)

    def forget(self) -> None:
        """Go on with what is stored alone, and without what says nothing any more."""
        self._table = self._new_table()
        for key, blob in list(self._stored.items()):
            states = decode_states(blob, self._funnels.by_number)
            if self._limit_ms is not None and all(
                says_nothing(self._funnel, state, self._limit_ms) for state in states.values()
            ):
                del self._stored[key]

    def take(self, events: Iterable[OEvent]) -> None:
        """Take in a batch."""
        batch = by_actor([admitted for event in events if (admitted := self._admitted(event)) is not None])
        for actor, key in self._table.missing(batch):
            self._table.put(actor, key, self._stored.get(key))
        applied = self._table.apply(batch, self._limit_ms)
        self.verdicts = [a + b for a, b in zip(self.verdicts, applied.verdicts, strict=True)]
        for _, change in applied.changes:
            for tried, results, sign in (
                (change.taken, change.taken_periods, -1),
                (change.given, change.given_periods, 1),
            ):
                for attempt in tried:
                    self._attempts[attempt] += sign
                for start_ms, _, _, level, chain in results:
                    self._periods[start_ms, level, chain] += sign
            for start_ms, sign in change.actors:
                self._entered[start_ms] += sign
        self._stored.update(applied.states)
        for key, addition in applied.additions:
            self._stored[key] += addition

    @property
    def _limit_ms(self) -> int | None:
        if self._lateness_ms is None or self._watermark_ms is None:
            return None
        return self._watermark_ms - self._lateness_ms

    def _admitted(self, event: OEvent) -> AdmittedEvent | None:
        limit_ms = NO_LIMIT_MS if self._limit_ms is None else self._limit_ms
        if self._watermark_ms is None or event.time > self._watermark_ms:
            self._watermark_ms = event.time
        properties = [event.properties.get(path) for path in self._funnels.property_paths]
        kind: Any = event.name if event.name in self._funnels.serving else None
        if event.name in self._funnels.kinds:
            kind = self._funnels.kinds[event.name](properties)
        if kind is None or event.time < limit_ms:
            return None
        return ACTOR, event.time, event.id, kind, properties, limit_ms

    def found(self) -> Found:
        """Return the results as of the case's instant."""
        assert min([0, *self._attempts.values(), *self._periods.values()]) == 0, "more was taken back than given"
        tried = [
            Outcome(attempt[0], attempt[1], outcome, _of_engine(attempt[2]), _segments(attempt[3]))
            for attempt in self._attempts.elements()
            for outcome in (self._outcome(attempt),)
            if outcome != "removed"
        ]
        results = [
            Outcome(start, level, "", _of_engine(chain), _segments(self._funnel.touch_of_chain(chain)))
            for start, level, chain in self._periods.elements()
            if level
        ]
        return Found(sorted(tried), sorted(results), sorted(self._entered.elements()))

    def _outcome(self, attempt: Any) -> str:
        entry_ms, best, _, _, _, fate = attempt
        if best == self._funnel.step_count:
            return "converted"
        if fate is not None and fate[1] is not None:
            return "excluded"
        if entry_ms + self._funnel.window_ms >= self._case.funnel.floor(self._case.as_of):
            return "pending"
        if fate is None:
            return "dropped"
        return "removed" if fate[0] else "excluded"


def _segments(touch: Touch | None) -> tuple[str, ...]:
    return () if touch is None else touch[0]


def _of_engine(chain: Sequence[Any]) -> tuple[tuple[int, int], ...]:
    if not chain:
        return ()
    assert entry_of(chain) * 2 < len(chain), "a chain has an event"
    return tuple((place // 2 + 1, chain[place]) for place in range(0, len(chain), 2) if chain[place] is not None)
