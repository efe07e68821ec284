"""Rules of counted units: kept starts under the bot cap, distinct actors, what is sealed and forgotten."""

from typing import Final

from .rule import Rule

RULES: Final = (
    # Kept starts count for the bot cap
    Rule(
        "§4 not_before: kept starts count for the cap",
        "option_fold.py",
        "self._keeps_starts = any(step.not_before_ms for step in funnel.steps)",
        "self._keeps_starts = False",
    ),
    Rule(
        "§4 not_before: other chains that are kept do not",
        "option_fold.py",
        "if self._keeps_starts and standing:",
        "if standing:",
    ),
    Rule(
        "§4 not_before: an actor with few events and many kept starts is near the cap",
        "advance.py",
        "if bot_cap == NO_CAP or (len(entries) - 1 <= bot_cap and not may_hold_more):",
        "if bot_cap == NO_CAP or len(entries) - 1 <= bot_cap:",
    ),
    Rule(
        "§4 not_before: a start that is an unsealed event is one",
        "advance.py",
        "options.held(fold_of(entries[first_open - 1]), limit_ms)",
        "options.held(fold_of(entries[-1]), limit_ms)",
    ),
    Rule(
        "§4 not_before: sealed kept starts are those of the limit",
        "advance.py",
        "options.held(fold_of(entries[first_open - 1]), limit_ms)",
        "options.held(fold_of(entries[0]), limit_ms)",
    ),
    Rule(
        "§4 not_before: units: kept starts count for the cap",
        "optioned.py",
        "        kept += options.held(base, limit_ms)\n",
        "",
    ),
    Rule(
        "§4 not_before: units: an actor with few events and many kept starts is near the cap",
        "optioned.py",
        " <= bot_cap and not options.may_hold_more:",
        " <= bot_cap:",
    ),
    Rule(
        "§4 not_before: units: a start that is an unsealed event is one",
        "optioned.py",
        "        kept += options.held(base, limit_ms)\n",
        "        kept += options.held(fold_of(entries[-1]), limit_ms)\n",
    ),
    Rule(
        "§7 units: a sealed unit stands for one event",
        "optioned.py",
        "        kept += first_open == len(entries) and options.matters(base, limit_ms)\n",
        "",
    ),
    Rule(
        "§7 units: a sealed unit stands for one only as long as it matters",
        "optioned.py",
        "        kept += first_open == len(entries) and options.matters(base, limit_ms)\n",
        "        kept += first_open == len(entries)\n",
    ),
    Rule(
        "§4 not_before: a start whose gap is over at the limit does not count for the cap",
        "option_fold.py",
        "starts = len(self.shape.kept(standing[0], limit_ms))",
        "starts = len(standing[0])",
    ),
    # Distinct actors over units
    Rule(
        "§4 distinct actors: an actor counts in a period with a unit that counts",
        "optioned.py",
        "for start_ms, _, _, best, _ in tip[PERIODS] if best}",
        "for start_ms, _, _, best, _ in tip[PERIODS]}",
    ),
    Rule(
        "§4 distinct actors: over the sessions of a gap rule",
        "optioned.py",
        "        changes += _actor_change(_counted_in(before), _counted_in(record[funnel.slot][-1]))\n",
        "        pass\n",
    ),
    Rule(
        "§4 distinct actors: over sessions with an id and held values",
        "optioned.py",
        "return verdict, [*changes, *_actor_change(before, after)]",
        "return verdict, changes",
    ),
    Rule(
        "§4 distinct actors: an actor of several units counts once",
        "optioned.py",
        "    before = _counted_in(*[entries[-1] for entries in states.entries.values()])\n",
        ("    before = _counted_in(*[entries[-1] for unit, entries in states.entries.items() if unit == own])\n"),
    ),
    Rule(
        "§4 distinct actors: an actor that counts with no unit any more is taken out",
        "optioned.py",
        " + [(start, -1) for start in before - after]",
        "",
    ),
    Rule(
        "§4 distinct actors: a result stays while another of its period may change",
        "state.py",
        "if each[0] not in undecided}",
        "if each[0] not in undecided or each[2] is None}",
    ),
    Rule(
        "§4 distinct actors: units: a result stays while another unit's may change",
        "optioned.py",
        "forget_periods(entries, undecided)",
        "forget_periods(entries, undecided_in(funnel, entries, floored_ms))",
    ),
    Rule(
        "§4 distinct actors: a unit stays while another's result of its period may change",
        "optioned.py",
        "if end_ms is not None and end_ms < limit_ms and undecided.isdisjoint(_counted_in(entries[-1])):",
        "if end_ms is not None and end_ms < limit_ms:",
    ),
    Rule(
        "§4 distinct actors: a unit that says nothing of an undecided period goes",
        "optioned.py",
        "if end_ms is not None and end_ms < limit_ms and undecided.isdisjoint(_counted_in(entries[-1])):",
        "if end_ms is not None and end_ms < limit_ms and not undecided:",
    ),
    # Sealing of units
    Rule(
        "§7 units: what is below the limit is sealed",
        "optioned.py",
        "        fold_away(entries, floored_ms)\n",
        "        pass\n",
    ),
    Rule(
        "§4 granularity: units: the limit for sealing is floored too",
        "optioned.py",
        "        fold_away(entries, floored_ms)\n",
        "        fold_away(entries, limit_ms)\n",
    ),
    Rule(
        "§4 granularity: units: what happened for all is kept until the floored limit",
        "optioned.py",
        "states.shared = [(unit, hit) for unit, hit in states.shared if hit[0] >= floored_ms]",
        "states.shared = [(unit, hit) for unit, hit in states.shared if hit[0] >= limit_ms]",
    ),
    Rule(
        "§7 units: a period that is over is forgotten",
        "optioned.py",
        "        forget_periods(entries, undecided)\n",
        "",
    ),
)
