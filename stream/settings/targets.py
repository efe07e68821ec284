"""What conversion should be: targets of a funnel and its steps, and benchmarks.

In:  a funnel file's document whose form the schema has looked at.
Out: more problems, or the shares 0..1 of the definition.
"""

from decimal import Decimal
from typing import Any, overload

from stream.model.window import Age
from stream.settings import durations, texts
from stream.settings.parts import duration_ms, mappings
from stream.settings.yaml_file import Document


def check_targets(document: Document) -> None:
    """Report targets of steps that nobody goes on from, ages that are none, and benchmarks of one name."""
    steps = list(mappings(document.tree.get("steps")))
    for index, step in steps:
        ages = step.get("target_within")
        for age in ages if isinstance(ages, dict) else ():
            if not duration_ms(age):
                path = ("steps", index, "target_within", age)
                document.report(path, f'{texts.shown(age)} is not an age (try "{durations.suggest(age)}")')
        is_last = index == steps[-1][0]
        for key in ("target", "target_within"):
            if key in step and (is_last or step.get("optional") is True):
                kind = "the last step" if is_last else "an optional step"
                text = f"{kind} has no conversion of its own (give the target to a required step before it)"
                document.report(("steps", index, key), text)
    twice = texts.repeated([each.get("name") for _, each in mappings(document.tree.get("benchmarks"))])
    if twice is not None:
        document.report(("benchmarks",), f"names {texts.shown(twice)} twice (keep one)")


def benchmarks_of(tree: dict[str, Any]) -> tuple[tuple[str, float], ...]:
    """Return (name, share) of each benchmark."""
    return tuple((each["name"], share_of(each["conversion"])) for each in tree.get("benchmarks", ()))


def target_within_of(step: dict[str, Any]) -> tuple[tuple[Age, float], ...]:
    """Return the share of each age that a step has a target for."""
    written = step.get("target_within", {})
    return tuple((Age(age, durations.to_ms(age)), share_of(share)) for age, share in written.items())


@overload
def share_of(written: str) -> float: ...
@overload
def share_of(written: None) -> None: ...
def share_of(written: str | None) -> float | None:
    """Return the share 0..1 that a text such as `2.35%` means; None for None."""
    return None if written is None else float(Decimal(written.removesuffix("%")) / 100)
