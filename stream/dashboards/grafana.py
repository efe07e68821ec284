"""Grafana's JSON of a dashboard's description.

In:  a `Dashboard`.
Out: plain dicts and lists, for Grafana 11 and later.

Panels are laid out left to right in 24 columns, so none can overlap; ids and reference
letters follow from the order, so equal descriptions give equal bytes.
"""

import json
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from stream.dashboards.panel import PLAIN, POINTS, SHARE, Dashboard, Levels, Link, Order, Panel, Query, Row, Variable

DATASOURCE_UID = "funnel-prometheus"
"""Of the provisioned data source; another one can be chosen at the top."""
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
TAGS = ["funnels"]
SCHEMA_VERSION = 39  # what Grafana 11.0 writes; later versions migrate it on load
COLUMNS = 24
NO_CELL = "-"
"""In a table's cell that has no value; the panel's own text is for a table without any row."""
_DECIMALS = {SHARE: 1, POINTS: 1, "none": 2}

Json = dict[str, Any]


def to_json(dashboard: Dashboard) -> str:
    """Return the file's text, ending in a newline."""
    return json.dumps(as_model(dashboard), indent=2, ensure_ascii=False) + "\n"


def as_model(dashboard: Dashboard) -> Json:
    """Return Grafana's JSON model of `dashboard`."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": TAGS,
        "editable": False,  # the files are written by a command, and provisioned anew
        "graphTooltip": 1,
        "refresh": "10s",
        "schemaVersion": SCHEMA_VERSION,
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource(), *(_variable(variable) for variable in dashboard.variables)]},
        "annotations": {"list": []},
        "links": [_link(link) for link in dashboard.links],
        "panels": _layout(dashboard.rows),
    }


def _datasource() -> Json:
    return {
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "regex": "",
        "current": {"selected": True, "text": "Prometheus", "value": DATASOURCE_UID},
        "hide": 0, "includeAll": False, "multi": False, "options": [], "refresh": 1,
    }  # fmt: skip


_SORT = {Order.ALPHABETICAL: 1, Order.NEWEST_NUMBER_FIRST: 4, Order.NATURAL: 7}


def _variable(variable: Variable) -> Json:
    model: Json = {
        "name": variable.name, "label": variable.label, "description": variable.description, "hide": 0,
        "multi": variable.several, "includeAll": bool(variable.all_value), "skipUrlSync": False,
        "current": _current(variable),
    }  # fmt: skip
    if variable.all_value:
        model["allValue"] = variable.all_value
    if not variable.query:
        options = [_choice(option, is_selected=option == variable.default) for option in variable.options]
        return model | {"type": "custom", "query": ",".join(variable.options), "options": options}
    return model | {
        "type": "query", "datasource": DATASOURCE, "query": {"query": variable.query, "refId": variable.name},
        "refresh": 2, "regex": "", "sort": _SORT[variable.order], "options": [],
    }  # fmt: skip


def _current(variable: Variable) -> Json:
    if variable.all_value:
        text, value = "All", "$__all"
    else:
        text = value = variable.default
    if variable.several:
        return {"selected": True, "text": [text], "value": [value]}
    return {"selected": bool(value), "text": text, "value": value}


def _choice(value: str, *, is_selected: bool) -> Json:
    return {"selected": is_selected, "text": value, "value": value}


def _link(link: Link) -> Json:
    return {
        "title": link.title, "type": "link", "url": f"/d/{link.uid}", "icon": "dashboard", "tooltip": "", "tags": [],
        "asDropdown": False, "targetBlank": False, "includeVars": True, "keepTime": True,
    }  # fmt: skip


def _layout(rows: Sequence[Row]) -> list[Json]:
    models: list[Json] = []
    top = 0
    for row in rows:
        at = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
        models.append({"id": len(models) + 1, "type": "row", "title": row.title, "collapsed": False,
                       "gridPos": at, "panels": []})  # fmt: skip
        top += 1
        left = tallest = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top += tallest
                left = tallest = 0
            at = {"h": panel.height, "w": panel.width, "x": left, "y": top}
            models.append({"id": len(models) + 1, "gridPos": at} | _panel(panel))
            left += panel.width
            tallest = max(tallest, panel.height)
        top += tallest
    return models


def _panel(panel: Panel) -> Json:
    model: Json = {
        "type": panel.kind,
        "title": panel.title,
        "description": f"{panel.description} {panel.of}",
        "datasource": DATASOURCE,
        "targets": [_target(panel, query, ref) for query, ref in _lettered(panel)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
        "transformations": _transformations(panel),
    }
    if panel.time_from:
        model["timeFrom"] = panel.time_from
    if panel.points:
        model["maxDataPoints"] = panel.points
    return model


def _lettered(panel: Panel) -> list[tuple[Query, str]]:
    return list(zip(panel.queries, ascii_uppercase, strict=False))


def _target(panel: Panel, query: Query, ref: str) -> Json:
    is_range = panel.kind in {"timeseries", "heatmap"} or (panel.matrix is not None and panel.matrix.row == "Time")
    form = "heatmap" if panel.kind == "heatmap" else "table" if _is_tabular(panel) else "time_series"
    target: Json = {
        "refId": ref, "datasource": DATASOURCE, "editorMode": "code", "expr": query.expr, "format": form,
        "instant": not is_range, "range": is_range, "legendFormat": query.legend or "__auto",
    }  # fmt: skip
    return target | {"interval": query.step} if query.step else target


def _is_tabular(panel: Panel) -> bool:
    return bool(panel.labels) or panel.matrix is not None


def _thresholds(levels: Levels) -> Json:
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for value, colour in levels]}


def _defaults(panel: Panel) -> Json:
    defaults: Json = {"unit": panel.unit, "thresholds": _thresholds(panel.levels), "noValue": panel.no_value}
    if panel.unit in _DECIMALS:
        defaults["decimals"] = _DECIMALS[panel.unit]
    if panel.kind in {"timeseries", "bargauge"} or panel.matrix:
        defaults["min"] = 0
    if panel.highest is not None:
        defaults["max"] = panel.highest
    return defaults | _look(panel)


def _look(panel: Panel) -> Json:
    """Return how values are drawn: Grafana's `color` and `custom`."""
    if panel.kind == "timeseries":
        custom = {"lineWidth": 2, "fillOpacity": 8, "showPoints": "auto", "spanNulls": False}
        return {"color": {"mode": "palette-classic"}, "custom": custom}
    if panel.kind == "heatmap":
        return {"custom": {"scaleDistribution": {"type": "linear"}}}
    if panel.matrix:
        cell = {"type": "color-background", "mode": "basic"}
        return {"color": {"mode": "continuous-blues"},
                "custom": {"align": "auto", "inspect": False, "cellOptions": cell}}  # fmt: skip
    look: Json = {"color": {"mode": "thresholds"}}
    if panel.kind == "table":
        look["custom"] = {"align": "auto", "inspect": False, "cellOptions": {"type": "auto"}}
    return look


def _override(matcher: str, what: str, properties: Mapping[str, Any]) -> Json:
    listed = [{"id": name, "value": value} for name, value in properties.items()]
    return {"matcher": {"id": matcher, "options": what}, "properties": listed}


def _overrides(panel: Panel) -> list[Json]:
    found = [_override("byName", query.column, _column(query)) for query in panel.queries if query.column]
    if panel.matrix:
        found.append(_override("byType", "number", {"noValue": NO_CELL}))
        plain = {"custom.cellOptions": {"type": "auto"}}
        found.append(_override("byName", panel.matrix.heading, plain | {"unit": "string"}))
        found += [_override("byName", name, {"unit": unit} | plain) for name, unit in panel.matrix.units.items()]
    if panel.dashed:
        dashes = {"custom.lineStyle": {"fill": "dash", "dash": [8, 6]}, "custom.fillOpacity": 0, "custom.lineWidth": 1}
        found.append(_override("byRegexp", f"/{panel.dashed}/", dashes))
    if panel.drill:
        heading = panel.matrix.heading if panel.matrix else next(iter(panel.labels.values()))
        found.append(_override("byName", heading, {"links": [{"title": "Show its funnel", "url": panel.drill}]}))
    return found


def _column(query: Query) -> Json:
    properties: Json = {"noValue": NO_CELL}
    decimals = _DECIMALS.get(query.unit) if query.decimals is None else query.decimals
    if query.unit:
        properties["unit"] = query.unit
    if decimals is not None:
        properties["decimals"] = decimals
    if query.levels:
        properties |= {"thresholds": _thresholds(query.levels), "custom.cellOptions": {"type": "color-text"}}
    return properties


def _transformations(panel: Panel) -> list[Json]:
    """Join a table's queries by their labels, order the rows, and give the columns their headings."""
    if panel.matrix:
        return _matrix(panel)
    if not panel.labels:
        return []
    headings = dict(panel.labels)
    several = len(panel.queries) > 1
    for query, ref in _lettered(panel):
        headings[f"Value #{ref}" if several else "Value"] = query.column
    by = next(iter(panel.labels))
    if panel.largest_first:
        by = "Value #A" if several else "Value"
    order = {name: place for place, name in enumerate(headings)}
    hidden = dict.fromkeys(("Time", *panel.hidden), True)
    return [
        *([{"id": "merge", "options": {}}] if several else []),
        _sorted_by(by, is_descending=panel.largest_first),
        {"id": "organize", "options": {"excludeByName": hidden, "indexByName": order, "renameByName": headings}},
    ]


def _matrix(panel: Panel) -> list[Json]:
    matrix = panel.matrix
    assert matrix is not None  # noqa: S101 - the caller has looked
    corner = f"{matrix.row}\\{matrix.column}"
    shape = {"rowField": matrix.row, "columnField": matrix.column, "valueField": "Value", "emptyValue": "null"}
    # The columns come in the order of the rows they are made of.
    return [
        *([_sorted_by(matrix.column)] if matrix.row != "Time" else []),
        {"id": "groupingToMatrix", "options": shape},
        _sorted_by(corner, is_descending=matrix.newest_first),
        {"id": "organize",
         "options": {"excludeByName": {}, "indexByName": {}, "renameByName": {corner: matrix.heading}}},
    ]  # fmt: skip


def _sorted_by(name: str, *, is_descending: bool = False) -> Json:
    return {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": name, "desc": is_descending}]}}


def _options(panel: Panel) -> Json:
    options = _OPTIONS[panel.kind]
    if panel.shows_name:
        options = options | {"textMode": "value_and_name"}
    if panel.kind == "stat" and panel.levels == PLAIN:
        options = options | {"colorMode": "none"}
    if panel.kind == "bargauge" and not panel.labels:
        options = options | {"reduceOptions": _LAST}
    return options


_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
_OPTIONS: dict[str, Json] = {
    "stat": {"reduceOptions": _LAST, "colorMode": "value", "graphMode": "none", "textMode": "auto",
             "justifyMode": "auto", "orientation": "auto", "wideLayout": True, "showPercentChange": False,
             "percentChangeColorMode": "standard"},
    "timeseries": {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "bargauge": {"reduceOptions": {"calcs": [], "fields": "", "values": True, "limit": 50}, "displayMode": "gradient",
                 "orientation": "horizontal", "valueMode": "color", "showUnfilled": True, "namePlacement": "left",
                 "minVizHeight": 16, "minVizWidth": 8, "maxVizHeight": 40, "sizing": "auto",
                 "legend": {**_LEGEND, "showLegend": False}},
    "table": {"frameIndex": 0, "showHeader": True, "cellHeight": "sm", "enablePagination": True},
    "heatmap": {"calculate": False, "cellGap": 1,
                "color": {"mode": "scheme", "scheme": "Blues", "fill": "dark-blue", "scale": "exponential",
                          "exponent": 0.5, "steps": 32, "reverse": False},
                "exemplars": {"color": "rgba(255,0,255,0.7)"}, "filterValues": {"le": 1e-9}, "legend": {"show": True},
                "rowsFrame": {"layout": "auto"}, "showValue": "never", "selectionMode": "x",
                "tooltip": {"mode": "single", "showColorScale": True, "yHistogram": False},
                "yAxis": {"axisPlacement": "left", "reverse": False, "unit": "s"}},
}  # fmt: skip
