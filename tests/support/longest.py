"""The product's longest chain of each actor, and what it counts of a path, as text.

In:  events in log order, funnels in the notation of `support.options.notation`.
Out: the deepest step; or attempts and actors by outcome, e.g. "1 converted, 1 dropped at 1 · actors: 1 converted".
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from stream.aggregate.rings import WHOLE
from stream.analyze.count import LogCount
from stream.engine.match import FunnelSet
from stream.engine.table import ActorTable
from stream.ingest.admission import NO_LIMIT_MS, Limits
from stream.ingest.mapping import Mapping as FieldMapping
from stream.model.event import AdmittedEvent
from stream.model.funnel import Breakdown
from support.notation import LATE_MS
from support.options.funnels import OptionFunnel
from support.oracle import OEvent
from support.product import counted, product_funnel

EVER = (-(10**15), 10**15)


def longest_chains(actors: Mapping[str, Sequence[OEvent]], defined: OptionFunnel) -> dict[str, int]:
    """Return the deepest step of any chain of each actor, as the product's engine finds it."""
    funnels = FunnelSet([product_funnel(defined)])
    (funnel,) = funnels.funnels
    funnel.period_of = lambda _: EVER
    table = ActorTable(funnels, str.encode, is_complete=True)
    deepest = {}
    for actor, events in actors.items():
        batch = {actor: [admitted for event in events if (admitted := _admitted(funnels, actor, event)) is not None]}
        table.missing(batch)
        levels: Counter[int] = Counter()
        for _, change in table.apply(batch, None, write=False).changes:
            levels.update(result[3] for result in change.given_periods)
            levels.subtract(result[3] for result in change.taken_periods)
        deepest[actor] = max((level for level, count in levels.items() if count), default=0)
    return deepest


def _admitted(funnels: FunnelSet, actor: str, event: OEvent) -> AdmittedEvent | None:
    properties = [event.properties.get(path) for path in funnels.property_paths]
    kind: Any = event.name if event.name in funnels.serving else None
    if event.name in funnels.kinds:
        kind = funnels.kinds[event.name](properties)
    return None if kind is None else (actor, event.time, event.id, kind, properties, NO_LIMIT_MS)


def counts_text(
    events: Sequence[OEvent], defined: OptionFunnel, as_of_ms: int = LATE_MS, lateness_ms: int = LATE_MS
) -> tuple[str, str]:
    """Return an actor's attempts and its results as an actor, in words."""
    numbers = counted(defined, {"u": events}, as_of_ms, Limits(lateness_ms, LATE_MS))
    words = [f"{numbers.converted} converted"] if numbers.converted else []
    kinds = ("dropped", numbers.dropped_at), ("excluded", numbers.excluded_at), ("pending", numbers.pending_at)
    for word, stopped in kinds:
        words += [f"{count} {word} at {step}" for step, count in enumerate(stopped, start=1) if count]
    actors = [f"{n} reached {step}" for step, n in enumerate(numbers.actors_at, start=1) if n]
    return ", ".join(words) or "nothing", ", ".join(actors) or "none"


def segments(events: Sequence[OEvent], defined: OptionFunnel, path: str) -> list[str]:
    """Return by which values of a property the attempts are broken down, as the product attributes them."""
    funnel = replace(product_funnel(defined), breakdowns=(Breakdown(path, (path,)),))
    count = LogCount([funnel], FieldMapping(), Limits(LATE_MS, LATE_MS))
    lines = [
        json.dumps({"user_id": "u", "time": e.time, "event": e.name, "id": e.id, **e.properties}).encode()
        for e in events
    ]
    count.take(0, lines, [None] * len(lines), range(len(lines)), "file:")
    (report,) = count.finish(LATE_MS).reports
    return sorted(split[1] for (start, split), _ in report.attempts.items() if start is None and split != WHOLE)
