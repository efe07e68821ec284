"""Alert windows: which rolling window's slots they are, and what is refused."""

import json

import pytest

from stream.errors import SettingsError
from stream.model.window import AlertWindow
from stream.settings.load import load_tracker
from stream.settings.tracker import AlertSettings


@pytest.fixture
def load(tmp_path):
    def load_changed(**changes):
        path = tmp_path / "tracker.yaml"
        path.write_text(json.dumps({"sources": [{"topics": ["clicks"], "keyed_by_actor": True}], **changes}))
        return load_tracker(path, {})

    return load_changed


def served(settings):
    return {window.name: [(each.name, each.segment_age) for each in window.alerts] for window in settings.rolling}


def test_the_default_windows_are_slots_of_the_default_rolling_windows(load):
    assert served(load()) == {"5m": [("1m", ""), ("5m", "15m")], "1h": [("30m", "15m")], "24h": []}
    assert load().rolling[0].alerts[0] == AlertWindow("1m", 60_000)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"age_matched": ["2h", "20m"]}, {"5m": [("1m", ""), ("5m", "20m")], "1h": [("30m", "20m")],
                     "24h": []}, id="segments-have-the-shortest-age"),
        pytest.param({"age_matched": []}, {"5m": [], "1h": [], "24h": []}, id="without-ages-there-are-none"),
        pytest.param({"rolling": []}, {}, id="without-rolling-windows-too"),
        pytest.param({"rolling": ["7d"]}, {"7d": []}, id="default-ones-that-nothing-serves-are-left-out"),
        pytest.param({"rolling": ["1h", {"window": "2h", "slots": 720}], "alerts": {"windows": ["1h", "30m"],
                     "segment_windows": []}}, {"1h": [("1h", "")], "2h": [("30m", "")]},
                     id="its-equal-serves-a-window-else-the-finest-slots-do"),
        pytest.param({"rolling": ["5m"], "age_matched": ["400d", "1m"]}, {"5m": [("1m", ""), ("5m", "1m")]},
                     id="an-age-that-is-not-kept-is-none"),
    ],
)  # fmt: skip
def test_which_rolling_window_serves_which(load, changes, expected):
    assert served(load(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"alerts": {"windows": ["7m", "2d"]}, "rolling": ["5m", "1h"]},
         ("alerts.windows[1]: 2d is not a number of slots of a rolling window that is as long (5m in 5s, 1h in 1m): "
         "add 2d to rolling, or give one of them slots that divide it")),
        ({"alerts": {"windows": ["90s"]}, "rolling": ["1h"]},
         ("alerts.windows[0]: 90s is not a number of slots of a rolling window that is as long (1h in 1m): "
         "add 90s to rolling, or give one of them slots that divide it")),
        ({"alerts": {"windows": ["5m"]}, "rolling": []},
         "alerts.windows[0]: 5m needs a rolling window to take its slots from (add rolling: [5m])"),
        ({"alerts": {"windows": ["5m", "300s"], "segment_windows": []}},
         "alerts.windows[1]: 300s is there already (keep one)"),
        ({"alerts": {"segment_windows": ["1h"]}},
         "alerts.segment_windows[0]: 1h is not one of alerts.windows, 1m, 5m, 30m (take one of them)"),
        ({"alerts": {"min_drop": "0.2"}}, 'alerts.min_drop: "0.2" is not a share'),
        ({"alerts": {"false_alarms_per_week": 0}}, "alerts.false_alarms_per_week: 0 is too small (at least 0.001)"),
    ],
)  # fmt: skip
def test_what_no_rolling_window_serves_is_refused_with_what_would_be_right(load, changes, problem):
    with pytest.raises(SettingsError) as raised:
        load(**changes)
    (found,) = raised.value.problems
    assert f"{found.path}: {found.text}".startswith(problem)


def test_limits_have_defaults_and_are_read(load):
    assert load().alerts == AlertSettings(0.1, 30, 10, 0.2, 60_000, "funnel", "docs/runbooks")
    changed = {"false_alarms_per_week": 2, "min_reached": 5, "min_lost": 3, "min_drop": "12.5%", "max_gap": "10m",
               "job": "shop", "runbooks": "https://wiki.example"}  # fmt: skip
    assert load(alerts=changed).alerts == AlertSettings(2, 5, 3, 0.125, 600_000, "shop", "https://wiki.example")
