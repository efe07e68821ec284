"""Which alerts Prometheus has, as its page /alerts lists them.

In:  Prometheus' URL.
Out: its alerts, those that fire first.
"""

import urllib.request

import msgspec

TIMEOUT_S = 2.0
FIRING = "firing"


class Alert(msgspec.Struct, frozen=True):
    """One alert; state: `pending` or `firing`."""

    labels: dict[str, str]
    annotations: dict[str, str]
    state: str

    @property
    def name(self) -> str:
        """The rule's name and what it is about."""
        about = [f"{name}={self.labels[name]}" for name in ("funnel", "step_name") if self.labels.get(name)]
        if self.labels.get("breakdown"):
            about.append(f"{self.labels['breakdown']}={self.labels.get('segment', '')}")
        return " ".join([self.labels.get("alertname", ""), *about])


class _Listed(msgspec.Struct):
    alerts: list[Alert]


class _Answer(msgspec.Struct):
    data: _Listed


def read_alerts(prometheus: str) -> list[Alert]:
    """Return the alerts; none while Prometheus does not answer."""
    try:
        with urllib.request.urlopen(f"{prometheus}/api/v1/alerts", timeout=TIMEOUT_S) as answer:  # noqa: S310
            found = msgspec.json.decode(answer.read(), type=_Answer).data.alerts
    except OSError:
        return []
    return sorted(found, key=lambda alert: (alert.state != FIRING, alert.name))
