"""The numbers of an ordered funnel, by exhaustive search over chains.

In:  one actor's events in log order (or a log of records, for admission), and a funnel.
Out: longest chain, attempts, one period's result, totals, the broken conservation laws.

It imports nothing of the product and folds nothing: every chain there is gets listed, and
each rule picks from that list. It is slow (exponential in tied events) and meant to be read.
All times and the window are integer milliseconds; any integer is a valid time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

Outcome = Literal["converted", "dropped", "pending"]
Verdict = Literal["accepted", "unmatched", "duplicate", "late", "future"]


@dataclass(frozen=True)
class OEvent:
    """What happened: `time` in ms, `id` unique with the time, `value` in `currency`, `properties` by name."""

    time: int
    id: str
    name: str
    value: Decimal | None = None
    currency: str | None = None
    segment: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class OFunnel:
    """`steps[i]`: the event names that serve step i + 1; `window`: ms from first to last event, inclusive."""

    steps: tuple[frozenset[str], ...]
    window: int

    def serves(self, event: OEvent) -> bool:
        """Tell whether the event can serve some step."""
        return any(event.name in names for names in self.steps)


@dataclass(frozen=True)
class ORecord:
    """One record of a log: whose event, and the broker's stamp in ms (None: there is none)."""

    actor: str
    event: OEvent
    recorded: int | None = None


@dataclass(frozen=True)
class Admission:
    """A verdict (accepted, late or future) and the watermark in ms below the record and after it."""

    verdict: Verdict
    watermark: int | None
    watermark_after: int | None


Chain = tuple[OEvent, ...]


@dataclass(frozen=True)
class OAttempt:
    """One try: entered at `entry_ms`, reached step `best`; `closed_ms` is None while pending.

    A dropped attempt closes at entry + window, a converted one with the event that completed it.
    `firsts`: when it first had each depth 1..best (ms), by whichever chain; the first is the entry.
    """

    entry_ms: int
    best: int
    outcome: Outcome
    chain: Chain
    closed_ms: int | None
    entry_segment: str | None
    firsts: tuple[int, ...]


# Admission


def admit(records: Sequence[tuple[int, int | None]], allowed_lateness: int, max_future_skew: int) -> list[Admission]:
    """Judge (event time, record time) pairs in log order; both limits are ms and still count."""
    admissions = []
    watermark: int | None = None
    for time, recorded in records:
        below = watermark
        verdict: Verdict = "late" if _is_behind(time, below, allowed_lateness) else "accepted"
        if recorded is not None and time > recorded + max_future_skew:
            verdict = "future"
        else:
            seen = time if recorded is None else min(time, recorded)
            watermark = seen if below is None else max(below, seen)
        admissions.append(Admission(verdict, below, watermark))
    return admissions


def _is_behind(time: int, watermark: int | None, allowed_lateness: int) -> bool:
    return watermark is not None and time < watermark - allowed_lateness


def deduplicate(
    copies: Sequence[tuple[str, OEvent]],
    watermarks: Sequence[int | None],
    allowed_lateness: int,
    funnel: OFunnel | None = None,
) -> list[Verdict]:
    """Judge (actor, event) pairs in log order, none of them future, with the watermark below each.

    Of the copies of (actor, id, time) that serve the funnel (None: any event serves) the first counts.
    """
    verdicts: list[Verdict] = []
    counted: dict[tuple[str, str, int], OEvent] = {}
    for (actor, event), watermark in zip(copies, watermarks, strict=True):
        identity = (actor, event.id, event.time)
        if funnel is not None and not funnel.serves(event):
            verdicts.append("unmatched")
        elif _is_behind(event.time, watermark, allowed_lateness):
            verdicts.append("late")
        elif identity in counted:
            verdicts.append("duplicate")
        else:
            counted[identity] = event
            verdicts.append("accepted")
    return verdicts


def judge(log: Sequence[ORecord], funnel: OFunnel, allowed_lateness: int, max_future_skew: int) -> list[Verdict]:
    """Give each record of one partition's log its verdict for this one funnel."""
    admissions = admit([(r.event.time, r.recorded) for r in log], allowed_lateness, max_future_skew)
    on_time = [(r, a.watermark) for r, a in zip(log, admissions, strict=True) if a.verdict != "future"]
    rest = iter(
        deduplicate([(r.actor, r.event) for r, _ in on_time], [w for _, w in on_time], allowed_lateness, funnel)
    )
    return ["future" if a.verdict == "future" else next(rest) for a in admissions]


def counted_events(
    log: Sequence[ORecord], funnel: OFunnel, allowed_lateness: int, max_future_skew: int
) -> dict[str, list[OEvent]]:
    """Return each actor's events that count for the funnel, in log order."""
    actors: dict[str, list[OEvent]] = {}
    for record, verdict in zip(log, judge(log, funnel, allowed_lateness, max_future_skew), strict=True):
        if verdict == "accepted":
            actors.setdefault(record.actor, []).append(record.event)
    return actors


# Chains


def chains(events: Sequence[OEvent], funnel: OFunnel) -> list[Chain]:
    """List every chain of every length: distinct events, times never decreasing, inside the window."""
    found: list[Chain] = []

    def extend(chain: Chain, used: frozenset[int]) -> None:
        if chain:
            found.append(chain)
        if len(chain) == len(funnel.steps):
            return
        for place, event in enumerate(events):
            if place in used or event.name not in funnel.steps[len(chain)]:
                continue
            if not chain or chain[-1].time <= event.time <= chain[0].time + funnel.window:
                extend((*chain, event), used | {place})

    extend((), frozenset())
    return found


def longest_chain(events: Sequence[OEvent], funnel: OFunnel) -> int:
    """Return the deepest step reached by any chain, 0 if none."""
    return max((len(chain) for chain in chains(events, funnel)), default=0)


def reported(candidates: Iterable[Chain]) -> Chain:
    """Pick from chains of one length the one to report.

    It reached its last step first; then has the latest start; then, from the last step backwards,
    the earliest event of each step; then, backwards again, the smallest ids.
    """
    return min(
        candidates,
        key=lambda chain: (
            chain[-1].time,
            -chain[0].time,
            [event.time for event in reversed(chain)],
            [event.id for event in reversed(chain)],
        ),
    )


# Attempts


def attempts(events: Sequence[OEvent], funnel: OFunnel, as_of: int) -> list[OAttempt]:
    """List the actor's attempts in order of opening, as of `as_of` (ms): later events do not exist yet."""
    events = [event for event in events if event.time <= as_of]
    every_chain = chains(events, funnel)
    closed: list[OAttempt] = []
    current: OAttempt | None = None
    consumed_ms: int | None = None
    for now in sorted({event.time for event in events}):
        if current is not None and now > current.entry_ms + funnel.window:
            closed.append(_drop(current, funnel))
            current = None
        usable = [
            chain
            for chain in every_chain
            if chain[-1].time <= now and (consumed_ms is None or chain[0].time > consumed_ms)
        ]
        arriving = [chain for chain in usable if chain[-1].time == now]
        if not arriving:
            continue
        current = _open(usable, funnel, now) if current is None else _deepen(current, arriving, now)
        if current.best == len(funnel.steps):
            closed.append(_close(current, "converted", now))
            current, consumed_ms = None, now
    if current is None:
        return closed
    is_over = current.entry_ms + funnel.window < as_of
    return [*closed, _drop(current, funnel) if is_over else current]


def _open(usable: Sequence[Chain], funnel: OFunnel, now: int) -> OAttempt:
    """Open an attempt: `usable` holds the chains up to `now`, some of which end at `now`."""
    latest_start = {
        level: max(chain[0].time for chain in usable if len(chain) == level) for level in {len(c) for c in usable}
    }
    alive = {level: start for level, start in latest_start.items() if now <= start + funnel.window}
    entry_ms, deepest = min(alive.values()), max(alive)
    chain = reported(c for c in usable if len(c) == deepest and c[0].time == alive[deepest])
    firsts = tuple(event.time for event in chain)
    return OAttempt(entry_ms, deepest, "pending", chain, None, chain[0].segment, firsts)


def _deepen(attempt: OAttempt, arriving: Sequence[Chain], now: int) -> OAttempt:
    """Take in the chains that end now: a deeper level is reported by the best of those that reach it now."""
    deepest = max(len(chain) for chain in arriving)
    if deepest <= attempt.best:
        return attempt
    chain = reported(c for c in arriving if len(c) == deepest)
    firsts = (*attempt.firsts, *[now] * (deepest - attempt.best))
    return replace(attempt, best=deepest, chain=chain, firsts=firsts)


def _drop(attempt: OAttempt, funnel: OFunnel) -> OAttempt:
    return _close(attempt, "dropped", attempt.entry_ms + funnel.window)


def _close(attempt: OAttempt, outcome: Outcome, closed_ms: int) -> OAttempt:
    return replace(attempt, outcome=outcome, closed_ms=closed_ms)


def age_matched(tried: Iterable[OAttempt], step: int, age: int, after: int, until: int) -> tuple[int, int]:
    """Count the attempts that first reached `step` in (after, until], and how many went on within `age` (all ms)."""
    reached = [a for a in tried if a.best >= step and after < a.firsts[step - 1] <= until]
    went_on = [a for a in reached if a.best > step and a.firsts[step] - a.firsts[step - 1] <= age]
    return len(reached), len(went_on)


# Actors


def actor_result(
    events: Sequence[OEvent], funnel: OFunnel, period_start: int, period_end: int, as_of: int
) -> tuple[int, Chain]:
    """Return (depth, reported chain) of the chains that start in [period_start, period_end); (0, ()) if none.

    Events after the period count up to `as_of`; nothing is consumed, so of several conversions the
    first is reported.
    """
    known = [event for event in events if event.time <= as_of]
    entered = [c for c in chains(known, funnel) if period_start <= c[0].time < period_end]
    if not entered:
        return 0, ()
    depth = max(len(chain) for chain in entered)
    return depth, reported(chain for chain in entered if len(chain) == depth)


# Sums


@dataclass(frozen=True)
class Totals:
    """Counts over attempts; each mapping goes by step number, from 1, and holds every step it can.

    `step_times[k]`: sorted times (ms) of step k in the reported chains that have it.
    `values[k][currency]`: (count, sum) of the values of those events; events without value are left out.
    """

    entered: int
    converted: int
    reached: dict[int, int]
    dropped_at: dict[int, int]
    pending_at: dict[int, int]
    step_times: dict[int, list[int]]
    values: dict[int, dict[str | None, tuple[int, Decimal]]]


def totals(tried: Iterable[OAttempt], n_steps: int) -> Totals:
    """Sum attempts of any number of actors."""
    tried = list(tried)
    steps = range(1, n_steps + 1)

    def stopped_at(step: int, outcome: Outcome) -> int:
        return sum(attempt.best == step and attempt.outcome == outcome for attempt in tried)

    served = {step: [a.chain[step - 1] for a in tried if len(a.chain) >= step] for step in steps}
    return Totals(
        entered=len(tried),
        converted=sum(attempt.outcome == "converted" for attempt in tried),
        reached={step: sum(attempt.best >= step for attempt in tried) for step in steps},
        dropped_at={step: stopped_at(step, "dropped") for step in steps[:-1]},
        pending_at={step: stopped_at(step, "pending") for step in steps[:-1]},
        step_times={step: sorted(event.time for event in served[step]) for step in steps},
        values={step: _sums(served[step]) for step in steps},
    )


def _sums(events: Iterable[OEvent]) -> dict[str | None, tuple[int, Decimal]]:
    sums: dict[str | None, tuple[int, Decimal]] = {}
    for event in events:
        if event.value is not None:
            count, total = sums.get(event.currency, (0, Decimal(0)))
            sums[event.currency] = count + 1, total + event.value
    return sums


def broken_laws(t: Totals) -> list[str]:
    """Name the conservation laws that the totals break; empty when all hold."""
    last = max(t.reached)
    laws = {
        "entered = reached(1)": t.entered == t.reached[1],
        "converted = reached(last)": t.converted == t.reached[last],
        "entered = converted + dropped + pending": t.entered
        == t.converted + sum(t.dropped_at.values()) + sum(t.pending_at.values()),
    }
    for k in range(1, last):
        laws[f"reached({k}) >= reached({k + 1})"] = t.reached[k] >= t.reached[k + 1]
        laws[f"reached({k}) = reached({k + 1}) + dropped_at({k}) + pending_at({k})"] = (
            t.reached[k] == t.reached[k + 1] + t.dropped_at[k] + t.pending_at[k]
        )
    for k, times in t.step_times.items():
        laws[f"step {k} has one time per attempt that reached it"] = len(times) == t.reached[k]
    return [law for law, holds in laws.items() if not holds]
