"""Sums of attempts, and the conservation laws they must obey.

In:  the attempts of any number of actors and their funnel.
Out: counts per required step, the share of each optional one, the laws that the counts break.

Optional steps stand outside the laws: an attempt that stopped at one stopped at the required step before it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from support.options.attempts import Attempt, Outcome
from support.options.funnels import OptionFunnel
from support.oracle import OEvent

Sums = dict[str | None, tuple[int, Decimal]]


@dataclass(frozen=True)
class Totals:
    """Counts over attempts; each mapping of the laws goes by required step.

    `with_step[k]`: reported chains that have an event of step k, optional steps included.
    `continued[k]` goes by required steps but the last.
    `values[k]`: by currency (count, sum) of those events that carry a value. `lost[k]`, `at_stake[k]`: of the attempts
    that ended, or wait, at required step k, the same of each one's last event that carries one.
    """

    entered: int
    by_outcome: dict[Outcome, int]
    entered_at: dict[int, int]
    reached: dict[int, int]
    continued: dict[int, int]
    dropped_at: dict[int, int]
    excluded_at: dict[int, int]
    pending_at: dict[int, int]
    with_step: dict[int, int]
    values: dict[int, Sums]
    lost: dict[int, Sums]
    at_stake: dict[int, Sums]


def totals(tried: Iterable[Attempt], funnel: OptionFunnel) -> Totals:
    """Sum attempts; what was taken out (`remove_actor`) is not among them."""
    tried = list(tried)
    steps = funnel.required
    outcomes: list[Outcome] = ["converted", "dropped", "excluded", "pending"]
    stopped = {
        outcome: {step: sum(a.outcome == outcome and _depth(a, funnel) == step for a in tried) for step in steps}
        for outcome in outcomes
    }
    entered_at = {step: sum(a.entry_step == step for a in tried) for step in steps}
    reached = {step: sum(a.entry_step <= step <= a.best for a in tried) for step in steps}
    return Totals(
        entered=len(tried),
        by_outcome={outcome: sum(a.outcome == outcome for a in tried) for outcome in outcomes},
        entered_at=entered_at,
        reached=reached,
        continued={step: reached[following] - entered_at[following] for step, following in pairwise(steps)},
        dropped_at=stopped["dropped"],
        excluded_at=stopped["excluded"],
        pending_at=stopped["pending"],
        with_step={step: sum(step in a.chain.steps for a in tried) for step in funnel.numbers},
        values=_by_step([pair for a in tried for pair in zip(a.chain.steps, a.chain.events, strict=True)]),
        lost=_by_step(
            [(_depth(a, funnel), e) for a in tried if a.outcome in {"dropped", "excluded"} for e in worth(a)]
        ),
        at_stake=_by_step([(_depth(a, funnel), e) for a in tried if a.outcome == "pending" for e in worth(a)]),
    )


def worth(attempt: Attempt) -> list[OEvent]:
    """Return the last event of the reported chain that carries a value, if there is one."""
    return [event for event in attempt.chain.events if event.value is not None][-1:]


def _by_step(events: Iterable[tuple[int, OEvent]]) -> dict[int, Sums]:
    sums: dict[int, Sums] = {}
    for step, event in events:
        if event.value is not None:
            by_currency = sums.setdefault(step, {})
            count, total = by_currency.get(event.currency, (0, Decimal(0)))
            by_currency[event.currency] = count + 1, total + event.value
    return sums


def _depth(attempt: Attempt, funnel: OptionFunnel) -> int:
    """Return the deepest required step the attempt reached."""
    return max(step for step in funnel.required if step <= attempt.best)


def broken_laws(t: Totals) -> list[str]:
    """Name the conservation laws that the totals break; empty when all hold."""
    steps = list(t.reached)
    last = steps[-1]
    laws = {
        "entered = converted + dropped + excluded + pending": t.entered == sum(t.by_outcome.values()),
        "entered = the sum of entered_at": t.entered == sum(t.entered_at.values()),
        "converted = reached(last)": t.by_outcome["converted"] == t.reached[last],
        "nothing stops at the last step": t.dropped_at[last] == t.excluded_at[last] == t.pending_at[last] == 0,
    }
    for k, following in pairwise(steps):
        stopped = t.dropped_at[k] + t.excluded_at[k] + t.pending_at[k]
        laws[f"reached({k}) = continued({k}) + dropped_at({k}) + excluded_at({k}) + pending_at({k})"] = (
            t.reached[k] == t.continued[k] + stopped
        )
        laws[f"reached({k}) >= continued({k}) >= 0"] = t.reached[k] >= t.continued[k] >= 0
        if not t.entered_at[following]:
            laws[f"reached({k}) >= reached({following})"] = t.reached[k] >= t.reached[following]
    for k in steps:
        laws[f"step {k} has one event per attempt that reached it"] = t.with_step[k] == t.reached[k]
    return [law for law, holds in laws.items() if not holds]
