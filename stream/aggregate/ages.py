"""Age-matched conversion: how soon the attempts that reached a step went on to the next.

In:  when an attempt first had each of its steps.
Out: counts by slot of reaching a step; from a span of slots, how many reached each step and how
     many of them went on within an age.

An attempt counts in the slot in which it first reached a step: there it has reached it and, once it
goes on, done so within the smallest age that is long enough. An age is asked about only where all
attempts of a slot have had that much time (`aggregate.rollup`), so that nothing has to happen while
one grows older. Step 1 is reached with the entry, and how many entered the slot's cell says already:
most events only enter, and cost nothing here.

Of an open funnel an attempt counts from the step on at which it entered. Optional steps are left out: going on
is reaching the next required step. An attempt that is leaving (`cells.OptionCounts`) does not count at all, not
even while it is pending: it would have to be taken out of spans that were asked about already.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from stream.aggregate.cells import Cell
from stream.engine.attempts import Attempt, first_times

EVER = -(1 << 61)
"""Before all time: since then everything is counted."""

# the breakdown values of an entry event; () where the funnel has no breakdowns
Segments: TypeAlias = tuple[str, ...]

# slot and code in one number, so that a step costs one look-up: slot number * `AgeRule.codes` + code.
# A code is (step - 1) * (ages + 1), plus nothing for having reached the step, or plus the place (from 1)
# of the smallest age within which it went on.
AgeCounts: TypeAlias = Mapping[int, int]


class AgeRule:
    """What is counted: `ages_ms`, ascending, in slots of `slot_ms`, exactly in those from `since_ms` on.

    codes: how many codes a funnel of `step_count` steps has. text: the ages as the store knows them;
    counts under other ages mean something else. required: the numbers of the steps that no chain skips, of which
    `count_any` makes use.
    """

    def __init__(
        self,
        ages_ms: tuple[int, ...],
        step_count: int,
        slot_ms: int,
        since_ms: int = EVER,
        required: Sequence[int] = (),
    ) -> None:
        self.ages_ms = ages_ms
        self.step_count = step_count
        self.slot_ms = slot_ms
        self.since_ms = since_ms
        self._required = required
        self.codes = (step_count - 1) * (len(ages_ms) + 1)
        self.text = " ".join(map(str, ages_ms))

    def since(self, since_ms: int) -> "AgeRule":
        """Return the same rule for steps reached from `since_ms` on."""
        return AgeRule(self.ages_ms, self.step_count, self.slot_ms, since_ms, self._required)

    def count(
        self, counts: Mapping[Segments, defaultdict[int, int]], taken: Sequence[Attempt], given: Sequence[Attempt]
    ) -> None:
        """Add the attempts that are given to the counts of their segments, and take back those that are taken."""
        if taken and given and taken[0][1] > 1 and _goes_on(taken[0], given[0]):
            # Most changes: an attempt got further, so that only its new steps are new.
            self._count(counts, given[0], 1, taken[0][1])
            taken, given = taken[1:], given[1:]
        for attempt in taken:
            if attempt[1] > 1:
                self._count(counts, attempt, -1, 1)
        for attempt in given:
            if attempt[1] > 1:
                self._count(counts, attempt, 1, 1)

    def _count(self, counts: Mapping[Segments, defaultdict[int, int]], attempt: Attempt, sign: int, known: int) -> None:
        """Count how an attempt came to its steps behind the `known` ones (about 0.5 us a step)."""
        _, best, chain, entry, firsts, _ = attempt
        ages_ms, slot_ms, codes, last = self.ages_ms, self.slot_ms, self.codes, self.step_count - 1
        ages = len(ages_ms)
        own = counts[() if entry is None else entry[0]]
        times = chain[::2] if firsts is None else firsts
        from_ms, code = times[known - 1], (known - 1) * (ages + 1)
        for step in range(known, best):
            time_ms = times[step]
            place = bisect_left(ages_ms, time_ms - from_ms)
            if place < ages:
                own[from_ms // slot_ms * codes + code + place + 1] += sign
            code += ages + 1
            if step < last:
                own[time_ms // slot_ms * codes + code] += sign
            from_ms = time_ms

    def count_any(
        self, counts: Mapping[Segments, defaultdict[int, int]], attempts: Iterable[Attempt], sign: int
    ) -> None:
        """Add or take back attempts of a funnel with any options."""
        for entry_ms, best, chain, entry, firsts, fate in attempts:
            if fate is not None and fate[0]:
                continue
            own = counts[() if entry is None else entry[0]]
            times = chain[::2] if firsts is None else firsts
            known: int | None = None
            from_ms = entry_ms
            for step in self._required:
                if step > best:
                    break
                if times[step - 1] is None:  # before the step it entered at
                    continue
                time_ms = entry_ms if known is None else times[step - 1]
                if known is not None:
                    place = bisect_left(self.ages_ms, time_ms - from_ms)
                    if place < len(self.ages_ms):
                        own[self._key(from_ms, known, place + 1)] += sign
                if 1 < step < self.step_count:
                    own[self._key(time_ms, step, 0)] += sign
                known, from_ms = step, time_ms

    def _key(self, time_ms: int, step: int, place: int) -> int:
        return time_ms // self.slot_ms * self.codes + (step - 1) * (len(self.ages_ms) + 1) + place

    def in_slots_of(self, slot_ms: int, counts: AgeCounts) -> AgeCounts:
        """Return the same counts by slots of `slot_ms`, a multiple of the rule's own."""
        times = slot_ms // self.slot_ms
        if times == 1:
            return counts
        codes = self.codes
        result: defaultdict[int, int] = defaultdict(int)
        for key, count in counts.items():
            code = key % codes
            result[key // codes // times * codes + code] += count
        return result

    def at_age(self, cells: Iterable[Cell], age_ms: int) -> tuple[list[int], list[int]]:
        """Return per step 1..n-1 how many reached it in these slots, and how many of them went on within an age."""
        reached, went_on = [0] * (self.step_count - 1), [0] * (self.step_count - 1)
        last = self.ages_ms.index(age_ms) + 1
        for cell in cells:
            reached[0] += sum(cell.at) + sum(cell.excluded)
            if cell.options is not None:
                reached[0] -= sum(cell.options.skipped[:1])
            for code, count in cell.ages.items():
                step, place = divmod(code, len(self.ages_ms) + 1)
                if not place:
                    reached[step] += count
                elif place <= last:
                    went_on[step] += count
        return reached, went_on


def _goes_on(old: Attempt, new: Attempt) -> bool:
    if old[3] != new[3]:
        return False
    if old[4] is None and new[4] is None:  # as below, where no times need to be put together
        return bool(old[2][::2] == new[2][: 2 * old[1] : 2])
    return first_times(old) == first_times(new)[: old[1]]
