"""`funnel check`: say what is wrong in the settings, or what they define.

In:  paths of tracker files, funnel files and folders of funnels (default: the tracker and its funnels).
Out: one line per problem (exit code 1), or a summary of each file.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stream.analyze.show import safe
from stream.engine.periods import period_of
from stream.errors import Problem, SettingsError
from stream.metrics.budget import LOG_WIDE, most_series
from stream.model.funnel import Attribution, Breakdown, Funnel, Order
from stream.model.window import KEPT_SLOTS_LIMIT, RollingWindow
from stream.settings import durations
from stream.settings.load import funnels_path, load_funnels, load_tracker, tracker_path
from stream.settings.tracker import DEFAULT_ROLLING, SourceSettings, TrackerSettings, is_loopback
from stream.settings.yaml_file import read_document

_YEAR_MS = (1_767_225_600_000, 1_798_761_600_000)  # 2026: has each clock change that zones have


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `check`."""
    parser = subparsers.add_parser("check", help="check tracker and funnel files: what is wrong, what would be right")
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        help="tracker files, funnel files, folders of funnels (default: the tracker file and the funnels it names)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the files of `args.paths`; returns 1 if there is any problem, else 0."""
    lines: list[str] = []
    problems: list[Problem] = []
    for path in args.paths or [tracker_path(None, os.environ)]:
        found_lines, found_problems = _check_funnels(path) if _holds_funnels(path) else _check_tracker(path)
        lines += found_lines
        problems += found_problems
    problems = list(dict.fromkeys(problems))  # a file that two paths lead to is reported once
    if problems:
        lines.append(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}:")
    sys.stdout.writelines(f"{safe(str(line))}\n" for line in [*lines, *problems])
    return 1 if problems else 0


def _holds_funnels(path: Path) -> bool:
    tree = None if path.is_dir() else read_document(path).tree
    return path.is_dir() or (isinstance(tree, dict) and ("funnel" in tree or "steps" in tree))


def _check_tracker(path: Path) -> tuple[list[str], list[Problem]]:
    try:
        tracker = load_tracker(path, os.environ)
    except SettingsError as error:
        # The funnels are looked at all the same, so that one run shows everything.
        folder = funnels_path(path)
        lines, problems = _check_funnels(folder) if folder is not None and folder.exists() else ([], [])
        return lines, [*error.problems, *problems]
    lines, problems = _check_funnels(tracker.funnels, tracker)
    if not problems:
        funnels = load_funnels(tracker.funnels, tracker.period)
        lines += [*_age_notes(funnels, tracker), *_target_notes(funnels, tracker)]
        series = most_series(funnels, tracker.rolling, tracker.age_matched, tracker.export.most)
        total, most = sum(series.values()) + LOG_WIDE, tracker.metrics.max_series
        lines.append(f"series: {total:,} at most on /metrics, of {most:,} that it shows")
        if total > most:
            problems = [Problem(str(path), None, "", _over_budget(series, total, most))]
    return [*_tracker_lines(path, tracker), *lines], problems


def _check_funnels(path: Path, tracker: TrackerSettings | None = None) -> tuple[list[str], list[Problem]]:
    try:
        funnels = load_funnels(path, tracker.period if tracker else None, is_live=tracker is not None)
    except SettingsError as error:
        return [], list(error.problems)
    rolling = tracker.rolling if tracker else DEFAULT_ROLLING
    return [line for funnel in funnels for line in _funnel_lines(funnel, rolling)], []


def _age_notes(funnels: Sequence[Funnel], tracker: TrackerSettings) -> Iterator[str]:
    """Say which targets are for an age that nothing is counted at."""
    known = [age.name for age in tracker.age_matched]
    for funnel in funnels:
        for step in funnel.steps:
            for age in [age.name for age, _ in step.target_within if age.name not in known]:
                text = f"{age} is no age of age_matched ({', '.join(known) or 'none'}): nothing is compared with it"
                yield f"  note     target_within of {step.name} in {funnel.key}: {text}"


def _target_notes(funnels: Sequence[Funnel], tracker: TrackerSettings) -> Iterator[str]:
    """Say which targets no alert watches, as nothing that is decided is kept over the longest rolling window."""
    longest = max(tracker.rolling, key=lambda window: window.window_ms, default=None)
    for funnel in funnels:
        has_target = any(share is not None for share in (funnel.target, *[step.target for step in funnel.steps]))
        if has_target and (longest is None or not longest.has_matured(funnel.window_ms)):
            why = "there is no rolling window" if longest is None else f"{longest.name} has no matured form"
            yield f"  note     target in {funnel.key}: no alert watches it, as {why}"


def _over_budget(series: Mapping[str, int], total: int, most: int) -> str:
    parts = ", ".join(f"{key} {count:,}" for key, count in series.items())
    enough = -(-total // 1_000) * 1_000
    return (
        f"the page can come to {total:,} series ({parts}), at most {most:,} are shown: export fewer values "
        f"(export.top_segments), use fewer windows or breakdowns, or set metrics.max_series: {enough}"
    )


def _tracker_lines(path: Path, tracker: TrackerSettings) -> list[str]:
    kafka, redis = tracker.kafka, tracker.redis
    lines = [
        f"{path}: tracker is right",
        f"  kafka    {kafka.bootstrap}, {kafka.security.protocol}, group {kafka.group}",
        f"  redis    {redis.safe_url}, namespace {redis.namespace}",
        *(f"  source   {_source_text(source)}" for source in tracker.sources),
        f"  alerts   {_alerts_text(tracker)}",
    ]
    for window in tracker.rolling:
        for age in tracker.age_matched:
            if not window.has_age(age):
                text = f"is not kept: it needs {window.age_slots(age)} slots of {durations.to_text(window.slot_ms)}"
                about = f"age-matched conversion of {window.name} at {age.name}"
                lines.append(f"  note     {about} {text}, at most {KEPT_SLOTS_LIMIT}")
    if not is_loopback(tracker.metrics.host) and not tracker.web.has_rule:
        text = "without web.token or web.trusted_header workers serve /metrics there, but not the live page"
        lines.append(f"  note     metrics.host {tracker.metrics.host} is no loopback address: {text}")
    if tracker.needs_repartition:
        lines.append(f"  log      {tracker.repartition_topic}: records are repartitioned by actor first")
    return lines


def _alerts_text(tracker: TrackerSettings) -> str:
    """Say over which windows drop-off alerts count; default ones that no rolling window serves are not there."""
    windows = [alert for window in tracker.rolling for alert in window.alerts]
    if not windows:
        return "none on drop-off: they need rolling, age_matched and alerts.windows"
    names = ", ".join(alert.name for alert in windows)
    segments = ", ".join(alert.name for alert in windows if alert.segment_age)
    return f"on drop-off over {names}; by segment over {segments or 'none'}"


def _source_text(source: SourceSettings) -> str:
    topics = [*source.topics, *([f"/{source.pattern}/"] if source.pattern else [])]
    key = "keyed by actor" if source.is_keyed_by_actor else "not keyed by actor"
    lateness = durations.to_text(source.allowed_lateness_ms)
    return f"{source.name}: {', '.join(topics)}, preset {source.preset}, {key}, late after {lateness}"


def _funnel_lines(funnel: Funnel, rolling: tuple[RollingWindow, ...]) -> list[str]:
    period = f"per {funnel.period.unit} ({funnel.period.zone})"
    lines = [
        f"{funnel.key}: {len(funnel.steps)} steps within {durations.to_text(funnel.window_ms)}, {period}",
        f"  steps    {_steps_text(funnel)}",
    ]
    options = list(_options_of(funnel))
    if options:
        lines.append("  options  " + ", ".join(options))
    if funnel.breakdowns:
        lines.append("  split by " + ", ".join(_breakdown_text(funnel, each) for each in funnel.breakdowns))
    if _floors_over_borders(funnel):
        text = f"does not divide the periods, {funnel.period.unit} ({funnel.period.zone})"
        how = "near a border, times are rounded down into the period before"
        lines.append(f"  note     time_granularity {durations.to_text(funnel.granularity_ms)} {text}: {how}")
    for window in rolling:
        slots = window.matured_slots(funnel.window_ms)
        if slots > KEPT_SLOTS_LIMIT:
            text = f"is not kept: it needs {slots} slots of {durations.to_text(window.slot_ms)}"
            lines.append(f"  note     the matured form of {window.name} {text}, at most {KEPT_SLOTS_LIMIT}")
    return lines


def _floors_over_borders(funnel: Funnel) -> bool:
    """Tell whether a period of the year looked at begins between two instants of the granularity."""
    find = period_of(funnel.period)
    start_ms, end_ms = find(_YEAR_MS[0])
    while start_ms < _YEAR_MS[1] and start_ms % funnel.granularity_ms == 0:
        start_ms, end_ms = find(end_ms)
    return start_ms < _YEAR_MS[1]


def _steps_text(funnel: Funnel) -> str:
    """Return the steps' names in their order; in any order what is reached is how many, whichever they are."""
    names = [step.name for step in funnel.steps]
    return f"any 1 to {len(names)} of {', '.join(names)}" if funnel.order is Order.ANY else " > ".join(names)


def _breakdown_text(funnel: Funnel, breakdown: Breakdown) -> str:
    """Return a breakdown's name, and its attribution if it is not the entry event's."""
    if breakdown.attribution is Attribution.FIRST_TOUCH:
        return breakdown.name
    step = "" if breakdown.step is None else f" {funnel.steps[breakdown.step - 1].name}"
    return f"{breakdown.name} ({breakdown.attribution}{step})"


def _options_of(funnel: Funnel) -> Iterator[str]:
    """Yield the options that a funnel uses, by their names in its file."""
    steps = funnel.steps
    used = {
        f"order: {funnel.order}": funnel.order is not Order.ORDERED,
        "events": funnel.breaking is not None,
        "strict_time": funnel.strict_time,
        "entry: first": funnel.entry_first,
        "open": funnel.is_open,
        "hold_constant": funnel.hold,
        "session": funnel.session,
        "time_granularity": funnel.granularity_ms != 1,
        "where": any(step.where for step in steps) or any(exclusion.where for exclusion in funnel.exclusions),
        "optional": any(step.optional for step in steps),
        "within": any(step.within_ms is not None for step in steps),
        "not_before": any(step.not_before_ms for step in steps),
        "exclusions": funnel.exclusions,
    }
    yield from (option for option, is_used in used.items() if is_used)
