"""What a funnel file may say.

Out: `FUNNEL_SCHEMA`, a JSON Schema (draft 2020-12).
"""

from stream.settings.schema_words import (
    DIALECT,
    Schema,
    duration,
    list_of,
    mapping,
    name,
    path_text,
    period,
    setting,
    text,
)
from stream.settings.stages import GROUPS, STAGE_MODELS

_VALUE = mapping(
    "the number this step is worth; summed per step and currency",
    {
        "property": path_text("event property that holds the number"),
        "currency_property": path_text("event property that holds the currency"),
        "currency": text("currency of an event that names none", maxLength=12, default="", minLength=0),
    },
    ("property",),
)

_SCALAR: Schema = {
    "description": "text, a number, true or false",
    "anyOf": [text("text", minLength=0), setting("number", "a number"), setting("boolean", "true or false")],
}


def _quantity(meaning: str) -> Schema:
    forms = [setting("number", "a number"), text("a number, or a time in ISO 8601 form")]
    return {"description": meaning, "anyOf": forms}


_CONDITION_WORDS: dict[str, Schema] = {
    "property": path_text("event property; one that is missing meets no condition"),
    "equals": {**_SCALAR, "description": "the property is this: numbers as numbers, all else as text"},
    "in": list_of("the property is one of these", _SCALAR),
    "contains": text("the property's text contains this, in upper or lower case"),
    "regex": text("the property's text contains a match of this regular expression (RE2)", maxLength=1000),
    "less_than": _quantity("the property is less than this number, or before this time"),
    "at_most": _quantity("the property is this number or less, this time or before"),
    "more_than": _quantity("the property is more than this number, or after this time"),
    "at_least": _quantity("the property is this number or more, this time or after"),
    "exists": setting("boolean", "true: the property is there, whatever it is"),
}
_CONDITION = mapping(
    "a property and one condition on it, or `not` and such a one",
    {
        **_CONDITION_WORDS,
        "not": mapping("a condition that must not hold, as it does not if the property is missing", _CONDITION_WORDS),
    },
)

_STEP = mapping(
    "one step; steps are reached in the order in which they stand",
    {
        "name": text("name in series, reports and dashboards; the (first) event's name if absent", maxLength=100),
        "event": text("event name that serves the step (this or `events`)"),
        "events": list_of("event names, any of which serves the step", text("event name"), uniqueItems=True),
        "stage": text("stage of the stage model that the step stands for"),
        "value": _VALUE,
        "where": list_of("conditions on the event's properties, all of which must hold", _CONDITION),
    },
    later=(
        "within",
        "not_before",
        "optional",
        "open",
        "predicates",
        "match",
        "exclusions",
    ),
)

_BREAKDOWN: Schema = {
    "description": "an event property, or a name and the properties of which the first that the entry event has counts",
    "anyOf": [
        path_text("event property; also the breakdown's name"),
        mapping(
            "a breakdown under its own name",
            {
                "name": text("name in series, reports and dashboards", maxLength=100),
                "properties": list_of("event properties, the first that is there counts", path_text("event property")),
            },
            ("name", "properties"),
            later=("attribution",),
        ),
    ],
}

_STAGE_MODEL: Schema = {
    "description": (
        "names that `stage` may have: `six` (" + ", ".join(STAGE_MODELS["six"]) + "), "
        "`five` (" + ", ".join(STAGE_MODELS["five"]) + "), or a list of one's own"
    ),
    "anyOf": [
        text("a stage model that ships with the tracker", enum=list(STAGE_MODELS)),
        list_of(
            "stages of one's own",
            {
                "description": "a stage's name, or its name and group",
                "anyOf": [
                    text("stage"),
                    mapping(
                        "a stage and its group",
                        {
                            "stage": text("stage"),
                            "group": text("part of the funnel it belongs to", enum=list(GROUPS)),
                        },
                        ("stage",),
                    ),
                ],
            },
        ),
    ],
}

FUNNEL_SCHEMA: Schema = {
    "$schema": DIALECT,
    "title": "Funnel",
    **mapping(
        "one funnel: a file in config/funnels/",
        {
            "funnel": name("name of the funnel; with `version` its identity everywhere"),
            "version": setting("integer", "raise it whenever a definition changes", minimum=1, default=1),
            "title": text("what people call it", default="", minLength=0),
            "window": duration("longest time from a chain's first event to its last, both included", "1s", "400d"),
            "order": text(
                "how steps follow one another; only `ordered` in this version",
                enum=["ordered"],
                default="ordered",
                later=(
                    "strict",
                    "any",
                ),
            ),
            "strict_time": setting(
                "boolean", "whether each step must be later than the one before, not of the same instant", default=False
            ),
            "entry": text(
                "which first-step events may start a chain; only `every` in this version",
                enum=["every"],
                default="every",
                later=("first",),
            ),
            "stage_model": _STAGE_MODEL,
            "steps": list_of("the steps, first to last", _STEP, least=2),
            "breakdowns": list_of(
                "what the numbers are split by, with the value the entry event has", _BREAKDOWN, least=0, default=[]
            ),
            "period": period("entry period for unique actors; the tracker's `period` if absent"),
        },
        ("funnel", "window", "steps"),
        later=(
            "exclusions",
            "exclusion_effect",
            "hold_constant",
            "session",
            "time_granularity",
            "open",
            "events",
            "attribution",
        ),
    ),
}
