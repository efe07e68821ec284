"""What is live: the configured namespace or a run's, and by which rules a process counts or reads it.

In:  the settings and funnels of a process' files, the document of the runs.
Out: the settings and funnels to go by; and the document after a switch.

Whoever has the rules that are live in its files goes by its files, and so does whoever has newer ones: that is a
change of definitions like any other. Only rules that a switch has put out of force are not gone by: running workers
follow a switch without new files, and starting one anew with its old files must not undo it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec

from stream.errors import StoreRefused
from stream.model.funnel import Funnel
from stream.settings.counting import CountingRules, counting_rules, following
from stream.settings.tracker import TrackerSettings
from stream.worker.activation import definition_id, funnel_set_id, rules_id
from stream.worker.runs import Promotion, Run, Runs, namespace_of

REMEMBERED = 200
"""Ids of rules and sets: those of many switches, and of all sets that an active one remembers."""


class Live(NamedTuple):
    """What to go by: settings, whose namespace is the live one, and funnels.

    run: the one that is live, None where the configured namespace is. is_overruled: the files say something else.
    insists: the files are gone by although they may be out of force.
    """

    settings: TrackerSettings
    funnels: tuple[Funnel, ...]
    run: Run | None = None
    is_overruled: bool = False
    insists: bool = False

    @property
    def run_name(self) -> str:
        """Name of the run that is live; empty where none is."""
        return "" if self.run is None else self.run.name

    @property
    def title(self) -> str:
        """What is live, in words."""
        return "the configured namespace" if self.run is None else f"run {self.run.name}"

    def is_as(self, other: "Live") -> bool:
        """Whether the same is counted in the same way in the same place."""
        return (self.settings, self.funnels) == (other.settings, other.funnels)


def what_is_live(settings: TrackerSettings, funnels: Sequence[Funnel], runs: Runs, *, insists: bool = False) -> Live:
    """Return what is live. `insists`: go by the files although their rules were put out of force.

    Raises `StoreRefused` if the run that is live counts another log.
    """
    run, rules, own = runs.live, runs.rules, counting_rules(settings, funnels)
    is_overruled = rules is not None and not insists and any(each in runs.overruled for each in _ids(own))
    namespace = settings.redis.namespace if run is None else namespace_of(settings.redis.namespace, run.name)
    used = _shown_as(rules, own) if rules is not None and is_overruled else own
    live = Live(following(settings, used, namespace), used.funnels, run, is_overruled, insists)
    if run is not None and {run.topic} != {settings.log_topic, live.settings.log_topic}:
        raise StoreRefused(
            f"run {run.name}, which is live, counts topic {run.topic}; this process reads {settings.log_topic}",
            "use the sources that the run was made with, or go back with `funnel replay rollback`",
        )
    return live


def _shown_as(rules: CountingRules, own: CountingRules) -> CountingRules:
    """Return `rules` with what the own files say of how their counts are shown and judged."""
    ours = {(funnel.key, definition_id(funnel)): funnel for funnel in own.funnels}
    funnels = tuple(ours.get((funnel.key, definition_id(funnel)), funnel) for funnel in rules.funnels)
    is_same = [(window.name, window.slots) for window in rules.rolling] == [
        (window.name, window.slots) for window in own.rolling
    ]
    return replace(rules, funnels=funnels, rolling=own.rolling if is_same else rules.rolling)


def promoted(runs: Runs, name: str, at_ms: int, replaced: CountingRules, sets: Iterable[str] = ()) -> Runs:
    """Return the document with a run live.

    `replaced`: the rules that live counts by until then; `sets`: ids of all sets and rules that it has replaced.
    """
    rules = runs.runs[name].rules
    promotions = (*runs.promotions, Promotion(name, at_ms, replaced))
    return _switched(msgspec.structs.replace(runs, promotions=promotions), rules, [replaced], sets)


def rolled_back(runs: Runs, counted: CountingRules, sets: Iterable[str] = ()) -> Runs:
    """Return the document with live where it was before the newest promotion.

    `counted`: the rules that live counts by until then; `sets`: as in `promoted`.
    """
    *promotions, last = runs.promotions
    given_up = [runs.runs[last.run].rules, counted]
    return _switched(msgspec.structs.replace(runs, promotions=tuple(promotions)), last.replaced, given_up, sets)


def _switched(runs: Runs, rules: CountingRules, given_up: Sequence[CountingRules], sets: Iterable[str]) -> Runs:
    ids = [*runs.overruled, *sets, *(each for old in given_up for each in _ids(old))]
    overruled = tuple(dict.fromkeys(each for each in ids if each not in _ids(rules)))
    return msgspec.structs.replace(runs, rules=rules, overruled=overruled[-REMEMBERED:])


def _ids(rules: CountingRules) -> tuple[str, str]:
    return rules_id(rules), funnel_set_id(rules.funnels)
