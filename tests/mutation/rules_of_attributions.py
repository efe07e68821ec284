"""Rules of breakdown values: which events an attempt and an actor take them from."""

from typing import Final

from .rule import Rule

RULES: Final = (
    # What an instant says
    Rule(
        "§6 ties: of the values of an instant that of the smallest id is the first, of the largest the last",
        "attribution.py",
        "for hit in sorted(hits, key=_id_of)",
        "for hit in hits",
    ),
    Rule(
        "§6 last_touch: of an instant the largest id",
        "attribution.py",
        "        said.reverse()\n        last = ",
        "        last = ",
    ),
    Rule(
        "§6 an event that serves no step is no touch",
        "touches.py",
        "return bool(roles) and roles[-1] >= 0",
        "return True",
    ),
    Rule(
        "§6 any step's event is a touch where the entry event alone does not tell",
        "touches.py",
        "            or not all(breakdown.is_by_entry for breakdown in funnel.breakdowns)\n",
        "",
    ),
    Rule(
        "§6 first touch: in an open funnel any step's event can be the entry",
        "touches.py",
        "            funnel.is_open\n            or funnel.order",
        "            funnel.order",
    ),
    Rule(
        "§6 first touch: in any order too",
        "touches.py",
        "            or funnel.order is Order.ANY\n",
        "",
    ),
    Rule(
        "§6 of several properties the first that an event has",
        "touches.py",
        "    for column in columns:\n        text =",
        "    for column in reversed(columns):\n        text =",
    ),
    Rule(
        "§6 values of several properties that differ never coincide",
        "touches.py",
        'return text.replace("\\\\", "\\\\\\\\").replace("/", "\\\\/")',
        "return text",
    ),
    Rule(
        "§6 several properties as one: none of them is no value",
        "touches.py",
        "    if not any(texts):\n        return NO_VALUE\n",
        "",
    ),
    # Attempts
    Rule(
        "§6 what was said before t0 does not count",
        "attribution.py",
        "since = [note for note in notes if note[0] >= entry_ms]",
        "since = list(notes)",
    ),
    Rule(
        "§6 what was said at t0 counts",
        "attribution.py",
        "since = [note for note in notes if note[0] >= entry_ms]",
        "since = [note for note in notes if note[0] > entry_ms]",
    ),
    Rule(
        "§6 first_defined: an attempt that opens on older chains takes the first since t0",
        "attribution.py",
        "_first_value([first for _, first, _ in since], place)",
        "_first_value([first for _, first, _ in reversed(since)], place)",
    ),
    Rule(
        "§6 last_touch: an attempt that opens on older chains takes the last since t0",
        "attribution.py",
        "_first_value([last for _, _, last in reversed(since)], place)",
        "_first_value([last for _, _, last in since], place)",
    ),
    Rule(
        "§6 first_defined: a later value replaces none",
        "attribution.py",
        "if segments[place] == NO_VALUE:",
        "if first[place] != NO_VALUE:",
    ),
    Rule(
        "§6 first_defined: it fills in what is missing",
        "attribution.py",
        "                    segments[place] = first[place]\n",
        "                    pass\n",
    ),
    Rule(
        "§6 last_touch: a later value replaces one",
        "attribution.py",
        "if last[place] != NO_VALUE:",
        "if segments[place] == NO_VALUE:",
    ),
    Rule(
        "§6 last_touch: an event without the property leaves it",
        "attribution.py",
        "if last[place] != NO_VALUE:",
        "if True:",
    ),
    Rule(
        "§6 step: an attempt's value is that of the chain it now reports",
        "attribution.py",
        "after = self._with_steps(segments, chain)",
        "after = tuple(segments)",
    ),
    Rule(
        "§6 touches until the close count",
        "option_fold.py",
        "            attempt = self._attributed(self._attributions, attempt, now_ms, notes)\n",
        "            pass\n",
    ),
    Rule(
        "§6 touches of the instant of the conversion count",
        "option_fold.py",
        "        if attempt is not None and self._attributions is not None:\n",
        ("        if attempt is not None and attempt[1] < self._step_count and self._attributions is not None:\n"),
    ),
    # What is remembered
    Rule(
        "§6 touches since a kept start are remembered",
        "option_fold.py",
        "self._attributions.remembered(notes, self.shape.starts(kept))",
        "self._attributions.remembered(notes, ())",
    ),
    Rule(
        "§6 no more touches are remembered than kept starts can ask for",
        "attribution.py",
        "return tuple([note for note in notes if note[0] in asked])",
        "return tuple(notes)",
    ),
    Rule(
        "§6 first_defined: the first touch is remembered of each kept start",
        "attribution.py",
        "for start_ms in set(starts) if self._first else ():",
        "for start_ms in [min(starts)] if self._first else ():",
    ),
    Rule(
        "§6 first_defined: also of the earliest kept start",
        "attribution.py",
        "for start_ms in set(starts) if self._first else ():",
        "for start_ms in [max(starts)] if self._first else ():",
    ),
    Rule(
        "§6 first_defined: the first touch of a kept start is none from before it",
        "attribution.py",
        "            since = [note for note in notes if note[0] >= start_ms]\n",
        "            since = list(notes)\n",
    ),
    Rule(
        "§6 last_touch: the last touch is remembered",
        "attribution.py",
        "note for note in reversed(notes) if note[0] >= min(starts)",
        "note for note in notes if note[0] >= min(starts)",
    ),
    Rule(
        "§6 in order: a chain's touches begin with its first event",
        "chains.py",
        "return {start_of(chain) for chain in kept}",
        "return {chain[-2] for chain in kept}",
    ),
    Rule(
        "§6 any order: any event that is kept may be the first",
        "any_order.py",
        "return {hit[0] for hit in kept}",
        "return {max(hit[0] for hit in kept)} if kept else set()",
    ),
    # Actors
    Rule(
        "§6 in ties of a chain the ids decide",
        "attribution.py",
        "return None if touch is None else (*touch[:ID], event_id)",
        'return None if touch is None else (*touch[:ID], "")',
    ),
    Rule(
        "§6 any order: an event that has a value keeps its id",
        "any_order.py",
        "((level, currency, amount),), *touch[2:])",
        "((level, currency, amount),))",
    ),
    Rule(
        "§6 actors: the touches are those of the reported chain, first to last",
        "attribution.py",
        "            said = [each for _, _, each in events]\n",
        "            said = [each for _, _, each in reversed(events)]\n",
    ),
    Rule(
        "§6 actors: last_touch is the last of the reported chain",
        "attribution.py",
        "            said.reverse()\n            for place",
        "            for place",
    ),
    Rule(
        "§6 actors: step is the event of the reported chain",
        "attribution.py",
        (
            "                segments[place] = _first_value(said, place)\n"
            "        return self._with_steps(segments, chain), ()"
        ),
        "                segments[place] = _first_value(said, place)\n        return tuple(segments), ()",
    ),
    Rule(
        "§6 step: it is that of the step asked for",
        "attribution.py",
        "chain[2 * step - 1] if step <= level_of(chain)",
        "chain[1] if step <= level_of(chain)",
    ),
    Rule(
        "§6 step: a step not reached has no value",
        "attribution.py",
        "chain[2 * step - 1] if step <= level_of(chain) else None",
        "chain[min(2 * step, len(chain)) - 1]",
    ),
    Rule(
        "§6 a breakdown that goes by other events is an option of the funnel",
        "option_fold.py",
        "        or attributions_of(funnel) is not None\n",
        "",
    ),
)
