"""Small random funnels with options, and paths to go with them.

In:  a source of randomness (hypothesis's own too), and which options must or may appear.
Out: a `Case`, whose text can be pasted in as a test.

Steps overlap and repeat, events tie, and limits are of the size of the gaps, so that edges are met often.
"""

import random
from collections.abc import Collection
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from support.notation import LATE_MS
from support.options.attempts import Period
from support.options.funnels import FOREVER_MS, Effect, OExclusion, OptionFunnel, Order, OStep, refusals
from support.options.notation import funnel_text, path_text
from support.oracle import OEvent

OPTIONS = (
    "strict", "events", "any", "strict_time", "open", "optional", "within", "not_before", "exclude", "range",
    "remove_actor", "where", "hold", "first", "session", "gap", "granularity",
)  # fmt: skip
NAMES = "ABCD"
FIRST_MS, LAST_MS = -4, 16


@dataclass(frozen=True)
class Case:
    """One actor's events in log order under a funnel; the periods cover every time there is."""

    funnel: OptionFunnel
    events: tuple[OEvent, ...]
    as_of: int
    periods: tuple[Period, ...]

    def __repr__(self) -> str:
        """Show the case in notation."""
        return f'("{path_text(self.events)}", "{funnel_text(self.funnel)}", {self.as_of}, {list(self.periods)})'


def random_case(
    rng: random.Random, options: Collection[str] | None = None, *, max_events: int = 8, max_steps: int = 5
) -> Case:
    """Draw a case with these options (None: some of them all); combinations that are refused are drawn again."""
    defined = random_funnel(rng, options, max_steps)
    return Case(
        funnel=defined,
        events=tuple(random_events(rng, defined, max_events)),
        as_of=rng.choice([LATE_MS, rng.randint(FIRST_MS, LAST_MS + 8)]),
        periods=random_periods(rng),
    )


def random_funnel(rng: random.Random, options: Collection[str] | None = None, max_steps: int = 5) -> OptionFunnel:
    """Draw a funnel that is not refused."""
    for _ in range(1_000):
        chosen = _some_options(rng) if options is None else frozenset(options)
        defined = _funnel(rng, chosen, rng.choice([2, *range(3, max_steps + 1), 3]))
        if not refusals(defined):
            return defined
    raise ValueError(f"{sorted(options or OPTIONS)} cannot be combined")


def used_options(defined: OptionFunnel) -> list[str]:
    """Return which options a funnel has, in the order of `OPTIONS`; one drawn but left at its default is none."""
    last = len(defined.steps)
    used = {
        "strict": defined.order == "strict",
        "events": defined.breaking is not None,
        "any": defined.order == "any",
        "strict_time": defined.strict_time,
        "open": defined.is_open,
        "optional": any(step.optional for step in defined.steps),
        "within": any(step.has_within for step in defined.steps),
        "not_before": any(step.not_before for step in defined.steps),
        "exclude": bool(defined.exclusions),
        "range": any(defined.range_of(each) != (1, last) for each in defined.exclusions),
        "remove_actor": any(each.effect == "remove_actor" for each in defined.exclusions),
        "where": any(match.where for match in (*defined.steps, *defined.exclusions)),
        "hold": bool(defined.hold),
        "first": defined.entry_first,
        "session": defined.session is not None,
        "gap": defined.session_gap is not None,
        "granularity": defined.granularity != 1,
    }
    return [option for option in OPTIONS if used[option]]


def _some_options(rng: random.Random) -> frozenset[str]:
    return frozenset(rng.sample(OPTIONS, rng.choice([0, 1, 2, 2, 3, 3, 4, 5])))


def _funnel(rng: random.Random, chosen: frozenset[str], n_steps: int) -> OptionFunnel:
    window = rng.choice([0, 2, 4, 6, 8, 10, 10, 14])
    order: Order = "strict" if chosen & {"strict", "events"} else "ordered"
    is_excluding = chosen & {"exclude", "range", "remove_actor"}
    return OptionFunnel(
        steps=tuple(_step(rng, chosen, place, n_steps, window) for place in range(n_steps)),
        window=window,
        order="any" if "any" in chosen else order,
        strict_time="strict_time" in chosen,
        is_open="open" in chosen,
        exclusions=tuple(_exclusion(rng, chosen, n_steps) for _ in range(rng.choice([1, 1, 2])))
        if is_excluding
        else (),
        breaking=frozenset(rng.sample("XY" + NAMES, 2)) if "events" in chosen else None,
        hold=tuple(rng.choice([["plan"], ["plan"], ["plan", "os"]])) if "hold" in chosen else (),
        entry_first="first" in chosen,
        session="sid" if "session" in chosen else None,
        session_gap=rng.randint(0, 6) if "gap" in chosen else None,
        granularity=rng.choice([2, 3, 5]) if "granularity" in chosen else 1,
    )


def _step(rng: random.Random, chosen: frozenset[str], place: int, n_steps: int, window: int) -> OStep:
    is_first, is_last = place == 0, place == n_steps - 1
    names = NAMES[place % len(NAMES)] if rng.random() < 0.6 else rng.choice(["A", "B", "AB", "BC", "CA", "D", "ABC"])
    within = rng.randint(0, window) if "within" in chosen and not is_first and rng.random() < 0.7 else FOREVER_MS
    not_before = rng.randint(0, min(within, window, 4)) if "not_before" in chosen and not is_first else 0
    return OStep(
        names=frozenset(names),
        where=("os", rng.choice("ab")) if "where" in chosen and rng.random() < 0.4 else None,
        optional="optional" in chosen and not is_first and not is_last and rng.random() < 0.7,
        within=within,
        not_before=not_before,
    )


def _exclusion(rng: random.Random, chosen: frozenset[str], n_steps: int) -> OExclusion:
    first = rng.randint(1, n_steps - 1)
    effects: list[Effect] = ["remove_actor", "remove_actor", "end_attempt"]
    return OExclusion(
        names=frozenset(rng.choice(["X", "X", "X", "Y", "XY", "D", "B"])),
        where=("os", "a") if "where" in chosen and rng.random() < 0.3 else None,
        first=first if "range" in chosen else 1,
        last=rng.randint(first + 1, n_steps) if "range" in chosen else None,
        effect=rng.choice(effects) if "remove_actor" in chosen else "end_attempt",
    )


def in_units_of(defined: OptionFunnel, unit_ms: int) -> OptionFunnel:
    """Return the funnel with all its durations that many times as long."""
    steps = tuple(
        replace(
            step, within=step.within * unit_ms if step.has_within else step.within, not_before=step.not_before * unit_ms
        )
        for step in defined.steps
    )
    return replace(
        defined,
        steps=steps,
        window=defined.window * unit_ms,
        session_gap=None if defined.session_gap is None else defined.session_gap * unit_ms,
        granularity=defined.granularity * unit_ms if defined.granularity > 1 else 1,
    )


def random_events(rng: random.Random, defined: OptionFunnel, max_events: int = 8) -> list[OEvent]:
    """Draw up to `max_events` events in no order; a short span makes ties."""
    used = [*sorted({name for step in defined.steps for name in step.names}), *sorted(defined.steps[0].names)]
    others = sorted({name for exclusion in defined.exclusions for name in exclusion.names} | {"X"})
    span, share = rng.choice([2, 5, 10, LAST_MS]), 0.3 if defined.exclusions else 0.15
    return [
        OEvent(
            time=rng.randint(FIRST_MS, FIRST_MS + span + 2),
            id=f"i{place}",
            name=rng.choice(others if rng.random() < share else used),
            properties=_properties(rng, defined),
        )
        for place in range(rng.choice([rng.randint(0, max_events), max_events]))
    ]


def _properties(rng: random.Random, defined: OptionFunnel) -> dict[str, str]:
    wanted = {*defined.hold, *([defined.session] if defined.session else [])}
    if any(match.where for match in (*defined.steps, *defined.exclusions)):
        wanted.add("os")
    return {name: rng.choice("aab") for name in sorted(wanted) if rng.random() < 0.85}


def random_periods(rng: random.Random) -> tuple[Period, ...]:
    """Draw periods of equal length, one after the other, over all times."""
    length = rng.choice([3, 7, 40])
    start = FIRST_MS - rng.randint(1, 3) - 5
    return tuple((begin, begin + length) for begin in range(start, LAST_MS + 10, length))


def cases(
    options: Collection[str] | None = None, *, max_events: int = 8, max_steps: int = 5
) -> st.SearchStrategy[Case]:
    """Return a hypothesis strategy of cases."""
    return st.randoms(use_true_random=False).map(
        lambda rng: random_case(rng, options, max_events=max_events, max_steps=max_steps)
    )
