"""The rule file: everything Prometheus needs to raise the alerts.

In:  funnels, the tracker's settings.
Out: the file's text; equal settings give equal bytes.

The rules of a group are evaluated in their order at one instant, so that an alert sees what its recording rules have
just said. Whatever tells about funnels is the same on every worker: `max` over instances, never `sum`.
"""

from collections.abc import Sequence
from typing import Any

import yaml

from stream.alerts.drop_off import alert_windows, baseline_rules, drop_off_alerts, step_rules
from stream.alerts.form import Alerts
from stream.alerts.totals import target_alert, target_rules, traffic_alerts, traffic_rules
from stream.alerts.trust import gates, pipeline_alerts, usual_rules
from stream.model.funnel import Funnel
from stream.settings.tracker import TrackerSettings

HEAD = """\
# Written by `funnel rules` from the tracker file and its funnels. Do not edit: change these, and write it anew.
# docs/alerts.md says what each rule does, docs/runbooks what to do when it fires.
"""


def text(funnels: Sequence[Funnel], settings: TrackerSettings) -> str:
    """Return the rule file of these funnels."""
    body: str = yaml.dump(document(funnels, settings), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    return HEAD + body


def document(funnels: Sequence[Funnel], settings: TrackerSettings) -> dict[str, Any]:
    """Return the rules as the file has them."""
    alerts = Alerts(settings.alerts.runbooks)
    has_steps = bool(alert_windows(settings))
    usual = [*usual_rules(), *(baseline_rules(settings) if has_steps else [])]
    rules = gates(settings)
    if has_steps:
        rules += [*step_rules(settings), *drop_off_alerts(alerts, funnels, settings)]
    if settings.rolling:
        rules += [*traffic_rules(settings), *traffic_alerts(alerts, funnels, settings)]
        rules += [*target_rules(settings), target_alert(alerts, funnels, settings)]
    rules += pipeline_alerts(alerts, settings)
    return {
        "groups": [
            {"name": "funnel-usual", "interval": "1m", "rules": usual},
            {"name": "funnel", "rules": rules},
        ]
    }


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and never an alias."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
