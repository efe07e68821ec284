"""An actor's state in all funnels to versioned bytes, and back.

In:  funnel states by funnel, as `engine.advance` leaves them after `seal`.
Out: msgpack. Only the sealed fold and the suffix's hits are written; the folds inside
     the suffix are worked out again on reading, so that the bytes stay small and a
     changed fold needs no migration of the suffix.

A blob is `[version, number, sealed, hits, number, sealed, hits, ...]`, where number
names the funnel (`CompiledFunnel.number`), sealed is `[levels, attempt, periods]` with a
chain that equals a level's path written as that level's index, and hits is a flat list of
`[time_ms, id, steps, touch]`. A funnel without breakdowns and values leaves touches out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from stream.engine.advance import FunnelState, Group, refold
from stream.engine.attempts import Fold
from stream.engine.match import CompiledFunnel, Hit
from stream.engine.ordered import Path

CODEC_VERSION = 1

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class UnreadableState(ValueError):  # noqa: N818 (what the bytes are, as the caller reads it)
    """The bytes are no state of a version this release reads."""


def encode_states(states: Iterable[tuple[CompiledFunnel, FunnelState]]) -> bytes:
    """Return the bytes for one actor's states."""
    parts: list[Any] = [CODEC_VERSION]
    for funnel, state in states:
        with_touch = funnel.has_touch
        levels, attempt, periods = state.sealed
        own = [path if with_touch or path is None else path[::2] for path in levels]
        while own and own[-1] is None:
            own.pop()
        written_attempt = None
        if attempt is not None:
            entry_ms, best, chain, entry = attempt
            reference = _reference(levels, best, chain, with_touch=with_touch)
            written_attempt = (entry_ms, best, reference, entry) if with_touch else (entry_ms, best, reference)
        written_periods = [
            (
                start_ms,
                end_ms,
                period_levels
                if period_levels is None or period_levels is True
                else [path if with_touch or path is None else path[::2] for path in period_levels],  # type: ignore[union-attr]
                best,
                _reference(levels, best, chain, with_touch=with_touch),
            )
            for start_ms, end_ms, period_levels, best, chain in periods
        ]
        hits = [hit[:4] if with_touch else hit[:3] for group in state.groups for hit in group[1]]
        parts += (funnel.number, (own, written_attempt, written_periods), hits)
    return _encode(parts)


def _reference(levels: Sequence[Path | None], best: int, chain: Path, *, with_touch: bool) -> Path | int:
    if best <= len(levels) and levels[best - 1] is chain:
        return best - 1
    return chain if with_touch else chain[::2]


def decode_states(blob: bytes, funnels: Mapping[int, CompiledFunnel]) -> dict[int, FunnelState]:
    """Return states by funnel number; a funnel no longer in `funnels` is left out.

    Raises UnreadableState if the bytes are of another codec version.
    """
    parts = _decode(blob)
    if not isinstance(parts, list) or not parts or parts[0] != CODEC_VERSION:
        raise UnreadableState(f"state of codec version {parts[:1] if isinstance(parts, list) else parts!r}")
    states = {}
    for at in range(1, len(parts), 3):
        funnel = funnels.get(parts[at])
        if funnel is not None:
            states[funnel.number] = _read_state(funnel, parts[at + 1], parts[at + 2])
    return states


def _read_state(funnel: CompiledFunnel, sealed: list[Any], written_hits: list[Any]) -> FunnelState:
    with_touch = funnel.has_touch

    def path(written: list[Any]) -> Path:
        if with_touch:
            return tuple(_touch(item) if at % 2 else item for at, item in enumerate(written))
        return tuple(item for time_ms in written for item in (time_ms, None))

    def all_levels(written: list[Any]) -> tuple[Path | None, ...]:
        read = [None if item is None else path(item) for item in written]
        return (*read, *funnel.no_levels[len(read) :])

    levels = all_levels(sealed[0])

    def chain(written: Any) -> Path:
        return levels[written] if isinstance(written, int) else path(written)  # type: ignore[return-value]

    attempt = None
    if sealed[1] is not None:
        entry_ms, best, reference, *entry = sealed[1]
        attempt = (entry_ms, best, chain(reference), _touch(entry[0]) if entry else None)
    periods = tuple(
        (start_ms, end_ms, own if own is None or own is True else all_levels(own), best, chain(reference))
        for start_ms, end_ms, own, best, reference in sealed[2]
    )
    fold: Fold = (levels, attempt, periods)
    groups: list[Group] = []
    for time_ms, event_id, steps, *touch in written_hits:
        hit: Hit = (time_ms, event_id, tuple(steps), _touch(touch[0]) if touch else None, 0)
        if groups and groups[-1][0] == time_ms:
            groups[-1] = (time_ms, (*groups[-1][1], hit), fold, ())
        else:
            groups.append((time_ms, (hit,), fold, ()))
    refold(funnel, fold, groups)
    return FunnelState(fold, groups)


def _touch(written: Any) -> Any:
    if written is None:
        return None
    segments, values = written
    return tuple(segments), tuple(tuple(value) for value in values)
