"""Which alerts Prometheus has, and where its own page lists them.

In:  Prometheus' URL.
Out: its alerts, and the texts of those that fire; the page's URL.
"""

import urllib.request
from collections.abc import Iterable

import msgspec

TIMEOUT_S = 2.0
FIRING = "firing"
PAGES = ("/alerts", "/classic/alerts")
"""Debian's Prometheus has the older page only."""


class Alert(msgspec.Struct, frozen=True):
    """One alert; state: `pending` or `firing`."""

    labels: dict[str, str]
    annotations: dict[str, str]
    state: str

    @property
    def text(self) -> str:
        """The rule's name, and what it says of itself."""
        return f"{self.labels.get('alertname', '')}: {self.annotations.get('summary', '')}"


class _Listed(msgspec.Struct):
    alerts: list[Alert]


class _Answer(msgspec.Struct):
    data: _Listed


def read_alerts(prometheus: str) -> list[Alert]:
    """Return the alerts; none while Prometheus does not answer."""
    try:
        with urllib.request.urlopen(f"{prometheus}/api/v1/alerts", timeout=TIMEOUT_S) as answer:  # noqa: S310
            return msgspec.json.decode(answer.read(), type=_Answer).data.alerts
    except OSError:
        return []


def firing(alerts: Iterable[Alert]) -> list[str]:
    """Return the texts of those that fire; one that fires for several windows is named once."""
    return sorted({alert.text for alert in alerts if alert.state == FIRING})


def page_of(prometheus: str) -> str:
    """Return the URL of the page that lists the alerts."""
    for page in PAGES:
        try:
            with urllib.request.urlopen(f"{prometheus}{page}", timeout=TIMEOUT_S):  # noqa: S310
                return f"{prometheus}{page}"
        except OSError:
            continue
    return f"{prometheus}{PAGES[0]}"
