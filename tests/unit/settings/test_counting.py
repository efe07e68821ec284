"""Counting rules survive the document that keeps them: whoever goes on with a run counts alike."""

import random
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from stream.model.funnel import Breakdown, Operator, Predicate, ValueRule
from stream.settings.counting import CountingRules, counting_rules, following
from stream.settings.load import load_funnels, load_tracker
from stream.worker.activation import definition_id
from support.options.cases import random_funnel, used_options
from support.product import product_funnel

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"
SECRETS = ("KAFKA_PASSWORD", "KAFKA_KEY_PASSWORD", "REDIS_PASSWORD", "ACTOR_SECRET", "FUNNEL_PAGE_TOKEN")
RULES = CountingRules((), (), (), (), 1)


@pytest.fixture
def example(tmp_path):
    """Load one of the example tracker files, with what it takes from the environment."""
    for name in ("ca.pem", "client.pem", "client.key"):
        (tmp_path / name).touch()
    env = {"TLS_FOLDER": str(tmp_path), **dict.fromkeys(SECRETS, "made-up-and-long")}
    return lambda name: load_tracker(EXAMPLES / f"{name}.yaml", env)


def kept(rules: CountingRules) -> CountingRules:
    """Return rules as a document gives them back."""
    return msgspec.json.decode(msgspec.json.encode(rules), type=CountingRules)


@pytest.mark.parametrize("name", ["full", "minimal"])
def test_rules_of_the_examples(example, name):
    tracker = example(name)
    funnels = (*load_funnels(EXAMPLES / "full-funnel.yaml"), *load_funnels(tracker.funnels))
    rules = counting_rules(tracker, funnels)
    assert kept(rules) == rules
    assert b"made-up-and-long" not in msgspec.json.encode(rules)
    assert [definition_id(funnel) for funnel in kept(rules).funnels] == [definition_id(funnel) for funnel in funnels]


def test_rules_with_every_option_of_a_funnel():
    rng, seen = random.Random(11), set()
    for _ in range(400):
        drawn = random_funnel(rng)
        seen.update(used_options(drawn))
        funnel = replace(product_funnel(drawn), breakdowns=(Breakdown("d", ("a", "b"), allow=("x",), top_segments=0),))
        rules = replace(RULES, funnels=(funnel,))
        assert kept(rules) == rules
        assert definition_id(kept(rules).funnels[0]) == definition_id(funnel)
    assert len(seen) > 12


VALUES = [0, 1, -5, 2**53, 10**18, 0.0, 1.0, 0.1, 1e22, 1e-7, True, False, "", "1", "true", "ä"]


@pytest.mark.parametrize("value", VALUES)
def test_a_compared_value_keeps_its_type(value):
    funnel = product_funnel(random_funnel(random.Random(1)))
    where = (Predicate("p.q", Operator.EQUALS, (value,), negated=True),)
    step = replace(funnel.steps[0], where=where, value=ValueRule("v", None, "EUR"))
    rules = kept(replace(RULES, funnels=(replace(funnel, steps=(step, *funnel.steps[1:])),)))
    (found,) = rules.funnels[0].steps[0].where[0].values
    assert (found, type(found)) == (value, type(value))


def test_settings_that_follow_rules_keep_what_is_each_process_own(example):
    tracker = example("full")
    other = replace(tracker, redis=replace(tracker.redis, namespace="else"))
    rules = replace(counting_rules(tracker, ()), rolling=(), age_matched=(), bot_cap=7)
    followed = following(other, rules, "live.r")
    assert counting_rules(followed, ()) == rules
    assert followed.redis == replace(tracker.redis, namespace="live.r")
    assert followed.kafka == other.kafka
    assert replace(followed.worker, bot_cap=other.worker.bot_cap) == other.worker
