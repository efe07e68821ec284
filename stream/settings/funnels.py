"""Rules of a funnel file that a schema cannot say, and its way into a `Funnel`.

In:  a document whose form `stream.settings.validate` has looked at.
Out: more problems, or a definition.
"""

import zoneinfo
from typing import Any

from stream.model.funnel import Funnel, Order, Period, PeriodUnit, Step, ValueRule
from stream.settings import durations, texts
from stream.settings.breakdowns import breakdowns_of, check_breakdowns
from stream.settings.matches import check_match, events_of, predicates_of, step_name
from stream.settings.options import check_options, exclusions_of, session_of
from stream.settings.parts import mappings
from stream.settings.stages import STAGE_MODELS
from stream.settings.targets import benchmarks_of, check_targets, share_of, target_within_of
from stream.settings.yaml_file import Document

CUSTOM_STAGES = "custom"


def check_funnel(document: Document) -> None:
    """Report what is wrong besides the form; looks only at parts whose form is right."""
    if not isinstance(document.tree, dict):
        return
    _check_steps(document)
    check_options(document)
    _check_stages(document)
    check_breakdowns(document)
    check_targets(document)
    check_zone(document)


def check_zone(document: Document) -> None:
    """Report a period whose time zone does not exist."""
    period = document.tree.get("period")
    zone = period.get("zone") if isinstance(period, dict) else None
    if not isinstance(zone, str) or not zone:
        return
    try:
        zoneinfo.ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        guess = texts.closest(zone, zoneinfo.available_timezones()) or "Europe/Berlin"
        document.report(("period", "zone"), f'{texts.shown(zone)} is not a time zone (try "{guess}")')


def funnel_of(tree: dict[str, Any], default_period: Period) -> Funnel:
    """Build the definition of a file that has no problems."""
    stages, model = _stage_model(tree)
    return Funnel(
        name=tree["funnel"],
        version=tree.get("version", 1),
        steps=tuple(_step(step, stages or {}) for step in tree["steps"]),
        window_ms=durations.to_ms(tree["window"]),
        title=tree.get("title", ""),
        breakdowns=breakdowns_of(tree),
        period=period_of(tree, default_period),
        stage_model=model,
        strict_time=tree.get("strict_time", False),
        order=Order(tree.get("order", "ordered")),
        is_open=tree.get("open", False),
        exclusions=exclusions_of(tree),
        breaking=tuple(tree["events"]) if "events" in tree else None,
        hold=tuple(tree.get("hold_constant", ())),
        entry_first=tree.get("entry") == "first",
        session=session_of(tree),
        granularity_ms=durations.to_ms(tree.get("time_granularity", "1ms")),
        target=share_of(tree.get("target")),
        benchmarks=benchmarks_of(tree),
    )


def period_of(tree: dict[str, Any], default: Period) -> Period:
    """Build the file's period; `default` if it names none."""
    if "period" not in tree:
        return default
    period = tree["period"]
    return Period(PeriodUnit(period.get("unit", "day")), period.get("zone", "UTC"))


def _check_steps(document: Document) -> None:
    first_at: dict[str, int] = {}
    for index, step in mappings(document.tree.get("steps")):
        check_match(document, ("steps", index), step)
        name = step_name(step)
        if not isinstance(name, str):
            continue
        if name in first_at:
            key = "name" if "name" in step else "event"
            text = f"{texts.shown(name)} is already the name of steps[{first_at[name]}] (try name: {name}-{index + 1})"
            document.report(("steps", index, key), text)
        first_at.setdefault(name, index)


def _check_stages(document: Document) -> None:
    stages, _ = _stage_model(document.tree)
    for index, step in mappings(document.tree.get("steps")):
        stage, path = step.get("stage"), ("steps", index, "stage")
        if not isinstance(stage, str) or not stage:
            continue
        if "stage_model" not in document.tree:
            document.report(path, "names a stage, but the funnel has no stage_model (add stage_model: six)")
        elif stages and stage not in stages:
            guess = texts.closest(stage, stages) or next(iter(stages))
            known = ", ".join(stages)
            document.report(path, f'{texts.shown(stage)} is not a stage of the model: {known} (try "{guess}")')
    names = [stage["stage"] if isinstance(stage, dict) and "stage" in stage else stage for stage in _own(document.tree)]
    twice = texts.repeated(names)
    if twice is not None:
        document.report(("stage_model",), f"names {texts.shown(twice)} twice (keep one)")


def _own(tree: dict[str, Any]) -> list[Any]:
    model = tree.get("stage_model")
    return model if isinstance(model, list) else []


def _stage_model(tree: dict[str, Any]) -> tuple[dict[str, str] | None, str]:
    """Return the stages with their groups, and the model's name; None for a model that is not known."""
    model = tree.get("stage_model")
    if model is None:
        return {}, ""
    if isinstance(model, str):
        return (dict(STAGE_MODELS[model]), model) if model in STAGE_MODELS else (None, model)
    stages: dict[str, str] = {}
    for stage in _own(tree):
        if isinstance(stage, str):
            stages[stage] = ""
        elif isinstance(stage, dict) and isinstance(stage.get("stage"), str):
            stages[stage["stage"]] = str(stage.get("group", ""))
    return (stages or None), CUSTOM_STAGES


def _step(step: dict[str, Any], stages: dict[str, str]) -> Step:
    stage = step.get("stage", "")
    value = step.get("value")
    return Step(
        name=step_name(step),
        events=events_of(step),
        stage=stage,
        value=None if value is None else ValueRule(**value),
        group=stages.get(stage, ""),
        where=predicates_of(step),
        optional=step.get("optional", False),
        within_ms=durations.to_ms(step["within"]) if "within" in step else None,
        not_before_ms=durations.to_ms(step.get("not_before", "0s")),
        target=share_of(step.get("target")),
        target_within=target_within_of(step),
    )
