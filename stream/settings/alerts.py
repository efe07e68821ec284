"""Which rolling window's slots make up each alert window.

In:  the `alerts` of a tracker file, its rolling windows and ages.
Out: problems; or the rolling windows, each with the alert windows that are summed from its slots.

So nothing more is counted for alerts: an alert window is the newest few slots of a window that is kept anyway.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stream.model.window import Age, AlertWindow, RollingWindow
from stream.settings import durations
from stream.settings.parts import duration_ms
from stream.settings.yaml_file import Document

DEFAULT_WINDOWS = ("1m", "5m", "30m")
DEFAULT_SEGMENT_WINDOWS = ("5m", "30m")


def check_alerts(document: Document, alerts: dict[str, Any], rolling: Sequence[RollingWindow]) -> None:
    """Report alert windows that no rolling window has the slots for, and segment windows that are no alert windows."""
    windows = alerts.get("windows")
    seen: set[int] = set()
    for index, written in enumerate(windows if isinstance(windows, list) else []):
        window_ms = duration_ms(written)
        if window_ms is None:
            continue
        if window_ms in seen:
            document.report(("alerts", "windows", index), f"{written} is there already (keep one)")
        elif not any(window.serves(window_ms) for window in rolling):
            document.report(("alerts", "windows", index), _unserved(written, rolling))
        seen.add(window_ms)
    segments = alerts.get("segment_windows")
    known = windows if isinstance(windows, list) else DEFAULT_WINDOWS
    for index, written in enumerate(segments if isinstance(segments, list) else []):
        if written not in known:
            text = f"{written} is not one of alerts.windows, {', '.join(map(str, known))} (take one of them)"
            document.report(("alerts", "segment_windows", index), text)


def with_alert_windows(
    rolling: Sequence[RollingWindow], ages: Sequence[Age], alerts: dict[str, Any]
) -> tuple[RollingWindow, ...]:
    """Return the rolling windows with the alert windows of a file that has no problems.

    Of the default ones, those are left out that no rolling window serves.
    """
    found: dict[str, list[AlertWindow]] = {window.name: [] for window in rolling}
    segments = alerts.get("segment_windows", DEFAULT_SEGMENT_WINDOWS)
    for name in alerts.get("windows", DEFAULT_WINDOWS):
        window_ms = durations.to_ms(name)
        serving = _serving(rolling, window_ms)
        kept = [age for age in ages if serving is not None and serving.has_age(age)]
        if serving is not None and kept:
            shortest = min(kept, key=lambda age: age.age_ms)
            found[serving.name].append(AlertWindow(name, window_ms, shortest.name if name in segments else ""))
    return tuple(replace(window, alerts=tuple(found[window.name])) for window in rolling)


def _serving(rolling: Sequence[RollingWindow], window_ms: int) -> RollingWindow | None:
    """Return the rolling window whose slots make up an alert window: its equal, else the one of the finest slots."""
    fitting = [window for window in rolling if window.serves(window_ms)]
    equal = [window for window in fitting if window.window_ms == window_ms]
    return min(equal or fitting, key=lambda window: (window.slot_ms, window.window_ms), default=None)


def _unserved(written: str, rolling: Sequence[RollingWindow]) -> str:
    if not rolling:
        return f"{written} needs a rolling window to take its slots from (add rolling: [{written}])"
    slots = ", ".join(f"{window.name} in {durations.to_text(window.slot_ms)}" for window in rolling)
    return (
        f"{written} is not a number of slots of a rolling window that is as long ({slots}): "
        f"add {written} to rolling, or give one of them slots that divide it"
    )
