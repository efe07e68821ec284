"""The result of one actor per entry period.

In:  an actor's events, a funnel, periods, an instant.
Out: per counted unit and period it entered: the deepest level of the chains that start in it, and the reported one.

Nothing is consumed here, and events after the period count. With an exclusion that removes the actor, the
unit counts only if a chain as deep as its deepest, such exclusions ignored, is clean.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from support.options.attempts import Period, anchors
from support.options.chains import Chain, Path, at_least, chains, clearing, is_live, reported, worth
from support.options.funnels import OptionFunnel
from support.options.units import Unit, units
from support.oracle import OEvent


@dataclass(frozen=True)
class PeriodResult:
    """What one unit reached in one period; `removed`: it entered but counts nowhere, so depth 0 and no chain."""

    unit: Unit
    period: Period
    depth: int
    chain: Chain | None
    removed: bool = False


def actor_results(
    events: Sequence[OEvent],
    funnel: OptionFunnel,
    periods: Sequence[Period],
    as_of: int,
    entries: Sequence[Period] | None = None,
) -> list[PeriodResult]:
    """Return the result of each unit and period in which a chain starts.

    entries: the periods whose first step-1 events start chains with entry: first, if not `periods`.
    """
    results = []
    for unit, own in units(events, funnel, as_of).items():
        listed = _Listed(Path(own, funnel, anchors(own, funnel, periods if entries is None else entries)))
        for period in periods:
            result = _result(unit, listed, period, funnel.floor(as_of))
            if result is not None:
                results.append(result)
    return results


class _Listed:
    """A path with all its chains; `lenient`: the same with the exclusions that remove the actor ignored."""

    def __init__(self, path: Path) -> None:
        self.path, self.chains = path, chains(path)
        self.removes = any(exclusion.effect == "remove_actor" for exclusion in path.funnel.exclusions)
        self.lenient = path.under(_without_removal(path.funnel)) if self.removes else path
        self.lenient_chains = chains(self.lenient) if self.removes else self.chains


def _result(unit: Unit, listed: _Listed, period: Period, as_of: int) -> PeriodResult | None:
    deepest = max((chain.level for chain in _starting(listed.lenient_chains, period)), default=0)
    if deepest == 0:
        return None
    candidates = [chain for chain in _starting(listed.chains, period) if chain.level == deepest]
    if listed.removes and not any(
        _is_clean(listed.path, listed.lenient, chain, candidates, as_of) for chain in candidates
    ):
        return PeriodResult(unit, period, 0, None, removed=True)
    return PeriodResult(unit, period, deepest, reported(listed.path, candidates))


def _without_removal(funnel: OptionFunnel) -> OptionFunnel:
    kept = tuple(exclusion for exclusion in funnel.exclusions if exclusion.effect != "remove_actor")
    return replace(funnel, exclusions=kept)


def _starting(found: Sequence[Chain], period: Period) -> list[Chain]:
    return [chain for chain in found if period[0] <= chain.start < period[1]]


def _is_clean(path: Path, lenient: Path, chain: Chain, rivals: Sequence[Chain], as_of: int) -> bool:
    """Tell whether a chain ended its life, or lives at `as_of`, as its level's best and uncleared."""
    if chain.level == len(path.funnel.steps):
        return True
    end = _end_of_life(lenient, chain, as_of)
    if _is_cleared(path, chain, end):
        return False
    return not any(
        rival.last <= end
        and is_live(lenient, rival, end)
        and not _is_cleared(path, rival, end)
        and _is_better(lenient, rival, chain, end)
        for rival in rivals
    )


def _end_of_life(lenient: Path, chain: Chain, as_of: int) -> int:
    """Return the last instant, `as_of` at most, at which the chain is alive, exclusions that remove ignored."""
    funnel = lenient.funnel
    limits = [chain.last + funnel.steps[step - 1].within for step in funnel.following(chain.level)]
    instants = {as_of, chain.last, chain.start + funnel.window, *limits, *(event.time for event in lenient.events)}
    return max(now for now in instants if chain.last <= now <= as_of and is_live(lenient, chain, now))


def _is_cleared(path: Path, chain: Chain, end: int) -> bool:
    """Tell whether an exclusion that removes the actor cleared the chain, alive up to `end`."""
    instants = {event.time for event in path.events if event.time <= end}
    return any(exclusion.effect == "remove_actor" for now in instants for exclusion in clearing(path, chain, now))


def _is_better(lenient: Path, rival: Chain, chain: Chain, now: int) -> bool:
    ours, theirs = worth(lenient, chain, now), worth(lenient, rival, now)
    return theirs != ours and at_least(theirs, ours)
