"""Which funnels may write: the newest set, under numbers that are never used twice."""

from dataclasses import replace

import msgspec
import pytest

from stream.errors import StoreRefused
from stream.model.funnel import Attribution, Breakdown, Funnel, Operator, Predicate, Step
from stream.model.window import RollingWindow
from stream.settings.counting import counting_rules
from stream.settings.tracker import SourceSettings, TrackerSettings
from stream.worker.activation import (
    ActiveSet,
    FunnelSetInactive,
    counting_of,
    definition_id,
    next_active_set,
    rules_id,
    rules_of,
    with_counting,
    with_rules,
)


def funnel(name, version=1, window_ms=1_000):
    return Funnel(name, version, (Step("a", ("A",)), Step("b", ("B",))), window_ms)


def test_the_same_funnels_in_another_order_are_the_same_set():
    first = next_active_set([funnel("x"), funnel("y")], None)
    assert next_active_set([funnel("y"), funnel("x")], first) is first


def test_a_newer_set_replaces_an_older_one_which_does_not_come_back_by_itself():
    old = [funnel("x")]
    new = [*old, funnel("x", 2)]
    active = next_active_set(new, next_active_set(old, None))
    assert active.numbers == {"x@1": 0, "x@2": 1}
    with pytest.raises(FunnelSetInactive, match="was replaced by"):
        next_active_set(old, active)
    back = next_active_set(old, active, force=True)
    with pytest.raises(FunnelSetInactive, match="was replaced by"):
        next_active_set(new, back)


def test_a_changed_definition_needs_a_new_version():
    active = next_active_set([funnel("x")], None)
    with pytest.raises(FunnelSetInactive, match="x@1 is counted with another definition"):
        next_active_set([funnel("x", window_ms=2_000)], active)


def test_an_option_changes_the_definition_of_those_only_that_use_it():
    plain = funnel("x")
    equals = [(Predicate("p", Operator.EQUALS, values),) for values in ((0,), (False,), ("",), (), ("", ""))]
    others = [
        replace(plain, strict_time=True),
        *(replace(plain, steps=(replace(plain.steps[0], where=where), plain.steps[1])) for where in equals),
        replace(plain, steps=(replace(plain.steps[0], where=(replace(equals[0][0], negated=True),)), plain.steps[1])),
    ]
    assert len({definition_id(each) for each in [plain, *others]}) == 1 + len(others)
    written = msgspec.to_builtins(plain)
    assert {"strict_time", "breakdowns"} <= written.keys()
    assert definition_id(plain) == definition_id(replace(plain, strict_time=False, breakdowns=()))


def test_what_is_exported_is_no_part_of_the_definition():
    plain = replace(funnel("x"), breakdowns=(Breakdown("by", ("utm",)),))
    exported = (replace(plain.breakdowns[0], allow=("mail",), top_segments=3),)
    attributed = (replace(plain.breakdowns[0], attribution=Attribution.LAST_TOUCH),)
    assert definition_id(plain) == definition_id(replace(plain, breakdowns=exported))
    assert definition_id(plain) != definition_id(replace(plain, breakdowns=attributed))


def test_a_number_is_never_used_twice():
    active = next_active_set([funnel("x"), funnel("y")], None)
    for names in (["y"], ["y", "z"], ["x", "y", "z"], ["x"], ["x", "y", "z"]):
        active = next_active_set([funnel(name) for name in names], active, force=True)
    assert active.numbers == {"x@1": 3, "y@1": 4, "z@1": 5}


def test_rules_are_kept_by_later_sets_and_compared():
    rules = rules_of([RollingWindow("5m", 300_000), RollingWindow("1h", 3_600_000, 12)], "secret")
    active = with_rules(next_active_set([funnel("x")], None), rules)
    assert with_rules(active, rules) is active
    later = next_active_set([funnel("y")], active)
    with pytest.raises(StoreRefused, match="rolling windows 5m/60 1h/12, configured are 5m/60; set it back"):
        with_rules(later, rules_of([RollingWindow("5m", 300_000)], "secret"))


def test_the_rules_are_noted_as_a_whole_and_earlier_ones_by_their_ids():
    settings = TrackerSettings((SourceSettings("shop", ("clicks",)),), "unused")
    first, second = (counting_rules(each, [funnel("x")]) for each in (settings, replace(settings, age_matched=())))
    active = with_counting(next_active_set([funnel("x")], None), first)
    assert (counting_of(active), with_counting(active, first)) == (first, active)
    later = msgspec.json.decode(msgspec.json.encode(with_counting(active, second)), type=ActiveSet)
    assert (counting_of(later), later.replaced) == (second, [rules_id(first)])


def test_rules_that_another_release_noted_are_no_reason_not_to_count():
    active = msgspec.structs.replace(next_active_set([funnel("x")], None), counting=msgspec.Raw(b'{"shape": 1}'))
    assert counting_of(msgspec.json.decode(msgspec.json.encode(active), type=ActiveSet)) is None


def test_rules_do_not_give_the_secret_away():
    assert "my secret" not in repr(rules_of([], "my secret"))
