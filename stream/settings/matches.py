"""Which events something in a funnel file means: by name, and by conditions on their properties.

In:  a mapping with `event` or `events`, and `where`: a step or an exclusion.
Out: problems of a document, or the names and predicates.
"""

import math
from typing import Any

from stream.engine.predicates import ORDERED, compile_regex, quantity
from stream.model.funnel import Operator, Predicate
from stream.settings import texts
from stream.settings.parts import mappings
from stream.settings.yaml_file import Document, KeyPath


def check_match(document: Document, path: KeyPath, written: dict[str, Any]) -> None:
    """Report what is wrong besides the form with the events that the mapping at `path` means."""
    if "event" in written and "events" in written:
        document.report(path, "has both event and events (keep one)")
    if "event" not in written and "events" not in written:
        document.report(path, "names no event (add event: ... or events: [...])")
    for place, condition in mappings(written.get("where")):
        inside: KeyPath = (*path, "where", place)
        if "not" not in condition:
            _check_condition(document, inside, condition)
            continue
        if len(condition) > 1:
            document.report(inside, "has more than `not` (move it below `not`, or into an entry of its own)")
        if isinstance(condition["not"], dict):
            _check_condition(document, (*inside, "not"), condition["not"])


def step_name(step: dict[str, Any]) -> Any:
    """Return the name of a step: its own, or its first event's; anything else where the form is wrong."""
    if "name" in step:
        return step["name"]
    events = step.get("events")
    return step.get("event", events[0] if isinstance(events, list) and events else None)


def events_of(written: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the events that are meant."""
    return tuple(written["events"]) if "events" in written else (written["event"],)


def predicates_of(written: dict[str, Any]) -> tuple[Predicate, ...]:
    """Build the conditions that an event must meet besides."""
    return tuple(_predicate(each) for each in written.get("where", []))


def _check_condition(document: Document, path: KeyPath, condition: dict[str, Any]) -> None:
    if "property" not in condition:
        document.report(path, 'names no property (add property: ..., such as "plan")')
    words = [word for word in Operator if word.value in condition]
    if len(words) != 1:
        count = "no" if not words else "more than one"
        document.report(path, f"has {count} condition (keep one of: {', '.join(Operator)})")
    for word in words:
        wanted = condition[word.value]
        for each in wanted if isinstance(wanted, list) else (wanted,):
            problem = _wrong_operand(word, each)
            if problem:
                document.report((*path, word.value), problem)


def _wrong_operand(word: Operator, wanted: Any) -> str:
    """Say what is wrong with what a property is compared with, "" if nothing is."""
    if isinstance(wanted, float) and not math.isfinite(wanted):
        return f"{wanted} is not a number that a property can be compared with"
    if wanted is False and word is Operator.EXISTS:
        return "is false (put `exists: true` below `not`)"
    if word is Operator.REGEX and isinstance(wanted, str):
        try:
            compile_regex(wanted)
        except ValueError as error:
            return f"{texts.shown(wanted)} is not a regular expression: {error}"
    if word in ORDERED and isinstance(wanted, str) and quantity(wanted) is None:
        return f'{texts.shown(wanted)} is neither a number nor a time (try 100 or "2026-01-31T12:00:00Z")'
    return ""


def _predicate(condition: dict[str, Any]) -> Predicate:
    inner = condition.get("not", condition)
    (operator,) = (word for word in Operator if word.value in inner)
    wanted = inner[operator.value]
    values = () if operator is Operator.EXISTS else tuple(wanted) if operator is Operator.IN else (wanted,)
    return Predicate(inner["property"], operator, values, negated="not" in condition)
