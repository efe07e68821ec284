"""Which of an actor's events give a result its breakdown values (SPEC section 6).

In:  the hits of each instant with their touches; reported chains.
Out: the touch whose segments count for an open attempt, and for a period's result.

Values by the entry event (first touch) are known when an attempt opens. All others are worked out while it is open,
from the events that serve a step, whether they are in a chain or not. An attempt may open on an older chain, so what
these events said since then has to be known too: of each instant a note, of which those are kept that some start
could still ask for. In ties the smallest id comes first, so that the order of arrival does not show.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from stream.engine.chains import Chain, entry_of, level_of
from stream.engine.roles import Hit, Touch
from stream.engine.touches import NO_VALUE
from stream.model.funnel import Attribution, Breakdown, Funnel

Segments: TypeAlias = tuple[str, ...]

# (time_ms, first, last): per breakdown the value of the instant's event with the smallest id that has one, and of that
# with the largest
Note: TypeAlias = tuple[int, Segments, Segments]

ID = 2
"""Place of the event's id in a touch that `with_ids` has made."""

_id_of = itemgetter(1)


def entry_touch(chain: Chain) -> Touch | None:
    """Return the touch of a chain's first event, None if that says nothing."""
    touch: Touch | None = chain[2 * entry_of(chain) + 1]
    return touch


class Attributions:
    """The attributions of one funnel's breakdowns, some of which go by other events than the entry event."""

    def __init__(self, funnel: Funnel) -> None:
        self._breakdowns = funnel.breakdowns
        places = tuple(enumerate(funnel.breakdowns))
        self._first = [place for place, each in places if each.attribution is Attribution.FIRST_DEFINED]
        self._last = [place for place, each in places if each.attribution is Attribution.LAST_TOUCH]

    # Attempts

    def with_ids(self, hits: Iterable[Hit]) -> tuple[Hit, ...]:
        """Return the hits with each one's id in its touch, since events of a chain may be of one instant."""
        return tuple([(*hit[:3], _with_id(hit[3], hit[1]), hit[4]) for hit in hits])

    def note(self, time_ms: int, hits: Sequence[Hit]) -> Note | None:
        """Return what the events of an instant that serve a step say; None if that is nothing, or not asked."""
        if not (self._first or self._last):
            return None
        said = [hit[3][0] for hit in sorted(hits, key=_id_of) if hit[3] is not None and hit[2] and hit[2][-1] >= 0]
        if not said:
            return None
        places = range(len(self._breakdowns))
        first = tuple([_first_value(said, place) for place in places])
        said.reverse()
        last = tuple([_first_value(said, place) for place in places])
        return time_ms, first, last

    def opened(self, chain: Chain, entry_ms: int, notes: Sequence[Note]) -> Touch:
        """Return the touch of an attempt that enters at `entry_ms` and reports `chain` when it opens."""
        entry = entry_touch(chain)
        segments = list(entry[0]) if entry is not None else [NO_VALUE] * len(self._breakdowns)
        since = [note for note in notes if note[0] >= entry_ms]
        for place in self._first:
            segments[place] = _first_value([first for _, first, _ in since], place)
        for place in self._last:
            segments[place] = _first_value([last for _, _, last in reversed(since)], place)
        return self._with_steps(segments, chain), ()

    def went_on(self, touch: Touch, chain: Chain, note: Note | None) -> Touch:
        """Return the touch of an attempt that now reports `chain`, after an instant; itself if nothing changed."""
        segments = list(touch[0])
        if note is not None:
            _, first, last = note
            for place in self._first:
                if segments[place] == NO_VALUE:
                    segments[place] = first[place]
            for place in self._last:
                if last[place] != NO_VALUE:
                    segments[place] = last[place]
        after = self._with_steps(segments, chain)
        return touch if after == touch[0] else (after, ())

    def remembered(self, notes: Sequence[Note], starts: Collection[int]) -> tuple[Note, ...]:
        """Return the notes that an attempt could ask for which opens on a chain that began at one of `starts`."""
        if not starts:
            return ()
        asked: set[int] = set()
        for place in self._last:
            asked.update(_first_with([note for note in reversed(notes) if note[0] >= min(starts)], 2, place))
        for start_ms in set(starts) if self._first else ():
            since = [note for note in notes if note[0] >= start_ms]
            for place in self._first:
                asked.update(_first_with(since, 1, place))
        return tuple([note for note in notes if note[0] in asked])

    # Reported chains

    def touch_of_chain(self, chain: Chain) -> Touch:
        """Return the touch of a result that has nothing but its reported chain."""
        entry = entry_touch(chain)
        segments = list(entry[0]) if entry is not None else [NO_VALUE] * len(self._breakdowns)
        if self._first or self._last:
            events = sorted(
                (time_ms, touch[ID], touch[0])
                for time_ms, touch in zip(chain[::2], chain[1::2], strict=True)
                if touch is not None
            )
            said = [each for _, _, each in events]
            for place in self._first:
                segments[place] = _first_value(said, place)
            said.reverse()
            for place in self._last:
                segments[place] = _first_value(said, place)
        return self._with_steps(segments, chain), ()

    def _with_steps(self, segments: list[str], chain: Chain) -> Segments:
        """Return the segments with those filled in that go by a step of the reported chain."""
        for place, breakdown in enumerate(self._breakdowns):
            if breakdown.attribution is Attribution.STEP:
                segments[place] = _value_at(chain, breakdown, place)
        return tuple(segments)


def attributions_of(funnel: Funnel) -> Attributions | None:
    """Return the attributions of a funnel; None if all breakdowns go by the entry event."""
    return None if all(breakdown.is_by_entry for breakdown in funnel.breakdowns) else Attributions(funnel)


def _with_id(touch: Any, event_id: str) -> Any:
    return None if touch is None else (*touch[:ID], event_id)


def _value_at(chain: Chain, breakdown: Breakdown, place: int) -> str:
    step = breakdown.step or 1
    touch: Any = chain[2 * step - 1] if step <= level_of(chain) else None
    value: str = NO_VALUE if touch is None else touch[0][place]
    return value


def _first_value(said: Sequence[Segments], place: int) -> str:
    return next((segments[place] for segments in said if segments[place] != NO_VALUE), NO_VALUE)


def _first_with(notes: Sequence[Note], side: int, place: int) -> Iterator[int]:
    """Yield the time of the first of the notes that has a value."""
    for note in notes:
        sides: Any = note
        if sides[side][place] != NO_VALUE:
            yield note[0]
            return
