"""T, the instant that live numbers are about: the largest watermark, moved on by the clock while nothing waits.

In:  all partitions' rollups, whenever they are read; the monotonic clock, in s.
Out: T in ms UTC.
"""

from collections.abc import Iterable

from stream.model.result import Rollup


class AsOf:
    """Remembers the largest watermark, and when it was first seen."""

    def __init__(self) -> None:
        self._mark_ms: int | None = None
        self._mark_seen_s = 0.0
        self._all_caught_up = False

    def see(self, rollups: Iterable[Rollup], now_s: float) -> None:
        """Take in the rollups of all partitions, read at `now_s`."""
        rollups = list(rollups)
        marks = [rollup.watermark_ms for rollup in rollups if rollup.watermark_ms is not None]
        mark_ms = max(marks, default=None)
        if mark_ms != self._mark_ms:
            # T goes on from where it stands, be that ahead of the watermark (a slow clock's event, a restart).
            stands_ms = max((rollup.as_of_ms for rollup in rollups if rollup.as_of_ms is not None), default=0)
            ahead_s = max(0, stands_ms - (mark_ms or 0)) / 1000
            self._mark_ms, self._mark_seen_s = mark_ms, now_s - ahead_s
        # A partition nobody ever wrote to has no rollup, and nothing that could wait.
        self._all_caught_up = all(rollup.lag_records == 0 for rollup in rollups)

    def ms(self, now_s: float) -> int | None:
        """Return T at `now_s`; None before the first watermark."""
        if self._mark_ms is None or not self._all_caught_up:
            return self._mark_ms
        return self._mark_ms + int((now_s - self._mark_seen_s) * 1000)
