"""The clear form of decoding and admission, one record at a time: the oracle of the batch form.

In:  records of one partition in offset order.
Out: a verdict for each, None where the engine has still to decide, and the watermark after it.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass

from stream.ingest.admission import Limits
from stream.ingest.decode import EventDecoder, Invalid
from stream.model.event import Event, Record
from stream.model.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Watermark:
    """Largest min(event time, record time) so far; `None` until the first (0 is a valid time)."""

    time_ms: int | None = None

    def limit_ms(self, limits: Limits) -> int | None:
        """Return the earliest time that is not late."""
        return None if self.time_ms is None else self.time_ms - limits.allowed_lateness_ms

    def admit(self, event: Event, record_ms: int | None, limits: Limits) -> "tuple[Verdict | None, Watermark]":
        """Judge `event`; whatever is not from the future moves the watermark."""
        if record_ms is not None and event.time_ms > record_ms + limits.max_future_skew_ms:
            return Verdict.FUTURE, self
        # A clock that is fast within the skew must not make everyone else late.
        seen_ms = event.time_ms if record_ms is None else min(event.time_ms, record_ms)
        limit_ms = self.limit_ms(limits)
        if self.time_ms is None or limit_ms is None:
            return None, Watermark(seen_ms)
        late = event.time_ms < limit_ms
        return Verdict.LATE if late else None, Watermark(max(self.time_ms, seen_ms))


@dataclass(frozen=True, slots=True)
class Judged:
    """One record: its event (None if invalid), the verdict so far, and the limit that it was judged by."""

    event: Event | None
    verdict: Verdict | None
    limit_ms: int | None


def judge(
    records: Iterable[Record], decoder: EventDecoder, served: Container[str], limits: Limits, mark: Watermark
) -> tuple[list[Judged], Watermark]:
    """Judge `records` one after the other, by the rules of SPEC section 2 as they are written there."""
    judged = []
    for record in records:
        event = decoder.decode(record.value)
        limit_ms = mark.limit_ms(limits)
        if isinstance(event, Invalid):
            judged.append(Judged(None, Verdict.INVALID, limit_ms))
            continue
        verdict, mark = mark.admit(event, record.record_ms, limits)
        if verdict is not Verdict.FUTURE and event.name not in served:
            verdict = Verdict.UNMATCHED
        judged.append(Judged(event, verdict, limit_ms))
    return judged, mark
