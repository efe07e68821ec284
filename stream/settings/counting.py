"""What counts depend on besides the log: kept with a run, so that whoever goes on counting it counts alike.

In:  a tracker's settings and its funnels.
Out: `CountingRules`, plain values that a document can hold; and settings that follow them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stream.model.funnel import Funnel
from stream.model.window import Age, RollingWindow
from stream.settings.tracker import SourceSettings, TrackerSettings


@dataclass(frozen=True, slots=True)
class CountingRules:
    """Funnels, how records are read and admitted (`sources`), and what is kept of them.

    Where servers are, how large batches get, and what of the counts is exported is not among them: each process has
    its own. The secret that actors' keys are made with is not written down either; the store notices another one.
    """

    funnels: tuple[Funnel, ...]
    sources: tuple[SourceSettings, ...]
    rolling: tuple[RollingWindow, ...]
    age_matched: tuple[Age, ...]
    bot_cap: int


def counting_rules(settings: TrackerSettings, funnels: Sequence[Funnel]) -> CountingRules:
    """Return the rules of these settings and funnels."""
    bot_cap = settings.worker.bot_cap
    return CountingRules(tuple(funnels), settings.sources, settings.rolling, settings.age_matched, bot_cap)


def following(settings: TrackerSettings, rules: CountingRules, namespace: str) -> TrackerSettings:
    """Return settings by which a process counts with these rules, in another namespace."""
    return replace(
        settings,
        sources=rules.sources,
        rolling=rules.rolling,
        age_matched=rules.age_matched,
        worker=replace(settings.worker, bot_cap=rules.bot_cap),
        redis=replace(settings.redis, namespace=namespace),
    )
