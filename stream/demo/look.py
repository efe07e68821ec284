"""Look at everything the demo shows: the numbers, each worker's readiness, the alerts.

In:  clients of the workers' API, Prometheus' URL.
Out: `Seen`, again and again.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from stream.demo.alerts import Alert, read_alerts
from stream.errors import ServerSilent
from stream.simulate.pace import now_ms
from stream.terminal.client import Client, Looked
from stream.terminal.picks import Picks
from stream.terminal.watch import RATE_OVER_LOOKS

PICKS = Picks(window="5m", breakdown="device")
"""Five minutes, so that an incident shows within one; by the property it is about."""
PAGE = f"/?{urlencode({'window': PICKS.window, 'breakdown': PICKS.breakdown})}"
"""Where the live page shows the same."""
READY = "ready"


@dataclass(frozen=True, slots=True)
class Seen:
    """What there was at `at_s` (monotonic) and `now_ms`. looked: None while no worker answers; before: a moment ago.

    workers: what each says of itself. alerts: those of Prometheus.
    """

    at_s: float
    now_ms: int
    looked: Looked | None = None
    before: Looked | None = None
    workers: tuple[str, ...] = ()
    alerts: tuple[Alert, ...] = ()

    @property
    def is_counting(self) -> bool:
        """Whether any record was accepted."""
        return self.looked is not None and self.looked.health.records.accepted > 0

    @property
    def are_ready(self) -> bool:
        """Whether every worker is."""
        return all(said == READY for said in self.workers)


class Eyes:
    """Looks with one worker's eyes: the first that answers. `prometheus`: None where its alerts are not the demo's."""

    def __init__(self, clients: Sequence[Client], prometheus: str | None) -> None:
        self._clients = clients
        self._prometheus = prometheus
        self._looks: deque[Looked] = deque(maxlen=RATE_OVER_LOOKS)

    def look(self) -> Seen:
        """Ask all of them now."""
        looked = self._looked()
        if looked is not None:
            self._looks.append(looked)
        alerts = [] if self._prometheus is None else read_alerts(self._prometheus)
        workers = tuple(map(_readiness, self._clients))
        before = self._looks[0] if self._looks else None
        return Seen(time.monotonic(), now_ms(), looked, before, workers, tuple(alerts))

    def _looked(self) -> Looked | None:
        for client in self._clients:
            try:
                return client.look(PICKS)
            except ServerSilent:
                continue
        return None


def _readiness(client: Client) -> str:
    """Return what a worker says of itself: `ready`, or why it is not."""
    try:
        health = client.health()
    except ServerSilent:
        return "does not answer yet"
    return READY if health.ready else health.reason
