"""One actor's records out of a file or the snapshot of a topic, with what admission says of each.

In:  records by partition, in log order.
Out: those of the actor, and the watermark of all.

Admission is live's, over the records of all actors; only the actor's are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stream.ingest.admission import EVERY_KIND, NO_LIMIT_MS, Limits, admit_batch
from stream.ingest.decode import EventDecoder
from stream.ingest.identify import fallback_id
from stream.ingest.json_format import json_actor
from stream.ingest.mapping import Mapping
from stream.ingest.outcome import Invalid
from stream.model.verdict import Verdict


@dataclass(frozen=True, slots=True)
class LoggedRecord:
    """A record of the actor. place: its line, or offset. refused: admission's verdict, None if it let it through.

    time_ms, name are None, and event_id is "", where it means no event; `reason` then says why.
    """

    place: str
    time_ms: int | None
    name: str | None
    event_id: str
    properties: tuple[Any, ...] = ()
    limit_ms: int = NO_LIMIT_MS
    refused: Verdict | None = None
    reason: str = ""


@dataclass
class ActorPart:
    """What a partition holds of the actor, in log order."""

    watermark_ms: int | None = None
    next_offset: int = 0
    records: list[LoggedRecord] = field(default_factory=list)


class ActorLog:
    """Takes records in and keeps those of one actor."""

    def __init__(
        self, actor: str, property_paths: tuple[str, ...], mapping: Mapping, limits: Limits, bot_cap: int
    ) -> None:
        self.bot_cap = bot_cap
        self.parts: dict[int, ActorPart] = {}
        self._actor = actor
        self._limits = limits
        self._quick = EventDecoder(mapping)
        self._decoder = EventDecoder(mapping, property_paths)
        self._actor_of = json_actor(mapping)

    def take(  # noqa: PLR0913, PLR0917
        self,
        partition: int,
        values: Sequence[bytes | None],
        record_times: Sequence[int | None],
        offsets: Sequence[int | str],
        origin: str,
        next_offset: int | None = None,
    ) -> None:
        """Take in the next records of a partition, as `LogCount.take`."""
        part = self.parts.setdefault(partition, ActorPart())
        admitted = admit_batch(
            values,
            record_times,
            offsets,
            self._quick,
            EVERY_KIND,  # whether a funnel takes it is asked later, funnel by funnel
            self._limits,
            part.watermark_ms,
            origin,
        )
        refused = {index: (verdict, reason) for index, verdict, reason in admitted.rejects}
        events = iter(admitted.events)
        for index, value in enumerate(values):
            if index in refused:
                record = self._refused(value, origin, offsets[index], *refused[index])
                if record is not None:
                    part.records.append(record)
                continue
            actor, _, _, _, _, limit_ms = next(events)
            if actor == self._actor:
                part.records.append(self._record(value, origin, offsets[index], limit_ms))
        part.watermark_ms = admitted.watermark_ms
        part.next_offset = part.next_offset + len(values) if next_offset is None else next_offset

    def _refused(
        self, value: bytes | None, origin: str, offset: int | str, verdict: Verdict, reason: str
    ) -> LoggedRecord | None:
        if verdict is Verdict.INVALID:
            is_own = self._actor_of(value) == self._actor
            return LoggedRecord(str(offset), None, None, "", refused=verdict, reason=reason) if is_own else None
        found = self._quick.core(value)
        if isinstance(found, Invalid) or found[0] != self._actor:
            return None
        return self._record(value, origin, offset, NO_LIMIT_MS, verdict, reason)

    def _record(  # noqa: PLR0913, PLR0917
        self,
        value: bytes | None,
        origin: str,
        offset: int | str,
        limit_ms: int,
        refused: Verdict | None = None,
        reason: str = "",
    ) -> LoggedRecord:
        event = self._decoder.decode(value)
        if isinstance(event, Invalid):  # it was read a moment ago
            raise TypeError(f"record {offset}: {event.reason}")
        event_id = fallback_id(origin, offset) if event.event_id is None else event.event_id
        return LoggedRecord(
            str(offset), event.time_ms, event.name, event_id, event.properties, limit_ms, refused, reason
        )

    @property
    def latest_ms(self) -> int | None:
        """The largest watermark of all partitions."""
        return max((part.watermark_ms for part in self.parts.values() if part.watermark_ms is not None), default=None)

    @property
    def next_offsets(self) -> dict[int, int]:
        """Where each partition goes on."""
        return {number: part.next_offset for number, part in sorted(self.parts.items())}
