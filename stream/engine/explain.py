"""Why each event of one actor counted or not, and what came of it (SPEC section 10).

In:  the entries of an actor's counted units in one funnel: a base, and accepted events in order of time.
Out: the attempts in order, the results of entry periods, and for each event what it did.

The engine itself is walked through, instant by instant, with an id in place of each event's touch, so that the
chains it reports say which events they are made of. Of an event that is in none of them the engine is asked, at its
instant, what it could have done: whether a chain could be made with it, which chains it could not follow, and what
had become of those that are no longer there. What is sealed has no ids: its chains have times only.

An event that is in no reported chain has one reason, the first that applies in the order of `Why`.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import combinations, groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

from stream.engine.advance import NO_CAP
from stream.engine.attempts import DONE, NOTHING, SHARED, Attempt, Fold, PeriodFold
from stream.engine.chains import Chain, Chains, level_of, start_of
from stream.engine.match import CompiledFunnel
from stream.engine.option_fold import Options, Standing
from stream.engine.optioned import UnitStates, seal_in_record, take_event
from stream.engine.removal import Kept, Removal
from stream.engine.roles import BREAKS, Hit, exclusion_of
from stream.engine.state import Entry, FunnelState, base_of, fold_of, time_of
from stream.engine.ties import Instant, instant_of
from stream.engine.units import Unit
from stream.model.event import AdmittedEvent
from stream.model.verdict import Verdict

# time (floored to the granularity) and id of a hit: which event it is
HitKey: TypeAlias = tuple[int, str]

TIED = 6
"""Other events of an instant up to which every way to combine them with an event is tried."""


STRETCH = 100
"""Events between two seals while an actor's events are judged, and between two moves while they are taken in."""


class Why(StrEnum):
    """Why an event is in no reported chain, in the order in which the reasons are asked for."""

    COUNTED = "counted"  # it is in one
    INVALID = "invalid"  # admission: no event
    FUTURE = "future"  # admission: ahead of its record
    NO_MATCH = "no_match"  # it has no role in the funnel
    LATE = "late"  # admission: behind the allowed lateness
    DUPLICATE = "duplicate"  # a copy of another record
    BOT = "bot"  # the actor held too many events
    AHEAD = "ahead"  # after the instant of the explanation
    REMOVED = "removed"  # in the chain of an attempt that an exclusion took out of everything
    EXCLUSION = "exclusion"  # the funnel's exclusion: it ended a chain, or there was none in its range
    BROKE = "broke"  # strict order: it broke a chain
    OTHER_CHAIN = "other_chain"  # a chain was made with it, but another one is reported
    TOO_SOON = "too_soon"  # the chain before it had to wait longer (not_before, strict_time)
    EXCLUDED = "excluded"  # an exclusion had ended the chain before it
    BROKEN = "broken"  # strict order: another event had broken the chain before it
    CONSUMED = "consumed"  # a conversion had consumed the chain before it
    OUTSIDE_WINDOW = "outside_window"  # the window, or `within`, of the chain before it was over
    OTHER_UNIT = "other_unit"  # the chain before it is of another session, or of other held values
    NOT_FIRST = "not_first"  # entry: first: another event had entered the period
    FOREIGN = "foreign"  # strict order: it would break chains, and there was none
    ORDER = "order"  # no chain had reached a step before it


class Limit(StrEnum):
    """What an event kept to or did not."""

    WINDOW = "window"
    WITHIN = "within"
    NOT_BEFORE = "not_before"
    STRICT_TIME = "strict_time"


@dataclass(frozen=True, slots=True)
class Act:
    """What an event did, or why it did nothing.

    step: the one concerned, from 1; of an exclusion and a break that to which the chain had come. chain: the one
    concerned; () where none is. limit, over_ms: what was not kept to, and by how much. exclusion: its number, from 1.
    by: the events that did it. attempt: place among the unit's of the one concerned, of CONSUMED and ORDER of that
    which converted last before. period_ms: start of the period whose chain it is,
    where it is no attempt's. unit: the one that has the chain.
    """

    why: Why
    step: int = 0
    chain: Chain = ()
    limit: Limit | None = None
    over_ms: int = 0
    exclusion: int = 0
    by: tuple[HitKey, ...] = ()
    attempt: int | None = None
    period_ms: int | None = None
    unit: Unit | None = None


class Part(NamedTuple):
    """An event's part in a reported chain, at `level` (from 1): of an attempt, by its place, or of a period."""

    level: int
    attempt: int | None
    period_ms: int | None


class Outcome(StrEnum):
    """What became of an attempt; `removed`: an exclusion took it out of everything."""

    CONVERTED = "converted"
    DROPPED = "dropped"
    EXCLUDED = "excluded"
    PENDING = "pending"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt; `closed_ms` is None while it is pending. exclusion, by: what ended its chains, 0 and () if none."""

    attempt: Attempt
    outcome: Outcome = Outcome.PENDING
    closed_ms: int | None = None
    exclusion: int = 0
    by: tuple[HitKey, ...] = ()


@dataclass(frozen=True, slots=True)
class PeriodResult:
    """An entry period's deepest chain; level 0: it counts nowhere, since an exclusion removes the actor."""

    start_ms: int
    end_ms: int
    level: int
    chain: Chain


@dataclass
class Story:
    """What came of the events of one counted unit. acts: by event, also for those in reported chains (`parts`)."""

    unit: Unit = ()
    tried: list[Tried] = field(default_factory=list)
    periods: list[PeriodResult] = field(default_factory=list)
    acts: dict[HitKey, Act] = field(default_factory=dict)
    parts: dict[HitKey, list[Part]] = field(default_factory=dict)

    def act(self, key: HitKey) -> Act | None:
        """Return what an event did; None if it is none of the unit's."""
        return Act(Why.COUNTED) if key in self.parts else self.acts.get(key)


# In


def explainable(funnel: CompiledFunnel) -> CompiledFunnel:
    """Return the funnel as `explain` takes it: with the fold of funnels with options, whether it has some or not."""
    if funnel.options is not None:
        return funnel
    own = copy(funnel)
    own.options = Options(funnel.definition)
    return own


def judge(
    funnel: CompiledFunnel, events: Sequence[tuple[AdmittedEvent, tuple[int, ...]]], bot_cap: int
) -> list[Verdict]:
    """Return the verdict of each of an actor's admitted events, given in log order with their roles."""
    order = list(range(len(events)))
    in_time = len(events) <= bot_cap
    if in_time:
        order.sort(key=lambda place: events[place][0][1])  # stable: of copies the first in the log stays the first
    record: list[Any] = [None] * (funnel.slot + 1)
    verdicts = [Verdict.ACCEPTED] * len(events)
    for count, place in enumerate(order, start=1):
        event, roles = events[place]
        verdicts[place], _, _ = take_event(record, funnel, roles, event, bot_cap)
        if count % STRETCH == 0:
            seal_in_record(record, funnel, event[1] if in_time else event[5])
    return verdicts


def entries_of(
    funnel: CompiledFunnel, events: Iterable[tuple[AdmittedEvent, tuple[int, ...]]]
) -> dict[Unit, list[Entry]]:
    """Return the entries, not folded, of accepted events in order of time, given with their roles, by counted unit."""
    own = copy(funnel)
    own.options = _Unfolded(funnel.definition)
    record: list[Any] = [None] * (own.slot + 1)
    found: dict[Unit, list[Entry]] = {}
    for count, (event, roles) in enumerate(events, start=1):
        take_event(record, own, roles, event, NO_CAP)
        if count % STRETCH == 0:
            _move(by_unit(record[own.slot]), found)
    _move(by_unit(record[own.slot]), found)
    return found


def _move(units: Mapping[Unit, list[Entry]], found: dict[Unit, list[Entry]]) -> None:
    """Move entries to those found: to take one more in costs as much as there are."""
    for unit, entries in units.items():
        found.setdefault(unit, [entries[0]]).extend(entries[1:])
        del entries[1:]


def by_unit(held: list[Entry] | UnitStates | None) -> dict[Unit, list[Entry]]:
    """Return what a record has of a funnel by counted unit; an actor that is one itself is the unit ()."""
    if held is None:
        return {}
    return held.entries if isinstance(held, UnitStates) else {(): held}


class _Unfolded(Options):
    """Takes events in and folds nothing."""

    def advance(self, fold: Fold, *_: object) -> tuple[Fold, tuple[Attempt, ...]]:
        """Change nothing."""
        return fold, ()


def stored_units(funnel: CompiledFunnel, held: FunnelState | UnitStates) -> dict[Unit, list[Entry]]:
    """Return what is stored of an actor in a funnel by counted unit, as `explain` takes it."""
    units = by_unit(held.entries if isinstance(held, FunnelState) else held)
    if funnel.options is not None:
        return units
    return {unit: [base_of(_optioned(fold_of(entries[0]))), *entries[1:]] for unit, entries in units.items()}


def is_sealed(entries: Sequence[Entry]) -> bool:
    """Tell whether anything came before the entries that are known."""
    standing, attempt, periods = fold_of(entries[0])
    return attempt is not None or bool(periods) or bool(Standing(*standing).kept)


def _optioned(fold: Fold) -> Fold:
    """Return a plain funnel's fold in the form of a fold with options."""
    levels, attempt, periods = fold
    own = tuple([(*each[:2], levels if each[2] is SHARED else each[2], *each[3:]) for each in periods])
    return Standing(kept=levels), attempt, own


# Out


def explain(funnel: CompiledFunnel, units: Mapping[Unit, Sequence[Entry]], as_of_ms: int) -> list[Story]:
    """Return what came of the entries of an actor's units; `funnel` is `explainable`, and so are their bases.

    as_of_ms: decides which attempts are pending; whether an entry counts at it is for the caller to say.
    """
    walks = {unit: _Walk(funnel, unit) for unit in sorted(units)}
    for unit, walk in walks.items():
        base, *entries = units[unit]
        walk.begin(fold_of(base))
        for time_ms, group in groupby(entries, time_of):
            hits = [(time_ms, entry[1], entry[2], _Mark((entry[1],), ()), 0) for entry in group]
            walk.take(time_ms, hits)
    for walk in walks.values():
        walk.look_at([other for other in walks.values() if other is not walk])
    return [walk.told(as_of_ms) for walk in walks.values()]


def key_of(time_ms: int, touch: Any) -> HitKey | None:
    """Return which event an item of a chain is; None for one that is sealed."""
    return (time_ms, touch.segments[0]) if isinstance(touch, _Mark) else None


class _Mark(NamedTuple):
    """Stands in chains for an event's touch: its id, in the place of breakdown values."""

    segments: tuple[str, ...]
    values: tuple[tuple[int, str, str], ...]


class _Cause(StrEnum):
    """Why a chain can go on no more, in the order of the reasons they make."""

    EXCLUDED = "excluded"
    BROKEN = "broken"
    SESSION = "session"
    CONSUMED = "consumed"
    EXPIRED = "expired"


_REASON: Final = {
    _Cause.EXCLUDED: Why.EXCLUDED,
    _Cause.BROKEN: Why.BROKEN,
    _Cause.SESSION: Why.OTHER_UNIT,
    _Cause.CONSUMED: Why.CONSUMED,
}


class _Death(NamedTuple):
    """A chain that went, when, and by which events."""

    chain: Chain
    cause: _Cause
    time_ms: int
    exclusion: int = 0
    by: tuple[HitKey, ...] = ()
    attempt: int | None = None


class _Moment(NamedTuple):
    """An instant and what was there before it: `alive` chains, and those that arrive with it.

    kept, may_start: as the fold had them. attempt: place of the one to which the chains belong.
    """

    time_ms: int
    hits: Sequence[Hit]
    instant: Instant
    standing: Standing
    may_start: bool
    alive: Sequence[Chain]
    arriving: Sequence[Chain]
    periods: Sequence[PeriodFold]
    attempt: int | None


_time_of = itemgetter(0)
_RANK: Final = {why: place for place, why in enumerate(Why)}


class _Walk:
    """The fold of one unit, and what is noted on the way."""

    def __init__(self, funnel: CompiledFunnel, unit: Unit) -> None:
        options: Any = funnel.options
        self._options: Options = options
        self._shape = self._options.shape
        self._definition = funnel.definition
        self._steps = funnel.definition.steps
        self._step_count = funnel.step_count
        self._window_ms = funnel.window_ms
        self._period_of = funnel.period_of
        self._story = Story(unit)
        self._fold: Fold = NOTHING
        self._over: list[PeriodFold] = []
        self._dead: dict[tuple[int, _Cause], tuple[_Death, ...]] = {}
        self._cleared: dict[int, tuple[int, tuple[HitKey, ...]]] = {}
        self._removed: set[int] = set()
        self._converted: int | None = None
        self._snapshots: list[tuple[int, Kept]] = []

    def begin(self, fold: Fold) -> None:
        """Begin behind what is sealed."""
        self._fold = fold
        self._snapshots.append((-(1 << 63), Standing(*fold[0]).kept))

    # An instant

    def take(self, time_ms: int, hits: Sequence[Hit]) -> None:
        """Take in one tie group."""
        before = self._fold
        standing, periods = Standing(*before[0]), before[2]
        after, closed = self._options.advance(before, time_ms, hits, self._period_of)
        kept_after = Standing(*after[0])
        if kept_after.since_ms != standing.since_ms:
            self._dead.clear()
            self._converted = None
            self._bury([_Death(chain, _Cause.SESSION, time_ms) for chain in self._shape.candidates(standing.kept)])
            standing, periods = Standing(since_ms=time_ms), ()
        instant = instant_of(time_ms, hits, self._step_count)
        may_start = standing.anchored_ms is None or time_ms >= standing.anchored_ms
        openers = self._shape.openers(standing.kept, instant) if may_start else {}
        arriving = self._shape.arriving(standing.kept, instant, openers)
        alive = [chain for chain in self._shape.candidates(standing.kept) if self._shape.goes_on(chain, time_ms)]
        moment = _Moment(time_ms, hits, instant, standing, may_start, alive, arriving, periods, None)
        moment = moment._replace(attempt=self._note_attempts(before, after, closed, moment))
        for hit in hits:
            self._story.acts[hit[:2]] = self._act(hit, moment)
        self._note_deaths(moment, kept_after.kept, has_converted=bool(closed) and closed[-1][1] == self._step_count)
        over = [period for period in after[2] if self._options.is_over(period, time_ms + 1)]
        if over:
            self._over += over
            after = (after[0], after[1], tuple([period for period in after[2] if period not in over]))
        self._fold = after
        self._snapshots.append((time_ms, kept_after.kept))

    def _note_attempts(self, before: Fold, after: Fold, closed: Sequence[Attempt], moment: _Moment) -> int | None:
        """Note what was closed; returns the place of the attempt that the instant's chains are of."""
        tried, time_ms = self._story.tried, moment.time_ms
        tried += [Tried(attempt) for attempt in closed]
        attempt, place = after[1], len(tried)
        if attempt is None and closed and self._closed_at(closed[-1], time_ms):
            attempt, place = closed[-1], len(tried) - 1
        elif attempt is None:
            attempt = self._taken_out(before, moment)
            if attempt is None:
                return None
            tried.append(Tried(attempt))
            self._removed.add(place)
        clearing = self._clearing([*moment.alive, *moment.arriving], moment.time_ms, moment.instant.excluding)
        if clearing is not None and attempt[5] is not None:
            self._cleared[place] = clearing[1] + 1, self._keys_excluding(moment, clearing[1])
        return place

    def _closed_at(self, attempt: Attempt, time_ms: int) -> bool:
        return attempt[1] == self._step_count or (attempt[5] is not None and attempt[5][1] == time_ms)

    def _taken_out(self, before: Fold, moment: _Moment) -> Attempt | None:
        """Return the attempt that is gone without a trace: there would be one if the exclusions had not been."""
        if not moment.instant.excluding:
            return None
        hits = [(*hit[:2], tuple([role for role in hit[2] if role >= BREAKS]), *hit[3:]) for hit in moment.hits]
        (_, attempt, _), _ = self._options.advance(before, moment.time_ms, hits, self._period_of)
        return None if attempt is None else (*attempt[:5], (True, moment.time_ms))

    def _clearing(self, chains: Iterable[Chain], now_ms: int, places: Iterable[int]) -> tuple[Chain, int] | None:
        """Return the deepest chain that one of the exclusions clears, and which; None if they clear none."""
        found = [(chain, place) for chain in chains for place in self._shape.clearing(chain, now_ms, frozenset(places))]
        return max(found, key=lambda each: (level_of(each[0]), -each[1]), default=None)

    def _keys_excluding(self, moment: _Moment, place: int) -> tuple[HitKey, ...]:
        return tuple([hit[:2] for hit in moment.hits if place in _exclusions(hit)])

    # What became of chains

    def _note_deaths(self, moment: _Moment, kept: Kept, *, has_converted: bool) -> None:
        """Note the chains that were there and are no longer; one that another does for is not missed.

        A conversion consumes those too that had gone before it.
        """
        now_ms, shape, deaths = moment.time_ms, self._shape, []
        if not isinstance(shape, Chains):
            return  # in any order an event always makes a chain, so that none is ever missed
        if has_converted:
            self._dead.clear()
            self._converted = len(self._story.tried) - 1
        for chain in [*moment.standing.kept, *moment.arriving]:
            if chain in kept:
                continue
            if not shape.goes_on(chain, now_ms):
                deaths.append(_Death(chain, _Cause.EXPIRED, now_ms))
            elif has_converted:
                deaths.append(_Death(chain, _Cause.CONSUMED, now_ms, attempt=self._converted))
            elif shape.is_broken(chain, moment.instant):
                by = tuple([hit[:2] for hit in moment.hits if shape.is_broken(chain, self._alone(hit))])
                deaths.append(_Death(chain, _Cause.BROKEN, now_ms, by=by))
            elif (found := self._clearing([chain], now_ms, moment.instant.excluding)) is not None:
                place = found[1]
                by = self._keys_excluding(moment, place)
                deaths.append(_Death(chain, _Cause.EXCLUDED, now_ms, place + 1, by, moment.attempt))
        self._bury(deaths)

    def _bury(self, deaths: Iterable[_Death]) -> None:
        """Remember of each level and cause the chains that went last."""
        newest: dict[tuple[int, _Cause], list[_Death]] = {}
        for death in deaths:
            newest.setdefault((level_of(death.chain), death.cause), []).append(death)
        self._dead.update({place: tuple(own) for place, own in newest.items()})

    def _alone(self, hit: Hit) -> Instant:
        return instant_of(hit[0], [hit], self._step_count)

    # What an event did

    def _act(self, hit: Hit, moment: _Moment) -> Act:
        roles, places = hit[2], _exclusions(hit)
        if not roles:
            return Act(Why.NO_MATCH)
        act = self._excluding_act(moment, places) if places else None
        if act is None:
            act = self._breaking_act(hit, moment)
        if act is not None:
            return act
        if roles[-1] >= 0:
            return self._serving_act(hit, moment)
        return Act(Why.EXCLUSION, exclusion=min(places) + 1) if places else Act(Why.FOREIGN)

    def _excluding_act(self, moment: _Moment, places: Sequence[int]) -> Act | None:
        found = self._clearing([*moment.alive, *moment.arriving], moment.time_ms, places)
        if found is not None:
            chain, place = found
            return Act(Why.EXCLUSION, level_of(chain), chain, exclusion=place + 1, attempt=moment.attempt)
        for start_ms, chains in self._period_chains(moment):
            found = self._clearing(chains, moment.time_ms, places)
            if found is not None:
                chain, place = found
                return Act(Why.EXCLUSION, level_of(chain), chain, exclusion=place + 1, period_ms=start_ms)
        return None

    def _breaking_act(self, hit: Hit, moment: _Moment) -> Act | None:
        alone = self._alone(hit)
        views: list[tuple[int | None, Sequence[Chain]]] = [(None, moment.alive), *self._period_chains(moment)]
        for start_ms, chains in views:
            broken = [chain for chain in chains if self._shape.is_broken(chain, alone)]
            if broken:
                chain = max(broken, key=level_of)
                attempt = moment.attempt if start_ms is None else None
                return Act(Why.BROKE, level_of(chain), chain, attempt=attempt, period_ms=start_ms)
        return None

    def _period_chains(self, moment: _Moment) -> Iterator[tuple[int, Sequence[Chain]]]:
        """Yield of each period that is not done its start and the chains alive in it."""
        for start_ms, end_ms, state, _, _ in moment.periods:
            if state is not DONE:
                kept = self._options.kept_in(state)[0]
                chains = self._shape.candidates(kept, end_ms)
                yield start_ms, [chain for chain in chains if self._shape.goes_on(chain, moment.time_ms)]

    def _serving_act(self, hit: Hit, moment: _Moment) -> Act:
        standing, may_start = moment.standing, moment.may_start
        made = self._made(hit, moment, standing.kept, standing.kept, None, may_start=may_start)
        if made:
            return Act(Why.OTHER_CHAIN, _level_in(made, hit), made, attempt=moment.attempt)
        opening = standing.every if self._definition.is_open else standing.kept
        for start_ms, end_ms, state, _, _ in moment.periods:
            if state is DONE:
                continue
            here = may_start and start_ms <= moment.time_ms < end_ms
            made = self._made(hit, moment, self._options.kept_in(state)[0], opening, end_ms, may_start=here)
            if made:
                return Act(Why.OTHER_CHAIN, _level_in(made, hit), made, period_ms=start_ms)
        found = [act for step in hit[2] if step >= 0 for act in self._obstacles(step, moment)]
        return min(found, key=lambda act: (_RANK[act.why], -act.step, act.over_ms))

    def _made(  # noqa: PLR0913
        self, hit: Hit, moment: _Moment, kept: Kept, opening: Kept, until_ms: int | None, *, may_start: bool
    ) -> Chain:
        """Return a chain that can be made with the event, or ()."""
        for serving in self._groups(hit, moment.instant):
            instant = Instant(moment.time_ms, serving)
            openers = self._shape.openers(opening, instant) if may_start else {}
            chains = [chain for chain in self._shape.arriving(kept, instant, openers, until_ms) if _has(chain, hit)]
            if chains:
                return max(chains, key=level_of)
        return ()

    def _groups(self, hit: Hit, instant: Instant) -> Iterator[Sequence[Hit]]:
        """Yield the event alone and with others of its instant; its id is the smallest, so that it is taken first."""
        own = (hit[0], "", tuple([role for role in hit[2] if role >= 0]), hit[3], hit[4])
        others = [other for other in instant.serving if other[1] != hit[1]]
        yield (own,)
        if others:
            yield (own, *others)
        for size in range(1, len(others) if len(others) <= TIED else 0):
            yield from ((own, *chosen) for chosen in combinations(others, size))

    def _obstacles(self, step: int, moment: _Moment) -> Iterator[Act]:  # noqa: C901 (one reason after another)
        """Yield why no chain went to `step` (from 0) at the instant."""
        shape = self._shape
        if not isinstance(shape, Chains):
            raise TypeError("in any order every event that serves a step makes a chain")
        levels = [level for level in range(1, step + 1) if step in shape.following[level]]
        for chain in moment.standing.kept:
            if level_of(chain) in levels:
                yield self._limited(chain, step, moment.time_ms)
        not_before_ms = self._steps[step].not_before_ms
        if not_before_ms or self._definition.strict_time:
            limit = Limit.NOT_BEFORE if not_before_ms else Limit.STRICT_TIME
            for chain in moment.arriving:
                if level_of(chain) in levels:
                    yield Act(Why.TOO_SOON, step + 1, chain, limit, not_before_ms or 1)
        for (level, cause), deaths in self._dead.items():
            for death in deaths if level in levels else ():
                chain = death.chain
                is_due = moment.time_ms - chain[-2] >= not_before_ms
                if cause is _Cause.EXPIRED or not is_due or not shape.can_follow(chain, step, moment.time_ms):
                    yield self._limited(chain, step, moment.time_ms)
                else:
                    why, attempt = _REASON[cause], death.attempt
                    yield Act(why, step + 1, chain, exclusion=death.exclusion, by=death.by, attempt=attempt)
        if step == 0 and not moment.may_start:
            yield Act(Why.NOT_FIRST, 1)
        yield Act(Why.ORDER, step + 1, attempt=self._converted)

    def _limited(self, chain: Chain, step: int, now_ms: int) -> Act:
        """Return which limit keeps the step from following a chain now."""
        rule, last_ms = self._steps[step], chain[-2]
        over_ms = now_ms - start_of(chain) - self._window_ms
        if over_ms > 0:
            return Act(Why.OUTSIDE_WINDOW, step + 1, chain, Limit.WINDOW, over_ms)
        if rule.within_ms is not None and now_ms - last_ms > rule.within_ms:
            return Act(Why.OUTSIDE_WINDOW, step + 1, chain, Limit.WITHIN, now_ms - last_ms - rule.within_ms)
        return Act(Why.TOO_SOON, step + 1, chain, Limit.NOT_BEFORE, last_ms + rule.not_before_ms - now_ms)

    # The end

    def look_at(self, others: Sequence["_Walk"]) -> None:
        """Where no chain was there for an event, look whether one of another unit was."""
        for key, act in self._story.acts.items():
            if act.why not in {Why.ORDER, Why.NOT_FIRST}:
                continue
            for other in others:
                chain = other.waiting(act.step - 1, key[0])
                if chain:
                    self._story.acts[key] = replace(act, why=Why.OTHER_UNIT, chain=chain, unit=other.unit)
                    break

    @property
    def unit(self) -> Unit:
        """The counted unit."""
        return self._story.unit

    def waiting(self, step: int, now_ms: int) -> Chain:
        """Return a chain that was there before `now_ms` and could have gone to `step` (from 0) then; () if none."""
        shape = self._shape
        if not isinstance(shape, Chains):
            return ()
        kept: tuple[Chain, ...] = self._snapshots[bisect_left(self._snapshots, now_ms, key=_time_of) - 1][1]
        not_before_ms = self._steps[step].not_before_ms
        for chain in kept:
            is_due = step in shape.following[level_of(chain)] and now_ms - chain[-2] >= not_before_ms
            if is_due and shape.can_follow(chain, step, now_ms):
                return chain
        return ()

    def told(self, as_of_ms: int) -> Story:
        """Return all that was noted, as of an instant."""
        story = self._story
        if self._fold[1] is not None:
            story.tried.append(Tried(self._fold[1]))
        story.tried = [self._decided(place, tried.attempt, as_of_ms) for place, tried in enumerate(story.tried)]
        for period in sorted([*self._over, *self._fold[2]], key=lambda period: period[:2]):
            result = _result(period)
            if result is not None:
                story.periods.append(result)
        for place, tried in enumerate(story.tried):
            is_removed = tried.outcome is Outcome.REMOVED
            for level, key in _events_of(tried.attempt[2]):
                if is_removed:
                    act = Act(Why.REMOVED, level, exclusion=tried.exclusion, by=tried.by, attempt=place)
                    story.acts[key] = act
                else:
                    story.parts.setdefault(key, []).append(Part(level, place, None))
        for result in story.periods:
            for level, key in _events_of(result.chain):
                story.parts.setdefault(key, []).append(Part(level, None, result.start_ms))
        return story

    def _decided(self, place: int, attempt: Attempt, as_of_ms: int) -> Tried:
        exclusion, by = self._cleared.get(place, (0, ()))
        entry_ms, best, chain, _, _, fate = attempt
        end_ms = entry_ms + self._window_ms
        if best == self._step_count:
            return Tried(attempt, Outcome.CONVERTED, chain[-2])
        if place in self._removed:
            return Tried(attempt, Outcome.REMOVED, attempt[5][1] if attempt[5] else None, exclusion, by)
        if fate is not None and fate[1] is not None:
            return Tried(attempt, Outcome.EXCLUDED, fate[1], exclusion, by)
        if end_ms >= self._definition.floor(as_of_ms):
            return Tried(attempt)
        if fate is None:
            return Tried(attempt, Outcome.DROPPED, end_ms)
        return Tried(attempt, Outcome.REMOVED if fate[0] else Outcome.EXCLUDED, end_ms, exclusion, by)


def _result(period: PeriodFold) -> PeriodResult | None:
    """Return what a period comes to; None if no chain started in it."""
    start_ms, end_ms, state, best, chain = period
    if not best and not (isinstance(state, tuple) and len(state) == len(Removal._fields) and Removal(*state).best):
        return None
    return PeriodResult(start_ms, end_ms, best, chain)


def _events_of(chain: Chain) -> Iterator[tuple[int, HitKey]]:
    """Yield the events of a chain that are known, with their levels."""
    for place in range(0, len(chain), 2):
        key = None if chain[place] is None else key_of(chain[place], chain[place + 1])
        if key is not None:
            yield place // 2 + 1, key


def _has(chain: Chain, hit: Hit) -> bool:
    return bool(_level_in(chain, hit))


def _level_in(chain: Chain, hit: Hit) -> int:
    """Return at which level an event is in a chain, 0 if in none."""
    return next((level for level, key in _events_of(chain) if key == hit[:2]), 0)


def _exclusions(hit: Hit) -> list[int]:
    """Return the places of the exclusions that a hit is."""
    return [exclusion_of(role) for role in hit[2] if role < BREAKS]
