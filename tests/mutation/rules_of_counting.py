"""Rules of attempts and periods of funnels with options: sessions, anchors, exclusions and who is removed."""

from typing import Final

from .rule import Rule

RULES: Final = (
    # Attempts
    Rule(
        "§5 with options: an attempt is dropped at t > t0 + window, not at t0 + window",
        "option_fold.py",
        "if attempt is not None and time_ms - attempt[0] > self._window_ms:",
        "if attempt is not None and time_ms - attempt[0] >= self._window_ms:",
    ),
    Rule(
        "§5 with options: an attempt ends with its window",
        "option_fold.py",
        "if attempt is not None and time_ms - attempt[0] > self._window_ms:",
        "if False:",
    ),
    Rule(
        "§5 with options: a conversion consumes everything up to its tie group",
        "option_fold.py",
        "return (), None\n",
        "return step.after, None\n",
    ),
    Rule(
        "§5 with options: t0 is the earliest start of the chains alive",
        "option_fold.py",
        "best, entry_ms = max(map(level_of, foremost)), min(map(start_of, foremost))",
        "best, entry_ms = max(map(level_of, foremost)), max(map(start_of, foremost))",
    ),
    Rule(
        "§5 with options: an attempt's best level starts at the deepest chain alive",
        "option_fold.py",
        "best, entry_ms = max(map(level_of, foremost)), min(map(start_of, foremost))",
        "best, entry_ms = min(map(level_of, foremost)), min(map(start_of, foremost))",
    ),
    Rule(
        "§5 with options: an attempt enters at chains that an event now could still extend",
        "option_fold.py",
        "alive = [each for each in self.shape.candidates(step.before) if self.shape.goes_on(each, now_ms)]",
        "alive = list(self.shape.candidates(step.before))",
    ),
    Rule(
        "§5 with options: a chain that starts before the attempt is none of its own",
        "option_fold.py",
        "own = [chain for chain in arriving if start_of(chain) >= attempt[0]]",
        "own = arriving",
    ),
    Rule(
        "§5 with options: what reached the deepest level first is reported",
        "option_fold.py",
        "        if top == attempt[1]:\n            return (*attempt[:5], None)\n",
        "",
    ),
    Rule(
        "§5 with options: a step that the chain skipped was reached with the next one",
        "option_fold.py",
        "            times[place] = times[place + 1]\n",
        "            pass\n",
    ),
    Rule(
        "§5 with options: an attempt first reached a step when it did, whichever chain is reported later",
        "option_fold.py",
        "elif known and known[place] is not None:",
        "elif False:",
    ),
    Rule(
        "§5 with options: a deeper chain reaches its further steps now",
        "option_fold.py",
        "            times[place] = now_ms\n",
        "            pass\n",
    ),
    Rule(
        "§5 open funnel: an attempt never reached the steps below its entry",
        "option_fold.py",
        "        if place < entry:\n            times[place] = None\n        elif known",
        "        if known",
    ),
    Rule(
        "§6 with options: first touch is that of the entry event",
        "attribution.py",
        "touch: Touch | None = chain[2 * entry_of(chain) + 1]",
        "touch: Touch | None = chain[-1]",
    ),
    # Exclusions end attempts
    Rule(
        "§4 exclusion: in attempts the chains inside its range are cleared",
        "option_fold.py",
        "step = self._step(kept, instant, openers, instant.excluding)",
        "step = self._step(kept, instant, openers)",
    ),
    Rule(
        "§5 exclusion: it closes an attempt that has no live chain left",
        "option_fold.py",
        "if not any(self.shape.goes_on(chain, now_ms) for chain in self.shape.candidates(step.after)):",
        "if False:",
    ),
    Rule(
        "§5 exclusion: an attempt with a live chain left goes on",
        "option_fold.py",
        "if not any(self.shape.goes_on(chain, now_ms) for chain in self.shape.candidates(step.after)):",
        "if True:",
    ),
    Rule(
        "§5 exclusion: it closes no attempt whose chains had come to their end by themselves",
        "option_fold.py",
        "        if not clearing:\n            return attempt\n",
        "",
    ),
    Rule(
        "§5 exclusion: an attempt whose best level was cleared is excluded at its window's end",
        "option_fold.py",
        "            attempt = self._cleared(attempt, alive, instant)\n",
        "",
    ),
    Rule(
        "§5 exclusion: not while another chain has the best level",
        "option_fold.py",
        "if not clearing or not all(clearing):",
        "if not any(clearing):",
    ),
    Rule(
        "§5 exclusion: not if the best level is reached again",
        "option_fold.py",
        "            return (*attempt[:5], None)\n",
        "            return attempt\n",
    ),
    Rule(
        "§5 exclusion: an excluded attempt closes when it is hit",
        "option_fold.py",
        "closed.append((*attempt[:5], (False, instant.time_ms)))",
        "closed.append((*attempt[:5], None))",
    ),
    # Who is removed
    Rule(
        "§4 remove_actor: an attempt that closes as excluded is taken out of everything",
        "option_fold.py",
        "if not (self._remove(clearing) or (fate is not None and fate[0])):",
        "if True:",
    ),
    Rule(
        "§4 remove_actor: also one whose best level a removing exclusion had cleared before",
        "option_fold.py",
        "if not (self._remove(clearing) or (fate is not None and fate[0])):",
        "if not self._remove(clearing):",
    ),
    Rule(
        "§4 remove_actor: also one whose window ends after its best level was cleared",
        "option_fold.py",
        "return (*attempt[:5], (self._remove(place for places in clearing for place in places), None))",
        "return (*attempt[:5], (False, None))",
    ),
    Rule(
        "§4 end_attempt: steps reached still count",
        "option_fold.py",
        "effect is Effect.REMOVE_ACTOR)",
        "effect)",
    ),
    Rule(
        "§4 remove_actor: an actor counts nowhere in a period without a clean chain as deep as its deepest",
        "option_fold.py",
        ("        if self._removing:\n            return self._advance_removal(period, instant, shared.openers)\n"),
        "",
    ),
    Rule(
        "§4 remove_actor: a chain that left its window uncleared is clean",
        "option_fold.py",
        "is_clean = removal.is_clean or has_died_clean(shape, removal, end_ms, now_ms)",
        "is_clean = removal.is_clean",
    ),
    Rule(
        "§4 remove_actor: what was clean of a lower level says nothing of a deeper one",
        "option_fold.py",
        "        if deepest > removal.deepest:\n            is_clean = False\n",
        "        if deepest > removal.deepest:\n            pass\n",
    ),
    Rule(
        "§4 remove_actor: the deepest chain is looked for with removing exclusions ignored",
        "option_fold.py",
        "lenient_excluding = instant.excluding - self._removing",
        "lenient_excluding = instant.excluding",
    ),
    Rule(
        "§4 remove_actor: but exclusions that end attempts are not ignored",
        "option_fold.py",
        "lenient_excluding = instant.excluding - self._removing",
        "lenient_excluding: frozenset[int] = frozenset()",
    ),
    Rule(
        "§4 remove_actor: an exclusion that only ends attempts leaves a chain clean",
        "option_fold.py",
        "removing = instant.excluding & self._removing",
        "removing = instant.excluding",
    ),
    Rule(
        "§4 remove_actor: a chain that is alive without being cleared is clean",
        "option_fold.py",
        "return (start_ms, end_ms, after, best, chain) if is_clean or going else",
        "return (start_ms, end_ms, after, best, chain) if is_clean else",
    ),
    Rule(
        "§4 remove_actor: a period without a clean chain is shown as none",
        "option_fold.py",
        "return (start_ms, end_ms, after, best, chain) if is_clean or going else",
        "return (start_ms, end_ms, after, best, chain) if True else",
    ),
    Rule(
        "§4 remove_actor: a cleared chain is not clean",
        "option_fold.py",
        "uncleared = [each for each in alive if not shape.clearing(each, now_ms, removing)]",
        "uncleared = alive",
    ),
    Rule(
        "§4 remove_actor: only the level's latest start counts, of those that end now",
        "option_fold.py",
        "any(not is_outdone(shape, each, uncleared, now_ms) for each in dead)",
        "bool(dead)",
    ),
    Rule(
        "§4 remove_actor: only the level's latest start counts, of those that ended before",
        "removal.py",
        "return any(not is_outdone(shape, each, level, shape.last_ms(each)) for each in dead)",
        "return bool(dead)",
    ),
    Rule(
        "§4 remove_actor: a broken or cleared chain does not survive",
        "removal.py",
        (
            "    if shape.is_broken(chain, instant) or shape.clearing(chain, now_ms, instant.excluding):\n"
            "        return False\n"
        ),
        "",
    ),
    # Sessions and anchors
    Rule(
        "§4 gap rule: a gap of exactly the rule's length is none",
        "option_fold.py",
        "if seen_ms is None or time_ms - seen_ms > self._gap_ms:",
        "if seen_ms is None or time_ms - seen_ms >= self._gap_ms:",
    ),
    Rule(
        "§4 gap rule: a longer gap begins a new session",
        "option_fold.py",
        "if seen_ms is None or time_ms - seen_ms > self._gap_ms:",
        "if seen_ms is None:",
    ),
    Rule(
        "§4 gap rule: every event counts, not only the session's first",
        "option_fold.py",
        "            seen_ms = time_ms\n",
        "            seen_ms = since_ms\n",
    ),
    Rule(
        "§4 gap rule: a session's attempt stays what it was",
        "option_fold.py",
        "                closed += [] if attempt is None else [attempt]\n",
        "",
    ),
    Rule(
        "§4 gap rule: an attempt does not outlast its session",
        "option_fold.py",
        "                closed += [] if attempt is None else [attempt]\n                attempt = None\n",
        "",
    ),
    Rule(
        "§4 gap rule: a session's periods are no longer advanced",
        "option_fold.py",
        "periods = tuple([_ended(period) for period in periods if period[3]])",
        "pass",
    ),
    Rule(
        "§4 gap rule: a new session's chains begin anew",
        "option_fold.py",
        "kept, since_ms, anchored_ms, every, notes = (), time_ms, None, (), ()",
        "since_ms, anchored_ms, every = time_ms, None, ()",
    ),
    Rule(
        "§4 gap rule: each session has its own result of a period",
        "option_fold.py",
        "inside = inside or (here and (since_ms is None or start_of(chain) >= since_ms))",
        "inside = inside or here",
    ),
    Rule(
        "§4 entry first: only the period's first event anchors",
        "option_fold.py",
        "may_start = anchored_ms is None or time_ms >= anchored_ms",
        "may_start = True",
    ),
    Rule(
        "§4 entry first: each period has an anchor",
        "option_fold.py",
        "may_start = anchored_ms is None or time_ms >= anchored_ms",
        "may_start = anchored_ms is None",
    ),
    Rule(
        "§4 entry first: the next period begins where the last one ends",
        "option_fold.py",
        "may_start = anchored_ms is None or time_ms >= anchored_ms",
        "may_start = anchored_ms is None or time_ms > anchored_ms",
    ),
    Rule(
        "§4 entry first: only an event of step 1 anchors",
        "option_fold.py",
        "if self.anchor_of is not None and openers:",
        "if self.anchor_of is not None:",
    ),
    # Periods
    Rule(
        "§5 open funnel: of people nothing is consumed, so other events may open a chain",
        "option_fold.py",
        "            openers = self.shape.openers(every, instant)\n",
        "",
    ),
    Rule(
        "§5 with options: a period's end is not in it",
        "option_fold.py",
        "here = start_ms <= now_ms < end_ms",
        "here = start_ms <= now_ms <= end_ms",
    ),
    Rule(
        "§5 with options: a chain of a period starts in it",
        "option_fold.py",
        "self._advance_period(period, instant, shared if here else NO_STEP)",
        "self._advance_period(period, instant, shared)",
    ),
    Rule(
        "§5 with options: later events count although the period is over",
        "option_fold.py",
        "            inside = inside or here\n            result.append(",
        "            inside = inside or here\n            result.append(period if not here else ",
    ),
    Rule(
        "§5 with options: in a period what reached the deepest level first is reported",
        "option_fold.py",
        "        if top <= best:\n            return best, chain\n",
        "        if top < best or not top:\n            return best, chain\n",
    ),
    Rule(
        "§4 exclusion: in periods the chains inside its range are cleared",
        "option_fold.py",
        "step = self._step(kept, instant, shared.openers, instant.excluding, end_ms)",
        "step = self._step(kept, instant, shared.openers, (), end_ms)",
    ),
    # What can be forgotten
    Rule(
        "§7 with options: a period that is not over is not forgotten",
        "option_fold.py",
        "            return end_ms <= limit_ms\n        return end_ms <= limit_ms and not any(",
        "            return True\n        return not any(",
    ),
    Rule(
        "§7 with options: a period whose chains go on is not forgotten",
        "option_fold.py",
        "        return end_ms <= limit_ms and not any(",
        "        return end_ms <= limit_ms or not any(",
    ),
    Rule(
        "§7 with options: an actor with chains is not forgotten before they end",
        "option_fold.py",
        "                yield start_of(chain) + self._window_ms\n",
        "                yield start_of(chain)\n",
    ),
    Rule(
        "§7 with options: chains of which nothing is consumed count for that too",
        "option_fold.py",
        "kept = [standing.kept, standing.every]",
        "kept = [standing.kept]",
    ),
    Rule(
        "§7 with options: chains of periods count for that too",
        "option_fold.py",
        ("        kept += [each for period in periods if period[2] is not DONE for each in self.kept_in(period[2])]\n"),
        "",
    ),
)
