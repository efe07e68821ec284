"""The committed dashboard is what the description says, and can be read by Grafana."""

import argparse
import json
import re
from itertools import combinations
from pathlib import Path

import pytest

from stream.cli import dashboards as command
from stream.errors import DashboardError
from stream.metrics import names
from stream.metrics.dashboards import DATASOURCE_UID, FILES, differing, write

FOLDER = Path(__file__).parents[3] / "grafana" / "dashboards"
KNOWN = {name for series in names.ALL for name in series.sample_names}
ABOUT_FUNNELS = {name for series in names.ABOUT_FUNNELS for name in series.sample_names}


def model(name: str) -> dict:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


@pytest.fixture(params=sorted(FILES))
def dashboard(request):
    return model(request.param)


def panels(dashboard: dict) -> list[dict]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard: dict) -> list[str]:
    return [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]


def series_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:funnel|process)_\w+", expression))


def test_the_committed_files_regenerate_without_a_difference():
    assert differing(FOLDER) == [], "run `funnel dashboards` and commit the result"


def test_the_overview_keeps_its_address_and_datasource():
    overview = model("funnel.json")
    assert overview["uid"] == "funnel-overview"
    source = overview["templating"]["list"][0]
    assert (source["type"], source["name"], source["current"]["value"]) == ("datasource", "datasource", DATASOURCE_UID)


def test_every_panel_says_what_it_shows_and_in_which_unit(dashboard):
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    titles = [panel["title"] for panel in dashboard["panels"]]
    assert len(set(titles)) == len(titles)


def test_every_panel_asks_something(dashboard):
    for panel in panels(dashboard):
        assert panel["targets"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)
        assert all(target["expr"].strip() for target in panel["targets"])


def test_panels_lie_side_by_side_inside_the_grid(dashboard):
    boxes = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(box["x"] >= 0 and box["x"] + box["w"] <= 24 for box in boxes)
    for one, other in combinations(boxes, 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_every_query_names_series_that_exist(dashboard):
    for expression in expressions(dashboard):
        assert series_in(expression), expression
        assert series_in(expression) <= KNOWN, expression
    for variable in dashboard["templating"]["list"]:
        assert series_in(str(variable.get("definition", ""))) <= KNOWN


def test_labels_in_queries_belong_to_their_series(dashboard):
    labels = {name: {*series.labels, "le"} for series in names.ALL for name in series.sample_names}
    for expression in expressions(dashboard):
        for name, selector in re.findall(r"\b((?:funnel|process)_\w+)\{([^}]*)\}", expression):
            assert set(re.findall(r'(\w+)(?:=~|!=|=)"', selector)) <= labels[name], expression


def test_funnel_series_are_never_summed_over_workers(dashboard):
    """`sum` may add steps or partitions, but only after `max` has chosen one worker, or per instance."""
    for expression in expressions(dashboard):
        for name in series_in(expression) & ABOUT_FUNNELS:
            for before in (expression[: match.start()] for match in re.finditer(rf"\b{name}\b", expression)):
                nearest = re.findall(r"\b(sum|max|avg|count)\b(?: by \(([^)]*)\))? ?\(", before)[-1]
                assert nearest[0] == "max" or "instance" in nearest[1], expression


def test_every_variable_in_a_query_is_declared(dashboard):
    declared = {variable["name"] for variable in dashboard["templating"]["list"]}
    definitions = [str(variable.get("definition", "")) for variable in dashboard["templating"]["list"]]
    used = {name for text in expressions(dashboard) + definitions for name in re.findall(r"\$(\w+)", text)}
    assert used - {"__rate_interval"} <= declared
    assert declared - {"datasource"} <= used, "a choice that changes nothing"


def test_the_command_writes_and_checks(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers())
    check = parser.parse_args(["dashboards", "--folder", str(tmp_path), "--check"])
    assert check.run(check) == 1
    assert "funnel.json" in capsys.readouterr().err
    generate = parser.parse_args(["dashboards", "--folder", str(tmp_path)])
    assert generate.run(generate) == 0
    assert check.run(check) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DashboardError, match=r"missing.*--folder"):
        write(tmp_path / "missing")
