"""What an event says for breakdowns and values: its touch.

In:  a funnel's definition, and the place of each property in what the decoder hands over.
Out: an event's breakdown values and step values, or None where it has nothing to say.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from typing import Any

from stream.engine.roles import Touch
from stream.model.funnel import Funnel, Order

NO_VALUE = "__none__"
"""Segment of an event that has none of the breakdown's properties."""

MAX_SEGMENT_LENGTH = 120
"""Characters of a breakdown value that are kept; longer ones are free text, not a segment."""

MAX_AMOUNT = Decimal("1e15")
"""Amounts at or above it are typing errors; exact sums need a bound (see `aggregate.money`)."""

AMOUNT_PLACES = 9
"""Decimal places of an amount that are kept exactly; an amount with more is no amount of money."""

MAX_INTERNED = 100_000
"""Touches without values that a funnel remembers; more are free text, and remembering starts anew."""


class Touches:
    """What events say for one funnel; `says_any`: whether any says something."""

    def __init__(self, funnel: Funnel, column: Mapping[str, int]) -> None:
        self._breakdowns = tuple(
            (_combined if breakdown.is_combined else _segment, tuple(column[path] for path in breakdown.properties))
            for breakdown in funnel.breakdowns
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
        self.says_any = bool(self._breakdowns or self._values)
        columns = [index for _, own in self._breakdowns for index in own]
        self._raw_segments = itemgetter(*columns) if columns else None
        self.is_any_asked = (
            funnel.is_open
            or funnel.order is Order.ANY
            or not all(breakdown.is_by_entry for breakdown in funnel.breakdowns)
        )
        """Whether the breakdown values of any event that serves a step can count, not only of one of the first."""
        self._known: dict[Any, Touch] = {}

    def touch(self, roles: tuple[int, ...], properties: Sequence[Any]) -> Touch | None:
        """Return what the event says for breakdowns and values, None if it says nothing.

        Where all breakdowns go by the entry event, only an event that can be the first of a chain has values of
        them; the others' are ().
        """
        touch = self._segments(properties) if self._raw_segments is not None and self.has_segments(roles) else None
        if not self._values:
            return touch
        values = tuple(
            [
                (step + 1, *amount)
                for step in roles
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
        touch: Touch = (tuple([value_of(properties, columns) for value_of, columns in self._breakdowns]), ())
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

    def has_segments(self, roles: tuple[int, ...]) -> bool:
        """Tell whether an event of these roles can give a result its breakdown values."""
        if self.is_any_asked:
            return bool(roles) and roles[-1] >= 0
        return 0 in roles


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


def _segment(properties: Sequence[Any], columns: Sequence[int]) -> str:
    for column in columns:
        text = segment_text(properties[column])
        if text is not None:
            return text
    return NO_VALUE


def _combined(properties: Sequence[Any], columns: Sequence[int]) -> str:
    """Return the values of several properties as one, such as `mobile / search`; different ones never coincide."""
    texts = [segment_text(properties[column]) for column in columns]
    if not any(texts):
        return NO_VALUE
    return " / ".join([NO_VALUE if text is None else _escaped(text) for text in texts])


def _escaped(text: str) -> str:
    """Return a value with a backslash before all that could be taken for something else."""
    if text == NO_VALUE:
        return f"\\{text}"
    return text.replace("\\", "\\\\").replace("/", "\\/")
