"""Rows by time, whatever their order was: as a stable sort of all of them."""

import random
from contextlib import closing
from operator import itemgetter

import pytest

from stream.errors import ReplayError
from stream.replay import time_order
from stream.replay.time_order import TimeOrder


def rows_of(times):
    return [(time, place % 3, f"f:{place}", b"%d" % place) for place, time in enumerate(times)]


def given_out(rows, cut=3):
    with closing(TimeOrder(sorted_rows=5, block_rows=2)) as order:
        for start in range(0, len(rows), cut):
            order.add(rows[start : start + cut])
        order.end()
        assert order.count() == len(rows)
        found = {}
        for number in range(3):
            found[number] = list(order.rows(number))
            assert found[number] == list(order.rows(number))
            assert order.count(number) == len(found[number])
        return found, [len(known.runs) for known in order._sorted.values()]


@pytest.mark.parametrize("seed", range(20))
def test_rows_come_out_as_a_stable_sort_puts_them(seed):
    rng = random.Random(seed)
    rows = rows_of([rng.randrange(-5, rng.choice([3, 10_000])) for _ in range(rng.randrange(60))])
    found, _ = given_out(rows, cut=rng.randrange(1, 9))
    for number, part in found.items():
        assert part == sorted((row for row in rows if row[1] == number), key=itemgetter(0))


def test_rows_that_are_in_order_are_one_run():
    found, runs = given_out(rows_of([*range(40), *[39] * 20]))
    assert [len(part) for part in found.values()] == [20, 20, 20]
    assert runs == [1, 1, 1]


def test_a_full_disk_is_said(monkeypatch):
    class Full:
        def tell(self):
            return 0

        def write(self, _):
            raise OSError(28, "No space left on device")

    order = TimeOrder(sorted_rows=1)
    order.close()
    monkeypatch.setattr(order, "_file", Full())
    monkeypatch.setattr(time_order.tempfile, "gettempdir", lambda: "/small")
    with pytest.raises(ReplayError, match=r"/small: .*\(No space left on device\).* TMPDIR"):
        order.add(rows_of([1]))
