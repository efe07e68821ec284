"""Why an event has no role at what names it: the conditions on its properties that do not hold.

In:  a funnel's definition, the order in which properties are handed over, an event's name and properties.
Out: for each step and exclusion of that name the first condition that fails, as the engine's own test says.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from stream.engine.predicates import test_of, text_of
from stream.model.funnel import Funnel, Predicate


class Mismatch(NamedTuple):
    """A step, or an exclusion, that names the event but does not take it.

    step, exclusion: its number from 1, 0 for the other kind. predicate: None where a property is missing that has
    to be there, since it is held constant or is the session's id. found: the property's text, None if it is missing.
    """

    step: int
    exclusion: int
    property: str
    predicate: Predicate | None
    found: str | None


def mismatches(
    funnel: Funnel, property_paths: Sequence[str], name: str, properties: Sequence[Any]
) -> Iterator[Mismatch]:
    """Yield what keeps an event from being a step or an exclusion that names it."""
    column = {path: place for place, path in enumerate(property_paths)}
    session = [funnel.session.property] if funnel.session is not None and funnel.session.property else []
    for number, step in enumerate(funnel.steps, start=1):
        if name in step.events:
            yield from _first(step.where, [*session, *funnel.hold], column, properties, step=number)
    for number, exclusion in enumerate(funnel.exclusions, start=1):
        if name in exclusion.events:
            yield from _first(exclusion.where, [*session, *funnel.hold], column, properties, exclusion=number)


def _first(  # noqa: PLR0913
    predicates: Sequence[Predicate],
    needed: Sequence[str],
    column: dict[str, int],
    properties: Sequence[Any],
    *,
    step: int = 0,
    exclusion: int = 0,
) -> Iterator[Mismatch]:
    for predicate in predicates:
        test = test_of((predicate,), column, ())
        if test is not None and not test(properties):
            found = properties[column[predicate.property]]
            yield Mismatch(step, exclusion, predicate.property, predicate, None if found is None else text_of(found))
            return
    for path in needed:
        test = test_of((), column, (path,))
        if test is not None and not test(properties):
            yield Mismatch(step, exclusion, path, None, None)
            return


def condition_text(predicate: Predicate) -> str:
    """Return a condition as a funnel file would say it."""
    values = ", ".join(text_of(value) for value in predicate.values)
    words = f"{predicate.property} {predicate.operator}" + (f" {values}" if values else "")
    return f"not {words}" if predicate.negated else words
