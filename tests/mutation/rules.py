"""All rules of the engine that can be turned off."""

from typing import Final

from . import (
    rules_of_attributions,
    rules_of_chains,
    rules_of_counting,
    rules_of_matching,
    rules_of_plain_funnels,
    rules_of_shortcuts,
    rules_of_state,
    rules_of_units,
)
from .rule import Rule

RULES: Final[tuple[Rule, ...]] = (
    *rules_of_plain_funnels.RULES,
    *rules_of_chains.RULES,
    *rules_of_counting.RULES,
    *rules_of_shortcuts.RULES,
    *rules_of_state.RULES,
    *rules_of_units.RULES,
    *rules_of_attributions.RULES,
    *rules_of_matching.RULES,
)
