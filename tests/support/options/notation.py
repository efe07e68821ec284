"""Funnels with options in one line, and what the oracle says about them.

    STEP > STEP > ... / WINDOW OPTION OPTION ...

    STEP    NAME[|NAME...][{KEY=TEXT}][?] [within MS] [not_before MS]      "?": optional
    OPTION  strict [events NAME|...] · any · strict_time · open · first · hold KEY[,KEY...]
            session KEY · gap MS · granularity MS
            exclude NAME[|NAME...][{KEY=TEXT}] [I..J] [end_attempt | remove_actor]

e.g. "A>B{plan=pro}?>C within 5 not_before 2/10 strict exclude X 1..3 remove_actor". Times are ms, and what
is left out is at its default. Text that does not fit raises ValueError. Paths are written as in `notation`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from support.notation import LATE_MS, path
from support.options.actors import actor_results
from support.options.attempts import Attempt, Period, attempts
from support.options.chains import Chain, Path, longest
from support.options.funnels import FOREVER_MS, Effect, OExclusion, OMatch, OptionFunnel, OStep
from support.options.units import units
from support.oracle import OEvent

_MATCH = re.compile(r"(?P<names>[^\s{}?|>/]+(?:\|[^\s{}?|>/]+)*)(?:\{(?P<key>[^={}\s]+)=(?P<text>[^={}\s]*)\})?")
_STEP = re.compile(
    rf"{_MATCH.pattern}(?P<optional>\?)?(?: within (?P<within>\d+))?(?: not_before (?P<not_before>\d+))?"
)
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_EFFECTS: dict[str, Effect] = {"end_attempt": "end_attempt", "remove_actor": "remove_actor"}


def funnel(text: str) -> OptionFunnel:
    """Parse a funnel."""
    steps, slash, rest = text.rpartition("/")
    window, *words = rest.split() or [""]
    if not slash or not window.isdecimal():
        raise ValueError(f"{text!r} is not a funnel (write STEP>STEP/WINDOW and then the options)")
    return OptionFunnel(tuple(_step(step) for step in steps.split(">")), int(window), **_options(iter(words)))


def _step(text: str) -> OStep:
    match = _STEP.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a step (write NAME|NAME{{KEY=TEXT}}? within MS not_before MS)")
    return OStep(
        **_match(match),
        optional=match["optional"] is not None,
        within=int(match["within"] or FOREVER_MS),
        not_before=int(match["not_before"] or 0),
    )


def _match(match: re.Match[str]) -> dict[str, Any]:
    where = None if match["key"] is None else (match["key"], match["text"])
    return {"names": frozenset(match["names"].split("|")), "where": where}


def _options(words: Iterator[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"exclusions": ()}
    flags = {"strict_time": "strict_time", "open": "is_open", "first": "entry_first"}
    numbers = {"gap": "session_gap", "granularity": "granularity"}
    for word in words:
        if word in {"strict", "any"}:
            found["order"] = word
        elif word in flags:
            found[flags[word]] = True
        elif word in numbers:
            found[numbers[word]] = int(_after(word, words))
        elif word == "hold":
            found["hold"] = tuple(_after(word, words).split(","))
        elif word == "session":
            found["session"] = _after(word, words)
        elif word == "events":
            found["breaking"] = frozenset(_after(word, words).split("|"))
        elif word == "exclude":
            found["exclusions"] += (_exclusion(_after(word, words)),)
        elif found["exclusions"]:
            found["exclusions"] = (*found["exclusions"][:-1], _narrow(found["exclusions"][-1], word))
        else:
            raise ValueError(f"{word!r} is not an option")
    return found


def _after(word: str, words: Iterator[str]) -> str:
    """Return the word that follows an option."""
    for argument in words:
        return argument
    raise ValueError(f"{word!r} is not an option by itself")


def _exclusion(text: str) -> OExclusion:
    match = _MATCH.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an exclusion (write NAME|NAME{{KEY=TEXT}})")
    return OExclusion(**_match(match))


def _narrow(exclusion: OExclusion, word: str) -> OExclusion:
    """Give an exclusion its range or its effect."""
    steps = _RANGE.fullmatch(word)
    if steps is not None:
        return replace(exclusion, first=int(steps[1]), last=int(steps[2]))
    if word in _EFFECTS:
        return replace(exclusion, effect=_EFFECTS[word])
    raise ValueError(f"{word!r} is not an option")


# And back: a random case that fails is printed as text and pasted in as a test


def funnel_text(defined: OptionFunnel) -> str:
    """Write a funnel so that `funnel` reads it back."""
    options = [
        "" if defined.order == "ordered" else defined.order,
        "" if defined.breaking is None else f"events {_names(defined.breaking)}",
        "strict_time" if defined.strict_time else "",
        "open" if defined.is_open else "",
        "first" if defined.entry_first else "",
        f"hold {','.join(defined.hold)}" if defined.hold else "",
        "" if defined.session is None else f"session {defined.session}",
        "" if defined.session_gap is None else f"gap {defined.session_gap}",
        "" if defined.granularity == 1 else f"granularity {defined.granularity}",
        *(_exclusion_text(exclusion) for exclusion in defined.exclusions),
    ]
    steps = ">".join(_step_text(step) for step in defined.steps)
    return " ".join([f"{steps}/{defined.window}", *filter(None, options)])


def _step_text(step: OStep) -> str:
    return (
        _match_text(step)
        + ("?" if step.optional else "")
        + ("" if step.within == FOREVER_MS else f" within {step.within}")
        + (f" not_before {step.not_before}" if step.not_before else "")
    )


def _exclusion_text(exclusion: OExclusion) -> str:
    steps = "" if exclusion.last is None else f" {exclusion.first}..{exclusion.last}"
    effect = "" if exclusion.effect == "end_attempt" else f" {exclusion.effect}"
    return f"exclude {_match_text(exclusion)}{steps}{effect}"


def _match_text(match: OMatch) -> str:
    return _names(match.names) + ("" if match.where is None else "{{{}={}}}".format(*match.where))


def _names(names: frozenset[str]) -> str:
    return "|".join(sorted(names))


def path_text(events: Sequence[OEvent]) -> str:
    """Write events so that `path` reads them back; values, currencies and segments are left out."""
    return " ".join(
        f"{event.name}#{event.id}@{event.time}"
        + (f"{{{','.join(f'{key}={text}' for key, text in event.properties.items())}}}" if event.properties else "")
        for event in events
    )


# What the oracle says, as text


def reached(path_text: str, funnel_text: str, as_of: int = LATE_MS) -> int:
    """Return the deepest step that a chain of the path reaches, in whichever counted unit."""
    defined = funnel(funnel_text)
    return max(
        (longest(Path(events, defined)) for events in units(path(path_text), defined, as_of).values()), default=0
    )


def attempts_of(
    path_text: str, funnel_text: str, as_of: int = LATE_MS, periods: Sequence[Period] = ()
) -> list[Attempt]:
    """Return the path's attempts."""
    return attempts(path(path_text), funnel(funnel_text), as_of, periods)


def outcomes(path_text: str, funnel_text: str, as_of: int = LATE_MS, periods: Sequence[Period] = ()) -> list[str]:
    """Return each attempt as "[UNIT:] ENTRY OUTCOME BEST: its reported chain", e.g. "0 dropped 1: e1".

    A chain is its events' ids; an event has its step before it ("3:e2") where that is not its place in the chain.
    """
    return [
        _unit_text(a.unit) + f"{a.entry_ms} {a.outcome} {a.best}: {chain_text(a.chain)}"
        for a in attempts_of(path_text, funnel_text, as_of, periods)
    ]


def actors_of(path_text: str, funnel_text: str, periods: Sequence[Period], as_of: int = LATE_MS) -> list[str]:
    """Return each period's result as "[UNIT:] START DEPTH: its reported chain" or "START removed"."""
    return [
        _unit_text(r.unit) + f"{r.period[0]} " + ("removed" if r.chain is None else f"{r.depth}: {chain_text(r.chain)}")
        for r in actor_results(path(path_text), funnel(funnel_text), periods, as_of)
    ]


def chain_text(chain: Chain) -> str:
    """Write a chain as its ids, with the step where it is not the place."""
    return " ".join(
        event.id if step == place else f"{step}:{event.id}"
        for place, (step, event) in enumerate(zip(chain.steps, chain.events, strict=True), start=1)
    )


def _unit_text(unit: tuple[str, ...]) -> str:
    return f"{','.join(unit)}: " if unit else ""
