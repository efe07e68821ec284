"""What good dashboards have in common: the rules of Grafana's dashboard linter in our words, and some of our own.

Promises: every dashboard keeps them, those shipped and those of funnels with everything. `$job` and `$instance` are
asked for on Pipeline health alone, as `stream.dashboards.choices` says; PromQL is parsed where a real Prometheus
answers it (tests/service/dashboards).
"""

import json
import re
from itertools import combinations

import pytest

from stream.dashboards import choices
from stream.dashboards.grafana import DATASOURCE_UID, TAGS
from stream.dashboards.panel import POINTS, Of
from stream.metrics import names
from support.boards import committed, everything, panels, targets, variables

KNOWN = {name for series in names.ALL for name in series.sample_names}
ABOUT_FUNNELS = {name for series in names.ABOUT_FUNNELS for name in series.sample_names}
OF_THE_LOG = {series.name for series in (*names.ABOUT_FUNNELS, *names.ABOUT_RUNS) if "funnel" not in series.labels}
UNITS = {"short", "locale", "none", "percentunit", "s", "cps", "bytes", "string", "dateTimeAsIso", POINTS}
"""Those of Grafana's units that are used; it draws an unknown one as text behind the number."""
BOARDS = {f"shipped {name}": board for name, board in committed().items()} | everything()


@pytest.fixture(params=sorted(BOARDS))
def board(request):
    return BOARDS[request.param]


def expressions(board):
    return [target["expr"] for _, target in targets(board)]


def series_in(expression):
    return set(re.findall(r"\b(?:funnel|process)_\w+", expression))


def definitions(board):
    return [variable["query"]["query"] for variable in variables(board).values() if variable["type"] == "query"]


def test_each_has_an_address_of_its_own_and_the_common_tag():
    uids = {name: board["uid"] for name, board in committed().items()}
    assert uids == {
        "funnel.json": "funnel-overview",
        "compare.json": "funnel-compare",
        "business.json": "funnel-business",
        "health.json": "funnel-health",
    }
    assert len({board["title"] for board in committed().values()}) == len(uids)
    assert all(board["tags"] == TAGS for board in committed().values())


def test_it_cannot_be_edited_where_it_would_be_overwritten(board):
    assert board["editable"] is False


def test_one_data_source_is_chosen_at_the_top_and_asked_everywhere(board):
    first, *others = variables(board).values()
    assert (first["type"], first["name"], first["label"]) == ("datasource", "datasource", "Data source")
    assert (first["query"], first["current"]["value"]) == ("prometheus", DATASOURCE_UID)
    assert "datasource" not in {each["type"] for each in others}
    asked = [*panels(board), *(target for _, target in targets(board))]
    asked += [each for each in others if each["type"] == "query"]
    assert {json.dumps(each["datasource"]) for each in asked} == {'{"type": "prometheus", "uid": "${datasource}"}'}


def test_choices_are_looked_up_again_when_the_time_range_changes(board):
    found = [each["refresh"] for each in variables(board).values() if each["type"] == "query"]
    assert set(found) == {2}


def test_every_choice_says_what_it_is(board):
    for variable in list(variables(board).values())[1:]:
        assert variable["label"]
        assert variable["description"].endswith("."), variable["name"]


def test_job_and_instance_are_chosen_where_they_change_something(board):
    found = {name: variables(board).get(name) for name in ("job", "instance")}
    if board["uid"] != choices.HEALTH_UID:
        assert found == {"job": None, "instance": None}
        return
    for name, variable in found.items():
        assert (variable["label"], variable["multi"], variable["allValue"]) == (name, True, ".+")
    for expression in expressions(board):
        for name, selector in re.findall(r"\b((?:funnel|process)_\w+)(\{[^}]*\})?", expression):
            if name not in OF_THE_LOG:
                assert 'job=~"$job",instance=~"$instance"' in selector, expression


def test_every_panel_says_what_it_shows_what_it_counts_and_why_there_may_be_nothing(board):
    for panel in panels(board):
        assert panel["title"]
        assert panel["description"].count(".") > 1, panel["title"]
        assert panel["description"].endswith(tuple(Of)), panel["title"]
        assert len(panel["fieldConfig"]["defaults"]["noValue"]) > 5, panel["title"]
    titles = [panel["title"] for panel in panels(board)]
    assert len(set(titles)) == len(titles)


def test_what_it_says_it_counts_is_what_it_asks_for(board):
    counted = {series.name for series in names.ALL if "counts" in series.labels}
    for panel, target in targets(board):
        asked = set(re.findall(r'counts="([^"]*)"', target["expr"]))
        allowed = {
            Of.CHOSEN: {"$counts"}, Of.ATTEMPTS: {"attempts"}, Of.PEOPLE: {"people"},
        }.get(next(each for each in Of if panel["description"].endswith(each)), set())  # fmt: skip
        assert asked <= allowed, panel["title"]
        for name, selector in re.findall(r"\b(funnel_\w+)(\{[^}]*\})?", target["expr"]):
            assert name not in counted or 'counts="' in selector, target["expr"]


def test_every_value_has_a_unit(board):
    for panel in panels(board):
        config = panel["fieldConfig"]
        assert config["defaults"]["unit"] in UNITS, panel["title"]
        properties = [each for override in config["overrides"] for each in override["properties"]]
        assert {each["value"] for each in properties if each["id"] == "unit"} <= UNITS
        shares = any("_ratio" in target["expr"] and "* (" not in target["expr"] for target in panel["targets"])
        units = {config["defaults"]["unit"], *(each["value"] for each in properties if each["id"] == "unit")}
        assert not shares or units & {"percentunit", POINTS, "none"}, panel["title"]


def test_every_panel_asks_something(board):
    for panel in panels(board):
        assert panel["targets"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)
        assert all(target["expr"].strip() for target in panel["targets"])


def test_rates_are_over_an_interval_that_has_enough_samples(board):
    for expression in expressions(board):
        ranges = re.findall(r"\b(?:rate|irate|increase)\((.*?)\)", expression)
        assert all(each.endswith("[$__rate_interval]") for each in ranges), expression
        assert len(re.findall(r"\[[^\]]*\]", expression)) == len(ranges), expression


def test_counters_are_shown_as_rates(board):
    for expression in expressions(board):
        for match in re.finditer(r"\b\w+_total\b", expression):
            assert expression[: match.start()].endswith("rate("), expression


def test_panels_lie_side_by_side_inside_the_grid(board):
    boxes = [panel["gridPos"] for panel in board["panels"]]
    assert all(box["x"] >= 0 and box["x"] + box["w"] <= 24 for box in boxes)
    for one, other in combinations(boxes, 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)


def test_rows_are_filled_to_the_edge(board):
    for top in {panel["gridPos"]["y"] for panel in board["panels"]}:
        assert sum(panel["gridPos"]["w"] for panel in board["panels"] if panel["gridPos"]["y"] == top) == 24, top


def test_the_first_row_is_one_of_single_numbers(board):
    row, *others = board["panels"]
    second = next(place for place, panel in enumerate(others) if panel["type"] == "row")
    assert row["type"] == "row"
    assert {panel["type"] for panel in others[:second]} == {"stat"}


def test_every_query_names_series_that_exist(board):
    for expression in expressions(board):
        assert series_in(expression), expression
        assert series_in(expression) <= KNOWN, expression
    for definition in definitions(board):
        assert series_in(definition) <= KNOWN


def test_labels_in_queries_belong_to_their_series(board):
    labels = {name: {*series.labels, "le", "job", "instance"} for series in names.ALL for name in series.sample_names}
    for expression in expressions(board):
        for name, selector in re.findall(r"\b((?:funnel|process)_\w+)\{([^}]*)\}", expression):
            assert set(re.findall(r'(\w+)(?:=~|!=|=)"', selector)) <= labels[name], expression


def test_funnel_series_are_never_summed_over_workers(board):
    """`sum` may add steps or partitions, but only after `max` has chosen one worker, or per instance."""
    for expression in expressions(board):
        for name in series_in(expression) & ABOUT_FUNNELS:
            for before in (expression[: match.start()] for match in re.finditer(rf"\b{name}\b", expression)):
                nearest = re.findall(r"\b(sum|max|avg|count)\b(?: by \(([^)]*)\))? ?\(", before)[-1]
                assert nearest[0] == "max" or "instance" in nearest[1], expression


def test_every_variable_in_a_query_is_declared_and_each_changes_something(board):
    declared = set(variables(board))
    texts = [json.dumps(panel) for panel in panels(board)] + definitions(board)
    used = {name for text in texts for name in re.findall(r"\$\{?([a-z_]\w*)", text)}
    assert used - {"__rate_interval", "__data"} == declared


def test_links_lead_to_the_other_dashboards_and_take_the_choices_along():
    boards = committed()
    addresses = {f"/d/{board['uid']}" for board in boards.values()}
    for board in boards.values():
        assert {link["url"] for link in board["links"]} == addresses - {f"/d/{board['uid']}"}
        assert all(link["includeVars"] and link["keepTime"] and link["type"] == "link" for link in board["links"])


def test_a_click_on_a_segment_shows_its_funnel(board):
    clicks = [
        (override["matcher"]["options"], link["url"])
        for panel in panels(board)
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "links"
        for link in each["value"]
    ]
    assert bool(clicks) == (board["uid"] == choices.FUNNEL_UID)
    for column, url in clicks:
        address, _, query = url.partition("?")
        assert address == f"/d/{choices.FUNNEL_UID}"
        kept = {re.sub(r"\$\{(\w+):queryparam\}", r"\1", each) for each in query.split("&")}
        assert kept - {f"var-segment=${{__data.fields.{column}:percentencode}}"} == set(variables(board)) - {"segment"}
