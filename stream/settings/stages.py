"""The stage models that marketers use, each stage with its part of the funnel (top, middle, bottom)."""

from collections.abc import Mapping

STAGE_MODELS: Mapping[str, Mapping[str, str]] = {
    "six": {
        "awareness": "top",
        "interest": "top",
        "consideration": "middle",
        "intent": "middle",
        "evaluation": "bottom",
        "action": "bottom",
    },
    "five": {
        "awareness": "top",
        "interest": "top",
        "evaluation": "middle",
        "decision": "middle",
        "purchase": "bottom",
    },
}

GROUPS = ("top", "middle", "bottom")
