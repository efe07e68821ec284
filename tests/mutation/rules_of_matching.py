"""Rules of what an event is to a funnel: roles, conditions on properties, entry periods, values."""

from typing import Final

from .rule import Rule

RULES: Final = (
    # Roles
    Rule(
        "§4 a step's conditions are asked",
        "match.py",
        "place(name, index, step.where, held)",
        "place(name, index, (), held)",
    ),
    Rule(
        "§4 an event serves every step that it matches",
        "match.py",
        "return tuple(sorted(roles - {BREAKS} if max(roles, default=-1) >= 0 else roles))",
        "return tuple(sorted(roles - {BREAKS} if max(roles, default=-1) >= 0 else roles))[:1]",
    ),
    Rule(
        "§4 hold: an event without a held property serves nothing",
        "match.py",
        "place(name, index, step.where, held)",
        "place(name, index, step.where)",
    ),
    Rule(
        "§4 an exclusion's conditions are asked",
        "match.py",
        "place(name, excludes(index), exclusion.where, held)",
        "place(name, excludes(index), (), held)",
    ),
    Rule(
        "§4 hold: an event without a held property excludes nothing",
        "match.py",
        "place(name, excludes(index), exclusion.where, held)",
        "place(name, excludes(index), exclusion.where)",
    ),
    Rule(
        "§4 each exclusion has its own range and effect",
        "match.py",
        "place(name, excludes(index), exclusion.where, held)",
        "place(name, excludes(0), exclusion.where, held)",
    ),
    Rule(
        "§4 strict: all the actor's events break",
        "match.py",
        "(None,) if funnel.breaking is None else funnel.breaking",
        "() if funnel.breaking is None else funnel.breaking",
    ),
    Rule(
        "§4 strict: unless the funnel lists events",
        "match.py",
        "(None,) if funnel.breaking is None else funnel.breaking",
        "(None,)",
    ),
    Rule(
        "§4 gap rule: every event of the actor counts for the gap",
        "match.py",
        "        yield place(None, None)\n",
        "        pass\n",
    ),
    Rule(
        "§4 an event that serves a step is asked about any event's roles too",
        "match.py",
        "            placed = [*named, *every]\n",
        "            placed = [*named]\n",
    ),
    # Conditions
    Rule(
        "§4 a missing property fails every condition",
        "predicates.py",
        "if (value is not None and holds(value)) is negated:",
        "if (value is None or holds(value)) is negated:",
    ),
    Rule(
        "§4 not turns a condition round",
        "predicates.py",
        "if (value is not None and holds(value)) is negated:",
        "if not (value is not None and holds(value)):",
    ),
    Rule(
        "§4 all conditions of a step hold",
        "predicates.py",
        "checks = tuple((column[each.property], _check(each), each.negated) for each in predicates)",
        "checks = tuple((column[each.property], _check(each), each.negated) for each in predicates[:1])",
    ),
    Rule(
        "§4 contains ignores case",
        "predicates.py",
        "return lambda value: part in text_of(value).casefold()",
        "return lambda value: part in text_of(value)",
    ),
    Rule(
        "§4 contains ignores case, of what is looked for",
        "predicates.py",
        "part = text_of(wanted[0]).casefold()",
        "part = text_of(wanted[0])",
    ),
    Rule(
        "§4 a regular expression looks at a bounded text",
        "predicates.py",
        "search(text_of(value)[:SEARCHED])",
        "search(text_of(value))",
    ),
    Rule(
        "§4 a regular expression is searched for",
        "predicates.py",
        "search = compile_regex(str(wanted[0])).search",
        "search = compile_regex(str(wanted[0])).match",
    ),
    Rule(
        "§4 less than is not at most",
        "predicates.py",
        "Operator.LESS: operator.lt,",
        "Operator.LESS: operator.le,",
    ),
    Rule(
        "§4 at most includes the limit",
        "predicates.py",
        "Operator.AT_MOST: operator.le,",
        "Operator.AT_MOST: operator.lt,",
    ),
    Rule(
        "§4 more than is not at least",
        "predicates.py",
        "Operator.MORE: operator.gt,",
        "Operator.MORE: operator.ge,",
    ),
    Rule(
        "§4 at least includes the limit",
        "predicates.py",
        "Operator.AT_LEAST: operator.ge,",
        "Operator.AT_LEAST: operator.gt,",
    ),
    Rule(
        "§4 numbers are compared as numbers",
        "predicates.py",
        "return text_of(value) in texts if number is None else number in numbers or text_of(value) in words",
        "return text_of(value) in texts",
    ),
    Rule(
        "§4 a number meets a wanted text as text",
        "predicates.py",
        "return text_of(value) in texts if number is None else number in numbers or text_of(value) in words",
        "return text_of(value) in texts if number is None else number in numbers",
    ),
    Rule(
        "§4 one of several values is enough",
        "predicates.py",
        "            return _one_of(wanted)\n",
        "            return _one_of(wanted[:1])\n",
    ),
    Rule(
        "§4 true is the text true",
        "predicates.py",
        'return "true" if value else "false"',
        "return str(value)",
    ),
    Rule(
        "§4 true is no number",
        "predicates.py",
        "    if isinstance(value, bool):\n        return None\n",
        "",
    ),
    Rule(
        "§4 times are compared as times",
        "predicates.py",
        "read = iso_ms if _amount(wanted) is None else _amount",
        "read = _amount",
    ),
    Rule(
        "§4 a number in text is compared as a number",
        "predicates.py",
        "return Decimal(value) if NUMBER.fullmatch(value) else None",
        "return None",
    ),
    Rule(
        "§4 hold: equal numbers are one value",
        "predicates.py",
        "    if number is not None and number.adjusted() <= PLAIN_DIGITS and number == int(number):\n"
        "        return str(int(number))\n",
        "",
    ),
    Rule(
        "§4 hold: a list or an object is no value",
        "predicates.py",
        "return text_of(value) if isinstance(value, str | bool | float | Decimal) else None",
        "return text_of(value)",
    ),
    # Entry periods
    Rule(
        "§5 hours follow one grid",
        "periods.py",
        "    if period.unit is PeriodUnit.HOUR:\n",
        "    if period.unit is PeriodUnit.HOUR and period.zone == 'UTC':\n",
    ),
    Rule(
        "§5 days are those of the named zone",
        "periods.py",
        'if period.zone == "UTC" and period.unit is PeriodUnit.DAY:',
        "if period.unit is PeriodUnit.DAY:",
    ),
    Rule(
        "§5 a day is cut by the clocks of the zone, where they change too",
        "periods.py",
        "return (local.replace(tzinfo=self._zone).astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)",
        "return (local.replace(tzinfo=UTC) - self._zone.utcoffset(datetime(2026, 1, 1)) - EPOCH)"
        " // timedelta(milliseconds=1)",
    ),
    Rule(
        "§5 a day has the hours between two midnights",
        "periods.py",
        "            return first + timedelta(days=1)\n",
        "            return first + timedelta(hours=24, milliseconds=-1)\n",
    ),
    Rule(
        "§5 when clocks go back over midnight the day that had begun goes on",
        "periods.py",
        "        if time_ms >= end:\n",
        "        if False:\n",
    ),
    Rule(
        "§5 weeks begin on Monday",
        "periods.py",
        "first -= timedelta(days=first.weekday())",
        "first -= timedelta(days=first.isoweekday() % 7)",
    ),
    Rule(
        "§5 weeks have seven days",
        "periods.py",
        "            return first + timedelta(days=7)\n",
        "            return first + timedelta(days=6)\n",
    ),
    Rule(
        "§5 months begin on the first",
        "periods.py",
        "            first = first.replace(day=1)\n",
        "            pass\n",
    ),
    Rule(
        "§5 months end where the next begins",
        "periods.py",
        "return (first + timedelta(days=31)).replace(day=1)",
        "return first + timedelta(days=30)",
    ),
    Rule(
        "§5 a period's end is not in it, in what is remembered of the calendar",
        "periods.py",
        "if at >= 0 and time_ms < self._ends[at]:",
        "if at >= 0 and time_ms <= self._ends[at]:",
    ),
    # Values
    Rule(
        "§5 a value is that of the step it is from",
        "touches.py",
        "(step + 1, *amount)",
        "(1, *amount)",
    ),
    Rule(
        "§5 an amount is exact",
        "touches.py",
        'return format(amount, "f")',
        'return format(float(amount), "f")',
    ),
    Rule(
        "§5 a value has a currency",
        "touches.py",
        "return (currency if isinstance(currency, str) and currency else fallback), amount",
        "return fallback, amount",
    ),
)
