"""The pace maps shop time to the wall clock."""

import pytest

from stream.simulate import pace


@pytest.mark.parametrize(
    ("speed", "passed", "record_ms", "ahead"),
    [
        pytest.param(1.0, 0.0, 5_000, 4.0, id="a-later-record-waits"),
        pytest.param(1.0, 4.0, 5_000, 0.0, id="until-it-is-due"),
        pytest.param(1.0, 9.0, 5_000, -5.0, id="an-overdue-record-does-not-wait"),
        pytest.param(4.0, 0.5, 5_000, 0.5, id="speed-shortens-the-wait"),
    ],
)
def test_ahead_seconds(speed, passed, record_ms, ahead, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    mine = pace.Pace(1_000, speed)
    now[0] += passed
    assert mine.ahead_seconds(record_ms) == pytest.approx(ahead)
