"""The steps that events of a name can serve in a compiled funnel."""

from stream.engine.match import CompiledFunnel


def steps_of(funnel: CompiledFunnel) -> dict[str, tuple[int, ...]]:
    """Return the steps, from 0, by event name."""
    steps: dict[str, set[int]] = {}
    for place in funnel.places:
        if place.name is not None and place.role is not None:
            steps.setdefault(place.name, set()).add(place.role)
    return {name: tuple(sorted(own)) for name, own in steps.items()}
