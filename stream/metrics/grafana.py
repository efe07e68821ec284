"""Grafana dashboard JSON from a short description in Python.

In:  rows of panels with their queries.
Out: the dashboard as plain dicts and lists, for Grafana 11 and later.

Panels are laid out left to right in 24 columns, so none can overlap; ids and reference
letters follow from the order, so equal descriptions give equal bytes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
SCHEMA_VERSION = 39  # what Grafana 11.0 writes; later versions migrate it on load
COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL query; `legend` may use {{label}}. As a `column` it is one column of a table."""

    expr: str
    legend: str = ""
    column: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `kind`: stat, timeseries, bargauge or table; `unit` is Grafana's id of a unit.

    label_columns: for bargauge and table, the labels shown, as label -> heading; the first one sorts.
    column_units: heading -> unit where a table's column differs from `unit`.
    """

    title: str
    description: str
    kind: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 12
    height: int = 8
    label_columns: dict[str, str] = field(default_factory=dict)
    column_units: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """A titled row of panels."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top. `query` is a `label_values(...)`; empty means the fixed `options`.

    `all_value` adds a choice "All" that stands for this text; `sort` is Grafana's number of an order.
    """

    name: str
    label: str
    query: str = ""
    options: tuple[str, ...] = ()
    all_value: str = ""
    sort: int = 1


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard file."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    datasource_uid: str


def to_json(dashboard: Dashboard) -> str:
    """Return the file's text, ending in a newline."""
    return json.dumps(as_model(dashboard), indent=2, ensure_ascii=False) + "\n"


def as_model(dashboard: Dashboard) -> dict[str, Any]:
    """Return Grafana's JSON model of `dashboard`."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["funnel"],
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "schemaVersion": SCHEMA_VERSION,
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [_datasource(dashboard.datasource_uid), *(_variable(variable) for variable in dashboard.variables)]
        },
        "annotations": {"list": []},
        "links": [],
        "panels": _layout(dashboard.rows),
    }


def _datasource(uid: str) -> dict[str, Any]:
    return {
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "regex": "",
        "current": {"selected": True, "text": "Prometheus", "value": uid},
        "hide": 0, "includeAll": False, "multi": False, "options": [], "refresh": 1,
    }  # fmt: skip


def _variable(variable: Variable) -> dict[str, Any]:
    model: dict[str, Any] = {
        "name": variable.name, "label": variable.label, "hide": 0, "multi": False,
        "includeAll": bool(variable.all_value), "skipUrlSync": False,
    }  # fmt: skip
    if variable.all_value:
        model |= {"allValue": variable.all_value, "current": {"selected": True, "text": "All", "value": "$__all"}}
    if not variable.query:
        options = [
            {"selected": option == variable.options[0], "text": option, "value": option} for option in variable.options
        ]
        return model | {
            "type": "custom", "query": ",".join(variable.options), "options": options, "current": options[0],
        }  # fmt: skip
    return {"current": {}} | model | {
        "type": "query", "datasource": DATASOURCE, "definition": variable.query,
        "query": {"query": variable.query, "refId": variable.name},
        "refresh": 2, "regex": "", "sort": variable.sort, "options": [],
    }  # fmt: skip


def _layout(rows: Sequence[Row]) -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = []
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


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "targets": [_target(panel, query, ref) for query, ref in zip(panel.queries, ascii_uppercase, strict=False)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _OPTIONS[panel.kind],
        "transformations": _transformations(panel),
    }


def _target(panel: Panel, query: Query, ref: str) -> dict[str, Any]:
    is_range = panel.kind == "timeseries"
    return {
        "refId": ref, "datasource": DATASOURCE, "editorMode": "code", "expr": query.expr,
        "format": "table" if panel.label_columns else "time_series",
        "instant": not is_range, "range": is_range, "legendFormat": query.legend or "__auto",
    }  # fmt: skip


def _defaults(panel: Panel) -> dict[str, Any]:
    plain = {"mode": "absolute", "steps": [{"color": "blue", "value": None}]}
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": plain, "noValue": "no data"}
    if panel.kind != "table":
        defaults["min"] = 0
    if panel.unit == "percentunit" and panel.kind != "table":
        defaults["max"] = 1
    if panel.kind == "timeseries":
        custom = {"lineWidth": 2, "fillOpacity": 8, "showPoints": "auto", "spanNulls": False}
        return defaults | {"color": {"mode": "palette-classic"}, "custom": custom}
    return defaults | {"color": {"mode": "thresholds"}}


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    return [
        {"matcher": {"id": "byName", "options": heading}, "properties": [{"id": "unit", "value": unit}]}
        for heading, unit in panel.column_units.items()
    ]


def _transformations(panel: Panel) -> list[dict[str, Any]]:
    """Join a table's queries by their labels, order the rows, and give the columns their headings."""
    if not panel.label_columns:
        return []
    headings = dict(panel.label_columns)
    first = next(iter(headings))
    several = len(panel.queries) > 1
    for query, ref in zip(panel.queries, ascii_uppercase, strict=False):
        headings[f"Value #{ref}" if several else "Value"] = query.column
    steps: list[dict[str, Any]] = [{"id": "merge", "options": {}}] if several else []
    if first == "step":
        # Step numbers are label text, and "10" sorts before "2".
        number = [{"targetField": "step", "destinationType": "number"}]
        steps.append({"id": "convertFieldType", "options": {"conversions": number, "fields": {}}})
    steps.append({"id": "sortBy", "options": {"fields": {}, "sort": [{"field": first}]}})
    order = {name: place for place, name in enumerate(headings)}
    hidden = {"Time": True} | ({"step": True} if panel.kind == "bargauge" and first == "step" else {})
    names = {name: heading for name, heading in headings.items() if name not in hidden}
    steps.append({"id": "organize",
                  "options": {"excludeByName": hidden, "indexByName": order, "renameByName": names}})  # fmt: skip
    return steps


_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: dict[str, dict[str, Any]] = {
    "stat": {"reduceOptions": _LAST, "colorMode": "value", "graphMode": "none", "textMode": "auto",
             "justifyMode": "auto", "orientation": "auto"},
    "timeseries": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
                   "tooltip": {"mode": "multi", "sort": "desc"}},
    "bargauge": {"reduceOptions": {"calcs": [], "fields": "", "values": True, "limit": 50}, "displayMode": "gradient",
                 "orientation": "horizontal", "valueMode": "color", "showUnfilled": True, "namePlacement": "auto",
                 "minVizHeight": 16, "minVizWidth": 8, "maxVizHeight": 300, "sizing": "auto"},
    "table": {"showHeader": True, "cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"], "fields": ""}},
}  # fmt: skip
