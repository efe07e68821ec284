"""The oracle's funnels and events in the product's own words, and what the product makes of them.

In:  an `OptionFunnel` of options the product has; events in log order, by actor.
Out: the product's funnel; its counts over these events as a file, in the oracle's form.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stream.aggregate.cells import empty_counts
from stream.aggregate.outcomes import optional_steps, outcomes_of
from stream.aggregate.rings import WHOLE
from stream.analyze.count import LogCount
from stream.ingest.admission import UNLIMITED, Limits
from stream.ingest.mapping import Mapping as FieldMapping
from stream.model.funnel import (
    Attribution,
    Breakdown,
    Effect,
    Exclusion,
    Funnel,
    Operator,
    Order,
    Predicate,
    Session,
    Step,
)
from support.options.funnels import OMatch, OptionFunnel
from support.options.segments import Split
from support.oracle import OEvent


class Numbers(NamedTuple):
    """Attempts that converted; per step those that reached it, entered there and stopped there; actors by depth.

    What stopped at an optional step counts at the required step before it. distinct: where units are counted, the
    actors that have one.
    """

    converted: int
    reached: tuple[int, ...]
    entered_at: tuple[int, ...]
    dropped_at: tuple[int, ...]
    excluded_at: tuple[int, ...]
    pending_at: tuple[int, ...]
    actors_at: tuple[int, ...]
    distinct: int = 0


def product_breakdown(split: Split, name: str) -> Breakdown:
    """Return the product's definition of what the oracle's numbers are split by."""
    return Breakdown(name, split.properties, Attribution(split.attribution), split.step, is_combined=split.combined)


def product_funnel(defined: OptionFunnel) -> Funnel:
    """Return the product's definition of the oracle's funnel."""
    steps = [
        Step(
            f"s{number}",
            tuple(sorted(step.names)),
            where=_where(step),
            optional=step.optional,
            within_ms=step.within if step.has_within else None,
            not_before_ms=step.not_before,
        )
        for number, step in enumerate(defined.steps, start=1)
    ]
    return Funnel(
        "f",
        1,
        tuple(steps),
        defined.window,
        strict_time=defined.strict_time,
        order=Order(defined.order),
        is_open=defined.is_open,
        exclusions=tuple(
            Exclusion(
                tuple(sorted(each.names)), *defined.range_of(each), where=_where(each), effect=Effect(each.effect)
            )
            for each in defined.exclusions
        ),
        breaking=None if defined.breaking is None else tuple(sorted(defined.breaking)),
        hold=defined.hold,
        entry_first=defined.entry_first,
        session=_session(defined),
        granularity_ms=defined.granularity,
    )


def _session(defined: OptionFunnel) -> Session | None:
    if defined.session is not None:
        return Session(property=defined.session)
    return None if defined.session_gap is None else Session(gap_ms=defined.session_gap)


def _where(match: OMatch) -> tuple[Predicate, ...]:
    return () if match.where is None else (Predicate(match.where[0], Operator.EQUALS, (match.where[1],)),)


def counted(
    defined: OptionFunnel, actors: Mapping[str, Sequence[OEvent]], as_of_ms: int, limits: Limits = UNLIMITED
) -> Numbers:
    """Return what `funnel analyze` counts."""
    count = LogCount([product_funnel(defined)], FieldMapping(), limits)
    lines = [
        json.dumps(
            {"user_id": actor, "time": event.time, "event": event.name, "id": event.id, **event.properties}
        ).encode()
        for actor, events in actors.items()
        for event in events
    ]
    count.take(0, lines, [None] * len(lines), range(len(lines)), "file:")
    (report,) = count.finish(as_of_ms).reports
    none = empty_counts(len(defined.steps))
    attempts = report.attempts.get((None, WHOLE), none)
    depths = report.actors.get((None, WHOLE), none)
    outcomes = outcomes_of(attempts, optional_steps(report.funnel.definition))
    stopped = [a + b for a, b in zip(depths.dropped, depths.pending, strict=True)]
    return Numbers(
        attempts.converted,
        tuple(outcomes.reached),
        tuple(outcomes.entered_at),
        (*outcomes.dropped, 0),
        (*outcomes.excluded, 0),
        (*outcomes.pending, 0),
        (*stopped, depths.converted),
        depths.actors,
    )
