"""The API's description: its file is current, every route stands in it and in docs/api.md."""

import json
from pathlib import Path

import pytest
from aiohttp import web

from stream.settings.tracker import SourceSettings, TrackerSettings
from stream.store.memory import MemoryServer, MemoryStore
from stream.web import openapi
from stream.web.pages import Pages
from support.rollups import SHOP

ROOT = Path(__file__).parents[3]


def test_the_published_description_is_the_one_that_is_served():
    assert (ROOT / "config/schema/openapi.json").read_text() == openapi.text(), "run: python -m stream.web.openapi"


def test_every_route_of_the_api_is_described():
    settings = TrackerSettings((SourceSettings("shop", ("clicks",)),), Path())
    app = web.Application()
    Pages(settings, [SHOP], MemoryStore(MemoryServer()), "127.0.0.1", lambda: (True, "")).add_routes(app)
    served = {route.resource.canonical for route in app.router.routes() if route.resource is not None}
    assert {path for path in served if path.startswith("/api/v1")} == set(openapi.PATHS)


@pytest.mark.parametrize("path", openapi.PATHS)
def test_every_path_and_parameter_stands_in_the_docs(path):
    page = (ROOT / "docs/api.md").read_text()
    assert f"`{path}" in page
    for parameter in openapi.PATHS[path].parameters:
        assert f"`{parameter['name']}`" in page


def test_every_reference_leads_to_a_schema():
    document = openapi.document()
    text = json.dumps(document)
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= set(document["components"]["schemas"])
    assert document["openapi"] == "3.1.0"
