"""Which breakdown values all workers show by name; the rest is `__other__`.

In:  the merged rollup (with each breakdown's largest values by UTC day), the export settings.
Out: the choice, as the worker that owns partition 0 writes it into the active set's document.

A choice is made by the entries of the UTC day before, in event time, and holds for a day, so that the shown series
are stable. On a breakdown's first day there is none before: it then holds for an hour, and goes by the entries so
far. While fewer than the limit are shown, new values join at once. Hours and days are those of the rollup's instant.
"""

from collections.abc import Mapping, Sequence

from stream.aggregate.rollup import Shown
from stream.aggregate.segments import choose_shown
from stream.model.funnel import Breakdown, Funnel
from stream.model.result import Rollup
from stream.settings.tracker import ExportSettings

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

# name@version -> breakdown -> values shown
Choice = dict[str, dict[str, list[str]]]


def choose(
    old: Choice, chosen_ms: int | None, merged: Rollup, funnels: Sequence[Funnel], export: ExportSettings
) -> Choice:
    """Return the values to show, where the `old` ones were chosen at `chosen_ms`; None: nothing was."""
    largest = {funnel.key: funnel.largest for funnel in merged.funnels}
    choice: Choice = {}
    for funnel in funnels:
        for breakdown in funnel.breakdowns:
            days = largest.get(funnel.key, {}).get(breakdown.name, {})
            known = old.get(funnel.key, {}).get(breakdown.name, ())
            values = _chosen(known, chosen_ms, merged.as_of_ms or 0, days, breakdown, export)
            choice.setdefault(funnel.key, {})[breakdown.name] = sorted(values)
    return choice


def _chosen(  # noqa: PLR0913, PLR0917
    old: Sequence[str],
    chosen_ms: int | None,
    as_of_ms: int,
    days: Mapping[int, Mapping[str, int]],
    breakdown: Breakdown,
    export: ExportSettings,
) -> frozenset[str]:
    today_ms = as_of_ms - as_of_ms % DAY_MS
    before, today = days.get(today_ms - DAY_MS, {}), days.get(today_ms, {})
    kept = export.always(breakdown)
    if chosen_ms is not None and not is_over(chosen_ms, as_of_ms, DAY_MS if before else HOUR_MS):
        kept |= frozenset(old)
    return choose_shown((before, today), export.limit(breakdown), kept)


def is_over(chosen_ms: int, as_of_ms: int, period_ms: int) -> bool:
    """Tell whether the period (UTC) in which a choice was made at `chosen_ms` is over."""
    return as_of_ms // period_ms > chosen_ms // period_ms


def as_numbers(choice: Mapping[str, Mapping[str, Sequence[str]]], funnels: Sequence[Funnel]) -> dict[str, Shown]:
    """Return the choice by name@version and breakdown number, as `aggregate.rollup` takes it."""
    return {
        funnel.key: {
            number: frozenset(choice.get(funnel.key, {}).get(breakdown.name, ()))
            for number, breakdown in enumerate(funnel.breakdowns, start=1)
        }
        for funnel in funnels
    }
