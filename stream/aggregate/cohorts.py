"""Entry cohorts of a rolling window: how far those came that entered in each of its slots.

In:  the stored cells of all partitions, a funnel, one of the windows, `as_of` T.
Out: outcomes by entry slot, of all attempts together.

The rule is that of the window itself (`aggregate.rollup`): its cohorts add up to it.
"""

from collections.abc import Iterable, Mapping, Sequence

from stream.aggregate.cells import add_outcomes, empty_counts
from stream.aggregate.rings import WHOLE
from stream.aggregate.totals import is_slot_decided, window_cells
from stream.engine.match import CompiledFunnel
from stream.model.result import Counts
from stream.model.window import RollingWindow


def entry_cohorts(
    funnel: CompiledFunnel,
    rolling: Sequence[RollingWindow],
    index: int,
    partitions: Iterable[Mapping[bytes, bytes]],
    as_of_ms: int,
) -> dict[int, Counts]:
    """Return outcomes by slot start, oldest first, of window number `index`; slots that nobody entered are left out."""
    window = rolling[index]
    found: dict[int, Counts] = {}
    for fields in partitions:
        for start_ms, split, cell in window_cells(fields, funnel.number, index):
            if split != WHOLE or not as_of_ms - window.window_ms < start_ms <= as_of_ms:
                continue
            decided = is_slot_decided(funnel.definition, start_ms, window.slot_ms, as_of_ms)
            if not cell.shows_any(decided=decided):
                continue
            counts = found.setdefault(start_ms, empty_counts(funnel.step_count))
            add_outcomes(counts, cell, decided=decided)
    return dict(sorted(found.items()))
