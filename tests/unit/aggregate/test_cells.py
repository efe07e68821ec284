"""Cells: what an attempt adds, it takes away again; sums are exact."""

import random
from decimal import Decimal

import msgspec

from stream.aggregate.cells import (
    Cell,
    add_cell,
    add_counts,
    add_lists,
    count_result,
    counts_of,
    empty_cell,
)
from stream.model.result import BUCKETS, DURATION_BOUNDS_S, TOTAL_STEP, Money


def touch(step: int, amount: str, currency: str = "EUR") -> tuple:
    return (), ((step, currency, amount),)


CONVERTED = (0, None, 1_000, touch(2, "0.1"), 61_000, touch(3, "19.90"))


def cell_of(*results: tuple[int, tuple]) -> Cell:
    cell = empty_cell(3)
    for best, chain in results:
        count_result(cell, best, chain, 1)
    return cell


def test_a_conversion_counts_at_its_last_step_with_all_its_times_and_values():
    cell = cell_of((3, CONVERTED))
    assert cell.at == [0, 0, 1]
    assert cell.duration_ms == {2: 1_000, 3: 60_000, TOTAL_STEP: 61_000}
    first, minute = 0, DURATION_BOUNDS_S.index(60)
    assert cell.durations == {2 * BUCKETS + first: 1, 3 * BUCKETS + minute: 1, TOTAL_STEP * BUCKETS + minute + 1: 1}
    assert cell.values == {2: {"EUR": Money(Decimal("0.1"), 1)}, 3: {"EUR": Money(Decimal("19.90"), 1)}}


def test_a_time_on_a_bound_lies_in_the_bucket_that_ends_there():
    cell = cell_of((2, (0, None, 5_000, None)), (2, (0, None, 5_001, None)))
    five = DURATION_BOUNDS_S.index(5)
    assert cell.durations == {2 * BUCKETS + five: 1, 2 * BUCKETS + five + 1: 1}


def test_a_value_counts_only_at_the_step_that_its_event_serves_in_the_chain():
    chain = (0, ((), ((1, "EUR", "5"), (2, "EUR", "7"))), 10, None)
    assert cell_of((2, chain)).values == {1: {"EUR": Money(Decimal(5), 1)}}


def test_what_is_taken_back_leaves_an_empty_cell():
    cell = cell_of((3, CONVERTED), (1, CONVERTED[:2]))
    count_result(cell, 3, CONVERTED, -1)
    count_result(cell, 1, CONVERTED[:2], -1)
    assert cell.is_empty


def test_a_sum_of_zero_over_some_values_is_kept():
    cell = cell_of((2, (0, None, 1, touch(2, "-3"))), (2, (0, None, 1, touch(2, "3"))))
    assert cell.values[2]["EUR"] == Money(Decimal(0), 2)
    assert not cell.is_empty


def test_sums_of_money_lose_no_digit():
    cell = empty_cell(2)
    for _ in range(3):
        count_result(cell, 2, (0, None, 1, touch(2, "999999999999999.999999999")), 1)
    count_result(cell, 2, (0, None, 1, touch(2, "0.000000001")), 1)
    assert cell.values[2]["EUR"].total == Decimal("2999999999999999.999999998")


def test_adding_cells_is_adding_their_attempts():
    rng = random.Random("cells")
    results = [(best, CONVERTED[: 2 * best]) for best in (rng.randrange(1, 4) for _ in range(40))]
    parts = [cell_of(*results[at : at + 7]) for at in range(0, 40, 7)]
    total = empty_cell(3)
    for part in parts:
        add_cell(total, part)
    assert total == cell_of(*results)
    for part in parts:
        add_cell(total, part, -1)
    assert total.is_empty


def test_an_empty_list_stands_for_zeros():
    assert add_lists([], [1, 2], -1) == [-1, -2]
    assert add_lists([1, 2], []) == [1, 2]


def test_a_cell_survives_being_written():
    cell = cell_of((3, CONVERTED), (2, CONVERTED[:4]))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(cell), type=Cell) == cell


def test_the_unconverted_are_pending_until_they_are_decided():
    cell = cell_of((3, CONVERTED), (2, CONVERTED[:4]), (1, CONVERTED[:2]))
    pending, decided = counts_of(cell, decided=False), counts_of(cell, decided=True)
    assert (pending.pending, pending.dropped, pending.converted) == ([1, 1], [0, 0], 1)
    assert (decided.pending, decided.dropped, decided.converted) == ([0, 0], [1, 1], 1)
    assert pending.reached == decided.reached == [3, 2, 1]


def test_counts_do_not_share_what_they_are_made_of():
    cell = cell_of((3, CONVERTED))
    counts = counts_of(cell, decided=True)
    add_counts(counts, counts_of(cell, decided=True))
    assert counts.values[3]["EUR"] == Money(Decimal("39.80"), 2)
    assert cell.values[3]["EUR"] == Money(Decimal("19.90"), 1)
