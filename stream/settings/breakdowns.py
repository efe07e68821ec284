"""Breakdowns of a funnel file: what cannot be, and their way into the definition.

In:  a document whose form `stream.settings.validate` has looked at.
Out: more problems, or breakdowns.
"""

from typing import Any

from stream.model.funnel import Attribution, Breakdown
from stream.settings import texts
from stream.settings.options import step_names
from stream.settings.parts import mappings
from stream.settings.yaml_file import Document, KeyPath


def check_breakdowns(document: Document) -> None:
    """Report what is wrong with breakdowns besides the form."""
    _check_names(document)
    for index, breakdown in mappings(document.tree.get("breakdowns")):
        path: KeyPath = ("breakdowns", index)
        if "properties" in breakdown and "combine" in breakdown:
            document.report(path, "has both properties and combine (keep one)")
        if "properties" not in breakdown and "combine" not in breakdown:
            document.report(path, "names no property (add properties: [...] or combine: [..., ...])")
        attribution = breakdown.get("attribution", Attribution.FIRST_TOUCH)
        if attribution == Attribution.STEP:
            _check_step(document, path, breakdown)
        elif "step" in breakdown and attribution in list(Attribution):
            text = f"is for attribution: step, but attribution is {attribution} (remove it, or set attribution: step)"
            document.report((*path, "step"), text)
        if attribution == Attribution.ALL_STEPS:
            _check_held(document, path, breakdown)


def breakdowns_of(tree: dict[str, Any]) -> tuple[Breakdown, ...]:
    """Build the breakdowns of a file that has no problems."""
    names = step_names(tree)
    return tuple(_breakdown(each, names) for each in tree.get("breakdowns", []))


def _check_names(document: Document) -> None:
    breakdowns = document.tree.get("breakdowns")
    seen: dict[str, int] = {}
    for index, each in enumerate(breakdowns if isinstance(breakdowns, list) else []):
        name = each.get("name") if isinstance(each, dict) else each
        if not isinstance(name, str):
            continue
        path: KeyPath = ("breakdowns", index, "name") if isinstance(each, dict) else ("breakdowns", index)
        if name in seen:
            document.report(path, f"{texts.shown(name)} is already the name of breakdowns[{seen[name]}] (keep one)")
        seen.setdefault(name, index)


def _check_step(document: Document, path: KeyPath, breakdown: dict[str, Any]) -> None:
    """Report an attribution to a step that is not named, does not exist, or that no event is known to serve."""
    names = step_names(document.tree)
    if document.tree.get("order") == "any":
        text = "is step, but with order: any a chain does not say which event served which step (try first_defined)"
        document.report((*path, "attribution"), text)
    elif "step" not in breakdown:
        guess = f"add step: {names[-1]}" if names else "add step: ..."
        document.report(path, f"has attribution: step, but names no step ({guess})")
    elif names and isinstance(breakdown["step"], str) and breakdown["step"] and breakdown["step"] not in names:
        guess = texts.closest(breakdown["step"], names) or names[-1]
        text = f"{texts.shown(breakdown['step'])} is not the name of a step (try {texts.shown(guess)})"
        document.report((*path, "step"), text)


def _check_held(document: Document, path: KeyPath, breakdown: dict[str, Any]) -> None:
    """Report an attribution to all steps where these may differ in the value."""
    held = document.tree.get("hold_constant", [])
    if not isinstance(held, list):
        return
    properties = breakdown.get("properties", breakdown.get("combine", []))
    for name in properties if isinstance(properties, list) else []:
        if isinstance(name, str) and name and name not in held:
            text = (
                f"is all_steps, but the events of a chain may differ in {texts.shown(name)} "
                "(add it to hold_constant, or use first_touch)"
            )
            document.report((*path, "attribution"), text)
            return


def _breakdown(written: Any, names: list[str]) -> Breakdown:
    if isinstance(written, str):
        return Breakdown(written, (written,))
    export = written.get("export", {})
    return Breakdown(
        name=written["name"],
        properties=tuple(written["combine"] if "combine" in written else written["properties"]),
        attribution=Attribution(written.get("attribution", Attribution.FIRST_TOUCH)),
        step=names.index(written["step"]) + 1 if "step" in written else None,
        is_combined="combine" in written,
        allow=tuple(export.get("allow", ())),
        top_segments=export.get("top_segments"),
    )
