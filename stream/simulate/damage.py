"""Records that nothing can be read from, each broken in one of the ways brokers really see.

In:  a good record's key and value.
Out: a broken one. Whoever reads it must call it invalid; the key never contradicts an actor in the value.
"""

import re
from collections.abc import Callable
from random import Random

_TIME = re.compile(rb'"time":"[^"]*"')
_EVENT = re.compile(rb'"event":"[^"]*"')
_ACTOR = re.compile(rb'("user_id":"[^"]*",)?"anonymous_id":"[^"]*",')


def _truncated(value: bytes, chance: float) -> bytes:
    return value[: 1 + int(chance * (len(value) - 3))]


DAMAGES: dict[str, Callable[[bytes, float], bytes]] = {
    "invalid UTF-8": lambda value, _: _EVENT.sub(b'"event":"\xff\xc3("', value),
    "truncated JSON": _truncated,
    "missing actor": lambda value, _: _ACTOR.sub(b"", value),
    "missing time": lambda value, _: _TIME.sub(b'"sent":true', value),
    "time of a wrong type": lambda value, _: _TIME.sub(b'"time":{"at":[1]}', value),
    "event of a wrong type": lambda value, _: _EVENT.sub(b'"event":["purchase",1]', value),
    "NaN time": lambda value, _: _TIME.sub(b'"time":NaN', value),
    "null time": lambda value, _: _TIME.sub(b'"time":null', value),
    "null value": lambda _value, _: b"null",
}
_KINDS = tuple(DAMAGES)


def damaged(draw: Random, key: bytes | None, value: bytes) -> tuple[bytes | None, bytes]:
    """Break the record in a way drawn by chance; without an actor the key is gone too."""
    kind = _KINDS[int(draw.random() * len(_KINDS))]
    return (None if kind == "missing actor" else key), DAMAGES[kind](value, draw.random())
