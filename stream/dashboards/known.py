"""What the definitions say about the funnels to be shown: which parts make sense, what is chosen first.

In:  the funnels, the settings' windows.
Out: `Known`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stream.model.funnel import Funnel
from stream.model.window import RollingWindow


@dataclass(frozen=True, slots=True)
class Known:
    """What is true of at least one funnel, and the first choices. `cohort`: window of the first entry cohorts."""

    funnel: str
    version: str
    window: str
    cohort: str
    has_target: bool
    has_step_target: bool
    has_value: bool
    has_exclusions: bool
    has_optional_steps: bool
    is_open: bool
    valued_funnel: str = ""
    valued_version: str = ""


def known(funnels: Sequence[Funnel], windows: Sequence[RollingWindow]) -> Known:
    """Look through the definitions; there is at least one."""
    first = funnels[0]
    valued = [funnel for funnel in funnels if any(step.value for step in funnel.steps)]
    lengths = sorted(windows, key=lambda window: window.window_ms)
    decided = [window for window in lengths if window.has_matured(first.window_ms)] or lengths
    steps = [step for funnel in funnels for step in funnel.steps]
    return Known(
        funnel=first.name,
        version=str(_newest(funnels, first.name)),
        window=lengths[len(lengths) // 2].name if lengths else "",
        cohort=decided[len(decided) // 2].name if decided else "",
        has_target=any(funnel.target is not None or funnel.benchmarks for funnel in funnels),
        has_step_target=any(step.target is not None or step.target_within for step in steps),
        has_value=bool(valued),
        has_exclusions=any(funnel.exclusions for funnel in funnels),
        has_optional_steps=any(step.optional for step in steps),
        is_open=any(funnel.is_open for funnel in funnels),
        valued_funnel=valued[0].name if valued else "",
        valued_version=str(_newest(valued, valued[0].name)) if valued else "",
    )


def _newest(funnels: Sequence[Funnel], name: str) -> int:
    return max(funnel.version for funnel in funnels if funnel.name == name)
