"""Options of a funnel file: which of them cannot be together, and their way into the definition.

In:  a document whose form `stream.settings.validate` has looked at.
Out: more problems, or exclusions and the session rule.

A combination is refused where SPEC section 4 gives it no meaning; every other one is exact. Each place gets one reason.
"""

from typing import Any

from stream.model.funnel import Effect, Exclusion, Order, Session
from stream.settings import durations, texts
from stream.settings.matches import check_match, events_of, predicates_of, step_name
from stream.settings.parts import duration_ms, mappings
from stream.settings.yaml_file import Document, KeyPath

_LONGEST_WINDOW_MS = durations.to_ms("400d")


def check_options(document: Document) -> None:
    """Report options that cannot be, alone or together; looks only at parts whose form is right."""
    tree = document.tree
    is_any, is_open = tree.get("order") == "any", tree.get("open") is True
    _check_optional(document, is_any=is_any)
    _check_gaps(document, is_any=is_any)
    if not is_any and not is_open:
        _check_all_gaps(document)
    for index, exclusion in mappings(tree.get("exclusions")):
        check_match(document, ("exclusions", index), exclusion)
        if is_any:
            _check_whole_range(document, index, exclusion)
        else:
            _check_range(document, index, exclusion)
    _check_starts(document, is_any=is_any, is_open=is_open)
    _check_breaking(document)
    _check_session(document)
    _check_granularity(document)
    if document.tree.get("strict_time") is True:
        _check_instants(document, is_any=is_any, is_open=is_open)


def exclusions_of(tree: dict[str, Any]) -> tuple[Exclusion, ...]:
    """Build the exclusions of a file that has no problems."""
    names = step_names(tree)
    return tuple(
        Exclusion(
            events=events_of(each),
            first=names.index(each.get("from", names[0])) + 1,
            last=names.index(each.get("to", names[-1])) + 1,
            where=predicates_of(each),
            effect=Effect(each.get("effect", "end_attempt")),
        )
        for each in tree.get("exclusions", [])
    )


def session_of(tree: dict[str, Any]) -> Session | None:
    """Build the session rule of a file that has no problems; None if it names none."""
    session = tree.get("session")
    if session is None:
        return None
    return Session(session.get("property", ""), durations.to_ms(session["gap"]) if "gap" in session else None)


def _check_optional(document: Document, *, is_any: bool) -> None:
    steps = document.tree.get("steps")
    for index, step in mappings(steps):
        path: KeyPath = ("steps", index, "optional")
        if step.get("optional") is not True:
            continue
        if is_any:
            document.report(path, "is true, but with order: any a chain may lack any step (remove it)")
        elif index in {0, len(steps) - 1}:
            end = "last" if index else "first"
            document.report(path, f"is true, but this is the {end} step, which no chain may skip (remove it)")


def _check_gaps(document: Document, *, is_any: bool) -> None:
    """Report a step that counts from an earlier one where there is none, or whose gap can never be kept."""
    for index, step in mappings(document.tree.get("steps")):
        if not is_any and index > 0:
            _check_not_before(document, index, step)
            continue
        why = "with order: any there is none" if is_any else "the first step has none"
        is_used = {
            "within": duration_ms(step.get("within")) is not None,
            "not_before": bool(duration_ms(step.get("not_before"))),  # 0 says nothing
        }
        for key, is_wrong in is_used.items():
            if is_wrong:
                document.report(("steps", index, key), f"counts from the step before, and {why} (remove it)")


def _check_not_before(document: Document, index: int, step: dict[str, Any]) -> None:
    """Report a gap that is longer than what the step or the funnel allows, by the shorter of both."""
    gap_ms = duration_ms(step.get("not_before"))
    limits = [("the step's within", step.get("within")), ("the window", document.tree.get("window"))]
    known = [(ms, name, written) for name, written in limits if (ms := duration_ms(written)) is not None]
    if gap_ms is None or not known:
        return
    limit_ms, name, written = min(known)
    if gap_ms > limit_ms:
        text = f'{texts.shown(step["not_before"])} is longer than {name}, {written} (try "{written}")'
        document.report(("steps", index, "not_before"), text)


def _check_all_gaps(document: Document) -> None:
    """Report a window that each single gap fits into, but not all those that no chain can do without."""
    window = document.tree.get("window")
    window_ms = duration_ms(window)
    gaps_ms = [duration_ms(step.get("not_before")) or 0 for step in _required(document.tree)[1:]]
    if window_ms is None or any(gap_ms > window_ms for gap_ms in gaps_ms) or sum(gaps_ms) <= window_ms:
        return
    together = durations.to_text(sum(gaps_ms))
    hint = f'try "{together}"' if sum(gaps_ms) <= _LONGEST_WINDOW_MS else "make them shorter"
    text = f"{texts.shown(window)} is shorter than not_before of the required steps together, {together} ({hint})"
    document.report(("window",), text)


def _check_whole_range(document: Document, index: int, exclusion: dict[str, Any]) -> None:
    names = step_names(document.tree)
    for key, name in _ends(exclusion).items():
        if names and name != _outermost(names, key):
            end = "first" if key == "from" else "last"
            text = f"{texts.shown(name)} is not the {end} step, and with order: any there is no other range (remove it)"
            document.report(("exclusions", index, key), text)


def _check_range(document: Document, index: int, exclusion: dict[str, Any]) -> None:
    """Report a range that names no step, is empty, or ends at a step that a chain may not have."""
    names, ends = step_names(document.tree), _ends(exclusion)
    if not names:
        return
    path: KeyPath = ("exclusions", index)
    unknown = [key for key, name in ends.items() if name not in names]
    for key in unknown:
        guess = texts.closest(ends[key], names) or _outermost(names, key)
        text = f"{texts.shown(ends[key])} is not the name of a step (try {texts.shown(guess)})"
        document.report((*path, key), text)
    if unknown:
        return
    begin, end = ends.get("from", names[0]), ends.get("to", names[-1])
    if begin == names[-1]:
        text = f"{texts.shown(begin)} is the last step, and nothing comes after it (try {texts.shown(names[0])})"
        document.report((*path, "from"), text)
    elif end == names[0]:
        text = f"{texts.shown(end)} is the first step, and nothing comes before it (try {texts.shown(names[-1])})"
        document.report((*path, "to"), text)
    elif names.index(begin) >= names.index(end):
        text = f"{texts.shown(end)} does not come after {texts.shown(begin)}, where the range begins"
        document.report((*path, "to"), f"{text} (try {texts.shown(names[-1])})")
    else:
        _check_required(document, path, ends)


def _check_required(document: Document, path: KeyPath, ends: dict[str, str]) -> None:
    """Report an end of a range at an optional step, and name the nearest step outwards that is none."""
    names = step_names(document.tree)
    optional = [step_name(step) for _, step in mappings(document.tree["steps"]) if step.get("optional") is True]
    for key, name in ends.items():
        if name in optional:
            outwards = names[: names.index(name)][::-1] if key == "from" else names[names.index(name) :]
            guess = next((other for other in outwards if other not in optional), _outermost(names, key))
            text = f"{texts.shown(name)} is an optional step, which a chain may lack (try {texts.shown(guess)})"
            document.report((*path, key), text)


def _check_starts(document: Document, *, is_any: bool, is_open: bool) -> None:
    """Report what cannot be together with the steps at which chains start."""
    if is_open and is_any:
        document.report(("open",), "is true, but with order: any every step starts a chain already (remove it)")
    if is_open and any(mappings(document.tree.get("exclusions"))):
        text = "are not for an open funnel, whose chains start anywhere (remove them, or open)"
        document.report(("exclusions",), text)
    if document.tree.get("entry") == "first" and (is_any or is_open):
        why = "with order: any there is none" if is_any else "chains of an open funnel start anywhere"
        document.report(("entry",), f'"first" is about events of the first step, but {why} (try "every")')


def _check_breaking(document: Document) -> None:
    order = document.tree.get("order", "ordered")
    if "events" in document.tree and order in (Order.ORDERED, Order.ANY):
        document.report(("events",), f"is for order: strict, but order is {order} (remove it, or set order: strict)")


def _check_session(document: Document) -> None:
    session = document.tree.get("session")
    if not isinstance(session, dict):
        return
    if "property" in session and "gap" in session:
        document.report(("session",), "has both property and gap (keep one)")
    if "property" not in session and "gap" not in session:
        document.report(("session",), "names no rule (add property: ... or gap: 30m)")


def _check_granularity(document: Document) -> None:
    window = document.tree.get("window")
    granularity = document.tree.get("time_granularity")
    window_ms, granularity_ms = duration_ms(window), duration_ms(granularity)
    if window_ms is not None and granularity_ms is not None and granularity_ms > window_ms:
        text = f'{texts.shown(granularity)} is longer than the window, {window} (try "{window}")'
        document.report(("time_granularity",), text)


def _check_instants(document: Document, *, is_any: bool, is_open: bool) -> None:
    """Report what cannot be where events of one chain are at least the granularity apart (`strict_time`)."""
    window, granularity = document.tree.get("window"), document.tree.get("time_granularity")
    window_ms, granularity_ms = duration_ms(window), duration_ms(granularity)
    if granularity_ms is None:
        return
    for index, step in mappings(document.tree.get("steps")):
        within_ms = duration_ms(step.get("within"))
        if within_ms is not None and within_ms < granularity_ms and index > 0 and not is_any:
            text = f"{texts.shown(step['within'])} is shorter than the time_granularity, {granularity}"
            why = "and with strict_time no two steps are nearer"
            document.report(("steps", index, "within"), f'{text}, {why} (try "{granularity}")')
    gaps = len(_required(document.tree)) - 1
    if window_ms is None or is_open or not granularity_ms <= window_ms < gaps * granularity_ms:
        return
    text = (
        f"with strict_time the {gaps + 1} required steps are at least {durations.to_text(gaps * granularity_ms)} apart"
    )
    fitting = durations.to_text(_rounded(window_ms // gaps))
    text = f'{texts.shown(granularity)} is too long: {text}, longer than the window, {window} (try "{fitting}")'
    document.report(("time_granularity",), text)


def _rounded(longest_ms: int) -> int:
    """Round down to whole hours, minutes or seconds, whichever is the longest that is there; at least 1 ms."""
    unit_ms = next((unit_ms for unit_ms in (3_600_000, 60_000, 1_000) if unit_ms <= longest_ms), 1)
    return max(longest_ms - longest_ms % unit_ms, 1)


def _required(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps that no chain skips."""
    return [step for _, step in mappings(tree.get("steps")) if step.get("optional") is not True]


def step_names(tree: dict[str, Any]) -> list[str]:
    """Return the names of the steps in order; none at all if a step's form is wrong or there are too few."""
    steps = tree.get("steps")
    written = steps if isinstance(steps, list) and len(steps) >= 2 else []
    names = [step_name(step) if isinstance(step, dict) else None for step in written]
    named = [name for name in names if isinstance(name, str)]
    return named if len(named) == len(names) else []


def _ends(exclusion: dict[str, Any]) -> dict[str, str]:
    """Return the ends of its range that an exclusion names."""
    return {key: exclusion[key] for key in ("from", "to") if isinstance(exclusion.get(key), str) and exclusion[key]}


def _outermost(names: list[str], key: str) -> str:
    return names[0] if key == "from" else names[-1]
