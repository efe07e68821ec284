"""What a funnel with options is, and which combinations of options there cannot be.

In:  step and exclusion definitions.
Out: an `OptionFunnel`, and the reasons to refuse it (`refusals`; empty: it is exact).
"""

from dataclasses import dataclass
from typing import Literal

from support.oracle import OEvent

Order = Literal["ordered", "strict", "any"]
Effect = Literal["end_attempt", "remove_actor"]

FOREVER_MS = 10**18
"""Longer than any window: the `within` of a step that has none."""


@dataclass(frozen=True)
class OMatch:
    """Which events are meant: any of `names`, and, if `where` is given, that property with that value."""

    names: frozenset[str]
    where: tuple[str, str] | None = None

    def fits(self, event: OEvent) -> bool:
        """Tell whether the event is one of those meant."""
        return event.name in self.names and (self.where is None or event.properties.get(self.where[0]) == self.where[1])


@dataclass(frozen=True)
class OStep(OMatch):
    """One step; `within` and `not_before` are ms after the chain's previous event, both inclusive."""

    optional: bool = False
    within: int = FOREVER_MS
    not_before: int = 0

    @property
    def has_within(self) -> bool:
        """Whether the step has a limit of its own."""
        return self.within != FOREVER_MS


@dataclass(frozen=True)
class OExclusion(OMatch):
    """What must not happen strictly between steps `first` and `last` (numbers from 1; None: the last step)."""

    first: int = 1
    last: int | None = None
    effect: Effect = "end_attempt"


@dataclass(frozen=True)
class OptionFunnel:
    """A funnel; every option at its default makes it the plain ordered one.

    `window`: ms from first to last event, inclusive. `breaking`: the names that break a strict chain besides
    the steps' own events (None: every event of the actor). `hold`: properties that stay constant.
    `entry_first`: only a period's first step-1 event starts a chain. `session`: the property with the
    session id. `session_gap`: ms without any event that a session outlasts. `granularity`: ms.
    """

    steps: tuple[OStep, ...]
    window: int
    order: Order = "ordered"
    strict_time: bool = False
    is_open: bool = False
    exclusions: tuple[OExclusion, ...] = ()
    breaking: frozenset[str] | None = None
    hold: tuple[str, ...] = ()
    entry_first: bool = False
    session: str | None = None
    session_gap: int | None = None
    granularity: int = 1

    def serves(self, event: OEvent, step: int) -> bool:
        """Tell whether the event can serve `step`; one without a held property serves none."""
        return self._holds(event) and self.steps[step - 1].fits(event)

    def excludes(self, event: OEvent, exclusion: OExclusion) -> bool:
        """Tell whether the event is one that `exclusion` means."""
        return self._holds(event) and exclusion.fits(event)

    def breaks(self, event: OEvent, step: int) -> bool:
        """Tell whether the event breaks a strict chain that stands at `step`."""
        if self.order != "strict" or self.serves(event, step):
            return False
        is_seen = self.breaking is None or event.name in self.breaking
        return is_seen or any(self.serves(event, other) for other in self.numbers)

    def following(self, step: int) -> list[int]:
        """Return the steps a chain may go to from `step`: the next, and those behind optional ones."""
        return [later for later in self.numbers if later > step and self._all_optional(step + 1, later)]

    def preceding(self, step: int) -> list[int]:
        """Return the steps a chain may come from to `step`."""
        return [earlier for earlier in self.numbers if earlier < step and self._all_optional(earlier + 1, step)]

    @property
    def numbers(self) -> range:
        """The step numbers, from 1."""
        return range(1, len(self.steps) + 1)

    @property
    def required(self) -> list[int]:
        """The numbers of the steps that no chain skips."""
        return [step for step in self.numbers if not self.steps[step - 1].optional]

    def range_of(self, exclusion: OExclusion) -> tuple[int, int]:
        """Return the steps strictly between which the exclusion must not happen."""
        return exclusion.first, exclusion.last or len(self.steps)

    def floor(self, time: int) -> int:
        """Floor a time (ms) to the granularity, toward minus infinity."""
        return time - time % self.granularity

    def _holds(self, event: OEvent) -> bool:
        return all(name in event.properties for name in self.hold)

    def _all_optional(self, first: int, end: int) -> bool:
        return all(self.steps[step - 1].optional for step in range(first, end))


def refusals(funnel: OptionFunnel) -> list[str]:
    """Name what is wrong with a funnel; empty when its numbers are defined."""
    steps, last = funnel.steps, len(funnel.steps)
    has_any, has_first = funnel.order == "any", funnel.entry_first
    timed = any(step.has_within or step.not_before for step in steps)
    ranges = [funnel.range_of(exclusion) for exclusion in funnel.exclusions]
    ends = {step for both in ranges for step in both}
    wrong = {
        "fewer than two steps": last < 2,
        "the first or the last step is optional": steps[0].optional or steps[-1].optional,
        "the first step has no previous event": steps[0].has_within or bool(steps[0].not_before),
        "not_before is longer than within or the window": any(
            step.not_before > min(step.within, funnel.window) for step in steps
        ),
        "any order with within or not_before": has_any and timed,
        "any order with an open funnel": has_any and funnel.is_open,
        "any order with a ranged exclusion": has_any and any(both != (1, last) for both in ranges),
        "any order with an optional step": has_any and any(step.optional for step in steps),
        "any order with entry: first": has_any and has_first,
        "an open funnel with exclusions": funnel.is_open and bool(funnel.exclusions),
        "an open funnel with entry: first": funnel.is_open and has_first,
        "an exclusion's range is empty or outside the steps": any(not 1 <= i < j <= last for i, j in ranges),
        "an exclusion's range ends at an optional step": bool(ends - set(funnel.required)),
        "events: without strict order": funnel.breaking is not None and funnel.order != "strict",
        "more than three held properties": len(funnel.hold) > 3,
        "two session rules": funnel.session is not None and funnel.session_gap is not None,
    }
    return [reason for reason, is_wrong in wrong.items() if is_wrong]
