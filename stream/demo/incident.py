"""The demo's incident: from a moment on, hardly any checkout on a phone ends in a purchase.

In:  the moment.
Out: what the simulator is told, and what somebody who watches is told.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from stream.simulate.shop import iso_time

STEP = "purchase"
SEGMENT = "device=mobile"
LEFT = 0.1
"""The part of the purchases that still work: few enough that nobody takes it for chance."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Begins at `begin_ms`, event time and wall clock alike."""

    begin_ms: int

    def options(self) -> list[str]:
        """Return the options of `funnel simulate`."""
        drop = ["--drop-step", STEP, "--drop-segment", SEGMENT, "--drop-factor", str(LEFT)]
        return [*drop, "--drop-from", iso_time(self.begin_ms)]

    def has_begun(self, now_ms: int) -> bool:
        """Tell whether it is under way."""
        return now_ms >= self.begin_ms

    def text(self, now_ms: int) -> str:
        """Return what is going to happen, or what is happening."""
        if not self.has_begun(now_ms):
            return f"in {(self.begin_ms - now_ms) / 1000:.0f} s checkouts on phones begin to fail"
        began = datetime.fromtimestamp(self.begin_ms / 1000, UTC).astimezone()
        return f"since {began:%H:%M:%S} {1 - LEFT:.0%} of the purchases on phones fail: watch mobile, and the alerts"
