"""Hold records back until their moment on the wall clock, and end early when asked to.

In:  record times, the wall clock.
Out: seconds still to wait.

The only place of the simulator that reads a clock.
"""

import time


class Pace:
    """Maps record times to the wall clock: `start_ms` is now, and shop time runs `speed` times as fast."""

    def __init__(self, start_ms: int, speed: float = 1.0) -> None:
        self._start_ms = start_ms
        self._speed = speed
        self._began = time.monotonic()

    def ahead_seconds(self, record_ms: int) -> float:
        """Return how long to wait for this record; 0 or less when it is due."""
        return (record_ms - self._start_ms) / 1_000 / self._speed - (time.monotonic() - self._began)


def now_ms() -> int:
    """Return the wall clock in milliseconds UTC."""
    return time.time_ns() // 1_000_000
