"""Which mapping reads most of a sample: the presets, and each preset with paths from the fields that were found.

In:  the fields, the records, the mapping in the config if there is one.
Out: candidates, best first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from stream.ingest.decode import EventDecoder, Invalid
from stream.ingest.mapping import PRESETS, Mapping
from stream.model.event import Record
from stream.model.times import TimeUnit
from stream.probe.fields import FieldStats, FieldTable

CORE = ("actor", "time", "name", "id")
ENOUGH = 0.98  # of what the best field has: a preset's own path is kept
MARGIN = 0.005  # candidates whose shares differ by less read the sample equally well

# Last key, or last two, without case and separators; the first is the best. What does not change at login is
# the better actor; when it arrived is not when it happened.
_KEYS = {
    "actor": (
        "anonymousid", "distinctid", "domainuserid", "visitorid", "deviceid", "clientid", "userpseudoid", "userid",
        "uid", "customerid", "accountid", "memberid", "profileid", "actorid", "actor", "user", "subject", "sessionid",
    ),
    "time": (
        "eventtime", "eventtimestamp", "occurredat", "derivedtstamp", "time", "timestamp", "originaltimestamp", "ts",
        "clienttime", "createdat", "datetime", "date",
    ),
    "name": ("eventname", "event", "eventtype", "action", "activity", "name", "type"),
    "id": ("eventid", "messageid", "id", "uuid", "insertid", "guid"),
}  # fmt: skip
_LIKE = {
    "actor": re.compile("(?:user|visitor|customer|device|client|session|account).*(?:id|key)$"),
    "time": re.compile("time|date|tstamp|at$|ts$"),
    "name": re.compile("event|action"),
    "id": re.compile("(?:event|message|request).*(?:id|key)$"),
}
_ENVELOPES = frozenset(
    {"event", "message", "data", "payload", "body", "record", "meta", "metadata", "header", "headers"}
)
_ARRIVAL = re.compile("receiv|sent|server|ingest|record|collect|load|etl|process|publish|updated")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mapping and the share of the sample's records that it reads as events."""

    preset: str
    mapping: Mapping
    share: float
    id_share: float
    is_configured: bool = False

    @property
    def changes(self) -> dict[str, tuple[str, ...]]:
        """Paths that are not the preset's."""
        base = PRESETS[self.preset]
        return {
            field: getattr(self.mapping, field)
            for field in (*CORE, "properties")
            if getattr(self.mapping, field) != getattr(base, field)
        }


def candidates(
    table: FieldTable, records: Sequence[Record], configured: tuple[str, Mapping] | None = None
) -> list[Candidate]:
    """Return every preset, as it is and fitted to the fields, and the mapping in the config; best first."""
    best = {role: _best(table, role) for role in CORE}
    mappings: dict[tuple[str, Mapping], bool] = {}
    if configured is not None:
        mappings[configured] = True
    for preset, mapping in PRESETS.items():
        timed = _with_unit(table, mapping)
        mappings.setdefault((preset, timed), False)
        mappings.setdefault((preset, _with_unit(table, _fitted(table, timed, best))), False)
    found = [_scored(preset, mapping, records, is_configured=wanted) for (preset, mapping), wanted in mappings.items()]
    top = max(each.share for each in found)
    keeps_own = configured is not None and _with_unit(table, configured[1]) == configured[1]

    def rank(each: Candidate) -> tuple[Any, ...]:
        if each.share < top - MARGIN:
            return True, -each.share, len(each.changes)
        own = 0 if not each.is_configured else -1 if keeps_own else 1
        return False, own, -round(2 * each.id_share), len(each.changes), -each.share

    top_one, *others = sorted(found, key=rank)
    # The other presets fitted to the same fields say nothing new.
    return [top_one, *(each for each in others if each.is_configured or not each.changes)]


def _scored(preset: str, mapping: Mapping, records: Sequence[Record], *, is_configured: bool) -> Candidate:
    core = EventDecoder(mapping).core
    found = [core(record.value) for record in records]
    events = [each for each in found if not isinstance(each, Invalid)]
    with_id = sum(event[3] is not None for event in events)
    total = len(records) or 1
    return Candidate(preset, mapping, len(events) / total, with_id / total, is_configured)


def _with_unit(table: FieldTable, mapping: Mapping) -> Mapping:
    """Set the unit of bare numbers at the time path; text in ISO 8601 is read under every unit."""
    votes = [stats.units for path in mapping.time if (stats := table.paths.get(path)) is not None]
    numeric = {unit: count for each in votes[:1] for unit, count in each.items() if unit != TimeUnit.ISO}
    return replace(mapping, unit=max(numeric, key=lambda unit: numeric[unit])) if numeric else mapping


def _fitted(table: FieldTable, mapping: Mapping, best: dict[str, str | None]) -> Mapping:
    """Replace the paths that hold less than the best field does."""
    changes: dict[str, tuple[str, ...]] = {}
    for role, path in best.items():
        own = getattr(mapping, role)
        own_share = min(1.0, sum(_coverage(table, role, each) for each in own))
        if path is not None and path not in own and own_share < ENOUGH * _coverage(table, role, path):
            changes[role] = (path,)
    return replace(mapping, **changes)  # type: ignore[arg-type]


def _coverage(table: FieldTable, role: str, path: str) -> float:
    """Return the share of records whose value at the path can play the role."""
    stats = table.paths.get(path)
    if stats is None:
        return 0.0
    if role == "time":
        return stats.units.total() / table.readable
    return (stats.types["text"] + (stats.types["integer"] if role != "name" else 0)) / table.readable


def _best(table: FieldTable, role: str) -> str | None:
    """Return the path that most likely plays the role, None if none could."""
    ranked = []
    for path, stats in table.paths.items():
        rank = _rank(role, path, stats)
        coverage = _coverage(table, role, path)
        if rank is not None and coverage > 0:
            ranked.append((-round(coverage * 20), rank, path.count("."), path))
    return min(ranked)[-1] if ranked else None


def _rank(role: str, path: str, stats: FieldStats) -> int | None:
    """Return how well key and values fit the role, the least the best; None if they do not."""
    if "*" in path or not _values_fit(role, stats):
        return None
    if role == "actor" and stats.key_matches > 0.9 * stats.records:
        return -1
    *parents, key = [re.sub(r"[^a-z0-9]", "", each.lower()) for each in path.split(".")]
    known, names = _KEYS[role], {"".join([*parents[-1:], key])}
    # `user.id` and `product.name` are of the user and of the product, not of the event.
    if not parents or role in {"actor", "time"} or parents[-1] in _ENVELOPES:
        names.add(key)
    ranks = [known.index(name) for name in names if name in known]
    if ranks:
        return min(ranks)
    if role == "time":
        return len(known) + (1 if _ARRIVAL.search(key) else 0 if _LIKE[role].search(key) else 2)
    return len(known) if _LIKE[role].search(key) else None


def _values_fit(role: str, stats: FieldStats) -> bool:
    if role == "id":
        return stats.distinct_share >= 0.5
    return role != "name" or len(stats.distinct) <= 20 or stats.distinct_share < 0.5
