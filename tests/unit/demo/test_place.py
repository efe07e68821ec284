"""A demo has names of its own, and its tracker file says where the given servers are."""

from pathlib import Path

import pytest
import yaml

from stream.demo.place import make_place, make_rules
from stream.errors import DemoError
from stream.settings.load import load_funnels

ROOT = Path(__file__).parents[3]
KAFKA = "127.0.0.1:9"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    return make_place(tmp_path, KAFKA, "redis://:s'ecret\"#x@127.0.0.1:9/0")


def test_topics_group_and_namespace_have_a_name_that_is_nobody_elses(place):
    settings = place.settings
    name = settings.kafka.group
    assert name.startswith("demo-")
    assert settings.redis.namespace == name
    assert (place.topic, settings.dead_letter_topic) == (f"{name}-clicks", f"{name}-dead-letters")


def test_addresses_are_taken_as_they_are_also_with_quotes_in_the_password(place):
    assert place.settings.kafka.bootstrap == KAFKA
    assert place.settings.redis.url == "redis://:s'ecret\"#x@127.0.0.1:9/0"


def test_nobody_else_can_read_the_password(place):
    assert place.tracker.stat().st_mode & 0o077 == 0


def test_away_from_the_project_it_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DemoError, match=r"no folder config/funnels here .*run the demo in the project's folder"):
        make_place(tmp_path, KAFKA, "redis://127.0.0.1:9")


def test_the_rules_watch_phones_over_a_minute(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    rules = yaml.safe_load(make_rules(tmp_path).read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    watched = [rule["labels"] for rule in alerts if rule["alert"] == "FunnelSegmentDropOffSpike"]
    assert {(labels["window"], labels["age"]) for labels in watched} == {("1m", "15s"), ("5m", "15s")}


def test_the_funnel_that_breaks_has_a_target_within_an_age_that_is_counted(place):
    checkout, *_ = load_funnels(place.settings.funnels, place.settings.period)
    targets = {step.name: dict(step.target_within) for step in checkout.steps}
    (age,) = targets["begin_checkout"]
    assert age in place.settings.age_matched
