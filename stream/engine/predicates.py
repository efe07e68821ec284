"""Whether an event meets a step's conditions on its properties (SPEC section 4, step match).

In:  predicates of a definition, and the place of each property in what the decoder hands over.
Out: one test for an event's properties.

A property that is missing fails every predicate, so that `not` holds then. Numbers are compared with numbers as
such, all else as text, where true is `true`. Regular expressions are RE2's, linear in the text, and bounded in size as
the text they look at is, so that none can hold up the stream.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import re2

from stream.model.funnel import Operator, Predicate, Scalar
from stream.model.times import NUMBER, iso_ms

ORDERED = (Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST)
"""Operators that compare numbers, or times."""

PLAIN_DIGITS = 30
"""Digits before or after the point up to which a number is written without an exponent."""

SEARCHED = 4_096
"""Characters of a property, from its first on, in which `regex` looks."""

REGEX_BYTES = 1 << 20
"""What a compiled expression may take; with `SEARCHED` it bounds a search: 0.15 s for the worst that was tried."""

Test: TypeAlias = Callable[[Sequence[Any]], bool]
_Check: TypeAlias = Callable[[Any], bool]
_COMPARISONS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.MORE: operator.gt,
    Operator.AT_LEAST: operator.ge,
}


def test_of(predicates: Sequence[Predicate], column: Mapping[str, int], needed: Sequence[str]) -> Test | None:
    """Return whether properties, in the order of `column`, meet all of `predicates` and have those at `needed`.

    None if all do.
    """
    if not predicates and not needed:
        return None
    checks = tuple((column[each.property], _check(each), each.negated) for each in predicates)
    checks += tuple((column[path], _is_plain, False) for path in needed)

    def test(properties: Sequence[Any]) -> bool:
        for place, holds, negated in checks:
            value = properties[place]
            if (value is not None and holds(value)) is negated:
                return False
        return True

    return test


def compile_regex(pattern: str) -> Any:
    """Return what searches for `pattern`; raises `ValueError` with RE2's word if it is none."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = REGEX_BYTES
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        raise ValueError(str(error.args[0].decode() if isinstance(error.args[0], bytes) else error)) from None


def _check(predicate: Predicate) -> _Check:
    """Return whether a value that is there meets a predicate, `negated` aside."""
    wanted = predicate.values
    match predicate.operator:
        case Operator.EXISTS:
            return lambda _: True
        case Operator.EQUALS | Operator.IN:
            return _one_of(wanted)
        case Operator.CONTAINS:
            part = text_of(wanted[0]).casefold()
            return lambda value: part in text_of(value).casefold()
        case Operator.REGEX:
            search = compile_regex(str(wanted[0])).search
            return lambda value: search(text_of(value)[:SEARCHED]) is not None
        case _:
            return _compared(predicate.operator, wanted[0])


def _one_of(wanted: Sequence[Scalar]) -> _Check:
    numbers = {number for each in wanted if (number := _number(each)) is not None}
    # A number of an event meets wanted numbers as such, and wanted texts as text.
    texts = {text_of(each) for each in wanted}
    words = {text_of(each) for each in wanted if _number(each) is None}

    def holds(value: Any) -> bool:
        number = _number(value)
        return text_of(value) in texts if number is None else number in numbers or text_of(value) in words

    return holds


def _compared(word: Operator, wanted: Scalar) -> _Check:
    limit = quantity(wanted)
    read = iso_ms if _amount(wanted) is None else _amount
    holds = _COMPARISONS[word]
    return lambda value: (found := read(value)) is not None and holds(found, limit)


def quantity(value: Any) -> Decimal | int | None:
    """Return a number or a number in text as it is, a time in ISO 8601 form as ms; None for all else."""
    number = _amount(value)
    return iso_ms(value) if number is None else number


def text_of(value: Any) -> str:
    """Return a value as text; a number without an exponent, unless that would be long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        value = Decimal(str(value))
    if isinstance(value, Decimal) and abs(value.adjusted()) <= PLAIN_DIGITS:
        return format(value, "f")
    try:
        return str(value)
    except ValueError:  # an integer of more than 4300 digits
        return ""


def same_text(value: Any) -> str | None:
    """Return a text that is the same for equal values, equal numbers among them; None for what is no plain value."""
    number = _number(value)
    if isinstance(number, int):
        return text_of(number)
    if number is not None and number.adjusted() <= PLAIN_DIGITS and number == int(number):
        return str(int(number))
    return text_of(value) if isinstance(value, str | bool | float | Decimal) else None


def _is_plain(value: Any) -> bool:
    return same_text(value) is not None


def _number(value: Any) -> Decimal | int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return Decimal(str(value))
    return value if isinstance(value, int | Decimal) else None


def _amount(value: Any) -> Decimal | int | None:
    """Return a number, also one written as text."""
    if not isinstance(value, str):
        return _number(value)
    return Decimal(value) if NUMBER.fullmatch(value) else None
