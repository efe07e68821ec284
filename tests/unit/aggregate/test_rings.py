"""Rings: slots aligned to the epoch, kept as long as something shows them."""

from stream.aggregate.cells import Cell
from stream.aggregate.rings import WHOLE, Ring

ONE = Cell([1, 0])


def starts(ring: Ring) -> list[int]:
    return sorted(ring.slots)


def test_slots_are_aligned_to_the_epoch_also_before_it():
    ring = Ring(2, 10, 100)
    for time_ms in (0, 9, 10, -1, -10, -11):
        ring.add(time_ms, WHOLE, ONE)
    assert {start: splits[WHOLE].at[0] for start, splits in ring.slots.items()} == {0: 2, 10: 1, -10: 2, -20: 1}


def test_a_slot_is_dropped_once_it_lies_wholly_before_what_is_kept():
    ring = Ring(2, 10, 30)
    for time_ms in (0, 10, 20, 30, 40):
        ring.add(time_ms, WHOLE, ONE)
    ring.expire(49)
    assert starts(ring) == [10, 20, 30, 40]
    ring.expire(50)
    assert starts(ring) == [20, 30, 40]
    assert ring.dropped == [(0, WHOLE), (10, WHOLE)]


def test_a_slot_that_is_no_longer_kept_takes_nothing():
    ring = Ring(2, 10, 30)
    ring.expire(100)
    ring.add(60, WHOLE, ONE)
    ring.add(70, WHOLE, ONE)
    assert starts(ring) == [70]


def test_a_watermark_that_stands_still_or_goes_back_drops_nothing():
    ring = Ring(2, 10, 30)
    ring.expire(100)
    ring.add(75, WHOLE, ONE)
    ring.expire(100)
    ring.expire(0)
    assert starts(ring) == [70]


def test_what_changed_is_told_until_it_is_gone():
    ring = Ring(2, 10, 30)
    ring.add(5, WHOLE, ONE)
    ring.add(5, (1, "phone"), ONE)
    assert ring.changed == {(0, WHOLE), (0, (1, "phone"))}
    assert ring.remove(0) == {WHOLE: ONE, (1, "phone"): ONE}
    assert ring.changed == set()
    assert sorted(ring.dropped) == [(0, WHOLE), (0, (1, "phone"))]


def test_a_span_is_open_on_the_left_and_closed_on_the_right():
    ring = Ring(2, 10, 1000)
    for time_ms in (10, 20, 30):
        ring.add(time_ms, WHOLE, ONE)
    assert [start for start, _ in ring.between(10, 30)] == [20, 30]
