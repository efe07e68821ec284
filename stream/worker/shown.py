"""Which breakdown values all workers show by name; the rest is `__other__`.

In:  the merged rollup (with each breakdown's largest values), the export settings, the day.
Out: the choice, as the worker that owns partition 0 writes it into the active set's document.

A choice holds for a UTC day (on the first day: for an hour), so that the shown series
are stable; while fewer than the limit are shown, new values join at once.
"""

from collections.abc import Mapping, Sequence

from stream.aggregate.rollup import Shown
from stream.aggregate.segments import choose_shown
from stream.model.funnel import Funnel
from stream.model.result import Rollup
from stream.settings.tracker import ExportSettings

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

# name@version -> breakdown -> values shown
Choice = dict[str, dict[str, list[str]]]


def choose(old: Choice, merged: Rollup, funnels: Sequence[Funnel], export: ExportSettings, *, anew: bool) -> Choice:
    """Return the values to show. `anew`: choose from scratch instead of only filling up to the limit."""
    largest = {funnel.key: funnel.largest for funnel in merged.funnels}
    choice: Choice = {}
    for funnel in funnels:
        for breakdown in funnel.breakdowns:
            entered = largest.get(funnel.key, {}).get(breakdown.name, {})
            kept = frozenset(export.allow.get(breakdown.name, ()))
            if not anew:
                kept |= frozenset(old.get(funnel.key, {}).get(breakdown.name, ()))
            values = choose_shown(entered, max(export.top_segments, len(kept)), kept)
            choice.setdefault(funnel.key, {})[breakdown.name] = sorted(values)
    return choice


def is_over(chosen_ms: int, first_ms: int, now_ms: int) -> bool:
    """Whether a choice made at `chosen_ms` has served its hour (first day) or its UTC day."""
    period = HOUR_MS if chosen_ms < first_ms - first_ms % DAY_MS + DAY_MS else DAY_MS
    return now_ms // period > chosen_ms // period


def as_numbers(choice: Mapping[str, Mapping[str, Sequence[str]]], funnels: Sequence[Funnel]) -> dict[str, Shown]:
    """Return the choice by name@version and breakdown number, as `aggregate.rollup` takes it."""
    return {
        funnel.key: {
            number: frozenset(choice.get(funnel.key, {}).get(breakdown.name, ()))
            for number, breakdown in enumerate(funnel.breakdowns, start=1)
        }
        for funnel in funnels
    }
