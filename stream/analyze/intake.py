"""The records of a log, admitted as live does, partition by partition.

In:  records by partition, in log order.
Out: each partition's events in log order, its watermark, and how many records had which verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stream.aggregate.totals import PartitionTotals
from stream.engine.advance import NO_CAP
from stream.engine.match import FunnelSet
from stream.ingest.admission import NO_LIMIT_MS, Limits, admit_batch
from stream.ingest.decode import EventDecoder
from stream.ingest.mapping import Mapping
from stream.model.event import AdmittedEvent
from stream.model.funnel import Funnel
from stream.model.verdict import Verdict
from stream.model.window import Age, RollingWindow

MAX_SHARED = 1_000_000
"""Texts that are kept once however often they occur; a file with more different ones repeats itself little."""


@dataclass
class Log:
    """One partition: its events so far, in log order, and where its watermark stands."""

    totals: PartitionTotals | None
    events: list[AdmittedEvent] = field(default_factory=list)
    watermark_ms: int | None = None
    next_offset: int = 0
    verdicts: list[int] = field(default_factory=lambda: [0] * len(Verdict))


class Intake:
    """Takes records in.

    windows: rolling windows that are counted; None for no counts by slots. bot_cap: as live's, applied in log order; a
    file has none. ages: of age-matched conversion.
    """

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        funnels: Sequence[Funnel],
        mapping: Mapping,
        limits: Limits,
        windows: Sequence[RollingWindow] | None,
        bot_cap: int = NO_CAP,
        ages: Sequence[Age] = (),
    ) -> None:
        self._definitions = tuple(funnels)
        self._funnels = FunnelSet(self._definitions)
        self._decoder = EventDecoder(mapping, self._funnels.property_paths)
        self._limits = limits
        self._windows = windows
        self._bot_cap = bot_cap
        self._ages = ages
        self._logs: dict[int, Log] = {}
        self._shared: dict[Any, Any] = {}

    def take(  # noqa: PLR0913, PLR0917
        self,
        partition: int,
        values: Sequence[bytes | None],
        record_times: Sequence[int | None],
        offsets: Sequence[int | str],
        origin: str,
        next_offset: int | None = None,
    ) -> None:
        """Take in the next records of a partition; the columns are as in `ingest.admission.admit_batch`.

        next_offset: where the log goes on; if absent, as many further on as there are records.
        """
        log = self._logs.get(partition)
        if log is None:
            log = self._logs[partition] = Log(self._new_totals())
        admitted = admit_batch(
            values,
            record_times,
            offsets,
            self._decoder,
            self._funnels.serving,
            self._limits,
            log.watermark_ms,
            origin,
            kinds=self._funnels.kinds,
        )
        if log.totals is not None:
            log.totals.note(admitted.events, self._funnels.serving)
        log.events += self._compact(admitted.events)
        log.watermark_ms = admitted.watermark_ms
        log.next_offset = log.next_offset + len(values) if next_offset is None else next_offset
        log.verdicts = [a + b for a, b in zip(log.verdicts, admitted.counts, strict=True)]

    def _new_totals(self) -> PartitionTotals | None:
        if self._windows is None:
            return None
        return PartitionTotals(self._funnels.funnels, self._windows, self._ages)

    def _compact(self, events: Sequence[AdmittedEvent]) -> list[AdmittedEvent]:
        """Return events that share equal texts: actors and names repeat, and all events are held at once."""
        if len(self._shared) > MAX_SHARED:
            self._shared.clear()
        share = self._shared.setdefault
        keeps_limit = self._bot_cap < NO_CAP
        return [
            (
                share(actor, actor),
                time_ms,
                event_id,
                share(name, name),
                tuple([share(value, value) if type(value) is str else value for value in properties])
                if properties
                else (),
                limit_ms if keeps_limit else NO_LIMIT_MS,
            )
            for actor, time_ms, event_id, name, properties, limit_ms in events
        ]

    @property
    def latest_ms(self) -> int | None:
        """The largest watermark so far."""
        return max((log.watermark_ms for log in self._logs.values() if log.watermark_ms is not None), default=None)
