"""What came next after each drop, read off the list of all events: nothing is indexed, folded or admitted in batches.

In:  all events of one actor that were admitted, whatever their names; attempts as an oracle lists them.
Out: per step, how often each event name came next; None where nothing did.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from support.options.attempts import attempts as attempts_with_options
from support.options.funnels import OptionFunnel
from support.oracle import OAttempt, OEvent, OFunnel, attempts

StepNames = list[Counter[str | None]]


def next_actions(actors: Iterable[Sequence[OEvent]], funnel: OFunnel, as_of: int) -> StepNames:
    """Return what came next in a plain funnel."""
    found: StepNames = [Counter() for _ in funnel.steps[1:]]
    for events in actors:
        for attempt in attempts(events, funnel, as_of):
            if attempt.outcome == "dropped":
                found[attempt.best - 1][_next(events, attempt, funnel.window)] += 1
    return found


def _next(events: Sequence[OEvent], attempt: OAttempt, window: int) -> str | None:
    later = [event for event in events if attempt.chain[-1].time < event.time <= attempt.entry_ms + window]
    return min(later, key=lambda event: (event.time, event.id)).name if later else None


def next_actions_with_options(
    actors: Iterable[Sequence[OEvent]],
    funnel: OptionFunnel,
    as_of: int,
    periods: Sequence[tuple[int, int]] = (),
) -> StepNames:
    """Return what came next in a funnel with options."""
    found: StepNames = [Counter() for _ in funnel.steps[1:]]
    for events in actors:
        for attempt in attempts_with_options(events, funnel, as_of, periods):
            if attempt.outcome != "dropped":
                continue
            last = max(event.time for event in attempt.chain.events)
            later = [
                event
                for event in events
                if last < funnel.floor(event.time) <= attempt.entry_ms + funnel.window
                and (funnel.session_gap is None or funnel.floor(event.time) - last <= funnel.session_gap)
                and (funnel.session is None or event.properties.get(funnel.session) == attempt.unit[0])
            ]
            step = max(step for step in funnel.required if step <= attempt.best)
            name = min(later, key=lambda event: (event.time, event.id)).name if later else None
            found[step - 1][name] += 1
    return found
