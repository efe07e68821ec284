"""Rules of chains with options: strict and in order of the steps, and in any order."""

from typing import Final

from .rule import Rule

RULES: Final = (
    # Windows and gaps
    Rule(
        "§3 with options: a chain fits into the window",
        "chains.py",
        "            if now_ms - start_of(chain) > self.window_ms:\n                continue\n",
        "",
    ),
    Rule(
        "§3 with options: the last instant of the window counts",
        "chains.py",
        "if now_ms - start_of(chain) > self.window_ms:",
        "if now_ms - start_of(chain) >= self.window_ms:",
    ),
    Rule(
        "§5 with options: the last instant of the window counts, for which chains are alive",
        "chains.py",
        "return max(now_ms, last + self._not_before[step]) <= limit",
        "return max(now_ms, last + self._not_before[step]) < limit",
    ),
    Rule(
        "§4 within: a chain whose limit is over is not alive",
        "chains.py",
        "limit = min(start_of(chain) + self.window_ms, last + self._within[step])\n",
        "limit = start_of(chain) + self.window_ms\n",
    ),
    Rule(
        "§4 not_before: a chain whose gap outlasts its window is not alive",
        "chains.py",
        "return max(now_ms, last + self._not_before[step]) <= limit",
        "return now_ms <= limit",
    ),
    Rule(
        "§4 within: the event is at most that long after the previous one",
        "chains.py",
        "if self._not_before[step] <= gap_ms <= self._within[step]:",
        "if self._not_before[step] <= gap_ms:",
    ),
    Rule(
        "§4 within: the limit is inclusive",
        "chains.py",
        "if self._not_before[step] <= gap_ms <= self._within[step]:",
        "if self._not_before[step] <= gap_ms <= self._within[step] - 1:",
    ),
    Rule(
        "§4 not_before: the event is at least that long after the previous one",
        "chains.py",
        "if self._not_before[step] <= gap_ms <= self._within[step]:",
        "if gap_ms <= self._within[step]:",
    ),
    Rule(
        "§4 not_before: the gap is over when it is as long as asked",
        "chains.py",
        "if self._not_before[step] <= gap_ms <= self._within[step]:",
        "if self._not_before[step] < gap_ms <= self._within[step]:",
    ),
    Rule(
        "§4 not_before: events of one instant have no gap",
        "chains.py",
        "if last > first and (self._strict_time or self._not_before[last]):",
        "if last > first and self._strict_time:",
    ),
    Rule(
        "§4 not_before: each later start whose gap is not over is kept too",
        "chains.py",
        "            worth.append(-max(now_ms, last + self._not_before[step]))\n",
        "",
    ),
    Rule(
        "§4 within: an earlier start whose limit ends later is kept too",
        "chains.py",
        "            worth.append(min(start_ms + self.window_ms, last + self._within[step]))\n",
        "",
    ),
    # Ties
    Rule(
        "§3 with options: with strict_time the events of one instant do not follow each other",
        "chains.py",
        "if last > first and (self._strict_time or self._not_before[last]):",
        "if last > first and self._not_before[last]:",
    ),
    Rule(
        "§4 an optional step whose gap is not over may be skipped inside a tie",
        "chains.py",
        "                if self._strict_time or not self._optional[last]:\n                    return\n"
        "                continue",
        "                return",
    ),
    # Optional steps
    Rule(
        "§4 a chain may skip an optional step",
        "chains.py",
        "            if not self._optional[step]:\n                return\n",
        "            return\n",
    ),
    Rule(
        "§4 a chain skips no required step",
        "chains.py",
        "            if not self._optional[step]:\n                return\n",
        "",
    ),
    Rule(
        "§3 a tie serves optional steps too where it can",
        "chains.py",
        "            if self._optional[step] and not self._not_before[step]:\n",
        "            if False:\n",
    ),
    Rule(
        "§4 not_before: a tie serves no optional step whose gap is not over",
        "chains.py",
        "            if self._optional[step] and not self._not_before[step]:\n",
        "            if self._optional[step]:\n",
    ),
    Rule(
        "§3 of the chains in a tie that with the later optional steps is reported",
        "chains.py",
        "for step in range(steps[-1] - 1, steps[0], -1):",
        "for step in range(steps[0] + 1, steps[-1]):",
    ),
    Rule(
        "§3 the chain with more optional steps is reported",
        "chains.py",
        "return -optional, -start_of(chain), entry_of(chain), steps",
        "return 0, -start_of(chain), entry_of(chain), steps",
    ),
    # Open funnels
    Rule(
        "§4 open funnel: an event without a live chain before it opens one",
        "chains.py",
        "        if not self._is_open:\n            return openers\n",
        "        return openers\n",
    ),
    Rule(
        "§4 open funnel: only in an open funnel",
        "chains.py",
        "        if not self._is_open:\n            return openers\n",
        "",
    ),
    Rule(
        "§4 open funnel: no chain enters at an optional step",
        "chains.py",
        "            if self._optional[step]:\n                continue\n",
        "",
    ),
    Rule(
        "§4 open funnel: an event opens one chain only",
        "chains.py",
        "if step not in hit[2] or hit[1] in opened:",
        "if step not in hit[2]:",
    ),
    Rule(
        "§4 open funnel: an event that a live chain waits for opens none",
        "chains.py",
        "if not waits[hit[2]]:",
        "if True:",
    ),
    Rule(
        "§4 open funnel: a chain of the same instant waits too",
        "chains.py",
        "        if len(instant.serving) == 1:\n            return False\n",
        "        return False\n",
    ),
    Rule(
        "§4 open funnel: an event that may not open at a step serves it only behind others",
        "chains.py",
        "own = hits if len(first) == len(hits) else [hit if hit in first else _without(hit, step) for hit in hits]",
        "own = hits",
    ),
    Rule(
        "§4 open funnel: of equal starts the lowest entry step is reported",
        "chains.py",
        "return -optional, -start_of(chain), entry_of(chain), steps",
        "return -optional, -start_of(chain), -entry_of(chain), steps",
    ),
    Rule(
        "§4 open funnel: of equal starts the lowest entry step is worth more",
        "chains.py",
        "worth = [start_ms, -entry_of(chain)]",
        "worth = [start_ms, entry_of(chain)]",
    ),
    Rule(
        "§4 open funnel: a later start makes up for a later entry",
        "chains.py",
        "all(a >= b or (place == 1 and is_later) for place, (a, b) in",
        "all(a >= b for place, (a, b) in",
    ),
    # Exclusions
    Rule(
        "§4 exclusion: the range begins at its first step, not before",
        "chains.py",
        "if first <= level < last and chain[2 * first - 2] < now_ms",
        "if level < last and start_of(chain) < now_ms",
    ),
    Rule(
        "§4 exclusion: a chain that has just reached the first step is in the range",
        "chains.py",
        "if first <= level < last and chain[2 * first - 2] < now_ms",
        "if first < level < last and chain[2 * first - 2] < now_ms",
    ),
    Rule(
        "§4 exclusion: a chain that reached the last step is out of the range",
        "chains.py",
        "if first <= level < last and chain[2 * first - 2] < now_ms",
        "if first <= level <= last and chain[2 * first - 2] < now_ms",
    ),
    Rule(
        "§4 exclusion: tied with the event of the first step it does not hit",
        "chains.py",
        "if first <= level < last and chain[2 * first - 2] < now_ms",
        "if first <= level < last",
    ),
    Rule(
        "§4 exclusion: it stops the chains inside its range",
        "chains.py",
        "chains = [chain for chain in chains if not self.clearing(chain, instant.time_ms, excluding)]",
        "pass",
    ),
    Rule(
        "§4 exclusion: events that are one do something besides serving steps",
        "ties.py",
        "excluding |= {exclusion_of(role) for role in roles if role < BREAKS}",
        "pass",
    ),
    # Strict order
    Rule(
        "§4 strict: an event in between breaks the chain",
        "chains.py",
        "        return any(level_of(chain) - 1 not in steps for steps in instant.breaking)",
        "        return False",
    ),
    Rule(
        "§4 strict: an event that also matches the step the chain is at breaks nothing",
        "chains.py",
        "return any(level_of(chain) - 1 not in steps for steps in instant.breaking)",
        "return bool(instant.breaking)",
    ),
    Rule(
        "§4 strict: ties never break",
        "chains.py",
        "if not self._is_strict or chain[-2] == instant.time_ms:",
        "if not self._is_strict:",
    ),
    Rule(
        "§4 strict: events of other steps break",
        "ties.py",
        "if steps or BREAKS in roles:",
        "if BREAKS in roles:",
    ),
    Rule(
        "§4 strict: events that serve no step break",
        "ties.py",
        "if steps or BREAKS in roles:",
        "if steps:",
    ),
    # What is kept and reported
    Rule(
        "§3 with options: of the deepest chains the one that reached its level first is reported",
        "chains.py",
        "return self.preferred([chain for chain in chains if chain[-2] == first_ms])",
        "return self.preferred(chains)",
    ),
    Rule(
        "§3 with options: then the latest start is reported",
        "chains.py",
        "return -optional, -start_of(chain), entry_of(chain), steps",
        "return -optional, start_of(chain), entry_of(chain), steps",
    ),
    Rule(
        "§3 with options: then the earliest event of each step is reported",
        "chains.py",
        "steps.append((0, -time_ms if is_latest else time_ms))",
        "steps.append((0, -time_ms))",
    ),
    Rule(
        "§3 with options: or the latest event where the next step has within",
        "chains.py",
        "steps.append((0, -time_ms if is_latest else time_ms))",
        "steps.append((0, time_ms))",
    ),
    Rule(
        "§5 with options: of the chains that come as far, one that reached its level first is kept for the report",
        "chains.py",
        "if other.last_ms > own.last_ms and theirs[:2]",
        "if False and theirs[:2]",
    ),
    Rule(
        "§3 with options: a chain that would be reported is not replaced by one that would not",
        "chains.py",
        "return all(their <= our for their, our in zip(other.ranks, own.ranks, strict=True))",
        "return True",
    ),
    Rule(
        "§7 of the chains of a level only those are kept that can still matter",
        "chains.py",
        "    if not at_least(other.worth, own.worth):\n",
        "    if True:\n",
    ),
    Rule(
        "§7 a chain that nothing can extend is not kept",
        "chains.py",
        "living = [chain for chain in chains if self.goes_on(chain, now_ms)]",
        "living = list(chains)",
    ),
    Rule(
        "§5 t0 comes from the chains that can come furthest",
        "chains.py",
        "theirs != ours and len(other) == len(chain) and at_least(theirs, ours) for other, theirs in valued",
        "False for other, theirs in valued",
    ),
    Rule(
        "§4 remove_actor: a chain came to its end with its own limits",
        "chains.py",
        "return max(limits, default=last)",
        "return start_of(chain) + self.window_ms",
    ),
    # Any order
    Rule(
        "§4 any order: any step's event can open an attempt",
        "any_order.py",
        "return {0: instant.serving} if instant.serving else {}",
        "return {0: instant.serving} if any(0 in hit[2] for hit in instant.serving) else {}",
    ),
    Rule(
        "§4 any order: the last instant of the window counts",
        "any_order.py",
        "living = [hit for hit in kept if now_ms <= hit[0] + self.window_ms]",
        "living = [hit for hit in kept if now_ms < hit[0] + self.window_ms]",
    ),
    Rule(
        "§4 any order: all events fit into the window",
        "any_order.py",
        "living = [hit for hit in kept if now_ms <= hit[0] + self.window_ms]",
        "living = list(kept)",
    ),
    Rule(
        "§5 any order: the last instant of the window counts, for which chains are alive",
        "any_order.py",
        "return level_of(chain) < self.step_count and now_ms <= start_of(chain) + self.window_ms",
        "return level_of(chain) < self.step_count and now_ms < start_of(chain) + self.window_ms",
    ),
    Rule(
        "§3 any order: with strict_time one event of an instant counts",
        "any_order.py",
        "        if self._strict_time:\n",
        "        if False:\n",
    ),
    Rule(
        "§4 any order: the latest event of each step is reported",
        "any_order.py",
        "ordered = sorted(hits, key=lambda hit: (-hit[0], hit[1]))",
        "ordered = sorted(hits, key=lambda hit: (hit[0], hit[1]))",
    ),
    Rule(
        "§4 any order: the smallest ids are reported",
        "any_order.py",
        "ordered = sorted(hits, key=lambda hit: (-hit[0], hit[1]))",
        "ordered = sorted(sorted(hits, key=lambda hit: hit[1], reverse=True), key=lambda hit: -hit[0])",
    ),
    Rule(
        "§4 any order: distinct steps are found in whichever way there is",
        "any_order.py",
        "if step not in holder or _place(holder[step], holder, tried):",
        "if step not in holder:",
    ),
    Rule(
        "§4 any order: of a level's chains that with the latest start is reported",
        "any_order.py",
        "return max(chains, key=lambda chain: (start_of(chain), chain[-2::-2]))",
        "return min(chains, key=lambda chain: (start_of(chain), chain[-2::-2]))",
    ),
    Rule(
        "§4 any order: an exclusion tied with the first event does not hit",
        "any_order.py",
        "return excluding if start_of(chain) < now_ms else ()",
        "return excluding",
    ),
    Rule(
        "§4 any order: an exclusion stops what began before it",
        "any_order.py",
        "return instant.serving if excluding else [*kept, *instant.serving]",
        "return [*kept, *instant.serving]",
    ),
    Rule(
        "§4 any order: the events of the exclusion's instant begin anew",
        "any_order.py",
        "return instant.serving if excluding else [*kept, *instant.serving]",
        "return () if excluding else [*kept, *instant.serving]",
    ),
    Rule(
        "§5 any order: a period's chain may need an earlier event than those of the widest set",
        "any_order.py",
        "        if until_ms is not None:\n            entries =",
        "        if False:\n            entries =",
    ),
    Rule(
        "§5 any order: a period's chain starts in it",
        "any_order.py",
        "sorted({node[0][0] for node in nodes if node[0][0] < until_ms}, reverse=True)",
        "sorted({node[0][0] for node in nodes}, reverse=True)",
    ),
    Rule(
        "§5 any order: of a period's chains with one start that with the latest events is reported",
        "any_order.py",
        "return [-hit[0] for hit in hits], [hit[1] for hit in hits]",
        "return [hit[0] for hit in hits], [hit[1] for hit in hits]",
    ),
    Rule(
        "§4 any order: what is out of the window is not kept",
        "any_order.py",
        "nodes = self._nodes([hit for hit in hits if now_ms <= hit[0] + self.window_ms])",
        "nodes = self._nodes(hits)",
    ),
    Rule(
        "§4 any order: steps are labelled by count, values too",
        "any_order.py",
        "at_level: Touch = (touch[0], ((level, currency, amount),), *touch[2:])",
        "at_level: Touch = touch",
    ),
)
