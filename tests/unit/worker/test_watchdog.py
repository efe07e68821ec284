"""A worker that stands still for no known reason ends; one that waits for something known does not."""

import asyncio
import threading

import pytest

from stream.errors import Stalled
from stream.model.verdict import Verdict
from stream.worker import watchdog
from stream.worker.contract import Lag
from stream.worker.watchdog import LoopGuard, MatchWatch, StallWatch, Watchdog


def looks(*seen, limit_s=60):
    """(second, stored offset, lag or None) each -> the second at which partition 0 is found standing still, or None."""
    watch = StallWatch(limit_s)
    for second, stored, records in seen:
        if watch.look(second, {0: stored}, {} if records is None else {0: Lag(records, 1.0)}):
            return second
    return None


@pytest.mark.parametrize(("seen", "found"), [
    pytest.param([(0, 5, 10), (59, 5, 900), (60, 5, 990)], 60, id="records-wait-and-the-offset-stands-for-the-limit"),
    pytest.param([(0, 5, 10), (59, 6, 10), (100, 6, 10)], None, id="a-moved-offset-begins-anew"),
    pytest.param([(0, 5, 10), (59, 6, 10), (119, 6, 10)], 119, id="and-ends-a-limit-later"),
    pytest.param([(0, 5, 10), (30, 5, 0), (89, 5, 1)], None, id="no-lag-in-between-begins-anew"),
    pytest.param([(0, 5, 10), (30, 5, None), (89, 5, 1)], None, id="an-unknown-lag-begins-anew"),
    pytest.param([(0, 5, 0), (999, 5, 0)], None, id="nothing-to-read-is-no-stall"),
])  # fmt: skip
def test_stalls(seen, found):
    assert looks(*seen) == found


def counts(**verdicts):
    result = [0] * len(Verdict)
    for name, count in verdicts.items():
        result[Verdict[name.upper()]] = count
    return result


def test_a_minute_of_records_that_serve_nothing_is_said():
    watch = MatchWatch()
    assert watch.look(0, counts(accepted=9)) == ""
    assert watch.look(59, counts(accepted=9, unmatched=3)) == ""
    assert "none of 5 records in the last 61 s" in watch.look(61, counts(accepted=9, unmatched=3, invalid=2))


@pytest.mark.parametrize("later", [
    pytest.param(counts(accepted=10, unmatched=5), id="one-accepted"),
    pytest.param(counts(accepted=9), id="no-records-at-all"),
    pytest.param(counts(unmatched=5), id="counts-of-other-partitions"),
])  # fmt: skip
def test_it_is_not_said_when(later):
    watch = MatchWatch()
    watch.look(0, counts(accepted=9))
    assert watch.look(100, later) == ""


def test_a_known_outage_is_no_stall_and_begins_anew():
    outage = ["Redis is away"]
    dog = Watchdog(lambda: {0: 5}, lambda: {0: Lag(3, 1.0)}, lambda: outage[0], stall_s=60)
    dog.look(0)
    dog.look(100)
    outage[0] = ""
    dog.look(101)
    dog.look(160)
    with pytest.raises(Stalled, match=r"partitions \[0\]"):
        dog.look(161)


async def test_a_loop_that_hangs_ends_the_process_and_one_that_turns_does_not(monkeypatch):
    monkeypatch.setattr(watchdog, "LOOK_S", 0.01)
    ended = threading.Event()
    guard = LoopGuard(limit_s=0.1, end=ended.set)
    running = asyncio.create_task(guard.run())
    for _ in range(30):
        await asyncio.sleep(0.01)
    assert not ended.is_set()
    assert ended.wait(5)  # this very wait is the hang
    running.cancel()
