"""Are two summaries of the same log the same, and does one obey the laws? In words.

In:  rollups: live's (all segments shown) and that of an analysis, at the same `as_of`.
Out: one line for each difference or broken law; none if all is well.

A row that is missing on one side counts as zeros: live keeps the rows of what was taken back.
What is compared is what SPEC section 5 promises: windows, age-matched conversion, occupancy, periods,
total and settled with outcomes, times and values. Verdicts, corrections and who wrote when are not.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from stream.aggregate.cells import empty_counts
from stream.aggregate.outcomes import Outcomes, outcomes_of
from stream.model.result import BUCKETS, TOTAL_STEP, AgeRow, Counts, FunnelRollup, Rollup

# what kind of row, and what tells it from others of its kind
RowKey = tuple[str, ...]
Row = Counts | AgeRow | list[int]


def compare(live: Rollup, analyzed: Rollup) -> list[str]:
    """Return every difference, in words; empty if both say the same."""
    if live.as_of_ms != analyzed.as_of_ms:
        return [f"as_of: live {live.as_of_ms}, analysis {analyzed.as_of_ms}: only equal instants can be compared"]
    ours = {funnel.key: funnel for funnel in live.funnels}
    theirs = {funnel.key: funnel for funnel in analyzed.funnels}
    lines = [f"{key}: only live counts it" for key in sorted(ours.keys() - theirs.keys())]
    lines += [f"{key}: only the analysis counts it" for key in sorted(theirs.keys() - ours.keys())]
    for key in sorted(ours.keys() & theirs.keys()):
        lines += [f"{key} {line}" for line in _funnel_differences(ours[key], theirs[key])]
    return lines


def _funnel_differences(live: FunnelRollup, analyzed: FunnelRollup) -> Iterator[str]:
    if live.steps != analyzed.steps:
        yield f"steps: live {live.steps}, analysis {analyzed.steps}"
        return
    ours, theirs = rows_of(live), rows_of(analyzed)
    for key in sorted(ours.keys() | theirs.keys()):
        left, right = fields_of(ours.get(key), live.steps), fields_of(theirs.get(key), live.steps)
        for name in sorted(left.keys() | right.keys()):
            one, other = left.get(name, 0), right.get(name, 0)
            if one != other:
                yield f"{' '.join(part for part in key if part)}: {name}: live {one}, analysis {other}"


def rows_of(funnel: FunnelRollup) -> dict[RowKey, Row]:
    """Return the rows of a funnel by what they are, e.g. ("window", "1h", "matured", "device=phone")."""
    rows: dict[RowKey, Row] = {}
    for window in funnel.windows:
        form = "matured" if window.matured else ""
        rows["window", window.window, form, _segment(window.breakdown, window.segment)] = window.counts
    for age in funnel.ages:
        rows["window", age.window, f"age {age.age}", _segment(age.breakdown, age.segment)] = age
    for standing in funnel.occupancy:
        rows["occupancy", _segment(standing.breakdown, standing.segment)] = standing.standing
    for period in funnel.periods:
        rows["period", str(period.start_ms), _segment(period.breakdown, period.segment)] = period.counts
    for kind, splits in (("total", funnel.total), ("settled", funnel.settled)):
        for split in splits:
            rows[kind, _segment(split.breakdown, split.segment)] = split.counts
    return rows


def _segment(breakdown: str, segment: str) -> str:
    return f"{breakdown}={segment}" if breakdown else ""


DISTINCT = "distinct actors"


def fields_of(row: Row | None, steps: int) -> Mapping[str, object]:
    """Return every number of a row by name; zeros are left out."""
    if row is None:
        return {}
    if isinstance(row, list):
        return {f"standing at step {step}": count for step, count in enumerate(row, start=1) if count}
    if isinstance(row, AgeRow):
        columns = (("reached step", row.reached), ("went on from step", row.went_on))
        return {f"{name} {step}": n for name, column in columns for step, n in enumerate(column, start=1) if n}
    fields: dict[str, object] = {"converted": row.converted}
    for name, counts in (("pending", row.pending), ("dropped", row.dropped), ("excluded", row.excluded)):
        fields |= {f"{name} at step {step}": count for step, count in enumerate(counts[: steps - 1], start=1)}
    fields[DISTINCT] = row.actors
    fields |= {f"without step {step}": count for step, count in enumerate(row.skipped, start=1)}
    fields |= {f"durations[{code}]": count for code, count in row.durations.items()}
    fields |= {f"duration_ms of step {step}": total for step, total in row.duration_ms.items()}
    for step, by_currency in row.values.items():
        for currency, money in by_currency.items():
            fields |= {
                f"value of step {step} in {currency or 'no currency'}": money.total,
                f"values of step {step} in {currency or 'no currency'}": money.count,
            }
    return {name: value for name, value in fields.items() if value}


def broken_laws(rollup: Rollup) -> list[str]:
    """Return the conservation laws that a rollup breaks (SPEC section 5), in words; empty if all hold."""
    lines = []
    for funnel in rollup.funnels:
        rows = rows_of(funnel)
        for key, row in rows.items():
            place = f"{funnel.key} {' '.join(part for part in key if part)}"
            lines += [f"{place}: {law}" for law in _laws(row, funnel)]
        lines += [f"{funnel.key} {law}" for law in _sum_laws(funnel)]
    return lines


def _laws(row: Row, funnel: FunnelRollup) -> Iterator[str]:
    if isinstance(row, list):
        return _occupancy_laws(row)
    return _age_laws(row) if isinstance(row, AgeRow) else _outcome_laws(row, funnel)


def _occupancy_laws(standing: Sequence[int]) -> Iterator[str]:
    for step, count in enumerate(standing, start=1):
        if count < 0:
            yield f"{count} actors stand at step {step}"


def _age_laws(row: AgeRow) -> Iterator[str]:
    for step, (reached, went_on) in enumerate(zip(row.reached, row.went_on, strict=True), start=1):
        if not 0 <= went_on <= reached:
            yield f"{went_on} of {reached} that reached step {step} went on"


def _outcome_laws(counts: Counts, funnel: FunnelRollup) -> Iterator[str]:
    steps = funnel.steps
    parts = {"pending": counts.pending, "dropped": counts.dropped, "excluded": counts.excluded}
    for name, column in parts.items():
        if len(column) != steps - 1:
            yield f"{name} has {len(column)} steps instead of {steps - 1}"
            return
        for step, count in enumerate(column, start=1):
            if count < 0:
                yield f"{name} at step {step} is {count}"
    outcomes = outcomes_of(counts, funnel.optional)
    reached, entered = outcomes.reached, sum(outcomes.entered_at)
    ended = counts.converted + sum(counts.dropped) + sum(counts.excluded) + sum(counts.pending)
    if not 0 <= counts.actors <= entered:
        yield f"{entered} units are of {counts.actors} actors"
    if entered != ended:
        yield f"entered {entered} is not converted + dropped + excluded + pending, {ended}"
    if reached[-1] != counts.converted or counts.converted < 0:
        yield f"reached the last step {reached[-1]}, converted {counts.converted}"
    required = [step for step in range(1, steps + 1) if step not in funnel.optional]
    for step, following in pairwise(required):
        yield from _step_laws(outcomes, step, following, is_open=funnel.is_open)
    yield from _time_laws(counts, outcomes)


def _step_laws(outcomes: Outcomes, step: int, following: int, *, is_open: bool) -> Iterator[str]:
    """Check a required step against the next one and the optional steps between them."""
    here, further, came = (
        outcomes.reached[step - 1],
        outcomes.reached[following - 1],
        outcomes.entered_at[following - 1],
    )
    went_on = outcomes.went_on[step - 1]
    if went_on < 0 or here < went_on:
        yield f"{went_on} of {here} that reached step {step} went on"
    if came < 0 or (came and not is_open):
        yield f"{came} entered at step {following}"
    if not is_open and here < further:
        yield f"reached step {following} {further} is more than reached step {step} {here}"
    stopped = sum(column[step - 1] for column in (outcomes.pending, outcomes.dropped, outcomes.excluded))
    if here != went_on + stopped:
        yield f"reached step {step} {here} is not {went_on} that went on and {stopped} that did not"
    for optional in range(step + 1, following):
        if not 0 <= outcomes.reached[optional - 1] <= here:
            yield f"reached optional step {optional} {outcomes.reached[optional - 1]} of {here} at step {step}"


def _time_laws(counts: Counts, outcomes: Outcomes) -> Iterator[str]:
    """One time for each attempt that came to a step from another; sums never negative."""
    timed: dict[int, int] = {}
    for code, count in counts.durations.items():
        step = code // BUCKETS
        timed[step] = timed.get(step, 0) + count
        if count < 0:
            yield f"durations[{code}] is {count}"
    reached = outcomes.reached
    came = [here - entered for here, entered in zip(reached, outcomes.entered_at, strict=True)]
    wanted = dict(enumerate(came[1:], start=2)) | {TOTAL_STEP: counts.converted}
    for step, count in wanted.items():
        if timed.get(step, 0) != count:
            yield f"step {step or 'total'} has {timed.get(step, 0)} times for {count} that reached it"
        if counts.duration_ms.get(step, 0) < 0:
            yield f"step {step or 'total'} took {counts.duration_ms[step]} ms"
    for step, by_currency in counts.values.items():
        valued = sum(money.count for money in by_currency.values())
        if valued > reached[step - 1]:
            yield f"step {step} has {valued} values for {reached[step - 1]} that reached it"


def _sum_laws(funnel: FunnelRollup) -> Iterator[str]:
    """Check that the segments of a breakdown add up to the whole (SPEC section 6), in every kind of row.

    Distinct actors are said of the whole alone.
    """
    whole: dict[RowKey, Row] = {}
    sums: dict[tuple[RowKey, str], dict[str, int]] = {}
    for key, row in rows_of(funnel).items():
        kind, segment = key[:-1], key[-1]
        if not segment:
            whole[kind] = row
            continue
        total = sums.setdefault((kind, segment.partition("=")[0]), {})
        for name, value in fields_of(row, funnel.steps).items():
            total[name] = total.get(name, 0) + value  # type: ignore[operator] # all are numbers
    for (kind, breakdown), total in sums.items():
        expected = fields_of(whole.get(kind, empty_counts(funnel.steps)), funnel.steps)
        for name in sorted((total.keys() | expected.keys()) - {DISTINCT}):
            if total.get(name, 0) != expected.get(name, 0):
                place = " ".join(part for part in kind if part)
                found, whole_has = total.get(name, 0), expected.get(name, 0)
                yield f"{place}: {name}: segments of {breakdown} sum up to {found}, the whole has {whole_has}"
