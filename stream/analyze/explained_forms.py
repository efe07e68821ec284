"""The form of the JSON of `funnel explain`.

Out: the document's structures; `schema()`, its JSON Schema (config/schema/explanation.schema.json).

A new optional field keeps the version; anything else raises it.
"""

import json
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from stream.engine.explain import Limit, Outcome, Why

VERSION = 1

Instant = Annotated[str, Meta(description="ISO 8601, UTC, to the millisecond")]
Number = Annotated[int, Meta(ge=1)]


class _Strict(msgspec.Struct, omit_defaults=False, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are errors, so that the schema is as narrow as the documents."""


class ChainEventDoc(_Strict):
    """An event of a reported chain. step, name: null in any order, where only the level counts."""

    level: Number
    step: Number | None
    name: str | None
    time: Instant
    id: Annotated[str | None, Meta(description="null: it is sealed")]


class AttemptDoc(_Strict):
    """One attempt, numbered over all units of the funnel in which it is."""

    attempt: Number
    entered: Instant
    outcome: Outcome
    step: Annotated[int, Meta(ge=1, description="the deepest it reached")]
    closed: Annotated[Instant | None, Meta(description="null: it is pending")]
    pending_until: Instant | None
    exclusion: Annotated[int | None, Meta(description="number of the exclusion that ended its chains")]
    chain: list[ChainEventDoc]


class PeriodResultDoc(_Strict):
    """What the actor comes to in an entry period. step 0: nowhere, since an exclusion removes the actor."""

    start: Instant
    end: Instant
    step: Annotated[int, Meta(ge=0)]
    chain: list[ChainEventDoc]


class HeldDoc(_Strict):
    """A property whose value is the counted unit's: the session's id, or one held constant."""

    property: str
    value: str


class UnitDoc(_Strict):
    """A counted unit of the actor. stage: the furthest step of the open attempt, or of one converted within its window.

    sealed: whether what is older than the allowed lateness is folded, so that nothing is known of its events.
    """

    unit: list[HeldDoc]
    stage: Annotated[int, Meta(ge=0)]
    until: Annotated[Instant | None, Meta(description="until when it stands there")]
    sealed: bool
    attempts: list[AttemptDoc]
    periods: list[PeriodResultDoc]


class PartDoc(_Strict):
    """An event's part in a reported chain: of an attempt, or of a period; the other is null."""

    level: Number
    attempt: Number | None
    period: Instant | None


class EventDoc(_Strict):
    """An event, or a record that is none, and what it did. text: the reason in words.

    place: its line, or offset. step, exclusion, over_seconds: those the reason is about. by: ids of the events that
    did it; of a copy the place of the first.
    """

    place: str | None
    time: Instant | None
    name: str | None
    id: str | None
    why: Why
    text: str
    step: Number | None
    exclusion: Number | None
    limit: Limit | None
    over_seconds: float | None
    by: list[str]
    chains: list[PartDoc]


class FunnelExplanationDoc(_Strict):
    """One actor in one funnel, on one partition of the log (null: a file)."""

    funnel: str
    version: Annotated[int, Meta(ge=1)]
    title: str
    partition: int | None
    window_seconds: float
    steps: list[str]
    units: list[UnitDoc]
    events: list[EventDoc]


class ExplainedSourceDoc(_Strict):
    """Where it was read."""

    kind: Literal["file", "topic", "live"]
    name: str


class ExplanationDoc(_Strict):
    """What `funnel explain --json` prints. actor: as it was asked for; live it is the key under which it is stored."""

    format: Literal["funnel-explanation"]
    version: Annotated[int, Meta(ge=1)]
    source: ExplainedSourceDoc
    actor: str
    as_of: Instant | None
    funnels: list[FunnelExplanationDoc]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of an explanation (draft 2020-12)."""
    (root,), definitions = msgspec.json.schema_components([ExplanationDoc], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Explanation of one actor",
        **root,
        "$defs": definitions,
    }


def schema_text() -> str:
    """Return the schema as config/schema/explanation.schema.json holds it."""
    return json.dumps(schema(), indent=2) + "\n"
