"""The dashboards of funnels with everything, and their parts, for tests."""

import json
import re
from pathlib import Path

from stream.dashboards.files import dashboards
from stream.dashboards.grafana import as_model
from stream.model.window import RollingWindow
from support.rollups import SHOP, TOUR

FOLDER = Path(__file__).parents[2] / "grafana" / "dashboards"
WINDOWS = (RollingWindow("1h", 3_600_000),)
RATE_INTERVAL = "10s"


def committed():
    """Return the shipped dashboards by file name."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def everything():
    """Return the dashboards of funnels that have everything a panel may be about."""
    return {name: as_model(dashboard) for name, dashboard in dashboards([SHOP, TOUR], WINDOWS).items()}


def panels(board):
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def targets(board):
    """(panel, target) of every query."""
    return [(panel, target) for panel in panels(board) for target in panel["targets"]]


def variables(board):
    return {variable["name"]: variable for variable in board["templating"]["list"]}


def interpolate(text, choices, models):
    """Replace variables as Grafana's Prometheus data source does.

    A choice with "All", or of several, is a pattern, so other values of it are escaped as one.
    """

    def value(match):
        name = match[1]
        if name == "__rate_interval":
            return choices.get(name, RATE_INTERVAL)
        chosen = choices[name]
        if chosen == "$__all":
            return models[name]["allValue"]
        escaped = chosen.replace("\\", "\\\\").replace('"', '\\"')
        if models[name]["includeAll"]:
            return re.sub(r"[$^*{}\[\]+?.()|]", r"\\\\\g<0>", chosen.replace("\\", "\\\\\\\\").replace('"', '\\"'))
        return escaped

    def pattern(match):
        return re.sub(r"[\\^$.*+?()\[\]{}|]", r"\\\g<0>", choices[match[1]])

    return re.sub(r"\$([a-z_]\w*)", value, re.sub(r"\$\{([a-z_]\w*):regex\}", pattern, text))
