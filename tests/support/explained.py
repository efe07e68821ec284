"""What `engine.explain` says of a path, in the tiny notation.

In:  a path and a funnel as text (`support.options.notation`), or a random `Case`.
Out: the stories of the counted units; or each event and why, as text.

Duplicates are left out as admission does: of equal ids at one instant the first counts.
"""

from collections.abc import Sequence
from typing import Any

from stream.engine.explain import Act, Story, Why, entries_of, explain, explainable
from stream.engine.match import CompiledFunnel, FunnelSet
from stream.engine.optioned import floored
from stream.ingest.admission import NO_LIMIT_MS
from stream.model.event import AdmittedEvent
from support.notation import LATE_MS, path
from support.options.attempts import Period
from support.options.funnels import OptionFunnel
from support.options.notation import funnel
from support.oracle import OEvent
from support.product import product_funnel

ACTOR = "u"
WHOLE: tuple[Period, ...] = ((-(10**16), 10**16),)


class Explained:
    """A path under a funnel, told."""

    def __init__(
        self, events: Sequence[OEvent], defined: OptionFunnel, as_of: int = LATE_MS, periods: Sequence[Period] = WHOLE
    ) -> None:
        self.funnels = FunnelSet([product_funnel(defined)])
        (compiled,) = self.funnels.funnels
        self.funnel = explainable(compiled)
        self._set_periods(self.funnel, periods)
        self.events = [event for event in events if defined.floor(event.time) <= as_of]
        matched = [(admitted, roles) for event in self.events for admitted, roles in self._matched(event)]
        self.accepted = list({admitted[1:3]: (admitted, roles) for admitted, roles in reversed(matched)}.values())
        self.accepted.sort(key=lambda each: each[0][1])
        self.stories = explain(self.funnel, entries_of(self.funnel, self.accepted), as_of)

    @staticmethod
    def _set_periods(compiled: CompiledFunnel, periods: Sequence[Period]) -> None:
        def period_of(time_ms: int) -> tuple[int, int]:
            return next((start, end) for start, end in periods if start <= time_ms < end)

        compiled.period_of = period_of
        if compiled.options is not None and compiled.definition.entry_first:
            compiled.options.anchor_of = period_of

    def _matched(self, event: OEvent) -> list[tuple[AdmittedEvent, tuple[int, ...]]]:
        properties: list[Any] = [event.properties.get(path) for path in self.funnels.property_paths]
        served = self.funnels.served(event.name, properties)
        return [((ACTOR, event.time, event.id, event.name, properties, NO_LIMIT_MS), roles) for _, roles in served]

    def roles(self, event: OEvent) -> tuple[int, ...] | None:
        """Return the event's roles; None if it does not matter to the funnel at all."""
        matched = self._matched(event)
        return matched[0][1] if matched else None

    def key(self, event: OEvent) -> tuple[int, str]:
        """Return which event of the stories this one is."""
        return floored(event.time, event.id, self.funnel.definition.granularity_ms)

    def acts(self, event: OEvent) -> list[tuple[Story, Act]]:
        """Return what an event did, by unit."""
        key = self.key(event)
        return [(story, act) for story in self.stories if (act := story.act(key)) is not None]


def why(path_text: str, funnel_text: str, as_of: int = LATE_MS, periods: Sequence[Period] = WHOLE) -> list[str]:
    """Return each event as "ID: what it did", by its first unit in which it does anything."""
    told = Explained(path(path_text), funnel(funnel_text), as_of, periods)
    return [f"{event.id}: {_text(told, event)}" for event in told.events]


def _text(told: Explained, event: OEvent) -> str:
    acts = told.acts(event)
    if not acts:
        return "no_match"
    story, act = min(acts, key=lambda each: (each[1].why is Why.NO_MATCH, each[1].why is not Why.COUNTED))
    if act.why is Why.COUNTED:
        parts = story.parts[told.key(event)]
        return "counted " + " ".join(
            f"{part.level}/a{part.attempt + 1}" if part.attempt is not None else f"{part.level}/p" for part in parts
        )
    words: list[Any] = [act.why]
    words += [f"step {act.step}"] if act.step else []
    words += [f"{act.limit} by {act.over_ms}"] if act.limit else []
    words += [f"exclusion {act.exclusion}"] if act.exclusion else []
    words += [f"by {','.join(event_id for _, event_id in act.by)}"] if act.by else []
    words += [f"a{act.attempt + 1}"] if act.attempt is not None else []
    words += ["p"] if act.period_ms is not None else []
    words += [f"unit {','.join(act.unit)}"] if act.unit is not None else []
    return " ".join(words)
