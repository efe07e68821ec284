"""Decide whether a record still counts, from the log prefix alone.

In:  the records of one partition in offset order, and the watermark before them.
Out: a verdict for each record that has one already, the events still to be decided by the engine
     (duplicate, bot or accepted), and the watermark after them.

No clock is read here, so replaying the same offsets gives the same verdicts, wherever batches are cut.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from stream.ingest.decode import EventDecoder, Invalid
from stream.ingest.identify import fallback_id, key_names_actor
from stream.model.event import AdmittedEvent, Kind, KindOf
from stream.model.verdict import Verdict

NO_LIMIT_MS = -(1 << 62)  # the limit before the first valid record: below every time

FUTURE_REASON = "ahead of record time"
LATE_REASON = "behind allowed lateness"


@dataclass(frozen=True, slots=True)
class Limits:
    """How far an event may be behind the watermark, and ahead of its record time; both inclusive, in ms."""

    allowed_lateness_ms: int = 600_000
    max_future_skew_ms: int = 300_000


class _EveryKind(Container[Kind]):
    def __contains__(self, _: object) -> bool:
        return True


EVERY_KIND: Container[Kind] = _EveryKind()
"""Served where any event is asked for, whether a funnel knows it or not."""

# A bare file has no log order to be late in: nothing is, and no actor is a bot.
UNLIMITED = Limits(allowed_lateness_ms=1 << 62, max_future_skew_ms=1 << 62)


class Admitted(NamedTuple):
    """What one batch of records comes to.

    `events`: (actor, time ms, id, kind, properties, limit ms) in log order, duplicate, bot or accepted not yet
    decided; the limit is watermark - allowed lateness before that record, `NO_LIMIT_MS` before the first.
    `counts`: records by `Verdict`; together with the length of `events` they add up to the batch.
    `rejects`: (index in the batch, verdict, reason) of what goes to the dead-letter topic.
    `watermark_ms`: after the batch; None until a valid record was seen.
    `misplaced`: index of the first event whose record key is not its actor; None if none, or keys not given.
    """

    events: list[AdmittedEvent]
    counts: list[int]
    rejects: list[tuple[int, Verdict, str]]
    watermark_ms: int | None
    misplaced: int | None


def admit_batch(  # noqa: C901, PLR0912, PLR0913, PLR0917 (one loop over parallel columns, for speed)
    values: Sequence[bytes | None],
    record_times: Sequence[int | None],
    offsets: Sequence[int | str],
    decoder: EventDecoder,
    served: Container[Kind],
    limits: Limits,
    watermark_ms: int | None,
    origin: str,
    keys: Sequence[bytes | None] | None = None,
    kinds: Mapping[str, KindOf] | None = None,
) -> Admitted:
    """Admit the records of one partition, given as parallel columns in offset order.

    `record_times` are the broker's stamps in ms; None or negative (Kafka's -1) is none. An event's kind is its name if
    that is in `served`; where the name is in `kinds`, what that says of its properties (`engine.match.Serving`). One
    that has none is unmatched, but moves the watermark. An event without id gets `origin` + its offset
    (`shop/3/` + 17); where each record has coordinates of its own, pass these as `offsets` and an empty origin. With
    `keys`, events whose key is not their actor are looked for.

    The clear form is `tests/support/clear_admission.py`, which a property holds equal to this one; decoding
    included a record of 200 bytes costs 1.4 us with three properties, 1.0 us unmatched
    (`tests/bench/bench_ingest.py`).
    """
    core, properties = decoder.core, decoder.properties
    lateness_ms, skew_ms = limits.allowed_lateness_ms, limits.max_future_skew_ms
    mark = NO_LIMIT_MS if watermark_ms is None else watermark_ms
    limit = NO_LIMIT_MS if watermark_ms is None else watermark_ms - lateness_ms
    events: list[AdmittedEvent] = []
    rejects: list[tuple[int, Verdict, str]] = []
    unmatched = 0
    misplaced: int | None = None
    for index, value, record_ms in zip(range(len(values)), values, record_times, strict=True):
        found = core(value)
        if type(found) is Invalid:
            rejects.append((index, Verdict.INVALID, found.reason))
            continue
        actor, time_ms, name, event_id, parsed = found
        seen_ms = time_ms
        if record_ms is not None and time_ms > record_ms >= 0:
            if time_ms > record_ms + skew_ms:
                rejects.append((index, Verdict.FUTURE, FUTURE_REASON))
                continue
            # A clock that is fast within the skew must not make everyone else late.
            seen_ms = record_ms
        held: tuple[Any, ...] | None = None
        kind: Kind | None = name
        if kinds and name in kinds:
            held = properties(parsed)
            kind = kinds[name](held)
        elif name not in served:
            kind = None
        if kind is None:
            unmatched += 1
        elif time_ms < limit:
            rejects.append((index, Verdict.LATE, LATE_REASON))
        else:
            if event_id is None:
                event_id = fallback_id(origin, offsets[index])
            events.append((actor, time_ms, event_id, kind, properties(parsed) if held is None else held, limit))
            # A key that is the actor's text is the rule, so that this is asked before the call that asks it again.
            if (
                keys is not None
                and keys[index] != actor.encode()
                and misplaced is None
                and not key_names_actor(keys[index], actor)
            ):
                misplaced = index
        if seen_ms > mark:
            mark = seen_ms
            limit = mark - lateness_ms
    counts = [0] * len(Verdict)
    counts[Verdict.UNMATCHED] = unmatched
    for _, verdict, _ in rejects:
        counts[verdict] += 1
    return Admitted(events, counts, rejects, None if mark == NO_LIMIT_MS else mark, misplaced)
