"""An actor's state in all funnels to versioned bytes, and back.

In:  funnel states by funnel, as `engine.state.seal` leaves them.
Out: msgpack. Only the base and the entries' own fields are written; the folds of the
     entries are worked out again on reading, so that the bytes stay small and a changed
     fold needs no migration of the entries.

A blob is `[version, state, state, ...]`, a state `[number, levels, attempt, periods, hits]`:
`number` names the funnel (`CompiledFunnel.number`), levels, attempt and periods are those of
`attempts.Fold`, a hit is `[time_ms, id, steps, touch]`. Most actors have done one thing only,
so a chain is not repeated: 0 in the attempt stands for the path of its level, 0 in a period
that is alone for the attempt's chain. The attempt's `firsts` are written only where it has some;
version 1 had none, so that an attempt it left open counts as if its chain had been its first.

Times are absolute: to write them as distances saves a fifth of the bytes and costs a third
more time, and an actor is written about once for every two events (`make bench`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from stream.engine.attempts import Attempt
from stream.engine.in_order import next_entry
from stream.engine.match import CompiledFunnel, Touch
from stream.engine.ordered import Levels
from stream.engine.state import ATTEMPT, EMPTY_BASE, LEVELS, PERIODS, Entry, FunnelState, base_of, refold
from stream.errors import UnreadableState

CODEC_VERSION = 2
READABLE = frozenset({1, CODEC_VERSION})

WrittenPath: TypeAlias = tuple[int | Touch | None, ...]
WrittenHit: TypeAlias = tuple[int, str, tuple[int, ...], Touch | None]


class WrittenAttempt(msgspec.Struct, array_like=True):
    """`attempts.Attempt` as it is read."""

    entry_ms: int
    best: int
    chain: int | WrittenPath
    entry: Touch | None
    firsts: tuple[int, ...] | None = None


WrittenState: TypeAlias = tuple[
    int,
    tuple[WrittenPath, ...],
    WrittenAttempt | None,
    tuple[tuple[int, int, bool | tuple[WrittenPath, ...] | None, int, int | WrittenPath], ...],
    tuple[WrittenHit, ...],
]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[int | WrittenState]).decode


def encode_states(states: Iterable[tuple[CompiledFunnel, FunnelState]]) -> bytes:
    """Return the bytes for one actor's states."""
    return _encode([CODEC_VERSION, *[_written(funnel, state.entries) for funnel, state in states]])


def encode_record(funnels: Iterable[CompiledFunnel], record: Sequence[Any]) -> bytes:
    """Return the bytes for one actor's record (`engine.batch.ActorRecord`)."""
    parts: list[Any] = [CODEC_VERSION]
    for funnel in funnels:
        entries = record[funnel.slot]
        if entries is not None:
            parts.append(_written(funnel, entries))
    return _encode(parts)


def _written(funnel: CompiledFunnel, entries: list[Entry]) -> tuple[Any, ...]:
    base = entries[0]
    levels, attempt, periods = base[LEVELS], base[ATTEMPT], base[PERIODS]
    written_attempt: tuple[Any, ...] | None = None
    written_periods: tuple[Any, ...] = periods
    if attempt is not None:
        entry_ms, best, chain, entry, firsts = attempt
        if len(periods) == 1 and periods[0][4] is chain:
            start_ms, end_ms, own, deepest, _ = periods[0]
            written_periods = ((start_ms, end_ms, own, deepest, 0),)
        written_chain = 0 if best <= len(levels) and levels[best - 1] is chain else chain
        written_attempt = (entry_ms, best, written_chain, entry)
        if firsts is not None:
            written_attempt = (*written_attempt, firsts)
    hits = [entry[:4] for entry in entries[1:]] if len(entries) != 2 else (entries[1][:4],)
    return funnel.number, levels, written_attempt, written_periods, hits


def decode_states(blob: bytes, funnels: Mapping[int, CompiledFunnel]) -> dict[int, FunnelState]:
    """Return states by funnel number; a funnel no longer in `funnels` is left out.

    Raises UnreadableState if the bytes are of another codec version, or no state at all.
    """
    try:
        version, *written = _decode(blob)
    except (msgspec.MsgspecError, ValueError):
        raise UnreadableState(_version_of(blob), CODEC_VERSION) from None
    if version not in READABLE:
        raise UnreadableState(version, CODEC_VERSION)
    states: dict[int, FunnelState] = {}
    for state in written:
        if isinstance(state, int):
            raise UnreadableState(blob, CODEC_VERSION)
        funnel = funnels.get(state[0])
        if funnel is not None:
            states[funnel.number] = _read_state(funnel, *state[1:])
    return states


def _version_of(blob: bytes) -> object:
    """Return what stands in place of the version; the bytes themselves where that is not what is wrong."""
    try:
        parts = msgspec.msgpack.decode(blob)
    except msgspec.MsgspecError:
        return blob
    version = parts[0] if isinstance(parts, list) and parts else None
    return blob if version is None or version in READABLE else version


def _read_state(
    funnel: CompiledFunnel,
    levels: Levels,
    written: WrittenAttempt | None,
    periods: Any,
    hits: tuple[WrittenHit, ...],
) -> FunnelState:
    attempt: Attempt | None = None
    if written is not None:
        chain: Any = levels[written.best - 1] if written.chain == 0 else written.chain
        attempt = (written.entry_ms, written.best, chain, written.entry, written.firsts)
        if len(periods) == 1 and periods[0][4] == 0:
            periods = ((*periods[0][:4], chain),)
    base = EMPTY_BASE if attempt is None and not levels and not periods else base_of((levels, attempt, periods))
    return FunnelState(_folded(funnel, base, hits))


def _folded(funnel: CompiledFunnel, base: Entry, hits: Iterable[WrittenHit]) -> list[Entry]:
    """Return the entries that follow from `base` and hits in order of time."""
    entries = [base]
    for time_ms, event_id, steps, touch in hits:
        last = entries[-1]
        if time_ms > last[0] and len(steps) == 1:
            entry = next_entry(funnel, last, time_ms, event_id, steps, touch)
            if entry is not None:
                entries.append(entry)
                continue
        entries = [base, *[(*hit, *base[4:7], ()) for hit in hits]]
        refold(funnel, entries, 1, changed=len(entries))
        break
    return entries
