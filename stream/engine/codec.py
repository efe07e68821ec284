"""An actor's state in all funnels to versioned bytes, and back.

In:  funnel states by funnel, as `engine.state.seal` leaves them.
Out: msgpack. Only the base and the entries' own fields are written; the folds of the
     entries are worked out again on reading, so that the bytes stay small and a changed
     fold needs no migration of the entries.

A blob is `[version, number, newest_ms, fold, hits, number, newest_ms, ...]`, where number
names the funnel (`CompiledFunnel.number`). Every other time is written as newest_ms - time,
which takes one to five bytes instead of nine.
fold:  nil for one that says nothing, else `[levels, attempt, periods]`; periods is flat,
       five items each. A chain that is a level's path is written as that level's index.
hits:  flat, `time, id, steps` of each.
A funnel without breakdowns and values leaves touches out everywhere; with them, they
follow their time in paths, end the attempt, and are a fourth item of each hit.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from stream.engine.attempts import DONE, NOTHING, SHARED, Attempt, Fold, PeriodFold
from stream.engine.match import CompiledFunnel, Touch
from stream.engine.ordered import Levels, Path
from stream.engine.state import EMPTY_BASE, TIME, Entry, FunnelState, base_of, refold
from stream.errors import UnreadableState

CODEC_VERSION = 1

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def encode_states(states: Iterable[tuple[CompiledFunnel, FunnelState]]) -> bytes:
    """Return the bytes for one actor's states."""
    parts: list[Any] = [CODEC_VERSION]
    for funnel, state in states:
        _write_state(parts, funnel, state.entries)
    return _encode(parts)


def encode_record(funnels: Iterable[CompiledFunnel], record: Sequence[Any]) -> bytes:
    """Return the bytes for one actor's record (`engine.batch.ActorRecord`)."""
    parts: list[Any] = [CODEC_VERSION]
    for funnel in funnels:
        entries = record[funnel.slot]
        if entries is not None:
            _write_state(parts, funnel, entries)
    return _encode(parts)


def _write_state(parts: list[Any], funnel: CompiledFunnel, entries: list[Entry]) -> None:
    """Append number, newest time, fold and hits; once for every actor of a batch, so calls are few here."""
    newest_ms = entries[-1][TIME] if len(entries) > 1 else 0
    with_touch = funnel.has_touch
    hits: list[Any] = []
    for entry in entries[1:]:
        hits += (newest_ms - entry[0], entry[1], entry[2])
        if with_touch:
            hits.append(entry[3])
    parts += (funnel.number, newest_ms, _written_fold(entries[0], newest_ms, with_touch), hits)


def _written_fold(base: Entry, newest_ms: int, with_touch: bool) -> tuple[Any, Any, Any] | None:  # noqa: FBT001
    _, _, _, _, levels, attempt, periods, _ = base
    if len(levels) == 1 and attempt is not None and len(periods) == 1:
        # Most actors: once at the first step, everything refers to that one event.
        (path,) = levels
        start_ms, end_ms, own, best, chain = periods[0]
        if attempt[2] is path and chain is path and own is SHARED and not with_touch:
            own_period = (newest_ms - start_ms, end_ms - start_ms, own, best, 0)
            return ((newest_ms - path[0],),), (newest_ms - attempt[0], 1, 0), own_period
    if not periods and not levels and attempt is None:
        return None
    written_attempt: list[Any] | None = None
    if attempt is not None:
        entry_ms, best, chain, entry = attempt
        written_attempt = [newest_ms - entry_ms, best, _written_chain(levels, best, chain, newest_ms, with_touch)]
        if with_touch:
            written_attempt.append(entry)
    written_periods: list[Any] = []
    for start_ms, end_ms, own, best, chain in periods:
        written_periods += (
            newest_ms - start_ms,
            end_ms - start_ms,
            own if own is DONE or own is SHARED else [_written_path(path, newest_ms, with_touch) for path in own],  # type: ignore[union-attr] # not a bool
            best,
            _written_chain(levels, best, chain, newest_ms, with_touch),
        )
    return [_written_path(path, newest_ms, with_touch) for path in levels], written_attempt, written_periods


def _written_chain(levels: Levels, best: int, chain: Path, newest_ms: int, with_touch: bool) -> list[Any] | int:  # noqa: FBT001
    if best <= len(levels) and levels[best - 1] is chain:
        return best - 1
    return _written_path(chain, newest_ms, with_touch)


def _written_path(path: Path, newest_ms: int, with_touch: bool) -> list[Any]:  # noqa: FBT001
    if with_touch:
        return [item if at % 2 else newest_ms - item for at, item in enumerate(path)]
    return [newest_ms - time_ms for time_ms in path[::2]]


def decode_states(blob: bytes, funnels: Mapping[int, CompiledFunnel]) -> dict[int, FunnelState]:
    """Return states by funnel number; a funnel no longer in `funnels` is left out.

    Raises UnreadableState if the bytes are of another codec version.
    """
    parts = _decode(blob)
    if not isinstance(parts, list) or not parts or parts[0] != CODEC_VERSION:
        found = parts[0] if isinstance(parts, list) and parts else parts
        raise UnreadableState(found, CODEC_VERSION)
    states = {}
    for at in range(1, len(parts), 4):
        funnel = funnels.get(parts[at])
        if funnel is not None:
            states[funnel.number] = _read_state(funnel, *parts[at + 1 : at + 4])
    return states


def _read_state(funnel: CompiledFunnel, newest_ms: int, fold: list[Any] | None, hits: list[Any]) -> FunnelState:
    base = EMPTY_BASE if fold is None else base_of(_read_fold(fold, newest_ms, funnel.has_touch))
    entries = [base]
    stride = 4 if funnel.has_touch else 3
    for at in range(0, len(hits), stride):
        touch = _read_touch(hits[at + 3]) if funnel.has_touch else None
        unfolded: Entry = (newest_ms - hits[at], hits[at + 1], tuple(hits[at + 2]), touch, *NOTHING, ())
        entries.append(unfolded)
    refold(funnel, entries, 1, changed=len(entries))
    return FunnelState(entries)


def _read_fold(written: Sequence[Any], newest_ms: int, with_touch: bool) -> Fold:  # noqa: FBT001
    written_levels, written_attempt, flat = written
    levels: Levels = tuple([_read_path(items, newest_ms, with_touch) for items in written_levels])
    attempt: Attempt | None = None
    if written_attempt is not None:
        entry_ms, best, reference, *entry = written_attempt
        chain = levels[reference] if type(reference) is int else _read_path(reference, newest_ms, with_touch)
        attempt = (newest_ms - entry_ms, best, chain, _read_touch(entry[0]) if entry else None)
    periods: list[PeriodFold] = []
    for at in range(0, len(flat), 5):
        start, length, own, best, reference = flat[at : at + 5]
        start_ms = newest_ms - start
        if own is not DONE and own is not SHARED:
            own = tuple([_read_path(items, newest_ms, with_touch) for items in own])
        chain = levels[reference] if type(reference) is int else _read_path(reference, newest_ms, with_touch)
        periods.append((start_ms, start_ms + length, own, best, chain))
    return levels, attempt, tuple(periods)


def _read_path(written: Sequence[Any], newest_ms: int, with_touch: bool) -> Path:  # noqa: FBT001
    if with_touch:
        return tuple([_read_touch(item) if at % 2 else newest_ms - item for at, item in enumerate(written)])
    return tuple([item for behind in written for item in (newest_ms - behind, None)])


def _read_touch(written: Any) -> Touch | None:
    if written is None:
        return None
    segments, values = written
    return tuple(segments), tuple([tuple(value) for value in values])
