"""The oracle's funnels as funnel files, and back; and funnels that are likely to be refused.

In:  an `OptionFunnel`, a source of randomness.
Out: the tree of its file; the oracle's funnel that a definition of the product means.

A file cannot hold every time of the oracle's ms (a window has at least 1 s), so one oracle ms is 1 s here. Names of
events are ordered. Of the oracle's granularity, 1 is none.
"""

import random
from dataclasses import replace
from typing import Any

from stream.model.funnel import Exclusion, Funnel, Predicate, Step
from support.options.funnels import FOREVER_MS, OExclusion, OMatch, OptionFunnel, OStep

MS = 1_000

SPOILS = (
    "order", "strict", "open", "first", "exclude", "range", "optional", "within", "not_before", "events", "hold",
    "session", "gap", "granularity", "instants", "gaps", "one step",
)  # fmt: skip


def in_seconds(defined: OptionFunnel) -> OptionFunnel:
    """Return a funnel that a file can say: no window or gap below 1, every range with its end."""
    exclusions = tuple(replace(each, last=defined.range_of(each)[1]) for each in defined.exclusions)
    gap = None if defined.session_gap is None else max(defined.session_gap, 1)
    return replace(defined, window=max(defined.window, 1), exclusions=exclusions, session_gap=gap)


def spoiled(rng: random.Random, defined: OptionFunnel, how: str) -> OptionFunnel:
    """Change one thing of a funnel, which may or may not make it one that is refused."""
    place = rng.randrange(len(defined.steps))
    step, last = defined.steps[place], len(defined.steps)
    first, end = rng.randint(0, last + 1), rng.randint(0, last + 1)
    changed: dict[str, Any] = {
        "order": {"order": "any"},
        "strict": {"order": "strict"},
        "open": {"is_open": True},
        "first": {"entry_first": True},
        "exclude": {"exclusions": (OExclusion(frozenset("X"), first=1, last=last),)},
        "range": {"exclusions": (*defined.exclusions, OExclusion(frozenset("X"), first=first, last=end or last))},
        "optional": {"steps": _with(defined, place, replace(step, optional=True))},
        "within": {"steps": _with(defined, place, replace(step, within=rng.randint(0, 12)))},
        "not_before": {"steps": _with(defined, place, replace(step, not_before=rng.randint(0, 12)))},
        "events": {"breaking": frozenset(rng.sample("XYA", rng.randint(0, 2)))},
        "hold": {"hold": ("plan", "os", "p", "q")[: rng.randint(0, 4)]},
        "session": {"session": "sid"},
        "gap": {"session_gap": rng.randint(1, 6)},
        "granularity": {"granularity": rng.randint(1, 12)},
        "instants": {"granularity": rng.randint(2, 6), "strict_time": True},
        "gaps": {"steps": tuple(replace(each, not_before=rng.randint(0, 6)) for each in defined.steps)},
        "one step": {"steps": defined.steps[:1]},
    }[how]
    return replace(defined, **changed)


def never_converts(defined: OptionFunnel) -> list[str]:
    """Name why no chain of a funnel can do all its steps: the oracle counts such a funnel, a file is refused."""
    required = [defined.steps[number - 1] for number in defined.required]
    is_ordered = defined.order != "any"
    coarse = defined.granularity if defined.granularity > 1 and defined.strict_time else 0
    wrong = {
        "an instant is longer than the window": defined.granularity > defined.window,
        "all gaps are longer than the window": is_ordered
        and not defined.is_open
        and sum(step.not_before for step in required) > defined.window,
        "all instants are longer than the window": not defined.is_open
        and (len(required) - 1) * coarse > defined.window,
        "within is shorter than an instant": is_ordered and any(step.within < coarse for step in defined.steps[1:]),
    }
    return [reason for reason, is_wrong in wrong.items() if is_wrong]


def file_tree(defined: OptionFunnel) -> dict[str, Any]:
    """Return what a file says that defines this funnel; what is at its default is left out."""
    said = {
        "order": None if defined.order == "ordered" else defined.order,
        "events": None if defined.breaking is None else sorted(defined.breaking),
        "strict_time": defined.strict_time or None,
        "entry": "first" if defined.entry_first else None,
        "open": defined.is_open or None,
        "hold_constant": list(defined.hold) or None,
        "session": _filled(property=defined.session, gap=_seconds(defined.session_gap)) or None,
        "time_granularity": None if defined.granularity == 1 else _seconds(defined.granularity),
        "exclusions": [_exclusion_tree(each) for each in defined.exclusions] or None,
    }
    steps = [_step_tree(step, number) for number, step in enumerate(defined.steps, start=1)]
    return {"funnel": "drawn", "window": _seconds(defined.window), "steps": steps, **_filled(**said)}


def read_back(funnel: Funnel) -> OptionFunnel:
    """Return the oracle's funnel that a definition means."""
    session = funnel.session
    return OptionFunnel(
        steps=tuple(_read_step(step) for step in funnel.steps),
        window=funnel.window_ms // MS,
        order=funnel.order.value,
        strict_time=funnel.strict_time,
        is_open=funnel.is_open,
        exclusions=tuple(_read_exclusion(each) for each in funnel.exclusions),
        breaking=None if funnel.breaking is None else frozenset(funnel.breaking),
        hold=funnel.hold,
        entry_first=funnel.entry_first,
        session=session.property if session and session.property else None,
        session_gap=session.gap_ms // MS if session and session.gap_ms is not None else None,
        granularity=funnel.granularity_ms // MS or 1,
    )


def _with(defined: OptionFunnel, place: int, step: OStep) -> tuple[OStep, ...]:
    return (*defined.steps[:place], step, *defined.steps[place + 1 :])


def _filled(**said: object) -> dict[str, Any]:
    return {key: value for key, value in said.items() if value is not None}


def _seconds(time: int | None) -> str | None:
    return None if time is None else f"{time}s"


def _match_tree(match: OMatch) -> dict[str, Any]:
    where = None if match.where is None else [{"property": match.where[0], "equals": match.where[1]}]
    return _filled(events=sorted(match.names), where=where)


def _step_tree(step: OStep, number: int) -> dict[str, Any]:
    timed = {
        "within": _seconds(step.within) if step.has_within else None,
        "not_before": _seconds(step.not_before or None),
    }
    return {"name": f"s{number}", **_match_tree(step), **_filled(optional=step.optional or None, **timed)}


def _exclusion_tree(exclusion: OExclusion) -> dict[str, Any]:
    """Give steps that are none (0, or beyond the last) names that are none."""
    ends = {"from": f"s{exclusion.first}", "to": f"s{exclusion.last}"}
    return {**_match_tree(exclusion), **ends, "effect": exclusion.effect}


def _read_match(read: Step | Exclusion) -> dict[str, Any]:
    return {"names": frozenset(read.events), "where": _read_where(read.where)}


def _read_where(where: tuple[Predicate, ...]) -> tuple[str, str] | None:
    return (where[0].property, str(where[0].values[0])) if where else None


def _read_step(step: Step) -> OStep:
    within = FOREVER_MS if step.within_ms is None else step.within_ms // MS
    return OStep(**_read_match(step), optional=step.optional, within=within, not_before=step.not_before_ms // MS)


def _read_exclusion(read: Exclusion) -> OExclusion:
    return OExclusion(**_read_match(read), first=read.first, last=read.last, effect=read.effect.value)
