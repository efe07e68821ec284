"""The API's description in OpenAPI 3.1, made of the structures that it answers with.

Out: `PATHS`; `document()`, and its text as config/schema/openapi.json holds it (`python -m stream.web.openapi`).
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from stream.analyze.explained_forms import ExplanationDoc
from stream.web.forms import CohortsDoc, ErrorDoc, Form, FunnelsDoc, HealthDoc, Unit, ViewDoc

VERSION = "1.0.0"

Json = dict[str, Any]


class _Path(NamedTuple):
    """One path: what it answers with, in which way, and what it takes."""

    summary: str
    answer: type[msgspec.Struct]
    parameters: tuple[Json, ...] = ()
    media_type: str = "application/json"
    refusals: tuple[int, ...] = ()


def _in_path(name: str, meaning: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "description": meaning, "schema": schema}


def _in_query(name: str, meaning: str, schema: Json, *, required: bool = False) -> Json:
    return {"name": name, "in": "query", "required": required, "description": meaning, "schema": schema}


_TEXT: Json = {"type": "string"}
_VERSION: Json = {"type": "integer", "minimum": 1}
_FUNNEL = (_in_path("name", "name of the funnel", _TEXT), _in_path("version", "its version", _VERSION))
_WINDOW = _in_query(
    "window", "a rolling window; 1h if there is one, else the first. Of people: the period's unit", _TEXT
)
_CHOICE = (
    _in_query("counts", "what is counted", {"enum": [each.value for each in Unit], "default": Unit.ATTEMPTS.value}),
    _WINDOW,
    _in_query(
        "form",
        "attempts: rolling (default) or matured; people: current (default) or previous",
        {"enum": [each.value for each in Form]},
    ),
    _in_query("breakdown", "its segments come along, side by side", _TEXT),
    _in_query("segment", "one value of the breakdown, whose numbers are shown", _TEXT),
)
_STREAMED = (
    _in_query("funnel", "name of the funnel", _TEXT, required=True),
    _in_query("version", "its version", _VERSION, required=True),
)

PATHS = {
    "/api/v1/funnels": _Path("The funnels, and what can be chosen of each", FunnelsDoc),
    "/api/v1/funnels/{name}/{version}": _Path(
        "The numbers of one choice", ViewDoc, (*_FUNNEL, *_CHOICE), refusals=(400, 404)
    ),
    "/api/v1/funnels/{name}/{version}/cohorts": _Path(
        "Entry cohorts: how far those came that entered in each slot of a rolling window",
        CohortsDoc,
        (*_FUNNEL, _WINDOW),
        refusals=(400, 404, 409, 503),
    ),
    "/api/v1/actors/{pseudonym}": _Path(
        "What became of one actor, as `funnel explain` says it",
        ExplanationDoc,
        (_in_path("pseudonym", "key under which the actor is stored: 24 hexadecimal digits", _TEXT),),
        refusals=(400, 404, 503),
    ),
    "/api/v1/health": _Path("How the numbers are kept up", HealthDoc),
    "/api/v1/stream": _Path(
        "Server-sent events: the numbers of one choice at once, and then whenever they have changed",
        ViewDoc,
        (*_STREAMED, *_CHOICE),
        media_type="text/event-stream",
        refusals=(400, 404, 503),
    ),
}
_REFUSALS = {
    400: "A parameter is wrong; the answer lists what is allowed",
    401: "The token is missing or wrong",
    403: "The address is not served, or not under this name",
    404: "There is no such thing; the answer lists what there is",
    409: "Live counts other funnels than this process has",
    503: "The store gives no answer now, or too many streams are open",
}


def document() -> Json:
    """Return the description."""
    answers: list[type[msgspec.Struct]] = [*dict.fromkeys(path.answer for path in PATHS.values()), ErrorDoc]
    references, schemas = msgspec.json.schema_components(answers, ref_template="#/components/schemas/{name}")
    by_type = dict(zip(answers, references, strict=True))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Funnel tracker",
            "version": VERSION,
            "description": "Live funnels, read-only. What the numbers mean: docs/metrics.md. What cannot be said is "
            "null, never 0.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{}, {"token": []}],
        "paths": {path: {"get": _operation(each, by_type)} for path, each in PATHS.items()},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas,
        },
    }


@cache
def text() -> str:
    """Return the description as its file holds it."""
    return json.dumps(document(), indent=2) + "\n"


def _operation(path: _Path, by_type: dict[type[msgspec.Struct], Json]) -> Json:
    described = "The numbers" if path.media_type == "application/json" else "Events whose `data` is the JSON"
    refused = {"application/json": {"schema": by_type[ErrorDoc]}}
    return {
        "summary": path.summary,
        "parameters": list(path.parameters),
        "responses": {
            "200": {"description": described, "content": {path.media_type: {"schema": by_type[path.answer]}}},
            **{
                str(status): {"description": _REFUSALS[status], "content": refused}
                for status in sorted({401, 403, *path.refusals})
            },
        },
    }


if __name__ == "__main__":
    Path("config/schema/openapi.json").write_text(text(), encoding="utf-8")
