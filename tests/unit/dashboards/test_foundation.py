"""Grafana's own models (grafana-foundation-sdk, Grafana 11.6) read every dashboard and write the same.

The models leave out what they do not know and fill in what may be left out: both are listed here, and nothing else
may differ.
"""

import json
import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from grafana_foundation_sdk.cog import plugins
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

from support.boards import committed, everything

FILLED_IN = {
    "fiscalYearStartMonth": 0, "skipUrlSync": False,
    "transparent": False, "repeatDirection": "h",  # panels
    "allowCustomValue": True, "auto": False, "auto_min": "10s", "auto_count": 30,  # variables
    "showTypeIcons": False, "footer": {"show": False, "reducer": [], "countRows": False},  # tables
}  # fmt: skip
NEWER = {"enablePagination"}  # of tables, since Grafana 12
BOARDS = {f"shipped {name}": board for name, board in committed().items()} | everything()


def differences(ours, theirs, path=""):
    if isinstance(ours, dict) and isinstance(theirs, dict):
        yield from (f"{path}/{key} is lost" for key in ours.keys() - theirs.keys() - NEWER)
        for key in theirs.keys() - ours.keys():
            if key not in FILLED_IN or theirs[key] != FILLED_IN[key]:
                yield f"{path}/{key} is added: {theirs[key]}"
        for key in ours.keys() & theirs.keys():
            yield from differences(ours[key], theirs[key], f"{path}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for at, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, f"{path}/{at}")
    elif ours != theirs or type(ours) is not type(theirs):
        yield f"{path}: {ours!r} became {theirs!r}"


def round_trip(board):
    plugins.register_default_plugins()
    return json.loads(json.dumps(Dashboard.from_json(json.loads(json.dumps(board))), cls=JSONEncoder))


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_grafanas_models_hold_all_that_is_written(name):
    assert list(differences(BOARDS[name], round_trip(BOARDS[name]))) == []


def test_a_key_that_grafana_does_not_know_is_noticed():
    board = json.loads(json.dumps(committed()["funnel.json"]))
    board["panels"][1]["titel"] = "x"
    board["panels"][1]["options"]["colourMode"] = "value"
    assert sorted(differences(board, round_trip(board))) == [
        "/panels/1/options/colourMode is lost",
        "/panels/1/titel is lost",
    ]
