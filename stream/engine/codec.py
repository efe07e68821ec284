"""An actor's states in all funnels to versioned bytes, and back.

In:  an actor's record, as `engine.batch` advances and `engine.state.seal_entries` leaves it.
Out: chunks of bytes: a whole one, or one with what is new, to be appended to what is stored.

A chunk is its length (4 bytes, big-endian) and msgpack `[version, state, state, ...]`. A state is
`[number, hits]`, or in a whole chunk `[number, hits, levels, attempt, periods]` where anything is sealed, and for a
funnel with options `[number, hits, [], nil, [], fold]` or, where it counts units,
`[number, [], [], nil, [], [[[unit, hits, fold], ...], shared]]`, where a unit's hits are those of its own:
`number` names the funnel (`CompiledFunnel.number`), a hit is `[time_ms, id, steps, touch]`, and levels, attempt and
periods are those of `attempts.Fold`. The hits of a funnel are those of all chunks together. An actor's bytes are
a whole chunk and what was appended since, so that an actor with many events that may still change costs no more
to write than one with few.

The folds of the entries are worked out again on reading: the bytes stay small, and a changed
fold needs no migration of the entries. Most actors have done one thing only, so a chain is not repeated: 0
in the attempt stands for the path of its level, 0 in a period that is alone for the attempt's chain; the
attempt's `firsts` are written only where it has some.

Times are absolute: to write them as distances saves a fifth of the bytes and costs a third
more time, and an actor is written about once for every two events (`make bench`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter, lt
from typing import Any, Final, TypeAlias

import msgspec

from stream.engine.attempts import Attempt
from stream.engine.in_order import take_in_order
from stream.engine.match import CompiledFunnel
from stream.engine.optioned import UnitStates
from stream.engine.ordered import Levels
from stream.engine.roles import PlainHit, Touch
from stream.engine.state import ATTEMPT, EMPTY_BASE, LEVELS, PERIODS, TIME, Entry, FunnelState, base_of, fold_of, refold
from stream.errors import UnreadableState

CODEC_VERSION = 3
LENGTH_BYTES: Final = 4

WrittenPath: TypeAlias = tuple[int | Touch | None, ...]


class WrittenAttempt(msgspec.Struct, array_like=True):
    """`attempts.Attempt` as it is read."""

    entry_ms: int
    best: int
    chain: int | WrittenPath
    entry: Touch | None
    firsts: tuple[int, ...] | None = None


class WrittenState(msgspec.Struct, array_like=True):
    """A funnel's part of a chunk as it is read."""

    number: int
    hits: tuple[PlainHit, ...]
    levels: tuple[WrittenPath, ...] = ()
    attempt: WrittenAttempt | None = None
    periods: tuple[tuple[int, int, bool | tuple[WrittenPath, ...] | None, int, int | WrittenPath], ...] = ()
    options: Any = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[int | WrittenState]).decode


def encode_whole(funnels: Iterable[CompiledFunnel], record: Sequence[Any]) -> bytes:
    """Return the bytes that stand for the actor alone."""
    parts: list[Any] = [CODEC_VERSION]
    for funnel in funnels:
        entries = record[funnel.slot]
        if entries is None:
            continue
        if funnel.units is not None:
            parts.append((funnel.number, (), (), None, (), _written_units(entries)))
        elif funnel.options is not None:
            parts.append(_written_with_options(funnel, entries))
        else:
            parts.append(_written(funnel, entries))
    return _chunk(parts)


def encode_new(record: Sequence[Any], new_from: Mapping[CompiledFunnel, int]) -> bytes:
    """Return the bytes to be appended: of these funnels the entries from the given positions on."""
    parts: list[Any] = [CODEC_VERSION]
    for funnel, position in new_from.items():
        entries = record[funnel.slot]
        hits = (entries[-1][:4],) if len(entries) == position + 1 else [entry[:4] for entry in entries[position:]]
        parts.append((funnel.number, hits))
    return _chunk(parts)


def _chunk(parts: list[Any]) -> bytes:
    written = _encode(parts)
    return len(written).to_bytes(LENGTH_BYTES, "big") + written


def _written(funnel: CompiledFunnel, entries: list[Entry]) -> tuple[Any, ...]:
    base = entries[0]
    hits = (entries[1][:4],) if len(entries) == 2 else [entry[:4] for entry in entries[1:]]
    if base is EMPTY_BASE:
        return funnel.number, hits
    levels, attempt, periods = base[LEVELS], base[ATTEMPT], base[PERIODS]
    written_attempt: tuple[Any, ...] | None = None
    written_periods: tuple[Any, ...] = periods
    if attempt is not None:
        entry_ms, best, chain, entry, firsts, _ = attempt
        if len(periods) == 1 and periods[0][4] is chain:
            start_ms, end_ms, own, deepest, _ = periods[0]
            written_periods = ((start_ms, end_ms, own, deepest, 0),)
        written_chain = 0 if best <= len(levels) and levels[best - 1] is chain else chain
        written_attempt = (entry_ms, best, written_chain, entry)
        if firsts is not None:
            written_attempt = (*written_attempt, firsts)
    return funnel.number, hits, levels, written_attempt, written_periods


def _written_with_options(funnel: CompiledFunnel, entries: list[Entry]) -> tuple[Any, ...]:
    hits = [entry[:4] for entry in entries[1:]]
    if entries[0] is EMPTY_BASE:
        return funnel.number, hits
    return funnel.number, hits, (), None, (), fold_of(entries[0])


def _written_units(states: UnitStates) -> tuple[Any, ...]:
    # What happened for all units of a session is written once.
    shared = {hit[:4] for _, hit in states.shared}
    units = [
        (
            unit,
            [entry[:4] for entry in entries[1:] if entry[:4] not in shared],
            None if entries[0] is EMPTY_BASE else fold_of(entries[0]),
        )
        for unit, entries in states.entries.items()
    ]
    return units, states.shared


def decode_states(
    blob: bytes, funnels: Mapping[int, CompiledFunnel], left_out: set[int] | None = None
) -> dict[int, FunnelState | UnitStates]:
    """Return states by funnel number; a funnel no longer in `funnels` is left out, and its number put in `left_out`.

    Raises UnreadableState if the bytes are of another codec version, or no state at all.
    """
    units: dict[int, UnitStates] = {}
    bases: dict[int, Entry] = {}
    hits: dict[int, list[PlainHit]] = {}
    for state in _states(blob):
        funnel = funnels.get(state.number)
        if funnel is None:
            if left_out is not None:
                left_out.add(state.number)
            continue
        if funnel.units is not None:
            units[state.number] = _units(funnel, state.options)
        elif state.number in hits:
            hits[state.number] += state.hits
        else:
            bases[state.number] = _base(state)
            hits[state.number] = [*state.hits]
    folded = {number: FunnelState(_folded(funnels[number], base, hits[number])) for number, base in bases.items()}
    return {**folded, **units}


def _states(blob: bytes) -> Iterator[WrittenState]:
    """Yield the states of all chunks, in their order."""
    start = 0
    while start < len(blob) or not blob:
        end = start + LENGTH_BYTES + int.from_bytes(blob[start : start + LENGTH_BYTES], "big")
        chunk = blob[start + LENGTH_BYTES : end]
        try:
            version, *states = _decode(chunk)
        except (msgspec.MsgspecError, ValueError):
            raise UnreadableState(_version_of(chunk) or blob, CODEC_VERSION) from None
        if version != CODEC_VERSION:
            raise UnreadableState(version, CODEC_VERSION)
        for state in states:
            if isinstance(state, int):
                raise UnreadableState(blob, CODEC_VERSION)
            yield state
        start = end


def _version_of(chunk: bytes) -> object:
    """Return what stands in place of another version; None where the version is not what is wrong."""
    try:
        parts = msgspec.msgpack.decode(chunk)
    except msgspec.MsgspecError:
        return None
    version = parts[0] if isinstance(parts, list) and parts else None
    return None if version == CODEC_VERSION else version


def _units(funnel: CompiledFunnel, written: Any) -> UnitStates:
    units, shared = _tuples(written)
    entries = {}
    for unit, own, fold in units:
        known = {hit[:2] for hit in own}
        others = [hit[:4] for of, hit in shared if unit[: len(of)] == of and hit[:2] not in known]
        hits = sorted([*own, *others], key=itemgetter(0))
        entries[unit] = _folded(funnel, EMPTY_BASE if fold is None else base_of(fold), hits)
    return UnitStates(entries, list(shared))


def _tuples(value: Any) -> Any:
    return tuple([_tuples(each) for each in value]) if isinstance(value, list) else value


def _base(state: WrittenState) -> Entry:
    if state.options is not None:
        return base_of(_tuples(state.options))
    levels: Levels = state.levels
    attempt: Attempt | None = None
    periods: Any = state.periods
    written = state.attempt
    if written is not None:
        chain: Any = levels[written.best - 1] if written.chain == 0 else written.chain
        attempt = (written.entry_ms, written.best, chain, written.entry, written.firsts, None)
        if len(periods) == 1 and periods[0][4] == 0:
            periods = ((*periods[0][:4], chain),)
    return EMPTY_BASE if attempt is None and not levels and not periods else base_of((levels, attempt, periods))


def _folded(funnel: CompiledFunnel, base: Entry, hits: Sequence[PlainHit]) -> list[Entry]:
    """Return the entries that follow from `base` and hits in the order of writing."""
    times = [base[TIME], *[hit[TIME] for hit in hits]]
    if hits and funnel.options is None and all(map(lt, times, times[1:])):
        entries = [base]
        take_in_order(funnel, entries, hits)
        return entries
    entries = [base, *[(*hit, *base[4:7], ()) for hit in hits]]
    refold(funnel, entries, 1, changed=len(entries))
    return entries
