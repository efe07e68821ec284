"""Rules of shortcuts: where the long way may be left out, and what a new session begins with."""

from typing import Final

from .rule import Rule

RULES: Final = (
    # The chain of a level with the latest start is the best in every way
    Rule(
        "§3 one best chain of a level: not in an open funnel",
        "chains.py",
        "funnel.is_open or any(step.optional or step.within_ms is not None or step.not_before_ms for step in steps)",
        "any(step.optional or step.within_ms is not None or step.not_before_ms for step in steps)",
    ),
    Rule(
        "§3 one best chain of a level: not with optional steps",
        "chains.py",
        "funnel.is_open or any(step.optional or step.within_ms is not None or step.not_before_ms for step in steps)",
        "funnel.is_open or any(step.within_ms is not None or step.not_before_ms for step in steps)",
    ),
    Rule(
        "§3 one best chain of a level: not with within",
        "chains.py",
        "funnel.is_open or any(step.optional or step.within_ms is not None or step.not_before_ms for step in steps)",
        "funnel.is_open or any(step.optional or step.not_before_ms for step in steps)",
    ),
    Rule(
        "§3 one best chain of a level: not with not_before",
        "chains.py",
        "funnel.is_open or any(step.optional or step.within_ms is not None or step.not_before_ms for step in steps)",
        "funnel.is_open or any(step.optional or step.within_ms is not None for step in steps)",
    ),
    Rule(
        "§3 one best chain of a level: it has the latest start",
        "chains.py",
        "latest_ms = max(chain[0] for chain in chains)",
        "latest_ms = min(chain[0] for chain in chains)",
    ),
    Rule(
        "§3 one best chain of a level: of one start the reported one",
        "chains.py",
        "return [self.preferred([chain for chain in chains if chain[0] == latest_ms])]",
        "return [next(chain for chain in reversed(chains) if chain[0] == latest_ms)]",
    ),
    Rule(
        "§5 one best chain of a level: it goes on to the last instant of its window",
        "chains.py",
        "return len(chain) < 2 * self.step_count and now_ms <= chain[0] + self.window_ms",
        "return len(chain) < 2 * self.step_count and now_ms < chain[0] + self.window_ms",
    ),
    # Periods share the step of attempts
    Rule(
        "§5 shared steps: not with a period that keeps other chains",
        "option_fold.py",
        "if not (self.shape.is_shared and shared.before is kept):",
        "if not self.shape.is_shared:",
    ),
    Rule(
        "§5 shared steps: not in an open funnel, where other events open the chains of a period",
        "chains.py",
        "self.is_shared = not self._is_open",
        "self.is_shared = True",
    ),
    # An instant without arriving chains changes nothing that is kept
    Rule(
        "§4 lazy step: but an exclusion may",
        "option_fold.py",
        "if not (arriving or excluding or self.shape.changes_alone):",
        "if not (arriving or self.shape.changes_alone):",
    ),
    Rule(
        "§4 lazy step: but in strict order a foreign event may",
        "chains.py",
        "self.changes_alone = self._is_strict",
        "self.changes_alone = False",
    ),
    # An attempt that opens on one event
    Rule(
        "§5 opening: not if other chains are alive",
        "option_fold.py",
        "if len(alive) == 1 and len(alive[0]) == 2 and self._attributions is None:",
        "if len(alive[0]) == 2 and self._attributions is None:",
    ),
    Rule(
        "§5 opening: not if the chain has more steps",
        "option_fold.py",
        "if len(alive) == 1 and len(alive[0]) == 2 and self._attributions is None:",
        "if len(alive) == 1 and self._attributions is None:",
    ),
    Rule(
        "§6 opening: not if other events give breakdown values",
        "option_fold.py",
        "if len(alive) == 1 and len(alive[0]) == 2 and self._attributions is None:",
        "if len(alive) == 1 and len(alive[0]) == 2:",
    ),
    # Sessions
    Rule(
        "§4 gap rule: a new session has an anchor of its own",
        "option_fold.py",
        "kept, since_ms, anchored_ms, every, notes = (), time_ms, None, (), ()",
        "kept, since_ms, every, notes = (), time_ms, (), ()",
    ),
    Rule(
        "§4 gap rule: chains of which nothing is consumed begin anew too",
        "option_fold.py",
        "kept, since_ms, anchored_ms, every, notes = (), time_ms, None, (), ()",
        "kept, since_ms, anchored_ms, notes = (), time_ms, None, ()",
    ),
)
