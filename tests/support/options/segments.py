"""The breakdown values of attempts and period results, by looking at all their events at once.

In:  attempts and period results as `attempts` and `actors` list them; what the funnel is split by.
Out: one value for each split.

In an attempt the touches are the events that serve any step from t0 to the close; in a period result those of the
reported chain. Of one instant the event with the smallest id is the earlier one.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from support.options.actors import PeriodResult
from support.options.attempts import Attempt
from support.options.cases import Case
from support.options.chains import Chain
from support.options.funnels import OptionFunnel
from support.options.units import units
from support.oracle import OEvent

Attribution = Literal["first_touch", "first_defined", "last_touch", "step", "all_steps"]
ATTRIBUTIONS: tuple[Attribution, ...] = ("first_touch", "first_defined", "last_touch", "step", "all_steps")
NONE = "__none__"
VALUES = {"src": "abc", "med": "pq"}


@dataclass(frozen=True)
class Split:
    """What numbers are split by: the first of `properties` that an event has, or all of them as one value.

    `step`: of attribution "step", from 1.
    """

    properties: tuple[str, ...]
    attribution: Attribution = "first_touch"
    step: int | None = None
    combined: bool = False


def value(event: OEvent, split: Split) -> str:
    """Return the value of an event."""
    has = [event.properties.get(name, "") for name in split.properties]
    if split.combined and any(has):
        return " / ".join(text or NONE for text in has)
    return next(filter(None, has), NONE)


def segments_of_attempt(case: Case, splits: Sequence[Split], attempt: Attempt) -> tuple[str, ...]:
    """Return the values of an attempt."""
    own = units(case.events, case.funnel, case.as_of)[attempt.unit]
    touches = [
        event
        for event in own
        if _serves(event, case.funnel)
        and attempt.entry_ms <= event.time
        and (attempt.closed_ms is None or event.time <= attempt.closed_ms)
    ]
    assert attempt.entry is not None
    return tuple(_value(split, attempt.entry, touches, attempt.chain) for split in splits)


def segments_of_result(splits: Sequence[Split], result: PeriodResult) -> tuple[str, ...]:
    """Return the values of a period result that counts."""
    chain = result.chain
    assert chain is not None
    return tuple(_value(split, chain.events[0], chain.events, chain) for split in splits)


def _serves(event: OEvent, funnel: OptionFunnel) -> bool:
    return any(funnel.serves(event, step) for step in funnel.numbers)


def _value(split: Split, entry: OEvent, touches: Sequence[OEvent], chain: Chain) -> str:
    if split.attribution == "step":
        return next(
            (value(event, split) for step, event in zip(chain.steps, chain.events, strict=True) if step == split.step),
            NONE,
        )
    ordered = sorted(touches, key=lambda event: (event.time, event.id))
    defined = [found for event in ordered if (found := value(event, split)) != NONE]
    if split.attribution == "first_defined":
        return defined[0] if defined else NONE
    if split.attribution == "last_touch":
        return defined[-1] if defined else NONE
    if split.attribution == "all_steps":
        every = {value(event, split) for event in chain.events}
        assert len(every) == 1, "a held property is the same in all events of a chain"
        return every.pop()
    return value(entry, split)


def with_splits(rng: random.Random, case: Case, attribution: Attribution | None = None) -> tuple[Case, list[Split]]:
    """Give a case's events properties to split by, some without them, and draw splits; None: of any attribution."""
    events = tuple(
        replace(
            event,
            properties={
                **event.properties,
                **{name: rng.choice(texts) for name, texts in VALUES.items() if rng.random() < 0.7},
            },
        )
        for event in case.events
    )
    chosen = [attribution] if attribution else rng.sample(ATTRIBUTIONS, rng.choice([1, 2, 3]))
    return replace(case, events=events), [_split(rng, case.funnel, each) for each in chosen]


def _split(rng: random.Random, funnel: OptionFunnel, attribution: Attribution) -> Split:
    if attribution == "all_steps" and funnel.hold:
        return Split(tuple(rng.sample(funnel.hold, 1)), attribution)
    step = rng.choice(funnel.numbers) if attribution == "step" else None
    properties = rng.choice([("src",), ("src",), ("med", "src")])
    combined = len(properties) == 2 and rng.random() < 0.5
    return Split(properties, "first_touch" if attribution == "all_steps" else attribution, step, combined)
