"""One recording rule or alert as Prometheus reads it.

In:  names, expressions, texts.
Out: plain mappings, in the order in which the file shows them.
"""

from dataclasses import dataclass
from inspect import cleandoc
from typing import Any

Rule = dict[str, Any]

WEEKS = 4
"""How many past weeks are learned from."""


def record(name: str, expr: str, **labels: str) -> Rule:
    """Return a recording rule; its name is `level:metric:operation`."""
    return {"record": name, "expr": cleandoc(expr), **({"labels": labels} if labels else {})}


@dataclass(frozen=True, slots=True)
class Alerts:
    """Makes alerts; `runbooks` is the folder of their runbooks, a URL or a path."""

    runbooks: str

    def alert(  # noqa: PLR0913 - what an alert is made of
        self,
        name: str,
        expr: str,
        summary: str,
        description: str,
        *,
        severity: str,
        layer: str,
        wait: str = "",
        keep: str = "",
        **labels: str,
    ) -> Rule:
        """Return an alert that fires after `wait`, and for `keep` longer than its expression holds."""
        times = {key: value for key, value in (("for", wait), ("keep_firing_for", keep)) if value}
        runbook = f"{self.runbooks.rstrip('/')}/{name}.md"
        return {
            "alert": name,
            "expr": cleandoc(expr),
            **times,
            "labels": {"severity": severity, "layer": layer, **labels},
            "annotations": {"summary": summary, "description": description, "runbook_url": runbook},
        }


def over(seconds: int) -> str:
    """Write a range that no sample lies at the edge of.

    Prometheus 2 counts a sample at the far edge of a range, 3 does not. Scrapes and evaluations lie whole seconds
    apart, so that half a second less keeps samples off the edge and both versions agree.
    """
    return f"{seconds - 1}s500ms"


def compound(duration_ms: int) -> str:
    """Write a duration in all the units that it needs: `6d23h30m`."""
    text = ""
    for unit, unit_ms in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)):
        count, duration_ms = divmod(duration_ms, unit_ms)
        text += f"{count}{unit}" if count else ""
    return text


def divergence(share: str, expected: str) -> str:
    """Write Kullback and Leibler's divergence of one share from another, in nats; 0 * ln(0) would be NaN."""
    yes = f"{share} * ln(clamp_min({share}, 1e-9) / {expected})"
    no = f"(1 - {share}) * ln(clamp_min(1 - {share}, 1e-9) / (1 - {expected}))"
    return f"({yes} + {no})"
