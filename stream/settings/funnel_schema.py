"""What a funnel file may say.

Out: `FUNNEL_SCHEMA`, a JSON Schema (draft 2020-12).
"""

from typing import Any

from stream.model.funnel import Attribution, Effect, Order
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
    share,
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


def _names(meaning: str, **more: Any) -> Schema:
    return list_of(meaning, text("event name"), uniqueItems=True, **more)


_WHERE = list_of("conditions on the event's properties, all of which must hold", _CONDITION)

_STEP = mapping(
    "one step; steps are reached in the order in which they stand, unless `order` says otherwise",
    {
        "name": text("name in series, reports and dashboards; the (first) event's name if absent", maxLength=100),
        "event": text("event name that serves the step (this or `events`)"),
        "events": _names("event names, any of which serves the step"),
        "stage": text("stage of the stage model that the step stands for"),
        "value": _VALUE,
        "where": _WHERE,
        "optional": setting("boolean", "whether a chain may skip the step; not the first or the last", default=False),
        "within": duration("longest time after the chain's previous event, included", "0s", "400d"),
        "not_before": duration("shortest time after the chain's previous event, included", "0s", "400d", default="0s"),
        "target": share("share of those that reach this step which should go on to the next required one"),
        "target_within": {
            "type": "object",
            "description": "per age of the tracker's `age_matched`: share of those that reach this step which should "
            "go on within that age; what alerts compare with until there is a week to learn from",
            "additionalProperties": share("share"),
        },
    },
    later=("predicates", "match"),
)

_EXCLUSION = mapping(
    "events that must not happen strictly between two steps",
    {
        "event": text("event name that is excluded (this or `events`)"),
        "events": _names("event names, any of which is excluded"),
        "where": _WHERE,
        "from": text("name of the step after which it must not happen; the first if absent"),
        "to": text("name of the step before which it must not happen; the last if absent"),
        "effect": text(
            "`end_attempt`: the attempt ends, its steps count; `remove_actor`: neither it nor the actor counts",
            enum=list(Effect),
            default="end_attempt",
        ),
    },
)

_SESSION = mapping(
    "counts each session of an actor by itself: by `property` or by `gap`",
    {
        "property": path_text("event property that holds the session's id; an event without it is in no session"),
        "gap": duration("a session ends when the actor has no event at all for longer than this", "1s", "400d"),
    },
)

_BREAKDOWN: Schema = {
    "description": "an event property whose value the entry event has, or a name and which value it is",
    "anyOf": [
        path_text("event property; also the breakdown's name"),
        mapping(
            "a breakdown under its own name",
            {
                "name": text("name in series, reports and dashboards", maxLength=100),
                "properties": list_of(
                    "event properties, the first that the event has counts (this or `combine`)",
                    path_text("event property"),
                ),
                "combine": list_of(
                    "two event properties whose values count as one, as in `mobile / search`",
                    path_text("event property"),
                    least=2,
                    maxItems=2,
                    uniqueItems=True,
                ),
                "attribution": text(
                    "which event has the value: `first_touch`, the entry event; `first_defined` and `last_touch`, the "
                    "first and the last step event that has one; `step`, the reported chain's event of `step`; "
                    "`all_steps`, every event of the chain, for what `hold_constant` names",
                    enum=list(Attribution),
                    default="first_touch",
                ),
                "step": text("with `attribution: step`: name of the step"),
                "export": mapping(
                    "which values become series of their own; the others are `__other__`",
                    {
                        "top_segments": setting(
                            "integer",
                            "how many values are exported, the largest first; the tracker's `export.top_segments` "
                            "if absent",
                            minimum=0,
                            maximum=1_000,
                        ),
                        "allow": list_of(
                            "values always exported, besides those of the tracker's `export.allow`",
                            text("value"),
                            uniqueItems=True,
                        ),
                    },
                ),
            },
            ("name",),
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
                "how steps follow one another: `ordered`, other events may come between; `strict`, none may; "
                "`any`, in whichever order",
                enum=list(Order),
                default="ordered",
            ),
            "events": _names(
                "with `order: strict`: what breaks a chain besides the steps' events; all if absent", least=0
            ),
            "strict_time": setting(
                "boolean", "whether each step must be later than the one before, not of the same instant", default=False
            ),
            "entry": text(
                "which first-step events may start a chain: every one, or only the first of each period",
                enum=["every", "first"],
                default="every",
            ),
            "open": setting("boolean", "whether chains may start at any step, not only at the first", default=False),
            "hold_constant": list_of(
                "properties whose values are the same in all events of a chain",
                path_text("event property"),
                maxItems=3,
                uniqueItems=True,
            ),
            "session": _SESSION,
            "time_granularity": duration(
                "times are rounded down to it before steps are matched; at most the window",
                "1ms",
                "1d",
                default="1ms",
            ),
            "stage_model": _STAGE_MODEL,
            "steps": list_of("the steps, first to last", _STEP, least=2),
            "exclusions": list_of("what must not happen on the way", _EXCLUSION, least=0, default=[]),
            "breakdowns": list_of("what the numbers are split by", _BREAKDOWN, least=0, default=[]),
            "target": share("share of those that enter which should convert; for dashboards and the alert on it"),
            "benchmarks": list_of(
                "shares to compare conversion with, the lowest first; a landing page has 2.35% on average, 5.31% in "
                "the top quarter",
                mapping(
                    "a share and its name",
                    {"name": text("name in series and dashboards", maxLength=100), "conversion": share("the share")},
                    ("name", "conversion"),
                ),
                least=0,
                default=[],
            ),
            "period": period("entry period for unique actors; the tracker's `period` if absent"),
        },
        ("funnel", "window", "steps"),
    ),
}
