"""Sums of spans that move on are those of the spans' slots, whatever comes, goes and is decided in between."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stream.aggregate.cells import Cell, add_cell, empty_cell
from stream.aggregate.moving import MovingRing
from stream.aggregate.rings import WHOLE, Ring

SLOT_MS = 10
SEGMENT = (1, "phone")
CODES = 4

starts = st.integers(-3, 30).map(lambda number: number * SLOT_MS)
cells = st.builds(lambda first, last: Cell([first, last], durations={30: last}), st.integers(0, 2), st.integers(1, 3))
steps = st.one_of(
    st.tuples(st.just("add"), starts, st.sampled_from([WHOLE, SEGMENT]), cells),
    st.tuples(st.just("ages"), starts, st.integers(0, CODES - 1), st.integers(1, 3)),
    st.tuples(st.just("remove"), starts),
    st.tuples(st.just("expire"), st.integers(0, 30)),
    st.tuples(st.just("ask"), st.integers(0, 40), st.integers(-5, 40)),
)


def sides(ring, after_ms, last_ms, border_ms):
    """Return what a span of slots comes to by side of the border and split; what is empty is left out."""
    found = {}
    for start_ms, splits in ring.between(after_ms, last_ms):
        for split, cell in splits.items():
            total = found.setdefault((start_ms < border_ms, split), empty_cell(2))
            add_cell(total, cell)
            for code, count in cell.ages.items():
                total.ages[code] = total.ages.get(code, 0) + count
    return {key: msgspec.structs.astuple(cell) for key, cell in found.items() if cell.ages or not cell.is_empty}


@given(st.lists(steps, max_size=40))
def test_a_moving_ring_says_of_any_spans_what_a_ring_says_of_their_slots(drawn):
    moving, plain = MovingRing(2, SLOT_MS, 150), Ring(2, SLOT_MS, 150)
    for kind, *arguments in drawn:
        if kind == "ask":
            at_ms, border_ms = arguments[0] * 7, arguments[1] * 7
            moving.begin(border_ms)
            # Two spans that move on, and one that ends where the first begins: some days they go back.
            for span in ((at_ms - 40, at_ms), (at_ms - 120, at_ms - 80), (-1000, at_ms - 40)):
                assert sides(moving, *span, border_ms) == sides(plain, *span, border_ms)
            continue
        for ring in (moving, plain):
            if kind == "add":
                ring.add(*arguments)
            elif kind == "ages":
                ring.add_ages(SEGMENT, {arguments[0] // SLOT_MS * CODES + arguments[1]: arguments[2]}, CODES)
            elif kind == "expire":
                ring.expire(arguments[0] * SLOT_MS)
            elif arguments[0] in ring.slots:
                ring.remove(arguments[0])
