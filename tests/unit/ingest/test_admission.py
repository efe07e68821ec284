"""Verdicts and watermarks of one partition, as facts."""

import json

import pytest

from stream.ingest.admission import FUTURE_REASON, LATE_REASON, NO_LIMIT_MS, UNLIMITED, Limits, admit_batch
from stream.ingest.decode import EventDecoder
from stream.ingest.mapping import Mapping
from stream.model.verdict import Verdict

DECODER = EventDecoder(Mapping())
LIMITS = Limits(allowed_lateness_ms=5, max_future_skew_ms=3)


def at(time, name="buy", actor="ann", **more):
    return json.dumps({"user_id": actor, "time": time, "event": name, **more}).encode()


def admit(values, record_times=None, mark=None, limits=LIMITS, **more):
    record_times = [100] * len(values) if record_times is None else record_times
    offsets = more.pop("offsets", range(len(values)))
    origin = more.pop("origin", "shop/0/")
    return admit_batch(values, record_times, offsets, DECODER, {"buy"}, limits, mark, origin, **more)


def verdicts(admitted, size):
    words = ["open"] * size
    for index, verdict, _ in admitted.rejects:
        words[index] = verdict.label
    return words


@pytest.mark.parametrize(
    ("times", "expected", "mark"),
    [
        pytest.param([10, 5, 4], ["open", "open", "late"], 10, id="at-the-limit-counts-and-moves-nothing-back"),
        pytest.param([10, 4, 1], ["open", "late", "late"], 10, id="a-late-event-does-not-move-the-limit"),
        pytest.param([103, 104, 95, 94], ["open", "future", "open", "late"], 100, id="a-fast-clock-counts-as-now"),
        pytest.param([0, -6], ["open", "late"], 0, id="zero-is-a-time-like-any-other"),
        pytest.param([-50, -56], ["open", "late"], -50, id="so-is-a-negative-one"),
        pytest.param([], [], None, id="nothing-moves-nothing"),
    ],
)
def test_verdicts(times, expected, mark):
    admitted = admit([at(time) for time in times])
    assert verdicts(admitted, len(times)) == expected
    assert admitted.watermark_ms == mark


def test_an_unmatched_record_moves_the_watermark():
    admitted = admit([at(50, "other"), at(44)])
    assert admitted.counts[Verdict.UNMATCHED] == 1
    assert admitted.rejects == [(1, Verdict.LATE, LATE_REASON)]


def test_an_unmatched_record_is_unmatched_before_it_is_late():
    assert admit([at(50), at(1, "other")]).counts[Verdict.UNMATCHED] == 1


def test_a_future_record_is_future_before_it_is_unmatched_and_moves_nothing():
    admitted = admit([at(104, "other")], mark=7)
    assert admitted.rejects == [(0, Verdict.FUTURE, FUTURE_REASON)]
    assert admitted.watermark_ms == 7


def test_an_invalid_record_moves_nothing_and_says_why():
    admitted = admit([b"{", None, at(1, actor="")], mark=7)
    assert admitted.rejects == [
        (0, Verdict.INVALID, "malformed"),
        (1, Verdict.INVALID, "null value"),
        (2, Verdict.INVALID, "missing actor"),
    ]
    assert (admitted.counts[Verdict.INVALID], admitted.watermark_ms) == (3, 7)


def test_without_record_time_nothing_is_future_and_the_event_time_counts():
    for absent in (None, -1):
        admitted = admit([at(10**12)], [absent])
        assert (len(admitted.events), admitted.watermark_ms) == (1, 10**12)


def test_each_event_carries_the_limit_it_was_judged_by():
    admitted = admit([at(10), at(20), at(16)])
    assert [event[5] for event in admitted.events] == [NO_LIMIT_MS, 5, 15]


def test_in_a_bare_file_nothing_is_late():
    admitted = admit([at(10**13), at(-(10**13))], [None, None], limits=UNLIMITED)
    assert len(admitted.events) == 2


def test_an_event_without_id_gets_its_coordinates():
    admitted = admit([at(1), at(1, id="e7"), at(1)], offsets=[40, 41, 43], origin="shop/3/")
    assert [event[2] for event in admitted.events] == ["shop/3/40", "e7", "shop/3/43"]


def test_coordinates_may_come_with_each_record():
    admitted = admit([at(1), at(1)], offsets=["a/0/9", "b/2/4"], origin="")
    assert [event[2] for event in admitted.events] == ["a/0/9", "b/2/4"]


def test_the_first_event_whose_key_is_not_its_actor_is_found():
    values = [at(1), at(1, "other"), at(1, actor="bob"), at(1)]
    assert admit(values, keys=[b"ann", b"x", b"bob", b"ann"]).misplaced is None
    assert admit(values, keys=[b"ann", b"x", b"ann", None]).misplaced == 2
    assert admit(values).misplaced is None


def test_columns_of_different_lengths_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="zip"):
        admit([at(1)], [])
