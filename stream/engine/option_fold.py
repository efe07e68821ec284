"""Attempts and period folds of one actor in a funnel with options, advanced by one tie group.

In:  the fold before an instant, and the hits of that instant.
Out: the fold after it, and the attempts it closed.

It says of any funnel what `engine.attempts` says of plain ones, which is quicker. What the funnel's chains are
is the business of `engine.chains` or, in any order, of `engine.any_order`; both answer the same questions.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from stream.engine.any_order import AnyOrder
from stream.engine.attempts import DONE, Attempt, Fate, Fold, PeriodFold, first_times
from stream.engine.attribution import Attributions, Note, attributions_of, entry_touch
from stream.engine.chains import Chain, Chains, Openers, entry_of, level_of, start_of
from stream.engine.periods import PeriodOf, period_of
from stream.engine.removal import Kept, Removal, Shape, has_died_clean, is_outdone, survives
from stream.engine.roles import Hit
from stream.engine.ties import Instant, instant_of
from stream.model.funnel import Effect, Funnel, Order


class Standing(NamedTuple):
    """What an actor's next events build on, in place of a plain fold's levels.

    kept: of the attempts. since_ms, seen_ms: when its session began, and its newest event; None in a funnel
    without a gap rule. anchored_ms: end of the newest period in which a chain has started; None unless only the
    first event of a period starts one. every: as `kept`, with nothing consumed; () unless the funnel is open.
    notes: what events said for breakdowns since the kept chains began; () where only entry events are asked.
    """

    kept: Kept = ()
    since_ms: int | None = None
    seen_ms: int | None = None
    anchored_ms: int | None = None
    every: Kept = ()
    notes: tuple[Note, ...] = ()


NO_STANDING: Final = Standing()


class Step(NamedTuple):
    """What an instant does to what is kept: the chains whose last event is of it, and what is kept after it."""

    before: Kept
    arriving: list[Chain]
    after: Kept
    openers: Openers


NO_STEP: Final = Step((None,), [], (), {})
"""Of an instant that lies outside a period: nothing starts there, and nothing is shared."""


class Options:
    """The rules of one funnel with options, and the fold that follows them."""

    def __init__(self, funnel: Funnel) -> None:
        self.shape: Shape = AnyOrder(funnel) if funnel.order is Order.ANY else Chains(funnel)
        self.granularity_ms = funnel.granularity_ms
        self._keeps_starts = any(step.not_before_ms for step in funnel.steps)
        self._step_count = len(funnel.steps)
        self._window_ms = funnel.window_ms
        self._gap_ms = None if funnel.session is None else funnel.session.gap_ms
        self.may_hold_more = self._keeps_starts or self._gap_ms is not None
        """Whether a fold can stand for more events than a few per level (`held`)."""
        self._is_open = funnel.is_open
        self.anchor_of = period_of(funnel.period) if funnel.entry_first else None
        effects = enumerate(exclusion.effect for exclusion in funnel.exclusions)
        self._removing = frozenset(place for place, effect in effects if effect is Effect.REMOVE_ACTOR)
        self._attributions = attributions_of(funnel)

    def advance(
        self, fold: Fold, time_ms: int, hits: Sequence[Hit], period_of_entry: PeriodOf
    ) -> tuple[Fold, tuple[Attempt, ...]]:
        """Take in one tie group; returns the fold after it and the attempts that it closed."""
        standing: Standing = fold[0] or NO_STANDING
        kept, since_ms, seen_ms, anchored_ms, every, notes = standing
        attempt, periods = fold[1], fold[2]
        if self._attributions is not None:
            hits = self._attributions.with_ids(hits)
        instant = instant_of(time_ms, hits, self._step_count)
        closed: list[Attempt] = []
        if attempt is not None and time_ms - attempt[0] > self._window_ms:
            closed.append(attempt)
            attempt = None
        if self._gap_ms is not None:
            if seen_ms is None or time_ms - seen_ms > self._gap_ms:
                # The session is over, and what comes of its attempt is only a question of time.
                closed += [] if attempt is None else [attempt]
                attempt = None
                periods = tuple([_ended(period) for period in periods if period[3]])
                kept, since_ms, anchored_ms, every, notes = (), time_ms, None, (), ()
            seen_ms = time_ms
        may_start = anchored_ms is None or time_ms >= anchored_ms
        openers = self.shape.openers(kept, instant) if may_start else {}
        if self._attributions is not None:
            note = self._attributions.note(time_ms, hits)
            notes = notes if note is None else (*notes, note)
        step = self._step(kept, instant, openers, instant.excluding)
        kept, attempt = self._advance_attempt(step, attempt, instant, notes, closed)
        if self._attributions is not None:
            notes = self._attributions.remembered(notes, self.shape.starts(kept))
        if self._is_open:
            # Of people nothing is consumed, so that other events may open a chain than of attempts.
            openers = self.shape.openers(every, instant)
            every = self._step(every, instant, openers).after
            step = step._replace(openers=openers)
        if self.anchor_of is not None and openers:
            anchored_ms = self.anchor_of(time_ms)[1]
        periods = self._advance_periods(periods, since_ms, instant, step, period_of_entry)
        return ((kept, since_ms, seen_ms, anchored_ms, every, notes), attempt, periods), tuple(closed)

    def _step(
        self,
        kept: Kept,
        instant: Instant,
        openers: Openers,
        excluding: Collection[int] = (),
        until_ms: int | None = None,
    ) -> Step:
        """Take an instant into what is kept; chains start before `until_ms`, if it is given."""
        arriving = self.shape.arriving(kept, instant, openers, until_ms)
        if not (arriving or excluding or self.shape.changes_alone):
            return Step(kept, arriving, kept, openers)
        remaining: Sequence[Any] = self.shape.remaining(kept, instant, arriving, excluding)
        return Step(kept, arriving, self.shape.kept(remaining, instant.time_ms, until_ms), openers)

    # Attempts

    def _advance_attempt(
        self, step: Step, attempt: Attempt | None, instant: Instant, notes: Sequence[Note], closed: list[Attempt]
    ) -> tuple[Kept, Attempt | None]:
        """Return what is kept after the instant, and the attempt then open; appends to `closed`."""
        now_ms, arriving = instant.time_ms, step.arriving
        alive: list[Chain] = []
        if instant.excluding or (arriving and attempt is None):
            alive = [each for each in self.shape.candidates(step.before) if self.shape.goes_on(each, now_ms)]
            alive += arriving
        if arriving:
            if attempt is None:
                attempt = self._opened(alive, now_ms, notes)
            else:
                attempt = self._deepened(attempt, arriving, now_ms)
        if attempt is not None and self._attributions is not None:
            attempt = self._attributed(self._attributions, attempt, now_ms, notes)
        if attempt is not None and attempt[1] == self._step_count:
            closed.append(attempt)
            return (), None
        if attempt is not None and instant.excluding:
            attempt = self._cleared(attempt, alive, instant)
            if not any(self.shape.goes_on(chain, now_ms) for chain in self.shape.candidates(step.after)):
                attempt = self._excluded(attempt, alive, instant, closed)
        return step.after, attempt

    def _opened(self, alive: Sequence[Chain], now_ms: int, notes: Sequence[Note]) -> Attempt:
        """Open an attempt at the deepest chain alive; it enters with the earliest of those that count."""
        if len(alive) == 1 and len(alive[0]) == 2 and self._attributions is None:  # most begin so
            first: Chain = alive[0]
            return first[0], 1, first, first[1], None, None
        foremost = self.shape.foremost(alive, now_ms)
        best, entry_ms = max(map(level_of, foremost)), min(map(start_of, foremost))
        chain = self.shape.opening([each for each in foremost if level_of(each) == best])
        touch = entry_touch(chain)
        if self._attributions is not None:
            touch = self._attributions.opened(chain, entry_ms, notes)
        return entry_ms, best, chain, touch, _firsts(chain, (), now_ms), None

    def _attributed(self, attributions: Attributions, attempt: Attempt, now_ms: int, notes: Sequence[Note]) -> Attempt:
        """Give an open attempt the breakdown values it has after an instant."""
        known: Any = attempt[3]
        touch = attributions.went_on(known, attempt[2], notes[-1] if notes and notes[-1][0] == now_ms else None)
        return attempt if touch is known else (*attempt[:3], touch, *attempt[4:])

    def _deepened(self, attempt: Attempt, arriving: Sequence[Chain], now_ms: int) -> Attempt:
        """Take in the chains that arrive; one that starts before the attempt is none of its own."""
        own = [chain for chain in arriving if start_of(chain) >= attempt[0]]
        top = max(map(level_of, own), default=0)
        if top < attempt[1]:
            return attempt
        if top == attempt[1]:
            return (*attempt[:5], None)
        chain = self.shape.preferred([each for each in own if level_of(each) == top])
        return attempt[0], top, chain, attempt[3], _firsts(chain, first_times(attempt), now_ms), None

    def _cleared(self, attempt: Attempt, alive: Sequence[Chain], instant: Instant) -> Attempt:
        """Note whether the instant's exclusions left no chain at the attempt's best level."""
        at_best = [chain for chain in alive if level_of(chain) == attempt[1]]
        clearing = [self.shape.clearing(chain, instant.time_ms, instant.excluding) for chain in at_best]
        if not clearing or not all(clearing):
            return attempt
        return (*attempt[:5], (self._remove(place for places in clearing for place in places), None))

    def _excluded(
        self, attempt: Attempt, alive: Sequence[Chain], instant: Instant, closed: list[Attempt]
    ) -> Attempt | None:
        """Close an attempt of which no chain is left, if it is the exclusions that left none."""
        clearing = [
            place for chain in alive for place in self.shape.clearing(chain, instant.time_ms, instant.excluding)
        ]
        if not clearing:
            return attempt
        fate: Fate | None = attempt[5]
        if not (self._remove(clearing) or (fate is not None and fate[0])):
            closed.append((*attempt[:5], (False, instant.time_ms)))
        return None

    def _remove(self, exclusions: Iterable[int]) -> bool:
        return not self._removing.isdisjoint(exclusions)

    # Periods

    def _advance_periods(
        self,
        periods: Iterable[PeriodFold],
        since_ms: int | None,
        instant: Instant,
        shared: Step,
        period_of_entry: PeriodOf,
    ) -> tuple[PeriodFold, ...]:
        """`shared`: the step of the attempts, which is that of a period as long as they keep the same chains."""
        now_ms = instant.time_ms
        result: list[PeriodFold] = []
        inside = False
        for period in periods:
            start_ms, end_ms, kept, _, chain = period
            here = start_ms <= now_ms < end_ms
            if kept is DONE:
                # An earlier session's result of this period is another one.
                inside = inside or (here and (since_ms is None or start_of(chain) >= since_ms))
                result.append(period)
                continue
            inside = inside or here
            result.append(self._advance_period(period, instant, shared if here else NO_STEP))
        if shared.openers and not inside:
            borders = period_of_entry(now_ms)
            result.append(self._advance_period((*borders, (), 0, ()), instant, shared))
            result.sort(key=lambda period: period[0])
        return tuple(result)

    def _advance_period(self, period: PeriodFold, instant: Instant, shared: Step) -> PeriodFold:
        start_ms, end_ms, kept, best, chain = period
        if self._removing:
            return self._advance_removal(period, instant, shared.openers)
        step = shared
        if not (self.shape.is_shared and shared.before is kept):
            step = self._step(kept, instant, shared.openers, instant.excluding, end_ms)
        if step.arriving:
            best, chain = self._deeper(best, chain, step.arriving)
            if best == self._step_count:
                return start_ms, end_ms, DONE, best, chain
        elif step.after is kept:
            return period
        return start_ms, end_ms, step.after, best, chain

    def _deeper(self, best: int, chain: Chain, arriving: Sequence[Chain]) -> tuple[int, Chain]:
        top = max(map(level_of, arriving), default=0)
        if top <= best:
            return best, chain
        return top, self.shape.preferred([each for each in arriving if level_of(each) == top])

    def _advance_removal(self, period: PeriodFold, instant: Instant, openers: Openers) -> PeriodFold:
        """Advance a period that counts only if a chain as deep as can be, removing exclusions ignored, is clean."""
        start_ms, end_ms, state, _, _ = period
        removal, shape, now_ms = Removal(*state), self.shape, instant.time_ms
        is_clean = removal.is_clean or has_died_clean(shape, removal, end_ms, now_ms)
        _, arriving, kept, _ = self._step(removal.kept, instant, openers, instant.excluding, end_ms)
        lenient_excluding = instant.excluding - self._removing
        _, lenient_arriving, lenient, _ = self._step(removal.lenient, instant, openers, lenient_excluding, end_ms)
        deepest = max(map(level_of, lenient_arriving), default=0)
        if deepest > removal.deepest:
            is_clean = False
        else:
            deepest = removal.deepest
        best, chain = self._deeper(removal.best, removal.chain, arriving)
        if best == self._step_count:
            return start_ms, end_ms, DONE, best, chain
        removing = instant.excluding & self._removing
        before = [each for each in shape.candidates(removal.kept, end_ms) if shape.goes_on(each, now_ms)]
        alive = [each for each in [*before, *arriving] if level_of(each) == deepest]
        uncleared = [each for each in alive if not shape.clearing(each, now_ms, removing)]
        going = [each for each in uncleared if survives(shape, each, instant)]
        dead = [each for each in uncleared if each not in going]
        is_clean = is_clean or any(not is_outdone(shape, each, uncleared, now_ms) for each in dead)
        after = Removal(kept, lenient, deepest, best, chain, is_clean)
        return (start_ms, end_ms, after, best, chain) if is_clean or going else (start_ms, end_ms, after, 0, ())

    # What is kept, and what no event can change any more

    def held(self, fold: Fold, limit_ms: int) -> int:
        """Return how many events a fold stands for that can still matter at `limit_ms`, beyond a few per level.

        Those are the starts whose gap (`not_before`) is not over, and the results of sessions of periods that are not.
        """
        standing, _, periods = fold
        starts = results = 0
        if self._keeps_starts and standing:
            starts = len(self.shape.kept(standing[0], limit_ms))
        if self._gap_ms is not None:
            results = sum(period[2] is DONE and not self.is_over(period, limit_ms) for period in periods)
        return starts + results

    def matters(self, fold: Fold, limit_ms: int) -> bool:
        """Tell whether what is kept can still change what an event at or after `limit_ms` does."""
        standing, attempt, periods = fold
        if attempt is not None and attempt[0] + self._window_ms >= limit_ms:
            return True
        if any(not self.is_over(period, limit_ms) for period in periods):
            return True
        kept = (standing[0], standing[4]) if standing else ()
        return any(self.shape.goes_on(chain, limit_ms) for each in kept for chain in self.shape.candidates(each))

    def is_over(self, period: PeriodFold, limit_ms: int) -> bool:
        """Tell whether no event at or after `limit_ms` can change the period's result."""
        _, end_ms, kept, _, _ = period
        if kept is DONE:
            return end_ms <= limit_ms
        return end_ms <= limit_ms and not any(
            self.shape.goes_on(chain, limit_ms)
            for each in self.kept_in(kept)
            for chain in self.shape.candidates(each, end_ms)
        )

    def ends(self, fold: Fold) -> Iterator[int]:
        """Yield the instants up to which something that is kept can matter, ms."""
        standing, _, periods = Standing(*fold[0]), fold[1], fold[2]
        if standing.anchored_ms is not None:
            yield standing.anchored_ms
        kept = [standing.kept, standing.every]
        kept += [each for period in periods if period[2] is not DONE for each in self.kept_in(period[2])]
        for each in kept:
            for chain in self.shape.candidates(each):
                yield start_of(chain) + self._window_ms

    def kept_in(self, state: Any) -> Sequence[Kept]:
        """Return what a period that is not done keeps: its own, and where actors can be removed what is as if not."""
        if not self._removing:
            return (state,)
        removal = Removal(*state)
        return removal.kept, removal.lenient


def _firsts(chain: Chain, known: Sequence[int | None], now_ms: int) -> tuple[int | None, ...] | None:
    """Return when an attempt first had each level of its chain, of which it had the `known` ones by now.

    None if that is when the chain's own events happened. A step that the chain skipped was had with the next one, and
    those below its entry never.
    """
    own = chain[::2]
    if not known and None not in own:
        return None
    entry = entry_of(chain)
    times = list(own)
    for place in range(len(times) - 1, -1, -1):
        if place < entry:
            times[place] = None
        elif known and place >= len(known):
            times[place] = now_ms
        elif known and known[place] is not None:
            times[place] = known[place]
        elif times[place] is None:
            times[place] = times[place + 1]
    return None if tuple(times) == own else tuple(times)


def _ended(period: PeriodFold) -> PeriodFold:
    """Return a period's result of a session that is over."""
    return (*period[:2], DONE, *period[3:])


def options_of(funnel: Funnel) -> Options | None:
    """Return the options of a funnel; None if the plain fold does for it."""
    has_options = (
        funnel.order is not Order.ORDERED
        or funnel.is_open
        or funnel.exclusions
        or funnel.hold
        or funnel.entry_first
        or funnel.session is not None
        or funnel.granularity_ms != 1
        or any(step.optional or step.within_ms is not None or step.not_before_ms for step in funnel.steps)
        or attributions_of(funnel) is not None
    )
    return Options(funnel) if has_options else None
