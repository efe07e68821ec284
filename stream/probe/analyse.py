"""What a sample says: pure, no clock but the `now_ms` it is given, nothing raised on data.

In:  a `Sample`, and what the config holds already.
Out: `Findings`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stream.engine.match import FunnelSet
from stream.ingest.decode import EventDecoder, Invalid
from stream.ingest.identify import key_names_actor
from stream.ingest.mapping import Mapping
from stream.model.event import Event, Record
from stream.model.funnel import Funnel, Step
from stream.probe.fields import FieldTable, shape_of
from stream.probe.findings import Field, Findings, FunnelMatches, Percentiles, Reading, StepMatches
from stream.probe.guess import CORE, Candidate, candidates
from stream.probe.lateness import Timed, behind_watermark, percentiles, suggested_ms
from stream.probe.paste import config_text
from stream.probe.sample import Sample
from stream.settings import durations
from stream.settings.texts import closest

MAX_NAMES = 200
FEW_EVENTS = 1_000
ORDERED_SHARE = 0.8  # of a file's events: if more of them look like the future, the file is not in order of arrival
KEY_SHARE = 0.9  # of records whose key stands in a field: that field is what the topic is keyed by
_PLAIN = (" characters", "path")  # shapes of names that may be shown; others could be a person


@dataclass(frozen=True, slots=True)
class Known:
    """What the config says already: funnels, the source's (preset, mapping), its skew, servers to paste."""

    funnels: tuple[Funnel, ...] = ()
    configured: tuple[str, Mapping] | None = None
    max_future_skew_ms: int = 300_000
    servers: str = ""


class _Read(NamedTuple):
    event: Event
    record: Record


def analyse(sample: Sample, known: Known, now_ms: int, *, show_values: bool = False) -> Findings:
    """Return what `sample` says; `now_ms` tells future events where there are no record times."""
    records = [record for run in sample.runs for record in run.records]
    table = FieldTable()
    for record in records:
        table.add(record)
    tried = candidates(table, records, known.configured)
    best = tried[0]
    funnels = FunnelSet(known.funnels)
    decode = EventDecoder(best.mapping, funnels.property_paths).decode
    invalid: Counter[str] = Counter()
    runs: list[list[_Read]] = []
    for run in sample.runs:
        runs.append([])
        for record in run.records:
            found = decode(record.value)
            if isinstance(found, Invalid):
                invalid[found.reason] += 1
            else:
                runs[-1].append(_Read(found, record))
    reads = [read for run in runs for read in run]
    behind = _behind(runs, known.max_future_skew_ms)
    lateness_ms = suggested_ms(behind[0]) if behind is not None else None
    names = Counter(read.event.name for read in reads)
    findings = Findings(
        origin=sample.origin,
        is_topic=sample.is_topic,
        partitions=sample.partitions,
        total_records=sample.total_records,
        records=len(records),
        readings=[_reading(each) for each in tried],
        mapped=len(reads),
        invalid=dict(invalid.most_common()),
        fields=_fields(table, best.mapping, show_values=show_values),
        names=_shown_names(names, show_values=show_values),
        funnels=_matches(funnels, reads, names, show_values=show_values),
        key_is_actor_share=_key_share(reads) if sample.is_topic else None,
        key_field=_key_field(table) if sample.is_topic else None,
        duplicate_share=_duplicate_share(reads),
        future_share=_future_share(reads, known.max_future_skew_ms, now_ms),
        delay=percentiles([r.record.record_ms - r.event.time_ms for r in reads if r.record.record_ms is not None]),
        behind=behind[0] if behind is not None else None,
        allowed_lateness=durations.to_text(lateness_ms) if lateness_ms is not None else None,
        late_share=_share(sum(each > lateness_ms for each in behind[1]), len(behind[1]))
        if behind is not None and lateness_ms is not None
        else None,
        notes=[],
    )
    findings.notes = _notes(sample, findings, tried, table)
    findings.config = config_text(findings, known.servers) if reads else ""
    return findings


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _reading(each: Candidate) -> Reading:
    fields = {field: list(paths) for field, paths in each.changes.items()}
    return Reading(each.preset, fields, each.mapping.unit.value, each.share, each.is_configured)


def _fields(table: FieldTable, mapping: Mapping, *, show_values: bool) -> list[Field]:
    roles = {path: role for role in CORE for path in getattr(mapping, role)}
    found = [
        Field(
            path,
            stats.records / table.readable,
            dict(stats.types.most_common()),
            [shape for shape, _ in stats.shapes.most_common(3) if shape],
            roles.get(path, ""),
            stats.example if show_values else "",
        )
        for path, stats in table.paths.items()
    ]
    return sorted(found, key=lambda field: (field.role == "", -field.share, field.path))


def _shown_name(name: str, *, show_values: bool) -> str:
    shape = shape_of(name)
    return name if show_values or shape.endswith(_PLAIN) else f"<{shape}>"


def _shown_names(names: Counter[str], *, show_values: bool) -> dict[str, int]:
    shown: Counter[str] = Counter()
    for name, count in names.items():
        shown[_shown_name(name, show_values=show_values)] += count
    return dict(sorted(shown.items(), key=lambda item: (-item[1], item[0]))[:MAX_NAMES])


def _matches(
    funnels: FunnelSet, reads: Sequence[_Read], names: Counter[str], *, show_values: bool
) -> list[FunnelMatches]:
    known = [name for name, _ in names.most_common(MAX_NAMES) if _shown_name(name, show_values=show_values) == name]
    counts: Counter[tuple[int, int]] = Counter()
    for read in reads:
        for funnel, steps in funnels.served(read.event.name, read.event.properties):
            counts.update((funnel.slot, step) for step in steps)

    def matches(slot: int, index: int, step: Step) -> StepMatches:
        absent = [event for event in step.events if not names[event]]
        guesses = [guess for event in absent if len(absent) == len(step.events) and (guess := closest(event, known))]
        return StepMatches(step.name, list(step.events), counts[slot, index], list(dict.fromkeys(guesses)))

    return [
        FunnelMatches(
            funnel.definition.key,
            [matches(funnel.slot, index, step) for index, step in enumerate(funnel.definition.steps)],
        )
        for funnel in funnels.funnels
    ]


def _key_share(reads: Sequence[_Read]) -> float | None:
    return _share(sum(key_names_actor(read.record.key, read.event.actor) for read in reads), len(reads))


def _key_field(table: FieldTable) -> str | None:
    matches = {path: stats.key_matches for path, stats in table.paths.items() if "*" not in path}
    path = max(matches, key=lambda each: (matches[each], each), default=None)
    return path if path is not None and matches[path] >= KEY_SHARE * table.readable else None


def _duplicate_share(reads: Sequence[_Read]) -> float | None:
    """Return the share of copies (same actor, id, time); None where no event has an id to tell copies by."""
    seen = Counter((event.actor, event.event_id, event.time_ms) for event, _ in reads if event.event_id is not None)
    return (seen.total() - len(seen)) / len(reads) if seen else None


def _future_share(reads: Sequence[_Read], skew_ms: int, now_ms: int) -> float | None:
    ahead = sum(
        event.time_ms > (now_ms if record.record_ms is None else record.record_ms) + skew_ms for event, record in reads
    )
    return _share(ahead, len(reads))


def _behind(runs: Sequence[Sequence[_Read]], skew_ms: int) -> tuple[Percentiles, list[int]] | None:
    """Return how far events are behind the watermark; None where the order of records says nothing."""
    timed = [[Timed(event.time_ms, record.record_ms) for event, record in run] for run in runs]
    values = [value for run in timed for value in behind_watermark(run, skew_ms)]
    found = percentiles(values)
    has_record_times = any(each.record_ms is not None for run in timed for each in run)
    if found is None or (not has_record_times and len(values) < ORDERED_SHARE * sum(map(len, timed))):
        return None
    return found, values


def _notes(sample: Sample, findings: Findings, tried: Sequence[Candidate], table: FieldTable) -> list[str]:
    """Say what a reader of the figures must know."""
    best = tried[0]
    notes = [sample.note] if sample.note else []
    if not findings.mapped:
        what = "no record maps to an event: name the fields under `fields` in the config"
        return [*notes, what if findings.records else f"{sample.origin} holds no records: nothing can be said about it"]
    own = next((each for each in tried if each.is_configured), best)
    if own is not best:
        units = f", its times as {own.mapping.unit}" if own.share and own.mapping.unit != best.mapping.unit else ""
        notes.append(
            f"the mapping in your config reads {own.share:.1%} of the records{units}; the one below fits better"
        )
    if findings.mapped < FEW_EVENTS:
        notes.append(f"{findings.mapped} events are few: take the shares and percentiles as rough")
    if table.is_cut:
        notes.append("there are more fields than are listed: ids used as keys?")
    if findings.duplicate_share is None:
        notes.append("no event has an id: copies of an event cannot be told from new events")
    if findings.key_is_actor_share not in {None, 1.0}:
        notes.append(_key_note(findings, best.mapping))
    if findings.behind is None:
        notes.append("the file is not in order of arrival: nothing can be said about lateness")
    unserved = [each.key for each in findings.funnels if not any(step.matches for step in each.steps)]
    return [*notes, *(f"no event matches any step of {key}" for key in unserved)]


def _key_note(findings: Findings, mapping: Mapping) -> str:
    text = "the record key is not always the actor: records will be repartitioned by actor first"
    if findings.key_field is None or findings.key_field in mapping.actor:
        return text
    return f"{text}; the key is {findings.key_field}, so with that as the actor it would not be needed"
