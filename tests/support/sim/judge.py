"""What the store must hold in the end, by two ways that share nothing with the worker's: analysis and oracle.

In:  the committed rows of every partition, and the settings.
Out: one line for each number that differs; none if all is well.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from stream.analyze.compare import broken_laws, compare
from stream.analyze.count import Analysis, LogCount
from stream.analyze.live import LiveView, read_live
from stream.ingest.admission import Limits
from stream.ingest.mapping import Mapping as FieldMapping
from stream.model.result import FunnelRollup, Rollup
from stream.model.verdict import DEAD_LETTER_VERDICTS, Verdict
from stream.store.memory import MemoryServer, MemoryStore
from stream.worker.runs import Runs, namespace_of
from support.oracle import OEvent, OFunnel, ORecord, attempts, counted_events
from support.sim.log import PartitionLog, Row
from support.sim.traffic import SHARDS, TOPIC, Case

EVER = 10**15


def oracle_totals(
    logs: Iterable[Sequence[Row]], limits: Limits, shape: str, window_ms: int, since_ms: int | None = None
) -> Counter[str]:
    """Return the outcomes of all attempts in these logs once all is over; `since_ms`: of those that entered later."""
    funnel = OFunnel(tuple(frozenset(names) for names in shape.split(">")), window_ms)
    found: Counter[str] = Counter()
    for rows in logs:
        log = [record for row in rows if (record := _read(row)) is not None]
        counted = counted_events(log, funnel, limits.allowed_lateness_ms, limits.max_future_skew_ms)
        for events in counted.values():
            for attempt in attempts(events, funnel, EVER):
                if since_ms is None or attempt.entry_ms >= since_ms:
                    found["converted" if attempt.outcome == "converted" else f"dropped at {attempt.best}"] += 1
    return found


def totals_of(rollup: FunnelRollup) -> Counter[str]:
    """Return the same of what was counted, at an instant at which all is over."""
    total = next((row.counts for row in rollup.total if not row.breakdown), None)
    if total is None:
        return Counter()
    return Counter(
        {f"dropped at {step}": n for step, n in enumerate(total.dropped, start=1)}, converted=total.converted
    )


class Judge:
    """What a finished log must come to; worked out once, however often it is counted."""

    def __init__(self, case: Case, logs: Mapping[int, PartitionLog]) -> None:
        self._case = case
        self._rows = {number: log.rows() for number, log in logs.items()}
        self._ends = {number: log.end for number, log in logs.items()}
        self._now = self._analysis(None)
        self._ever = self._analysis(EVER)
        # A partition without a watermark writes no rollup.
        self._has_silent = not all(any(_moves(row, case.limits) for row in rows) for rows in self._rows.values())
        rows = list(self._rows.values())
        self._totals = [oracle_totals(rows, case.limits, shape, window_ms) for shape, window_ms in case.shapes]

    def _analysis(self, as_of_ms: int | None) -> Analysis:
        case, settings = self._case, self._case.settings
        count = LogCount(case.funnels, FieldMapping(), case.limits, settings.rolling, ages=settings.age_matched)
        for number, rows in self._rows.items():
            values, times, offsets = [r.value for r in rows], [r.record_ms for r in rows], [r.offset for r in rows]
            count.take(number, values, times, offsets, f"{TOPIC}/{number}/", self._ends[number])
        return count.finish(as_of_ms)

    async def differences(
        self, server: MemoryServer, letters: set[tuple[int, int, str]] | None, namespace: str | None = None
    ) -> list[str]:
        """Return where the store, or what was sent to the dead-letter topic (None: not asked), is not as it must be."""
        store = MemoryStore(server, namespace or live_in(server), SHARDS)
        view = await read_live(store, self._case.funnels, self._case.settings)
        lines = [f"partition {number} has no head" for number in self._ends.keys() - view.partitions.keys()]
        for number, part in sorted(view.partitions.items()):
            lines += _position(number, part.head, self._ends[number], len(self._rows[number]))
        lines += self._verdicts(view) + ([] if letters is None else self._letters(letters))
        for analysis, as_of_ms in ((self._now, None), (self._ever, EVER)):
            live = view.roll_up(as_of_ms)
            if live is None or analysis.rollup is None:
                lines += [] if live is None and self._now.as_of_ms is None else ["nothing was counted"]
                continue
            lines += compare(live, analysis.rollup) + broken_laws(live)
            if as_of_ms == EVER:
                lines += self._against_oracle(live)
        return lines

    def page_differences(self, name: str, page: Rollup | None) -> list[str]:
        """Return where the sums that a worker shows on /metrics are not those of the whole log."""
        found = (0, [0] * len(Verdict)) if page is None else (page.next_offset, page.verdicts)
        wanted = (sum(self._ends.values()), list(self._now.verdicts))
        if self._has_silent or found == wanted:
            return []
        return [f"{name} shows next offset {found[0]}, verdicts {found[1]}; right is {wanted[0]}, {wanted[1]}"]

    def _verdicts(self, view: LiveView) -> list[str]:
        found = [sum(each.head.verdicts[verdict] for each in view.partitions.values()) for verdict in Verdict]
        return [
            f"{verdict.label}: live {found[verdict]}, analysis {self._now.verdicts[verdict]}"
            for verdict in Verdict
            if found[verdict] != self._now.verdicts[verdict]
        ]

    def _letters(self, letters: set[tuple[int, int, str]]) -> list[str]:
        sent = Counter(label for _, _, label in letters)
        return [
            f"dead letters for {verdict.label}: {sent[verdict.label]}, due are {self._now.verdicts[verdict]}"
            for verdict in sorted(DEAD_LETTER_VERDICTS)
            if sent[verdict.label] != self._now.verdicts[verdict]
        ]

    def _against_oracle(self, live: Rollup) -> list[str]:
        lines = []
        plain = sorted(live.funnels, key=lambda each: each.key)[: len(self._totals)]
        for rollup, wanted in zip(plain, self._totals, strict=True):
            found = totals_of(rollup)
            lines += [
                f"{rollup.key} {name}: live {found[name]}, oracle {wanted[name]}"
                for name in sorted(found.keys() | wanted.keys())
                if found[name] != wanted[name]
            ]
        return lines


def live_in(server: MemoryServer) -> str:
    """Return the namespace that is live."""
    held = server.namespaces.get("live/runs")
    runs = Runs() if held is None or held.document is None else msgspec.json.decode(held.document, type=Runs)
    return "live" if runs.live is None else namespace_of("live", runs.live.name)


def _position(number: int, head: object, end: int, rows: int) -> list[str]:
    lines = []
    if head.next_offset != end:
        lines.append(f"partition {number}: next offset {head.next_offset}, the log ends at {end}")
    if sum(head.verdicts) != rows:
        lines.append(f"partition {number}: {sum(head.verdicts)} verdicts for {rows} records")
    if head.gaps:
        lines.append(f"partition {number}: {head.gaps} records were skipped")
    return lines


def _moves(row: Row, limits: Limits) -> bool:
    record = _read(row)
    return record is not None and record.event.time <= row.record_ms + limits.max_future_skew_ms


def _read(row: Row) -> ORecord | None:
    try:
        fields = json.loads(row.value)
        event = OEvent(fields["time"], fields["id"], fields["event"])
        return ORecord(fields["user_id"], event, row.record_ms)
    except (ValueError, KeyError, TypeError):
        return None
