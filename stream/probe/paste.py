"""The tracker file that fits a sample.

In:  findings.
Out: YAML that `funnel check` takes.
"""

import json
from typing import Any

from stream.model.times import TimeUnit
from stream.probe.findings import Findings


def config_text(findings: Findings, servers: str = "") -> str:
    """Return the text of a tracker file for the topic; of a file the topic's name is left to be filled in."""
    reading = findings.reading
    lines = [f"kafka: {{bootstrap: {_text(servers)}}}"] if servers else []
    lines += ["sources:", f"  - topics: [{_text(findings.origin if findings.is_topic else 'your-topic')}]"]
    lines.append(f"    preset: {reading.preset}")
    if reading.fields:
        fields = ", ".join(
            f"{role}: {_text(paths[0] if len(paths) == 1 else paths)}" for role, paths in reading.fields.items()
        )
        lines.append(f"    fields: {{{fields}}}")
    if reading.time_unit != TimeUnit.MS:
        lines.append(f"    time_unit: {reading.time_unit}")
    if findings.key_is_actor_share == 1.0:
        lines.append("    keyed_by_actor: true")
    if findings.allowed_lateness is not None:
        lines.append(f"    allowed_lateness: {findings.allowed_lateness}")
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    """Quote always: a topic may be called 007, a path may hold a colon. JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)
