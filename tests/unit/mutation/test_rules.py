"""The table of rules stands as the engine does: each snippet is there once, and Python without its rule."""

import pytest

from mutation.rule import RottenRule, Rule
from mutation.rules import RULES
from mutation.trials import ROOT


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.words)
def test_a_rule_can_be_turned_off(rule):
    source = (ROOT / rule.path).read_text(encoding="utf-8")
    assert rule.turned_off(source) != source


def test_words_and_changes_are_no_two_rules():
    assert len({rule.words for rule in RULES}) == len(RULES)
    assert len({(rule.file, rule.on, rule.off) for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("source", ["x = 1", "a < b\na < b"])
def test_a_snippet_that_is_not_there_once_is_told(source):
    with pytest.raises(RottenRule, match="instead of once"):
        Rule("so", "ordered.py", "a < b", "a <= b").turned_off(source)


def test_a_change_that_is_no_python_is_told():
    with pytest.raises(RottenRule, match="no Python"):
        Rule("so", "ordered.py", "a < b", "a <").turned_off("a < b")
