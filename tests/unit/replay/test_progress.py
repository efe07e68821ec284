"""How far a run is, at what pace, and what it is doing."""

import pytest

from stream.replay.progress import WRITTEN_WITHIN_MS, Progress, State, progress_of, state_of
from stream.replay.run import Pace
from stream.settings.counting import CountingRules
from stream.store.contract import PartitionHead
from stream.worker.runs import Run, Start

RULES = CountingRules((), (), (), (), 1)
NOW_MS = 1_700_000_000_000


def run(until=None, **changes):
    return Run("r", "shop", RULES, {0: Start(100), 1: Start(0)}, until, NOW_MS - 60_000, **changes)


def at(*offsets):
    return {number: PartitionHead(offset) for number, offset in enumerate(offsets)}


@pytest.mark.parametrize(("until", "heads", "ends", "expected"), [
    pytest.param({0: 200, 1: 100}, {}, None, (0, 200, 200, 0.0, False), id="nobody-has-begun"),
    pytest.param({0: 200, 1: 100}, at(150), None, (50, 200, 150, 0.25, False), id="one-partition-has"),
    pytest.param({0: 200, 1: 100}, at(200, 99), None, (199, 200, 1, 0.995, False), id="one-is-missing"),
    pytest.param({0: 200, 1: 100}, at(200, 100), None, (200, 200, 0, 1.0, True), id="complete"),
    pytest.param({0: 100, 1: 0}, {}, None, (0, 0, 0, 1.0, False), id="nothing-to-read-and-not-begun"),
    pytest.param({0: 100, 1: 0}, at(100, 0), None, (0, 0, 0, 1.0, True), id="nothing-to-read"),
    pytest.param({0: 200, 1: 0}, at(200), None, (100, 100, 0, 1.0, False), id="an-empty-partition-is-to-be-held-too"),
    pytest.param(None, at(150, 30), None, (80, None, None, None, False), id="follows-and-the-ends-are-not-known"),
    pytest.param(None, at(150, 30), {0: 200, 1: 60}, (80, 160, 80, 0.5, False), id="follows"),
    pytest.param(None, at(200, 60), {0: 200, 1: 60}, (160, 160, 0, 1.0, False), id="follows-and-has-caught-up"),
    pytest.param(None, at(210, 60), {0: 200, 1: 60}, (170, 160, 0, 1.0, False), id="ahead-of-an-older-look"),
])  # fmt: skip
def test_how_far_a_run_is(until, heads, ends, expected):
    found = progress_of(run(until), heads, 0.0, ends)
    assert (found.done, found.total, found.left, found.share, found.is_complete) == expected


def progress(done, total, at_s):
    return Progress(done, total, False, at_s)


@pytest.mark.parametrize(("now", "rate", "left_s"), [
    pytest.param(progress(100, 400, 12.0), 50.0, 6.0, id="at-its-pace"),
    pytest.param(progress(100, None, 12.0), 50.0, None, id="follows"),
    pytest.param(progress(0, 400, 12.0), 0.0, None, id="stands-still"),
    pytest.param(progress(400, 400, 14.0), 100.0, 0.0, id="is-through"),
    pytest.param(progress(100, 400, 10.0), None, None, id="no-time-has-passed"),
])  # fmt: skip
def test_pace_and_time_left(now, rate, left_s):
    earlier = progress(0, 400, 10.0)
    assert (now.rate(earlier), now.left_s(earlier)) == (rate, left_s)


def test_a_store_that_lost_its_last_seconds_gives_no_pace_below_zero():
    assert progress(50, 400, 12.0).rate(progress(80, 400, 10.0)) == 0.0
    assert progress(50, 400, 12.0).left_s(progress(80, 400, 10.0)) is None


COMPLETE, HALF = Progress(2, 2, True, 0.0), Progress(1, 2, False, 0.0)
LATELY_MS, LONG_AGO_MS = NOW_MS - WRITTEN_WITHIN_MS + 1, NOW_MS - WRITTEN_WITHIN_MS


@pytest.mark.parametrize(("of", "seen", "written_ms", "expected"), [
    pytest.param(run(), HALF, LATELY_MS, State.RUNNING, id="written-lately"),
    pytest.param(run(), HALF, LONG_AGO_MS, State.INTERRUPTED, id="not-written-for-long"),
    pytest.param(run(), HALF, None, State.INTERRUPTED, id="never-written"),
    pytest.param(Run("r", "shop", RULES, {}, None, LATELY_MS), HALF, None, State.RUNNING, id="just-made"),
    pytest.param(run(is_stopped=True), HALF, LATELY_MS, State.STOPPED, id="stopped"),
    pytest.param(run(is_stopped=True), COMPLETE, LATELY_MS, State.COMPLETE, id="stopped-when-it-was-complete"),
    pytest.param(run(), COMPLETE, LATELY_MS, State.COMPLETE, id="complete"),
    pytest.param(run(is_dropped=True), COMPLETE, LATELY_MS, State.DROPPED, id="being-dropped"),
])  # fmt: skip
def test_what_a_run_is_doing(of, seen, written_ms, expected):
    assert state_of(of, seen, is_live=False, written_ms=written_ms, now_ms=NOW_MS) is expected


def test_a_promoted_run_is_live_whoever_writes_it():
    assert state_of(run(), HALF, is_live=True, written_ms=None, now_ms=NOW_MS) is State.LIVE


def test_a_pace_is_kept_over_all_and_idle_time_is_not_saved_up():
    pace = Pace(1_000)
    assert pace.pause_s(500, now_s=10.0) == 0.0
    assert pace.pause_s(2_000, now_s=10.1) == pytest.approx(0.4)
    assert pace.pause_s(100, now_s=10.5) == pytest.approx(2.0)
    assert pace.pause_s(100, now_s=60.0) == 0.0
    assert pace.pause_s(100, now_s=60.0) == pytest.approx(0.1)
