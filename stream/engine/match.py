"""Which steps an event can serve, compiled once per set of funnels.

In:  funnel definitions, and the order in which the decoder hands over properties.
Out: for an event name, the funnels and steps it can serve; for an event, its touch
     (breakdown values and step values), or None where it has nothing to say.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from typing import Any, TypeAlias

from stream.engine.periods import period_of
from stream.engine.predicates import test_of
from stream.model.event import Kind, KindOf
from stream.model.funnel import Funnel

NO_VALUE = "__none__"
"""Segment of an event that has none of the breakdown's properties."""

MAX_SEGMENT_LENGTH = 120
"""Characters of a breakdown value that are kept; longer ones are free text, not a segment."""

MAX_AMOUNT = Decimal("1e15")
"""Amounts at or above it are typing errors; exact sums need a bound (see `aggregate.money`)."""

AMOUNT_PLACES = 9
"""Decimal places of an amount that are kept exactly; an amount with more is no amount of money."""

# (breakdown values, ((step, currency, amount as plain text), ...))
Touch = tuple[tuple[str, ...], tuple[tuple[int, str, str], ...]]
# (time_ms, event id, steps it can serve counted from 0 in ascending order, touch, place of its record in the batch)
Hit = tuple[int, str, tuple[int, ...], Touch | None, int]


class CompiledFunnel:
    """A funnel with everything the fold looks up precomputed.

    `number` names it in stored state, `slot` is its place among the funnels of its set, from 1.
    """

    def __init__(self, funnel: Funnel, number: int, property_paths: Sequence[str] = (), slot: int = 1) -> None:
        self.definition = funnel
        self.number = number
        self.slot = slot
        self.window_ms = funnel.window_ms
        self.step_count = len(funnel.steps)
        self.strict_time = funnel.strict_time
        self.period_of = period_of(funnel.period)
        self.steps_of: dict[str, tuple[int, ...]] = {}
        for index, step in enumerate(funnel.steps):
            for name in step.events:
                if index not in self.steps_of.get(name, ()):
                    self.steps_of[name] = (*self.steps_of.get(name, ()), index)
        column = {path: index for index, path in enumerate(property_paths)}
        self.tests = {index: test_of(step.where, column) for index, step in enumerate(funnel.steps) if step.where}
        self._breakdowns = tuple(
            tuple(column[path] for path in breakdown.properties) for breakdown in funnel.breakdowns
        )
        self._values = {
            index: (
                column[step.value.property],
                None if step.value.currency_property is None else column[step.value.currency_property],
                step.value.currency,
            )
            for index, step in enumerate(funnel.steps)
            if step.value is not None
        }
        self.has_touch = bool(self._breakdowns or self._values)
        columns = [index for breakdown in self._breakdowns for index in breakdown]
        self._raw_segments = itemgetter(*columns) if columns else None
        self._known: dict[Any, Touch] = {}

    def touch(self, steps: tuple[int, ...], properties: Sequence[Any]) -> Touch | None:
        """Return what the event says for breakdowns and values, None if it says nothing.

        Breakdown values are those of the entry event (first touch), so that only an event
        which can serve the first step has some; the others' are ().
        """
        touch = self._segments(properties) if self._raw_segments is not None and steps[0] == 0 else None
        if not self._values:
            return touch
        values = tuple(
            [
                (step + 1, *amount)
                for step in steps
                if step in self._values and (amount := self._amount(step, properties)) is not None
            ]
        )
        if not values:
            return touch
        return touch[0] if touch is not None else (), values

    def _segments(self, properties: Sequence[Any]) -> Touch:
        """Return the touch without values; one object for equal ones, since state holds references to it."""
        raw = self._raw_segments(properties)  # type: ignore[misc] # only called where there are breakdowns
        try:
            known = self._known.get(raw)
        except TypeError:  # a list or an object: no segment, and no key either
            known = None
        if known is not None:
            return known
        touch: Touch = (tuple([_segment(properties, columns) for columns in self._breakdowns]), ())
        # 1, True and "1" are different segments but may be equal keys: only text is remembered.
        if all(type(value) is str or value is None for value in (raw if type(raw) is tuple else (raw,))):
            if len(self._known) >= MAX_INTERNED:
                self._known.clear()
            self._known[raw] = touch
        return touch

    def _amount(self, step: int, properties: Sequence[Any]) -> tuple[str, str] | None:
        column, currency_column, fallback = self._values[step]
        amount = exact_amount(properties[column])
        if amount is None:
            return None
        currency = properties[currency_column] if currency_column is not None else None
        return (currency if isinstance(currency, str) and currency else fallback), amount


MAX_INTERNED = 100_000
"""Touches without values that a funnel remembers; more are free text, and remembering starts anew."""


def exact_amount(raw: Any) -> str | None:
    """Return `raw` (number or text) as plain decimal text, or None if it is no amount of money."""
    if isinstance(raw, bool) or raw is None:
        return None
    try:
        amount = Decimal(str(raw) if isinstance(raw, float) else raw)
    except (InvalidOperation, TypeError, ValueError):
        return None
    if not amount.is_finite() or abs(amount) >= MAX_AMOUNT:
        return None
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > AMOUNT_PLACES and amount != round(amount, AMOUNT_PLACES):
        return None
    return format(amount, "f")


def segment_text(raw: Any) -> str | None:
    """Return a property's value as a segment, or None where it is no plain non-empty value."""
    if isinstance(raw, str):
        return raw[:MAX_SEGMENT_LENGTH] or None
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int | float | Decimal):
        try:
            return str(raw)[:MAX_SEGMENT_LENGTH]
        except ValueError:  # an integer of more than 4300 digits
            return None
    return None


def _segment(properties: Sequence[Any], columns: tuple[int, ...]) -> str:
    for column in columns:
        text = segment_text(properties[column])
        if text is not None:
            return text
    return NO_VALUE


Served: TypeAlias = "tuple[tuple[CompiledFunnel, tuple[int, ...]], ...]"


MAX_KINDS = 10_000
"""Kinds whose steps are remembered; what more there are is worked out anew for each event."""


class Serving(dict[Kind, Served]):
    """Which steps of which funnels an event of a kind serves.

    Kinds of names whose steps have conditions are worked out when they are first asked for.
    """

    def __init__(self, funnels: Iterable[CompiledFunnel]) -> None:
        super().__init__()
        self._places: dict[str, list[tuple[CompiledFunnel, int]]] = {}
        self.kinds: dict[str, KindOf] = {}
        for funnel in funnels:
            for name, steps in funnel.steps_of.items():
                self._places.setdefault(name, []).extend((funnel, step) for step in steps)
        for name, places in self._places.items():
            if any(step in funnel.tests for funnel, step in places):
                self.kinds[name] = _kind_of(name, places)
            else:
                self[name] = _served(places)

    def __missing__(self, kind: Kind) -> Served:
        """Work out what an event serves that meets the conditions of these places."""
        name, met = kind if isinstance(kind, tuple) else (kind, 0)
        served = _served([place for bit, place in enumerate(self._places.get(name, ())) if met >> bit & 1])
        if not served:
            raise KeyError(kind)
        if len(self) < MAX_KINDS:
            self[kind] = served
        return served


def _served(places: Iterable[tuple[CompiledFunnel, int]]) -> Served:
    steps: dict[CompiledFunnel, tuple[int, ...]] = {}
    for funnel, step in places:
        steps[funnel] = (*steps.get(funnel, ()), step)
    return tuple(steps.items())


def _kind_of(name: str, places: Sequence[tuple[CompiledFunnel, int]]) -> KindOf:
    tests = [(1 << bit, funnel.tests[step]) for bit, (funnel, step) in enumerate(places) if step in funnel.tests]
    always = sum(1 << bit for bit, (funnel, step) in enumerate(places) if step not in funnel.tests)

    def kind_of(properties: Sequence[Any]) -> Kind | None:
        met = always
        for bit, test in tests:
            if test(properties):
                met |= bit
        return (name, met) if met else None

    return kind_of


class FunnelSet:
    """All funnels on one stream: names any of them can use, and each funnel compiled.

    `property_paths` is what the decoder must hand over, in this order. `numbers` gives each
    `name@version` the number under which its state is stored. `serving`: for an event's kind, each
    funnel it serves and the steps of it. An event's kind is its name; where a step of that name has conditions,
    `kinds` tells it by the properties, None where it serves nothing.
    """

    def __init__(self, funnels: Sequence[Funnel], numbers: dict[str, int] | None = None) -> None:
        self.property_paths: tuple[str, ...] = tuple(
            sorted({path for funnel in funnels for path in funnel.needed_properties})
        )
        numbers = numbers if numbers is not None else {funnel.key: n for n, funnel in enumerate(funnels)}
        self.funnels = tuple(
            CompiledFunnel(funnel, numbers[funnel.key], self.property_paths, slot)
            for slot, funnel in enumerate(funnels, start=1)
        )
        self.by_number = {compiled.number: compiled for compiled in self.funnels}
        self.serving = Serving(self.funnels)
        self.kinds = self.serving.kinds

    def served(self, name: str, properties: Sequence[Any]) -> Served:
        """Return which steps of which funnels an event serves; () if none."""
        if name in self.kinds:
            kind = self.kinds[name](properties)
            return () if kind is None else self.serving[kind]
        return self.serving.get(name, ())
