"""A tiny notation for paths and funnels, so that a bug report can be pasted in as a test.

In:  "A@0 B@4" (a path), "A>B|D>C/10" (a funnel: names of each step, then the window in ms).
Out: oracle events and funnels, or what the oracle says about them.

A token is NAME[#ID]@TIME[=VALUE[CURRENCY]][[SEGMENT]][{KEY=TEXT,...}], e.g.
"buy#o7@120=12.5EUR[mobile]{plan=pro}"; without #ID the n-th token's id is "e" and n. Text
that does not fit raises ValueError.
"""

import re
from decimal import Decimal

from support.oracle import OAttempt, OEvent, OFunnel, attempts, longest_chain

LATE_MS = 10**15
"""An `as_of` after every time a test uses (about the year 33658)."""

_TOKEN = re.compile(
    r"(?P<name>[^\s#@=\[\]]+)(?:#(?P<id>[^\s@]+))?@(?P<time>-?\d+)"
    r"(?:=(?P<value>-?\d+(?:\.\d+)?)(?P<currency>[A-Za-z]{3})?)?(?:\[(?P<segment>[^\]\s]*)\])?"
    r"(?:\{(?P<properties>[^={}\s,]+=[^={}\s,]*(?:,[^={}\s,]+=[^={}\s,]*)*)\})?"
)


def path(text: str) -> list[OEvent]:
    """Parse a path; its order is the log order."""
    return [_event(token, f"e{place}") for place, token in enumerate(text.split(), start=1)]


def _event(token: str, own_id: str) -> OEvent:
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise ValueError(
            f"{token!r} is not an event (write NAME[#ID]@TIME[=VALUE[CURRENCY]][[SEGMENT]][{{KEY=TEXT,...}}])"
        )
    value, properties = match["value"], match["properties"]
    return OEvent(
        time=int(match["time"]),
        id=match["id"] or own_id,
        name=match["name"],
        value=None if value is None else Decimal(value),
        currency=match["currency"],
        segment=match["segment"],
        properties=dict(pair.split("=") for pair in properties.split(",")) if properties else {},
    )


def funnel(text: str) -> OFunnel:
    """Parse a funnel such as "A>B|D>C/10"."""
    steps, slash, window = text.rpartition("/")
    names = tuple(frozenset(step.split("|")) for step in steps.split(">"))
    if not slash or not window.isdecimal() or not all(name for step in names for name in step):
        raise ValueError(f'{text!r} is not a funnel (write "A>B|D>C/10", with the window in ms after the slash)')
    return OFunnel(names, int(window))


def reached(path_text: str, funnel_text: str) -> int:
    """Return the deepest step that a chain of the path reaches."""
    return longest_chain(path(path_text), funnel(funnel_text))


def attempts_of(path_text: str, funnel_text: str, as_of: int = LATE_MS) -> list[OAttempt]:
    """Return the path's attempts as of `as_of` (ms)."""
    return attempts(path(path_text), funnel(funnel_text), as_of)


def outcomes(path_text: str, funnel_text: str, as_of: int = LATE_MS) -> list[str]:
    """Return each attempt as "ENTRY OUTCOME BEST: ids of its reported chain", e.g. "0 dropped 1: e1"."""
    return [
        f"{a.entry_ms} {a.outcome} {a.best}: {' '.join(event.id for event in a.chain)}"
        for a in attempts_of(path_text, funnel_text, as_of)
    ]
